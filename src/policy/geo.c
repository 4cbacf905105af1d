/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/geo.h"

#include <string.h>

#include "mail/dnsbl.h"
#include "policy/auto_blacklist.h"
#include "policy/policy_run.h"

static const struct geo_rule_settings *rules_of(const struct geo_settings *settings,
                                                enum direction direction) {
    return direction == DIRECTION_OUTBOUND ? &settings->outbound : &settings->inbound;
}

static bool has_rules(const struct geo_rule_settings *rules) {
    return rules->country_count > 0 || rules->block_asn_count > 0;
}

bool geo_wants_fact(const struct policy_settings *settings, enum direction direction) {
    return settings->policies[POLICY_GEO].enabled && has_rules(rules_of(&settings->geo, direction));
}

/* In an ascending list. */
static bool stands_in(const struct str *list, size_t count, struct str item) {
    size_t from = 0;
    size_t until = count;
    while (from < until) {
        const size_t middle = from + (until - from) / 2;
        const int order = str_compare(item, list[middle]);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            until = middle;
        } else {
            from = middle + 1;
        }
    }
    return false;
}

static bool lies_in(const struct ip_prefix *networks, size_t count, struct ip_address address) {
    for (size_t i = 0; i < count; i++) {
        if (ip_prefix_contains(networks[i], address)) {
            return true;
        }
    }
    return false;
}

static bool sender_is_exempt(struct policy_run *run) {
    const struct geo_settings *settings = &run->settings->geo;
    if (settings->exempt_sender_count == 0) {
        return false;
    }
    const struct str sender = policy_run_sender(run);
    const size_t at = str_find_last(sender, '@');
    return stands_in(settings->exempt_senders, settings->exempt_sender_count, sender) ||
           (at != SIZE_MAX && stands_in(settings->exempt_senders, settings->exempt_sender_count,
                                        str_slice(sender, at + 1, sender.length)));
}

/* Also our own servers: where they stand is no news. */
static bool is_exempt(struct policy_run *run) {
    const struct policy_settings *settings = run->settings;
    const struct ip_address client = run->request->client_address;
    return lies_in(settings->trusted_networks, settings->trusted_network_count, client) ||
           lies_in(settings->geo.exempt_networks, settings->geo.exempt_network_count, client) ||
           sender_is_exempt(run);
}

static struct policy_answer name(struct policy_run *run, enum verdict verdict, enum reason reason,
                                 struct str rule) {
    struct text out = TEXT_OVER(run->rule_name_room);
    text_add(&out, rule);
    return (struct policy_answer){.verdict = verdict, .reason = reason, .rule = text_str(&out)};
}

/* In shadow a policy moves no counter of another (SPEC 3). */
static struct policy_answer block(struct policy_run *run, enum reason reason, struct str rule) {
    if (run->settings->policies[POLICY_GEO].mode == POLICY_MODE_ENFORCE) {
        auto_blacklist_count(run, BLACKLIST_GEO_BLOCKED, STR("geo"));
    }
    return name(run, VERDICT_REJECT, reason, rule);
}

static struct policy_answer without_country(struct policy_run *run, enum geo_unknown action,
                                            enum reason reason, const char *rule) {
    switch (action) {
    case GEO_UNKNOWN_ACCEPT:
        break;
    case GEO_UNKNOWN_DEFER:
        return name(run, VERDICT_DEFER, reason, str_from(rule));
    case GEO_UNKNOWN_REJECT:
        return name(run, VERDICT_REJECT, reason, str_from(rule));
    }
    return (struct policy_answer){.verdict = VERDICT_NONE};
}

/* The address is in no country that the database knows, or there is no database. */
static struct policy_answer judge_nowhere(struct policy_run *run, bool has_database) {
    const struct geo_settings *settings = &run->settings->geo;
    if (!dnsbl_is_public(run->request->client_address)) {
        return without_country(run, settings->for_private, REASON_GEO_PRIVATE, "private");
    }
    if (!has_database) {
        return (struct policy_answer){.fact_missing = true};
    }
    return without_country(run, settings->unknown, REASON_GEO_UNKNOWN, "unknown");
}

static bool system_is_blocked(const struct geo_rule_settings *rules, uint32_t asn,
                              struct text *name_of_it) {
    if (asn == 0 || rules->block_asn_count == 0) {
        return false;
    }
    text_add(name_of_it, STR("AS"));
    text_add_u64(name_of_it, asn);
    return stands_in(rules->block_asns, rules->block_asn_count, text_str(name_of_it));
}

static struct policy_answer judge(struct policy_run *run, const struct geo_rule_settings *rules) {
    const struct facts *facts = run->facts;
    char room[16];
    struct text system = TEXT_OVER(room);
    if (system_is_blocked(rules, facts->geo_asn, &system)) {
        return block(run, REASON_GEO_ASN, text_str(&system));
    }
    if (rules->country_count == 0) {
        return (struct policy_answer){.verdict = VERDICT_NONE};
    }
    const struct str country = {facts->geo_country, sizeof facts->geo_country};
    if (facts->geo_country[0] == '\0' || str_equal(country, STR(GEO_NO_DATABASE))) {
        return judge_nowhere(run, facts->geo_country[0] == '\0');
    }
    const bool listed = stands_in(rules->countries, rules->country_count, country);
    if (listed == (rules->mode == GEO_MODE_BLOCK)) {
        return block(run, REASON_GEO_COUNTRY, country);
    }
    return (struct policy_answer){.verdict = VERDICT_NONE};
}

struct policy_answer geo_run(struct policy_run *run) {
    const struct geo_rule_settings *rules = rules_of(&run->settings->geo, run->decision->direction);
    if (!has_rules(rules) || ip_address_is_none(run->request->client_address) || is_exempt(run)) {
        return (struct policy_answer){.verdict = VERDICT_NONE};
    }
    if (policy_run_fact(run, FACT_GEO)) {
        return judge(run, rules);
    }
    return rules->country_count > 0 ? judge_nowhere(run, false)
                                    : (struct policy_answer){.fact_missing = true};
}
