/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/auto_blacklist.h"

#include <string.h>

#include "policy/auto_blacklist_effects.h"
#include "policy/ip_reputation.h"
#include "policy/policy_run.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

enum { HOUR_S = 3600, DAY_S = 86400, YEAR_S = 365 * DAY_S };

static struct world *world_of_rules(void) {
    struct world *world = world_new(1000);
    world_enable(world, POLICY_AUTO_BLACKLIST);
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
    struct auto_blacklist_settings *settings = &world->settings.auto_blacklist;
    for (unsigned i = BLACKLIST_REJECTIONS; i < BLACKLIST_TRIGGERS; i++) {
        settings->rules[i] = (struct blacklist_rule_settings){
            .enabled = true, .threshold = 5, .window_s = HOUR_S, .duration_s = DAY_S};
    }
    return world;
}

static uint32_t now_of(const struct world *world) {
    return (uint32_t)world->now_s;
}

static const struct blacklist_entry *entry_of(const struct world *world) {
    return state_find(&world->state, STATE_BLACKLIST,
                      blacklist_key(&world->state.key, world->request.client_address));
}

static struct blacklist_standing standing_of(const struct world *world) {
    return blacklist_standing(entry_of(world), now_of(world));
}

static const struct offence_entry *offences_of(const struct world *world,
                                               enum blacklist_trigger trigger) {
    return state_find(
        &world->state, STATE_OFFENCE,
        blacklist_offence_key(&world->state.key, world->request.client_address, trigger));
}

static uint32_t count_of(const struct world *world) {
    return blacklist_offence_count(offences_of(world, BLACKLIST_REJECTIONS), now_of(world));
}

/* Learns from a verdict as if the policy had given it, and applies what comes of it. Returns how
 * many effects. */
static size_t refuse(struct world *world, enum policy_id policy, enum verdict verdict,
                     enum reason reason) {
    struct decision *decision = &world->decision;
    const struct decision_source source = {.state = &world->state};
    *decision = (struct decision){
        .verdict = verdict,
        .policy = policy,
        .reason = reason,
        .direction = decision_direction(&world->settings, &world->request),
    };
    struct policy_run run = {.settings = &world->settings,
                             .source = &source,
                             .request = &world->request,
                             .decision = decision,
                             .policy = POLICY_AUTO_BLACKLIST,
                             .now_s = now_of(world)};
    auto_blacklist_learn(&run);
    decision_apply(&world->state, decision, ++world->sequence);
    return decision->effect_count;
}

static size_t reject(struct world *world) {
    return refuse(world, POLICY_QUOTAS, VERDICT_REJECT, REASON_QUOTA_EXCEEDED);
}

static void reject_times(struct world *world, int times) {
    for (int i = 0; i < times; i++) {
        (void)reject(world);
    }
}

static void apply(struct world *world, struct effect effect) {
    effect_apply(&world->state, &effect, ++world->sequence);
}

/* --- names and exemptions ----------------------------------------------------------------------
 */

TEST(each_trigger_has_a_name) {
    static const char *const names[BLACKLIST_TRIGGERS] = {
        "by_hand",     "rejections",    "rbl_hits",  "spf_failures",
        "geo_blocked", "failed_logins", "spam_score"};
    for (unsigned i = 0; i < BLACKLIST_TRIGGERS; i++) {
        enum blacklist_trigger found = BLACKLIST_TRIGGERS;
        assert_string_equal(blacklist_trigger_name(i), names[i]);
        assert_true(blacklist_trigger_find(str_from(names[i]), &found));
        assert_int_equal(found, i);
    }
    enum blacklist_trigger found = BLACKLIST_RBL_HITS;
    assert_string_equal(blacklist_trigger_name(BLACKLIST_TRIGGERS), "unknown");
    assert_false(blacklist_trigger_find(STR("rejection"), &found));
    assert_int_equal(found, BLACKLIST_RBL_HITS);
}

