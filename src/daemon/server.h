/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <event2/event.h>

#include "daemon/engine.h"
#include "daemon/service_manager.h"

/* The policy server: listeners, one acceptor, workers with one event loop each. The acceptor runs
 * in the main thread's event loop and hands each connection to the worker with the fewest. Counters
 * and the few things the control API tells about it may be read from any thread; everything else
 * belongs to the main thread. */

struct server;

enum { SERVER_LISTENERS_MAX = LISTENERS_MAX + INHERITED_SOCKETS_MAX, SERVER_WORKERS_MAX = 64 };

struct server_counters {
    struct counter connections_accepted;
    struct counter connections_refused; /* at connections_max with nobody idle long enough */
    struct counter connections_closed_idle;
    struct counter malformed[POLICY_REQUEST_RESULTS]; /* MORE: ended within a request */
    struct counter deadline;                          /* answered because the deadline fired */
    struct counter accept_paused;                     /* out of descriptors */
};

/* Listening sockets that we did not open: from the service manager or the process before us. Those
 * whose address stands in policy_server.listen are used instead of opening it. Of the others, those
 * that the process before us had opened itself are closed, since the setting no longer names them;
 * those of the service manager are used besides. */
struct server_sockets {
    const int *fds;
    unsigned count; /* at most SERVER_LISTENERS_MAX */
    unsigned own;   /* the last so many were opened by the process before us */
};

/* Opens the listeners and makes the workers; answers nothing until server_run(). `base` is the main
 * thread's. Negative errno and a sentence on failure. */
MUST_USE int server_start(struct engine *engine, struct event_base *base,
                          const struct server_sockets *given, struct server **ret_server,
                          struct text *problem);
/* Starts the workers' threads and accepts. */
MUST_USE int server_run(struct server *server, struct text *problem);
/* Stops accepting, answers what is in flight, closes, frees. */
void server_stop(struct server *server);
/* For the watchdog: true when every worker's loop has turned since the last call. */
bool server_alive(struct server *server);

const struct server_counters *server_counters(const struct server *server);
uint64_t server_connections(const struct server *server);
/* Those with no part of a request or answer under way. */
uint64_t server_idle_connections(const struct server *server);
/* Addresses as listened on, "127.0.0.1:10035" or "unix:/path", in order; NULL beyond the last. */
const char *server_listen_address(const struct server *server, size_t index);
unsigned server_workers(const struct server *server);
/* How long requests took, by worker: from being complete to the answer being ready to send. Returns
 * how many. They live as long as the server. */
struct latency;
size_t server_latencies(const struct server *server,
                        const struct latency *ret_latencies[SERVER_WORKERS_MAX]);
/* Of all workers together, as of the last turn of each. */
struct dns_stats;
void server_dns_stats(const struct server *server, struct dns_stats *ret_stats);
struct fetch_spf_counts;
void server_spf_counts(const struct server *server, struct fetch_spf_counts *ret_counts);
struct rbl_guard;
struct geo_keeper;
struct rbl_guard *server_rbl_guard(const struct server *server);
struct geo_keeper *server_geo_keeper(const struct server *server);

/* --- hand-over (handover.h) --------------------------------------------------------------------
 */

/* A connection as it passes to another process. The slices live until server_resume() or the end.
 */
struct passed_session {
    int fd;
    struct str input;  /* received, not yet answered */
    struct str output; /* decided, not yet taken by the peer */
};

/* Stops accepting and reading. When it returns all decisions are journaled and no worker runs. */
void server_park(struct server *server);
/* Sends the answers that waited for the journal; call it when that is synced. */
void server_release_held(struct server *server);
typedef bool server_visit_session(void *context, const struct passed_session *session);
/* False when `visit` returned false. */
MUST_USE bool server_each_session(struct server *server, server_visit_session *visit,
                                  void *context);
/* The listening descriptor; -1 beyond the last. */
int server_listen_fd(const struct server *server, size_t index);
/* How many of them, the last ones, were opened for policy_server.listen and not inherited. */
unsigned server_listeners_own(const struct server *server);
/* Goes on after server_park(). */
void server_resume(struct server *server);
/* Takes a connection over, between server_start() and server_run(). Owns the descriptor. */
MUST_USE int server_adopt_session(struct server *server, const struct passed_session *session);
