/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/effect_merge.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

static const struct hash128 some_key = {77, 88};

/* --- reputation --------------------------------------------------------------------------------
 */

static struct effect score_of(uint32_t revision, uint8_t score, unsigned flags) {
    return (struct effect){.kind = EFFECT_REPUTATION_CHANGED,
                           .flags = (uint8_t)flags,
                           .detail = score,
                           .key = some_key,
                           .time_s = 100 + revision,
                           .expires_s = 1000 + revision,
                           .epoch_s = revision,
                           .network = 0xc0000201};
}

static struct reputation_entry reputation_after(const struct effect *effects, size_t count) {
    struct reputation_entry entry = {.head.key = some_key};
    for (size_t i = 0; i < count; i++) {
        effect_merge_reputation(&entry, &effects[i], i + 1);
    }
    return entry;
}

TEST(of_scores_the_larger_revision_counts_then_the_lower_score) {
    const struct effect rising[] = {score_of(3, 40, 0), score_of(4, 60, 0), score_of(2, 10, 0)};
    assert_int_equal(reputation_after(rising, 3).score, 60);
    assert_int_equal(reputation_after(rising, 3).revision, 4);
    const struct effect same[] = {score_of(3, 40, 0), score_of(3, 60, 0), score_of(3, 30, 0)};
    assert_int_equal(reputation_after(same, 2).score, 40);
    assert_int_equal(reputation_after(same, 3).score, 30);
}

TEST(a_reset_is_told_and_ends_with_the_next_activity) {
    const struct effect effects[] = {score_of(1, 20, 0), score_of(2, 50, EFFECT_RESET),
                                     score_of(3, 51, EFFECT_OUTCOME_ACCEPTED)};
    assert_int_equal(reputation_after(effects, 1).forgotten, 0);
    assert_int_equal(reputation_after(effects, 2).forgotten, 1);
    assert_int_equal(reputation_after(effects, 2).score, 50);
    assert_int_equal(reputation_after(effects, 3).forgotten, 0);
    const struct effect tie[] = {score_of(2, 50, EFFECT_RESET), score_of(2, 50, 0),
                                 score_of(2, 50, EFFECT_RESET)};
    assert_int_equal(reputation_after(tie, 3).forgotten, 0);
}

TEST(outcomes_are_summed_whichever_score_counts) {
    const struct effect effects[] = {
        score_of(9, 20, EFFECT_OUTCOME_REJECTED | EFFECT_IS_V4),
        score_of(1, 50, EFFECT_OUTCOME_REJECTED | EFFECT_IS_V4),
        score_of(2, 50, EFFECT_OUTCOME_ACCEPTED | EFFECT_IS_V4),
        score_of(3, 50, EFFECT_OUTCOME_DEFERRED | EFFECT_IS_V4),
        score_of(4, 50, EFFECT_IS_V4),
    };
    struct reputation_entry entry = reputation_after(effects, 5);
    assert_int_equal(entry.score, 20);
    assert_int_equal(entry.accepted, 1);
    assert_int_equal(entry.rejected, 2);
    assert_int_equal(entry.deferred, 1);
    assert_int_equal(entry.network, 0xc0000201);
    assert_int_equal(entry.is_v4, 1);
    assert_int_equal(entry.head.last_used_s, 109);
    assert_int_equal(entry.head.expires_s, 1009);
    assert_int_equal(entry.sequence, 1);
    entry.accepted = UINT32_MAX;
    effect_merge_reputation(&entry, &effects[2], 6);
    assert_int_equal(entry.accepted, UINT32_MAX);
    const struct effect v6 = score_of(5, 50, 0);
    assert_int_equal(reputation_after(&v6, 1).is_v4, 0);
}

/* --- blocks ------------------------------------------------------------------------------------
 */

static struct effect block_of(uint32_t revision, uint32_t until_s, unsigned flags) {
    return (struct effect){.kind = EFFECT_BLACKLIST_CHANGED,
                           .flags = (uint8_t)(flags | EFFECT_IS_V4),
                           .detail = 0x21,
                           .key = some_key,
                           .time_s = 100 + revision,
                           .expires_s = until_s,
                           .epoch_s = revision,
                           .network = 0xc0000201};
}

static struct blacklist_entry block_after(const struct effect *effects, size_t count) {
    struct blacklist_entry entry = {.head.key = some_key};
    for (size_t i = 0; i < count; i++) {
        effect_merge_blacklist(&entry, &effects[i], i + 1);
    }
    return entry;
}

TEST(a_block_is_kept_longer_than_it_lasts) {
    const struct effect effect = block_of(1, 5000, 0);
    const struct blacklist_entry entry = block_after(&effect, 1);
    assert_int_equal(entry.until_s, 5000);
    assert_int_equal(entry.head.expires_s, 5000 + BLACKLIST_REMEMBER_S);
    assert_int_equal(entry.head.last_used_s, 101);
    assert_true(entry.head.key.high == some_key.high && entry.head.key.low == some_key.low);
    assert_int_equal(entry.since_s, 101);
    assert_int_equal(entry.trigger, 1);
    assert_int_equal(entry.offences, 2);
    assert_int_equal(entry.is_v4, 1);
    assert_int_equal(entry.network, 0xc0000201);
    assert_int_equal(entry.revision, 1);
    assert_int_equal(entry.sequence, 1);
}

