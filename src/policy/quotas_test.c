/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/quotas.h"

#include <stdio.h>
#include <string.h>

#include "policy/decision_explain.h"
#include "policy/quota_parts.h"
#include "policy/world_fixture.h"
#include "policy/zone.h"
#include "testing/test.h"

/* 2023-11-14 22:13:20 UTC, a Tuesday; a minute begins 20 s before. */
enum { START_S = 1700000000, MINUTE_BEGIN_S = START_S - START_S % 60, DAY_S = 86400 };

/* Bob, who has logged in, writes from outside; Postfix tells the end of messages. */
static struct world *bobs_world(void) {
    struct world *world = world_new(1000);
    world_enable(world, POLICY_QUOTAS);
    world->settings.quotas.end_of_data_hook = END_OF_DATA_ON;
    world->request.sasl_username = STR("bob@example.com");
    world_set_client(world, "198.51.100.7", "host.example.org");
    world_set_mail(world, "bob@example.com", "x@example.net");
    world->now_s = MINUTE_BEGIN_S;
    return world;
}

static void add_limit(struct world *world, const char *subject, const char *value) {
    world_add_rule(world, RULE_QUOTA, subject, value);
}

static enum verdict offer(struct world *world, const char *instance, const char *recipient) {
    world->request.state = PROTOCOL_STATE_RCPT;
    world->request.instance = str_from(instance);
    world->request.recipient = str_from(recipient);
    world->request.recipient_count = 0;
    return world_send(world)->verdict;
}

/* Recipients a@example.net, b@example.net ...; returns how many were let in. */
static unsigned offer_many(struct world *world, const char *instance, unsigned count) {
    static const char names[][16] = {"a@example.net", "b@example.net", "c@example.net",
                                     "d@example.net", "e@example.net", "f@example.net",
                                     "g@example.net", "h@example.net"};
    unsigned accepted = 0;
    for (unsigned i = 0; i < count; i++) {
        accepted += offer(world, instance, names[i]) == VERDICT_NONE;
    }
    return accepted;
}

static void settle(struct world *world, enum protocol_state state, const char *instance,
                   uint32_t recipients, uint64_t size) {
    const uint64_t declared = world->request.size;
    world->request.state = state;
    world->request.instance = str_from(instance);
    world->request.recipient = recipients == 1 ? world->request.recipient : (struct str){NULL, 0};
    world->request.recipient_count = recipients;
    world->request.size = size;
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_string_equal(world_reply(world), "DUNNO");
    world->request.size = declared;
}

static void sent(struct world *world, const char *instance, uint32_t recipients) {
    settle(world, PROTOCOL_STATE_END_OF_MESSAGE, instance, recipients, 1000);
}

static void broken_off(struct world *world, const char *instance) {
    settle(world, PROTOCOL_STATE_ENDED, instance, 0, 0);
}

static struct quota_subject subject_of_request(const struct world *world) {
    return quota_subject_of_user(world->request.sasl_username, world->request.client_address);
}

/* The row of usage of a limit; fails when there is none. */
static struct quota_usage_row usage_of(const struct world *world, enum quota_scope scope,
                                       enum quota_unit unit, enum quota_window window) {
    static struct quota_usage usage;
    const struct quota_subject subject = subject_of_request(world);
    quota_usage_read(&world->state, world->rules, &world->settings.zone, &subject,
                     (uint32_t)world->now_s, &usage);
    for (size_t i = 0; i < usage.count; i++) {
        if (usage.rows[i].scope == scope && usage.rows[i].unit == unit &&
            usage.rows[i].window == window) {
            return usage.rows[i];
        }
    }
    fail_msg("no limit");
    return usage.rows[0];
}

static void assert_day(const struct world *world, uint64_t used, uint64_t reserved) {
    const struct quota_usage_row row = usage_of(world, QUOTA_USER, QUOTA_RECIPIENTS, QUOTA_DAY);
    assert_int_equal(row.used, used);
    assert_int_equal(row.reserved, reserved);
}

static const char *rule_of(const struct world *world) {
    static char rule[RULE_MAX + 1];
    (void)snprintf(rule, sizeof rule, "%.*s", (int)world->decision.rule_length,
                   world->decision.rule);
    return rule;
}

/* --- reserving and committing -------------------------------------------------------------------
 */

TEST(the_recipient_that_exceeds_a_days_limit_is_refused_and_no_other) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "5 recipients/day");
    assert_int_equal(offer_many(world, "1.a", 2), 2);
    assert_int_equal(offer_many(world, "1.b", 2), 2); /* another connection, at the same time */
    assert_day(world, 0, 4);
    sent(world, "1.a", 2);
    assert_day(world, 2, 2);
    sent(world, "1.b", 1); /* one of them was refused after us */
    assert_day(world, 3, 0);
    world->now_s += 3600;
    assert_int_equal(offer(world, "2.a", "a@example.net"), VERDICT_NONE);
    assert_int_equal(offer(world, "2.a", "b@example.net"), VERDICT_NONE);
    assert_int_equal(offer(world, "2.a", "c@example.net"), VERDICT_REJECT);
    assert_int_equal(world->decision.policy, POLICY_QUOTAS);
    assert_int_equal(world->decision.reason, REASON_QUOTA_EXCEEDED);
    assert_string_equal(rule_of(world), "quota:1 user bob@example.com 5 recipients/day");
    assert_int_equal(world->decision.retry_in_s, 0);
    sent(world, "2.a", 2);
    assert_day(world, 5, 0);
    assert_int_equal(offer_many(world, "2.b", 1), 0);
    assert_day(world, 5, 0); /* a refusal is not charged */
    world_free(world);
}

TEST(a_message_that_is_broken_off_costs_nothing) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "3 recipients/day");
    assert_int_equal(offer_many(world, "1", 4), 3);
    broken_off(world, "1");
    assert_day(world, 0, 0);
    broken_off(world, "1");
    /* It went on with another connection, and was sent after all. */
    sent(world, "1", 3);
    assert_day(world, 3, 0);
    sent(world, "1", 3);
    assert_day(world, 3, 0);
    broken_off(world, "unheard of");
    assert_int_equal(world->decision.effect_count, 0);
    world_free(world);
}

TEST(a_recipient_asked_again_after_the_connection_ended_is_reserved_again) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "3 recipients/day");
    assert_int_equal(offer(world, "1", "a@example.net"), VERDICT_NONE);
    broken_off(world, "1");
    assert_day(world, 0, 0);
    assert_int_equal(offer(world, "1", "a@example.net"), VERDICT_NONE);
    assert_day(world, 0, 1);
    assert_int_equal(offer_many(world, "2", 3), 2);
    broken_off(world, "2");
    broken_off(world, "1");
    assert_day(world, 0, 0);
    /* What others used meanwhile is not there for it any more. */
    assert_int_equal(offer_many(world, "3", 3), 3);
    assert_int_equal(offer(world, "1", "a@example.net"), VERDICT_REJECT);
    world_free(world);
}

TEST(messages_and_bytes_count_once_for_each_message) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "2 messages/day");
    add_limit(world, "user bob@example.com", "10000 bytes/day");
    world->request.size = 4000;
    assert_int_equal(offer_many(world, "1", 3), 3);
    struct quota_usage_row row = usage_of(world, QUOTA_USER, QUOTA_MESSAGES, QUOTA_DAY);
    assert_int_equal(row.reserved, 1);
    row = usage_of(world, QUOTA_USER, QUOTA_BYTES, QUOTA_DAY);
    assert_int_equal(row.reserved, 4000);
    settle(world, PROTOCOL_STATE_END_OF_MESSAGE, "1", 3, 6500); /* more than was announced */
    row = usage_of(world, QUOTA_USER, QUOTA_BYTES, QUOTA_DAY);
    assert_int_equal(row.used, 6500);
    assert_int_equal(row.reserved, 0);
    assert_int_equal(offer_many(world, "2", 1), 0);
    assert_string_equal(rule_of(world), "quota:2 user bob@example.com 10000 bytes/day");
    world->request.size = 3500;
    assert_int_equal(offer_many(world, "3", 1), 1);
    world->request.size = 0;
    assert_int_equal(offer_many(world, "4", 1), 0); /* without SIZE it has at least one byte */
    assert_string_equal(rule_of(world), "quota:1 user bob@example.com 2 messages/day");
    broken_off(world, "3");
    assert_int_equal(offer_many(world, "5", 1), 1);
    sent(world, "5", 1);
    row = usage_of(world, QUOTA_USER, QUOTA_MESSAGES, QUOTA_DAY);
    assert_int_equal(row.used, 2);
    world_free(world);
}

