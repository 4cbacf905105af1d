/* SPDX-License-Identifier: Apache-2.0 */
#include "api/login_throttle.h"

#include <string.h>

#define NS_IN_S INT64_C(1000000000)

/* One of the three tables of a throttle. */
struct table {
    struct login_throttle_entry *entries;
    size_t size;
    int64_t keep_ns;
    struct counter *evicted;
};

static struct table table_of_addresses(struct login_throttle *throttle) {
    return (struct table){throttle->addresses, LOGIN_THROTTLE_ADDRESSES_MAX,
                          LOGIN_THROTTLE_FORGET_S * NS_IN_S, &throttle->evicted};
}

static struct table table_of_names(struct login_throttle *throttle) {
    return (struct table){throttle->names, LOGIN_THROTTLE_NAMES_MAX,
                          LOGIN_THROTTLE_FORGET_S * NS_IN_S, &throttle->evicted};
}

static struct table table_of_known(struct login_throttle *throttle) {
    return (struct table){throttle->known, LOGIN_THROTTLE_KNOWN_MAX,
                          LOGIN_THROTTLE_KNOWN_S * NS_IN_S, &throttle->evicted};
}

void login_throttle_init(struct login_throttle *throttle, const struct sip_key *key) {
    memset(throttle, 0, sizeof *throttle);
    throttle->key = *key;
}

/* --- keys --- */

/* A stranger has a whole /64 of IPv6. */
static struct ip_address network_of(struct ip_address address) {
    return ip_address_is_v4(address) ? address : ip_address_mask(address, 64);
}

static bool same_key(struct hash128 a, struct hash128 b) {
    return a.high == b.high && a.low == b.low;
}

static struct hash128 hash_of(const struct login_throttle *throttle, const void *bytes,
                              size_t length) {
    struct hash128 hash = sip_hash(&throttle->key, bytes, length);
    hash.low |= (uint64_t)(hash.high == 0 && hash.low == 0); /* 0 means free */
    return hash;
}

static struct hash128 key_of_address(const struct login_throttle *throttle,
                                     struct ip_address address) {
    const struct ip_address network = network_of(address);
    return hash_of(throttle, network.bytes, sizeof network.bytes);
}

static struct hash128 key_of_name(const struct login_throttle *throttle, struct str name) {
    return hash_of(throttle, name.length > 0 ? name.data : "", name.length);
}

static struct hash128 key_of_pair(const struct login_throttle *throttle, struct ip_address address,
                                  struct str name) {
    const struct hash128 both[] = {key_of_address(throttle, address), key_of_name(throttle, name)};
    return hash_of(throttle, both, sizeof both);
}

/* --- entries --- */

/* NULL when there is none, or when it is too old to count; that one is freed. */
static struct login_throttle_entry *find(struct table table, struct hash128 key, int64_t now_ns) {
    for (size_t i = 0; i < table.size; i++) {
        struct login_throttle_entry *entry = &table.entries[i];
        if (!same_key(entry->key, key)) {
            continue;
        }
        if (now_ns - entry->last_ns >= table.keep_ns) {
            *entry = (struct login_throttle_entry){0};
            return NULL;
        }
        return entry;
    }
    return NULL;
}

/* A free entry, or the one that was tried longest ago. */
static struct login_throttle_entry *find_or_add(struct table table, struct hash128 key,
                                                int64_t now_ns) {
    struct login_throttle_entry *entry = find(table, key, now_ns);
    if (entry != NULL) {
        return entry;
    }
    entry = &table.entries[0];
    for (size_t i = 0; i < table.size; i++) {
        struct login_throttle_entry *other = &table.entries[i];
        if (same_key(other->key, (struct hash128){0})) {
            entry = other;
            break;
        }
        entry = other->last_ns < entry->last_ns ? other : entry;
    }
    const bool in_use = !same_key(entry->key, (struct hash128){0});
    if (in_use && now_ns - entry->last_ns < table.keep_ns) {
        counter_add(table.evicted, 1);
    }
    *entry = (struct login_throttle_entry){.key = key, .last_ns = now_ns};
    return entry;
}

/* 1, 2, 4 ... seconds from the newest try on. */
static uint32_t wait_s(const struct login_throttle_entry *entry, uint32_t wait_s_max,
                       int64_t now_ns) {
    if (entry == NULL || entry->failures < LOGIN_THROTTLE_FREE) {
        return 0;
    }
    const uint32_t doublings = entry->failures - LOGIN_THROTTLE_FREE;
    const int64_t wait =
        doublings < 20 && 1U << doublings < wait_s_max ? 1U << doublings : wait_s_max;
    const int64_t left_ns = entry->last_ns + wait * NS_IN_S - now_ns;
    return left_ns <= 0 ? 0 : (uint32_t)((left_ns + NS_IN_S - 1) / NS_IN_S);
}

/* What the name's failures are counted in: the pair, where it is known. */
static struct login_throttle_entry *find_name(struct login_throttle *throttle,
                                              struct ip_address address, struct str name,
                                              int64_t now_ns) {
    struct login_throttle_entry *pair =
        find(table_of_known(throttle), key_of_pair(throttle, address, name), now_ns);
    return pair != NULL ? pair
                        : find(table_of_names(throttle), key_of_name(throttle, name), now_ns);
}

static void count_failure(struct login_throttle_entry *entry, int64_t now_ns) {
    entry->failures += entry->failures < UINT32_MAX;
    entry->last_ns = now_ns;
}

/* --- the calls --- */

uint32_t login_throttle_try(struct login_throttle *throttle, struct ip_address address,
                            struct str name, int64_t now_ns) {
    const struct hash128 address_key = key_of_address(throttle, address);
    struct login_throttle_entry *of_name = find_name(throttle, address, name, now_ns);
    const uint32_t for_address = wait_s(find(table_of_addresses(throttle), address_key, now_ns),
                                        LOGIN_THROTTLE_WAIT_S_MAX, now_ns);
    const uint32_t for_name = wait_s(of_name, LOGIN_THROTTLE_NAME_WAIT_S_MAX, now_ns);
    if (for_address > 0 || for_name > 0) {
        counter_add(&throttle->throttled, 1);
        return for_address > for_name ? for_address : for_name;
    }
    if (of_name == NULL) {
        of_name = find_or_add(table_of_names(throttle), key_of_name(throttle, name), now_ns);
    }
    count_failure(of_name, now_ns);
    count_failure(find_or_add(table_of_addresses(throttle), address_key, now_ns), now_ns);
    return 0;
}

void login_throttle_success(struct login_throttle *throttle, struct ip_address address,
                            struct str name, int64_t now_ns) {
    login_throttle_undo(throttle, address, name, now_ns);
    struct login_throttle_entry *pair =
        find_or_add(table_of_known(throttle), key_of_pair(throttle, address, name), now_ns);
    pair->failures = 0;
    pair->last_ns = now_ns;
}

static void take_back(struct login_throttle_entry *entry) {
    if (entry != NULL && entry->failures > 0) {
        entry->failures--;
    }
}

void login_throttle_undo(struct login_throttle *throttle, struct ip_address address,
                         struct str name, int64_t now_ns) {
    take_back(find_name(throttle, address, name, now_ns));
    take_back(find(table_of_addresses(throttle), key_of_address(throttle, address), now_ns));
}
