/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/snapshot_fixture.h"

#include <string.h>
#include <sys/mman.h>

#include "testing/test.h"

enum { KEYS = 6000 };

static void *shared_zeroes(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

struct state *world_state_new(uint64_t capacity) {
    struct state *state = shared_zeroes(sizeof *state);
    memcpy(state->key.bytes, "a key of 16 byte", sizeof state->key.bytes);
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        const enum state_table_id id = (enum state_table_id)i;
        /* Those that no effect here touches are there, and small. */
        const bool used = id == STATE_GREYLIST || id == STATE_GREYLIST_CLIENT;
        const size_t groups = state_group_count(used ? capacity : 1);
        state_table_init(&state->tables[i], id, shared_zeroes(groups * state_group_bytes(id)),
                         groups);
    }
    return state;
}

void world_state_free(struct state *state) {
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        struct state_table *table = &state->tables[i];
        assert_int_equal(munmap(table->groups, table->group_count * table->group_bytes), 0);
    }
    assert_int_equal(munmap(state, sizeof *state), 0);
}

void world_init(struct world *world, const char *name, uint64_t capacity, uint64_t seed) {
    *world = (struct world){.random = seed | 1};
    fixture_init(&world->files, name);
    world->state = world_state_new(capacity);
}

void world_done(struct world *world) {
    world_state_free(world->state);
}

uint64_t world_random(struct world *world, uint64_t below) {
    uint64_t x = world->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    world->random = x;
    return (x >> 11) % below;
}

static struct effect random_effect(struct world *world) {
    const uint64_t number = world_random(world, KEYS);
    const struct str part = {(const char *)&number, sizeof number};
    const enum effect_kind kind =
        (enum effect_kind)(EFFECT_GREYLIST_SEEN + (int)world_random(world, 4));
    const uint32_t now_s = 1700000000 + (uint32_t)world_random(world, 100000);
    struct effect effect = {
        .kind = kind,
        .key = state_key(&world->state->key, effect_table(kind), &part, 1),
        .time_s = now_s,
        .expires_s = now_s + 1 + (uint32_t)world_random(world, 50000),
        .epoch_s = effect_new_epoch(0, now_s),
        .first_s = now_s - (uint32_t)world_random(world, 1000),
        .passed_s = world_random(world, 2) == 0 ? 0 : now_s,
    };
    if (effect_table(kind) == STATE_GREYLIST_CLIENT) {
        effect.amount = 0;
        effect.fingerprint = (uint32_t)world_random(world, UINT32_MAX);
    }
    return effect;
}

void world_step(struct world *world) {
    struct journal *journal = world->files.journal;
    const struct effect effect = random_effect(world);
    const uint64_t sequence = journal_next_sequence(journal);
    unsigned char *body = journal_reserve(journal);
    assert_non_null(body);
    const size_t length = effects_record_encode(&effect, 1, STR("test"), body);
    journal_commit(journal, RECORD_EFFECTS, 1, effect.time_s, length);
    /* As the record says it: what does not travel in it must not count live either. */
    assert_int_equal(record_apply_effects(world->state, RECORD_EFFECTS, 1, body, length, sequence,
                                          NULL, &(uint64_t){0}),
                     1);
}

struct world_recovery world_recover(const struct world *world, struct state *state) {
    struct world_recovery recovery = {0};
    struct snapshot_coverage *coverage = NULL;
    struct journal_reader *reader = NULL;
    struct journal_record record;
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    uint64_t unknown = 0;
    int result = snapshot_load(world->files.folder, state, &coverage, &recovery.damaged, &problem);
    if (result != 0) {
        fail_msg("snapshot_load: %s", text_zero(&problem));
    }
    recovery.had_snapshot = coverage != NULL;
    recovery.lowest = snapshot_coverage_lowest(coverage);
    const struct record_filter filter = snapshot_coverage_filter(coverage);
    assert_int_equal(journal_reader_open(world->files.folder, world->files.ring, recovery.lowest,
                                         &reader, &problem),
                     0);
    while ((result = journal_reader_next(reader, UINT64_MAX, &record)) == 1) {
        if (record.type == RECORD_EFFECTS) {
            recovery.replayed +=
                record_apply_effects(state, record.type, record.version, record.body, record.length,
                                     record.sequence, &filter, &unknown);
        }
    }
    assert_int_equal(result, 0);
    assert_int_equal(unknown, 0);
    recovery.damaged_records = journal_reader_damaged(reader);
    journal_reader_close(reader);
    snapshot_coverage_free(coverage);
    return recovery;
}

void world_assert_equal(const struct state *a, const struct state *b) {
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        const struct state_table *left = &a->tables[i];
        const struct state_table *right = &b->tables[i];
        assert_int_equal(left->group_count, right->group_count);
        if (memcmp(left->groups, right->groups, left->group_count * left->group_bytes) != 0) {
            fail_msg("table %s differs", state_table_name((enum state_table_id)i));
        }
    }
}

struct lookup {
    const struct state *in;
    enum state_table_id table;
};

static void look_up(void *context, const void *entry) {
    const struct lookup *lookup = context;
    const struct state_entry *head = entry;
    const void *other = state_find(lookup->in, lookup->table, head->key);
    assert_non_null(other);
    assert_memory_equal(entry, other, state_entry_bytes(lookup->table));
}

void world_assert_same_entries(const struct state *a, const struct state *b) {
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        struct lookup lookup = {.in = b, .table = (enum state_table_id)i};
        assert_int_equal(a->tables[i].used, b->tables[i].used);
        for (size_t group = 0; group < a->tables[i].group_count; group++) {
            state_visit_group(&a->tables[i], group, look_up, &lookup);
        }
    }
}
