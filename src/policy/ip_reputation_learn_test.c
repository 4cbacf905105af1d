/* SPDX-License-Identifier: Apache-2.0 */
/* What moves the score of an address: messages accepted, and refusals by who refused. */
#include <string.h>

#include "policy/ip_reputation_fixture.h"
#include "policy/policy_run.h"
#include "testing/test.h"

TEST(an_accepted_message_adds_one_once) {
    struct world *world = world_of_reputation();
    world->request.instance = STR("1.1.1");
    assert_int_equal(world_send(world)->effect_count, 2);
    assert_int_equal(score_of(world), 51);
    assert_int_equal(world_send(world)->effect_count, 0); /* another recipient */
    assert_int_equal(score_of(world), 51);
    world->request.instance = STR("1.1.2");
    (void)world_send(world);
    assert_int_equal(score_of(world), 52);
    world->request.instance = STR("");
    (void)world_send(world);
    (void)world_send(world);
    assert_int_equal(score_of(world), 54); /* without an instance each counts */
    assert_int_equal(entry_of(world)->accepted, 4);
    assert_int_equal(entry_of(world)->revision, 4);
    world_free(world);
}

TEST(with_the_end_of_data_hook_a_message_counts_at_its_end) {
    struct world *world = world_of_reputation();
    world->settings.quotas.end_of_data_hook = END_OF_DATA_ON;
    world->request.instance = STR("1.1.1");
    assert_int_equal(world_send(world)->effect_count, 0);
    world->request.state = PROTOCOL_STATE_ENDED;
    assert_int_equal(world_send(world)->effect_count, 0); /* never finished */
    world->request.state = PROTOCOL_STATE_END_OF_MESSAGE;
    (void)world_send(world);
    assert_int_equal(score_of(world), 51);
    (void)world_send(world);
    assert_int_equal(score_of(world), 51);
    world->request.instance = STR("1.1.2");
    world->request.sasl_username = STR("alice");
    (void)world_send(world);
    assert_int_equal(score_of(world), 51); /* not a stranger's */
    world_free(world);
}

TEST(once_the_hook_is_seen_recipients_do_not_count_any_more) {
    struct world *world = world_of_reputation();
    world->settings.quotas.end_of_data_hook = END_OF_DATA_AUTO;
    world->request.instance = STR("1.1.1");
    (void)world_send(world);
    assert_int_equal(score_of(world), 51);
    world->request.state = PROTOCOL_STATE_END_OF_MESSAGE;
    (void)world_send(world);
    assert_int_equal(score_of(world), 51); /* counted already */
    world->request.state = PROTOCOL_STATE_RCPT;
    world->request.instance = STR("1.1.2");
    (void)world_send(world);
    assert_int_equal(score_of(world), 51);
    world->request.state = PROTOCOL_STATE_END_OF_MESSAGE;
    (void)world_send(world);
    assert_int_equal(score_of(world), 52);
    world_free(world);
}

TEST(what_happens_once_is_forgotten_after_an_hour) {
    struct world *world = world_of_reputation();
    world->request.instance = STR("1.1.1");
    (void)world_send(world);
    world->now_s += HOUR_S - 1;
    (void)world_send(world);
    assert_int_equal(score_of(world), 51);
    world->now_s += 1;
    (void)world_send(world);
    assert_int_equal(score_of(world), 52);
    world_free(world);
}

/* Refusals by a policy whose part this is; the answer is made up. */
static const struct {
    enum policy_id policy;
    enum verdict verdict;
    enum reason reason;
    int cost;
} refusals[] = {
    {POLICY_QUOTAS, VERDICT_REJECT, REASON_QUOTA_EXCEEDED, 5},
    {POLICY_QUOTAS, VERDICT_DEFER, REASON_QUOTA_EXCEEDED, 2},
    {POLICY_ACL_BLOCK, VERDICT_REJECT, REASON_ACL_BLOCKED, 0},
    {POLICY_AUTO_BLACKLIST, VERDICT_REJECT, REASON_AUTO_BLACKLISTED, 0},
    {POLICY_IP_REPUTATION, VERDICT_REJECT, REASON_REPUTATION_TOO_LOW, 0},
    {POLICY_SENDER_RESTRICTIONS, VERDICT_REJECT, REASON_RESTRICTION_NOTHING, 0},
    {POLICY_GREYLISTING, VERDICT_DEFER, REASON_GREYLIST_FIRST_CONTACT, 0},
    {POLICY_QUOTAS, VERDICT_DEFER, REASON_FACT_UNAVAILABLE, 0},
    {POLICY_QUOTAS, VERDICT_REJECT, REASON_FACT_UNAVAILABLE, 0},
};

