/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"

/* Asking without effects: what would be decided now, and what a past decision was made of. */

static int64_t decision_time(struct engine *engine) {
    return decision_clock_step(&engine->clock, clock_wall_ns(), clock_boot_ns());
}

void engine_explain(struct engine *engine, const struct policy_request *request,
                    struct facts *facts, int64_t at_ns, struct decision *ret_decision) {
    const struct generation *generation = engine_generation_acquire(engine);
    const struct decision_source source = {
        .state = &engine->state, .lists = &generation->lists, .rules = generation->rules};
    (void)pthread_mutex_lock(&engine->state_lock);
    const int64_t now_ns = at_ns != 0 ? at_ns : decision_time(engine);
    decide(&generation->settings->policy, &source, request, facts, now_ns, ret_decision);
    (void)pthread_mutex_unlock(&engine->state_lock);
    engine_generation_release(engine, generation);
}

struct past {
    struct settings_builder *builder;
    bool failed;
};

static void add_past(void *context, struct str key, struct str value) {
    struct past *past = context;
    struct setting_problem problem;
    const struct setting_info *info = setting_find(key);
    if (info != NULL && setting_is_secret(info)) {
        return; /* No decision depends on it, and of the file's only that it was set is known. */
    }
    past->failed |=
        !settings_builder_set(past->builder, key, value, SETTING_FROM_FILE, 0, &problem);
}

/* The settings as they were; NULL when they cannot be told any more. */
static struct settings *settings_of_version(struct engine *engine, uint64_t version) {
    struct past past = {.builder = settings_builder_new()};
    if (past.builder == NULL) {
        return NULL;
    }
    (void)pthread_mutex_lock(&engine->config_lock);
    const int error = config_db_settings_at(engine->config_db, version, add_past, &past);
    (void)pthread_mutex_unlock(&engine->config_lock);
    struct setting_problem problem;
    struct settings *settings = error == 0 && !past.failed
                                    ? settings_builder_finish(past.builder, version, &problem)
                                    : NULL;
    settings_builder_free(past.builder);
    return settings;
}

int engine_explain_record(struct engine *engine, const struct decision_record *record,
                          int64_t time_ns, struct decision *ret_decision) {
    struct settings *settings = settings_of_version(engine, record->generation);
    if (settings == NULL) {
        return -ENOENT;
    }
    bool unknown = false;
    const struct decision_source source = {
        .state = &engine->state, /* Its key alone is read. */
        .recorded = &record->decision,
        .ret_unknown = &unknown,
    };
    struct facts facts = record->facts;
    decide(&settings->policy, &source, &record->request, &facts, time_ns, ret_decision);
    settings_free(settings);
    return 0;
}