static const char *exemption_of(const char *client, const char *server) {
    static struct ip_prefix networks[2];
    assert_true(ip_prefix_parse(STR("203.0.113.0/24"), &networks[0], NULL));
    assert_true(ip_prefix_parse(STR("2001:db8:5::/48"), &networks[1], NULL));
    const struct policy_settings settings = {.trusted_networks = networks,
                                             .trusted_network_count = 2};
    const struct ip_address none = {{0}};
    const char *found =
        blacklist_exemption(&settings, client == NULL ? none : world_address(client),
                            server == NULL ? none : world_address(server));
    return found == NULL ? "" : found;
}

TEST(local_and_trusted_networks_and_the_server_itself_are_never_blocked) {
    static const struct {
        const char *client;
        const char *server;
        const char *exemption;
    } rows[] = {
        {NULL, NULL, "no address"},
        {"127.0.0.1", NULL, "a local network"},
        {"127.255.255.255", NULL, "a local network"},
        {"126.255.255.255", NULL, ""},
        {"128.0.0.0", NULL, ""},
        {"169.254.0.0", NULL, "a local network"},
        {"169.254.255.255", NULL, "a local network"},
        {"169.253.255.255", NULL, ""},
        {"169.255.0.0", NULL, ""},
        {"10.0.0.0", NULL, "a local network"},
        {"10.255.255.255", NULL, "a local network"},
        {"9.255.255.255", NULL, ""},
        {"11.0.0.0", NULL, ""},
        {"172.16.0.0", NULL, "a local network"},
        {"172.31.255.255", NULL, "a local network"},
        {"172.15.255.255", NULL, ""},
        {"172.32.0.0", NULL, ""},
        {"192.168.0.0", NULL, "a local network"},
        {"192.168.255.255", NULL, "a local network"},
        {"192.167.255.255", NULL, ""},
        {"192.169.0.0", NULL, ""},
        {"100.64.0.1", NULL, ""},
        {"::1", NULL, "a local network"},
        {"::2", NULL, ""},
        {"fe80::1", NULL, "a local network"},
        {"febf:ffff::1", NULL, "a local network"},
        {"fe7f::1", NULL, ""},
        {"fec0::1", NULL, ""},
        {"fc00::1", NULL, "a local network"},
        {"fdff::1", NULL, "a local network"},
        {"fbff::1", NULL, ""},
        {"fe00::1", NULL, ""},
        {"203.0.113.9", NULL, "one of trusted_networks"},
        {"203.0.114.0", NULL, ""},
        {"2001:db8:5::1", NULL, "one of trusted_networks"},
        {"2001:db8:6::1", NULL, ""},
        {"192.0.2.1", "192.0.2.1", "the server's own address"},
        {"192.0.2.1", "192.0.2.2", ""},
        {"2001:db8::1", "2001:db8::ffff", "the server's own address"},
        {"2001:db8::1", "2001:db8:0:1::1", ""},
        {"0:0:c000:201::", "192.0.2.1", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(exemption_of(rows[i].client, rows[i].server), rows[i].exemption) != 0) {
            fail_msg("%s is \"%s\"", rows[i].client, exemption_of(rows[i].client, rows[i].server));
        }
    }
}

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

/* Blocks by the rule and returns for how long. */
static uint32_t offend(struct world *world) {
    reject_times(world, 5);
    const struct blacklist_standing standing = standing_of(world);
    assert_true(standing.blocked);
    const uint32_t duration_s = standing.until_s - now_of(world);
    world->now_s = standing.until_s;
    return duration_s;
}

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

/* --- commands ----------------------------------------------------------------------------------
 */

static size_t release(struct world *world) {
    struct effect effects[BLACKLIST_RELEASE_EFFECTS_MAX];
    const size_t count =
        blacklist_release_effects(&world->state, &world->settings.auto_blacklist,
                                  world->request.client_address, now_of(world), effects);
    for (size_t i = 0; i < count; i++) {
        assert_true(effects[i].expires_s > effects[i].time_s);
        apply(world, effects[i]);
    }
    return count;
}

