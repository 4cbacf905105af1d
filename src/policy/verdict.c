/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/verdict.h"

#include <stddef.h>

static const struct policy_info unknown_policy = {.name = "unknown"};

static const struct policy_info policies[POLICY_LIMIT] = {
    [POLICY_NONE] = {.name = "none"},
#define POLICY(constant_, name_, number_, priority_, runs_on_, enabled_)                           \
    [POLICY_##constant_] = {.name = (name_), .priority = (priority_), .runs_on = (runs_on_)},
#include "policy/policies.def"
#undef POLICY
};

static const struct reason_info unknown_reason = {
    .word = "unknown",
    .sentence = "A newer release decided this, for a reason this one does not know.",
    .advice = "Look at it with the release that wrote it.",
    .policy = POLICY_NONE,
};

static const struct reason_info reasons[REASON_LIMIT] = {
#define REASON(constant_, number_, word_, policy_, sentence_, advice_)                             \
    [REASON_##constant_] = {.word = (word_),                                                       \
                            .sentence = (sentence_),                                               \
                            .advice = (advice_),                                                   \
                            .policy = POLICY_##policy_},
#include "policy/reasons.def"
#undef REASON
};

const struct policy_info *policy_info(unsigned policy) {
    return policy < POLICY_LIMIT ? &policies[policy] : &unknown_policy;
}

const struct reason_info *reason_info(unsigned reason) {
    return reason < REASON_LIMIT ? &reasons[reason] : &unknown_reason;
}

enum policy_id policy_find(struct str name) {
    for (unsigned i = POLICY_NONE + 1; i < POLICY_LIMIT; i++) {
        if (str_equal(name, str_from(policies[i].name))) {
            return (enum policy_id)i;
        }
    }
    return POLICY_NONE;
}

bool reason_find(struct str word, enum reason *ret_reason) {
    for (unsigned i = 0; i < REASON_LIMIT; i++) {
        if (str_equal(word, str_from(reasons[i].word))) {
            *ret_reason = (enum reason)i;
            return true;
        }
    }
    return false;
}

const char *verdict_name(enum verdict verdict) {
    switch (verdict) {
    case VERDICT_NONE:
        return "none";
    case VERDICT_ACCEPT:
        return "accept";
    case VERDICT_DEFER:
        return "defer";
    case VERDICT_REJECT:
        return "reject";
    case VERDICTS:
        break;
    }
    return "unknown";
}

const char *decision_verdict_name(enum verdict verdict) {
    return verdict_name(verdict == VERDICT_NONE ? VERDICT_ACCEPT : verdict);
}

const char *direction_name(enum direction direction) {
    return direction == DIRECTION_OUTBOUND ? "outbound" : "inbound";
}
