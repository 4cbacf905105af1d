/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/ip_reputation_fixture.h"

const struct ip_reputation_settings reputation_usual = {
    .initial_score = 50,
    .min_score = 0,
    .max_score = 100,
    .accepted = 1,
    .rejected = 5,
    .deferred = 2,
    .block_threshold = 10,
    .skip_greylist_threshold = 80,
    .decay_amount = 5,
    .decay_interval_s = 6 * HOUR_S,
    .decay_days = 7,
    .known_ttl_s = 180 * DAY_S,
};

struct world *world_of_reputation(void) {
    struct world *world = world_new(1000);
    world_enable(world, POLICY_IP_REPUTATION);
    world->settings.ip_reputation = reputation_usual;
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
    world->settings.quotas.end_of_data_hook = END_OF_DATA_OFF;
    return world;
}

const struct reputation_entry *entry_of(const struct world *world) {
    return state_find(&world->state, STATE_REPUTATION,
                      reputation_key(&world->state.key, world->request.client_address));
}

uint8_t score_of(const struct world *world) {
    return reputation_standing(&reputation_usual, entry_of(world), (uint32_t)world->now_s).score;
}

void set_score(struct world *world, uint8_t score) {
    const struct effect effect = {
        .kind = EFFECT_REPUTATION_CHANGED,
        .detail = score,
        .key = reputation_key(&world->state.key, world->request.client_address),
        .time_s = (uint32_t)world->now_s,
        .expires_s = (uint32_t)world->now_s + 180 * DAY_S,
        .epoch_s = entry_of(world) != NULL ? entry_of(world)->revision + 1 : 1,
    };
    effect_apply(&world->state, &effect, ++world->sequence);
}
