/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/auto_blacklist.h"

#include "policy/auto_blacklist_fixture.h"
#include "policy/ip_reputation.h"
#include "policy/policy_run.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* Causes from outside of the blacklist: reputation, policies, quotas. */

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
