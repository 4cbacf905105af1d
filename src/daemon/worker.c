/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { SESSIONS_PER_SLAB = 64 };

struct session_slab {
    struct session_slab *next;
    struct session sessions[SESSIONS_PER_SLAB];
};

void worker_begin(struct worker *worker) {
    if (worker->generation == NULL) {
        worker->generation = engine_pin(worker->engine, worker->number);
        worker->now_ns = clock_boot_ns();
        fetcher_begin(worker->fetcher, worker->generation->settings, worker->now_ns);
    }
}

void worker_end(struct worker *worker) {
    worker->generation = NULL;
    engine_unpin(worker->engine, worker->number);
}

/* --- sessions -----------------------------------------------------------------------------------
 */

/* Recycled sessions hang together by `again`'s link, which a closed session does not use. */
struct session *worker_allocate_session(struct worker *worker) {
    if (worker->free_sessions == NULL) {
        struct session_slab *slab = calloc(1, sizeof *slab);
        if (slab == NULL) {
            return NULL;
        }
        slab->next = worker->slabs;
        worker->slabs = slab;
        for (size_t i = 0; i < SESSIONS_PER_SLAB; i++) {
            worker_recycle_session(worker, &slab->sessions[i]);
        }
    }
    struct session *session = worker->free_sessions;
    worker->free_sessions = STAILQ_NEXT(session, again);
    return session;
}

void worker_recycle_session(struct worker *worker, struct session *session) {
    STAILQ_NEXT(session, again) = worker->free_sessions;
    worker->free_sessions = session;
}

void worker_again(struct worker *worker, struct session *session) {
    if (!session->in_again) {
        session->in_again = true;
        STAILQ_INSERT_TAIL(&worker->again, session, again);
    }
}

/* --- the turn -----------------------------------------------------------------------------------
 */

static void decide_turn(struct worker *worker);

struct policy_request *worker_next_request(struct worker *worker) {
    if (worker->turn_count == TURN_MAX) {
        decide_turn(worker);
    }
    return &worker->items[worker->turn_count].request;
}

void worker_queue(struct worker *worker, struct session *session) {
    struct turn_item *item = &worker->items[worker->turn_count];
    fetch_at_once(worker->fetcher, &item->request, &item->facts);
    item->fetchable = true;
    item->arrived_boot_ns = worker->now_ns;
    engine_look_ahead(worker->engine, worker->number, item);
    worker->turn[worker->turn_count++] = session;
}

void worker_start_ticking(struct worker *worker) {
    if (!worker->ticking) {
        const struct timeval interval = {.tv_usec = WORKER_TICK_MS * 1000};
        worker->ticking = event_add(&worker->tick_event, &interval) == 0;
    }
}

static void decide_turn(struct worker *worker) {
    const size_t count = worker->turn_count;
    if (count == 0) {
        return;
    }
    engine_turn(worker->engine, worker->number, worker->items, count);
    const int64_t decided_ns = clock_boot_ns();
    worker->turn_count = 0;
    struct journal *journal = engine_journal(worker->engine);
    if (journal_wants_wake(journal)) {
        journal_wake(journal);
    }
    bool held = false;
    for (size_t i = 0; i < count; i++) {
        struct turn_item *item = &worker->items[i];
        if (item->facts_wanted != 0) {
            if (worker_fetch(worker, worker->turn[i], item)) {
                continue;
            }
            item->fetchable = false;
            engine_turn(worker->engine, worker->number, item, 1);
        }
        const struct str action = {item->reply, item->reply_length};
        session_note_message(worker->turn[i], item);
        if (item->sequence != 0) {
            worker->turn[i]->arrived_ns = item->arrived_boot_ns;
            session_hold(worker->turn[i], action, item->sequence);
            held = true;
        } else {
            latency_note(&worker->latency, decided_ns - item->arrived_boot_ns);
            worker_answer(worker, worker->turn[i], action);
        }
    }
    worker_send_answers(worker);
    if (held) {
        worker_start_ticking(worker);
    }
}

/* --- answers that wait for the journal ----------------------------------------------------------
 */

static void release_synced(struct worker *worker) {
    const uint64_t synced = journal_synced(engine_journal(worker->engine));
    struct session *session;
    while ((session = TAILQ_FIRST(&worker->held)) != NULL && session->held_sequence <= synced) {
        worker_answer_held(worker, session);
    }
}

/* Mail never stops: at its deadline a request is answered whether the disk has it or not. */
static void release_overdue(struct worker *worker) {
    const int64_t deadline_ns = worker->generation->settings->policy_server.request_deadline_ns;
    struct session *session;
    while ((session = TAILQ_FIRST(&worker->held)) != NULL &&
           worker->now_ns - session->since_ns >= deadline_ns) {
        counter_add(&worker->counters->deadline, 1);
        worker_answer_held(worker, session);
    }
}

