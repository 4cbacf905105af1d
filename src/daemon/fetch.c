/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "daemon/dns_settings.h"
#include "daemon/fetch_internal.h"
#include "daemon/geo_keeper.h"
#include "policy/geo.h"
#include "policy/rbl.h"

/* --- the fetcher --------------------------------------------------------------------------------
 */

int fetcher_new(const struct fetch_tools *tools, const struct settings *settings,
                struct fetcher **ret_fetcher, struct text *problem) {
    struct fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (fetcher == NULL) {
        text_add(problem, STR("no memory for the facts"));
        return -ENOMEM;
    }
    fetcher->tools = *tools;
    fetcher->settings = settings;
    STAILQ_INIT(&fetcher->free_fetches);
    const struct dns_options options = dns_options_of(settings);
    fetcher->spf_results = spf_results_new(options.seed);
    if (fetcher->spf_results == NULL) {
        text_add(problem, STR("no memory for the results of SPF"));
        free(fetcher);
        return -ENOMEM;
    }
    const int error = dns_new(tools->base, &options, &fetcher->dns, problem);
    if (error < 0) {
        spf_results_free(fetcher->spf_results);
        free(fetcher);
        return error;
    }
    *ret_fetcher = fetcher;
    return 0;
}

void fetcher_free(struct fetcher *fetcher) {
    if (fetcher == NULL) {
        return;
    }
    dns_free(fetcher->dns);
    spf_results_free(fetcher->spf_results);
    struct fetch *fetch;
    while ((fetch = STAILQ_FIRST(&fetcher->free_fetches)) != NULL) {
        STAILQ_REMOVE_HEAD(&fetcher->free_fetches, ready);
        free(fetch);
    }
    while (fetcher->free_rooms != NULL) {
        struct spf_room *next = fetcher->free_rooms->next;
        free(fetcher->free_rooms);
        fetcher->free_rooms = next;
    }
    free(fetcher);
}

void fetcher_begin(struct fetcher *fetcher, const struct settings *settings, int64_t now_ns) {
    fetcher->settings = settings;
    fetcher->now_ns = now_ns;
}

const struct dns *fetcher_dns(const struct fetcher *fetcher) {
    return fetcher->dns;
}

/* --- countries ----------------------------------------------------------------------------------
 */

static void find_country(const struct fetcher *fetcher, struct ip_address address,
                         struct facts *facts) {
    if (fetcher->tools.keeper == NULL) {
        facts->status[FACT_GEO] = FACT_UNAVAILABLE;
    } else {
        geo_keeper_fill(fetcher->tools.keeper, fetcher->tools.worker, address, facts);
    }
}

/* All or nothing: of one fact alone the decision would go another way than when both are fetched.
 */
static void fill_from_memory(struct fetcher *fetcher, const struct policy_request *request,
                             struct facts *facts) {
    const struct policy_settings *settings = &fetcher->settings->policy;
    const bool spf =
        settings->policies[POLICY_SPF].enabled && !ip_address_is_none(request->client_address);
    const bool rbl = rbl_wants_fact(settings, request->client_address);
    if (spf && !fetch_spf_at_hand(fetcher, request, facts)) {
        return;
    }
    if (rbl && !fetch_rbl_at_hand(fetcher, request->client_address, facts)) {
        facts->status[FACT_SPF] = FACT_UNASKED;
        return;
    }
    facts->at_hand = (uint32_t)spf << FACT_SPF | (uint32_t)rbl << FACT_RBL;
}

void fetch_at_once(struct fetcher *fetcher, const struct policy_request *request,
                   struct facts *facts) {
    const struct policy_settings *settings = &fetcher->settings->policy;
    memset(facts->status, 0, sizeof facts->status);
    facts->at_hand = 0;
    if (request->state != PROTOCOL_STATE_RCPT) {
        return;
    }
    const enum direction direction = decision_direction(settings, request);
    if (geo_wants_fact(settings, direction)) {
        find_country(fetcher, request->client_address, facts);
    }
    if (direction == DIRECTION_INBOUND) {
        fill_from_memory(fetcher, request, facts);
    }
}

struct fetch_spf_counts fetcher_spf_counts(const struct fetcher *fetcher) {
    const struct spf_results_counts kept = spf_results_counts(fetcher->spf_results);
    return (struct fetch_spf_counts){kept.found, fetcher->spf_evaluations, kept.evicted};
}

/* --- a fetch ------------------------------------------------------------------------------------
 */

static struct open_fetch *take_fetch(struct fetcher *fetcher) {
    struct fetch *fetch = STAILQ_FIRST(&fetcher->free_fetches);
    if (fetch == NULL) {
        return malloc(sizeof(struct open_fetch));
    }
    STAILQ_REMOVE_HEAD(&fetcher->free_fetches, ready);
    return (struct open_fetch *)fetch;
}

static void prepare(struct open_fetch *open, struct fetcher *fetcher) {
    open->fetcher = fetcher;
    open->starting = true;
    open->spf_open = false;
    open->rbl_open = 0;
    open->room = NULL;
    open->spf = NULL;
    open->spf_ask = NULL;
    open->spf_is_asking = false;
}

static bool is_done(const struct open_fetch *open) {
    return !open->spf_open && open->rbl_open == 0;
}

bool fetch_start(struct fetcher *fetcher, const struct policy_request *request,
                 const struct facts *facts, struct fetch **ret_fetch) {
    struct open_fetch *open = take_fetch(fetcher);
    *ret_fetch = (struct fetch *)open;
    if (open == NULL) {
        return true;
    }
    prepare(open, fetcher);
    open->fetch.request = *request;
    open->fetch.facts = *facts;
    if (facts->status[FACT_GEO] == FACT_WANTED) {
        find_country(fetcher, request->client_address, &open->fetch.facts);
    }
    if (facts->status[FACT_RBL] == FACT_WANTED) {
        fetch_rbl_start(open);
    }
    if (facts->status[FACT_SPF] == FACT_WANTED) {
        fetch_spf_start(open);
    }
    open->starting = false;
    return is_done(open);
}

void fetch_part_done(struct open_fetch *open) {
    if (!open->starting && is_done(open)) {
        open->fetcher->tools.ready(open->fetcher->tools.context, &open->fetch);
    }
}

void fetch_expire(struct fetch *fetch, bool overdue) {
    struct open_fetch *open = (struct open_fetch *)fetch;
    open->starting = true; /* Nobody is told. */
    fetch_rbl_expire(open, overdue);
    fetch_spf_expire(open);
    open->starting = false;
    CHECK(is_done(open));
}

void fetch_end(struct fetch *fetch) {
    struct open_fetch *open = (struct open_fetch *)fetch;
    fetch_expire(fetch, false);
    STAILQ_INSERT_HEAD(&open->fetcher->free_fetches, fetch, ready);
}
