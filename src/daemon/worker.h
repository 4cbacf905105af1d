/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/latency.h"
#include "daemon/fetch.h"
#include "daemon/server.h"
#include "daemon/session.h"

/* One thread, one event loop, its share of the connections. The turn is our own loop around
 * EVLOOP_ONCE: read whatever is ready, decide on all complete requests at once (engine_turn), send
 * the answers, do what is due between turns.
 *
 * The acceptor passes connections in through a ring; the main thread stops, parks and wakes. */

enum {
    WORKER_RING = 1024,   /* Connections passed in and not yet taken. */
    WORKER_READ_MAX = 32, /* Sockets read together: few enough for the processor's cache. */
    WORKER_TICK_MS = 10,  /* Only while answers are held or connections end. */
    WORKER_DNS_FIGURES = sizeof(struct dns_stats) / sizeof(uint64_t),
    WORKER_SPF_FIGURES = sizeof(struct fetch_spf_counts) / sizeof(uint64_t),
};

TAILQ_HEAD(session_order, session);
STAILQ_HEAD(session_again, session);

/* A connection on its way to a worker. */
struct worker_arrival {
    int fd;
    bool replace_idle; /* At the connection limit: only in place of one idle for long enough. */
};

enum worker_order { WORKER_RUN = 0, WORKER_PARK, WORKER_STOP };

struct worker {
    struct engine *engine;
    struct server_counters *counters;
    unsigned number;

    struct event_base *base;
    struct event wake_event;
    struct event synced_event;
    struct event tick_event;
    bool ticking;

    /* The turn. */
    const struct generation *generation; /* Pinned for this pass; NULL between passes. */
    int64_t now_ns;                      /* Boot clock when this pass found something to do. */
    struct turn_item *items;             /* TURN_MAX */
    struct session *turn[TURN_MAX];
    size_t turn_count;

    /* Read together, and answered together (worker_transfer.c). */
    struct socket_batch *batch;
    struct session *reading[WORKER_READ_MAX];
    size_t reading_count;
    struct session *answering[TURN_MAX];
    struct socket_transfer answers[TURN_MAX];
    size_t answer_count;
    char *answer_bytes; /* TURN_MAX * SESSION_ANSWER_MAX */
    size_t answer_length;

    /* Decisions that wait for facts (worker_fetch.c). */
    struct fetcher *fetcher;
    struct fetch_order fetching; /* oldest first */
    struct fetch_queue fetched;  /* all facts are there */

    struct session_order
        waiting; /* READING, QUEUED, FETCHING and WRITING, the longest waiting first. */
    struct session_order held; /* In order of sequence. */
    struct session_order closing;
    struct session_again again; /* Have bytes of a next request already. */
    struct session *free_sessions;
    struct session_slab *slabs;
    struct buffer_pool buffers;
    size_t messages; /* sessions with a message under way, each of which keeps a buffer */

    /* Written by this thread, read by others. */
    _Atomic uint64_t connections;   /* Also counts those in the ring. */
    _Atomic uint64_t busy;          /* Connections with part of a request or an answer. */
    _Atomic int64_t oldest_idle_ns; /* Boot clock; INT64_MAX: none. */
    _Atomic uint64_t passes;        /* Turns of the loop, for the watchdog. */
    struct latency latency;         /* Of requests, until their answers are ready to send. */
    struct counter dns[WORKER_DNS_FIGURES]; /* struct dns_stats, one by one */
    struct counter spf[WORKER_SPF_FIGURES]; /* struct fetch_spf_counts, likewise */

    /* From the acceptor. */
    struct worker_arrival ring[WORKER_RING];
    _Atomic unsigned ring_head; /* Next to take: this thread. */
    _Atomic unsigned ring_tail; /* Next free: the acceptor. */
    int wake_fd;

    /* From the main thread. */
    pthread_t thread;
    pthread_mutex_t order_lock;
    pthread_cond_t order_changed;
    _Atomic enum worker_order order; /* Changed under order_lock. */
    bool parked;
    bool started;
};

struct worker_options {
    struct engine *engine;
    struct server_counters *counters;
    struct rbl_guard *guard;
    struct geo_keeper *keeper;
    unsigned number;
};
/* Negative errno and a sentence. */
MUST_USE int worker_init(struct worker *worker, const struct worker_options *options,
                         struct text *problem);
MUST_USE int worker_start(struct worker *worker);
/* Acceptor: false when the ring is full. Counts the connection at once. */
bool worker_pass_in(struct worker *worker, struct worker_arrival arrival);
void worker_wake(struct worker *worker);
/* Main thread: returns when the worker has finished its turn and touches no session any more.
 * Held answers stay held. */
void worker_park(struct worker *worker);
void worker_unpark(struct worker *worker);
/* Main thread, while parked and once the journal is synced: sends all held answers. */
void worker_release_held(struct worker *worker);
/* Main thread, while parked: every connection. False when `visit` returned false. */
bool worker_each_session(struct worker *worker, server_visit_session *visit, void *context);
/* Main thread, before worker_start(). */
MUST_USE int worker_adopt(struct worker *worker, const struct passed_session *passed);
/* Decides on what has arrived, ends the thread. Held answers stay held (worker_release_held). */
void worker_stop(struct worker *worker);
/* Closes all connections, frees what the worker holds. */
void worker_done(struct worker *worker);

/* For sessions, and for the main thread while the worker's own does not run. Between begin and end
 * the settings are pinned and the time stands still. begin may be called again and again: the
 * first thing that happens after a wait begins the pass (a pin must not outlive the wait). */
void worker_begin(struct worker *worker);
void worker_end(struct worker *worker);
struct session *worker_allocate_session(struct worker *worker);
void worker_recycle_session(struct worker *worker, struct session *session);
/* The place for the next request of the turn. */
struct policy_request *worker_next_request(struct worker *worker);
/* Puts the session, whose request stands there, on the turn list. Does not decide yet. */
void worker_queue(struct worker *worker, struct session *session);
/* Looks at the session's input again in the next pass. */
void worker_again(struct worker *worker, struct session *session);
/* For as long as answers are held or connections are ending. */
void worker_start_ticking(struct worker *worker);

/* --- worker_transfer.c -------------------------------------------------------------------------
 */

/* Negative errno. */
MUST_USE int worker_transfer_init(struct worker *worker);
void worker_transfer_done(struct worker *worker);
/* Reads from the session soon: with others, at the latest in worker_read_all(). */
void worker_read(struct worker *worker, struct session *session);
void worker_read_all(struct worker *worker);
/* Sends the answer with others: at the latest in worker_send_answers(). */
void worker_answer(struct worker *worker, struct session *session, struct str action);
void worker_answer_held(struct worker *worker, struct session *session);
void worker_send_answers(struct worker *worker);

/* --- worker_fetch.c ----------------------------------------------------------------------------
 */

MUST_USE int worker_fetch_init(struct worker *worker, const struct worker_options *options,
                               struct text *problem);
void worker_fetch_done(struct worker *worker);
/* The session's decision waits for the facts that `item` wants. False: there is no memory for it,
 * so it has to be decided without. */
bool worker_fetch(struct worker *worker, struct session *session, const struct turn_item *item);
/* Puts those whose facts are there on the turn list, as many as it holds. False: there are none. */
bool worker_take_fetched(struct worker *worker);
/* Those at their deadline, or all: their facts will not come. */
void worker_expire_fetches(struct worker *worker, bool all);
void worker_drop_fetch(struct session *session);