static void close_lingering(struct worker *worker) {
    struct session *session;
    while ((session = TAILQ_FIRST(&worker->closing)) != NULL &&
           worker->now_ns - session->since_ns >= SESSION_CLOSING_MAX_NS) {
        session_end(session);
    }
}

void worker_release_held(struct worker *worker) {
    struct session *session;
    while ((session = TAILQ_FIRST(&worker->held)) != NULL) {
        worker_answer_held(worker, session);
    }
    worker_send_answers(worker);
}

static void on_synced(evutil_socket_t fd, short what, void *context) {
    (void)what;
    (void)context; /* The pass itself looks at how far the journal is synced. */
    uint64_t count;
    (void)!read(fd, &count, sizeof count);
}

static void on_tick(evutil_socket_t fd, short what, void *context) {
    (void)fd;
    (void)what;
    struct worker *worker = context;
    worker_begin(worker);
    worker->ticking = false;
    if (!TAILQ_EMPTY(&worker->held) || !TAILQ_EMPTY(&worker->closing) ||
        !TAILQ_EMPTY(&worker->fetching)) {
        worker_start_ticking(worker);
    }
}

/* --- arrivals -----------------------------------------------------------------------------------
 */

/* The first of the waiting that is idle; NULL when that is not for `idle_close` yet. */
static struct session *find_longest_idle(struct worker *worker) {
    const int64_t least_ns = worker->generation->settings->policy_server.idle_close_ns;
    struct session *session;
    TAILQ_FOREACH(session, &worker->waiting, order) {
        if (worker->now_ns - session->since_ns < least_ns) {
            return NULL;
        }
        if (session_is_idle(session)) {
            return session;
        }
    }
    return NULL;
}

static void refuse_arrival(struct worker *worker, int fd) {
    static struct log_throttle throttle;
    uint64_t suppressed = 0;
    counter_add(&worker->counters->connections_refused, 1);
    if (log_throttle_pass(&throttle, &suppressed)) {
        log_write(LOG_WARN, "Policy",
                  "Connection refused: policy_server.connections_max is reached and no connection "
                  "has been idle for policy_server.idle_close (%llu more since the last such line)",
                  (unsigned long long)suppressed);
    }
    (void)close(fd);
    atomic_fetch_sub_explicit(&worker->connections, 1, memory_order_relaxed);
}

static void take_in(struct worker *worker, struct worker_arrival arrival) {
    if (arrival.replace_idle) {
        struct session *idle = find_longest_idle(worker);
        if (idle == NULL) {
            refuse_arrival(worker, arrival.fd);
            return;
        }
        counter_add(&worker->counters->connections_closed_idle, 1);
        session_end(idle);
    }
    if (session_new(worker, arrival.fd, (struct str){0}, (struct str){0}) == NULL) {
        refuse_arrival(worker, arrival.fd);
    }
}

static void take_arrivals(struct worker *worker) {
    worker_begin(worker);
    unsigned head = atomic_load_explicit(&worker->ring_head, memory_order_relaxed);
    while (head != atomic_load_explicit(&worker->ring_tail, memory_order_acquire)) {
        take_in(worker, worker->ring[head % WORKER_RING]);
        head++;
        atomic_store_explicit(&worker->ring_head, head, memory_order_release);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *context) {
    (void)what;
    uint64_t count;
    (void)!read(fd, &count, sizeof count);
    take_arrivals(context);
}

bool worker_pass_in(struct worker *worker, struct worker_arrival arrival) {
    const unsigned tail = atomic_load_explicit(&worker->ring_tail, memory_order_relaxed);
    if (tail - atomic_load_explicit(&worker->ring_head, memory_order_acquire) == WORKER_RING) {
        return false;
    }
    worker->ring[tail % WORKER_RING] = arrival;
    atomic_fetch_add_explicit(&worker->connections, 1, memory_order_relaxed);
    atomic_store_explicit(&worker->ring_tail, tail + 1, memory_order_release);
    worker_wake(worker);
    return true;
}

void worker_wake(struct worker *worker) {
    const uint64_t one = 1;
    (void)!write(worker->wake_fd, &one, sizeof one);
}

/* --- the loop -----------------------------------------------------------------------------------
 */

static void look_again(struct worker *worker) {
    struct session_again again = STAILQ_HEAD_INITIALIZER(again);
    STAILQ_CONCAT(&again, &worker->again);
    struct session *session;
    while ((session = STAILQ_FIRST(&again)) != NULL) {
        STAILQ_REMOVE_HEAD(&again, again);
        session->in_again = false;
        session_next(session);
    }
}

/* `from` is a struct of `count` uint64_t. */
static void publish_figures(struct counter *figures, const void *from, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t figure;
        memcpy(&figure, (const char *)from + i * sizeof figure, sizeof figure);
        atomic_store_explicit(&figures[i].value, figure, memory_order_relaxed);
    }
}

