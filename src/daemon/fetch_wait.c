/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/fetch_wait.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/geo_keeper.h"

struct waiting {
    struct event_base *base;
    struct fetcher *fetcher;
    const struct settings *settings;
    bool ready;
};

static void on_begin(void *context) {
    const struct waiting *waiting = context;
    fetcher_begin(waiting->fetcher, waiting->settings, clock_boot_ns());
}

static void on_ready(void *context, struct fetch *fetch) {
    (void)fetch;
    struct waiting *waiting = context;
    waiting->ready = true;
    (void)event_base_loopbreak(waiting->base);
}

static void give_up(struct facts *facts) {
    for (unsigned fact = 0; fact < FACTS; fact++) {
        if (facts->status[fact] == FACT_WANTED) {
            facts->status[fact] = FACT_UNAVAILABLE;
        }
    }
}

static void run(struct waiting *waiting, const struct policy_request *request, int64_t patience_ns,
                struct facts *facts) {
    struct fetch *fetch;
    on_begin(waiting);
    waiting->ready = fetch_start(waiting->fetcher, request, facts, &fetch);
    if (fetch == NULL) {
        return;
    }
    if (!waiting->ready) {
        const struct timeval patience = {.tv_sec = patience_ns / NS_PER_S,
                                         .tv_usec = patience_ns % NS_PER_S / NS_PER_US};
        (void)event_base_loopexit(waiting->base, &patience);
        (void)event_base_dispatch(waiting->base);
        on_begin(waiting);
        fetch_expire(fetch, true);
    }
    *facts = fetch->facts;
    fetch_end(fetch);
}

/* The keeper's look-ups by number belong to the workers. */
static void find_country(struct geo_keeper *keeper, struct ip_address address,
                         struct facts *facts) {
    if (facts->status[FACT_GEO] != FACT_WANTED) {
        return;
    }
    if (keeper == NULL) {
        facts->status[FACT_GEO] = FACT_UNAVAILABLE;
    } else {
        geo_keeper_ask_fact(keeper, address, facts);
    }
}

void fetch_wait(const struct settings *settings, struct rbl_guard *guard, struct geo_keeper *keeper,
                const struct policy_request *request, int64_t patience_ns, struct facts *facts) {
    struct waiting waiting = {.settings = settings, .base = event_base_new()};
    const struct fetch_tools tools = {
        .base = waiting.base,
        .guard = guard,
        .begin = on_begin,
        .ready = on_ready,
        .context = &waiting,
    };
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    find_country(keeper, request->client_address, facts);
    if (waiting.base != NULL && fetcher_new(&tools, settings, &waiting.fetcher, &problem) == 0) {
        run(&waiting, request, patience_ns, facts);
        fetcher_free(waiting.fetcher);
    } else {
        log_write(LOG_WARN, "Policy", "Cannot fetch facts to explain: %.*s",
                  STR_ARGS(text_str(&problem)));
    }
    if (waiting.base != NULL) {
        event_base_free(waiting.base);
    }
    give_up(facts);
}
