/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "net/dns_name.h"

/* Circuit breakers: who stays silent is left alone for a while, so that nobody waits for him. Pure;
 * time is given and does not go back. */

/* When a breaker opens, and for how long. */
struct dns_breaker_rule {
    unsigned failures_max; /* so many in a row open it */
    int64_t silence_ns;    /* and so do two that lie so far apart with no success between */
    int64_t window_ns;     /* a failure this long after the one before begins a new row */
    int64_t retry_min_ns;  /* open for so long before one question is let through */
    int64_t retry_max_ns;  /* the time doubles up to this each time that one fails too */
};

/* All zero: closed. */
struct dns_breaker {
    unsigned failures; /* in a row */
    bool open;
    int64_t first_ns; /* of the row */
    int64_t last_ns;
    int64_t retry_ns; /* open: when the next question may try */
    int64_t delay_ns;
};

/* Whether to ask. While open, one question each time the delay has passed (it is half open then);
 * the next comes after another delay, even if nobody tells what became of the first. */
bool dns_breaker_may_ask(struct dns_breaker *breaker, int64_t now_ns);
/* True when this failure opened it. */
bool dns_breaker_failed(struct dns_breaker *breaker, const struct dns_breaker_rule *rule,
                        int64_t now_ns);
void dns_breaker_answered(struct dns_breaker *breaker);

/* The breakers of zones: of names that share their last labels, so very likely their servers.
 * Three labels (zen.spamhaus.org, example.co.uk); in reverse zones a /24 or a /48. Only zones with
 * failures are kept: at most DNS_ZONES_MAX, the longest untouched gives way. */
enum { DNS_ZONES_MAX = 2048 };

struct dns_zones;
/* NULL: no memory. */
MUST_USE struct dns_zones *dns_zones_new(uint64_t seed);
void dns_zones_free(struct dns_zones *zones);
bool dns_zones_may_ask(struct dns_zones *zones, const struct dns_wire_name *name, int64_t now_ns);
/* True when this failure opened the breaker of its zone. */
bool dns_zones_failed(struct dns_zones *zones, const struct dns_wire_name *name, int64_t now_ns);
void dns_zones_answered(struct dns_zones *zones, const struct dns_wire_name *name);
/* Forgets all: it was a server's fault. */
void dns_zones_clear(struct dns_zones *zones);
/* Zones forgotten for want of room. */
uint64_t dns_zones_evicted(const struct dns_zones *zones);