static void publish(struct worker *worker) {
    struct dns_stats dns;
    dns_stats(fetcher_dns(worker->fetcher), &dns);
    publish_figures(worker->dns, &dns, WORKER_DNS_FIGURES);
    const struct fetch_spf_counts spf = fetcher_spf_counts(worker->fetcher);
    publish_figures(worker->spf, &spf, WORKER_SPF_FIGURES);
    const struct session *oldest = TAILQ_FIRST(&worker->waiting);
    atomic_store_explicit(&worker->oldest_idle_ns, oldest != NULL ? oldest->since_ns : INT64_MAX,
                          memory_order_relaxed);
    atomic_store_explicit(&worker->busy, worker->buffers.in_use - worker->messages,
                          memory_order_relaxed);
    atomic_fetch_add_explicit(&worker->passes, 1, memory_order_relaxed);
}

/* Reads what is ready, decides, answers. */
static void one_pass(struct worker *worker, bool wait) {
    if (!STAILQ_EMPTY(&worker->again)) {
        worker_begin(worker);
        look_again(worker);
        wait = false;
    }
    (void)event_base_loop(worker->base, EVLOOP_ONCE | (wait ? 0 : EVLOOP_NONBLOCK));
    worker_begin(worker);
    worker_read_all(worker);
    decide_turn(worker);
    worker_expire_fetches(worker, false);
    while (worker_take_fetched(worker)) {
        decide_turn(worker);
    }
    if (!TAILQ_EMPTY(&worker->held)) {
        release_synced(worker);
        release_overdue(worker);
        worker_send_answers(worker);
    }
    close_lingering(worker);
    worker_end(worker);
    publish(worker);
    engine_between_turns(worker->engine);
}

static enum worker_order read_order(struct worker *worker) {
    return atomic_load_explicit(&worker->order, memory_order_acquire);
}

/* Says that it is parked and waits for the next order. */
static void park(struct worker *worker) {
    (void)pthread_mutex_lock(&worker->order_lock);
    worker->parked = true;
    (void)pthread_cond_broadcast(&worker->order_changed);
    while (read_order(worker) == WORKER_PARK) {
        (void)pthread_cond_wait(&worker->order_changed, &worker->order_lock);
    }
    worker->parked = false;
    (void)pthread_mutex_unlock(&worker->order_lock);
}

static void *run(void *context) {
    struct worker *worker = context;
    char name[16];
    (void)snprintf(name, sizeof name, "worker-%u", worker->number);
    (void)pthread_setname_np(pthread_self(), name);
    for (;;) {
        switch (read_order(worker)) {
        case WORKER_RUN:
            one_pass(worker, true);
            break;
        case WORKER_PARK:
            park(worker);
            break;
        case WORKER_STOP:
            /* What has arrived until now is answered. */
            worker_begin(worker);
            worker_expire_fetches(worker, true);
            do {
                one_pass(worker, false);
            } while (!STAILQ_EMPTY(&worker->again));
            return NULL;
        }
    }
}

/* --- orders -------------------------------------------------------------------------------------
 */

static void give_order(struct worker *worker, enum worker_order order) {
    (void)pthread_mutex_lock(&worker->order_lock);
    atomic_store_explicit(&worker->order, order, memory_order_release);
    (void)pthread_cond_broadcast(&worker->order_changed);
    (void)pthread_mutex_unlock(&worker->order_lock);
    worker_wake(worker);
}

void worker_park(struct worker *worker) {
    give_order(worker, WORKER_PARK);
    (void)pthread_mutex_lock(&worker->order_lock);
    while (!worker->parked) {
        (void)pthread_cond_wait(&worker->order_changed, &worker->order_lock);
    }
    (void)pthread_mutex_unlock(&worker->order_lock);
    take_arrivals(worker);
    worker_end(worker);
}

void worker_unpark(struct worker *worker) {
    give_order(worker, WORKER_RUN);
}

void worker_stop(struct worker *worker) {
    if (!worker->started) {
        return;
    }
    give_order(worker, WORKER_STOP);
    (void)pthread_join(worker->thread, NULL);
    worker->started = false;
}

/* --- hand-over ----------------------------------------------------------------------------------
 */

