/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sip_hash.h"
#include "net/dns_breaker.h"

enum {
    LABELS = 3,
    LABELS_IP4 = 5,  /* 2.0.192.in-addr.arpa */
    LABELS_IP6 = 14, /* twelve digits: 48 bits */
    LABELS_MAX = 128,
    /* A zone has its place in one of a few slots; the longest untouched of them gives way. */
    SLOTS_PER_SET = 8,
    SETS = DNS_ZONES_MAX / SLOTS_PER_SET,
};

/* A question may take 2 s, so five in a row are soon there under load; at one question in 15 s the
 * second failure opens it 17 s after the zone fell silent. */
static const struct dns_breaker_rule zone_rule = {
    .failures_max = 5,
    .silence_ns = 8 * (int64_t)NS_PER_S,
    .window_ns = 60 * (int64_t)NS_PER_S,
    .retry_min_ns = 10 * (int64_t)NS_PER_S,
    .retry_max_ns = 60 * (int64_t)NS_PER_S,
};

struct zone {
    struct hash128 key; /* all zero: the slot is free */
    struct dns_breaker breaker;
};

struct dns_zones {
    struct sip_key key;
    uint64_t evicted;
    size_t used; /* slots that are not free: as a rule none */
    struct zone slots[SETS][SLOTS_PER_SET];
};

struct dns_zones *dns_zones_new(uint64_t seed) {
    struct dns_zones *zones = calloc(1, sizeof *zones);
    if (zones != NULL) {
        memcpy(zones->key.bytes, &seed, sizeof seed);
    }
    return zones;
}

void dns_zones_free(struct dns_zones *zones) {
    free(zones);
}

/* Where the part of the name begins that names its zone. */
static size_t zone_start(const struct dns_wire_name *name) {
    static const uint8_t ip4[] = "\7in-"
                                 "addr"
                                 "\4arpa"; /* with the root's zero */
    static const uint8_t ip6[] = "\3ip6\4arpa";
    size_t starts[LABELS_MAX];
    size_t count = 0;
    for (size_t at = 0; name->bytes[at] != 0; at += 1 + (size_t)name->bytes[at]) {
        starts[count++] = at;
    }
    size_t labels = LABELS;
    if (name->length >= sizeof ip4 &&
        memcmp(name->bytes + name->length - sizeof ip4, ip4, sizeof ip4) == 0) {
        labels = LABELS_IP4;
    } else if (name->length >= sizeof ip6 &&
               memcmp(name->bytes + name->length - sizeof ip6, ip6, sizeof ip6) == 0) {
        labels = LABELS_IP6;
    }
    return count > labels ? starts[count - labels] : 0;
}

static struct hash128 zone_key(const struct dns_zones *zones, const struct dns_wire_name *name) {
    const size_t start = zone_start(name);
    struct hash128 key = sip_hash(&zones->key, name->bytes + start, name->length - start);
    key.high |= 1; /* never all zero */
    return key;
}

static struct zone *find_zone(struct dns_zones *zones, struct hash128 key) {
    struct zone *set = zones->slots[key.low % SETS];
    for (size_t i = 0; i < SLOTS_PER_SET; i++) {
        if (set[i].key.low == key.low && set[i].key.high == key.high) {
            return &set[i];
        }
    }
    return NULL;
}

/* A free slot, or the one whose last failure is the oldest. */
static struct zone *take_slot(struct dns_zones *zones, struct hash128 key) {
    struct zone *set = zones->slots[key.low % SETS];
    struct zone *oldest = &set[0];
    for (size_t i = 0; i < SLOTS_PER_SET; i++) {
        if (set[i].key.high == 0) {
            oldest = &set[i];
            break;
        }
        if (set[i].breaker.last_ns < oldest->breaker.last_ns) {
            oldest = &set[i];
        }
    }
    zones->evicted += oldest->key.high != 0;
    zones->used += oldest->key.high == 0;
    *oldest = (struct zone){.key = key};
    return oldest;
}

bool dns_zones_may_ask(struct dns_zones *zones, const struct dns_wire_name *name, int64_t now_ns) {
    if (zones->used == 0) {
        return true;
    }
    struct zone *zone = find_zone(zones, zone_key(zones, name));
    return zone == NULL || dns_breaker_may_ask(&zone->breaker, now_ns);
}

bool dns_zones_failed(struct dns_zones *zones, const struct dns_wire_name *name, int64_t now_ns) {
    const struct hash128 key = zone_key(zones, name);
    struct zone *zone = find_zone(zones, key);
    if (zone == NULL) {
        zone = take_slot(zones, key);
    }
    return dns_breaker_failed(&zone->breaker, &zone_rule, now_ns);
}

void dns_zones_answered(struct dns_zones *zones, const struct dns_wire_name *name) {
    if (zones->used == 0) {
        return;
    }
    struct zone *zone = find_zone(zones, zone_key(zones, name));
    if (zone != NULL) {
        *zone = (struct zone){0};
        zones->used--;
    }
}

void dns_zones_clear(struct dns_zones *zones) {
    memset(zones->slots, 0, sizeof zones->slots);
    zones->used = 0;
}

uint64_t dns_zones_evicted(const struct dns_zones *zones) {
    return zones->evicted;
}
