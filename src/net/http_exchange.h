/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/http_route.h"

/* Inside of the server: what http_server.c, http_connections.c, http_guard.c and http_answer.c
 * share. */

/* What a connection is at; since_boot_ns tells since when. */
enum http_phase {
    HTTP_PHASE_HEAD = 0, /* waits for a request head */
    HTTP_PHASE_BODY,
    HTTP_PHASE_HANDLER,
    HTTP_PHASE_ANSWER, /* the reader takes it; a stream: the last piece of it */
    HTTP_PHASE_ENDED,  /* shut down, until its thread has seen it */
};

struct http_connection {
    struct http_server *server;
    struct http_connection *next;
    struct http_connection *previous;
    int fd;
    struct http_peer peer;
    struct ip_address address; /* TCP */
    bool admitted;             /* the peer may use the API */
    _Atomic int phase;         /* enum http_phase */
    _Atomic int64_t since_boot_ns;
    _Atomic int64_t deadline_boot_ns; /* the watchdog closes it then; INT64_MAX: never */
};

struct http_response {
    struct http_connection *connection;
    bool answered;
    unsigned status;
    struct MHD_Response *message; /* NULL when memory ran out */
};

/* One request and its answer. */
struct http_exchange {
    char *target_bytes; /* owned; target points into it */
    struct http_target target;
    const struct http_route *route;
    struct http_request request;
    char author[HTTP_AUTHOR_MAX];
    bool begun;
    bool body_too_large;
    struct http_response refusal; /* answered: by the head alone; sent when the body has ended */
    int64_t body_until_boot_ns;   /* the absolute deadline of the body */
    size_t body_reserved;         /* of HTTP_BODIES_MAX */
    size_t body_size;
    size_t body_length;
    char *body;
    json_t *json;
};

struct http_server {
    struct MHD_Daemon *daemon;
    struct http_server_options options;
    struct http_server_counters counters;
    pthread_mutex_t lock; /* of the list of connections */
    struct http_connection *connections;
    pthread_t watchdog;
    int wake_fd; /* eventfd: ends the watchdog */
    _Atomic bool stopping;
    _Atomic size_t bodies;  /* bytes, against HTTP_BODIES_MAX */
    _Atomic size_t running; /* exchanges not completed */
};

unsigned http_connections_max(const struct http_server *server);
void http_connection_phase(struct http_connection *connection, enum http_phase phase,
                           int64_t deadline_in_ns);
void http_connections_notify(void *context, struct MHD_Connection *mhd, void **socket_context,
                             enum MHD_ConnectionNotificationCode code);
/* The watchdog's thread. */
void *http_connections_watch(void *context);

/* The guard's checks of a request head; false when the request was answered. */
bool http_guard_head(struct http_server *server, struct MHD_Connection *mhd,
                     struct http_connection *connection, const char *version,
                     struct http_response *response);
/* SO_PEERCRED and whether that peer may use the API. */
void http_guard_peer(const struct http_server *server, struct http_connection *connection);
/* Fills exchange->author for a change; false when the request was answered. */
bool http_guard_author(struct MHD_Connection *mhd, const struct http_connection *connection,
                       struct http_exchange *exchange, struct http_response *response);

/* "GET, POST" for the header Allow. */
void http_answer_allow(struct http_response *response, unsigned methods);
/* The answer's connection is closed afterwards. */
void http_answer_close(struct http_response *response);