static bool visit_all(struct session_order *order, server_visit_session *visit, void *context) {
    const struct session *session;
    TAILQ_FOREACH(session, order, order) {
        struct passed_session passed = {.fd = session->fd};
        if (session->input != NULL) {
            passed.input = (struct str){session->input->bytes, session->input_length};
        }
        if (session->output != NULL) {
            passed.output = (struct str){session->output->bytes + session->output_start,
                                         session->output_length - session->output_start};
        }
        if (!visit(context, &passed)) {
            return false;
        }
    }
    return true;
}

bool worker_each_session(struct worker *worker, server_visit_session *visit, void *context) {
    return visit_all(&worker->waiting, visit, context) && visit_all(&worker->held, visit, context);
}

int worker_adopt(struct worker *worker, const struct passed_session *passed) {
    worker_begin(worker);
    const struct session *session = session_new(worker, passed->fd, passed->input, passed->output);
    worker_end(worker);
    if (session == NULL) {
        return -ENOMEM;
    }
    atomic_fetch_add_explicit(&worker->connections, 1, memory_order_relaxed);
    return 0;
}

/* --- life ---------------------------------------------------------------------------------------
 */

static struct event_base *base_new(void) {
    struct event_config *config = event_config_new();
    if (config == NULL) {
        return NULL;
    }
    /* One thread uses it at a time, and others wake it by `wake_fd`: no locks needed. */
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static bool add_events(struct worker *worker) {
    const int synced_fd = journal_synced_fd(engine_journal(worker->engine), worker->number);
    return event_assign(&worker->wake_event, worker->base, worker->wake_fd, EV_READ | EV_PERSIST,
                        on_wake, worker) == 0 &&
           event_assign(&worker->synced_event, worker->base, synced_fd, EV_READ | EV_PERSIST,
                        on_synced, worker) == 0 &&
           event_assign(&worker->tick_event, worker->base, -1, 0, on_tick, worker) == 0 &&
           event_add(&worker->wake_event, NULL) == 0 && event_add(&worker->synced_event, NULL) == 0;
}

int worker_init(struct worker *worker, const struct worker_options *options, struct text *problem) {
    worker->engine = options->engine;
    worker->counters = options->counters;
    worker->number = options->number;
    worker->now_ns = clock_boot_ns();
    worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (worker->wake_fd < 0) {
        text_add(problem, str_from(strerror(errno)));
        return -errno;
    }
    TAILQ_INIT(&worker->fetching);
    STAILQ_INIT(&worker->fetched);
    TAILQ_INIT(&worker->waiting);
    TAILQ_INIT(&worker->held);
    TAILQ_INIT(&worker->closing);
    STAILQ_INIT(&worker->again);
    atomic_store(&worker->oldest_idle_ns, INT64_MAX);
    (void)pthread_mutex_init(&worker->order_lock, NULL);
    (void)pthread_cond_init(&worker->order_changed, NULL);
    worker->items = calloc(TURN_MAX, sizeof *worker->items);
    worker->base = base_new();
    /* A turn holds one each; a few are partly filled besides. */
    if (worker->items == NULL || worker->base == NULL || !add_events(worker) ||
        worker_transfer_init(worker) != 0 || !buffer_pool_fill(&worker->buffers, 2 * TURN_MAX)) {
        text_add(problem, STR("out of memory"));
        return -ENOMEM;
    }
    return worker_fetch_init(worker, options, problem);
}

int worker_start(struct worker *worker) {
    const int error = pthread_create(&worker->thread, NULL, run, worker);
    worker->started = error == 0;
    return -error;
}

static void close_all(struct session_order *order) {
    struct session *session;
    while ((session = TAILQ_FIRST(order)) != NULL) {
        session_close(session);
    }
}

static void close_arrivals(struct worker *worker) {
    for (unsigned head = worker->ring_head; head != worker->ring_tail; head++) {
        (void)close(worker->ring[head % WORKER_RING].fd);
    }
}

void worker_done(struct worker *worker) {
    CHECK(!worker->started);
    if (worker->base != NULL) {
        close_all(&worker->waiting);
        close_all(&worker->held);
        close_all(&worker->closing);
        close_arrivals(worker);
        worker_fetch_done(worker);
        (void)event_del(&worker->wake_event);
        (void)event_del(&worker->synced_event);
        (void)event_del(&worker->tick_event);
        event_base_free(worker->base);
    }
    while (worker->slabs != NULL) {
        struct session_slab *next = worker->slabs->next;
        free(worker->slabs);
        worker->slabs = next;
    }
    worker_transfer_done(worker);
    buffer_pool_done(&worker->buffers);
    free(worker->items);
    (void)close(worker->wake_fd);
}
