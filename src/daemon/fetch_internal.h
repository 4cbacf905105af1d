/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/counter.h"
#include "daemon/fetch.h"
#include "daemon/spf_results.h"
#include "mail/spf.h"

/* Of fetch.c, fetch_rbl.c and fetch_spf.c alone. */

/* The memory of one evaluation of SPF. */
struct spf_room {
    struct spf_room *next; /* free */
    _Alignas(max_align_t) unsigned char memory[];
};

struct fetcher {
    struct fetch_tools tools;
    const struct settings *settings;
    int64_t now_ns;
    struct dns *dns; /* NULL: none */
    struct fetch_queue free_fetches;
    struct spf_room *free_rooms;
    struct spf_results *spf_results;
    uint64_t spf_evaluations;
};

/* One list that was asked. */
struct rbl_question {
    struct open_fetch *fetch;
    struct dns_ask *ask; /* NULL: answered */
    int64_t asked_ns;
    uint8_t at; /* index in facts.rbl */
    /* Another mail waits for the same answer: it is told of the list once, or a burst of one client
     * and one lost packet would look like a list that is down. */
    bool joined;
};

struct open_fetch {
    struct fetch fetch; /* first: the two are one */
    struct fetcher *fetcher;
    bool starting; /* fetch_start() is at it: nobody is told yet */
    bool spf_open;
    unsigned rbl_open;
    struct spf_room *room;
    struct spf *spf;
    struct dns_ask *spf_ask;
    bool spf_is_helo;           /* the HELO name is being evaluated */
    bool spf_is_asking;         /* dns_ask() is at it */
    bool spf_personal;          /* as spf_verdict.personal, of one of the two */
    int64_t spf_holds_until_ns; /* the first answer that was used ends */
    struct rbl_question rbl[DNSBL_LISTS_MAX];
};

/* A part has its fact: when it was the last, the owner is told. */
void fetch_part_done(struct open_fetch *open);

/* True when all that lists say, what SPF says of the client is known without asking: the fields of
 * the fact are set. */
bool fetch_rbl_at_hand(struct fetcher *fetcher, struct ip_address client_address,
                       struct facts *facts);
bool fetch_spf_at_hand(struct fetcher *fetcher, const struct policy_request *request,
                       struct facts *facts);

void fetch_rbl_start(struct open_fetch *open);
void fetch_rbl_expire(struct open_fetch *open, bool overdue);
void fetch_spf_start(struct open_fetch *open);
void fetch_spf_expire(struct open_fetch *open);
