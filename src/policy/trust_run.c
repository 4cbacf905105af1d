/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/trust_run.h"

#include "policy/decision_ahead.h"

/* Longer than the same message is spoken of. */
enum { ONCE_TTL_S = 3600 };

bool trust_concerns(const struct policy_run *run) {
    return run->decision->direction == DIRECTION_INBOUND &&
           !ip_address_is_none(run->request->client_address);
}

const struct list_match *trust_allowed(struct policy_run *run) {
    if (!run->client_allowed_known) {
        run->client_allowed = decision_read_reputation_allow(run);
        run->client_allowed_known = true;
    }
    return run->client_allowed;
}

static bool is_refusal(enum verdict verdict) {
    return verdict == VERDICT_DEFER || verdict == VERDICT_REJECT;
}

/* "quota:4 global 1000 recipients/day": used up by everybody, which is no client's doing. */
static bool is_global_limit(const struct decision *decision) {
    const struct str rule = {decision->rule, decision->rule_length};
    const size_t blank = str_find(rule, ' ');
    const struct str global = STR("global");
    return decision->policy == POLICY_QUOTAS && blank != SIZE_MAX &&
           str_equal(str_slice(rule, blank + 1, blank + 1 + global.length), global);
}

bool trust_refused(const struct policy_run *run) {
    const struct decision *decision = run->decision;
    return is_refusal(decision->verdict) && decision->policy != POLICY_AUTO_BLACKLIST &&
           decision->policy != POLICY_IP_REPUTATION && decision->policy != POLICY_ACL_BLOCK &&
           decision->policy != POLICY_SENDER_RESTRICTIONS &&
           decision->reason != REASON_FACT_UNAVAILABLE &&
           decision->reason != REASON_SPF_TEMPERROR && !is_global_limit(decision);
}

static bool is_noted(const struct decision *decision, struct hash128 key) {
    for (size_t i = 0; i < decision->effect_count; i++) {
        const struct effect *effect = &decision->effects[i];
        if (effect->kind == EFFECT_ONCE && effect->key.high == key.high &&
            effect->key.low == key.low) {
            return true;
        }
    }
    return false;
}

struct hash128 trust_accepted_key(const struct sip_key *key, const struct policy_request *request) {
    return decision_once_key(key, request, STR("accepted"), STR(""));
}

/* `key` of what happens once to the message. */
static bool is_first_time(struct policy_run *run, struct hash128 key) {
    const struct once_entry *seen = decision_read_entry(run, STATE_ONCE, key);
    if (seen != NULL && seen->head.expires_s > run->now_s) {
        return false;
    }
    if (!is_noted(run->decision, key)) {
        decision_add_effect(run, (struct effect){
                                     .kind = EFFECT_ONCE,
                                     .key = key,
                                     .time_s = run->now_s,
                                     .expires_s = run->now_s + ONCE_TTL_S,
                                 });
    }
    return true;
}

bool trust_first_time(struct policy_run *run, struct str what, struct str which) {
    return run->request->instance.length == 0 ||
           is_first_time(run, policy_run_once_key(run, what, which));
}

bool trust_first_acceptance(struct policy_run *run) {
    const struct decision_ahead *ahead = run->source->ahead;
    const bool known = ahead != NULL && ahead->accepted_known;
    return run->request->instance.length == 0 ||
           is_first_time(run, known ? ahead->accepted
                                    : trust_accepted_key(&run->source->state->key, run->request));
}

bool trust_first_refusal(struct policy_run *run) {
    return trust_first_time(run, STR("refused"),
                            str_from(reason_info(run->decision->reason)->word));
}