TEST(a_released_address_starts_at_zero) {
    struct world *world = world_of_rules();
    world->settings.auto_blacklist.double_duration = true;
    (void)offend(world);
    reject_times(world, 5);
    assert_int_equal(standing_of(world).offences, 2);
    assert_int_equal(release(world), 1);
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_true(standing_of(world).known && standing_of(world).released);
    assert_false(standing_of(world).blocked);
    assert_int_equal(standing_of(world).since_s, world->now_s);
    assert_int_equal(standing_of(world).trigger, BLACKLIST_REJECTIONS); /* why it was */
    assert_int_equal(standing_of(world).offences, 0);
    assert_int_equal(release(world), 0); /* nothing left */
    reject_times(world, 4);
    assert_false(standing_of(world).blocked);
    assert_int_equal(release(world), 1);
    assert_int_equal(count_of(world), 0);
    reject_times(world, 4);
    assert_false(standing_of(world).blocked);
    reject_times(world, 1);
    assert_int_equal(standing_of(world).until_s, world->now_s + DAY_S); /* the first again */
    world_free(world);
}

TEST(releasing_clears_the_counters_of_all_triggers) {
    struct world *world = world_of_rules();
    struct effect effects[BLACKLIST_COUNT_EFFECTS_MAX];
    bool blocked = true;
    for (unsigned i = BLACKLIST_REJECTIONS; i < BLACKLIST_TRIGGERS; i++) {
        const size_t count = blacklist_count_effects(
            &world->state, &world->settings.auto_blacklist, world->request.client_address,
            (enum blacklist_trigger)i, now_of(world), effects, &blocked);
        assert_int_equal(count, 1);
        assert_false(blocked);
        apply(world, effects[0]);
    }
    apply(world, blacklist_block_effect(&world->state, world->request.client_address,
                                        now_of(world) + 60, now_of(world)));
    assert_int_equal(release(world), BLACKLIST_RELEASE_EFFECTS_MAX);
    for (unsigned i = BLACKLIST_REJECTIONS; i < BLACKLIST_TRIGGERS; i++) {
        const struct offence_entry *offences = offences_of(world, (enum blacklist_trigger)i);
        assert_int_equal(blacklist_offence_count(offences, now_of(world)), 0);
    }
    assert_int_equal(release(world), 0);
    world_set_client(world, "192.0.2.2", "");
    assert_int_equal(release(world), 0);
    world_free(world);
}

TEST(a_release_outlives_an_older_block_that_arrives_late) {
    struct world *world = world_of_rules();
    reject_times(world, 5);
    const struct effect old_block = world->decision.effects[0];
    assert_int_equal(old_block.kind, EFFECT_BLACKLIST_CHANGED);
    (void)release(world);
    apply(world, old_block);
    assert_false(standing_of(world).blocked);
    assert_int_equal(entry_of(world)->head.expires_s, world->now_s + BLACKLIST_REMEMBER_S);
    world_free(world);
}

TEST(an_address_is_blocked_by_hand_for_a_time_or_for_good) {
    struct world *world = world_of_rules();
    const struct ip_address client = world->request.client_address;
    apply(world, blacklist_block_effect(&world->state, client, now_of(world) + 60, now_of(world)));
    assert_int_equal(standing_of(world).trigger, BLACKLIST_BY_HAND);
    assert_int_equal(standing_of(world).offences, 0);
    assert_int_equal(world_ask(world)->verdict, VERDICT_REJECT);
    assert_memory_equal(world->decision.rule, "by_hand until 2023-11-14T22:14:20Z",
                        world->decision.rule_length);
    world->now_s += 60;
    assert_int_equal(world_ask(world)->verdict, VERDICT_NONE);
    apply(world, blacklist_block_effect(&world->state, client, BLACKLIST_FOR_GOOD, now_of(world)));
    world->now_s += 50 * (int64_t)YEAR_S;
    assert_int_equal(world_ask(world)->verdict, VERDICT_REJECT);
    assert_memory_equal(world->decision.rule, "by_hand for good", world->decision.rule_length);
    assert_int_equal(world->decision.rule_length, strlen("by_hand for good"));
    assert_int_equal(standing_of(world).until_s, BLACKLIST_FOR_GOOD);
    world_free(world);
}