TEST(a_message_counts_at_most_four_tebibytes) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "1PiB bytes/day");
    world->request.size = UINT64_MAX;
    assert_int_equal(offer_many(world, "1", 1), 1);
    assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_BYTES, QUOTA_DAY).reserved, QUOTA_BYTES_MAX);
    settle(world, PROTOCOL_STATE_END_OF_MESSAGE, "1", 1, UINT64_MAX);
    assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_BYTES, QUOTA_DAY).used, QUOTA_BYTES_MAX);
    world_free(world);
}

TEST(without_a_size_a_message_counts_one_byte_and_a_limit_used_up_holds) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "1000 bytes/day");
    assert_int_equal(offer_many(world, "1", 1), 1);
    assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_BYTES, QUOTA_DAY).reserved, 1);
    settle(world, PROTOCOL_STATE_END_OF_MESSAGE, "1", 1, 1000);
    assert_int_equal(offer_many(world, "2", 1), 0);
    world_free(world);
}

static const struct effect *effect_of(const struct world *world, enum effect_kind kind) {
    for (size_t i = 0; i < world->decision.effect_count; i++) {
        if (world->decision.effects[i].kind == kind) {
            return &world->decision.effects[i];
        }
    }
    fail_msg("no such effect");
    return NULL;
}

TEST(effects_say_what_they_say_and_no_more) {
    const struct str domains[] = {STR("example.com")};
    const uint32_t now_s = MINUTE_BEGIN_S;
    struct world *world = bobs_world();
    world->settings.local_domains = domains;
    world->settings.local_domain_count = 1;
    world->settings.quotas.exempt_local = true;
    world->settings.zone = (struct zone){.change_count = 1, .changes = {{0, -9 * 3600 - 1800}}};
    add_limit(world, "user *", "500 bytes/day");
    add_limit(world, "global", "5 bytes/day");
    assert_int_equal(offer(world, "1", "eve@example.com"), VERDICT_NONE);
    const struct effect *effect = effect_of(world, EFFECT_MESSAGE_CHARGED);
    assert_int_equal(effect->flags, EFFECT_EXEMPT);
    assert_int_equal(effect->detail, 0);
    assert_int_equal(effect->epoch_s, 0);
    assert_int_equal(effect->amount, 0);
    assert_int_equal(effect->expires_s, now_s + 6 * 3600);
    assert_int_equal(effect_of(world, EFFECT_ONCE)->amount, QUOTA_EXEMPT);
    world->request.size = 4;
    assert_int_equal(offer(world, "1", "x@far.example"), VERDICT_NONE);
    effect = effect_of(world, EFFECT_MESSAGE_CHARGED);
    assert_int_equal(effect->flags, 0);
    assert_int_equal(effect->detail, 1 << QUOTA_BYTES);
    assert_int_equal(effect->epoch_s, 1 << (QUOTA_GLOBAL * 3 + QUOTA_BYTES - 8));
    assert_int_equal(effect->amount, 4);
    effect = effect_of(world, EFFECT_ONCE);
    assert_int_equal(effect->amount, QUOTA_CHARGED);
    assert_int_equal(effect->expires_s, now_s + 3600);
    sent(world, "1", 2);
    effect = effect_of(world, EFFECT_QUOTA_COMMITTED);
    assert_int_equal((int8_t)effect->detail, -38);
    assert_int_equal(effect->flags, 0);
    assert_int_equal(effect->epoch_s, 0);
    effect = effect_of(world, EFFECT_MESSAGE_ENDED);
    assert_int_equal(effect->expires_s, now_s + 3600);
    world_free(world);
}

TEST(at_the_end_of_time_nothing_wraps) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "5 recipients/hour");
    world->now_s = UINT32_MAX;
    assert_int_equal(offer_many(world, "1", 6), 5);
    assert_int_equal(effect_of(world, EFFECT_ONCE)->expires_s, UINT32_MAX);
    sent(world, "1", 5);
    assert_int_equal(effect_of(world, EFFECT_MESSAGE_ENDED)->expires_s, UINT32_MAX);
    assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_RECIPIENTS, QUOTA_HOUR).used, 5);
    world_free(world);
}

TEST(a_request_that_is_repeated_gets_the_same_answer_and_costs_nothing) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "2 recipients/minute");
    assert_int_equal(offer_many(world, "1", 2), 2);
    assert_int_equal(offer_many(world, "1", 2), 2);
    assert_int_equal(world->decision.effect_count, 0);
    assert_int_equal(offer(world, "1", "C@Example.net"), VERDICT_DEFER);
    world->now_s += 70; /* By now there would be room. */
    sent(world, "1", 2);
    world->now_s += 70;
    assert_int_equal(offer(world, "1", "c@example.net"), VERDICT_DEFER);
    assert_string_equal(rule_of(world), "quota:1 user bob@example.com 2 recipients/minute");
    assert_int_equal(world->decision.reason, REASON_QUOTA_EXCEEDED);
    assert_int_equal(world->decision.retry_in_s, 60);
    /* The same recipient of another message, and the same instance on another host. */
    assert_int_equal(offer(world, "2", "c@example.net"), VERDICT_NONE);
    broken_off(world, "2");
    world->request.policy_client = STR("203.0.113.5");
    assert_int_equal(offer(world, "1", "c@example.net"), VERDICT_NONE);
    world_free(world);
}

/* The last thing noted once, with bits set that no release sets. */
static void damage_outcome(struct world *world, int64_t bits) {
    for (size_t i = world->decision.effect_count; i-- > 0;) {
        struct effect effect = world->decision.effects[i];
        if (effect.kind == EFFECT_ONCE) {
            effect.amount |= bits;
            effect_apply(&world->state, &effect, ++world->sequence);
            return;
        }
    }
    fail_msg("nothing was noted");
}

TEST(a_refusal_that_no_release_has_written_says_nothing) {
    static const struct {
        const char *name;
        int64_t bits;
    } rows[] = {{"window", 7 << 8}, {"scope and unit", 15 << 11}, {"rule", INT64_C(1) << 50}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].name);
        struct world *world = bobs_world();
        add_limit(world, "user bob@example.com", "1 recipients/minute");
        assert_int_equal(offer_many(world, "1", 2), 1);
        damage_outcome(world, rows[i].bits);
        sent(world, "1", 1);
        world->now_s += 130; /* There is room again. */
        assert_int_equal(offer(world, "1", "b@example.net"), VERDICT_NONE);
        world_free(world);
    }
}

