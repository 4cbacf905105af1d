/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/effect.h"

#include <string.h>

#include "policy/world_fixture.h"
#include "testing/test.h"

static const struct hash128 some_key = {77, 88};

static struct greylist_entry greylist_after(const struct effect *effects, size_t count) {
    struct world *world = world_new(10);
    struct greylist_entry entry = {.attempts = 0};
    for (size_t i = 0; i < count; i++) {
        effect_apply(&world->state, &effects[i], i + 1);
    }
    const void *found = state_find(&world->state, STATE_GREYLIST, some_key);
    assert_non_null(found);
    memcpy(&entry, found, sizeof entry);
    world_free(world);
    return entry;
}

static struct effect seen(uint32_t time_s, uint32_t first_s, uint32_t passed_s, uint32_t epoch_s) {
    return (struct effect){
        .kind = EFFECT_GREYLIST_SEEN,
        .key = some_key,
        .time_s = time_s,
        .expires_s = time_s + 1000,
        .epoch_s = epoch_s,
        .first_s = first_s,
        .passed_s = passed_s,
    };
}

TEST(a_live_entry_merges) {
    const struct effect effects[] = {seen(500, 500, 0, 1), seen(400, 400, 450, 1),
                                     seen(600, 500, 600, 1)};
    const struct greylist_entry entry = greylist_after(effects, 3);
    assert_int_equal(entry.first_s, 400);
    assert_int_equal(entry.passed_s, 450);
    assert_int_equal(entry.head.last_used_s, 600);
    assert_int_equal(entry.head.expires_s, 1600);
    assert_int_equal(entry.attempts, 3);
    assert_int_equal(entry.sequence, 3);
    assert_int_equal(entry.epoch_s, 1);
}

TEST(a_newer_epoch_replaces_and_an_older_one_is_ignored) {
    const struct effect effects[] = {seen(500, 400, 450, 1), seen(9000, 9000, 0, 2),
                                     seen(9500, 300, 9500, 1)};
    const struct greylist_entry entry = greylist_after(effects, 3);
    assert_int_equal(entry.first_s, 9000);
    assert_int_equal(entry.passed_s, 0);
    assert_int_equal(entry.head.last_used_s, 9000);
    assert_int_equal(entry.attempts, 1);
    assert_int_equal(entry.sequence, 2);
}

TEST(of_the_same_second_the_larger_sequence_counts) {
    for (uint64_t first = 1; first <= 2; first++) {
        struct world *world = world_new(10);
        const struct effect effect = seen(500, 500, 0, 1);
        effect_apply(&world->state, &effect, first);
        effect_apply(&world->state, &effect, 3 - first);
        const struct greylist_entry *entry = state_find(&world->state, STATE_GREYLIST, some_key);
        assert_int_equal(entry->sequence, 2);
        world_free(world);
    }
}

TEST(a_quiet_effect_is_no_attempt_and_attempts_saturate) {
    struct effect quiet = seen(500, 500, 500, 0);
    quiet.quiet = true;
    struct world *world = world_new(10);
    effect_apply(&world->state, &quiet, 1);
    struct greylist_entry *entry = state_place(&world->state, STATE_GREYLIST, some_key, 500);
    assert_int_equal(entry->attempts, 0);
    assert_int_equal(entry->passed_s, 500);
    entry->attempts = UINT32_MAX;
    quiet.quiet = false;
    effect_apply(&world->state, &quiet, 2);
    assert_int_equal(entry->attempts, UINT32_MAX);
    world_free(world);
}

TEST(a_forget_empties_and_what_came_before_it_stays_forgotten) {
    const struct effect forget = {
        .kind = EFFECT_GREYLIST_FORGOTTEN, .key = some_key, .time_s = 700, .expires_s = 5000};
    const struct effect effects[] = {seen(500, 400, 450, 1), forget, seen(650, 400, 650, 1)};
    struct greylist_entry entry = greylist_after(effects, 3);
    assert_int_equal(entry.first_s, 0);
    assert_int_equal(entry.passed_s, 0);
    assert_int_equal(entry.attempts, 0);
    assert_int_equal(entry.epoch_s, 701);
    assert_int_equal(entry.head.expires_s, 5000);
    const struct effect then[] = {forget, seen(800, 800, 0, 701)};
    entry = greylist_after(then, 2);
    assert_int_equal(entry.first_s, 800);
    assert_int_equal(entry.attempts, 1);
}

