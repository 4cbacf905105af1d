/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/state.h"

#include <stdlib.h>
#include <string.h>

#include "policy/effect.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

static const struct sip_key key = {"0123456789abcdef"};

/* A key that falls into the first group of a table of `groups`. */
static struct hash128 key_in_first_group(uint64_t low) {
    return (struct hash128){.high = 0, .low = low};
}

static struct state_entry *place(struct world *world, uint64_t low, uint32_t used_s,
                                 uint32_t expires_s, uint32_t now_s) {
    struct state_entry *entry =
        state_place(&world->state, STATE_GREYLIST, key_in_first_group(low), now_s);
    entry->last_used_s = used_s;
    entry->expires_s = expires_s;
    return entry;
}

static bool has(const struct world *world, uint64_t low) {
    return state_find(&world->state, STATE_GREYLIST, key_in_first_group(low)) != NULL;
}

/* 64 entries, numbers 1 to 64, all alive at 1000 and used at 500 + number. */
static struct world *full_group(void) {
    struct world *world = world_new(64);
    for (uint64_t i = 1; i <= STATE_GROUP_SLOTS; i++) {
        (void)place(world, i, (uint32_t)(500 + i), 2000, 1000);
    }
    return world;
}

TEST(tables_have_fixed_names_and_sizes) {
    assert_string_equal(state_table_name(STATE_GREYLIST), "greylist");
    assert_string_equal(state_table_name(STATE_GREYLIST_CLIENT), "greylist_client");
    assert_int_equal(state_entry_bytes(STATE_GREYLIST), 48);
    assert_int_equal(state_entry_bytes(STATE_GREYLIST_CLIENT), 64);
    assert_int_equal(state_group_bytes(STATE_GREYLIST), 64 * 49);
    assert_int_equal(state_group_bytes(STATE_GREYLIST) % 64, 0);
    assert_int_equal(state_group_bytes(STATE_GREYLIST_CLIENT) % 64, 0);
}

TEST(capacity_gets_four_tenths_more_slots) {
    assert_int_equal(state_group_count(1), 1);
    assert_int_equal(state_group_count(45), 1);
    assert_int_equal(state_group_count(46), 2); /* 64.4 slots */
    assert_int_equal(state_group_count(1000000), 21875);
    assert_int_equal(state_group_count(UINT64_C(1) << 28), 5872026);
}

TEST(at_capacity_about_one_entry_in_a_thousand_is_evicted_early) {
    struct world *world = world_new(100000);
    struct dice dice = {1};
    for (int i = 0; i < 100000; i++) {
        const struct hash128 random = {dice_u64(&dice), dice_u64(&dice)};
        struct state_entry *entry = state_place(&world->state, STATE_GREYLIST, random, 1);
        entry->expires_s = 100;
    }
    const struct state_table *table = &world->state.tables[STATE_GREYLIST];
    assert_int_equal(table->used + table->evicted, 100000);
    assert_in_range(table->evicted, 0, 300);
    world_free(world);
}

TEST(a_key_depends_on_table_and_on_each_part) {
    const struct str abc_d[] = {STR("abc"), STR("d")};
    const struct str ab_cd[] = {STR("ab"), STR("cd")};
    const struct hash128 first = state_key(&key, STATE_GREYLIST, abc_d, 2);
    const struct hash128 again = state_key(&key, STATE_GREYLIST, abc_d, 2);
    const struct hash128 shifted = state_key(&key, STATE_GREYLIST, ab_cd, 2);
    const struct hash128 shorter = state_key(&key, STATE_GREYLIST, abc_d, 1);
    const struct hash128 other_table = state_key(&key, STATE_GREYLIST_CLIENT, abc_d, 2);
    assert_memory_equal(&first, &again, sizeof first);
    assert_memory_not_equal(&first, &shifted, sizeof first);
    assert_memory_not_equal(&first, &shorter, sizeof first);
    assert_memory_not_equal(&first, &other_table, sizeof first);
}

