/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/effect.h"
#include "policy/effect_merge.h"
#include "policy/quota_parts.h"
#include "policy/world_fixture.h"
#include "policy/zone.h"
#include "testing/test.h"

static const struct hash128 some_key = {77, 88};
enum { NOON_S = 1700049600 }; /* 2023-11-15, a Wednesday */

static struct effect quota_effect(enum effect_kind kind, uint32_t time_s, int64_t amount) {
    return (struct effect){.kind = kind,
                           .key = some_key,
                           .time_s = time_s,
                           .expires_s = time_s + 1000,
                           .epoch_s = kind == EFFECT_QUOTA_FORGOTTEN ? 0 : 5,
                           .amount = amount};
}

static struct effect committed(uint32_t time_s, int64_t amount) {
    return quota_effect(EFFECT_QUOTA_COMMITTED, time_s, amount);
}

static struct effect reserved(uint32_t time_s, int64_t amount) {
    return quota_effect(EFFECT_QUOTA_RESERVED, time_s, amount);
}

/* The entry after these effects; the next one in the table is looked after. */
static struct quota_entry after(const struct effect *effects, size_t count) {
    struct world *world = world_new(10);
    struct quota_entry entry;
    (void)state_place(&world->state, STATE_QUOTA, some_key, 1);
    const struct hash128 next_key = {78, 88};
    struct quota_entry *next = state_place(&world->state, STATE_QUOTA, next_key, 1);
    for (size_t i = 0; i < count; i++) {
        effect_apply(&world->state, &effects[i], i + 1);
    }
    const struct quota_entry untouched = {.head.key = next_key};
    assert_memory_equal(next, &untouched, sizeof untouched);
    memcpy(&entry, state_find(&world->state, STATE_QUOTA, some_key), sizeof entry);
    world_free(world);
    return entry;
}

static struct quota_digest digest_of(const struct quota_entry *entry, uint32_t now_s) {
    struct quota_digest digest;
    quota_make_digest(entry, now_s, &digest);
    return digest;
}

TEST(what_is_committed_counts_in_all_windows) {
    const struct effect effects[] = {committed(NOON_S, 5), committed(NOON_S, 2),
                                     committed(NOON_S + 59, 1)};
    const struct quota_entry entry = after(effects, 3);
    const struct quota_digest digest = digest_of(&entry, NOON_S + 59);
    for (size_t i = 0; i < QUOTA_WINDOWS; i++) {
        assert_int_equal(digest.committed[i], 8);
    }
    assert_int_equal(digest.numbers[0], 19676);
    assert_int_equal(digest.numbers[1], (19676 + 3) / 7);
    assert_int_equal(digest.numbers[2], 2023 * 12 + 10);
    assert_int_equal(digest.epoch_s, 5);
    assert_int_equal(digest.present, 1);
    assert_int_equal(digest.reserved, 0);
    assert_int_equal(entry.head.last_used_s, NOON_S + 59);
    assert_int_equal(entry.head.expires_s, NOON_S + 1059);
    assert_int_equal(entry.sequence, 3);
}

TEST(rings_hold_sixty_buckets_and_forget_the_sixty_first) {
    struct effect effects[130];
    for (uint32_t i = 0; i < 130; i++) {
        effects[i] = committed(NOON_S + i, 1);
    }
    struct quota_entry entry = after(effects, 130);
    assert_int_equal(digest_of(&entry, NOON_S + 129).committed[QUOTA_MINUTE], 60);
    assert_int_equal(digest_of(&entry, NOON_S + 130).committed[QUOTA_MINUTE], 59);
    assert_int_equal(digest_of(&entry, NOON_S + 188).committed[QUOTA_MINUTE], 1);
    assert_int_equal(digest_of(&entry, NOON_S + 189).committed[QUOTA_MINUTE], 0);
    assert_int_equal(digest_of(&entry, NOON_S + 129).committed[QUOTA_HOUR], 130);
    for (uint32_t i = 0; i < 70; i++) {
        effects[i] = committed(NOON_S + 60 * i, 1);
    }
    entry = after(effects, 70);
    assert_int_equal(digest_of(&entry, NOON_S + 60 * 69 + 59).committed[QUOTA_HOUR], 60);
    assert_int_equal(digest_of(&entry, NOON_S + 60 * 70).committed[QUOTA_HOUR], 59);
    assert_int_equal(digest_of(&entry, NOON_S + 60 * 69).committed[QUOTA_MINUTE], 1);
}

TEST(what_a_clock_that_is_ahead_has_counted_counts_once) {
    const struct effect effects[] = {committed(NOON_S + 61, 1), reserved(NOON_S + 61, 1)};
    const struct quota_entry entry = after(effects, 2);
    const struct quota_digest digest = digest_of(&entry, NOON_S);
    assert_int_equal(digest.committed[QUOTA_MINUTE], 1);
    assert_int_equal(digest.committed[QUOTA_HOUR], 1);
    assert_int_equal(digest.reserved, 1);
}

