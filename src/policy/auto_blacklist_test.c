/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/auto_blacklist.h"

#include <string.h>

#include "policy/auto_blacklist_fixture.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* --- counting ----------------------------------------------------------------------------------
 */

TEST(the_rejection_that_reaches_the_threshold_blocks) {
    struct world *world = world_of_rules();
    for (int i = 1; i < 5; i++) {
        assert_int_equal(reject(world), 1);
        assert_int_equal(count_of(world), i);
        assert_false(standing_of(world).known);
    }
    assert_int_equal(world_ask(world)->verdict, VERDICT_NONE);
    assert_int_equal(reject(world), 2);
    const struct blacklist_standing standing = standing_of(world);
    assert_true(standing.known && standing.blocked && !standing.released);
    assert_int_equal(standing.since_s, world->now_s);
    assert_int_equal(standing.until_s, world->now_s + DAY_S);
    assert_int_equal(standing.trigger, BLACKLIST_REJECTIONS);
    assert_int_equal(standing.offences, 1);
    assert_int_equal(entry_of(world)->network, 0xc0000201);
    assert_int_equal(entry_of(world)->is_v4, 1);
    assert_int_equal(count_of(world), 0); /* begins anew */
    world_free(world);
}

TEST(a_blocked_client_is_refused_until_the_block_is_over) {
    struct world *world = world_of_rules();
    world->settings.auto_blacklist.text = STR("You misbehaved");
    reject_times(world, 5);
    const struct decision *decision = world_send(world);
    assert_int_equal(decision->verdict, VERDICT_REJECT);
    assert_int_equal(decision->policy, POLICY_AUTO_BLACKLIST);
    assert_int_equal(decision->reason, REASON_AUTO_BLACKLISTED);
    assert_int_equal(decision->effect_count, 0); /* no cause for anything */
    assert_int_equal(decision->rule_length, strlen("rejections until 2023-11-15T22:13:20Z"));
    assert_memory_equal(decision->rule, "rejections until 2023-11-15T22:13:20Z",
                        decision->rule_length);
    assert_non_null(strstr(world_reply(world), "You misbehaved"));
    world->now_s += DAY_S - 1;
    assert_int_equal(world_send(world)->verdict, VERDICT_REJECT);
    world->now_s += 1;
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_true(standing_of(world).known);
    assert_false(standing_of(world).blocked);
    world->now_s += 30 * DAY_S - 1;
    assert_true(standing_of(world).known);
    world->now_s += 1;
    assert_false(standing_of(world).known);
    assert_int_equal(standing_of(world).until_s, 0);
    world_free(world);
}

TEST(while_blocked_nothing_is_counted) {
    struct world *world = world_of_rules();
    reject_times(world, 5);
    assert_int_equal(reject(world), 0);
    world->now_s += DAY_S;
    assert_int_equal(reject(world), 1);
    assert_int_equal(count_of(world), 1);
    world_free(world);
}

TEST(causes_leave_the_window_after_an_hour) {
    struct world *world = world_of_rules();
    world->now_s -= world->now_s % 60;
    reject_times(world, 3);
    world->now_s += 59;
    reject_times(world, 1);
    world->now_s += 3600 - 60; /* the last second of the window */
    assert_int_equal(count_of(world), 4);
    world->now_s += 1;
    assert_int_equal(count_of(world), 0);
    reject_times(world, 4);
    assert_int_equal(count_of(world), 4);
    assert_false(standing_of(world).known);
    reject_times(world, 1);
    assert_true(standing_of(world).blocked);
    world_free(world);
}

