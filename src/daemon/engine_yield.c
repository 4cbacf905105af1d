/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "daemon/engine_internal.h"

/* Hand-over, both sides (handover.h). */

/* --- the new process ----------------------------------------------------------------------------
 */

int engine_follow(struct engine *engine, struct text *problem) {
    const int error = recovery_run(&engine->recovery, UINT64_MAX);
    return error != 0 ? engine_fail(problem, "cannot follow the journal in", engine->journal_folder,
                                    -error)
                      : 0;
}

/* The old process may have changed settings or lists after we had read them. */
static int catch_up_config(struct engine *engine, struct text *problem) {
    const uint64_t version = config_db_version(engine->config_db);
    if (version == generation_current(engine)->generation.version) {
        return 0;
    }
    struct engine_problem found = {0};
    const int error = engine_reload(engine, &found);
    if (error != 0) {
        setting_problem_format(&found.setting, str_from(engine->config_path), problem);
        return error;
    }
    struct shared_rules *rules;
    int loaded = rules_load(engine->config_db, &rules);
    if (loaded == 0) {
        loaded = lists_load(engine, NULL, rules, version);
        if (loaded != 0) {
            shared_rules_release(engine, rules);
        }
    }
    return loaded;
}

int engine_catch_up(struct engine *engine, struct text *problem) {
    int error = engine_follow(engine, problem);
    error = error != 0 ? error : catch_up_config(engine, problem);
    if (error == 0) {
        engine_note_recovery(engine, &engine->recovery);
        recovery_end(&engine->recovery);
        failpoint("handover.passed");
    }
    return error;
}

int engine_take_over(struct engine *engine, int lock_fd, const struct decision_clock *clock,
                     struct text *problem) {
    const struct journal_options options = engine_journal_options(engine);
    int error = journal_take_over(&options, lock_fd, &engine->journal, problem);
    if (error != 0) {
        return error;
    }
    engine->clock = *clock;
    error = journal_start(engine->journal, engine->clock.now_ns, clock_wall_ns());
    if (error != 0) {
        return engine_fail(problem, "cannot write the journal in", engine->journal_folder, -error);
    }
    settings_apply_live(engine, generation_current(engine)->generation.settings);
    return engine_start_background(engine, problem);
}

/* --- the old process ----------------------------------------------------------------------------
 */

void engine_keep_journal(struct engine *engine, bool keep) {
    if (keep) {
        atomic_fetch_add_explicit(&engine->keep_journal, 1, memory_order_relaxed);
    } else {
        atomic_fetch_sub_explicit(&engine->keep_journal, 1, memory_order_relaxed);
    }
}

void engine_prepare_yield(struct engine *engine) {
    (void)pthread_mutex_lock(&engine->config_lock);
    engine->changes_closed = true;
    (void)pthread_mutex_unlock(&engine->config_lock);
    housekeeping_stop(engine);
    recorder_free(engine->recorder);
    engine->recorder = NULL;
}

int engine_yield(struct engine *engine, int *ret_lock_fd, struct decision_clock *ret_clock) {
    failpoint("handover.yield");
    snapshot_free(engine->snapshot);
    engine->snapshot = NULL;
    *ret_clock = engine->clock;
    return journal_yield(engine->journal, ret_lock_fd);
}

int engine_resume(struct engine *engine, bool yielded, struct text *problem) {
    if (yielded) {
        const int error = journal_resume(engine->journal);
        if (error != 0) {
            return engine_fail(problem, "cannot go on with the journal in", engine->journal_folder,
                               -error);
        }
    }
    (void)pthread_mutex_lock(&engine->config_lock);
    engine->changes_closed = false;
    (void)pthread_mutex_unlock(&engine->config_lock);
    if (engine->snapshot != NULL) {
        snapshot_free(engine->snapshot);
        engine->snapshot = NULL;
    }
    return engine_start_background(engine, problem);
}
