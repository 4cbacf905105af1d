/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/engine_internal.h"

/* Memory of the state tables, and their content out of snapshot and journal. */

uint64_t engine_capacity(const struct settings *settings, enum state_table_id table) {
    switch (table) {
    case STATE_GREYLIST:
        return (uint64_t)settings->state.greylist_capacity;
    case STATE_GREYLIST_CLIENT:
        return (uint64_t)settings->state.greylist_client_capacity;
    case STATE_QUOTA:
        return (uint64_t)settings->state.quota_capacity;
    case STATE_MESSAGE:
        return (uint64_t)settings->state.message_capacity;
    case STATE_ONCE:
        return (uint64_t)settings->state.once_capacity;
    case STATE_CORRESPONDENT:
        return (uint64_t)settings->state.correspondent_capacity;
    case STATE_REPUTATION:
        return (uint64_t)settings->state.reputation_capacity;
    case STATE_BLACKLIST:
        return (uint64_t)settings->state.blacklist_capacity;
    case STATE_OFFENCE:
        return (uint64_t)settings->state.offence_capacity;
    case STATE_TABLES:
        break;
    }
    CHECK(false);
}

static void *map_table(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    (void)madvise(memory, bytes, MADV_HUGEPAGE); /* Fewer TLB misses; does without. */
    return memory;
}

int engine_state_new(struct state *state, const struct settings *settings,
                     const struct sip_key *key, size_t *ret_bytes, struct text *problem) {
    state->key = *key;
    for (unsigned id = 0; id < STATE_TABLES; id++) {
        const size_t groups = state_group_count(engine_capacity(settings, (enum state_table_id)id));
        const size_t bytes = groups * state_group_bytes((enum state_table_id)id);
        void *memory = map_table(bytes);
        if (memory == NULL) {
            return engine_fail(problem, "no memory for the table", state_table_name(id), ENOMEM);
        }
        ret_bytes[id] = bytes;
        state_table_init(&state->tables[id], (enum state_table_id)id, memory, groups);
    }
    return 0;
}

void engine_state_free(struct state *state, const size_t *bytes) {
    for (unsigned id = 0; id < STATE_TABLES; id++) {
        if (state->tables[id].groups != NULL) {
            (void)munmap(state->tables[id].groups, bytes[id]);
            state->tables[id].groups = NULL;
        }
    }
}

int recovery_begin(struct recovery *recovery, struct state *state, const struct engine *engine,
                   const char *ring_path, struct text *problem) {
    *recovery = (struct recovery){.state = state};
    int error = snapshot_load(engine->data_folder, state, &recovery->coverage,
                              &recovery->damaged_chunks, problem);
    if (error != 0) {
        return error;
    }
    recovery->last_sequence = snapshot_coverage_lowest(recovery->coverage);
    error = journal_reader_open(engine->journal_folder, ring_path, recovery->last_sequence,
                                &recovery->reader, problem);
    if (error != 0) {
        snapshot_coverage_free(recovery->coverage);
        recovery->coverage = NULL;
    }
    return error;
}

int recovery_run(struct recovery *recovery, uint64_t limit) {
    const struct record_filter filter = snapshot_coverage_filter(recovery->coverage);
    const struct record_filter *wanted = recovery->coverage != NULL ? &filter : NULL;
    struct journal_record record;
    int found;
    while ((found = journal_reader_next(recovery->reader, limit, &record)) == 1) {
        (void)record_apply_effects(recovery->state, record.type, record.version, record.body,
                                   record.length, record.sequence, wanted,
                                   &recovery->unknown_effects);
        recovery->last_sequence = record.sequence;
        recovery->records++;
        if (record.time_ns > recovery->last_time_ns) {
            recovery->last_time_ns = record.time_ns;
        }
    }
    return found;
}

void recovery_end(struct recovery *recovery) {
    if (recovery->reader != NULL) {
        journal_reader_close(recovery->reader);
        recovery->reader = NULL;
    }
    snapshot_coverage_free(recovery->coverage);
    recovery->coverage = NULL;
}