/* Learns from a verdict as if the policy had given it, and applies what comes of it. Returns how
 * many effects. */
static size_t refuse_by(struct world *world, enum policy_id policy, enum verdict verdict,
                        enum reason reason, struct str rule) {
    struct decision *decision = &world->decision;
    const struct decision_source source = {.state = &world->state};
    *decision = (struct decision){
        .verdict = verdict,
        .policy = policy,
        .reason = reason,
        .direction = decision_direction(&world->settings, &world->request),
        .rule_length = (uint16_t)rule.length,
    };
    memcpy(decision->rule, rule.data, rule.length);
    struct policy_run run = {.settings = &world->settings,
                             .source = &source,
                             .request = &world->request,
                             .decision = decision,
                             .policy = POLICY_IP_REPUTATION,
                             .now_s = (uint32_t)world->now_s};
    ip_reputation_learn(&run);
    decision_apply(&world->state, decision, ++world->sequence);
    return decision->effect_count;
}

static size_t refuse(struct world *world, enum policy_id policy, enum verdict verdict,
                     enum reason reason) {
    return refuse_by(world, policy, verdict, reason, STR("a rule"));
}

TEST(a_limit_of_everybody_costs_nobody_his_score) {
    static const struct {
        enum policy_id policy;
        enum reason reason;
        const char *rule;
        int cost;
    } rows[] = {
        {POLICY_QUOTAS, REASON_QUOTA_EXCEEDED, "quota:4 global 1000 recipients/day", 0},
        {POLICY_QUOTAS, REASON_QUOTA_EXCEEDED, "quota:4 global", 0},
        {POLICY_QUOTAS, REASON_QUOTA_EXCEEDED, "quota:4 ip * 1000 recipients/day", 5},
        {POLICY_QUOTAS, REASON_QUOTA_EXCEEDED, "quota:4 globa", 5},
        {POLICY_QUOTAS, REASON_QUOTA_EXCEEDED, "global", 5},
        {POLICY_RBL, REASON_RBL_LISTED, "List global", 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *world = world_of_reputation();
        (void)refuse_by(world, rows[i].policy, VERDICT_REJECT, rows[i].reason,
                        str_from(rows[i].rule));
        assert_int_equal(score_of(world), 50 - rows[i].cost);
        world_free(world);
    }
}

TEST(refusals_cost_by_who_refused) {
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct world *world = world_of_reputation();
        const size_t effects =
            refuse(world, refusals[i].policy, refusals[i].verdict, refusals[i].reason);
        assert_int_equal(effects, refusals[i].cost != 0);
        assert_int_equal(score_of(world), 50 - refusals[i].cost);
        if (refusals[i].cost != 0) {
            assert_int_equal(entry_of(world)->rejected, refusals[i].cost == 5);
            assert_int_equal(entry_of(world)->deferred, refusals[i].cost == 2);
        }
        world_free(world);
    }
}

TEST(a_refusal_costs_once_for_each_message_and_reason) {
    struct world *world = world_of_reputation();
    world->request.instance = STR("1.1.1");
    assert_int_equal(refuse(world, POLICY_QUOTAS, VERDICT_REJECT, REASON_QUOTA_EXCEEDED), 2);
    assert_int_equal(refuse(world, POLICY_QUOTAS, VERDICT_REJECT, REASON_QUOTA_EXCEEDED), 0);
    assert_int_equal(score_of(world), 45);
    assert_int_equal(
        refuse(world, POLICY_SENDER_IDENTITY, VERDICT_REJECT, REASON_IDENTITY_NOT_OWNED), 2);
    assert_int_equal(score_of(world), 40);
    world->request.instance = STR("1.1.2");
    (void)refuse(world, POLICY_QUOTAS, VERDICT_DEFER, REASON_QUOTA_EXCEEDED);
    assert_int_equal(score_of(world), 38);
    world->request.policy_client = STR("203.0.113.7"); /* another host counts its own messages */
    (void)refuse(world, POLICY_QUOTAS, VERDICT_DEFER, REASON_QUOTA_EXCEEDED);
    assert_int_equal(score_of(world), 36);
    world_free(world);
}

