/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "policy/decision_ahead.h"
#include "policy/quota_parts.h"
#include "policy/zone.h"

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400, OFFSET_GRAIN_S = 900 };
enum { ALL_PAIRS = (1 << QUOTA_PAIRS) - 1 }; /* a quota_pair_bit() for each */

void quota_case_init(struct quota_case *quota, struct policy_run *run) {
    const bool outbound = run->decision->direction == DIRECTION_OUTBOUND;
    const struct str nobody = {NULL, 0};
    quota->subject = quota_subject_of_user(outbound ? policy_run_identity(run) : nobody,
                                           run->request->client_address);
    quota->message = NULL;
    quota->pair_count = 0;
}

/* --- limits -------------------------------------------------------------------------------------
 */

struct limits_query {
    const struct quota_subject *subject;
    enum quota_scope scope;
    enum quota_unit unit;
};

static bool find_limits(struct policy_run *run, const void *query, void *ret_answer) {
    const struct limits_query *asked = query;
    return rules_quota_limits(run->source->rules, asked->scope, asked->unit, asked->subject,
                              run->now_s, ret_answer);
}

/* The key of what has been used, which is on its way then; it may have been looked for ahead. */
static struct hash128 find_usage(const struct policy_run *run, const struct quota_pair *pair,
                                 const struct quota_subject *subject) {
    const struct decision_source *source = run->source;
    if (source->ahead != NULL &&
        (source->ahead->usage_known & quota_pair_bit(pair->scope, pair->unit)) != 0) {
        const struct hash128 ahead =
            source->ahead->usage[quota_pair_number(pair->scope, pair->unit)];
        state_prefetch_whole(source->state, STATE_QUOTA, ahead);
        return ahead;
    }
    const struct hash128 key = quota_key(&source->state->key, pair->scope, pair->unit, subject);
    if (source->recorded == NULL) {
        state_prefetch(source->state, STATE_QUOTA, key);
    }
    return key;
}

static struct quota_pair *add_pair(struct quota_case *quota, struct policy_run *run,
                                   enum quota_scope scope, enum quota_unit unit) {
    CHECK(quota->pair_count < QUOTA_PAIRS);
    struct quota_pair *pair = &quota->pairs[quota->pair_count++];
    *pair = (struct quota_pair){
        .scope = scope,
        .unit = unit,
    };
    pair->key = find_usage(run, pair, &quota->subject);
    return pair;
}

static unsigned windows_of(const struct quota_limits *limits) {
    unsigned windows = 0;
    for (unsigned window = 0; window < QUOTA_WINDOWS; window++) {
        windows |= (limits->ids[window] != 0 ? 1U : 0U) << window;
    }
    return windows;
}

unsigned quota_pairs_asked(const struct policy_run *run) {
    return policy_run_rules_live(run) ? rules_quota_pairs(run->source->rules) : ALL_PAIRS;
}

void quota_case_read_limits(struct quota_case *quota, struct policy_run *run) {
    for (unsigned left = quota_pairs_asked(run); left != 0; left &= left - 1) {
        const unsigned i = (unsigned)__builtin_ctz(left);
        const struct limits_query query = {.subject = &quota->subject,
                                           .scope = (enum quota_scope)(i / QUOTA_UNITS),
                                           .unit = (enum quota_unit)(i % QUOTA_UNITS)};
        if (!quota_subject_has(&quota->subject, query.scope)) {
            continue;
        }
        const struct quota_limits *limits =
            decision_read_rule(run, RULE_QUOTA, query.scope * 8u + query.unit, find_limits, &query);
        if (limits != NULL) {
            struct quota_pair *pair = add_pair(quota, run, query.scope, query.unit);
            pair->limits = limits;
            pair->windows = windows_of(limits);
        }
    }
}

/* --- the message --------------------------------------------------------------------------------
 */

static struct quota_pair *find_pair(struct quota_case *quota, enum quota_scope scope,
                                    enum quota_unit unit) {
    for (size_t i = 0; i < quota->pair_count; i++) {
        if (quota->pairs[i].scope == scope && quota->pairs[i].unit == unit) {
            return &quota->pairs[i];
        }
    }
    return NULL;
}

