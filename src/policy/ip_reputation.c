/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/ip_reputation.h"

#include "policy/policy_run.h"
#include "policy/trust_run.h"

enum { DAY_S = 86400 };

struct hash128 reputation_key(const struct sip_key *key, struct ip_address client_address) {
    return state_network_key(key, client_address);
}

static int64_t clamp(const struct ip_reputation_settings *settings, int64_t score) {
    if (score < settings->min_score) {
        return settings->min_score;
    }
    return score > settings->max_score ? settings->max_score : score;
}

/* SPEC 4.9: up to the initial score, and never down to it. */
static int64_t recovered(const struct ip_reputation_settings *settings, int64_t score,
                         uint32_t last_seen_s, uint32_t now_s) {
    const int64_t quiet_s = (int64_t)now_s - last_seen_s - settings->decay_days * DAY_S;
    if (quiet_s < settings->decay_interval_s || score >= settings->initial_score) {
        return score;
    }
    const int64_t now = score + settings->decay_amount * (quiet_s / settings->decay_interval_s);
    return now < settings->initial_score ? now : settings->initial_score;
}

struct reputation_standing reputation_standing(const struct ip_reputation_settings *settings,
                                               const struct reputation_entry *entry,
                                               uint32_t now_s) {
    if (entry == NULL || entry->head.expires_s <= now_s || entry->forgotten != 0) {
        return (struct reputation_standing){.score = (uint8_t)settings->initial_score};
    }
    return (struct reputation_standing){
        .known = true,
        .score = (uint8_t)recovered(settings, clamp(settings, entry->score),
                                    entry->head.last_used_s, now_s),
        .last_seen_s = entry->head.last_used_s,
        .accepted = entry->accepted,
        .rejected = entry->rejected,
        .deferred = entry->deferred,
    };
}

/* Entries die in the second after the last one that counts. */
static uint32_t last_second(const struct ip_reputation_settings *settings, uint32_t now_s) {
    const int64_t last = (int64_t)now_s + settings->known_ttl_s + 1;
    return last < (int64_t)UINT32_MAX ? (uint32_t)last : UINT32_MAX;
}

static struct effect change(const struct ip_reputation_settings *settings, struct hash128 key,
                            struct ip_address client_address, const struct reputation_entry *entry,
                            uint32_t now_s) {
    const struct state_network network = state_network_of(client_address);
    const uint32_t revision = entry != NULL ? entry->revision : 0;
    return (struct effect){
        .kind = EFFECT_REPUTATION_CHANGED,
        .flags = network.is_v4 ? EFFECT_IS_V4 : 0,
        .key = key,
        .time_s = now_s,
        .expires_s = last_second(settings, now_s),
        .epoch_s = revision < UINT32_MAX ? revision + 1 : UINT32_MAX,
        .network = network.bits,
    };
}

struct effect reputation_reset_effect(const struct ip_reputation_settings *settings,
                                      const struct sip_key *key, struct ip_address client_address,
                                      const struct reputation_entry *entry, uint32_t now_s) {
    struct effect effect =
        change(settings, reputation_key(key, client_address), client_address, entry, now_s);
    effect.flags |= EFFECT_RESET;
    effect.detail = (uint8_t)settings->initial_score;
    return effect;
}

/* --- the policy ------------------------------------------------------------------------------- */

static const struct reputation_entry *read_client(struct policy_run *run, struct hash128 *ret_key) {
    *ret_key = policy_run_network_key(run);
    return decision_read_entry(run, STATE_REPUTATION, *ret_key);
}

struct reputation_standing trust_reputation(struct policy_run *run) {
    if (!run->reputation_known) {
        struct hash128 key;
        const struct reputation_entry *entry = read_client(run, &key);
        run->reputation = reputation_standing(&run->settings->ip_reputation, entry, run->now_s);
        run->reputation_known = true;
    }
    return run->reputation;
}

static struct str name_score(struct policy_run *run, uint8_t score) {
    struct text name = TEXT_OVER(run->rule_name_room);
    text_add(&name, STR("score "));
    text_add_u64(&name, score);
    text_add(&name, STR(", threshold "));
    text_add_u64(&name, (uint64_t)run->settings->ip_reputation.block_threshold);
    return text_str(&name);
}

struct policy_answer ip_reputation_run(struct policy_run *run) {
    const struct ip_reputation_settings *settings = &run->settings->ip_reputation;
    if (settings->block_threshold <= 0 || !trust_concerns(run)) {
        return (struct policy_answer){.verdict = VERDICT_NONE};
    }
    const uint8_t score = trust_reputation(run).score;
    if (score > settings->block_threshold || trust_allowed(run) != NULL) {
        return (struct policy_answer){.verdict = VERDICT_NONE};
    }
    return (struct policy_answer){.verdict = VERDICT_REJECT,
                                  .reason = REASON_REPUTATION_TOO_LOW,
                                  .rule = name_score(run, score)};
}

static void move(struct policy_run *run, int64_t by, uint8_t outcome) {
    const struct ip_reputation_settings *settings = &run->settings->ip_reputation;
    struct hash128 key;
    const struct reputation_entry *entry = read_client(run, &key);
    const struct reputation_standing standing = trust_reputation(run);
    struct effect effect = change(settings, key, run->request->client_address, entry, run->now_s);
    effect.flags |= outcome;
    effect.detail = (uint8_t)clamp(settings, standing.score + by);
    decision_add_effect(run, effect);
}

static void note_accepted(struct policy_run *run) {
    if (trust_first_acceptance(run)) {
        move(run, run->settings->ip_reputation.accepted, EFFECT_OUTCOME_ACCEPTED);
    }
}

static void note_refused(struct policy_run *run) {
    const struct ip_reputation_settings *settings = &run->settings->ip_reputation;
    const bool rejected = run->decision->verdict == VERDICT_REJECT;
    /* To be asked to come back later is no fault. */
    if ((!rejected && run->decision->policy == POLICY_GREYLISTING) || !trust_refused(run) ||
        !trust_first_refusal(run)) {
        return;
    }
    move(run, rejected ? -settings->rejected : -settings->deferred,
         rejected ? EFFECT_OUTCOME_REJECTED : EFFECT_OUTCOME_DEFERRED);
}

void ip_reputation_learn(struct policy_run *run) {
    const enum verdict verdict = run->decision->verdict;
    if (!trust_concerns(run) || trust_allowed(run) != NULL) {
        return;
    }
    if (verdict == VERDICT_DEFER || verdict == VERDICT_REJECT) {
        note_refused(run);
    } else if (!policy_run_sees_end_of_data(run)) {
        note_accepted(run);
    }
}

void ip_reputation_settle(struct policy_run *run) {
    if (run->request->state == PROTOCOL_STATE_END_OF_MESSAGE && trust_concerns(run) &&
        trust_allowed(run) == NULL) {
        note_accepted(run);
    }
}
