/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_state.h"

#include <sys/mman.h>

#include "base/check.h"

void bench_state_init(struct state *state, struct sip_key key, uint64_t greylist_capacity,
                      uint64_t client_capacity) {
    const uint64_t capacities[STATE_TABLES] = {
        [STATE_GREYLIST] = greylist_capacity, [STATE_GREYLIST_CLIENT] = client_capacity};
    *state = (struct state){.key = key};
    for (unsigned table = 0; table < STATE_TABLES; table++) {
        const size_t groups = state_group_count(capacities[table]);
        void *memory = mmap(NULL, groups * state_group_bytes((enum state_table_id)table),
                            PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(memory != MAP_FAILED);
        state_table_init(&state->tables[table], (enum state_table_id)table, memory, groups);
    }
}

struct settings *bench_settings(void) {
    struct settings_builder *builder = settings_builder_new();
    struct setting_problem problem;
    struct settings *settings = settings_builder_finish(builder, 1, &problem);
    settings_builder_free(builder);
    CHECK(settings != NULL);
    return settings;
}