struct hash128 quota_message_key(const struct sip_key *key, const struct policy_request *request) {
    const struct str parts[] = {request->policy_client, decision_value(request->instance)};
    return state_key(key, STATE_MESSAGE, parts, sizeof parts / sizeof parts[0]);
}

struct hash128 quota_outcome_key(const struct sip_key *key, const struct policy_request *request,
                                 struct str recipient) {
    return decision_once_key(key, request, STR("rcpt"), recipient);
}

void quota_case_read_message(struct quota_case *quota, struct policy_run *run) {
    if (run->request->instance.length == 0) {
        return;
    }
    const struct decision_ahead *ahead = run->source->ahead;
    quota->message_key = ahead != NULL && ahead->quotas_known
                             ? ahead->message
                             : quota_message_key(&run->source->state->key, run->request);
    quota->message = decision_read_entry(run, STATE_MESSAGE, quota->message_key);
    unsigned left = quota->message != NULL ? quota->message->charged & ALL_PAIRS : 0;
    for (; left != 0; left &= left - 1) {
        const unsigned i = (unsigned)__builtin_ctz(left);
        const enum quota_scope scope = (enum quota_scope)(i / QUOTA_UNITS);
        const enum quota_unit unit = (enum quota_unit)(i % QUOTA_UNITS);
        if (!quota_subject_has(&quota->subject, scope)) {
            continue;
        }
        struct quota_pair *pair = find_pair(quota, scope, unit);
        pair = pair != NULL ? pair : add_pair(quota, run, scope, unit);
        pair->charged = true;
    }
}

bool quota_message_is_live(const struct message_entry *message, uint32_t now_s) {
    return message->minute + QUOTA_RESERVED_RING > now_s / MINUTE_S;
}

uint32_t quota_message_held(const struct message_entry *message) {
    return message->recipients > message->released ? message->recipients - message->released : 0;
}

uint64_t quota_amount(const struct quota_pair *pair, uint64_t recipients, uint64_t bytes) {
    switch (pair->unit) {
    case QUOTA_RECIPIENTS:
        return recipients;
    case QUOTA_MESSAGES:
        return recipients > 0 ? 1 : 0;
    case QUOTA_BYTES:
        return recipients > 0 ? bytes : 0;
    case QUOTA_UNITS:
        break;
    }
    CHECK(false);
}

uint64_t quota_message_bytes(const struct policy_run *run) {
    const uint64_t size = run->request->size;
    if (size == 0) {
        return 1;
    }
    return size < QUOTA_BYTES_MAX ? size : QUOTA_BYTES_MAX;
}

/* --- usage --------------------------------------------------------------------------------------
 */

/* Unless it was asked for ahead. */
static void prefetch_usages(const struct policy_run *run, const struct quota_case *quota) {
    const struct decision_source *source = run->source;
    if (source->recorded != NULL || (source->ahead != NULL && source->ahead->usage_known != 0)) {
        return;
    }
    for (size_t i = 0; i < quota->pair_count; i++) {
        state_prefetch_entry(source->state, STATE_QUOTA, quota->pairs[i].key);
    }
    for (size_t i = 0; i < quota->pair_count; i++) {
        state_prefetch_whole(source->state, STATE_QUOTA, quota->pairs[i].key);
    }
}

void quota_case_read_usage(struct quota_case *quota, struct policy_run *run) {
    prefetch_usages(run, quota);
    quota_local_numbers(&run->settings->zone, run->now_s, quota->numbers);
    for (size_t i = 0; i < quota->pair_count; i++) {
        struct quota_pair *pair = &quota->pairs[i];
        pair->usage = decision_read_digest(run, STATE_QUOTA, pair->key, quota_make_digest);
    }
}

uint64_t quota_counted(const struct quota_case *quota, const struct quota_pair *pair,
                       enum quota_window window) {
    const uint64_t committed = quota_committed(pair->usage, quota->numbers, window);
    const uint64_t reserved = pair->usage != NULL ? pair->usage->reserved : 0;
    return committed > UINT64_MAX - reserved ? UINT64_MAX : committed + reserved;
}

/* --- effects ------------------------------------------------------------------------------------
 */

