/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision_record.h"

#include <stdio.h>
#include <string.h>

#include "policy/decision_record_fixture.h"
#include "policy/record_values.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* The effects of a record, as recovery applies them. */

struct filter_log {
    size_t asked;
    enum state_table_id wanted_table;
    uint64_t sequence;
};

static bool want_one_table(void *context, enum state_table_id table, size_t group,
                           uint64_t sequence) {
    struct filter_log *log = context;
    log->asked++;
    log->sequence = sequence;
    assert_true(group < 1000);
    return table == log->wanted_table;
}

static void assert_same_tables(const struct world *a, const struct world *b) {
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        const struct state_table *table = &a->state.tables[i];
        assert_memory_equal(table->groups, b->state.tables[i].groups,
                            table->group_count * table->group_bytes);
    }
}

TEST(recovery_gives_the_same_tables) {
    struct world *live = world_new(1000);
    struct world *recovered = world_new(1000);
    struct dice dice = {8};
    uint64_t unknown = 0;
    char recipient[32];
    for (int i = 0; i < 500; i++) {
        (void)snprintf(recipient, sizeof recipient, "r%d@example.net", (int)dice_below(&dice, 30));
        world_set_mail(live, "a@example.org", recipient);
        live->now_s += dice_below(&dice, 200);
        (void)world_send(live);
        const size_t length = encode(live);
        const size_t applied = record_apply_effects(&recovered->state, RECORD_DECISION, 1, body,
                                                    length, live->sequence, NULL, &unknown);
        assert_int_equal(applied, live->decision.effect_count);
    }
    assert_int_equal(unknown, 0);
    assert_same_tables(live, recovered);
    assert_true(live->state.tables[STATE_GREYLIST_CLIENT].used > 0);
    world_free(live);
    world_free(recovered);
}

static size_t two_effects(void) {
    const struct effect effects[2] = {
        {.kind = EFFECT_GREYLIST_SEEN, .key = {1, 2}, .time_s = 5, .expires_s = 6, .first_s = 5},
        {.kind = EFFECT_GREYLIST_CLIENT_SEEN, .key = {3, 4}, .time_s = 5, .expires_s = 6}};
    return effects_record_encode(effects, 2, STR("alice forgot it"), body);
}

TEST(a_commands_effects_are_kept_with_why) {
    struct effect effects[EFFECTS_MAX];
    size_t count = 0;
    struct str why;
    const size_t length = two_effects();
    assert_true(effects_record_decode(body, length, effects, &count, &why));
    assert_int_equal(count, 2);
    assert_int_equal(effects[0].kind, EFFECT_GREYLIST_SEEN);
    assert_int_equal(effects[1].key.low, 4);
    assert_same_str(why, STR("alice forgot it"));
    for (size_t i = 0; i < length; i++) {
        assert_false(effects_record_decode(body, i, effects, &count, &why));
    }
    body[length] = 0;
    assert_false(effects_record_decode(body, length + 1, effects, &count, &why));
    static char reason[EFFECTS_WHY_MAX + 1];
    memset(reason, 'r', sizeof reason);
    const size_t long_length =
        effects_record_encode(effects, 0, (struct str){reason, sizeof reason}, body);
    assert_true(effects_record_decode(body, long_length, effects, &count, &why));
    assert_int_equal(count, 0);
    assert_int_equal(why.length, EFFECTS_WHY_MAX);
    body[0] = EFFECTS_MAX + 1;
    assert_false(effects_record_decode(body, long_length, effects, &count, &why));
}

TEST(recovery_applies_what_a_snapshot_does_not_hold) {
    struct world *world = world_new(100);
    uint64_t unknown = 0;
    const size_t length = two_effects();
    struct filter_log log = {.wanted_table = STATE_GREYLIST_CLIENT};
    const struct record_filter filter = {.context = &log, .wanted = want_one_table};
    assert_int_equal(
        record_apply_effects(&world->state, RECORD_EFFECTS, 1, body, length, 42, &filter, &unknown),
        1);
    assert_int_equal(log.asked, 2);
    assert_int_equal(log.sequence, 42);
    assert_int_equal(world->state.tables[STATE_GREYLIST].used, 0);
    assert_int_equal(world->state.tables[STATE_GREYLIST_CLIENT].used, 1);
    world_free(world);
}

TEST(effects_of_a_newer_release_are_counted_and_left_out) {
    struct world *world = world_new(100);
    uint64_t unknown = 0;
    size_t count = 9;
    struct str why;
    struct effect effects[EFFECTS_MAX];
    const size_t length = two_effects();
    body[2] = EFFECT_KINDS;
    assert_int_equal(
        record_apply_effects(&world->state, RECORD_EFFECTS, 1, body, length, 42, NULL, &unknown),
        1);
    assert_int_equal(unknown, 1);
    assert_true(effects_record_decode(body, length, effects, &count, &why));
    assert_int_equal(count, 1);
    assert_int_equal(effects[0].kind, EFFECT_GREYLIST_CLIENT_SEEN);
    world_free(world);
}

TEST(records_without_effects_change_nothing) {
    struct world *world = world_new(100);
    uint64_t unknown = 0;
    const size_t length = two_effects();
    struct state *to = &world->state;
    assert_int_equal(record_apply_effects(to, RECORD_RUN, 1, body, length, 1, NULL, &unknown), 0);
    assert_int_equal(record_apply_effects(to, RECORD_GAP, 1, body, length, 1, NULL, &unknown), 0);
    for (unsigned version = 0; version <= DECISION_RECORD_VERSION + 1; version++) {
        const bool known = version >= 1 && version <= DECISION_RECORD_VERSION;
        assert_int_equal(
            record_apply_effects(to, RECORD_EFFECTS, version, body, length, 1, NULL, &unknown),
            known ? 2 : 0);
        memset(to->tables[STATE_GREYLIST].groups, 0, to->tables[STATE_GREYLIST].group_bytes);
        state_table_recount(&to->tables[STATE_GREYLIST]);
    }
    assert_int_equal(record_apply_effects(to, RECORD_EFFECTS, 1, body, 1, 1, NULL, &unknown), 0);
    assert_int_equal(record_apply_effects(to, RECORD_EFFECTS, 1, body, 41, 1, NULL, &unknown), 0);
    assert_int_equal(record_apply_effects(to, RECORD_DECISION, 1, body, 0, 1, NULL, &unknown), 0);
    assert_int_equal(to->tables[STATE_GREYLIST].used, 0);
    assert_int_equal(record_apply_effects(to, RECORD_EFFECTS, 1, body, 42, 1, NULL, &unknown), 1);
    assert_int_equal(unknown, 0);
    world_free(world);
}

TEST(as_many_effects_as_a_record_may_have) {
    struct effect effects[EFFECTS_MAX];
    for (size_t i = 0; i < EFFECTS_MAX; i++) {
        effects[i] = (struct effect){
            .kind = EFFECT_GREYLIST_SEEN, .key = {1, i}, .time_s = 5, .expires_s = 6};
    }
    const size_t length = effects_record_encode(effects, EFFECTS_MAX, STR(""), body);
    size_t count = 0;
    struct str why;
    assert_true(effects_record_decode(body, length, effects, &count, &why));
    assert_int_equal(count, EFFECTS_MAX);
    assert_int_equal(effects[EFFECTS_MAX - 1].key.low, EFFECTS_MAX - 1);
}