TEST(a_window_that_sixty_does_not_divide_is_rounded_up) {
    struct world *world = world_of_rules();
    world->settings.auto_blacklist.rules[BLACKLIST_REJECTIONS].window_s = 61;
    (void)reject(world);
    assert_int_equal(offences_of(world, BLACKLIST_REJECTIONS)->width_s, 2);
    world->settings.auto_blacklist.rules[BLACKLIST_REJECTIONS].window_s = 60;
    (void)reject(world); /* another window: counting begins anew */
    assert_int_equal(offences_of(world, BLACKLIST_REJECTIONS)->width_s, 1);
    assert_int_equal(count_of(world), 1);
    world->settings.auto_blacklist.rules[BLACKLIST_REJECTIONS].window_s = 120;
    world->settings.auto_blacklist.rules[BLACKLIST_REJECTIONS].threshold = 2;
    (void)reject(world);
    assert_false(standing_of(world).blocked);
    world->settings.auto_blacklist.rules[BLACKLIST_REJECTIONS].threshold = 5;
    assert_int_equal(count_of(world), 1);
    assert_int_equal(offences_of(world, BLACKLIST_REJECTIONS)->width_s, 2);
    (void)reject(world);
    assert_int_equal(count_of(world), 2);
    assert_int_equal(offences_of(world, BLACKLIST_REJECTIONS)->head.expires_s, world->now_s + 121);
    world_free(world);
}

TEST(a_threshold_of_one_blocks_at_once) {
    struct world *world = world_of_rules();
    world->settings.auto_blacklist.rules[BLACKLIST_REJECTIONS].threshold = 1;
    assert_int_equal(reject(world), 2);
    assert_true(standing_of(world).blocked);
    world_free(world);
}

TEST(causes_counted_by_a_clock_ahead_of_ours_count) {
    struct world *world = world_of_rules();
    world->now_s += 120;
    reject_times(world, 2);
    world->now_s -= 120;
    assert_int_equal(count_of(world), 2);
    world_free(world);
}

TEST(a_rejection_counts_once_for_each_message_and_reason) {
    struct world *world = world_of_rules();
    world->request.instance = STR("1.1.1");
    assert_int_equal(reject(world), 2); /* and that it happened */
    assert_int_equal(reject(world), 0);
    assert_int_equal(
        refuse(world, POLICY_SENDER_IDENTITY, VERDICT_REJECT, REASON_IDENTITY_NOT_OWNED), 2);
    assert_int_equal(count_of(world), 2);
    world->request.instance = STR("1.1.2");
    (void)reject(world);
    assert_int_equal(count_of(world), 3);
    world_free(world);
}

TEST(only_what_a_stranger_was_rejected_for_counts) {
    static const struct {
        enum policy_id policy;
        enum verdict verdict;
        enum reason reason;
    } rows[] = {
        {POLICY_ACL_BLOCK, VERDICT_REJECT, REASON_ACL_BLOCKED},
        {POLICY_AUTO_BLACKLIST, VERDICT_REJECT, REASON_AUTO_BLACKLISTED},
        {POLICY_IP_REPUTATION, VERDICT_REJECT, REASON_REPUTATION_TOO_LOW},
        {POLICY_SENDER_RESTRICTIONS, VERDICT_REJECT, REASON_RESTRICTION_NOTHING},
        {POLICY_QUOTAS, VERDICT_DEFER, REASON_QUOTA_EXCEEDED},
        {POLICY_QUOTAS, VERDICT_REJECT, REASON_FACT_UNAVAILABLE},
        {POLICY_GREYLISTING, VERDICT_DEFER, REASON_GREYLIST_FIRST_CONTACT},
        {POLICY_NONE, VERDICT_NONE, REASON_NONE},
        {POLICY_ACL_ALLOW, VERDICT_ACCEPT, REASON_ACL_ALLOWED},
    };
    struct world *world = world_of_rules();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(refuse(world, rows[i].policy, rows[i].verdict, rows[i].reason), 0);
    }
    world->request.sasl_username = STR("alice");
    assert_int_equal(reject(world), 0);
    world->request.sasl_username = STR("");
    world->settings.auto_blacklist.rules[BLACKLIST_REJECTIONS].enabled = false;
    assert_int_equal(reject(world), 0);
    world->settings.auto_blacklist.rules[BLACKLIST_REJECTIONS].enabled = true;
    world->settings.policies[POLICY_AUTO_BLACKLIST].enabled = false;
    assert_int_equal(reject(world), 0);
    world->settings.policies[POLICY_AUTO_BLACKLIST].enabled = true;
    world->request.server_address = STR("192.0.2.1");
    assert_int_equal(reject(world), 0);
    world->request.server_address = STR("192.0.2.2");
    assert_int_equal(reject(world), 1);
    world_set_client(world, "10.0.0.1", "");
    assert_int_equal(reject(world), 0);
    world->request.client_address = (struct ip_address){{0}};
    assert_int_equal(reject(world), 0);
    assert_int_equal(world_ask(world)->verdict, VERDICT_NONE);
    world_free(world);
}