TEST(a_forget_is_above_the_second_it_was_made_in) {
    static const uint32_t epochs[][2] = {{699, 701}, {700, 701}, {701, 701}, {702, 702}};
    for (size_t i = 0; i < sizeof epochs / sizeof epochs[0]; i++) {
        const struct effect forget = {.kind = EFFECT_GREYLIST_FORGOTTEN,
                                      .key = some_key,
                                      .time_s = 700,
                                      .epoch_s = epochs[i][0]};
        assert_int_equal(greylist_after(&forget, 1).epoch_s, epochs[i][1]);
    }
}

TEST(the_last_second_of_time_is_still_a_forget) {
    const struct effect forget = {
        .kind = EFFECT_GREYLIST_FORGOTTEN, .key = some_key, .time_s = UINT32_MAX};
    assert_int_equal(greylist_after(&forget, 1).epoch_s, UINT32_MAX);
}

static struct greylist_client_entry client_after(const uint32_t *fingerprints, size_t count) {
    struct world *world = world_new(10);
    (void)state_place(&world->state, STATE_GREYLIST_CLIENT, some_key, 1);
    /* A neighbour that begins with large numbers, like fingerprints that would have to give way. */
    const struct hash128 next_key = {UINT32_MAX, some_key.low};
    struct greylist_client_entry *next =
        state_place(&world->state, STATE_GREYLIST_CLIENT, next_key, 1);
    for (size_t i = 0; i < count; i++) {
        const struct effect effect = {.kind = EFFECT_GREYLIST_CLIENT_SEEN,
                                      .key = some_key,
                                      .time_s = 100,
                                      .expires_s = 200,
                                      .fingerprint = fingerprints[i]};
        effect_apply(&world->state, &effect, 1);
    }
    const struct greylist_client_entry untouched = {.head.key = next_key};
    assert_memory_equal(next, &untouched, sizeof untouched); /* the neighbour in the table */
    struct greylist_client_entry entry = {.epoch_s = 0};
    memcpy(&entry, state_find(&world->state, STATE_GREYLIST_CLIENT, some_key), sizeof entry);
    world_free(world);
    return entry;
}

TEST(fingerprints_are_a_set_that_keeps_the_smallest) {
    const uint32_t few[] = {9, 3, 0, 9, 5, 3};
    const struct greylist_client_entry three = client_after(few, 6);
    const uint32_t expected_three[STATE_FINGERPRINTS_MAX] = {3, 5, 9};
    assert_memory_equal(three.fingerprints, expected_three, sizeof expected_three);
    const uint32_t many[] = {90, 80, 70, 60, 50, 40, 30, 20, 10, 100, 85};
    const struct greylist_client_entry seven = client_after(many, 11);
    const uint32_t expected_seven[STATE_FINGERPRINTS_MAX] = {10, 20, 30, 40, 50, 60, 70};
    assert_memory_equal(seven.fingerprints, expected_seven, sizeof expected_seven);
}

TEST(a_client_can_be_forgotten) {
    struct world *world = world_new(10);
    const struct effect pass = {.kind = EFFECT_GREYLIST_CLIENT_SEEN,
                                .key = some_key,
                                .time_s = 100,
                                .expires_s = 900,
                                .epoch_s = 5,
                                .fingerprint = 3};
    const struct effect forget = {.kind = EFFECT_GREYLIST_CLIENT_FORGOTTEN,
                                  .key = some_key,
                                  .time_s = 200,
                                  .expires_s = 900,
                                  .epoch_s = 300};
    effect_apply(&world->state, &pass, 1);
    effect_apply(&world->state, &forget, 2);
    effect_apply(&world->state, &pass, 3);
    const struct greylist_client_entry *entry =
        state_find(&world->state, STATE_GREYLIST_CLIENT, some_key);
    assert_int_equal(entry->fingerprints[0], 0);
    assert_int_equal(entry->epoch_s, 300);
    assert_int_equal(entry->sequence, 2);
    world_free(world);
}