TEST(a_refusal_is_repeated_as_it_was_though_settings_have_changed) {
    static const struct {
        const char *subject;
        const char *value;
        enum quota_refusal refusal;
        enum verdict verdict;
        const char *rule;
    } rows[] = {
        {"user *", "1 recipients/minute", QUOTA_REFUSAL_AUTO, VERDICT_DEFER,
         "quota:1 user bob@example.com 1 recipients/minute (default)"},
        {"user bob@example.com", "4000 bytes/hour", QUOTA_REFUSAL_AUTO, VERDICT_DEFER,
         "quota:1 user bob@example.com 4000 bytes/hour"},
        {"domain example.com", "1 messages/day", QUOTA_REFUSAL_AUTO, VERDICT_REJECT,
         "quota:1 domain example.com 1 messages/day"},
        {"ip *", "1 recipients/week", QUOTA_REFUSAL_AUTO, VERDICT_REJECT,
         "quota:1 ip 198.51.100.7 1 recipients/week (default)"},
        {"global", "1 recipients/month", QUOTA_REFUSAL_AUTO, VERDICT_REJECT,
         "quota:1 global 1 recipients/month"},
        {"global", "1 messages/month", QUOTA_REFUSAL_DEFER, VERDICT_DEFER,
         "quota:1 global 1 messages/month"},
        {"domain example.com", "4000 bytes/minute", QUOTA_REFUSAL_REJECT, VERDICT_REJECT,
         "quota:1 domain example.com 4000 bytes/minute"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *world = bobs_world();
        test_case(rows[i].rule);
        add_limit(world, rows[i].subject, rows[i].value);
        world->settings.quotas.refusal = rows[i].refusal;
        world->request.size = 4000;
        assert_int_equal(offer(world, "1", "a@example.net"), VERDICT_NONE);
        for (unsigned again = 0; again < 3; again++) {
            assert_int_equal(offer(world, "2", "b@example.net"), rows[i].verdict);
            assert_string_equal(rule_of(world), rows[i].rule);
            assert_int_equal(world->decision.retry_in_s > 0, rows[i].verdict == VERDICT_DEFER);
            world->settings.quotas.refusal = (enum quota_refusal)again;
        }
        world->rule_rows[0].value = STR("9 recipients/day"); /* which is another now */
        world_set_rules(world);
        assert_int_equal(offer(world, "2", "b@example.net"), rows[i].verdict);
        assert_true(strlen(rule_of(world)) < strlen(rows[i].rule));
        world_free(world);
    }
}

TEST(a_rule_that_refuses_tells_its_limit_after_a_long_name) {
    char user[300];
    char expected[400];
    memset(user, 'a', 255);
    memcpy(user + 255, "@example.com", sizeof "@example.com");
    struct world *world = bobs_world();
    world->request.sasl_username = str_from(user);
    add_limit(world, "user *", "0 recipients/day");
    assert_int_equal(offer(world, "1", "a@example.net"), VERDICT_REJECT);
    (void)snprintf(expected, sizeof expected, "quota:1 user %.256s 0 recipients/day (default)",
                   user);
    assert_string_equal(rule_of(world), expected);
    world_free(world);
}

TEST(a_message_keeps_the_size_that_it_was_reserved_with) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "10000 bytes/day");
    world->request.size = 4000;
    assert_int_equal(offer_many(world, "1", 1), 1);
    world->request.size = 5000;
    world->now_s += 60;
    assert_int_equal(offer_many(world, "1", 2), 2);
    assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_BYTES, QUOTA_DAY).reserved, 4000);
    broken_off(world, "1");
    assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_BYTES, QUOTA_DAY).reserved, 0);
    world_free(world);
}

TEST(a_message_is_settled_once_and_one_that_is_unknown_too) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "50 recipients/day");
    sent(world, "1", 7); /* it began before us */
    sent(world, "1", 7);
    assert_int_equal(world->decision.effect_count, 0);
    assert_day(world, 7, 0);
    assert_int_equal(offer_many(world, "2", 2), 2);
    sent(world, "2", 3); /* postmaster: Postfix does not ask about it */
    sent(world, "2", 3);
    assert_day(world, 10, 0);
    sent(world, "3", 0);
    assert_day(world, 10, 0);
    world_free(world);
}

TEST(where_nobody_has_a_limit_nothing_is_kept) {
    struct world *world = bobs_world();
    add_limit(world, "user eve@example.com", "1 recipients/day");
    assert_int_equal(offer_many(world, "1", 3), 3);
    assert_int_equal(world->decision.effect_count, 0);
    sent(world, "1", 3); /* notes that the hook is there */
    sent(world, "2", 3);
    assert_int_equal(world->decision.effect_count, 0);
    broken_off(world, "3");
    assert_int_equal(world->decision.effect_count, 0);
    world_free(world);
}

/* --- time ---------------------------------------------------------------------------------------
 */

TEST(a_reservation_ends_after_fifteen_minutes) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "4 recipients/day");
    assert_int_equal(offer_many(world, "1", 4), 4);
    world->now_s += 15 * 60 + 59;
    assert_day(world, 0, 4);
    world->now_s += 1;
    assert_day(world, 0, 0);
    sent(world, "1", 4); /* its data took long: what was sent counts */
    assert_day(world, 4, 0);
    world_free(world);
}

TEST(recipients_of_a_long_list_stay_reserved_until_the_last_is_told) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "5 recipients/day");
    add_limit(world, "user bob@example.com", "2 messages/day");
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(offer_many(world, "1", i), i); /* one more each ten minutes */
        assert_day(world, 0, i);
        world->now_s += 600;
    }
    assert_day(world, 0, 5);
    assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_MESSAGES, QUOTA_DAY).reserved, 1);
    assert_int_equal(offer(world, "1", "f@example.net"), VERDICT_REJECT);
    assert_int_equal(offer(world, "2", "a@example.net"), VERDICT_REJECT);
    broken_off(world, "1");
    assert_day(world, 0, 0);
    world_free(world);
}

TEST(what_ended_by_time_is_reserved_anew_with_the_next_recipient) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "4 recipients/day");
    assert_int_equal(offer_many(world, "1", 2), 2);
    world->now_s += 16 * 60;
    assert_int_equal(offer_many(world, "2", 2), 2); /* takes the room that has become free */
    assert_int_equal(offer(world, "1", "c@example.net"), VERDICT_REJECT);
    assert_day(world, 0, 2);
    broken_off(world, "2");
    assert_int_equal(offer(world, "1", "d@example.net"), VERDICT_NONE);
    assert_day(world, 0, 3);
    sent(world, "1", 3);
    assert_day(world, 3, 0);
    world_free(world);
}

TEST(minutes_and_hours_slide) {
    static const struct {
        const char *value;
        enum quota_window window;
        unsigned last_s; /* that still counts */
    } rows[] = {{"5 recipients/minute", QUOTA_MINUTE, 59}, {"5 recipients/hour", QUOTA_HOUR, 3599}};
    for (size_t i = 0; i < 2; i++) {
        struct world *world = bobs_world();
        add_limit(world, "user bob@example.com", rows[i].value);
        assert_int_equal(offer_many(world, "1", 3), 3);
        sent(world, "1", 3);
        world->now_s += rows[i].last_s / 2 + 1;
        assert_int_equal(offer_many(world, "2", 3), 2);
        assert_int_equal(world->decision.verdict, VERDICT_DEFER);
        assert_int_equal(world->decision.retry_in_s, rows[i].last_s + 1);
        sent(world, "2", 2);
        world->now_s = MINUTE_BEGIN_S + rows[i].last_s;
        assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_RECIPIENTS, rows[i].window).used, 5);
        world->now_s += 1;
        assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_RECIPIENTS, rows[i].window).used, 2);
        world->now_s += rows[i].last_s;
        assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_RECIPIENTS, rows[i].window).used, 0);
        world_free(world);
    }
}

TEST(days_weeks_and_months_begin_at_local_midnight) {
    /* 22:13:20 UTC on Tuesday, 2023-11-14: Berlin is an hour ahead, Chatham almost fourteen. */
    static const struct {
        const char *value;
        int32_t offset_s;
        int64_t begins_s; /* the next window */
    } rows[] = {
        {"1 recipients/day", 0, 1700006400},     {"1 recipients/day", 3600, 1700002800},
        {"1 recipients/day", 49500, 1700043300}, {"1 recipients/day", -43200, 1700049600},
        {"1 recipients/week", 0, 1700438400},    {"1 recipients/week", 3600, 1700434800},
        {"1 recipients/month", 0, 1701388800},   {"1 recipients/month", -18000, 1701406800},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *world = bobs_world();
        test_case(rows[i].value);
        world->settings.zone = (struct zone){.change_count = 1, .changes = {{0, rows[i].offset_s}}};
        world->settings.quotas.refusal = QUOTA_REFUSAL_DEFER;
        add_limit(world, "user bob@example.com", rows[i].value);
        assert_int_equal(offer_many(world, "1", 1), 1);
        sent(world, "1", 1);
        world->now_s = rows[i].begins_s - 1;
        assert_int_equal(offer_many(world, "2", 1), 0);
        assert_int_equal(world->decision.retry_in_s, 1);
        world->now_s += 1;
        assert_int_equal(offer_many(world, "3", 1), 1);
        sent(world, "3", 1);
        assert_int_equal(offer_many(world, "4", 1), 0);
        world_free(world);
    }
}

