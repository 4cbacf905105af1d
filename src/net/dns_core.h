/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "net/dns_cache.h"
#include "net/dns_server.h"

/* What dns.c and dns_query.c share; nobody else includes it.
 *
 *   dns_ask() ──► cache ──► open query of the same question? join : breakers ──► a server
 *   c-ares ──► on_try(): note the result, finished list ──► settle (event loop): next try, or tell
 */

struct dns_ask {
    struct dns_ask *next;
    struct dns_ask *previous;
    struct dns_query *query;
    dns_done *done;
    void *context;
    bool joined; /* the query was on its way */
};

/* A question on its way, for all who ask it. */
struct dns_query {
    struct dns *dns;
    struct dns_query *next;     /* in its bucket of open ones, or of those to be used again */
    struct dns_query *next_due; /* in the list of those with a result */
    struct dns_ask *first_ask;
    struct dns_ask *last_ask;
    struct dns_ask own_ask; /* Of the first who asks: as a rule he is the only one. */
    bool own_ask_used;
    struct dns_channel_try try;
    struct dns_wire_name name;
    enum dns_type type;
    uint64_t hash; /* dns_cache_hash() */
    int64_t tries_left;
    unsigned asked; /* a bit for each server */
    size_t server;
    int64_t sent_ns;
    enum dns_try result;
    struct dns_reply *reply; /* of the last try */
    char text[DNS_NAME_MAX];
    size_t text_length;
};

/* How often /etc/resolv.conf is looked at. */
#define DNS_FOLLOW_NS (INT64_C(5) * 1000000000)

/* What tells one content of a file from another; all zero: there is none. */
struct dns_file {
    uint64_t inode;
    int64_t bytes;
    int64_t changed_s;
    int64_t changed_ns;
};

enum { DNS_QUERIES_KEPT = 2048 }; /* to be used again */

struct dns {
    struct event_base *base;
    struct event *settle;
    struct dns_cache *cache;
    struct dns_zones *zones;
    struct dns_query **buckets;
    size_t bucket_count; /* a power of two */
    struct dns_query *first_due;
    struct dns_query **last_due; /* where the next goes */
    struct dns_query *free_queries;
    size_t free_query_count;
    uint64_t asks_open;
    int64_t tries;
    uint64_t questions_max;
    int64_t now_ns;        /* as last told by a caller */
    int64_t told_ns;       /* clock_boot_ns() then */
    uint64_t server_opens; /* of breakers of servers, as far as counted */
    bool closing;
    bool follows;    /* /etc/resolv.conf; no servers were given */
    bool follow_due; /* it has changed: the settle event takes what it says */
    struct dns_file file;
    int64_t looked_ns;
    int64_t timeout_ns;
    struct dns_stats stats;
    struct dns_server servers[DNS_SERVERS_MAX];
    size_t server_count;
};

/* The caller's clock, carried on since he last told it. */
int64_t dns_now(const struct dns *dns);
/* Takes over what probes found: breakers of servers that opened since. What looked like the fault
 * of zones was theirs, so zones begin anew. */
void dns_count_opens(struct dns *dns);
/* NULL when there is none. */
struct dns_query *dns_query_find(const struct dns *dns, const struct dns_wire_name *name,
                                 enum dns_type type, uint64_t hash);
/* Begins to ask. NULL: a breaker is open, a limit reached, or no memory; counted. */
struct dns_query *dns_query_start(struct dns *dns, const struct dns_wire_name *name,
                                  const struct dns_question *question, uint64_t hash,
                                  int64_t now_ns);
/* Of those to be used again. */
void dns_query_free_kept(struct dns *dns);
/* Tells all who ask, oldest first, and forgets the query. `reply` NULL: DNS_UNAVAILABLE. */
void dns_query_end(struct dns_query *query, struct dns_reply *reply);
/* The settle event: goes on with every query that has a result. */
void dns_query_settle(evutil_socket_t socket, short what, void *dns);
/* Every open question goes to the servers that there are now. From the event loop, when none has a
 * result; none of the servers that were asked is there any more. */
void dns_query_ask_anew(struct dns *dns);

/* Servers that /etc/resolv.conf names, at most DNS_SERVERS_MAX. */
size_t dns_follow_read(struct dns_file *ret_file, struct dns_address *ret_servers);
/* With each question: cheap, a look at the file each DNS_FOLLOW_NS. */
void dns_follow_look(struct dns *dns);
/* At the end of the settle event. */
void dns_follow_settle(struct dns *dns);
