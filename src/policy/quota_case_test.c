/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/quotas.h"

#include <string.h>

#include "policy/quotas_fixture.h"
#include "testing/test.h"

/* --- whom it is charged to ---------------------------------------------------------------------
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

/* --- what is not charged -----------------------------------------------------------------------
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

TEST(a_recipient_that_names_its_own_route_is_not_exempt) {
    const struct str domains[] = {STR("example.com")};
    struct world *world = bobs_world();
    world->settings.local_domains = domains;
    world->settings.local_domain_count = 1;
    world->settings.quotas.exempt_local = true;
    add_limit(world, "user bob@example.com", "1 recipients/day");
    assert_int_equal(offer(world, "1", "victim%far.example@example.com"), VERDICT_NONE);
    assert_day(world, 0, 1);
    assert_int_equal(offer(world, "1", "eve%far.example@example.com"), VERDICT_REJECT);
    world_free(world);
}

/* The effect of the last decision; fails when there is none. */
static const struct effect *effect_of(const struct world *world, enum effect_kind kind) {
    for (size_t i = 0; i < world->decision.effect_count; i++) {
        if (world->decision.effects[i].kind == kind) {
            return &world->decision.effects[i];
        }
    }
    fail_msg("no effect of kind %d", (int)kind);
    return NULL;
}

TEST(usage_is_kept_for_the_longest_window_that_has_a_limit) {
    static const struct {
        const char *limit;
        uint32_t kept_s;
    } rows[] = {{"9 recipients/minute", 120},
                {"9 recipients/hour", 7200},
                {"9 recipients/day", 2 * DAY_S},
                {"9 recipients/week", 9 * DAY_S},
                {"9 recipients/month", 33 * DAY_S}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *world = bobs_world();
        add_limit(world, "user bob@example.com", "9 recipients/minute");
        add_limit(world, "user bob@example.com", rows[i].limit);
        assert_int_equal(offer_many(world, "1", 1), 1);
        sent(world, "1", 1);
        const struct effect *committed = effect_of(world, EFFECT_QUOTA_COMMITTED);
        assert_int_equal(committed->expires_s - committed->time_s, rows[i].kept_s);
        assert_int_equal(effect_of(world, EFFECT_MESSAGE_ENDED)->flags, 0);
        world_free(world);
    }
}

TEST(a_message_whose_usage_is_gone_counts_from_nothing) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "9 recipients/day");
    assert_int_equal(offer_many(world, "1", 1), 1);
    struct state_table *table = &world->state.tables[STATE_QUOTA];
    memset(table->groups, 0, table->group_count * table->group_bytes);
    sent(world, "1", 1);
    assert_int_equal(effect_of(world, EFFECT_QUOTA_COMMITTED)->epoch_s, 0);
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