TEST(of_several_limits_the_one_of_the_longest_window_is_named) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "2 recipients/minute");
    add_limit(world, "user bob@example.com", "3 recipients/day");
    add_limit(world, "global", "4 recipients/day");
    assert_int_equal(offer_many(world, "1", 3), 2);
    assert_string_equal(rule_of(world), "quota:1 user bob@example.com 2 recipients/minute");
    assert_int_equal(world->decision.verdict, VERDICT_DEFER);
    sent(world, "1", 2);
    world->now_s += 60;
    assert_int_equal(offer_many(world, "2", 3), 1);
    assert_string_equal(rule_of(world), "quota:2 user bob@example.com 3 recipients/day");
    assert_int_equal(world->decision.verdict, VERDICT_REJECT);
    world->request.sasl_username = STR("eve@example.com");
    assert_int_equal(offer_many(world, "3", 2), 1); /* three and one make four */
    assert_string_equal(rule_of(world), "quota:3 global 4 recipients/day");
    world_free(world);
}

/* --- whom it is charged to ----------------------------------------------------------------------
 */

TEST(the_most_specific_limit_of_a_user_takes_the_place_of_the_others) {
    struct world *world = bobs_world();
    add_limit(world, "user *", "1 recipients/day");
    assert_int_equal(offer_many(world, "1", 8), 1);
    assert_string_equal(rule_of(world), "quota:1 user bob@example.com 1 recipients/day (default)");
    add_limit(world, "user *@example.com", "2 recipients/day");
    assert_int_equal(offer_many(world, "2", 8), 1);
    assert_string_equal(rule_of(world), "quota:2 user bob@example.com 2 recipients/day (default)");
    assert_true(usage_of(world, QUOTA_USER, QUOTA_RECIPIENTS, QUOTA_DAY).is_default);
    add_limit(world, "user bob@example.com", "4 recipients/day");
    assert_int_equal(offer_many(world, "3", 8), 2);
    assert_string_equal(rule_of(world), "quota:3 user bob@example.com 4 recipients/day");
    assert_false(usage_of(world, QUOTA_USER, QUOTA_RECIPIENTS, QUOTA_DAY).is_default);
    world->request.sasl_username = STR("eve@example.com"); /* counted for herself */
    assert_int_equal(offer_many(world, "4", 8), 2);
    world->request.sasl_username = STR("root");
    assert_int_equal(offer_many(world, "5", 8), 1);
    world->request.sasl_username = STR("r");
    assert_int_equal(offer_many(world, "6", 8), 1);
    world_free(world);
}

TEST(a_domain_an_address_and_everybody_have_limits_besides) {
    struct world *world = bobs_world();
    add_limit(world, "domain example.com", "3 recipients/day");
    add_limit(world, "ip *", "5 recipients/day");
    add_limit(world, "global", "7 recipients/day");
    assert_int_equal(offer_many(world, "1", 2), 2);
    world->request.sasl_username = STR("eve@example.com");
    assert_int_equal(offer_many(world, "2", 4), 1);
    assert_string_equal(rule_of(world), "quota:1 domain example.com 3 recipients/day");
    world->request.sasl_username = STR("ann@example.org");
    assert_int_equal(offer_many(world, "3", 4), 2);
    assert_string_equal(rule_of(world), "quota:2 ip 198.51.100.7 5 recipients/day (default)");
    world_set_client(world, "2001:db8:1:2::1", "h.example.org");
    assert_int_equal(offer_many(world, "4", 4), 2);
    assert_string_equal(rule_of(world), "quota:3 global 7 recipients/day");
    world_free(world);
}

TEST(ipv6_addresses_count_by_their_network) {
    struct world *world = bobs_world();
    add_limit(world, "ip 2001:db8:1:2::1", "2 recipients/day");
    world_set_client(world, "2001:db8:1:2::99", "h.example.org");
    assert_int_equal(offer_many(world, "1", 1), 1);
    world_set_client(world, "2001:db8:1:2:ffff::1", "h.example.org");
    assert_int_equal(offer_many(world, "2", 4), 1);
    assert_string_equal(rule_of(world), "quota:1 ip 2001:db8:1:2::/64 2 recipients/day");
    world_set_client(world, "2001:db8:1:3::1", "h.example.org");
    assert_int_equal(offer_many(world, "3", 4), 4);
    world_free(world);
}

TEST(neither_senders_nor_extensions_are_a_way_round) {
    static const char *const users[] = {"bob@example.com", "BOB@Example.COM", "bob+a@example.com",
                                        "bob+b@example.com"};
    static const char *const senders[] = {"", "eve@example.com", "bob+x@example.com",
                                          "bob@elsewhere.example"};
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "4 recipients/day");
    for (size_t i = 0; i < 4; i++) {
        world->request.sasl_username = str_from(users[i]);
        world->request.sender = str_from(senders[i]);
        const char instance[] = {(char)('a' + i), '\0'};
        assert_int_equal(offer_many(world, instance, 1), 1);
        sent(world, instance, 1);
    }
    world->request.sasl_username = STR("bob+c@example.com");
    assert_int_equal(offer_many(world, "z", 1), 0);
    world->request.sasl_username = STR("bob@example.com");
    assert_day(world, 4, 0);
    world_free(world);
}

TEST(a_trusted_host_is_charged_by_its_senders_and_a_null_sender_by_nobody) {
    static const struct ip_prefix networks[] = {
        {.address = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 0}}, .bits = 120}};
    struct world *world = bobs_world();
    world->settings.trusted_networks = networks;
    world->settings.trusted_network_count = 1;
    add_limit(world, "user bob@example.com", "2 recipients/day");
    add_limit(world, "ip 198.51.100.7", "5 recipients/day");
    world->request.sasl_username = (struct str){NULL, 0};
    assert_int_equal(offer_many(world, "1", 4), 2);
    world->request.sender = (struct str){NULL, 0};
    assert_int_equal(offer_many(world, "2", 4), 3);
    assert_string_equal(rule_of(world), "quota:2 ip 198.51.100.7 5 recipients/day");
    world_free(world);
}

TEST(a_stranger_with_a_local_sender_moves_nothing_of_a_users) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "4 recipients/day");
    add_limit(world, "user *", "0 recipients/day");
    add_limit(world, "domain example.com", "0 recipients/day");
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
    world->request.sasl_username = (struct str){NULL, 0};
    assert_int_equal(offer_many(world, "1", 8), 8);
    sent(world, "1", 8);
    world->request.sasl_username = STR("bob@example.com");
    assert_day(world, 0, 0);
    world_free(world);
}

TEST(inbound_mail_counts_for_its_address_and_everybody) {
    struct world *world = bobs_world();
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
    world->request.sasl_username = (struct str){NULL, 0};
    add_limit(world, "ip *", "2 recipients/minute");
    add_limit(world, "global", "3 recipients/minute");
    assert_int_equal(offer_many(world, "1", 4), 2);
    assert_int_equal(world->decision.verdict, VERDICT_DEFER);
    world_set_client(world, "198.51.100.8", "host.example.org");
    assert_int_equal(offer_many(world, "2", 4), 1);
    world->request.client_address = (struct ip_address){{0}};
    broken_off(world, "1"); /* of nobody's address: it can tell the host's alone */
    assert_int_equal(offer_many(world, "3", 4), 2);
    world_free(world);
}

TEST(a_limit_of_zero_forbids) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "0 messages/month");
    assert_int_equal(offer_many(world, "1", 2), 0);
    assert_string_equal(rule_of(world), "quota:1 user bob@example.com 0 messages/month");
    assert_int_equal(world->decision.event_count, 0);
    world_free(world);
}

/* --- what is not charged ------------------------------------------------------------------------
 */