void quota_add_reserved(struct policy_run *run, const struct quota_pair *pair, uint32_t minute,
                        int64_t amount) {
    if (amount == 0) {
        return;
    }
    const uint32_t time_s = minute == run->now_s / MINUTE_S ? run->now_s : minute * MINUTE_S;
    decision_add_effect(run, (struct effect){
                                 .kind = EFFECT_QUOTA_RESERVED,
                                 .on_acceptance = true,
                                 .key = pair->key,
                                 .time_s = time_s,
                                 .expires_s = quota_later(time_s, QUOTA_RESERVED_RING * MINUTE_S),
                                 .amount = amount,
                             });
}

/* As long as the longest window that has a limit, and what setting clocks may add to it: a limit by
 * the hour on each client address must not push the days and months of users out of the table. */
static uint32_t committed_ttl_s(const struct quota_pair *pair) {
    static const uint32_t ttl_s[QUOTA_WINDOWS] = {
        [QUOTA_MINUTE] = 2 * MINUTE_S, [QUOTA_HOUR] = 2 * HOUR_S,  [QUOTA_DAY] = 2 * DAY_S,
        [QUOTA_WEEK] = 9 * DAY_S,      [QUOTA_MONTH] = 33 * DAY_S,
    };
    unsigned window = QUOTA_MONTH;
    while (pair->limits != NULL && window > QUOTA_MINUTE && (pair->windows & 1U << window) == 0) {
        window--;
    }
    return ttl_s[window];
}

void quota_add_committed(struct policy_run *run, const struct quota_pair *pair, uint64_t amount) {
    if (amount == 0) {
        return;
    }
    const int32_t offset_s = zone_offset_s(&run->settings->zone, run->now_s);
    decision_add_effect(run, (struct effect){
                                 .kind = EFFECT_QUOTA_COMMITTED,
                                 .on_acceptance = true,
                                 .detail = (uint8_t)(int8_t)(offset_s / OFFSET_GRAIN_S),
                                 .key = pair->key,
                                 .time_s = run->now_s,
                                 .expires_s = quota_later(run->now_s, committed_ttl_s(pair)),
                                 .epoch_s = pair->usage != NULL ? pair->usage->epoch_s : 0,
                                 .amount = (int64_t)amount,
                             });
}

void quota_add_charged(struct policy_run *run, const struct quota_case *quota, bool exempt) {
    unsigned charged = 0;
    for (size_t i = 0; !exempt && i < quota->pair_count; i++) {
        charged |= quota_pair_bit(quota->pairs[i].scope, quota->pairs[i].unit);
    }
    decision_add_effect(run, (struct effect){
                                 .kind = EFFECT_MESSAGE_CHARGED,
                                 .on_acceptance = true,
                                 .flags = exempt ? EFFECT_EXEMPT : 0,
                                 .detail = (uint8_t)(charged & 0xff),
                                 .key = quota->message_key,
                                 .time_s = run->now_s,
                                 .expires_s = quota_later(run->now_s, QUOTA_MESSAGE_TTL_S),
                                 .epoch_s = charged >> 8,
                                 .amount = exempt ? 0 : (int64_t)quota_message_bytes(run),
                             });
}

void quota_add_ended(struct policy_run *run, const struct quota_case *quota, uint32_t released) {
    decision_add_effect(run, (struct effect){
                                 .kind = EFFECT_MESSAGE_ENDED,
                                 .on_acceptance = true,
                                 .flags = released > 0 ? EFFECT_RELEASED : 0,
                                 .amount = released,
                                 .key = quota->message_key,
                                 .time_s = run->now_s,
                                 .expires_s = quota_later(run->now_s, QUOTA_ENDED_TTL_S),
                             });
}

/* --- recipients ---------------------------------------------------------------------------------
 */

static bool is_local(const struct policy_settings *settings, struct str domain) {
    size_t low = 0;
    size_t high = settings->local_domain_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = str_compare(settings->local_domains[middle], domain);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return domain.length == 0; /* delivered here under our own name */
}

bool quota_is_exempt(struct policy_run *run) {
    if (!run->settings->quotas.exempt_local || run->decision->direction != DIRECTION_OUTBOUND) {
        return false;
    }
    struct str local;
    struct str domain;
    if (mail_address_is_routed(decision_value(run->request->recipient))) {
        return false; /* It may go anywhere. */
    }
    mail_address_split(policy_run_recipient(run), &local, &domain);
    return is_local(run->settings, domain);
}