TEST(times_near_the_beginning_are_times_too) {
    const struct effect effects[] = {committed(0, 1), committed(5, 2), reserved(5, 4)};
    const struct quota_entry entry = after(effects, 3);
    const struct quota_digest digest = digest_of(&entry, 5);
    assert_int_equal(digest.committed[QUOTA_MINUTE], 3);
    assert_int_equal(digest.committed[QUOTA_HOUR], 3);
    assert_int_equal(digest.reserved, 4);
    const struct effect half_a_minute[] = {committed(0, 1), committed(30, 2)};
    const struct quota_entry later = after(half_a_minute, 2);
    assert_int_equal(digest_of(&later, 59).committed[QUOTA_MINUTE], 3);
    assert_int_equal(digest_of(&later, 60).committed[QUOTA_MINUTE], 2);
}

TEST(a_late_effect_counts_where_its_time_is_still_held) {
    const struct effect effects[] = {committed(NOON_S, 1), committed(NOON_S - 59, 10),
                                     committed(NOON_S - 60, 100), committed(NOON_S - 3540, 1000),
                                     committed(NOON_S - 3600, 10000)};
    const struct quota_entry entry = after(effects, 5);
    const struct quota_digest digest = digest_of(&entry, NOON_S);
    assert_int_equal(digest.committed[QUOTA_MINUTE], 11);
    assert_int_equal(digest.committed[QUOTA_HOUR], 1111);
    assert_int_equal(digest.committed[QUOTA_DAY], 11111);
}

TEST(a_new_day_week_and_month_begin_by_themselves_and_local_time_says_when) {
    enum { DAY_S = 86400 };
    const struct effect days[] = {committed(NOON_S, 1), committed(NOON_S + DAY_S, 10),
                                  committed(NOON_S, 100)};
    struct quota_entry entry = after(days, 3);
    assert_int_equal(entry.calendar[0].count, 10); /* of yesterday nothing is kept */
    assert_int_equal(entry.calendar[1].count, 111);
    const struct effect weeks[] = {committed(NOON_S, 1), committed(NOON_S + 5 * DAY_S, 10)};
    entry = after(weeks, 2);
    assert_int_equal(entry.calendar[1].count, 10); /* Monday */
    assert_int_equal(entry.calendar[2].count, 11);
    struct effect offsets[] = {committed(NOON_S + DAY_S / 2 - 900, 1),
                               committed(NOON_S + DAY_S / 2 - 900, 10)};
    offsets[1].detail = 1; /* a quarter of an hour ahead */
    entry = after(offsets, 2);
    assert_int_equal(entry.calendar[0].number, 19677);
    assert_int_equal(entry.calendar[0].count, 10);
    offsets[0].time_s += 900;
    offsets[0].detail = (uint8_t)(int8_t)-1;
    offsets[1].time_s += 900;
    offsets[1].detail = 0;
    entry = after(offsets, 2);
    assert_int_equal(entry.calendar[0].count, 10);
}

TEST(reservations_are_by_minute_and_stand_sixteen) {
    const uint32_t minute_s = NOON_S;
    const struct effect effects[] = {reserved(minute_s, 3), reserved(minute_s + 59, 2),
                                     reserved(minute_s + 15 * 60, 10), reserved(minute_s, -1)};
    const struct quota_entry entry = after(effects, 4);
    assert_int_equal(digest_of(&entry, minute_s + 15 * 60 + 59).reserved, 14);
    assert_int_equal(digest_of(&entry, minute_s + 16 * 60).reserved, 10);
    assert_int_equal(digest_of(&entry, minute_s + 31 * 60 - 1).reserved, 10);
    assert_int_equal(digest_of(&entry, minute_s + 31 * 60).reserved, 0);
    const struct effect late[] = {reserved(minute_s + 16 * 60, 1), reserved(minute_s + 59, 5),
                                  reserved(minute_s + 60, 7)};
    const struct quota_entry moved = after(late, 3);
    assert_int_equal(digest_of(&moved, minute_s + 16 * 60).reserved, 8); /* the 5 are too old */
}

TEST(reservations_below_zero_count_as_none) {
    const struct effect effects[] = {reserved(NOON_S, -3), reserved(NOON_S + 60, 2)};
    const struct quota_entry entry = after(effects, 2);
    assert_int_equal(digest_of(&entry, NOON_S + 60).reserved, 0);
}