TEST(what_a_later_policy_refuses_is_not_charged) {
    struct world *world = bobs_world();
    world->request.sasl_username = (struct str){NULL, 0};
    add_limit(world, "global", "5 recipients/day");
    assert_int_equal(offer(world, "1", "a@example.net"), VERDICT_DEFER); /* greylisted */
    assert_int_equal(world->decision.policy, POLICY_GREYLISTING);
    assert_int_equal(usage_of(world, QUOTA_GLOBAL, QUOTA_RECIPIENTS, QUOTA_DAY).reserved, 0);
    assert_int_equal(world->decision.event_count, 0);
    world->now_s += 301;
    assert_int_equal(offer(world, "1", "a@example.net"), VERDICT_NONE); /* the same, let in now */
    assert_int_equal(usage_of(world, QUOTA_GLOBAL, QUOTA_RECIPIENTS, QUOTA_DAY).reserved, 1);
    world_free(world);
}

TEST(mail_between_local_domains_can_be_exempt) {
    const struct str domains[] = {STR("example.com"), STR("example.net"), STR("example.org")};
    struct world *world = bobs_world();
    world->settings.local_domains = domains;
    world->settings.local_domain_count = 3;
    add_limit(world, "user bob@example.com", "2 recipients/day");
    assert_int_equal(offer_many(world, "1", 3), 2); /* not unless it is set */
    broken_off(world, "1");
    world->settings.quotas.exempt_local = true;
    assert_int_equal(offer_many(world, "2", 8), 8);
    assert_int_equal(offer(world, "2", "eve@example.com"), VERDICT_NONE);
    assert_int_equal(offer(world, "2", "eve@EXAMPLE.org"), VERDICT_NONE);
    assert_int_equal(offer(world, "2", "postmaster"), VERDICT_NONE);
    assert_day(world, 0, 0);
    assert_int_equal(offer(world, "2", "x@far.example"), VERDICT_NONE);
    assert_int_equal(offer(world, "2", "y@far.example"), VERDICT_NONE);
    assert_int_equal(offer(world, "2", "z@far.example"), VERDICT_REJECT);
    assert_day(world, 0, 2);
    sent(world, "2", 13);
    assert_day(world, 2, 0);
    assert_int_equal(offer_many(world, "3", 8), 8);
    sent(world, "3", 9); /* one of them twice */
    assert_day(world, 2, 0);
    world_free(world);
}

TEST(strangers_recipients_are_not_exempt) {
    const struct str domains[] = {STR("example.net")};
    struct world *world = bobs_world();
    world->settings.local_domains = domains;
    world->settings.local_domain_count = 1;
    world->settings.quotas.exempt_local = true;
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
    add_limit(world, "global", "2 recipients/day");
    world->request.sasl_username = (struct str){NULL, 0};
    assert_int_equal(offer_many(world, "1", 3), 2);
    world_free(world);
}

TEST(of_mixed_recipients_what_cannot_be_told_counts_against_the_sender) {
    const struct str domains[] = {STR("example.com")};
    static const struct {
        const char *recipients[4]; /* as they come */
        uint32_t accepted;
        const char *last; /* with one accepted: which */
        uint64_t charged;
    } rows[] = {
        {{"a@example.com", "x@far.example"}, 2, NULL, 1},
        {{"a@example.com", "x@far.example"}, 1, "x@far.example", 1},
        {{"a@example.com", "x@far.example"}, 1, "a@example.com", 0},
        {{"a@example.com", "x@far.example"}, 1, "new@far.example", 1},
        {{"a@example.com", "b@example.com", "x@far.example"}, 2, NULL, 1},
        {{"a@example.com", "b@example.com", "x@far.example"}, 3, NULL, 1},
        {{"a@example.com", "b@example.com", "x@far.example"}, 4, NULL, 2},
        {{"a@example.com", "x@far.example", "y@far.example"}, 2, NULL, 2},
        {{"a@example.com", "x@far.example", "y@far.example"}, 3, NULL, 2},
        {{"a@example.com", "b@example.com"}, 1, "a@example.com", 0},
        {{"x@far.example", "y@far.example"}, 1, "x@far.example", 1},
        {{NULL}, 1, "a@example.com", 0}, /* unknown to us */
        {{NULL}, 1, "x@far.example", 1},
        {{NULL}, 1, "", 1}, /* not told */
        {{NULL}, 2, NULL, 2},
        {{"a@example.com", "x@far.example"}, 0, NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *world = bobs_world();
        world->settings.local_domains = domains;
        world->settings.local_domain_count = 1;
        world->settings.quotas.exempt_local = true;
        add_limit(world, "user bob@example.com", "9 recipients/day");
        add_limit(world, "user bob@example.com", "9 messages/day");
        for (size_t j = 0; j < 4 && rows[i].recipients[j] != NULL; j++) {
            assert_int_equal(offer(world, "1", rows[i].recipients[j]), VERDICT_NONE);
        }
        world->request.recipient = str_from(rows[i].last);
        sent(world, "1", rows[i].accepted);
        assert_day(world, rows[i].charged, 0);
        assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_MESSAGES, QUOTA_DAY).used,
                         rows[i].charged > 0);
        world_free(world);
    }
}

TEST(in_shadow_the_answer_is_the_only_difference) {
    struct world *world = bobs_world();
    world->settings.policies[POLICY_QUOTAS].mode = POLICY_MODE_SHADOW;
    add_limit(world, "user bob@example.com", "3 recipients/day");
    assert_int_equal(offer_many(world, "1", 5), 5);
    const struct decision_step *step = NULL;
    for (size_t i = 0; i < world->decision.step_count; i++) {
        if (world->decision.steps[i].policy == POLICY_QUOTAS) {
            step = &world->decision.steps[i];
        }
    }
    assert_non_null(step);
    assert_int_equal(step->verdict, VERDICT_REJECT);
    assert_int_equal(step->reason, REASON_QUOTA_EXCEEDED);
    assert_day(world, 0, 3);
    sent(world, "1", 5);
    assert_day(world, 3, 0);
    assert_int_equal(offer_many(world, "2", 2), 2);
    sent(world, "2", 2);
    assert_day(world, 3, 0);
    world_free(world);
}

TEST(who_is_on_the_allow_list_is_not_charged_at_the_end_either) {
    struct world *world = bobs_world();
    struct list_item item = world_item(world, LIST_ALLOW, PATTERN_EMAIL, "bob@example.com");
    item.direction = LIST_OUTBOUND;
    world_add_item(world, item);
    add_limit(world, "user bob@example.com", "2 recipients/day");
    assert_int_equal(offer(world, "1", "a@example.net"), VERDICT_ACCEPT);
    sent(world, "1", 5);
    assert_day(world, 0, 0);
    struct policy_common_settings *policies = world->settings.policies;
    policies[POLICY_ACL_ALLOW].mode = POLICY_MODE_SHADOW; /* then it has no say */
    sent(world, "2", 1);
    assert_day(world, 1, 0);
    policies[POLICY_ACL_ALLOW].mode = POLICY_MODE_ENFORCE;
    policies[POLICY_ACL_ALLOW].priority = policies[POLICY_QUOTAS].priority - 1;
    sent(world, "3", 1);
    assert_day(world, 2, 0);
    policies[POLICY_ACL_ALLOW].priority++;
    sent(world, "4", 1);
    assert_day(world, 2, 0);
    policies[POLICY_ACL_ALLOW].enabled = false;
    sent(world, "5", 1);
    assert_day(world, 3, 0);
    world_free(world);
}

/* --- where the end of a message is not told -----------------------------------------------------
 */

TEST(without_the_hook_at_the_end_a_recipient_counts_when_it_is_accepted) {
    struct world *world = bobs_world();
    world->settings.quotas.end_of_data_hook = END_OF_DATA_OFF;
    add_limit(world, "user bob@example.com", "3 recipients/day");
    add_limit(world, "user bob@example.com", "2 messages/day");
    add_limit(world, "user bob@example.com", "9000 bytes/day");
    world->request.size = 4000;
    assert_int_equal(offer_many(world, "1", 2), 2);
    assert_day(world, 2, 0);
    assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_MESSAGES, QUOTA_DAY).used, 1);
    assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_BYTES, QUOTA_DAY).used, 4000);
    assert_int_equal(offer_many(world, "1", 2), 2); /* repeated */
    broken_off(world, "1");
    assert_day(world, 2, 0);
    assert_int_equal(offer_many(world, "2", 2), 1);
    assert_day(world, 3, 0);
    assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_MESSAGES, QUOTA_DAY).used, 2);
    world_free(world);
}

