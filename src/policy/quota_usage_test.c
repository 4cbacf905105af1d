/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/quotas.h"

#include "policy/quota_parts.h"
#include "policy/quotas_fixture.h"
#include "policy/zone.h"
#include "testing/test.h"

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

/* --- for people --------------------------------------------------------------------------------
 */

TEST(usage_tells_each_limit_and_when_its_window_ends) {
    struct world *world = bobs_world();
    add_limit(world, "user *", "5 recipients/minute");
    add_limit(world, "user bob@example.com", "50 recipients/day");
    add_limit(world, "domain example.com", "1GiB bytes/month");
    add_limit(world, "domain example.org", "1GiB bytes/month");
    add_limit(world, "global", "10 messages/hour");
    add_limit(world, "ip *", "10 messages/hour"); /* no address is asked about */
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
        assert_int_equal(effects[i].epoch_s, 1); /* the next one */
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

TEST(sums_of_large_counts_are_exact_and_end_at_the_largest_number) {
    enum { NOW_S = 1700049659 };
    static const struct {
        uint64_t each;
        uint64_t sum; /* of sixty */
    } rows[] = {
        {5, 300},
        {UINT64_C(5000000000), UINT64_C(300000000000)},
        {(UINT64_C(1) << 58) - 1, 60 * ((UINT64_C(1) << 58) - 1)},
        {(UINT64_C(1) << 58) + 5, 60 * ((UINT64_C(1) << 58) + 5)},
        {UINT64_MAX / 60, UINT64_MAX / 60 * 60},
        {(UINT64_C(1) << 59) - 1, UINT64_MAX},
        {UINT64_MAX, UINT64_MAX},
    };
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        struct quota_entry entry = {.newest_second = NOW_S, .newest_minute = NOW_S / 60};
        for (size_t i = 0; i < QUOTA_RING; i++) {
            entry.seconds[i] = rows[row].each;
            entry.minutes[i] = rows[row].each;
        }
        struct quota_digest digest;
        quota_make_digest(&entry, NOW_S, &digest);
        assert_true(digest.committed[QUOTA_MINUTE] == rows[row].sum);
        assert_true(digest.committed[QUOTA_HOUR] == rows[row].sum);
    }
}
