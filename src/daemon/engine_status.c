/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"

/* Figures, and single looks at the state. */

bool engine_find_entry(struct engine *engine, enum state_table_id table, struct hash128 key,
                       void *ret_entry, int64_t *ret_now_ns) {
    (void)pthread_mutex_lock(&engine->state_lock);
    *ret_now_ns = decision_clock_step(&engine->clock, clock_wall_ns(), clock_boot_ns());
    const void *entry = state_find(&engine->state, table, key);
    if (entry != NULL) {
        memcpy(ret_entry, entry, state_entry_bytes(table));
    }
    (void)pthread_mutex_unlock(&engine->state_lock);
    return entry != NULL;
}

bool engine_copy_group(struct engine *engine, enum state_table_id table, size_t group,
                       void *ret_group) {
    const struct state_table *of = &engine->state.tables[table];
    if (group >= of->group_count) {
        return false;
    }
    (void)pthread_mutex_lock(&engine->state_lock);
    state_copy_groups(of, group, 1, ret_group);
    (void)pthread_mutex_unlock(&engine->state_lock);
    return true;
}

struct sip_key engine_state_key(const struct engine *engine) {
    return engine->state.key;
}

int64_t engine_now_ns(struct engine *engine) {
    (void)pthread_mutex_lock(&engine->state_lock);
    const int64_t now_ns = decision_clock_step(&engine->clock, clock_wall_ns(), clock_boot_ns());
    (void)pthread_mutex_unlock(&engine->state_lock);
    return now_ns;
}

struct recorder *engine_recorder(struct engine *engine) {
    return engine->recorder;
}

const char *engine_history_folder(const struct engine *engine) {
    return engine->history_folder;
}

const struct engine_counters *engine_counters(const struct engine *engine) {
    return &engine->counters;
}

static void read_clock(struct engine *engine, struct decision_clock *ret_clock,
                       int64_t *ret_wall_ns) {
    (void)pthread_mutex_lock(&engine->state_lock);
    *ret_wall_ns = clock_wall_ns();
    (void)decision_clock_step(&engine->clock, *ret_wall_ns, clock_boot_ns());
    *ret_clock = engine->clock;
    (void)pthread_mutex_unlock(&engine->state_lock);
}

int engine_clock(struct engine *engine, struct decision_clock *ret_clock, int64_t *ret_wall_ns) {
    read_clock(engine, ret_clock, ret_wall_ns);
    return 0;
}

static void fill_tables(struct engine *engine, struct engine_status *ret) {
    (void)pthread_mutex_lock(&engine->state_lock);
    for (unsigned id = 0; id < STATE_TABLES; id++) {
        const struct state_table *table = &engine->state.tables[id];
        ret->tables[id].used = table->used;
        ret->tables[id].capacity =
            engine_capacity(engine->in_force->settings, (enum state_table_id)id);
        ret->tables[id].evicted = table->evicted;
        ret->tables[id].bytes = engine->table_bytes[id];
    }
    (void)pthread_mutex_unlock(&engine->state_lock);
}

void engine_status(struct engine *engine, struct engine_status *ret_status) {
    *ret_status = (struct engine_status){
        .started_wall_ns = engine->started_wall_ns,
        .uptime_ns = clock_boot_ns() - engine->started_boot_ns,
        .damaged_at_start = engine->damaged_at_start,
    };
    journal_stats(engine->journal, &ret_status->journal);
    snapshot_stats(engine->snapshot, &ret_status->snapshot);
    recorder_stats(engine->recorder, &ret_status->recorder);
    read_clock(engine, &ret_status->clock, &ret_status->wall_ns);
    fill_tables(engine, ret_status);
    (void)pthread_mutex_lock(&engine->config_lock);
    memcpy(ret_status->list_counts, engine->list_counts, sizeof engine->list_counts);
    (void)pthread_mutex_unlock(&engine->config_lock);
}