TEST(the_same_block_applied_again_changes_nothing) {
    struct effect effect = block_of(1, 5000, 0);
    effect.flags = 0;
    struct blacklist_entry entry = block_after(&effect, 1);
    assert_int_equal(entry.is_v4, 0);
    const struct blacklist_entry before = entry;
    effect_merge_blacklist(&entry, &effect, 1);
    assert_memory_equal(&entry, &before, sizeof entry);
}

TEST(a_block_for_good_and_one_near_the_end_of_time_never_expire) {
    const struct effect for_good = block_of(1, 5000, EFFECT_PERMANENT);
    assert_int_equal(block_after(&for_good, 1).until_s, UINT32_MAX);
    assert_int_equal(block_after(&for_good, 1).head.expires_s, UINT32_MAX);
    const struct effect late = block_of(1, UINT32_MAX - 2, 0);
    assert_int_equal(block_after(&late, 1).until_s, UINT32_MAX - 2);
    assert_int_equal(block_after(&late, 1).head.expires_s, UINT32_MAX);
    const struct effect last = block_of(1, UINT32_MAX - BLACKLIST_REMEMBER_S, 0);
    assert_int_equal(block_after(&last, 1).head.expires_s, UINT32_MAX);
}

TEST(a_release_stays_released) {
    const struct effect effects[] = {block_of(2, 9000, EFFECT_RELEASED), block_of(1, 5000, 0)};
    const struct blacklist_entry entry = block_after(effects, 2);
    assert_int_equal(entry.until_s, 0);
    assert_int_equal(entry.head.expires_s, 9000);
    assert_int_equal(entry.revision, 2);
    const struct effect again[] = {effects[0], block_of(3, 7000, 0)};
    assert_int_equal(block_after(again, 2).until_s, 7000);
}

TEST(of_the_same_revision_the_later_end_counts) {
    const struct effect effects[] = {block_of(2, 5000, 0), block_of(2, 9000, 0),
                                     block_of(2, 9500, EFFECT_RELEASED), block_of(2, 6000, 0)};
    assert_int_equal(block_after(effects, 4).until_s, 9000);
    assert_int_equal(block_after(effects, 4).sequence, 2);
}

/* --- causes ------------------------------------------------------------------------------------
 */

static struct effect cause_at(uint32_t time_s, uint32_t epoch_s, uint32_t width_s) {
    return (struct effect){.kind = EFFECT_OFFENCE_COUNTED,
                           .key = some_key,
                           .time_s = time_s,
                           .expires_s = time_s + 3600,
                           .epoch_s = epoch_s,
                           .width_s = width_s};
}

static uint32_t sum_of(const struct offence_entry *entry) {
    uint32_t sum = 0;
    for (size_t i = 0; i < OFFENCE_RING; i++) {
        sum += entry->counts[i];
    }
    return sum;
}

static struct offence_entry causes_after(const struct effect *effects, size_t count) {
    struct offence_entry entry = {.head.key = some_key};
    for (size_t i = 0; i < count; i++) {
        effect_merge_offence(&entry, &effects[i], i + 1);
    }
    return entry;
}

TEST(causes_stand_in_their_bucket_for_sixty_buckets) {
    const struct effect effects[] = {cause_at(6000, 1, 10), cause_at(6009, 1, 10),
                                     cause_at(6010, 1, 10), cause_at(6590, 1, 10),
                                     cause_at(6599, 1, 10), cause_at(6600, 1, 10)};
    struct offence_entry entry = causes_after(effects, 5);
    assert_int_equal(entry.newest, 659);
    assert_int_equal(entry.counts[600 % 60], 2);
    assert_int_equal(entry.counts[601 % 60], 1);
    assert_int_equal(entry.counts[659 % 60], 2);
    entry = causes_after(effects, 6); /* bucket 660 takes the place of bucket 600 */
    assert_int_equal(entry.newest, 660);
    assert_int_equal(entry.counts[600 % 60], 1);
    assert_int_equal(sum_of(&entry), 4);
    assert_int_equal(entry.width_s, 10);
    assert_int_equal(entry.head.last_used_s, 6600);
    const struct effect late[] = {cause_at(6600, 1, 10), cause_at(6010, 1, 10),
                                  cause_at(6009, 1, 10)};
    entry = causes_after(late, 3); /* one bucket too old */
    assert_int_equal(sum_of(&entry), 2);
    const struct effect far[] = {cause_at(6000, 1, 10), cause_at(600000, 1, 10)};
    entry = causes_after(far, 2);
    assert_int_equal(sum_of(&entry), 1);
}