TEST(the_hook_at_the_end_is_known_from_its_first_request_on) {
    struct world *world = bobs_world();
    world->settings.quotas.end_of_data_hook = END_OF_DATA_AUTO;
    add_limit(world, "user bob@example.com", "9 recipients/day");
    assert_int_equal(offer_many(world, "1", 2), 2);
    assert_day(world, 2, 0); /* nobody knows yet */
    sent(world, "1", 2);
    assert_day(world, 2, 0); /* not twice */
    assert_int_equal(offer_many(world, "2", 2), 2);
    assert_day(world, 2, 2);
    sent(world, "2", 2);
    assert_day(world, 4, 0);
    world->request.server_port = 587; /* another service */
    assert_int_equal(offer_many(world, "3", 1), 1);
    assert_day(world, 5, 0);
    world_free(world);
}

TEST(a_message_goes_on_as_it_began) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "9 recipients/day");
    assert_int_equal(offer_many(world, "1", 1), 1);
    world->settings.quotas.end_of_data_hook = END_OF_DATA_OFF;
    assert_int_equal(offer_many(world, "1", 2), 2);
    assert_day(world, 0, 2);
    assert_int_equal(offer_many(world, "2", 1), 1);
    assert_day(world, 1, 2);
    world->settings.quotas.end_of_data_hook = END_OF_DATA_ON;
    assert_int_equal(offer_many(world, "2", 2), 2);
    assert_day(world, 2, 2);
    sent(world, "2", 2);
    sent(world, "1", 2);
    assert_day(world, 4, 0);
    world_free(world);
}

TEST(exempt_recipients_begin_a_message_without_the_hook_too) {
    const struct str domains[] = {STR("example.com")};
    struct world *world = bobs_world();
    world->settings.local_domains = domains;
    world->settings.local_domain_count = 1;
    world->settings.quotas.exempt_local = true;
    world->settings.quotas.end_of_data_hook = END_OF_DATA_OFF;
    add_limit(world, "user bob@example.com", "9 recipients/day");
    assert_int_equal(offer(world, "1", "eve@example.com"), VERDICT_NONE);
    assert_int_equal(offer(world, "1", "x@far.example"), VERDICT_NONE);
    assert_day(world, 1, 0);
    sent(world, "1", 2);
    assert_day(world, 1, 0);
    world_free(world);
}

TEST(a_request_without_an_instance_counts_at_once) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "3 recipients/day");
    assert_int_equal(offer_many(world, "", 2), 2);
    assert_day(world, 2, 0);
    assert_int_equal(offer(world, "", "a@example.net"), VERDICT_NONE); /* no way to know it again */
    assert_day(world, 3, 0);
    assert_int_equal(offer(world, "", "a@example.net"), VERDICT_REJECT);
    size_t onces = 0;
    for (size_t i = 0; i < world->decision.read_count; i++) {
        const struct read *read = &world->decision.reads[i];
        onces += read->kind != READ_RULE && read->source == STATE_ONCE;
    }
    assert_int_equal(onces, 1); /* of the alert alone: what was said is not looked for */
    sent(world, "", 4);
    broken_off(world, "");
    assert_day(world, 3, 0);
    world_free(world);
}

/* --- limits that change -------------------------------------------------------------------------
 */

static void set_value(struct world *world, size_t rule, const char *value) {
    world->rule_rows[rule].value = str_from(value);
    world_set_rules(world);
}

TEST(a_limit_that_comes_in_the_middle_of_a_message_counts_all_of_it) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "9 recipients/day");
    assert_int_equal(offer_many(world, "1", 2), 2);
    add_limit(world, "domain example.com", "9 recipients/day");
    assert_int_equal(offer_many(world, "1", 3), 3);
    assert_int_equal(usage_of(world, QUOTA_DOMAIN, QUOTA_RECIPIENTS, QUOTA_DAY).reserved, 3);
    add_limit(world, "global", "9 messages/day");
    sent(world, "1", 3);
    assert_int_equal(usage_of(world, QUOTA_DOMAIN, QUOTA_RECIPIENTS, QUOTA_DAY).used, 3);
    assert_int_equal(usage_of(world, QUOTA_DOMAIN, QUOTA_RECIPIENTS, QUOTA_DAY).reserved, 0);
    assert_int_equal(usage_of(world, QUOTA_GLOBAL, QUOTA_MESSAGES, QUOTA_DAY).used, 1);
    assert_day(world, 3, 0);
    world_free(world);
}

TEST(a_limit_that_goes_in_the_middle_of_a_message_leaves_no_reservation) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "9 recipients/day");
    add_limit(world, "domain example.com", "9 recipients/day");
    assert_int_equal(offer_many(world, "1", 2), 2);
    world->rule_count = 1;
    world_set_rules(world);
    world->now_s += 60;
    assert_int_equal(offer_many(world, "1", 3), 3); /* what has no limit moves along */
    world->rule_count = 0;
    world_set_rules(world);
    assert_int_equal(offer(world, "1", "z@example.net"), VERDICT_NONE);
    broken_off(world, "1");
    world->rule_count = 2;
    world_set_rules(world);
    assert_int_equal(usage_of(world, QUOTA_DOMAIN, QUOTA_RECIPIENTS, QUOTA_DAY).reserved, 0);
    assert_day(world, 0, 0);
    world_free(world);
}

TEST(a_limit_below_what_is_used_refuses_the_next_and_leaves_the_rest) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "9 recipients/day");
    add_limit(world, "user bob@example.com", "9 messages/day");
    assert_int_equal(offer_many(world, "1", 4), 4);
    set_value(world, 0, "2 recipients/day");
    assert_int_equal(offer(world, "1", "z@example.net"), VERDICT_REJECT);
    set_value(world, 0, "9 recipients/day");
    set_value(world, 1, "0 messages/day");
    assert_int_equal(offer(world, "1", "y@example.net"), VERDICT_NONE); /* it is under way */
    assert_int_equal(offer(world, "2", "y@example.net"), VERDICT_REJECT);
    sent(world, "1", 5);
    assert_day(world, 5, 0);
    world_free(world);
}

/* --- alerts -------------------------------------------------------------------------------------
 */

/* The events of the last decision: "80% 4/5 user recipients day; ..." */
static const char *events_of(const struct world *world) {
    static char shown[512];
    struct text out = TEXT_OVER(shown);
    for (size_t i = 0; i < world->decision.event_count; i++) {
        const struct decision_event *event = &world->decision.events[i];
        text_add(&out, i > 0 ? STR("; ") : STR(""));
        text_add(&out, event->reason == REASON_QUOTA_LIMIT_REACHED ? STR("100% ") : STR("80% "));
        text_add_u64(&out, event->used);
        text_add_byte(&out, '/');
        text_add_u64(&out, event->limit);
        text_add_byte(&out, ' ');
        text_add(&out, str_from(quota_scope_name((enum quota_scope)event->scope)));
        text_add_byte(&out, ' ');
        text_add(&out, str_from(quota_unit_name((enum quota_unit)event->unit)));
        text_add_byte(&out, '/');
        text_add(&out, str_from(quota_window_name((enum quota_window)event->window)));
        text_add(&out, STR(" quota:"));
        text_add_u64(&out, event->rule_id);
    }
    return text_zero(&out);
}

TEST(alerts_come_once_at_eighty_and_at_a_hundred_percent_of_each_window) {
    static const char *const expected[] = {
        "", "", "", "80% 4/5 user recipients/day quota:1", "100% 5/5 user recipients/day quota:1",
        ""};
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "5 recipients/day");
    for (unsigned day = 0; day < 2; day++) {
        for (unsigned i = 0; i < 6; i++) {
            const char instance[] = {(char)('a' + i), (char)('0' + day), '\0'};
            assert_int_equal(offer_many(world, instance, 1), i < 5);
            assert_string_equal(events_of(world), expected[i]);
            if (i < 5) {
                sent(world, instance, 1);
                assert_string_equal(events_of(world), "");
            }
        }
        world->now_s += DAY_S;
    }
    world_free(world);
}