TEST(a_key_depends_on_every_byte_of_a_very_long_part) {
    static char bytes[5000];
    memset(bytes, 'x', sizeof bytes);
    struct hash128 last = {0, 0};
    const size_t lengths[] = {STATE_KEY_PART_MAX, STATE_KEY_PART_MAX + 1, sizeof bytes};
    for (size_t i = 0; i < 3; i++) {
        const struct str parts[] = {{bytes, lengths[i]}, STR("end"), {NULL, 0}, STR("")};
        const struct hash128 before = state_key(&key, STATE_GREYLIST, parts, 4);
        bytes[lengths[i] - 1] = 'y';
        const struct hash128 after = state_key(&key, STATE_GREYLIST, parts, 4);
        bytes[lengths[i] - 1] = 'x';
        assert_memory_not_equal(&before, &after, sizeof before);
        assert_memory_not_equal(&before, &last, sizeof before);
        last = before;
    }
}

/* Keys are stored: another release must make the same ones. */
TEST(keys_are_made_as_they_were) {
    static char bytes[STATE_KEY_PART_MAX + 1];
    memset(bytes, 'x', sizeof bytes);
    const struct str abc_d[] = {STR("abc"), STR("d")};
    static const struct {
        size_t length;
        uint64_t high, low;
    } rows[] = {
        {0, UINT64_C(0x986b17ab76f1cd38), UINT64_C(0x6360e916a20ea815)},
        {1, UINT64_C(0x90c566f402512312), UINT64_C(0xd186105295b89359)},
        {255, UINT64_C(0x434d75efd7014921), UINT64_C(0x7bcd6a94406c3c13)},
        {256, UINT64_C(0xab72d70251c3fb14), UINT64_C(0x8afdd7535dee1da4)},
        {STATE_KEY_PART_MAX, UINT64_C(0x1b772257d56034e8), UINT64_C(0x6fa374cd608937c8)},
        {STATE_KEY_PART_MAX + 1, UINT64_C(0xe0ef22c15f7daaba), UINT64_C(0x940c7373056f6168)},
    };
    const struct hash128 first = state_key(&key, STATE_GREYLIST, abc_d, 2);
    assert_int_equal(first.high, UINT64_C(0x5893a2f585285b96));
    assert_int_equal(first.low, UINT64_C(0x1aec0c55f63609b2));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct str part = {bytes, rows[i].length};
        const struct str parts[STATE_KEY_PARTS_MAX] = {part, part, part, part};
        const struct hash128 made =
            state_key(&key, STATE_GREYLIST_CLIENT, parts, STATE_KEY_PARTS_MAX);
        assert_int_equal(made.high, rows[i].high);
        assert_int_equal(made.low, rows[i].low);
    }
}