TEST(counts_saturate) {
    struct offence_entry entry = {.head.key = some_key, .epoch_s = 1, .width_s = 10, .newest = 600};
    entry.counts[0] = UINT16_MAX;
    const struct effect effect = cause_at(6000, 1, 10);
    effect_merge_offence(&entry, &effect, 1);
    assert_int_equal(entry.counts[0], UINT16_MAX);
}

TEST(a_clearing_clears_what_came_before_it) {
    const struct effect forget = {.kind = EFFECT_OFFENCE_FORGOTTEN,
                                  .key = some_key,
                                  .time_s = 6000,
                                  .expires_s = 9000,
                                  .epoch_s = 2};
    const struct effect effects[] = {cause_at(5999, 1, 10), forget, cause_at(5998, 1, 10),
                                     cause_at(6001, 6001, 10)};
    struct offence_entry entry = causes_after(effects, 3);
    assert_int_equal(sum_of(&entry), 0);
    assert_int_equal(entry.width_s, 0);
    assert_int_equal(entry.epoch_s, 6001);
    assert_int_equal(entry.head.expires_s, 9000);
    entry = causes_after(effects, 4);
    assert_int_equal(sum_of(&entry), 1);
    assert_int_equal(entry.width_s, 10);
}

TEST(of_one_epoch_the_larger_width_counts) {
    const struct effect effects[] = {cause_at(6000, 5, 10), cause_at(6000, 5, 20),
                                     cause_at(6000, 5, 10), cause_at(6000, 4, 90)};
    const struct offence_entry entry = causes_after(effects, 4);
    assert_int_equal(entry.width_s, 20);
    assert_int_equal(sum_of(&entry), 1);
    const struct effect newer[] = {effects[1], cause_at(6000, 6, 10)};
    assert_int_equal(causes_after(newer, 2).width_s, 10);
}

/* --- in any order ------------------------------------------------------------------------------
 */

static struct effect random_effect(struct dice *dice, enum state_table_id table) {
    static const uint32_t widths[] = {1, 1, 1, 2};
    const uint32_t time_s = 1 + dice_below(dice, 200);
    struct effect effect = {.flags = (uint8_t)(dice_below(dice, 128) * 2),
                            .detail = (uint8_t)dice_below(dice, 4),
                            .key = some_key,
                            .time_s = time_s,
                            .expires_s = time_s + 1 + dice_below(dice, 30),
                            .epoch_s = dice_below(dice, 6)};
    if (table == STATE_OFFENCE) {
        const bool forget = dice_below(dice, 12) == 0;
        effect.kind = forget ? EFFECT_OFFENCE_FORGOTTEN : EFFECT_OFFENCE_COUNTED;
        effect.width_s = forget ? 0 : widths[dice_below(dice, 4)];
        effect.epoch_s = 40 * dice_below(dice, 6);
    } else {
        effect.kind =
            table == STATE_REPUTATION ? EFFECT_REPUTATION_CHANGED : EFFECT_BLACKLIST_CHANGED;
        effect.network = 5; /* of one key, always the same */
        effect.flags = (uint8_t)(effect.flags | EFFECT_IS_V4);
    }
    return effect;
}

struct order {
    size_t count;
    struct effect effects[40];
    uint64_t sequences[40];
};

static void shuffle(struct dice *dice, struct order *order) {
    for (size_t i = order->count - 1; i > 0; i--) {
        const size_t j = dice_below(dice, (uint32_t)i + 1);
        const struct effect effect = order->effects[i];
        const uint64_t sequence = order->sequences[i];
        order->effects[i] = order->effects[j];
        order->sequences[i] = order->sequences[j];
        order->effects[j] = effect;
        order->sequences[j] = sequence;
    }
}

TEST(effects_commute) {
    static const enum state_table_id tables[] = {STATE_REPUTATION, STATE_BLACKLIST, STATE_OFFENCE};
    struct dice dice = {2026};
    struct world *world = world_new(10);
    for (int round = 0; round < 9000; round++) {
        const enum state_table_id table = tables[round % 3];
        struct state_table *in = &world->state.tables[table];
        struct order order = {.count = 2 + dice_below(&dice, 39)};
        unsigned char first[sizeof(struct offence_entry)];
        for (size_t i = 0; i < order.count; i++) {
            order.effects[i] = random_effect(&dice, table);
            order.sequences[i] = i + 1;
        }
        for (int turn = 0; turn < 5; turn++) {
            memset(in->groups, 0, in->group_count * in->group_bytes);
            for (size_t i = 0; i < order.count; i++) {
                effect_apply(&world->state, &order.effects[i], order.sequences[i]);
            }
            const void *entry = state_find(&world->state, table, some_key);
            if (turn == 0) {
                memcpy(first, entry, in->entry_bytes);
            }
            assert_memory_equal(first, entry, in->entry_bytes);
            shuffle(&dice, &order);
        }
    }
    world_free(world);
}
