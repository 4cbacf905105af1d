/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/quotas.h"

#include "policy/quotas_fixture.h"
#include "testing/test.h"

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

TEST(of_more_than_eight_at_once_eight_are_told_and_noted) {
    struct world *world = bobs_world();
    static const char *const limits[] = {
        "1 recipients/minute", "1 recipients/hour", "1 recipients/day", "1 recipients/week",
        "1 recipients/month",  "1 messages/minute", "1 messages/hour",  "1 messages/day",
        "1 messages/week",     "1 messages/month"};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        add_limit(world, "user bob@example.com", limits[i]);
    }
    assert_int_equal(offer_many(world, "1", 1), 1);
    assert_int_equal(world->decision.event_count, EVENTS_MAX);
    size_t noted = 0;
    for (size_t i = 0; i < world->decision.effect_count; i++) {
        const struct effect *effect = &world->decision.effects[i];
        noted += effect->kind == EFFECT_ONCE && effect->amount > UINT8_MAX ? 1 : 0;
    }
    assert_int_equal(noted, EVENTS_MAX); /* none that was not told */
    world_free(world);
}

TEST(a_window_that_ends_in_an_odd_second_alerts_at_both_levels) {
    struct world *world = bobs_world();
    world->now_s += 1;
    add_limit(world, "user bob@example.com", "5 recipients/minute");
    assert_int_equal(offer_many(world, "1", 4), 4);
    assert_string_equal(events_of(world), "80% 4/5 user recipients/minute quota:1");
    assert_int_equal(offer_many(world, "2", 1), 1);
    assert_string_equal(events_of(world), "100% 5/5 user recipients/minute quota:1");
    world_free(world);
}

TEST(a_limit_lowered_meanwhile_alerts_by_what_counts_in_the_end) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "100 recipients/day");
    assert_int_equal(offer_many(world, "1", 8), 8);
    set_value(world, 0, "8 recipients/day");
    sent(world, "1", 7);
    assert_string_equal(events_of(world), "80% 7/8 user recipients/day quota:1");
    world->request.sasl_username = STR("eve@example.com");
    add_limit(world, "user eve@example.com", "100 recipients/day");
    assert_int_equal(offer_many(world, "2", 1), 1);
    set_value(world, 1, "1 recipients/day");
    settle(world, PROTOCOL_STATE_END_OF_MESSAGE, "2", 0, 1000);
    assert_string_equal(events_of(world), "");
    world_free(world);
}
