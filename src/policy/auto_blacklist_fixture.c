/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/auto_blacklist_fixture.h"

#include "policy/policy_run.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

struct world *world_of_rules(void) {
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

uint32_t now_of(const struct world *world) {
    return (uint32_t)world->now_s;
}

const struct blacklist_entry *entry_of(const struct world *world) {
    return state_find(&world->state, STATE_BLACKLIST,
                      blacklist_key(&world->state.key, world->request.client_address));
}

struct blacklist_standing standing_of(const struct world *world) {
    return blacklist_standing(entry_of(world), now_of(world));
}

const struct offence_entry *offences_of(const struct world *world, enum blacklist_trigger trigger) {
    return state_find(
        &world->state, STATE_OFFENCE,
        blacklist_offence_key(&world->state.key, world->request.client_address, trigger));
}

uint32_t count_of(const struct world *world) {
    return blacklist_offence_count(offences_of(world, BLACKLIST_REJECTIONS), now_of(world));
}

size_t refuse(struct world *world, enum policy_id policy, enum verdict verdict,
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

size_t reject(struct world *world) {
    return refuse(world, POLICY_QUOTAS, VERDICT_REJECT, REASON_QUOTA_EXCEEDED);
}

void reject_times(struct world *world, int times) {
    for (int i = 0; i < times; i++) {
        (void)reject(world);
    }
}

void apply(struct world *world, struct effect effect) {
    effect_apply(&world->state, &effect, ++world->sequence);
}

uint32_t offend(struct world *world) {
    reject_times(world, 5);
    const struct blacklist_standing standing = standing_of(world);
    assert_true(standing.blocked);
    const uint32_t duration_s = standing.until_s - now_of(world);
    world->now_s = standing.until_s;
    return duration_s;
}
