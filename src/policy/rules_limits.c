/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "policy/rules_rows.h"

static void take_entry(const struct rule_entry *entry, bool is_default,
                       struct quota_limits *limits) {
    const uint32_t bit = UINT32_C(1) << entry->window;
    limits->ids[entry->window] = entry->id;
    limits->limits[entry->window] = entry->limit;
    limits->defaults = is_default ? limits->defaults | bit : limits->defaults & ~bit;
}

/* Of each window the limit of everybody that was given last. */
static void take_of_all(const struct rules *rules, enum quota_scope scope, enum quota_unit unit,
                        uint32_t now_s, struct quota_limits *limits) {
    for (unsigned window = 0; window < QUOTA_WINDOWS; window++) {
        uint32_t number = rules->of_all[scope][unit][window];
        while (number != 0 && rule_has_expired(&rules->entries[number - 1], now_s)) {
            number = rules->entries[number - 1].older;
        }
        if (number != 0) {
            take_entry(&rules->entries[number - 1], scope != QUOTA_GLOBAL, limits);
        }
    }
}

/* What the limits of one key say takes the place of what less specific ones said. */
static void take(const struct rules *rules, enum rule_key key, enum quota_unit unit,
                 struct str text, uint32_t now_s, struct quota_limits *limits) {
    if ((rules->present & UINT32_C(1) << key) == 0) {
        return;
    }
    struct rule_search search = rule_search_begin(rules, key, unit, text);
    for (const struct rule_entry *entry = rule_search_next(&search); entry != NULL;
         entry = rule_search_next(&search)) {
        if (!rule_has_expired(entry, now_s)) {
            take_entry(entry, key == RULE_KEY_USER_DOMAIN, limits);
        }
    }
}

static void take_address(const struct rules *rules, enum quota_unit unit, struct ip_address address,
                         uint32_t now_s, struct quota_limits *limits) {
    if (ip_address_is_none(address)) {
        return;
    }
    take_of_all(rules, QUOTA_IP, unit, now_s, limits);
    if ((rules->present & UINT32_C(1) << RULE_KEY_IP) != 0) {
        const struct state_network network = state_network_of(address);
        const struct ip_address key = state_network_address(network.bits, network.is_v4);
        take(rules, RULE_KEY_IP, unit, (struct str){(const char *)key.bytes, 16}, now_s, limits);
    }
}

bool rules_quota_limits(const struct rules *rules, enum quota_scope scope, enum quota_unit unit,
                        const struct quota_subject *subject, uint32_t now_s,
                        struct quota_limits *ret_limits) {
    CHECK(scope < QUOTA_SCOPES && unit < QUOTA_UNITS);
    memset(ret_limits, 0, sizeof *ret_limits);
    if (rules == NULL || (rules->pairs & quota_pair_bit(scope, unit)) == 0) {
        return false;
    }
    switch (scope) {
    case QUOTA_USER:
        if (subject->user.length > 0) {
            take_of_all(rules, scope, unit, now_s, ret_limits);
            take(rules, RULE_KEY_USER_DOMAIN, unit, subject->domain, now_s, ret_limits);
            take(rules, RULE_KEY_USER, unit, subject->user, now_s, ret_limits);
        }
        break;
    case QUOTA_DOMAIN:
        take(rules, RULE_KEY_DOMAIN, unit, subject->domain, now_s, ret_limits);
        break;
    case QUOTA_IP:
        take_address(rules, unit, subject->address, now_s, ret_limits);
        break;
    case QUOTA_GLOBAL:
    case QUOTA_SCOPES:
        take_of_all(rules, QUOTA_GLOBAL, unit, now_s, ret_limits);
        break;
    }
    for (unsigned window = 0; window < QUOTA_WINDOWS; window++) {
        if (ret_limits->ids[window] != 0) {
            return true;
        }
    }
    return false;
}

unsigned rules_quota_pairs(const struct rules *rules) {
    return rules != NULL ? rules->pairs : 0;
}