TEST(usage_that_comes_and_goes_alerts_once_and_all_at_once_is_one_alert) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "1000 bytes/day");
    world->request.size = 900;
    assert_int_equal(offer_many(world, "1", 1), 1);
    assert_string_equal(events_of(world), "80% 900/1000 user bytes/day quota:1");
    broken_off(world, "1");
    assert_int_equal(offer_many(world, "2", 1), 1);
    assert_string_equal(events_of(world), "");
    broken_off(world, "2");
    world->request.size = 1000;
    assert_int_equal(offer_many(world, "3", 1), 1);
    assert_string_equal(events_of(world), "100% 1000/1000 user bytes/day quota:1");
    broken_off(world, "3");
    world->request.size = 800;
    assert_int_equal(offer_many(world, "4", 1), 1);
    assert_string_equal(events_of(world), ""); /* the higher was told */
    world->request.sasl_username = STR("eve@example.com");
    add_limit(world, "user *", "1000 bytes/day");
    world->request.size = 799;
    assert_int_equal(offer_many(world, "5", 1), 1);
    assert_string_equal(events_of(world), "");
    settle(world, PROTOCOL_STATE_END_OF_MESSAGE, "5", 1, 1200); /* the real size tells */
    assert_string_equal(events_of(world), "100% 1200/1000 user bytes/day quota:2");
    world_free(world);
}

TEST(a_limit_that_was_changed_or_reset_alerts_anew) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "5 recipients/day");
    assert_int_equal(offer_many(world, "1", 4), 4);
    assert_string_equal(events_of(world), "80% 4/5 user recipients/day quota:1");
    sent(world, "1", 4);
    set_value(world, 0, "4 recipients/day");
    assert_int_equal(offer_many(world, "2", 1), 0);
    assert_string_equal(events_of(world), "100% 4/4 user recipients/day quota:1");
    assert_int_equal(offer_many(world, "3", 1), 0);
    assert_string_equal(events_of(world), "");
    struct effect effects[QUOTA_UNITS];
    const struct quota_subject subject = subject_of_request(world);
    assert_int_equal(
        quota_forget_effects(&world->state, QUOTA_USER, &subject, (uint32_t)world->now_s, effects),
        1);
    effect_apply(&world->state, &effects[0], ++world->sequence);
    assert_day(world, 0, 0);
    assert_int_equal(offer_many(world, "4", 3), 3);
    assert_string_equal(events_of(world), "");
    assert_int_equal(offer_many(world, "4", 4), 4);
    assert_string_equal(events_of(world), "100% 4/4 user recipients/day quota:1");
    world_free(world);
}

TEST(each_limit_and_each_subject_alerts_for_itself) {
    struct world *world = bobs_world();
    add_limit(world, "user *", "5 recipients/day");
    add_limit(world, "user *", "5 recipients/week");
    assert_int_equal(offer_many(world, "1", 4), 4);
    assert_string_equal(events_of(world), "80% 4/5 user recipients/week quota:2; "
                                          "80% 4/5 user recipients/day quota:1");
    world->request.sasl_username = STR("eve@example.com");
    assert_int_equal(offer_many(world, "2", 4), 4);
    assert_int_equal(world->decision.event_count, 2);
    world->request.sasl_username = STR("bob@example.com");
    set_value(world, 0, "10 recipients/day");
    set_value(world, 1, "9 recipients/week");
    assert_int_equal(offer_many(world, "1", 8), 8);
    assert_string_equal(events_of(world), "80% 8/9 user recipients/week quota:2; "
                                          "80% 8/10 user recipients/day quota:1");
    sent(world, "1", 7); /* less than was reserved */
    assert_string_equal(events_of(world), "");
    assert_int_equal(offer(world, "3", "a@example.net"), VERDICT_NONE);
    assert_string_equal(events_of(world), "");
    world_free(world);
}

TEST(two_resets_in_a_second_are_two) {
    struct world *world = bobs_world();
    struct effect effects[QUOTA_UNITS];
    add_limit(world, "user bob@example.com", "5 recipients/day");
    const struct quota_subject subject = subject_of_request(world);
    for (unsigned i = 0; i < 3; i++) {
        const char instance[] = {(char)('a' + i), '\0'};
        assert_int_equal(offer_many(world, instance, 2), 2);
        sent(world, instance, 2);
        assert_day(world, 2, 0);
        assert_int_equal(quota_forget_effects(&world->state, QUOTA_USER, &subject,
                                              (uint32_t)world->now_s, effects),
                         1);
        effect_apply(&world->state, &effects[0], ++world->sequence);
        assert_day(world, 0, 0);
    }
    world_free(world);
}

TEST(sliding_windows_alert_again_when_a_window_has_gone_by) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "1 recipients/minute");
    assert_int_equal(offer_many(world, "1", 1), 1);
    assert_string_equal(events_of(world), "100% 1/1 user recipients/minute quota:1");
    sent(world, "1", 1);
    world->now_s += 59;
    assert_int_equal(offer_many(world, "2", 1), 0);
    assert_string_equal(events_of(world), "");
    world->now_s += 1;
    assert_int_equal(offer_many(world, "3", 1), 1);
    assert_string_equal(events_of(world), "100% 1/1 user recipients/minute quota:1");
    world_free(world);
}

TEST(what_is_not_reserved_in_the_end_is_not_alerted) {
    struct world *world = bobs_world();
    world->request.sasl_username = (struct str){NULL, 0};
    add_limit(world, "global", "1 recipients/day");
    assert_int_equal(offer(world, "1", "a@example.net"), VERDICT_DEFER); /* greylisted */
    assert_string_equal(events_of(world), "");
    world->now_s += 300;
    assert_int_equal(offer(world, "2", "a@example.net"), VERDICT_NONE);
    assert_string_equal(events_of(world), "100% 1/1 global recipients/day quota:1");
    world_free(world);
}

/* --- the most that can be ----------------------------------------------------------------------
 */

TEST(all_limits_together_stay_within_what_a_decision_holds) {
    static const char *const subjects[] = {"user bob@example.com", "domain example.com",
                                           "ip 198.51.100.7", "global"};
    static const char *const values[] = {"8 recipients/day", "1 messages/week",
                                         "100 bytes/minute", "9 recipients/hour",
                                         "2 messages/month", "125 bytes/day"};
    struct world *world = bobs_world();
    for (unsigned i = 0; i < POLICY_LIMIT; i++) {
        world->settings.policies[i].enabled = true;
    }
    for (size_t i = 0; i < 24; i++) {
        add_limit(world, subjects[i % 4], values[i / 4]);
    }
    world->settings.quotas.end_of_data_hook = END_OF_DATA_AUTO;
    sent(world, "0", 0);
    world->request.size = 100;
    for (unsigned i = 1; i <= 8; i++) {
        world->now_s += 60;
        assert_int_equal(offer_many(world, "1", i), i);
        /* All twelve pairs go from one minute to the next. */
        assert_true(i < 2 || world->decision.effect_count >= 26);
    }
    assert_int_equal(world->decision.event_count, EVENTS_MAX);
    assert_int_equal(offer(world, "1", "z@example.net"), VERDICT_REJECT);
    sent(world, "1", 8);
    assert_true(world->decision.effect_count >= 25);
    assert_day(world, 8, 0);
    world_free(world);
}

/* --- for people ---------------------------------------------------------------------------------
 */

