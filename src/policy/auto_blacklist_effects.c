/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/auto_blacklist_effects.h"

#include <string.h>

static uint32_t saturating_add(uint32_t time_s, int64_t duration_s) {
    const int64_t then = (int64_t)time_s + duration_s;
    return then < (int64_t)UINT32_MAX ? (uint32_t)then : UINT32_MAX - 1;
}

static uint8_t pack_detail(unsigned trigger, unsigned offences) {
    return (uint8_t)(trigger | offences << 4);
}

/* The next change of what stands at the key now. */
static struct effect change(const struct sip_key *key, struct ip_address client_address,
                            const struct blacklist_entry *entry, uint32_t until_s, uint32_t now_s) {
    const struct state_network network = state_network_of(client_address);
    const uint32_t revision = entry != NULL ? entry->revision : 0;
    unsigned flags = network.is_v4 ? EFFECT_IS_V4 : 0;
    if (until_s == BLACKLIST_FOR_GOOD) {
        flags |= EFFECT_PERMANENT;
    }
    return (struct effect){
        .kind = EFFECT_BLACKLIST_CHANGED,
        .flags = (uint8_t)flags,
        .key = blacklist_key(key, client_address),
        .time_s = now_s,
        .expires_s = until_s,
        .epoch_s = revision < UINT32_MAX ? revision + 1 : UINT32_MAX,
        .network = network.bits,
    };
}

static struct effect forget(const struct blacklist_rule_settings *rule, struct hash128 key,
                            uint32_t epoch_s, uint32_t now_s) {
    return (struct effect){
        .kind = EFFECT_OFFENCE_FORGOTTEN,
        .key = key,
        .time_s = now_s,
        .expires_s = saturating_add(now_s, rule->window_s + 1),
        .epoch_s = epoch_s < UINT32_MAX ? epoch_s + 1 : UINT32_MAX,
    };
}

struct effect blacklist_block_effect(const struct state *state, struct ip_address client_address,
                                     uint32_t until_s, uint32_t now_s) {
    const struct blacklist_entry *entry =
        state_find(state, STATE_BLACKLIST, blacklist_key(&state->key, client_address));
    struct effect effect = change(&state->key, client_address, entry, until_s, now_s);
    effect.detail = pack_detail(BLACKLIST_BY_HAND, blacklist_standing(entry, now_s).offences);
    return effect;
}

bool blacklist_permanent_effect(const struct state *state, struct ip_address client_address,
                                uint32_t now_s, struct effect *ret_effect) {
    const struct blacklist_entry *entry =
        state_find(state, STATE_BLACKLIST, blacklist_key(&state->key, client_address));
    const struct blacklist_standing standing = blacklist_standing(entry, now_s);
    if (!standing.blocked) {
        return false;
    }
    *ret_effect = change(&state->key, client_address, entry, BLACKLIST_FOR_GOOD, now_s);
    ret_effect->detail = pack_detail(standing.trigger, standing.offences);
    return true;
}

size_t blacklist_release_effects(const struct state *state,
                                 const struct auto_blacklist_settings *settings,
                                 struct ip_address client_address, uint32_t now_s,
                                 struct effect ret_effects[BLACKLIST_RELEASE_EFFECTS_MAX]) {
    const struct blacklist_entry *entry =
        state_find(state, STATE_BLACKLIST, blacklist_key(&state->key, client_address));
    const struct blacklist_standing standing = blacklist_standing(entry, now_s);
    size_t count = 0;
    if (standing.known && !standing.released) {
        /* Kept so long that an older block from another node does not come back. */
        struct effect *release = &ret_effects[count++];
        *release = change(&state->key, client_address, entry,
                          saturating_add(now_s, BLACKLIST_REMEMBER_S), now_s);
        release->flags |= EFFECT_RELEASED;
        release->detail = pack_detail(standing.trigger, 0);
    }
    for (unsigned i = BLACKLIST_REJECTIONS; i < BLACKLIST_TRIGGERS; i++) {
        const struct hash128 key =
            blacklist_offence_key(&state->key, client_address, (enum blacklist_trigger)i);
        const struct offence_entry *offences = state_find(state, STATE_OFFENCE, key);
        if (offences != NULL && offences->width_s != 0) {
            ret_effects[count++] = forget(&settings->rules[i], key, offences->epoch_s, now_s);
        }
    }
    return count;
}

/* --- counting ----------------------------------------------------------------------------------
 */