TEST(a_block_can_be_made_permanent_and_keeps_its_cause) {
    struct world *world = world_of_rules();
    const struct ip_address client = world->request.client_address;
    struct effect effect;
    assert_false(blacklist_permanent_effect(&world->state, client, now_of(world), &effect));
    reject_times(world, 5);
    assert_true(blacklist_permanent_effect(&world->state, client, now_of(world), &effect));
    apply(world, effect);
    assert_int_equal(standing_of(world).until_s, BLACKLIST_FOR_GOOD);
    assert_int_equal(standing_of(world).trigger, BLACKLIST_REJECTIONS);
    assert_int_equal(standing_of(world).offences, 1);
    apply(world, blacklist_block_effect(&world->state, client, now_of(world) + 1, now_of(world)));
    assert_int_equal(standing_of(world).offences, 1); /* by hand counts no offence */
    world->now_s += 1;
    assert_false(blacklist_permanent_effect(&world->state, client, now_of(world), &effect));
    world_free(world);
}

TEST(a_network_that_is_exempt_now_is_not_refused_any_more) {
    struct world *world = world_of_rules();
    reject_times(world, 5);
    world->request.server_address = STR("192.0.2.1");
    assert_int_equal(world_ask(world)->verdict, VERDICT_NONE);
    world->request.server_address = STR("not an address");
    assert_int_equal(world_ask(world)->verdict, VERDICT_REJECT);
    world->request.sasl_username = STR("alice");
    assert_int_equal(world_ask(world)->verdict, VERDICT_NONE);
    world_free(world);
}

TEST(each_change_is_the_next_revision) {
    struct world *world = world_of_rules();
    const struct ip_address client = world_address("2001:db8::1");
    const struct hash128 key = blacklist_key(&world->state.key, client);
    struct effect effect = blacklist_block_effect(&world->state, client, BLACKLIST_FOR_GOOD, 5);
    assert_int_equal(effect.epoch_s, 1);
    assert_int_equal(effect.flags, EFFECT_PERMANENT);
    apply(world, effect);
    effect = blacklist_block_effect(&world->state, client, 90, 5);
    assert_int_equal(effect.epoch_s, 2);
    assert_int_equal(effect.flags, 0);
    struct blacklist_entry *entry = state_place(&world->state, STATE_BLACKLIST, key, 5);
    entry->revision = UINT32_MAX;
    assert_int_equal(blacklist_block_effect(&world->state, client, 90, 5).epoch_s, UINT32_MAX);
    world_free(world);
}

TEST(a_clearing_is_the_next_epoch_and_is_kept_for_the_window) {
    struct world *world = world_of_rules();
    struct effect effects[BLACKLIST_RELEASE_EFFECTS_MAX];
    const struct auto_blacklist_settings *settings = &world->settings.auto_blacklist;
    const struct ip_address client = world->request.client_address;
    (void)reject(world);
    const uint32_t epoch_s = offences_of(world, BLACKLIST_REJECTIONS)->epoch_s;
    const uint32_t now_s = now_of(world);
    assert_int_equal(blacklist_release_effects(&world->state, settings, client, now_s, effects), 1);
    assert_int_equal(effects[0].epoch_s, epoch_s + 1);
    assert_int_equal(effects[0].expires_s, now_s + HOUR_S + 1);
    struct offence_entry *entry = state_place(&world->state, STATE_OFFENCE, effects[0].key, now_s);
    entry->epoch_s = UINT32_MAX;
    (void)blacklist_release_effects(&world->state, settings, client, now_s, effects);
    assert_int_equal(effects[0].epoch_s, UINT32_MAX);
    struct offence_digest digest;
    blacklist_digest_offences(entry, now_s, &digest);
    assert_int_equal(digest.present, 1);
    assert_int_equal(digest.count, 1);
    world_free(world);
}

