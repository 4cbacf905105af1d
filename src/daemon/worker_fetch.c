/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "daemon/worker.h"

/* Sessions whose decision waits for facts. What the facts are and how they are had: fetch.h. */

static void begin_pass(void *context) {
    worker_begin(context);
}

static void on_ready(void *context, struct fetch *fetch) {
    struct worker *worker = context;
    TAILQ_REMOVE(&worker->fetching, fetch, order);
    STAILQ_INSERT_TAIL(&worker->fetched, fetch, ready);
    fetch->is_ready = true;
}

int worker_fetch_init(struct worker *worker, const struct worker_options *options,
                      struct text *problem) {
    const struct fetch_tools tools = {
        .base = worker->base,
        .guard = options->guard,
        .keeper = options->keeper,
        .worker = options->number,
        .begin = begin_pass,
        .ready = on_ready,
        .context = worker,
    };
    const struct generation *generation = engine_generation_acquire(options->engine);
    const int error = fetcher_new(&tools, generation->settings, &worker->fetcher, problem);
    engine_generation_release(options->engine, generation);
    return error;
}

void worker_fetch_done(struct worker *worker) {
    fetcher_free(worker->fetcher);
    worker->fetcher = NULL;
}

bool worker_fetch(struct worker *worker, struct session *session, const struct turn_item *item) {
    struct fetch *fetch;
    const bool ready = fetch_start(worker->fetcher, &item->request, &item->facts, &fetch);
    if (fetch == NULL) {
        log_write(LOG_ERROR, "Policy", "Out of memory for facts; decided without");
        return false;
    }
    fetch->owner = session;
    fetch->arrived_boot_ns = item->arrived_boot_ns;
    fetch->is_ready = ready;
    session->fetch = fetch;
    session->state = SESSION_FETCHING;
    if (ready) {
        STAILQ_INSERT_TAIL(&worker->fetched, fetch, ready);
    } else {
        TAILQ_INSERT_TAIL(&worker->fetching, fetch, order);
        worker_start_ticking(worker);
    }
    return true;
}

bool worker_take_fetched(struct worker *worker) {
    const int64_t deadline_ns = worker->generation->settings->policy_server.request_deadline_ns;
    struct fetch *fetch;
    while (worker->turn_count < TURN_MAX && (fetch = STAILQ_FIRST(&worker->fetched)) != NULL) {
        STAILQ_REMOVE_HEAD(&worker->fetched, ready);
        struct turn_item *item = &worker->items[worker->turn_count];
        struct session *session = fetch->owner;
        item->request = fetch->request;
        item->facts = fetch->facts;
        engine_look_ahead(worker->engine, worker->number, item);
        item->arrived_boot_ns = fetch->arrived_boot_ns;
        item->fetchable = worker->now_ns - fetch->arrived_boot_ns < deadline_ns;
        fetch_end(fetch);
        session->fetch = NULL;
        session->state = SESSION_QUEUED;
        worker->turn[worker->turn_count++] = session;
    }
    return worker->turn_count > 0;
}

void worker_expire_fetches(struct worker *worker, bool all) {
    const int64_t deadline_ns = worker->generation->settings->policy_server.request_deadline_ns;
    struct fetch *fetch;
    while ((fetch = TAILQ_FIRST(&worker->fetching)) != NULL) {
        const bool overdue = worker->now_ns - fetch->arrived_boot_ns >= deadline_ns;
        if (!overdue && !all) {
            return;
        }
        counter_add(&worker->counters->deadline, overdue);
        fetch_expire(fetch, overdue);
        on_ready(worker, fetch);
    }
}

void worker_drop_fetch(struct session *session) {
    struct worker *worker = session->worker;
    struct fetch *fetch = session->fetch;
    if (fetch == NULL) {
        return;
    }
    if (fetch->is_ready) {
        STAILQ_REMOVE(&worker->fetched, fetch, fetch, ready);
    } else {
        TAILQ_REMOVE(&worker->fetching, fetch, order);
    }
    fetch_end(fetch);
    session->fetch = NULL;
}
