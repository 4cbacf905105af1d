/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/http_exchange.h"

/* The list of connections, their deadlines, and who makes room when there are many. */

enum { WATCHDOG_MS_MAX = 500 };

unsigned http_connections_max(const struct http_server *server) {
    return server->options.connections_max != 0 ? server->options.connections_max
                                                : HTTP_CONNECTIONS_MAX;
}

static unsigned http_connections_crowded(const struct http_server *server) {
    return http_connections_max(server) / 4 * 3;
}

void http_connection_phase(struct http_connection *connection, enum http_phase phase,
                           int64_t deadline_in_ns) {
    const int64_t now_ns = clock_boot_ns();
    atomic_store(&connection->since_boot_ns, now_ns);
    atomic_store(&connection->phase, phase);
    atomic_store(&connection->deadline_boot_ns,
                 deadline_in_ns == INT64_MAX ? INT64_MAX : now_ns + deadline_in_ns);
}

/* Shutting the socket down wakes the connection's thread, which then closes it. */
static void end(struct http_connection *connection, struct counter *counter) {
    atomic_store(&connection->phase, HTTP_PHASE_ENDED);
    atomic_store(&connection->deadline_boot_ns, INT64_MAX);
    counter_add(counter, 1);
    (void)shutdown(connection->fd, SHUT_RDWR);
}

/* By closing one that waits for a head nothing is lost; one in the middle of a body or an answer
 * has to be slow. */
static bool may_end(const struct http_connection *connection, enum http_phase phase,
                    int64_t now_ns) {
    switch ((enum http_phase)atomic_load(&connection->phase)) {
    case HTTP_PHASE_HEAD:
        return phase == HTTP_PHASE_HEAD;
    case HTTP_PHASE_BODY:
    case HTTP_PHASE_ANSWER:
        return phase != HTTP_PHASE_HEAD && now_ns - atomic_load(&connection->since_boot_ns) >=
                                               connection->server->options.slow_ns;
    case HTTP_PHASE_HANDLER:
    case HTTP_PHASE_ENDED:
        break;
    }
    return false;
}

static struct http_connection *longest(struct http_connection *first, enum http_phase phase) {
    const int64_t now_ns = clock_boot_ns();
    struct http_connection *found = NULL;
    for (struct http_connection *c = first; c != NULL; c = c->next) {
        if (may_end(c, phase, now_ns) &&
            (found == NULL ||
             atomic_load(&c->since_boot_ns) < atomic_load(&found->since_boot_ns))) {
            found = c;
        }
    }
    return found;
}

static size_t count_open(const struct http_server *server) {
    size_t count = 0;
    for (const struct http_connection *c = server->connections; c != NULL; c = c->next) {
        count += atomic_load(&c->phase) != HTTP_PHASE_ENDED;
    }
    return count;
}

/* Ends one of those from `first` on; false when none may be ended. The caller holds the lock. */
static bool end_one(struct http_server *server, struct http_connection *first) {
    struct http_connection *victim = longest(first, HTTP_PHASE_HEAD);
    if (victim == NULL) {
        victim = longest(first, HTTP_PHASE_BODY);
    }
    if (victim != NULL) {
        end(victim, &server->counters.crowded);
    }
    return victim != NULL;
}

static void started(struct http_server *server, struct MHD_Connection *mhd, void **socket_context) {
    struct http_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        return; /* Requests of connections without a context are refused. */
    }
    connection->server = server;
    connection->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    http_guard_peer(server, connection);
    http_connection_phase(connection, HTTP_PHASE_HEAD, server->options.head_deadline_ns);
    pthread_mutex_lock(&server->lock);
    connection->next = server->connections;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    server->connections = connection;
    if (count_open(server) > http_connections_crowded(server)) {
        (void)end_one(server, connection->next);
    }
    pthread_mutex_unlock(&server->lock);
    *socket_context = connection;
}

static void closed(struct http_server *server, struct http_connection *connection) {
    pthread_mutex_lock(&server->lock);
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        server->connections = connection->next;
    }
    pthread_mutex_unlock(&server->lock);
    free(connection);
}

void http_connections_notify(void *context, struct MHD_Connection *mhd, void **socket_context,
                             enum MHD_ConnectionNotificationCode code) {
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *socket_context = NULL;
        started(context, mhd, socket_context);
    } else if (*socket_context != NULL) {
        closed(context, *socket_context);
    }
}

/* At the limit the library accepts nobody, so that no newcomer makes room. */
static void make_room_when_full(struct http_server *server) {
    size_t count = count_open(server);
    if (count < http_connections_max(server)) {
        return;
    }
    while (count > http_connections_crowded(server) && end_one(server, server->connections)) {
        count--;
    }
}

void *http_connections_watch(void *context) {
    struct http_server *server = context;
    const int64_t half_ms = server->options.head_deadline_ns / 2 / NS_PER_MS;
    const int tick_ms = half_ms < 1                 ? 1
                        : half_ms < WATCHDOG_MS_MAX ? (int)half_ms
                                                    : WATCHDOG_MS_MAX;
    struct pollfd wake = {.fd = server->wake_fd, .events = POLLIN};
    while (poll(&wake, 1, tick_ms) <= 0) {
        const int64_t now_ns = clock_boot_ns();
        pthread_mutex_lock(&server->lock);
        for (struct http_connection *c = server->connections; c != NULL; c = c->next) {
            if (atomic_load(&c->deadline_boot_ns) <= now_ns) {
                end(c, &server->counters.deadline);
            }
        }
        make_room_when_full(server);
        pthread_mutex_unlock(&server->lock);
    }
    return NULL;
}
