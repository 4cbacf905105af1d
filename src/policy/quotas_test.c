/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/quotas.h"

#include <stdio.h>
#include <string.h>

#include "policy/quota_parts.h"
#include "policy/quotas_fixture.h"
#include "policy/zone.h"
#include "testing/test.h"

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
    } rows[] = {{"window", QUOTA_WINDOWS << 8},
                {"scope and unit", (QUOTA_SCOPES * QUOTA_UNITS) << 11},
                {"rule", INT64_C(1) << 48}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].name);
        struct world *world = bobs_world();
        add_limit(world, "user bob@example.com", "1 recipients/minute");
        assert_int_equal(offer_many(world, "1", 2), 1);
        damage_outcome(world, rows[i].bits);
        sent(world, "1", 1);
        world->now_s += 130; /* There is room again. */
        assert_int_equal(offer(world, "1", "b@example.net"), VERDICT_NONE);
        assert_true(world->decision.effect_count > 0); /* It is charged. */
        world_free(world);
    }
}

TEST(a_refusal_by_the_rule_of_the_highest_number_is_repeated) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "1 recipients/minute");
    assert_int_equal(offer_many(world, "1", 2), 1);
    damage_outcome(world, (int64_t)UINT32_MAX << 16);
    sent(world, "1", 1);
    world->now_s += 130;
    assert_int_equal(offer(world, "1", "b@example.net"), VERDICT_DEFER);
    world_free(world);
}

TEST(a_recipient_asked_again_after_the_end_is_not_charged_again) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "9 recipients/day");
    assert_int_equal(offer(world, "1", "a@example.net"), VERDICT_NONE);
    broken_off(world, "1");
    sent(world, "1", 1);
    const uint64_t used = usage_of(world, QUOTA_USER, QUOTA_RECIPIENTS, QUOTA_DAY).used;
    assert_int_equal(offer(world, "1", "a@example.net"), VERDICT_NONE);
    assert_day(world, used, 0);
    world_free(world);
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
    world->now_s += 15 * 60; /* The first minute's reservations are over, not the second's. */
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