TEST(usage_tells_each_limit_and_when_its_window_ends) {
    struct world *world = bobs_world();
    add_limit(world, "user *", "5 recipients/minute");
    add_limit(world, "user bob@example.com", "50 recipients/day");
    add_limit(world, "domain example.com", "1GiB bytes/month");
    add_limit(world, "domain example.org", "1GiB bytes/month");
    add_limit(world, "global", "10 messages/hour");
    world->request.size = 1024;
    assert_int_equal(offer_many(world, "1", 2), 2);
    sent(world, "1", 2);
    assert_int_equal(offer_many(world, "2", 1), 1);
    char room[MAIL_ADDRESS_MAX];
    struct text names = TEXT_OVER(room);
    const struct quota_subject subject =
        quota_subject_of(STR("Bob+tag@Example.com"), (struct ip_address){{0}}, &names);
    assert_true(str_equal(subject.user, STR("bob@example.com")));
    assert_true(str_equal(subject.domain, STR("example.com")));
    assert_false(quota_subject_has(&subject, QUOTA_IP));
    struct quota_usage usage;
    const uint32_t now_s = (uint32_t)world->now_s;
    quota_usage_read(&world->state, world->rules, &world->settings.zone, &subject, now_s, &usage);
    const struct quota_usage_row expected[] = {
        {QUOTA_USER, QUOTA_RECIPIENTS, QUOTA_MINUTE, 1, true, 5, 2, 1, now_s + 60},
        {QUOTA_USER, QUOTA_RECIPIENTS, QUOTA_DAY, 2, false, 50, 2, 1, 1700006400},
        {QUOTA_DOMAIN, QUOTA_BYTES, QUOTA_MONTH, 3, false, 1 << 30, 1000, 1024, 1701388800},
        {QUOTA_GLOBAL, QUOTA_MESSAGES, QUOTA_HOUR, 5, false, 10, 1, 1, now_s + 3600},
    };
    assert_int_equal(usage.count, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct quota_usage_row *row = &usage.rows[i];
        assert_int_equal(row->scope, expected[i].scope);
        assert_int_equal(row->unit, expected[i].unit);
        assert_int_equal(row->window, expected[i].window);
        assert_int_equal(row->rule_id, expected[i].rule_id);
        assert_int_equal(row->is_default, expected[i].is_default);
        assert_int_equal(row->limit, expected[i].limit);
        assert_int_equal(row->used, expected[i].used);
        assert_int_equal(row->reserved, expected[i].reserved);
        assert_int_equal(row->resets_s, expected[i].resets_s);
    }
    quota_usage_read(&world->state, NULL, &world->settings.zone, &subject, now_s, &usage);
    assert_int_equal(usage.count, 0);
    world_free(world);
}

TEST(a_reset_forgets_what_was_sent_and_keeps_what_is_under_way) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "5 recipients/day");
    add_limit(world, "user bob@example.com", "5 messages/day");
    add_limit(world, "global", "9 recipients/day");
    assert_int_equal(offer_many(world, "1", 3), 3);
    sent(world, "1", 3);
    assert_int_equal(offer_many(world, "2", 2), 2);
    struct effect effects[QUOTA_UNITS];
    struct quota_subject subject = subject_of_request(world);
    const size_t count =
        quota_forget_effects(&world->state, QUOTA_USER, &subject, (uint32_t)world->now_s, effects);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(effects[i].expires_s, world->now_s + 40 * DAY_S);
        effect_apply(&world->state, &effects[i], ++world->sequence);
    }
    assert_day(world, 0, 2);
    assert_int_equal(usage_of(world, QUOTA_GLOBAL, QUOTA_RECIPIENTS, QUOTA_DAY).used, 3);
    sent(world, "2", 2);
    assert_day(world, 2, 0); /* counted after the reset */
    subject.user = STR("nobody@example.com");
    assert_int_equal(quota_forget_effects(&world->state, QUOTA_USER, &subject, 5, effects), 0);
    subject.user = STR("");
    assert_int_equal(quota_forget_effects(&world->state, QUOTA_USER, &subject, 5, effects), 0);
    world_free(world);
}

static const char *nth_text(const struct world *world, const char *name, unsigned nth) {
    static char shown[512];
    struct text out = TEXT_OVER(shown);
    for (size_t i = 0; i < world->decision.read_count; i++) {
        const struct read *read = &world->decision.reads[i];
        if (read->kind != READ_ENTRY_ABSENT && strcmp(decision_read_name(read), name) == 0 &&
            nth-- == 0) {
            decision_explain_read(&world->decision, read, (uint32_t)world->now_s, &out);
            return text_zero(&out);
        }
    }
    return "not read";
}

static const char *read_text(const struct world *world, const char *name) {
    return nth_text(world, name, 0);
}

static const char *effect_text(const struct world *world, enum effect_kind kind, unsigned nth) {
    static char shown[512];
    struct text out = TEXT_OVER(shown);
    for (size_t i = 0; i < world->decision.effect_count; i++) {
        if (world->decision.effects[i].kind == kind && nth-- == 0) {
            decision_explain_effect(&world->decision.effects[i], (uint32_t)world->now_s, &out);
            return text_zero(&out);
        }
    }
    return "none";
}

TEST(explain_tells_limits_usage_and_what_is_done) {
    struct world *world = bobs_world();
    add_limit(world, "user *", "2KiB bytes/minute");
    add_limit(world, "user bob@example.com", "1500 bytes/day");
    add_limit(world, "global", "9 messages/hour");
    world->request.size = 600;
    assert_int_equal(offer_many(world, "1", 1), 1);
    assert_string_equal(read_text(world, "quota"),
                        "user: 2KiB bytes/minute (default quota:1), 1500 bytes/day (quota:2)");
    assert_string_equal(nth_text(world, "quota", 1), "global: 9 messages/hour (quota:3)");
    assert_string_equal(read_text(world, "usage"), "not read");
    assert_string_equal(effect_text(world, EFFECT_QUOTA_RESERVED, 0),
                        "600 reserved, expires in 16 min");
    assert_string_equal(effect_text(world, EFFECT_MESSAGE_CHARGED, 0),
                        "one recipient more, charged, expires in 6 h");
    world->now_s += 60;
    settle(world, PROTOCOL_STATE_END_OF_MESSAGE, "1", 1, 700);
    assert_string_equal(read_text(world, "usage"),
                        "0 in the minute, 0 in the hour, 0 in the day, 0 in the week, 0 in the "
                        "month of the last mail; 600 reserved");
    assert_string_equal(read_text(world, "message under way"),
                        "open, 1 recipients charged, 0 not, last 60 s ago");
    assert_string_equal(effect_text(world, EFFECT_QUOTA_RESERVED, 0),
                        "600 given back, expires in 15 min");
    assert_string_equal(effect_text(world, EFFECT_QUOTA_COMMITTED, 0),
                        "700 counted, expires in 2 days");
    assert_string_equal(effect_text(world, EFFECT_MESSAGE_ENDED, 0), "settled, expires in 1 h");
    assert_int_equal(offer_many(world, "2", 1), 1);
    assert_string_equal(read_text(world, "usage"),
                        "700 in the minute, 700 in the hour, 700 in the day, 700 in the week, 700 "
                        "in the month of the last mail; 0 reserved");
    sent(world, "1", 1);
    assert_string_equal(read_text(world, "message under way"),
                        "settled, 1 recipients charged, 0 not, last now");
    const struct effect forgotten = {
        .kind = EFFECT_QUOTA_FORGOTTEN, .time_s = 5, .expires_s = (uint32_t)world->now_s + 60};
    char shown[128];
    struct text out = TEXT_OVER(shown);
    decision_explain_effect(&forgotten, (uint32_t)world->now_s, &out);
    assert_string_equal(text_zero(&out), "reset, expires in 60 s");
    world_free(world);
}

TEST(a_limit_is_written_as_it_was_given) {
    static const struct {
        uint64_t limit;
        enum quota_unit unit;
        const char *text;
    } rows[] = {
        {0, QUOTA_BYTES, "0 bytes/hour"},
        {1023, QUOTA_BYTES, "1023 bytes/hour"},
        {1024, QUOTA_BYTES, "1KiB bytes/hour"},
        {1536, QUOTA_BYTES, "1536 bytes/hour"},
        {UINT64_C(3) << 30, QUOTA_BYTES, "3GiB bytes/hour"},
        {UINT64_C(1) << 50, QUOTA_BYTES, "1PiB bytes/hour"},
        {UINT64_C(1) << 62, QUOTA_BYTES, "4096PiB bytes/hour"},
        {1024, QUOTA_RECIPIENTS, "1024 recipients/hour"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char shown[64];
        struct text out = TEXT_OVER(shown);
        quota_add_limit(&out, rows[i].limit, rows[i].unit, QUOTA_HOUR);
        assert_string_equal(text_zero(&out), rows[i].text);
    }
}
