/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/auto_blacklist.h"

static const char *const trigger_names[BLACKLIST_TRIGGERS] = {
    [BLACKLIST_BY_HAND] = "by_hand",         [BLACKLIST_REJECTIONS] = "rejections",
    [BLACKLIST_RBL_HITS] = "rbl_hits",       [BLACKLIST_SPF_FAILURES] = "spf_failures",
    [BLACKLIST_GEO_BLOCKED] = "geo_blocked", [BLACKLIST_FAILED_LOGINS] = "failed_logins",
    [BLACKLIST_SPAM_SCORE] = "spam_score",
};

const char *blacklist_trigger_name(unsigned trigger) {
    return trigger < BLACKLIST_TRIGGERS ? trigger_names[trigger] : "unknown";
}

bool blacklist_trigger_find(struct str name, enum blacklist_trigger *ret_trigger) {
    for (unsigned i = 0; i < BLACKLIST_TRIGGERS; i++) {
        if (str_equal(name, str_from(trigger_names[i]))) {
            *ret_trigger = (enum blacklist_trigger)i;
            return true;
        }
    }
    return false;
}

/* --- addresses that are never blocked ----------------------------------------------------------
 */

/* As the addresses lie in memory: IPv4 as ::ffff:a.b.c.d. */
static const struct ip_prefix local_networks[] = {
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127}}, 96 + 8},
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 169, 254}}, 96 + 16},
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10}}, 96 + 8},
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 172, 16}}, 96 + 12},
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168}}, 96 + 16},
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}, 128},
    {{{0xfe, 0x80}}, 10},
    {{{0xfc}}, 7},
};

static bool is_in(const struct ip_prefix *networks, size_t count, struct ip_address address) {
    for (size_t i = 0; i < count; i++) {
        if (ip_prefix_contains(networks[i], address)) {
            return true;
        }
    }
    return false;
}

static bool is_same_network(struct ip_address a, struct ip_address b) {
    const struct state_network network_a = state_network_of(a);
    const struct state_network network_b = state_network_of(b);
    return network_a.is_v4 == network_b.is_v4 && network_a.bits == network_b.bits;
}

const char *blacklist_exemption(const struct policy_settings *settings,
                                struct ip_address client_address,
                                struct ip_address server_address) {
    if (ip_address_is_none(client_address)) {
        return "no address";
    }
    if (is_in(local_networks, sizeof local_networks / sizeof local_networks[0], client_address)) {
        return "a local network";
    }
    if (is_in(settings->trusted_networks, settings->trusted_network_count, client_address)) {
        return "one of trusted_networks";
    }
    if (!ip_address_is_none(server_address) && is_same_network(client_address, server_address)) {
        return "the server's own address";
    }
    return NULL;
}

/* --- keys and standings ------------------------------------------------------------------------
 */

struct hash128 blacklist_key(const struct sip_key *key, struct ip_address client_address) {
    return state_network_key(key, client_address);
}

struct hash128 blacklist_offence_key(const struct sip_key *key, struct ip_address client_address,
                                     enum blacklist_trigger trigger) {
    const struct state_network network = state_network_of(client_address);
    const struct str parts[] = {network.is_v4 ? STR("4") : STR("6"),
                                {(const char *)&network.bits, sizeof network.bits},
                                str_from(trigger_names[trigger])};
    return state_key(key, STATE_OFFENCE, parts, sizeof parts / sizeof parts[0]);
}

struct blacklist_standing blacklist_standing(const struct blacklist_entry *entry, uint32_t now_s) {
    if (entry == NULL || entry->head.expires_s <= now_s) {
        return (struct blacklist_standing){.known = false};
    }
    return (struct blacklist_standing){
        .known = true,
        .blocked = entry->until_s > now_s,
        .released = entry->until_s == 0,
        .since_s = entry->since_s,
        .until_s = entry->until_s,
        .trigger = entry->trigger,
        .offences = entry->offences,
    };
}

uint32_t blacklist_offence_count(const struct offence_entry *entry, uint32_t now_s) {
    if (entry == NULL || entry->width_s == 0) {
        return 0;
    }
    const uint32_t now = now_s / entry->width_s;
    /* The window ends now, or where another node's clock, a little ahead, has counted already. */
    const uint32_t buckets = now > entry->newest ? now - entry->newest : 0;
    uint32_t count = 0;
    for (uint32_t i = 0; buckets + i < OFFENCE_RING && i <= entry->newest; i++) {
        count += entry->counts[(entry->newest - i) % OFFENCE_RING];
    }
    return count;
}
