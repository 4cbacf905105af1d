/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <event2/event.h>

#include "base/check.h"
#include "mail/dns_address.h"
#include "mail/dns_answer.h"

/* Questions to the DNS on an event loop: c-ares below; above it our cache (by TTL, negative answers
 * by the SOA's minimum), coalescing of equal questions, and circuit breakers, one per server and
 * one per zone (a name's last three labels). Never waits, never throws an answer away that somebody
 * asked for. One struct dns belongs to one thread and its event base; several share nothing.
 *
 * Time comes from the caller, as the boot clock, and is carried on by base/clock.h between calls.
 * Time-outs and probes of servers are c-ares' and libevent's, in real time: a moved clock of a test
 * moves the cache and the breakers of zones, not them.
 *
 * Servers are asked in their order; one that does not answer is passed over until it does. Ids are
 * random; the source port is shared by at most 32 questions, as c-ares has one socket for all. */

enum {
    DNS_TTL_MAX_S =
        86400, /* a longer TTL counts as this; TTL 0 is used for who waits, and kept a second */
    DNS_NEGATIVE_TTL_MAX_S = 3600, /* RFC 2308 5 */
    DNS_FAILED_TTL_S = 5,          /* a failure is remembered so long: RFC 2308 7 */
};

struct dns_options {
    /* "192.0.2.53", "[2001:db8::53]:5353"; none: those of /etc/resolv.conf, which is followed: a
     * question within seconds of its change goes to the new servers, those under way as well. */
    const struct str *servers;
    size_t server_count;
    int64_t timeout_ns;      /* of one try at one server: 100 ms to 5 s */
    int64_t tries;           /* over all servers: 1 to 5 */
    int64_t cache_bytes_max; /* least recently used go first, counted */
    int64_t questions_max;   /* open at once; beyond it DNS_UNAVAILABLE, counted */
    uint64_t seed;           /* random: of the hash of the cache */
};

struct dns_stats {
    uint64_t questions;  /* asked by callers */
    uint64_t cache_hits; /* answered from the cache */
    uint64_t coalesced;  /* joined to a question that was open */
    uint64_t sent;       /* questions handed to c-ares */
    uint64_t found, no_data, no_name, failed, timed_out;
    uint64_t refused;       /* by questions_max */
    uint64_t broken;        /* by an open circuit breaker */
    uint64_t breaker_opens; /* since start */
    uint64_t cache_bytes, cache_entries, cache_evicted;
    uint64_t zones_evicted; /* breakers of zones forgotten for want of room */
    uint64_t ports_shared;  /* sent from a source port that more than 32 questions share */
    uint64_t open;          /* now */
};

struct dns;
/* 0, or a negative errno and a sentence. `base` outlives it. Servers that are no addresses are
 * refused; as long as there is none (empty resolv.conf) every question is DNS_UNAVAILABLE. */
MUST_USE int dns_new(struct event_base *base, const struct dns_options *options,
                     struct dns **ret_dns, struct text *problem);
/* Open questions end with DNS_UNAVAILABLE (their callbacks run). NULL is fine. */
void dns_free(struct dns *dns);

/* The answer lives as long as the call. May ask again, cancel others, not free the dns. */
typedef void dns_done(void *context, const struct dns_question *question,
                      const struct dns_answer *answer);
struct dns_ask;
/* Asks. The name is copied. When the cache knows, or nothing can be asked, `done` is called before
 * this returns, and the result is NULL. Otherwise a handle, valid until `done` is called or
 * dns_cancel(). A name that is none (empty, over DNS_NAME_MAX, an empty or long label) is
 * DNS_NO_NAME. `now_ns`: boot clock, non-decreasing. */
struct dns_ask *dns_ask(struct dns *dns, const struct dns_question *question, int64_t now_ns,
                        dns_done *done, void *context);
/* True when the question was on its way for somebody else already: its answer is one answer for
 * both. */
bool dns_joined(const struct dns_ask *ask);
/* `done` will not be called. The question itself goes on, for the cache. */
void dns_cancel(struct dns_ask *ask);
/* As dns_ask(), of the cache alone: false when it does not know. */
bool dns_peek(struct dns *dns, const struct dns_question *question, int64_t now_ns, dns_done *done,
              void *context);

void dns_stats(const struct dns *dns, struct dns_stats *ret_stats);
/* For status: server i of those in use, and whether its breaker is open. False: there are fewer. */
struct dns_server_status {
    char address[64];
    bool breaker_open;
    bool is_public; /* a known public resolver: block lists refuse those */
    uint64_t sent, failed, timed_out;
    int64_t latency_us; /* smoothed */
};
bool dns_server_status(const struct dns *dns, size_t i, struct dns_server_status *ret_status);