void blacklist_digest_offences(const void *entry, uint32_t now_s, void *ret_digest) {
    const struct offence_entry *offences = entry;
    const struct offence_digest digest = {
        .epoch_s = offences->epoch_s,
        .width_s = offences->width_s,
        .count = blacklist_offence_count(offences, now_s),
        .present = 1,
    };
    memcpy(ret_digest, &digest, sizeof digest);
}

static uint32_t bucket_width(const struct blacklist_rule_settings *rule) {
    return (uint32_t)((rule->window_s + OFFENCE_RING - 1) / OFFENCE_RING);
}

/* Each further block twice as long as the one before, up to a year. */
static int64_t block_duration(const struct auto_blacklist_settings *settings,
                              const struct blacklist_rule_settings *rule, unsigned offences) {
    int64_t duration_s = rule->duration_s;
    for (unsigned i = 1; settings->double_duration && i < offences; i++) {
        if (duration_s >= BLACKLIST_DURATION_MAX_S) {
            break;
        }
        duration_s *= 2;
        if (duration_s > BLACKLIST_DURATION_MAX_S) {
            duration_s = BLACKLIST_DURATION_MAX_S;
        }
    }
    return duration_s;
}

static size_t block(const struct blacklist_cause *cause, struct effect ret_effects[]) {
    const struct blacklist_rule_settings *rule = &cause->settings->rules[cause->trigger];
    const unsigned before = blacklist_standing(cause->block, cause->now_s).offences;
    const unsigned offences = before < BLACKLIST_OFFENCES_MAX ? before + 1 : before;
    const uint32_t until_s =
        saturating_add(cause->now_s, block_duration(cause->settings, rule, offences));
    ret_effects[0] = change(cause->key, cause->client_address, cause->block, until_s, cause->now_s);
    ret_effects[0].detail = pack_detail(cause->trigger, offences);
    ret_effects[1] = forget(rule, cause->offence_key,
                            cause->offences != NULL ? cause->offences->epoch_s : 0, cause->now_s);
    return 2;
}

static struct effect count_one(const struct blacklist_cause *cause, uint32_t epoch_s,
                               uint32_t width_s) {
    const struct blacklist_rule_settings *rule = &cause->settings->rules[cause->trigger];
    return (struct effect){
        .kind = EFFECT_OFFENCE_COUNTED,
        .key = cause->offence_key,
        .time_s = cause->now_s,
        .expires_s = saturating_add(cause->now_s, rule->window_s + 1),
        .epoch_s = epoch_s,
        .width_s = width_s,
    };
}

size_t blacklist_count(const struct blacklist_cause *cause,
                       struct effect ret_effects[BLACKLIST_COUNT_EFFECTS_MAX], bool *ret_blocked) {
    const struct blacklist_rule_settings *rule = &cause->settings->rules[cause->trigger];
    const struct offence_digest *offences = cause->offences;
    const uint32_t width_s = bucket_width(rule);
    uint32_t epoch_s = effect_new_epoch(0, cause->now_s);
    uint32_t before = 0;
    if (offences != NULL && (offences->width_s == width_s || offences->width_s == 0)) {
        epoch_s = offences->epoch_s;
        before = offences->count;
    } else if (offences != NULL) { /* another window: counting begins anew */
        epoch_s = effect_new_epoch(offences->epoch_s, cause->now_s);
    }
    *ret_blocked = (int64_t)before + 1 >= rule->threshold;
    if (*ret_blocked) {
        return block(cause, ret_effects);
    }
    ret_effects[0] = count_one(cause, epoch_s, width_s);
    return 1;
}

size_t blacklist_count_effects(const struct state *state,
                               const struct auto_blacklist_settings *settings,
                               struct ip_address client_address, enum blacklist_trigger trigger,
                               uint32_t now_s,
                               struct effect ret_effects[BLACKLIST_COUNT_EFFECTS_MAX],
                               bool *ret_blocked) {
    struct offence_digest digest;
    struct blacklist_cause cause = {
        .settings = settings,
        .key = &state->key,
        .client_address = client_address,
        .trigger = trigger,
        .block = state_find(state, STATE_BLACKLIST, blacklist_key(&state->key, client_address)),
        .offence_key = blacklist_offence_key(&state->key, client_address, trigger),
        .now_s = now_s,
    };
    *ret_blocked = false;
    if (!settings->rules[trigger].enabled || blacklist_standing(cause.block, now_s).blocked) {
        return 0;
    }
    const void *offences = state_find(state, STATE_OFFENCE, cause.offence_key);
    if (offences != NULL) {
        blacklist_digest_offences(offences, now_s, &digest);
        cause.offences = &digest;
    }
    return blacklist_count(&cause, ret_effects, ret_blocked);
}
