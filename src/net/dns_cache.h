/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "net/dns_reply.h"

/* Answers by question, as long as they hold. Bounded in bytes, the least recently used go first.
 * Time is given. One thread only. */
struct dns_cache;

struct dns_cache_counts {
    uint64_t bytes;   /* of entries now, with their keys and an estimate for the allocator */
    uint64_t entries; /* now */
    uint64_t evicted; /* since the start: still valid, and gone for want of room */
};

/* `seed`: random, so that strangers cannot choose names that collide. NULL: no memory. */
MUST_USE struct dns_cache *dns_cache_new(int64_t bytes_max, uint64_t seed);
void dns_cache_free(struct dns_cache *cache);
/* Of a question, keyed. It is made once: all tables of questions go by it. */
uint64_t dns_cache_hash(const struct dns_cache *cache, const struct dns_wire_name *name,
                        enum dns_type type);
/* `hash` below: of that question. Keeps `reply` (holding it) until it expires: DNS_FOUND,
 * DNS_NO_DATA and DNS_NO_NAME for their time to live, but at least a second; DNS_FAILED and
 * DNS_TIMED_OUT for DNS_FAILED_TTL_S; others not at all. Takes the place of what was there. Want of
 * memory drops it. */
void dns_cache_add(struct dns_cache *cache, const struct dns_wire_name *name, enum dns_type type,
                   uint64_t hash, struct dns_reply *reply, int64_t now_ns);
/* The reply, without holding it for the caller, and the seconds that are left of its time to live;
 * NULL when there is none that holds at `now_ns`. */
struct dns_reply *dns_cache_find(struct dns_cache *cache, const struct dns_wire_name *name,
                                 enum dns_type type, uint64_t hash, int64_t now_ns,
                                 uint32_t *ret_ttl_s);
struct dns_cache_counts dns_cache_counts(const struct dns_cache *cache);