TEST(what_happens_once_keeps_the_largest_value_and_counts_its_times) {
    struct world *world = world_new(10);
    struct effect once = {.kind = EFFECT_ONCE, .key = some_key, .time_s = 500, .expires_s = 600};
    static const int64_t amounts[] = {7, 9, 8};
    for (unsigned i = 0; i < 3; i++) {
        once.amount = amounts[i];
        effect_apply(&world->state, &once, i + 1);
    }
    struct once_entry *entry = state_place(&world->state, STATE_ONCE, some_key, 500);
    assert_int_equal(entry->value, 9);
    assert_int_equal(entry->times, 3);
    entry->times = UINT32_MAX - 1;
    effect_apply(&world->state, &once, 4);
    assert_int_equal(entry->times, UINT32_MAX);
    effect_apply(&world->state, &once, 5);
    assert_int_equal(entry->times, UINT32_MAX);
    world_free(world);
}

TEST(a_new_epoch_is_above_the_old_one_and_coarse) {
    assert_int_equal(effect_new_epoch(0, 1700000000), 1700000000 / 65536 * 65536);
    assert_int_equal(effect_new_epoch(0, 1699938304), 1699938304);
    assert_int_equal(effect_new_epoch(0, 1699938303), 1699872768);
    assert_int_equal(effect_new_epoch(1699938304, 1700000000), 1699938305);
    assert_int_equal(effect_new_epoch(1699938303, 1700000000), 1699938304);
    assert_int_equal(effect_new_epoch(1800000000, 1700000000), 1800000001);
    assert_int_equal(effect_new_epoch(0, 5), 1);
    assert_int_equal(effect_new_epoch(UINT32_MAX, 5), UINT32_MAX);
}

static struct effect random_effect(struct dice *dice, enum effect_kind kind) {
    const uint32_t time_s = 1 + dice_below(dice, 40);
    struct effect effect = {
        .kind = kind,
        .quiet = dice_below(dice, 4) == 0,
        .flags = (uint8_t)(dice_below(dice, 128) * 2),
        .detail = (uint8_t)dice_below(dice, 256),
        .key = some_key,
        .time_s = time_s,
        .expires_s = time_s + 1 + dice_below(dice, 30),
        .epoch_s = dice_below(dice, 30),
    };
    if (kind == EFFECT_GREYLIST_CLIENT_SEEN) {
        effect.fingerprint = dice_below(dice, 20);
    } else if (kind == EFFECT_ONCE || kind == EFFECT_CORRESPONDENT_SEEN) {
        effect.amount = dice_below(dice, 20);
    } else {
        effect.first_s = dice_below(dice, 40);
        effect.passed_s = dice_below(dice, 2) * dice_below(dice, 40);
    }
    return effect;
}

/* Nodes exchange effects in any order: what comes out is the same. */
TEST(effects_commute) {
    static const enum effect_kind kinds[][2] = {
        {EFFECT_GREYLIST_SEEN, EFFECT_GREYLIST_FORGOTTEN},
        {EFFECT_GREYLIST_CLIENT_SEEN, EFFECT_GREYLIST_CLIENT_FORGOTTEN},
        {EFFECT_ONCE, EFFECT_ONCE},
        {EFFECT_CORRESPONDENT_SEEN, EFFECT_CORRESPONDENT_SEEN},
    };
    struct dice dice = {2024};
    struct world *world = world_new(10);
    for (int round = 0; round < 6000; round++) {
        const enum effect_kind *pair = kinds[round % 4];
        const enum state_table_id table = effect_table(pair[0]);
        struct state_table *in = &world->state.tables[table];
        struct effect effects[12];
        uint64_t sequences[12];
        const size_t count = 2 + dice_below(&dice, 11);
        for (size_t i = 0; i < count; i++) {
            effects[i] = random_effect(&dice, pair[dice_below(&dice, 5) == 0]);
            sequences[i] = i + 1;
        }
        unsigned char first[STATE_ENTRY_MAX] = {0};
        for (int order = 0; order < 6; order++) {
            memset(in->groups, 0, in->group_count * in->group_bytes);
            for (size_t i = 0; i < count; i++) {
                effect_apply(&world->state, &effects[i], sequences[i]);
            }
            const void *entry = state_find(&world->state, table, some_key);
            if (order == 0) {
                memcpy(first, entry, in->entry_bytes);
            }
            assert_memory_equal(first, entry, in->entry_bytes);
            for (size_t i = count - 1; i > 0; i--) {
                const size_t j = dice_below(&dice, (uint32_t)i + 1);
                const struct effect effect = effects[i];
                const uint64_t sequence = sequences[i];
                effects[i] = effects[j];
                sequences[i] = sequences[j];
                effects[j] = effect;
                sequences[j] = sequence;
            }
        }
    }
    world_free(world);
}