TEST(users_and_trusted_clients_have_no_score) {
    struct world *world = world_of_reputation();
    world->request.sasl_username = STR("alice");
    assert_int_equal(refuse(world, POLICY_QUOTAS, VERDICT_REJECT, REASON_QUOTA_EXCEEDED), 0);
    assert_int_equal(world_send(world)->effect_count, 0);
    world->request.sasl_username = STR("");
    static struct ip_prefix network;
    assert_true(ip_prefix_parse(STR("192.0.2.0/24"), &network, NULL));
    world->settings.trusted_networks = &network;
    world->settings.trusted_network_count = 1;
    assert_int_equal(refuse(world, POLICY_QUOTAS, VERDICT_REJECT, REASON_QUOTA_EXCEEDED), 0);
    assert_int_equal(world_send(world)->effect_count, 0);
    assert_null(entry_of(world));
    world_free(world);
}

TEST(scores_stay_inside_their_bounds) {
    struct world *world = world_of_reputation();
    world->settings.ip_reputation.block_threshold = 0;
    for (int i = 0; i < 60; i++) {
        (void)world_send(world);
    }
    assert_int_equal(score_of(world), 100);
    for (int i = 0; i < 30; i++) {
        (void)refuse(world, POLICY_QUOTAS, VERDICT_REJECT, REASON_QUOTA_EXCEEDED);
    }
    assert_int_equal(score_of(world), 0);
    world->settings.ip_reputation.min_score = 20;
    (void)refuse(world, POLICY_QUOTAS, VERDICT_DEFER, REASON_QUOTA_EXCEEDED);
    assert_int_equal(score_of(world), 20);
    world_free(world);
}

TEST(a_score_moves_from_where_it_has_recovered_to) {
    struct world *world = world_of_reputation();
    set_score(world, 20);
    world->now_s += 7 * DAY_S + 6 * HOUR_S;
    (void)world_send(world);
    assert_int_equal(score_of(world), 26);
    assert_int_equal(entry_of(world)->head.last_used_s, world->now_s);
    assert_int_equal(entry_of(world)->head.expires_s, world->now_s + 180 * DAY_S + 1);
    world_free(world);
}

TEST(a_forgotten_address_begins_anew) {
    struct world *world = world_of_reputation();
    set_score(world, 20);
    world->now_s += 180 * DAY_S;
    (void)world_send(world);
    assert_int_equal(score_of(world), 51);
    assert_int_equal(entry_of(world)->revision, 2);
    world_free(world);
}

TEST(shadow_learns_and_refuses_nobody) {
    struct world *world = world_of_reputation();
    world->settings.policies[POLICY_IP_REPUTATION].mode = POLICY_MODE_SHADOW;
    set_score(world, 5);
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_int_equal(world->decision.steps[3].verdict, VERDICT_REJECT);
    assert_int_equal(score_of(world), 6);
    world_free(world);
}

TEST(a_refusal_in_shadow_costs_nothing) {
    struct world *world = world_of_reputation();
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
    world->settings.policies[POLICY_ACL_BLOCK].mode = POLICY_MODE_SHADOW;
    assert_int_equal(world_send(world)->steps[1].verdict, VERDICT_REJECT);
    assert_int_equal(score_of(world), 51);
    world_free(world);
}

TEST(switched_off_it_keeps_quiet) {
    struct world *world = world_of_reputation();
    set_score(world, 0);
    world->settings.policies[POLICY_IP_REPUTATION].enabled = false;
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_int_equal(world->decision.effect_count, 0);
    world->request.state = PROTOCOL_STATE_END_OF_MESSAGE;
    (void)world_send(world);
    assert_int_equal(score_of(world), 0);
    world_free(world);
}
