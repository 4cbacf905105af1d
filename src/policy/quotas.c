/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "policy/decision_ahead.h"
#include "policy/quota_parts.h"

/* A recipient: charged, exempt or refused (SPEC 4.6). What is charged is reserved until the end of
 * the message, or committed at once where Postfix does not tell that end. */

enum { MINUTE_S = 60, WINDOW_BITS = 3, PAIR_BITS = 4 };

/* --- what was said ------------------------------------------------------------------------------
 */

/* Read and written under the same key by one decision. */
static struct hash128 outcome_key(struct policy_run *run) {
    if (!run->outcome_key_known) {
        const struct decision_ahead *ahead = run->source->ahead;
        run->outcome_key = ahead != NULL && ahead->quotas_known
                               ? ahead->outcome
                               : quota_outcome_key(&run->source->state->key, run->request,
                                                   policy_run_recipient(run));
        run->outcome_key_known = true;
    }
    return run->outcome_key;
}

const struct once_entry *quota_read_outcome(struct policy_run *run) {
    return run->request->instance.length > 0
               ? decision_read_entry(run, STATE_ONCE, outcome_key(run))
               : NULL;
}

static void add_outcome(struct policy_run *run, uint64_t value) {
    if (run->request->instance.length == 0) {
        return;
    }
    decision_add_effect(run, (struct effect){
                                 .kind = EFFECT_ONCE,
                                 .on_acceptance = quota_outcome_of(value) != QUOTA_REFUSED,
                                 .key = outcome_key(run),
                                 .time_s = run->now_s,
                                 .expires_s = quota_later(run->now_s, QUOTA_ANSWER_TTL_S),
                                 .amount = (int64_t)value,
                             });
}

/* --- refusing -----------------------------------------------------------------------------------
 */

struct refusal {
    enum quota_scope scope;
    enum quota_unit unit;
    enum quota_window window;
    enum verdict verdict;
    uint32_t rule_id;
};

static uint64_t pack_refusal(const struct refusal *refusal) {
    uint64_t value = refusal->rule_id;
    value = value << 1 | (refusal->verdict == VERDICT_REJECT ? 1 : 0);
    value = value << PAIR_BITS | quota_pair_number(refusal->scope, refusal->unit);
    value = value << WINDOW_BITS | refusal->window;
    return value << QUOTA_OUTCOME_BITS | QUOTA_REFUSED;
}

/* False: no release has packed that, so the entry is damaged and says nothing. */
static bool unpack_refusal(uint64_t value, struct refusal *ret_refusal) {
    value >>= QUOTA_OUTCOME_BITS;
    const unsigned window = (unsigned)(value & ((1u << WINDOW_BITS) - 1));
    value >>= WINDOW_BITS;
    const unsigned pair = (unsigned)(value & ((1u << PAIR_BITS) - 1));
    value >>= PAIR_BITS;
    if (pair >= QUOTA_PAIRS || window >= QUOTA_WINDOWS || value >> 1 > UINT32_MAX) {
        return false;
    }
    *ret_refusal = (struct refusal){
        .scope = (enum quota_scope)(pair / QUOTA_UNITS),
        .unit = (enum quota_unit)(pair % QUOTA_UNITS),
        .window = (enum quota_window)window,
        .verdict = (value & 1) != 0 ? VERDICT_REJECT : VERDICT_DEFER,
        .rule_id = (uint32_t)(value >> 1),
    };
    return true;
}

static enum verdict refusal_verdict(const struct policy_run *run, enum quota_window window) {
    switch (run->settings->quotas.refusal) {
    case QUOTA_REFUSAL_DEFER:
        return VERDICT_DEFER;
    case QUOTA_REFUSAL_REJECT:
        return VERDICT_REJECT;
    case QUOTA_REFUSAL_AUTO:
        break;
    }
    return window <= QUOTA_HOUR ? VERDICT_DEFER : VERDICT_REJECT;
}