static bool has_four_bytes(enum effect_kind kind) {
    return kind == EFFECT_GREYLIST_CLIENT_SEEN || kind == EFFECT_OFFENCE_COUNTED;
}

TEST(effects_survive_packing) {
    struct dice dice = {5};
    for (int round = 0; round < 100; round++) {
        for (unsigned kind = EFFECT_NONE + 1; kind < EFFECT_KINDS; kind++) {
            struct effect effect = random_effect(&dice, (enum effect_kind)kind);
            effect.key = (struct hash128){dice_u64(&dice), dice_u64(&dice)};
            effect.on_acceptance = true;
            effect.network = dice_u64(&dice);
            unsigned char packed[EFFECT_BYTES];
            unsigned char again[EFFECT_BYTES];
            struct effect decoded;
            effect_encode(&effect, packed);
            assert_true(effect_decode(packed, &decoded));
            effect_encode(&decoded, again);
            assert_memory_equal(packed, again, EFFECT_BYTES);
            assert_int_equal(decoded.kind, effect.kind);
            assert_int_equal(decoded.quiet, effect.quiet);
            assert_false(decoded.on_acceptance); /* not part of the packed form */
            assert_int_equal(decoded.flags, effect.flags);
            assert_int_equal(decoded.detail, effect.detail);
            assert_true(decoded.key.high == effect.key.high);
            assert_true(decoded.key.low == effect.key.low);
            assert_int_equal(decoded.time_s, effect.time_s);
            assert_int_equal(decoded.expires_s, effect.expires_s);
            assert_int_equal(decoded.epoch_s, effect.epoch_s);
            const uint64_t rest = has_four_bytes(effect.kind) ? effect.width_s : effect.network;
            assert_true(decoded.network == rest);
        }
    }
}

TEST(the_packed_form_is_what_the_document_says) {
    const struct effect effect = {.kind = EFFECT_GREYLIST_SEEN,
                                  .quiet = true,
                                  .flags = 0x24,
                                  .detail = 0x71,
                                  .key = {0x0102030405060708, 0x1112131415161718},
                                  .time_s = 0x21222324,
                                  .expires_s = 0x31323334,
                                  .epoch_s = 0x41424344,
                                  .first_s = 0x51525354,
                                  .passed_s = 0x61626364};
    static const unsigned char expected[EFFECT_BYTES] =
        "\x01\x00\x25\x71\x08\x07\x06\x05\x04\x03\x02\x01\x18\x17\x16\x15\x14\x13\x12\x11"
        "\x24\x23\x22\x21\x34\x33\x32\x31\x44\x43\x42\x41\x54\x53\x52\x51\x64\x63\x62\x61";
    unsigned char packed[EFFECT_BYTES];
    effect_encode(&effect, packed);
    assert_memory_equal(packed, expected, EFFECT_BYTES);
}

TEST(the_packed_form_of_four_bytes_leaves_the_last_place_empty) {
    static const enum effect_kind kinds[] = {EFFECT_GREYLIST_CLIENT_SEEN, EFFECT_OFFENCE_COUNTED};
    for (size_t i = 0; i < 2; i++) {
        const struct effect effect = {.kind = kinds[i], .network = 0x6162636471727374};
        unsigned char packed[EFFECT_BYTES];
        effect_encode(&effect, packed);
        assert_memory_equal(packed + 32, "\x74\x73\x72\x71\x00\x00\x00\x00", 8);
    }
}

TEST(a_kind_of_a_newer_release_is_not_decoded) {
    unsigned char packed[EFFECT_BYTES] = {EFFECT_KINDS};
    struct effect effect;
    assert_false(effect_decode(packed, &effect));
    packed[0] = EFFECT_NONE;
    assert_false(effect_decode(packed, &effect));
    packed[0] = EFFECT_GREYLIST_SEEN;
    packed[1] = 1;
    assert_false(effect_decode(packed, &effect));
}