TEST(ipv6_is_blocked_by_slash_64) {
    struct world *world = world_of_rules();
    for (int i = 0; i < 5; i++) {
        world_set_client(world, i % 2 == 0 ? "2001:db8::1" : "2001:db8::ffff:2", "");
        (void)reject(world);
    }
    world_set_client(world, "2001:db8::3", "");
    assert_int_equal(world_ask(world)->verdict, VERDICT_REJECT);
    world_set_client(world, "2001:db8:0:1::3", "");
    assert_int_equal(world_ask(world)->verdict, VERDICT_NONE);
    world_free(world);
}

TEST(an_address_allowed_by_reputation_is_neither_blocked_nor_counted) {
    struct world *world = world_of_rules();
    world_add_rule(world, RULE_QUOTA, "ip *", "0/day");
    world_enable(world, POLICY_QUOTAS);
    struct list_item for_a_minute =
        world_item(world, LIST_REPUTATION_ALLOW, PATTERN_IP, "192.0.2.1");
    for_a_minute.expires_s = now_of(world) + 60;
    world_add_item(world, for_a_minute);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(world_send(world)->reason, REASON_QUOTA_EXCEEDED);
    }
    assert_null(offences_of(world, BLACKLIST_REJECTIONS));
    const struct effect block = blacklist_block_effect(&world->state, world->request.client_address,
                                                       now_of(world) + DAY_S, now_of(world));
    effect_apply(&world->state, &block, ++world->sequence);
    assert_int_equal(world_send(world)->reason, REASON_QUOTA_EXCEEDED);
    world->now_s += 60;
    assert_int_equal(world_send(world)->reason, REASON_AUTO_BLACKLISTED);
    world_free(world);
}

/* --- repeat offenders --------------------------------------------------------------------------
 */

TEST(a_repeat_offender_is_blocked_twice_as_long_each_time) {
    struct world *world = world_of_rules();
    world->settings.auto_blacklist.double_duration = true;
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(offend(world), DAY_S << i);
        assert_int_equal(standing_of(world).offences, i + 1);
    }
    assert_int_equal(offend(world), YEAR_S); /* 512 days would be more */
    for (unsigned i = 10; i < 20; i++) {
        assert_int_equal(offend(world), YEAR_S);
    }
    assert_int_equal(standing_of(world).offences, BLACKLIST_OFFENCES_MAX);
    world->settings.auto_blacklist.double_duration = false;
    assert_int_equal(offend(world), DAY_S);
    world_free(world);
}

TEST(a_month_without_a_block_makes_the_next_one_the_first) {
    struct world *world = world_of_rules();
    world->settings.auto_blacklist.double_duration = true;
    (void)offend(world);
    world->now_s += BLACKLIST_REMEMBER_S - 1;
    assert_int_equal(offend(world), 2 * DAY_S);
    world->now_s += BLACKLIST_REMEMBER_S;
    assert_int_equal(offend(world), DAY_S);
    assert_int_equal(standing_of(world).offences, 1);
    world_free(world);
}

TEST(a_duration_that_is_longer_than_a_year_stays_as_set) {
    struct world *world = world_of_rules();
    world->settings.auto_blacklist.double_duration = true;
    world->settings.auto_blacklist.rules[BLACKLIST_REJECTIONS].duration_s = 2 * YEAR_S;
    (void)offend(world);
    assert_int_equal(offend(world), 2 * YEAR_S);
    world_free(world);
}

TEST(a_block_never_becomes_one_for_good_by_itself) {
    struct world *world = world_of_rules();
    world->now_s = (int64_t)UINT32_MAX - 60;
    reject_times(world, 5);
    assert_int_equal(standing_of(world).until_s, UINT32_MAX - 1);
    world->now_s = (int64_t)UINT32_MAX - DAY_S;
    world_set_client(world, "192.0.2.2", "");
    reject_times(world, 5);
    assert_int_equal(standing_of(world).until_s, UINT32_MAX - 1);
    world_free(world);
}