/* "user bob@example.com 500 recipients/day (default)" */
static void name_rule(struct policy_run *run, const struct quota_case *quota,
                      const struct refusal *refusal) {
    enum { NAME_MAX = 256 };
    char room[RULE_MAX];
    struct text name = TEXT_OVER(room);
    text_add(&name, str_from(quota_scope_name(refusal->scope)));
    const struct quota_subject *subject = &quota->subject;
    if (refusal->scope == QUOTA_USER || refusal->scope == QUOTA_DOMAIN) {
        text_add_byte(&name, ' ');
        text_add(&name, str_slice(refusal->scope == QUOTA_USER ? subject->user : subject->domain, 0,
                                  NAME_MAX));
    } else if (refusal->scope == QUOTA_IP) {
        const struct state_network network = state_network_of(subject->address);
        text_add_byte(&name, ' ');
        ip_prefix_format(
            (struct ip_prefix){.address = state_network_address(network.bits, network.is_v4),
                               .bits = network.is_v4 ? 128 : 64},
            &name);
    }
    for (size_t i = 0; i < quota->pair_count; i++) {
        const struct quota_pair *pair = &quota->pairs[i];
        if (pair->limits != NULL && pair->scope == refusal->scope && pair->unit == refusal->unit &&
            pair->limits->ids[refusal->window] == refusal->rule_id) {
            text_add_byte(&name, ' ');
            quota_add_limit(&name, pair->limits->limits[refusal->window], refusal->unit,
                            refusal->window);
            text_add(&name, (pair->limits->defaults & 1u << refusal->window) != 0
                                ? STR(" (default)")
                                : STR(""));
        }
    }
    policy_run_name_rule(run, RULE_QUOTA, refusal->rule_id, text_str(&name), STR(""));
}

static struct policy_answer refuse(struct policy_run *run, const struct quota_case *quota,
                                   const struct refusal *refusal) {
    const struct zone *zone = &run->settings->zone;
    name_rule(run, quota, refusal);
    return (struct policy_answer){
        .verdict = refusal->verdict,
        .reason = REASON_QUOTA_EXCEEDED,
        .retry_in_s = refusal->verdict == VERDICT_DEFER
                          ? quota_window_end(zone, refusal->window, run->now_s) - run->now_s
                          : 0,
        .rule = run->rule_name,
    };
}

/* The limit of the longest window that would be exceeded; of several the first. */
static bool find_exceeded(const struct policy_run *run, const struct quota_case *quota,
                          struct refusal *ret_refusal) {
    bool found = false;
    for (size_t i = 0; i < quota->pair_count; i++) {
        const struct quota_pair *pair = &quota->pairs[i];
        for (unsigned left = pair->change > 0 ? pair->windows : 0; left != 0; left &= left - 1) {
            const unsigned w = (unsigned)__builtin_ctz(left);
            const enum quota_window window = (enum quota_window)w;
            const uint64_t limit = pair->limits->limits[w];
            const uint64_t counted = quota_counted(quota, pair, window);
            const bool fits = counted <= limit && (uint64_t)pair->change <= limit - counted;
            if (!fits && (!found || window > ret_refusal->window)) {
                *ret_refusal = (struct refusal){.scope = pair->scope,
                                                .unit = pair->unit,
                                                .window = window,
                                                .verdict = refusal_verdict(run, window),
                                                .rule_id = pair->limits->ids[w]};
                found = true;
            }
        }
    }
    return found;
}

/* --- charging -----------------------------------------------------------------------------------
 */

/* What a message has reserved, and what it will have with one recipient more. */
struct charge {
    bool at_once;    /* commit: nobody will tell the end of the message */
    bool live;       /* what it has reserved still counts */
    uint32_t minute; /* in which it stands */
    uint64_t recipients;
    uint64_t bytes;
};

static bool commits_at_once(struct policy_run *run, const struct quota_case *quota) {
    if (quota->message != NULL) {
        return quota->message->state == MESSAGE_ENDED;
    }
    return run->request->instance.length == 0 || !policy_run_sees_end_of_data(run);
}

static struct charge charge_of(struct policy_run *run, const struct quota_case *quota) {
    const struct message_entry *message = quota->message;
    struct charge charge = {.at_once = commits_at_once(run, quota),
                            .bytes = quota_message_bytes(run)};
    if (message != NULL && quota_message_held(message) > 0) {
        charge.live = quota_message_is_live(message, run->now_s);
        charge.minute = message->minute;
        charge.recipients = quota_message_held(message);
        charge.bytes = message->bytes;
    }
    return charge;
}