TEST(counts_end_at_the_largest_number) {
    struct world *world = world_new(10);
    struct quota_entry *entry = state_place(&world->state, STATE_QUOTA, some_key, 1);
    const struct effect huge = committed(NOON_S, INT64_MAX);
    for (int i = 0; i < 3; i++) {
        effect_apply(&world->state, &huge, 1);
    }
    struct quota_digest digest = digest_of(entry, NOON_S);
    for (size_t i = 0; i < QUOTA_WINDOWS; i++) {
        assert_true(digest.committed[i] == UINT64_MAX);
    }
    const struct effect next = committed(NOON_S + 1, INT64_MAX);
    effect_apply(&world->state, &next, 1);
    digest = digest_of(entry, NOON_S + 1);
    assert_true(digest.committed[QUOTA_MINUTE] == UINT64_MAX);
    const struct effect wrong = committed(NOON_S + 1, -5); /* nobody makes it */
    effect_apply(&world->state, &wrong, 1);
    assert_int_equal(entry->seconds[(NOON_S + 1) % 60], INT64_MAX);
    world_free(world);
}

TEST(a_reset_forgets_what_was_committed_before_it_and_no_reservation) {
    const struct effect effects[] = {committed(NOON_S, 5), reserved(NOON_S, 3),
                                     quota_effect(EFFECT_QUOTA_FORGOTTEN, NOON_S, 0),
                                     committed(NOON_S, 7)};
    struct quota_entry entry = after(effects, 4);
    struct quota_digest digest = digest_of(&entry, NOON_S);
    assert_int_equal(digest.committed[QUOTA_DAY], 0);
    assert_int_equal(digest.committed[QUOTA_MINUTE], 0);
    assert_int_equal(digest.committed[QUOTA_HOUR], 0);
    assert_int_equal(digest.reserved, 3);
    assert_int_equal(digest.epoch_s, NOON_S + 1);
    struct effect newer = committed(NOON_S - 30, 9); /* decided after it, whatever its clock says */
    newer.epoch_s = NOON_S + 1;
    const struct effect then[] = {effects[0], effects[1], effects[2], newer};
    entry = after(then, 4);
    digest = digest_of(&entry, NOON_S);
    assert_int_equal(digest.committed[QUOTA_MINUTE], 9);
    assert_int_equal(digest.committed[QUOTA_MONTH], 9);
}

/* --- messages -----------------------------------------------------------------------------------
 */

static struct effect charged(uint32_t time_s, unsigned pairs, int64_t bytes) {
    return (struct effect){.kind = EFFECT_MESSAGE_CHARGED,
                           .detail = (uint8_t)(pairs & 0xff),
                           .key = some_key,
                           .time_s = time_s,
                           .expires_s = time_s + 6000,
                           .epoch_s = pairs >> 8,
                           .amount = bytes};
}

static struct effect ended(uint32_t time_s) {
    return (struct effect){
        .kind = EFFECT_MESSAGE_ENDED, .key = some_key, .time_s = time_s, .expires_s = time_s + 100};
}

static struct message_entry message_after(const struct effect *effects, size_t count) {
    struct world *world = world_new(10);
    struct message_entry entry;
    for (size_t i = 0; i < count; i++) {
        effect_apply(&world->state, &effects[i], i + 1);
    }
    memcpy(&entry, state_find(&world->state, STATE_MESSAGE, some_key), sizeof entry);
    world_free(world);
    return entry;
}

TEST(a_message_adds_up_its_recipients_and_pairs) {
    struct effect exempt = charged(9000, 0xfff, 9999);
    exempt.flags = EFFECT_EXEMPT;
    const struct effect effects[] = {charged(600, 0x801, 50), charged(720, 0x110, 40), exempt};
    struct message_entry entry = message_after(effects, 3);
    assert_int_equal(entry.recipients, 2);
    assert_int_equal(entry.exempt, 1);
    assert_int_equal(entry.bytes, 50);
    assert_int_equal(entry.minute, 12);
    assert_int_equal(entry.charged, 0x911);
    assert_int_equal(entry.state, MESSAGE_OPEN);
    assert_int_equal(entry.head.expires_s, 15000);
    const struct effect both[] = {effects[0], ended(660), effects[1]};
    entry = message_after(both, 3);
    assert_int_equal(entry.state, MESSAGE_ENDED);
    assert_int_equal(entry.head.expires_s, 760); /* sooner */
    assert_int_equal(entry.recipients, 2);
    const struct effect twice[] = {ended(660), ended(700), ended(680)};
    assert_int_equal(message_after(twice, 3).head.expires_s, 800);
}

TEST(recipients_saturate) {
    struct world *world = world_new(10);
    struct message_entry *entry = state_place(&world->state, STATE_MESSAGE, some_key, 1);
    entry->recipients = UINT32_MAX - 1;
    entry->exempt = UINT32_MAX - 1;
    struct effect effect = charged(600, 1, -1);
    for (int i = 0; i < 2; i++) {
        effect.flags = 0;
        effect_apply(&world->state, &effect, 1);
        effect.flags = EFFECT_EXEMPT;
        effect_apply(&world->state, &effect, 1);
    }
    assert_int_equal(entry->recipients, UINT32_MAX);
    assert_int_equal(entry->exempt, UINT32_MAX);
    assert_int_equal(entry->bytes, 0); /* a size below 0 is none */
    world_free(world);
}

