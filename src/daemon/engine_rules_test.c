/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/daemon_fixture.h"
#include "testing/test.h"

/* Rules of the engine: in force with the next request, over restarts and hand-overs. */

static struct config_rule restriction(const char *sender, const char *recipients) {
    return (struct config_rule){.row = {.kind = RULE_RESTRICTION,
                                        .subject = str_from(sender),
                                        .value = str_from(recipients),
                                        .text = STR("")},
                                .comment = STR("")};
}

static uint64_t put(struct engine *engine, struct config_rule rule) {
    struct config_rule_result result;
    struct engine_problem problem = {0};
    if (engine_put_rule(engine, &rule, "test", &result, &problem) != 0) {
        fail_msg("%s", problem.setting.text);
    }
    return result.id;
}

static void ask_about(struct engine *engine, struct str recipient, struct str instance,
                      struct turn_item *ret_item) {
    *ret_item = (struct turn_item){.request = {.state = PROTOCOL_STATE_RCPT,
                                               .client_address_text = STR("127.0.0.1"),
                                               .sasl_username = STR("bob@example.com"),
                                               .sender = STR("bob@example.com"),
                                               .instance = instance,
                                               .recipient = recipient}};
    assert_true(ip_address_parse(STR("127.0.0.1"), &ret_item->request.client_address));
    (void)engine_pin(engine, 0);
    engine_turn(engine, 0, ret_item, 1);
    engine_unpin(engine, 0);
}

static bool may_send(struct engine *engine, const char *recipient) {
    struct turn_item item;
    ask_about(engine, str_from(recipient), STR(""), &item);
    return item.reply_length == 5 && memcmp(item.reply, "DUNNO", 5) == 0;
}

TEST(a_rule_counts_with_the_next_request_and_goes_with_the_next) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    assert_true(may_send(engine, "a@elsewhere.example"));
    const uint64_t id = put(engine, restriction("Bob@Example.COM", "*@company.example"));
    assert_false(may_send(engine, "a@elsewhere.example"));
    assert_true(may_send(engine, "a@company.example"));
    assert_int_equal(put(engine, restriction("bob@example.com", "*@elsewhere.example")), id);
    assert_true(may_send(engine, "a@elsewhere.example"));
    assert_false(may_send(engine, "a@company.example"));
    uint64_t version;
    struct engine_problem problem = {0};
    assert_int_equal(engine_remove_rule(engine, RULE_RESTRICTION, id, "test", &version, &problem),
                     0);
    assert_true(may_send(engine, "a@company.example"));
    assert_int_equal(engine_remove_rule(engine, RULE_RESTRICTION, id, "test", &version, &problem),
                     -ENOENT);
    assert_string_equal(problem.setting.text, "There is no restriction of that id");
    engine_close(engine);
}

static enum turn_message message_with_hook(struct engine *engine, struct str hook,
                                           struct str instance, struct str recipient) {
    const struct config_setting_change change = {STR("quotas.end_of_data_hook"), hook};
    struct engine_problem problem = {0};
    struct turn_item item;
    uint64_t version;
    assert_int_equal(engine_change_settings(engine, &change, 1, "test", &version, &problem), 0);
    ask_about(engine, recipient, instance, &item);
    return item.message;
}

TEST(the_end_of_a_message_is_to_be_told_when_something_is_reserved_until_then) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    (void)put(engine, (struct config_rule){.row = {.kind = RULE_QUOTA,
                                                   .subject = STR("user *"),
                                                   .value = STR("10 recipients/day"),
                                                   .text = STR("")},
                                           .comment = STR("")});
    const struct str ann = STR("ann@elsewhere.example");
    const struct str eve = STR("eve@elsewhere.example");
    assert_int_equal(message_with_hook(engine, STR("on"), STR("1"), ann), TURN_MESSAGE_OPEN);
    assert_int_equal(message_with_hook(engine, STR("off"), STR("2"), ann), TURN_MESSAGE_SAME);
    assert_int_equal(message_with_hook(engine, STR("off"), STR("1"), eve), TURN_MESSAGE_OPEN);
    engine_close(engine);
}