/* How much of the pair the message has taken, in a way that still counts. */
static uint64_t taken(const struct charge *charge, const struct quota_pair *pair) {
    return pair->charged && (charge->live || charge->at_once)
               ? quota_amount(pair, charge->recipients, charge->bytes)
               : 0;
}

static uint64_t wanted(const struct charge *charge, const struct quota_pair *pair) {
    /* Of a recipient that was committed at once nothing is known here but that it was one. */
    const bool alone = charge->at_once && !pair->charged;
    return quota_amount(pair, alone ? 1 : charge->recipients + 1, charge->bytes);
}

static void add_charges(struct policy_run *run, const struct quota_case *quota,
                        const struct charge *charge) {
    const uint32_t minute = run->now_s / MINUTE_S;
    for (size_t i = 0; i < quota->pair_count; i++) {
        const struct quota_pair *pair = &quota->pairs[i];
        if (charge->at_once) {
            quota_add_committed(run, pair, (uint64_t)pair->change);
        } else if (charge->minute == minute) {
            quota_add_reserved(run, pair, minute, pair->change);
        } else {
            const uint64_t before = taken(charge, pair);
            quota_add_reserved(run, pair, charge->minute, -(int64_t)before);
            quota_add_reserved(run, pair, minute, (int64_t)before + pair->change);
        }
    }
}

/* The message, if it is told apart from others. */
static void add_message(struct policy_run *run, const struct quota_case *quota, bool at_once,
                        bool exempt) {
    if (run->request->instance.length > 0) {
        quota_add_charged(run, quota, exempt);
        if (at_once) {
            quota_add_ended(run, quota, 0);
        }
    }
}

/* Not counted, neither now nor at the end of the message. */
static void spare(struct policy_run *run, const struct quota_case *quota, uint64_t outcome) {
    add_outcome(run, outcome);
    add_message(run, quota, commits_at_once(run, quota), true);
}

static struct policy_answer charge_recipient(struct policy_run *run, struct quota_case *quota) {
    const struct charge charge = charge_of(run, quota);
    struct refusal refusal;
    for (size_t i = 0; i < quota->pair_count; i++) {
        struct quota_pair *pair = &quota->pairs[i];
        pair->change = (int64_t)(wanted(&charge, pair) - taken(&charge, pair));
    }
    if (find_exceeded(run, quota, &refusal)) {
        for (size_t i = 0; i < quota->pair_count; i++) {
            quota->pairs[i].change = 0;
        }
        quota_add_alerts(run, quota, false);
        /* In shadow the recipient is accepted all the same: it is not to be counted then. */
        spare(run, quota, pack_refusal(&refusal));
        return refuse(run, quota, &refusal);
    }
    add_charges(run, quota, &charge);
    add_outcome(run, QUOTA_CHARGED);
    add_message(run, quota, charge.at_once, false);
    quota_add_alerts(run, quota, true);
    return (struct policy_answer){.verdict = VERDICT_NONE};
}

/* Charged once, but not any more: the message went on with another connection. */
static bool was_given_back(const struct quota_case *quota, const struct once_entry *said) {
    const struct message_entry *message = quota->message;
    return quota_outcome_of(said->value) == QUOTA_CHARGED && message != NULL &&
           message->state == MESSAGE_OPEN && message->released > 0 &&
           quota_message_held(message) == 0;
}

struct policy_answer quotas_run(struct policy_run *run) {
    struct quota_case quota;
    const struct policy_answer abstain = {.verdict = VERDICT_NONE};
    if (quota_pairs_asked(run) == 0) {
        return abstain;
    }
    quota_case_init(&quota, run);
    quota_case_read_limits(&quota, run);
    if (quota.pair_count == 0) {
        return abstain;
    }
    const struct once_entry *said = quota_read_outcome(run);
    if (said != NULL && quota_outcome_of(said->value) == QUOTA_REFUSED) {
        struct refusal refusal;
        if (unpack_refusal(said->value, &refusal)) {
            return refuse(run, &quota, &refusal);
        }
        said = NULL;
    }
    quota_case_read_message(&quota, run);
    if (said != NULL && !was_given_back(&quota, said)) {
        return abstain;
    }
    if (quota_is_exempt(run)) {
        spare(run, &quota, QUOTA_EXEMPT);
        return abstain;
    }
    quota_case_read_usage(&quota, run);
    return charge_recipient(run, &quota);
}
