/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/random.h"
#include "daemon/engine_internal.h"
#include "net/http_server.h"
#include "store/installation.h"

/* Start, in this order, because each step needs the one before: seczim.yaml, log, config.db, the
 * generation, the installation's key, tables, snapshot, journal, decision time, recorder. */

int engine_fail(struct text *problem, const char *what, const char *path, int error) {
    text_add(problem, str_from(what));
    text_add(problem, STR(" "));
    text_add_escaped(problem, str_from(path));
    text_add(problem, STR(": "));
    text_add(problem, str_from(strerror(error)));
    return -error;
}

/* --- files and folders --------------------------------------------------------------------------
 */

/* With the folders above it. */
static int make_folder(const char *path, struct text *problem) {
    char part[PATH_MAX];
    (void)snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(part, 0755);
        *slash = '/';
    }
    if (mkdir(part, 0750) != 0 && errno != EEXIST) {
        return engine_fail(problem, "cannot create the folder", path, errno);
    }
    return 0;
}

static int join_path(char out[PATH_MAX], const char *folder, const char *name,
                     struct text *problem) {
    const int length = snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return length < PATH_MAX ? 0 : engine_fail(problem, "path too long:", folder, ENAMETOOLONG);
}

static int set_paths(struct engine *engine, const struct settings *settings, struct text *problem) {
    char runtime[PATH_MAX];
    (void)snprintf(engine->data_folder, PATH_MAX, "%.*s", STR_ARGS(settings->paths.data));
    (void)snprintf(runtime, PATH_MAX, "%.*s", STR_ARGS(settings->paths.runtime));
    const struct {
        char *path;
        const char *folder;
        const char *name;
    } rows[] = {
        {engine->journal_folder, engine->data_folder, "journal"},
        {engine->history_folder, engine->data_folder, "history"},
        {engine->config_db_path, engine->data_folder, "config.db"},
        {engine->ring_path, runtime, "ring"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int error = join_path(rows[i].path, rows[i].folder, rows[i].name, problem);
        if (error != 0) {
            return error;
        }
    }
    int error = make_folder(engine->data_folder, problem);
    error = error != 0 ? error : make_folder(runtime, problem);
    return error != 0 ? error : make_folder(engine->history_folder, problem);
}

/* --- settings -----------------------------------------------------------------------------------
 */

static int tell(const struct engine_problem *found, const char *path, int error,
                struct text *problem) {
    setting_problem_format(&found->setting, str_from(path), problem);
    return error;
}

int engine_check_config(const char *config_path, struct text *problem) {
    struct settings_builder *builder = settings_builder_new();
    CHECK(builder != NULL);
    struct engine_problem found = {0};
    int error = config_read_yaml(builder, config_path, &found);
    struct settings *settings = NULL;
    if (error == 0) {
        settings = settings_builder_finish(builder, 0, &found.setting);
        error = settings != NULL ? 0 : -EINVAL;
    }
    if (error != 0) {
        error = tell(&found, config_path, error, problem);
    } else {
        for (size_t i = 0; settings_warning(settings, i, problem); i++) {
            text_add_byte(problem, '\n');
        }
        settings_free(settings);
    }
    settings_builder_free(builder);
    return error;
}

static void set_time_zone(const struct settings *settings) {
    if (settings->time_zone.length > 0) {
        char zone[128];
        struct text text = TEXT_OVER(zone);
        text_add(&text, settings->time_zone);
        (void)setenv("TZ", text_zero(&text), 1);
    }
    tzset();
}

static bool logs_to_file; /* Set before other threads run. */

bool engine_logs_to_file(void) {
    return logs_to_file;
}

static void open_log(const struct settings *settings) {
    char bytes[PATH_MAX];
    struct text path = TEXT_OVER(bytes);
    text_add(&path, settings->log.path);
    const int error = log_open(text_zero(&path), (enum log_level)settings->log.level,
                               (enum log_format)settings->log.format);
    if (error != 0) {
        log_write(LOG_WARN, "Daemon", "Cannot write the log %s: %s; using standard error", bytes,
                  strerror(-error));
    }
    logs_to_file = error == 0 && settings->log.path.length > 0;
}

/* seczim.yaml alone says where config.db is; then both together make the first generation. */
static int open_config(struct engine *engine, struct text *problem) {
    struct engine_problem found = {0};
    struct settings *bootstrap;
    struct settings_builder *builder;
    int error = settings_build(engine, NULL, 0, 0, &builder, &bootstrap, &found);
    if (error != 0) {
        return tell(&found, engine->config_path, error, problem);
    }
    settings_builder_free(builder);
    set_time_zone(bootstrap);
    error = set_paths(engine, bootstrap, problem);
    if (error == 0) {
        open_log(bootstrap); /* Often in a folder just made. */
    }
    settings_free(bootstrap);
    return error != 0 ? error : config_db_open(engine->config_db_path, &engine->config_db, problem);
}

static int first_generation(struct engine *engine, struct text *problem) {
    struct engine_problem found = {0};
    struct settings *settings;
    int error = config_note_file(engine, &found);
    if (error == 0) {
        error = settings_build(engine, NULL, 0, config_db_version(engine->config_db),
                               &engine->builder, &settings, &found);
    }
    if (error != 0) {
        return tell(&found, engine->config_path, error, problem);
    }
    struct shared_settings *shared = shared_settings_new(settings);
    CHECK(shared != NULL);
    shared->references++;
    engine->in_force = shared;
    struct shared_rules *rules;
    error = rules_load(engine->config_db, &rules);
    if (error != 0) {
        return engine_fail(problem, "cannot load the rules from", engine->config_db_path, -error);
    }
    error = lists_load(engine, shared, rules, config_db_version(engine->config_db));
    return error != 0
               ? engine_fail(problem, "cannot load the lists from", engine->config_db_path, -error)
               : 0;
}

/* --- journal, snapshot, recorder ----------------------------------------------------------------
 */

struct journal_options engine_journal_options(const struct engine *engine) {
    const struct settings *settings = engine->in_force->settings;
    return (struct journal_options){
        .folder = engine->journal_folder,
        .ring_path = engine->ring_path,
        .ring_bytes = (uint64_t)settings->journal.ring_bytes,
        .segment_bytes = (uint64_t)settings->journal.segment_bytes,
        .durability = (enum journal_durability)settings->journal.durability,
        .sync_interval_ns = settings->journal.sync_interval_ns,
    };
}

static int start_snapshots(struct engine *engine, const struct settings *settings) {
    const struct snapshot_options options = {
        .folder = engine->data_folder,
        .interval_ns = settings->state.snapshot_interval_ns,
        .records_max = (uint64_t)settings->state.snapshot_records_max,
        .journal_bytes_max = (uint64_t)settings->journal.max_backlog / 2,
    };
    return snapshot_new(&options, &engine->state, engine->journal, engine->lowest_stamp,
                        &engine->snapshot);
}

/* paths.control_group; 0: none. */
static gid_t readers_of_history(const struct settings *settings) {
    char name[64];
    struct text group = TEXT_OVER(name);
    text_add(&group, settings->paths.control_group);
    const gid_t found = http_group_find(text_zero(&group));
    return found == (gid_t)-1 ? 0 : found;
}

static int start_recorder(struct engine *engine, const struct settings *settings,
                          struct text *problem) {
    const struct recorder_options options = {
        .history = {.folder = engine->history_folder,
                    .rows_per_file_max = (uint64_t)settings->history.rows_per_file_max,
                    .keep_s = settings->history.keep_s,
                    .min_free_bytes = (uint64_t)settings->history.min_free_bytes,
                    .readers = readers_of_history(settings)},
        .history_enabled = settings->history.enabled,
        .journal_folder = engine->journal_folder,
        .max_backlog_bytes = (uint64_t)settings->journal.max_backlog,
    };
    const int error = recorder_new(&options, engine->journal, &engine->recorder, problem);
    if (error == 0) {
        recorder_set_names(engine->recorder, &settings->policy.rbl);
    }
    return error;
}

int engine_start_background(struct engine *engine, struct text *problem) {
    const struct settings *settings = generation_current(engine)->generation.settings;
    int error = start_snapshots(engine, settings);
    if (error != 0) {
        return engine_fail(problem, "cannot start snapshots in", engine->data_folder, -error);
    }
    error = start_recorder(engine, settings, problem);
    if (error != 0) {
        return error;
    }
    error = housekeeping_start(engine);
    return error != 0 ? engine_fail(problem, "cannot start", "housekeeping", -error) : 0;
}

void engine_note_recovery(struct engine *engine, const struct recovery *recovery) {
    engine->damaged_at_start = recovery->damaged_chunks + journal_reader_damaged(recovery->reader);
    engine->lowest_stamp = snapshot_coverage_lowest(recovery->coverage);
    for (unsigned id = 0; id < STATE_TABLES; id++) {
        state_table_recount(&engine->state.tables[id]);
    }
    if (engine->damaged_at_start > 0) {
        log_write(
            LOG_ERROR, "Journal",
            "%llu damaged journal records or snapshot pieces were skipped; all others are kept",
            (unsigned long long)engine->damaged_at_start);
    }
    if (recovery->unknown_effects > 0) {
        log_write(LOG_WARN, "Journal", "%llu effects of a newer release were not applied",
                  (unsigned long long)recovery->unknown_effects);
    }
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* The state as the last record left it, and the journal open for more. */
static int recover(struct engine *engine, struct text *problem) {
    const int64_t began_ns = clock_boot_ns();
    const struct journal_options options = engine_journal_options(engine);
    int error = journal_open(&options, &engine->journal, problem);
    if (error != 0) {
        return error;
    }
    struct recovery recovery;
    error = recovery_begin(&recovery, &engine->state, engine, engine->ring_path, problem);
    if (error != 0) {
        return error;
    }
    error = recovery_run(&recovery, UINT64_MAX);
    if (error == 0) {
        engine_note_recovery(engine, &recovery);
        const int64_t last_ns =
            larger(journal_last_time_ns(engine->journal), recovery.last_time_ns);
        engine->clock = decision_clock_start(clock_wall_ns(), clock_boot_ns(), last_ns);
        log_write(LOG_INFO, "Journal", "State recovered: %llu records replayed in %lld ms",
                  (unsigned long long)recovery.records,
                  (long long)((clock_boot_ns() - began_ns) / NS_PER_MS));
    }
    recovery_end(&recovery);
    if (error != 0) {
        return engine_fail(problem, "cannot read the journal in", engine->journal_folder, -error);
    }
    if (engine->clock.gap) {
        log_write(LOG_ERROR, "Clock",
                  "The clock is more than 30 days after the last record; decision time counts one "
                  "day. If the clock is right: seczim clock accept");
    }
    error = journal_start(engine->journal, engine->clock.now_ns, clock_wall_ns());
    return error != 0
               ? engine_fail(problem, "cannot write the journal in", engine->journal_folder, -error)
               : 0;
}

static int begin_following(struct engine *engine, struct text *problem) {
    const int error =
        recovery_begin(&engine->recovery, &engine->state, engine, engine->ring_path, problem);
    return error != 0 ? error : engine_follow(engine, problem);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void init_locks(struct engine *engine) {
    pthread_mutexattr_t attributes;
    (void)pthread_mutexattr_init(&attributes);
    /* Held for microseconds: spinning is cheaper than sleeping. */
    (void)pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    (void)pthread_mutex_init(&engine->state_lock, &attributes);
    (void)pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(&engine->config_lock, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
    (void)pthread_mutex_init(&engine->generation_lock, NULL);
}

static int make_worker_memory(struct engine *engine) {
    for (int64_t i = 0; i < engine->in_force->settings->policy_server.workers; i++) {
        engine->workers[i] = calloc(1, sizeof *engine->workers[i]);
        if (engine->workers[i] == NULL) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int open_all(struct engine *engine, const struct engine_options *options,
                    struct text *problem) {
    int error = open_config(engine, problem);
    error = error != 0 ? error : first_generation(engine, problem);
    struct sip_key key;
    error = error != 0 ? error : installation_load(engine->data_folder, &key, problem);
    if (error != 0) {
        return error;
    }
    error = engine_state_new(&engine->state, engine->in_force->settings, &key, engine->table_bytes,
                             problem);
    error = error != 0 ? error : make_worker_memory(engine);
    if (error != 0) {
        return error;
    }
    settings_apply_live(engine, engine->in_force->settings);
    if (options->follow) {
        return begin_following(engine, problem);
    }
    error = recover(engine, problem);
    return error != 0 ? error : engine_start_background(engine, problem);
}

int engine_open(const struct engine_options *options, struct engine **ret_engine,
                struct text *problem) {
    struct engine *engine = aligned_alloc(_Alignof(struct engine), sizeof *engine);
    CHECK(engine != NULL);
    memset(engine, 0, sizeof *engine);
    init_locks(engine);
    random_init();
    engine->started_wall_ns = clock_wall_ns();
    engine->started_boot_ns = clock_boot_ns();
    (void)snprintf(engine->config_path, PATH_MAX, "%s", options->config_path);
    const int error = open_all(engine, options, problem);
    if (error != 0) {
        engine_close(engine);
        return error;
    }
    *ret_engine = engine;
    return 0;
}

void engine_close(struct engine *engine) {
    housekeeping_stop(engine);
    if (engine->snapshot != NULL) {
        snapshot_free(engine->snapshot);
    }
    if (engine->recorder != NULL) {
        recorder_free(engine->recorder);
    }
    recovery_end(&engine->recovery);
    if (engine->journal != NULL) {
        journal_close(engine->journal);
    }
    engine_state_free(&engine->state, engine->table_bytes);
    generation_free_all(engine);
    if (engine->in_force != NULL) {
        shared_settings_release(engine, engine->in_force);
    }
    if (engine->builder != NULL) {
        settings_builder_free(engine->builder);
    }
    if (engine->config_db != NULL) {
        config_db_close(engine->config_db);
    }
    for (unsigned i = 0; i < ENGINE_WORKERS_MAX; i++) {
        free(engine->workers[i]);
    }
    free(engine->changes.items);
    (void)pthread_mutex_destroy(&engine->state_lock);
    (void)pthread_mutex_destroy(&engine->config_lock);
    (void)pthread_mutex_destroy(&engine->generation_lock);
    free(engine);
}