/* --- causes from elsewhere ---------------------------------------------------------------------
 */

TEST(causes_from_outside_of_decisions_block_too) {
    struct world *world = world_of_rules();
    struct effect effects[BLACKLIST_COUNT_EFFECTS_MAX];
    bool blocked = false;
    for (int i = 1; i <= 5; i++) {
        const size_t count = blacklist_count_effects(
            &world->state, &world->settings.auto_blacklist, world->request.client_address,
            BLACKLIST_FAILED_LOGINS, now_of(world), effects, &blocked);
        assert_int_equal(blocked, i == 5);
        assert_int_equal(count, i == 5 ? 2 : 1);
        for (size_t j = 0; j < count; j++) {
            apply(world, effects[j]);
        }
    }
    assert_int_equal(standing_of(world).trigger, BLACKLIST_FAILED_LOGINS);
    assert_int_equal(blacklist_count_effects(&world->state, &world->settings.auto_blacklist,
                                             world->request.client_address, BLACKLIST_FAILED_LOGINS,
                                             now_of(world), effects, &blocked),
                     0);
    assert_false(blocked);
    world_set_client(world, "192.0.2.2", "");
    world->settings.auto_blacklist.rules[BLACKLIST_FAILED_LOGINS].enabled = false;
    assert_int_equal(blacklist_count_effects(&world->state, &world->settings.auto_blacklist,
                                             world->request.client_address, BLACKLIST_FAILED_LOGINS,
                                             now_of(world), effects, &blocked),
                     0);
    world_free(world);
}

/* A policy that finds a cause: twice in a message, once for each thing found. */
static size_t find_cause(struct world *world, const char *what) {
    struct decision *decision = &world->decision;
    const struct decision_source source = {.state = &world->state};
    *decision = (struct decision){.direction = DIRECTION_INBOUND};
    struct policy_run run = {.settings = &world->settings,
                             .source = &source,
                             .request = &world->request,
                             .decision = decision,
                             .now_s = now_of(world)};
    auto_blacklist_count(&run, BLACKLIST_RBL_HITS, str_from(what));
    decision_apply(&world->state, decision, ++world->sequence);
    return decision->effect_count;
}

TEST(policies_count_causes_of_their_own_once_in_a_message) {
    struct world *world = world_of_rules();
    world->request.instance = STR("1.1.1");
    assert_int_equal(find_cause(world, "zen"), 2);
    assert_int_equal(find_cause(world, "zen"), 0);
    assert_int_equal(find_cause(world, "barracuda"), 2);
    const struct offence_entry *offences = offences_of(world, BLACKLIST_RBL_HITS);
    assert_int_equal(blacklist_offence_count(offences, now_of(world)), 2);
    assert_int_equal(count_of(world), 0);
    world->settings.policies[POLICY_AUTO_BLACKLIST].enabled = false;
    assert_int_equal(find_cause(world, "other"), 0);
    world_free(world);
}

