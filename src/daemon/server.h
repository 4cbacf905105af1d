/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/engine.h"

/* The policy server: listeners, one acceptor, workers with one event loop each. Counters and the
 * few things the control API tells about it. */

struct server;

struct server_counters {
    struct counter connections_accepted;
    struct counter connections_refused;     /* at connections_max with nobody idle long enough */
    struct counter connections_closed_idle;
    struct counter malformed[POLICY_REQUEST_RESULTS];
    struct counter deadline;                /* answered because the deadline fired */
    struct counter accept_paused;           /* out of descriptors */
};

MUST_USE int server_start(struct engine *engine, int handover_fd, struct server **ret_server,
                          struct text *problem);
/* Stops accepting, answers what is in flight, closes. */
void server_stop(struct server *server);
const struct server_counters *server_counters(const struct server *server);
uint64_t server_connections(const struct server *server);
uint64_t server_idle_connections(const struct server *server);
/* Addresses as listened on, "127.0.0.1:10035" or "unix:/path", in order; NULL beyond the last. */
const char *server_listen_address(const struct server *server, size_t index);
unsigned server_workers(const struct server *server);