TEST(keys_of_networks_are_made_as_they_were) {
    static const struct {
        const char *address;
        uint64_t high, low;
    } rows[] = {
        {"192.0.2.7", UINT64_C(0x4fd19c50e52052e3), UINT64_C(0xac2d7f5388bfd5e6)},
        {"2001:db8:1:2:3:4:5:6", UINT64_C(0x414795fb5562ac91), UINT64_C(0x396a78f253db2c9c)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct hash128 made = state_network_key(&key, world_address(rows[i].address));
        assert_int_equal(made.high, rows[i].high);
        assert_int_equal(made.low, rows[i].low);
    }
}

/* Behind the tags of the last group stands the key of the first entry: a look-up that went one word
 * too far would take it for tags, and read what is behind the last slot. */
TEST(a_look_up_ends_with_the_tags) {
    struct world *world = world_new(64); /* two groups */
    const struct hash128 spells_tags = {UINT64_C(0x0085858585858585), 0};
    (void)state_place(&world->state, STATE_GREYLIST, spells_tags, 1);
    assert_null(state_find(&world->state, STATE_GREYLIST, (struct hash128){UINT64_C(1) << 63, 5}));
    world_free(world);
}

TEST(what_is_placed_is_found_and_nothing_else) {
    struct world *world = world_new(1000);
    struct dice dice = {7};
    struct hash128 keys[500];
    for (size_t i = 0; i < 500; i++) {
        keys[i] = (struct hash128){dice_u64(&dice), dice_u64(&dice)};
        assert_null(state_find(&world->state, STATE_GREYLIST, keys[i]));
        struct greylist_entry *entry = state_place(&world->state, STATE_GREYLIST, keys[i], 1);
        assert_int_equal(entry->head.last_used_s, 0);
        assert_int_equal(entry->attempts, 0);
        entry->attempts = (uint32_t)i;
    }
    for (size_t i = 0; i < 500; i++) {
        state_prefetch(&world->state, STATE_GREYLIST, keys[i]);
        const struct greylist_entry *entry = state_find(&world->state, STATE_GREYLIST, keys[i]);
        assert_non_null(entry);
        assert_int_equal(entry->attempts, i);
        assert_ptr_equal(entry, state_place(&world->state, STATE_GREYLIST, keys[i], 1));
    }
    assert_int_equal(world->state.tables[STATE_GREYLIST].used, 500);
    assert_int_equal(world->state.tables[STATE_GREYLIST_CLIENT].used, 0);
    world_free(world);
}

TEST(keys_with_the_same_tag_are_told_apart) {
    struct world *world = world_new(40);
    for (uint64_t i = 1; i <= 20; i++) {
        (void)place(world, i << 7 | 5, 1, 2, 1); /* The tag is made of the lowest 7 bits. */
    }
    for (uint64_t i = 1; i <= 20; i++) {
        assert_true(has(world, i << 7 | 5));
    }
    assert_false(has(world, UINT64_C(21) << 7 | 5));
    world_free(world);
}

TEST(the_group_is_chosen_by_the_top_bits) {
    struct state_table table = {.group_count = 4};
    assert_int_equal(state_group_of(&table, (struct hash128){0, ~UINT64_C(0)}), 0);
    assert_int_equal(state_group_of(&table, (struct hash128){UINT64_C(1) << 62, 0}), 1);
    assert_int_equal(state_group_of(&table, (struct hash128){~UINT64_C(0), 0}), 3);
}

/* In a full group a key may take four slots that stand together. A new key that may take those of
 * numbers 1 to 4 for 0, of 5 to 8 for 1 ... */
static uint64_t key_for(unsigned window) {
    return 100 + ((uint64_t)window << 7);
}

TEST(an_expired_entry_is_the_first_victim) {
    struct world *world = full_group();
    (void)place(world, 60, 999, 1500, 1000);
    (void)place(world, key_for(14), 1500, 3000, 1500); /* 60 expires in this very second. */
    assert_false(has(world, 60));
    assert_true(has(world, 57));
    assert_int_equal(world->state.tables[STATE_GREYLIST].evicted, 0);
    assert_int_equal(world->state.tables[STATE_GREYLIST].used, 64);
    world_free(world);
}

TEST(an_expired_entry_goes_first_after_2038_too) {
    const uint32_t now_s = UINT32_C(0x90000000);
    struct world *world = full_group();
    for (uint64_t i = 1; i <= STATE_GROUP_SLOTS; i++) {
        (void)place(world, i, 500, now_s + 1, now_s);
    }
    (void)place(world, 60, now_s - 1, now_s, now_s);
    (void)place(world, key_for(14), now_s, now_s + 2, now_s);
    assert_false(has(world, 60));
    world_free(world);
}

TEST(else_the_least_recently_used_is_evicted_and_counted) {
    struct world *world = full_group();
    (void)place(world, 1, 900, 2000, 1000);
    (void)place(world, key_for(0), 1499, 3000, 1499);
    assert_false(has(world, 2));
    assert_true(has(world, 1));
    assert_int_equal(world->state.tables[STATE_GREYLIST].evicted, 1);
    world_free(world);
}

TEST(the_first_slot_is_no_safer_than_others) {
    struct world *world = full_group();
    (void)place(world, key_for(0), 1000, 3000, 1000);
    assert_false(has(world, 1));
    assert_true(has(world, 2));
    world_free(world);
}

TEST(a_new_key_displaces_one_of_four_slots_and_all_slots_are_somebodys) {
    for (unsigned window = 0; window < 16; window++) {
        for (uint64_t i = 1; i <= 4; i++) {
            struct world *world = full_group();
            const uint64_t oldest = 4 * window + i;
            (void)place(world, oldest, 400, 2000, 1000);
            /* Older still, but not one of the four. */
            const uint64_t next = (4 * window + 4) % STATE_GROUP_SLOTS + 1;
            (void)place(world, next, 300, 2000, 1000);
            (void)place(world, key_for(window), 1000, 3000, 1000);
            assert_false(has(world, oldest));
            assert_true(has(world, next));
            world_free(world);
        }
    }
}

static void assert_slot(struct world *world, uint64_t low, unsigned slot) {
    const struct state_table *table = &world->state.tables[STATE_GREYLIST];
    const size_t entry_bytes = state_entry_bytes(STATE_GREYLIST);
    assert_ptr_equal(place(world, low, 1, 2, 1), table->slots + slot * entry_bytes);
}

/* So that those who compete for four slots are of all ages when the group is full. */
TEST(a_new_key_takes_the_next_empty_slot_from_its_four_on) {
    struct world *world = world_new(40);
    assert_slot(world, key_for(0), 0);
    assert_slot(world, key_for(15), 60);
    assert_slot(world, key_for(14) + 1, 56);
    for (unsigned i = 1; i < 4; i++) {
        assert_slot(world, key_for(14) + 1 + i, 56 + i);
    }
    assert_slot(world, key_for(14), 61);
    assert_slot(world, key_for(15) + 1, 62);
    assert_slot(world, key_for(15) + 2, 63);
    assert_slot(world, key_for(15) + 3, 1); /* From the first on. */
    world_free(world);
}

TEST(asking_ahead_changes_nothing) {
    struct world *world = full_group();
    struct state_table *table = &world->state.tables[STATE_GREYLIST];
    struct world *same = full_group();
    for (uint64_t low = 1; low < 2048; low++) {
        state_prefetch(&world->state, STATE_GREYLIST, key_in_first_group(low));
        state_prefetch_entry(&world->state, STATE_GREYLIST, key_in_first_group(low));
        state_prefetch_whole(&world->state, STATE_GREYLIST, key_in_first_group(low));
        state_prefetch_place(&world->state, STATE_GREYLIST, key_in_first_group(low));
    }
    assert_memory_equal(table->groups, same->state.tables[STATE_GREYLIST].groups,
                        table->group_bytes);
    world_free(world);
    world_free(same);
}

TEST(nothing_of_the_victim_is_left) {
    struct world *world = full_group();
    struct greylist_entry *victim =
        state_place(&world->state, STATE_GREYLIST, key_in_first_group(1), 1000);
    victim->attempts = 9;
    victim->sequence = 8;
    const struct hash128 new_key = key_in_first_group(key_for(0));
    const struct greylist_entry *entry = state_place(&world->state, STATE_GREYLIST, new_key, 1000);
    assert_ptr_equal(entry, victim);
    const struct greylist_entry fresh = {.head.key = new_key};
    assert_memory_equal(entry, &fresh, sizeof fresh);
    world_free(world);
}

TEST(of_equals_the_smallest_key_is_evicted) {
    struct world *world = world_new(40);
    for (uint64_t i = STATE_GROUP_SLOTS; i >= 1; i--) {
        (void)place(world, i, 500, 2000, 1000);
    }
    /* Slot 0 has 64, slot 3 has 61. */
    struct state_entry *high =
        state_place(&world->state, STATE_GREYLIST, (struct hash128){1, 0}, 1000);
    high->last_used_s = 500;
    high->expires_s = 2000;
    assert_false(has(world, 61));
    (void)place(world, key_for(0), 600, 2000, 1000);
    assert_false(has(world, 62));
    assert_true(has(world, 1));
    assert_non_null(state_find(&world->state, STATE_GREYLIST, (struct hash128){1, 0}));
    world_free(world);
}

static void count_entry(void *context, const void *entry) {
    const struct state_entry *head = entry;
    *(uint64_t *)context += 1000 + head->key.low; /* empty slots would count too */
}

TEST(a_visit_sees_each_entry_once) {
    struct world *world = full_group();
    uint64_t sum = 0;
    for (size_t group = 0; group < world->state.tables[STATE_GREYLIST].group_count; group++) {
        state_visit_group(&world->state.tables[STATE_GREYLIST], group, count_entry, &sum);
    }
    assert_int_equal(sum, 64 * 1000 + 64 * 65 / 2);
    world_free(world);
    world = world_new(64);
    sum = 0;
    state_visit_group(&world->state.tables[STATE_GREYLIST], 0, count_entry, &sum);
    assert_int_equal(sum, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        (void)state_place(&world->state, STATE_GREYLIST, key_in_first_group(i), 1000);
    }
    /* Its tag stands behind those of the first group. */
    (void)state_place(&world->state, STATE_GREYLIST, (struct hash128){UINT64_MAX, 4}, 1000);
    state_visit_group(&world->state.tables[STATE_GREYLIST], 0, count_entry, &sum);
    assert_int_equal(sum, 3 * 1000 + 6);
    world_free(world);
}

TEST(a_recount_finds_what_was_loaded) {
    struct world *world = world_new(100); /* three groups */
    for (uint64_t i = 1; i <= 5; i++) {
        /* Some in each group, and the first entry begins with a 1: nothing behind tags is 0. */
        const struct hash128 loaded = {(i << 62) | UINT64_C(0x0101010101010101), i};
        (void)state_place(&world->state, STATE_GREYLIST, loaded, 1000);
    }
    struct state_table *table = &world->state.tables[STATE_GREYLIST];
    table->used = 7;
    state_table_recount(table);
    assert_int_equal(table->used, 5);
    world_free(world);
}

TEST(groups_are_copied_and_put_by_themselves) {
    struct world *world = world_new(200); /* five groups */
    struct world *other = world_new(200);
    struct world *alone = world_new(40); /* one */
    const struct state_table *table = &world->state.tables[STATE_GREYLIST];
    struct dice dice = {3};
    for (size_t i = 0; i < 150; i++) {
        const struct hash128 at = {dice_u64(&dice), dice_u64(&dice)};
        (void)state_place(&world->state, STATE_GREYLIST, at, 1000);
    }
    assert_int_equal(table->group_count, 5);
    unsigned char *groups = malloc(5 * table->group_bytes);
    assert_non_null(groups);
    state_copy_groups(table, 0, 2, groups);
    state_copy_groups(table, 2, 3, groups + 2 * table->group_bytes);
    for (size_t i = 5; i-- > 0;) {
        const unsigned char *group = groups + i * table->group_bytes;
        uint64_t sum = 0;
        uint64_t sum_alone = 0;
        state_put_group(&other->state.tables[STATE_GREYLIST], i, group);
        state_put_group(&alone->state.tables[STATE_GREYLIST], 0, group);
        state_visit_group(table, i, count_entry, &sum);
        state_visit_group(&alone->state.tables[STATE_GREYLIST], 0, count_entry, &sum_alone);
        assert_true(sum > 0 && sum == sum_alone);
        assert_memory_equal(alone->state.tables[STATE_GREYLIST].groups, group, table->group_bytes);
    }
    assert_memory_equal(other->state.tables[STATE_GREYLIST].groups, table->groups,
                        5 * table->group_bytes);
    free(groups);
    world_free(world);
    world_free(other);
    world_free(alone);
}

TEST(the_same_effects_in_the_same_order_give_byte_equal_groups) {
    struct world *worlds[2] = {world_new(100), world_new(100)};
    for (int w = 0; w < 2; w++) {
        struct dice dice = {42};
        for (uint64_t i = 0; i < 2000; i++) {
            const uint32_t time_s = 1000 + (uint32_t)i;
            const struct effect effect = {
                .kind = EFFECT_GREYLIST_SEEN,
                .key = {dice_u64(&dice), dice_below(&dice, 50)},
                .time_s = time_s,
                .expires_s = time_s + 1 + dice_below(&dice, 500),
                .first_s = time_s,
            };
            effect_apply(&worlds[w]->state, &effect, i);
        }
    }
    const struct state_table *a = &worlds[0]->state.tables[STATE_GREYLIST];
    const struct state_table *b = &worlds[1]->state.tables[STATE_GREYLIST];
    assert_memory_equal(a->groups, b->groups, a->group_count * a->group_bytes);
    assert_int_equal(a->evicted, b->evicted);
    assert_true(a->evicted > 0);
    world_free(worlds[0]);
    world_free(worlds[1]);
}