/* Both are noted as the same thing that happened, once. */
TEST(reputation_and_the_rule_share_the_note_of_a_refusal) {
    struct world *world = world_of_rules();
    struct decision *decision = &world->decision;
    const struct decision_source source = {.state = &world->state};
    world_enable(world, POLICY_IP_REPUTATION);
    world->settings.ip_reputation = (struct ip_reputation_settings){
        .initial_score = 50, .max_score = 100, .rejected = 5, .known_ttl_s = DAY_S};
    world->request.instance = STR("1.1.1");
    *decision = (struct decision){
        .verdict = VERDICT_REJECT, .policy = POLICY_QUOTAS, .reason = REASON_QUOTA_EXCEEDED};
    struct policy_run run = {.settings = &world->settings,
                             .source = &source,
                             .request = &world->request,
                             .decision = decision,
                             .now_s = now_of(world)};
    auto_blacklist_learn(&run);
    ip_reputation_learn(&run);
    assert_int_equal(decision->effect_count, 3);
    assert_int_equal(decision->effects[0].kind, EFFECT_ONCE);
    assert_int_equal(decision->effects[1].kind, EFFECT_OFFENCE_COUNTED);
    assert_int_equal(decision->effects[2].kind, EFFECT_REPUTATION_CHANGED);
    assert_int_equal(decision->effects[2].detail, 45);
    world_free(world);
}

TEST(in_shadow_it_counts_and_blocks_and_refuses_nobody) {
    struct world *world = world_of_rules();
    world->settings.policies[POLICY_AUTO_BLACKLIST].mode = POLICY_MODE_SHADOW;
    reject_times(world, 5);
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_int_equal(world->decision.steps[2].policy, POLICY_AUTO_BLACKLIST);
    assert_int_equal(world->decision.steps[2].verdict, VERDICT_REJECT);
    assert_int_equal(reject(world), 0); /* as if it had been refused */
    world_free(world);
}

/* --- with everything around it -----------------------------------------------------------------
 */

/* world_send() makes each decision again from its record: entries, counts and all. */
TEST(a_stranger_beyond_its_quota_is_rejected_then_blocked_then_let_in_again) {
    struct world *world = world_of_rules();
    world_enable(world, POLICY_QUOTAS);
    world_enable(world, POLICY_IP_REPUTATION);
    world->settings.ip_reputation = (struct ip_reputation_settings){.initial_score = 50,
                                                                    .max_score = 100,
                                                                    .accepted = 1,
                                                                    .rejected = 5,
                                                                    .block_threshold = 10,
                                                                    .decay_interval_s = HOUR_S,
                                                                    .known_ttl_s = 180 * DAY_S};
    world_add_rule(world, RULE_QUOTA, "ip 192.0.2.1", "0 recipients/day");
    static const char *const instances[] = {"1.1.1", "1.1.2", "1.1.3", "1.1.4", "1.1.5"};
    for (int i = 0; i < 5; i++) {
        world->request.instance = str_from(instances[i]);
        assert_int_equal(world_send(world)->reason, REASON_QUOTA_EXCEEDED);
        assert_int_equal(world->decision.verdict, VERDICT_REJECT);
        assert_int_equal(world_send(world)->effect_count, 0); /* another recipient */
    }
    assert_int_equal(world_send(world)->reason, REASON_AUTO_BLACKLISTED);
    assert_int_equal(standing_of(world).until_s, world->now_s + DAY_S);
    const struct hash128 key = reputation_key(&world->state.key, world->request.client_address);
    const struct reputation_entry *reputation = state_find(&world->state, STATE_REPUTATION, key);
    assert_int_equal(reputation->score, 50 - 5 * 5);
    assert_int_equal(reputation->rejected, 5);
    world->now_s += DAY_S;
    assert_int_equal(world_send(world)->reason, REASON_QUOTA_EXCEEDED);
    world->settings.policies[POLICY_QUOTAS].enabled = false;
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    world_free(world);
}

TEST(in_shadow_quotas_feed_no_rule) {
    struct world *world = world_of_rules();
    world_enable(world, POLICY_QUOTAS);
    world->settings.policies[POLICY_QUOTAS].mode = POLICY_MODE_SHADOW;
    world_add_rule(world, RULE_QUOTA, "ip 192.0.2.1", "0 recipients/day");
    for (int i = 0; i < 10; i++) {
        assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    }
    assert_int_equal(count_of(world), 0);
    world_free(world);
}
