/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/queue.h>

#include "daemon/engine.h"
#include "net/dns.h"

/* Fetches the facts that decisions want (policy/facts.h), all of one decision at once. One fetcher
 * belongs to one thread and its event loop.
 *
 *   decide ─► wanted ─► fetch_start ─► questions to the DNS ─► all answered ─► ready ─► decide
 * again └── deadline ─► fetch_expire ────┘
 *
 * What the deadline cuts off is told as it is: SPF is a temperror, a list that has not answered has
 * timed out. Nothing is fetched twice: equal questions of several requests are one (net/dns.h). */

struct rbl_guard;
struct geo_keeper;
struct fetcher;
struct fetch;

TAILQ_HEAD(fetch_order, fetch);
STAILQ_HEAD(fetch_queue, fetch);

/* All of it outlives the fetcher. */
struct fetch_tools {
    struct event_base *base;
    struct rbl_guard *guard;   /* NULL: none */
    struct geo_keeper *keeper; /* NULL: no countries */
    unsigned worker;           /* number, for the keeper: no other thread has it */
    /* Something is about to be answered: the thread begins its pass, so that fetcher_begin() has
     * been called since. */
    void (*begin)(void *context);
    /* All facts of `fetch` are there. Never called from within fetch_start(). */
    void (*ready)(void *context, struct fetch *fetch);
    void *context;
};
MUST_USE int fetcher_new(const struct fetch_tools *tools, const struct settings *settings,
                         struct fetcher **ret_fetcher, struct text *problem);
/* No fetch may be open. NULL is fine. */
void fetcher_free(struct fetcher *fetcher);
/* The settings and the time (boot clock) that hold until the next call. */
void fetcher_begin(struct fetcher *fetcher, const struct settings *settings, int64_t now_ns);
/* Null when DNS could not be set up. For status, from its thread alone. */
const struct dns *fetcher_dns(const struct fetcher *fetcher);

/* One decision that waits for its facts. */
struct fetch {
    TAILQ_ENTRY(fetch) order;      /* the owner's: those that wait, oldest first */
    STAILQ_ENTRY(fetch) ready;     /* the owner's: those that are ready; also the free ones */
    void *owner;                   /* the session */
    struct policy_request request; /* its slices belong to the owner */
    struct facts facts;
    int64_t arrived_boot_ns; /* the owner's */
    bool is_ready;           /* the owner's: in its queue of those that are ready */
};

/* Fills what needs no waiting, before the first decision, and leaves the rest UNASKED: the country,
 * and what block lists and SPF say when all of it is at hand. */
void fetch_at_once(struct fetcher *fetcher, const struct policy_request *request,
                   struct facts *facts);
/* Since the fetcher was made. */
struct fetch_spf_counts {
    uint64_t kept;      /* results that were known from an earlier message */
    uint64_t evaluated; /* results that had to be evaluated */
    uint64_t evicted;   /* kept ones dropped before their time for want of room */
};
struct fetch_spf_counts fetcher_spf_counts(const struct fetcher *fetcher);
/* Starts to fetch the facts that are FACT_WANTED. *ret_fetch is a copy of `request` and `facts`,
 * the caller's until fetch_end(). True: all are there already (`ready` is not called). NULL when
 * there is no memory: then they are unavailable. */
bool fetch_start(struct fetcher *fetcher, const struct policy_request *request,
                 const struct facts *facts, struct fetch **ret_fetch);
/* Ends the waiting: what is not there will not come. `ready` is not called. `overdue`: it was
 * waited for as long as may be, so that the guard hears of each list that has not answered; false
 * when the waiting ends for a reason of ours. */
void fetch_expire(struct fetch *fetch, bool overdue);
/* Open or not: nobody hears of what is cut off. */
void fetch_end(struct fetch *fetch);