TEST(rules_stay_over_a_restart_and_over_a_change_of_something_else) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    (void)put(engine, restriction("bob@example.com", ""));
    engine_close(engine);
    engine = fixture_engine(false);
    assert_false(may_send(engine, "a@elsewhere.example"));
    const struct config_setting_change change = {STR("greylisting.defer_time"), STR("7s")};
    struct engine_problem problem = {0};
    uint64_t version;
    assert_int_equal(engine_change_settings(engine, &change, 1, "test", &version, &problem), 0);
    assert_false(may_send(engine, "a@elsewhere.example"));
    assert_int_equal(engine_reload(engine, &problem), 0);
    assert_false(may_send(engine, "a@elsewhere.example"));
    engine_close(engine);
}

TEST(a_rule_that_is_wrong_changes_nothing_and_says_why) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    const uint64_t version = engine_pin(engine, 0)->version;
    engine_unpin(engine, 0);
    struct config_rule rule = restriction("no address at all", "");
    struct config_rule_result result;
    struct engine_problem problem = {0};
    assert_int_equal(engine_put_rule(engine, &rule, "test", &result, &problem), -EINVAL);
    assert_non_null(strstr(problem.setting.text, "no address at all"));
    assert_string_equal(problem.key, "subject");
    rule = restriction("bob@example.com", "everybody@");
    assert_int_equal(engine_put_rule(engine, &rule, "test", &result, &problem), -EINVAL);
    assert_string_equal(problem.key, "value");
    rule = restriction("bob@example.com", "");
    rule.row.text = STR("two\nlines");
    assert_int_equal(engine_put_rule(engine, &rule, "test", &result, &problem), -EINVAL);
    assert_string_equal(problem.key, "text");
    rule = restriction("bob@example.com", "");
    rule.row.id = 5;
    assert_int_equal(engine_put_rule(engine, &rule, "test", &result, &problem), -ENOENT);
    assert_true(may_send(engine, "a@elsewhere.example"));
    assert_int_equal(engine_pin(engine, 0)->version, version);
    engine_unpin(engine, 0);
    engine_close(engine);
}

TEST(a_new_engine_has_the_rules_that_were_written_while_it_started) {
    (void)fixture_config("");
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    struct engine *before = fixture_engine(false);
    engine_keep_journal(before, true);
    struct engine *after = fixture_engine(true);
    (void)put(before, restriction("bob@example.com", "*@company.example"));
    engine_prepare_yield(before);
    struct config_rule rule = restriction("bob@example.com", "");
    struct config_rule_result result;
    struct engine_problem refused = {0};
    assert_int_equal(engine_put_rule(before, &rule, "test", &result, &refused), -EAGAIN);
    int lock_fd;
    struct decision_clock clock;
    assert_int_equal(engine_yield(before, &lock_fd, &clock), 0);
    assert_int_equal(engine_catch_up(after, &problem), 0);
    assert_int_equal(engine_take_over(after, lock_fd, &clock, &problem), 0);
    assert_false(may_send(after, "a@elsewhere.example"));
    assert_true(may_send(after, "a@company.example"));
    engine_close(before);
    engine_close(after);
}

struct made {
    size_t count;
    uint32_t now_s;
};

static size_t make(void *context, const struct state *state, uint32_t now_s,
                   struct effect ret_effects[EFFECTS_MAX]) {
    struct made *made = context;
    made->now_s = now_s;
    assert_null(state_find(state, STATE_ONCE, (struct hash128){1, 2}));
    ret_effects[0] =
        (struct effect){.kind = EFFECT_ONCE, .key = {1, 2}, .expires_s = now_s + 60, .amount = 1};
    return made->count;
}

TEST(effects_made_of_the_state_are_applied_and_journaled_or_nothing_is) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    struct made made = {0};
    struct once_entry entry;
    int64_t now_ns;
    assert_int_equal(engine_command_made(engine, make, &made, STR("why")), 0);
    assert_false(engine_find_entry(engine, STATE_ONCE, (struct hash128){1, 2}, &entry, &now_ns));
    made.count = 1;
    const uint64_t sequence = engine_command_made(engine, make, &made, STR("why"));
    assert_true(sequence != 0);
    assert_true(engine_find_entry(engine, STATE_ONCE, (struct hash128){1, 2}, &entry, &now_ns));
    assert_int_equal(entry.sequence, sequence);
    assert_int_equal(entry.head.last_used_s, made.now_s);
    engine_close(engine);
    engine = fixture_engine(false);
    assert_true(engine_find_entry(engine, STATE_ONCE, (struct hash128){1, 2}, &entry, &now_ns));
    engine_close(engine);
}