/* --- in any order -------------------------------------------------------------------------------
 */

static struct effect random_effect(struct dice *dice, bool of_message) {
    static const enum effect_kind kinds[2][4] = {{EFFECT_QUOTA_RESERVED, EFFECT_QUOTA_RESERVED,
                                                  EFFECT_QUOTA_COMMITTED, EFFECT_QUOTA_COMMITTED},
                                                 {EFFECT_MESSAGE_CHARGED, EFFECT_MESSAGE_CHARGED,
                                                  EFFECT_MESSAGE_CHARGED, EFFECT_MESSAGE_ENDED}};
    static const uint32_t spans_s[] = {3, 100, 2000, 8000, 3000000};
    const uint32_t time_s = NOON_S + dice_below(dice, spans_s[dice_below(dice, 5)]);
    struct effect effect = {
        .kind = kinds[of_message][dice_below(dice, 4)],
        .flags = dice_below(dice, 3) == 0 ? EFFECT_EXEMPT : 0,
        .detail = (uint8_t)dice_below(dice, 256),
        .key = some_key,
        .time_s = time_s,
        .expires_s = time_s + 1 + dice_below(dice, 5000),
        .epoch_s = dice_below(dice, 2) == 0 ? 0 : NOON_S + dice_below(dice, 4),
        .amount = 1 + (int64_t)dice_below(dice, 1000),
    };
    if (of_message) {
        effect.epoch_s = dice_below(dice, 16);
    } else if (dice_below(dice, 12) == 0) {
        effect.kind = EFFECT_QUOTA_FORGOTTEN;
    }
    if (effect.kind == EFFECT_QUOTA_RESERVED && dice_below(dice, 2) == 0) {
        effect.amount = -effect.amount;
    }
    return effect;
}

static void shuffle(struct dice *dice, struct effect *effects, uint64_t *sequences, size_t count) {
    for (size_t i = count - 1; i > 0; i--) {
        const size_t j = dice_below(dice, (uint32_t)i + 1);
        const struct effect effect = effects[i];
        const uint64_t sequence = sequences[i];
        effects[i] = effects[j];
        sequences[i] = sequences[j];
        effects[j] = effect;
        sequences[j] = sequence;
    }
}

/* As effects_commute of effect_test.c. */
TEST(effects_of_quotas_commute) {
    enum { EFFECTS = 16 };
    struct dice dice = {2025};
    struct world *world = world_new(10);
    for (int round = 0; round < 6000; round++) {
        const bool of_message = round % 3 == 0;
        const enum state_table_id table = of_message ? STATE_MESSAGE : STATE_QUOTA;
        struct state_table *in = &world->state.tables[table];
        struct effect effects[EFFECTS];
        uint64_t sequences[EFFECTS];
        unsigned char first[sizeof(struct quota_entry)] = {0};
        const size_t count = 2 + dice_below(&dice, EFFECTS - 1);
        for (size_t i = 0; i < count; i++) {
            effects[i] = random_effect(&dice, of_message);
            sequences[i] = i + 1;
        }
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
            shuffle(&dice, effects, sequences, count);
        }
    }
    world_free(world);
}

TEST(a_ring_that_has_not_gone_round_is_emptied_of_all_that_it_holds) {
    static struct quota_entry entry;
    const struct effect first = {
        .kind = EFFECT_QUOTA_COMMITTED, .time_s = 5, .expires_s = 900, .amount = 7};
    struct effect later = first;
    later.time_s = 500;
    effect_merge_quota(&entry, &first, 1);
    assert_int_equal(entry.seconds[5], 7);
    effect_merge_quota(&entry, &later, 2);
    for (uint32_t i = 0; i < QUOTA_RING; i++) {
        assert_int_equal(entry.seconds[i], i == 500 % QUOTA_RING ? 7 : 0);
    }
}

TEST(a_ring_that_is_emptied_leaves_the_next_one_alone) {
    for (uint32_t before_s = QUOTA_RING - 1; before_s <= QUOTA_RING; before_s++) {
        struct quota_entry entry = {.epoch_s = 0};
        struct effect effect = {
            .kind = EFFECT_QUOTA_COMMITTED, .time_s = 5, .expires_s = 900, .amount = 7};
        effect_merge_quota(&entry, &effect, 1);
        effect.time_s = before_s;
        effect_merge_quota(&entry, &effect, 2);
        effect.time_s = 500;
        effect_merge_quota(&entry, &effect, 3);
        assert_int_equal(entry.minutes[0], before_s < 60 ? 14 : 7);
    }
}
