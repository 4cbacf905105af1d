/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http_exchange.h"
#include "net/json_text.h"

enum { BODY_FIRST_SIZE = 4096, STOP_POLL_MS = 5 };

/* --- one request --- */

/* Called with the raw target, before anything else of the request is read. */
static void *exchange_new(void *context, const char *target, struct MHD_Connection *mhd) {
    (void)mhd;
    struct http_server *server = context;
    struct http_exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange != NULL) {
        exchange->target_bytes = strdup(target);
        atomic_fetch_add(&server->running, 1);
    }
    return exchange;
}

static void exchange_free(struct http_server *server, struct http_exchange *exchange) {
    json_decref(exchange->json);
    if (exchange->refusal.message != NULL) {
        MHD_destroy_response(exchange->refusal.message);
    }
    if (exchange->request.caller != NULL && server->options.release != NULL) {
        server->options.release(server->options.context, exchange->request.caller);
    }
    free(exchange->body);
    free(exchange->target_bytes);
    atomic_fetch_sub(&server->bodies, exchange->body_reserved);
    free(exchange);
    atomic_fetch_sub(&server->running, 1);
}

static struct http_connection *connection_of(struct MHD_Connection *mhd) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static void notify_completed(void *context, struct MHD_Connection *mhd, void **exchange,
                             enum MHD_RequestTerminationCode code) {
    (void)code;
    struct http_server *server = context;
    struct http_connection *connection = connection_of(mhd);
    if (connection != NULL) {
        http_connection_phase(connection, HTTP_PHASE_HEAD, server->options.head_deadline_ns);
    }
    if (*exchange != NULL) {
        exchange_free(server, *exchange);
        *exchange = NULL;
    }
}

static void refuse_body(struct http_server *server, struct http_response *response,
                        const struct http_route *route) {
    counter_add(&server->counters.bodies_too_large, 1);
    if (route->body_max == 0) {
        http_answer_problem(response, 400, NULL, STR("This request takes no body."));
    } else {
        http_answer_problemf(response, 413, NULL, "The body is larger than %zu bytes.",
                             route->body_max);
    }
}

/* Room for `size` bytes of body; false when all bodies together would be too large. */
static bool body_reserve(struct http_server *server, struct http_exchange *exchange, size_t size) {
    const size_t more = size - exchange->body_size;
    if (atomic_fetch_add(&server->bodies, more) + more > HTTP_BODIES_MAX) {
        atomic_fetch_sub(&server->bodies, more);
        return false;
    }
    exchange->body_reserved += more;
    char *body = realloc(exchange->body, size);
    if (body == NULL) {
        return false;
    }
    exchange->body = body;
    exchange->body_size = size;
    return true;
}

static bool find_route(struct http_server *server, struct http_exchange *exchange,
                       const char *method_name, struct http_response *response) {
    char buffer[256];
    struct text problem = TEXT_OVER(buffer);
    if (strlen(exchange->target_bytes) > HTTP_TARGET_MAX) {
        http_answer_problemf(response, 414, NULL, "Path and query are longer than %d bytes.",
                             HTTP_TARGET_MAX);
        return false;
    }
    if (!http_target_parse(exchange->target_bytes, &exchange->target, &problem)) {
        http_answer_problem(response, 400, NULL, text_str(&problem));
        return false;
    }
    struct http_request *request = &exchange->request;
    const bool known = http_method_parse(str_from(method_name), &request->method);
    unsigned methods;
    const struct http_route *route =
        http_route_find(server->options.routes, server->options.route_count, request->method,
                        &exchange->target, request->parts, &methods);
    if (methods == 0 && known && request->method == HTTP_GET && server->options.fallback != NULL) {
        route = server->options.fallback;
    } else if (methods == 0) {
        http_answer_problem(response, 404, NULL, STR("There is nothing at this path."));
        return false;
    }
    if (route == NULL || !known) {
        http_answer_problem(response, 405, NULL,
                            STR("This path does not know that method; see the header Allow."));
        http_answer_allow(response, methods);
        return false;
    }
    exchange->route = route;
    request->route = route;
    return true;
}

static bool check_parameters(const struct http_server *server, struct http_exchange *exchange,
                             struct http_response *response) {
    const struct http_target *target = &exchange->target;
    const bool any = exchange->route == server->options.fallback;
    for (size_t i = 0; i < target->parameter_count && !any; i++) {
        if (!http_route_knows(exchange->route, target->parameters[i].name)) {
            char buffer[512];
            char name_buffer[4 * 64 + 1];
            struct text detail = TEXT_OVER(buffer);
            struct text name = TEXT_OVER(name_buffer);
            text_add_escaped(&name, str_slice(target->parameters[i].name, 0, 64));
            text_add(&detail, STR("There is no query parameter \""));
            text_add(&detail, text_str(&name));
            text_add(&detail, STR("\" here; it may have: "));
            text_add(&detail, exchange->route->parameters[0] == '\0'
                                  ? STR("none")
                                  : str_from(exchange->route->parameters));
            text_add_byte(&detail, '.');
            http_answer_problem(response, 400, text_zero(&name), text_str(&detail));
            return false;
        }
    }
    struct http_request *request = &exchange->request;
    request->path = target->path;
    request->parameter_count = target->parameter_count;
    memcpy(request->parameters, target->parameters, sizeof request->parameters);
    return true;
}

static uint64_t announced_length(struct MHD_Connection *mhd) {
    const char *text =
        MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t length = 0;
    return text == NULL || str_parse_u64(str_from(text), UINT64_MAX, &length) ? length : UINT64_MAX;
}

/* Everything that the head of a request can be wrong in. False when it was answered. */
static bool accept_head(struct http_server *server, struct MHD_Connection *mhd,
                        const struct http_connection *connection, struct http_exchange *exchange,
                        const char *method_name, struct http_response *response) {
    struct http_request *request = &exchange->request;
    request->peer = connection->peer;
    request->author = exchange->author;
    if (!find_route(server, exchange, method_name, response) ||
        !check_parameters(server, exchange, response)) {
        return false;
    }
    if (request->method != HTTP_GET && !http_guard_author(mhd, connection, exchange, response)) {
        return false;
    }
    if (server->options.admit != NULL) {
        server->options.admit(server->options.context, request, response);
        if (response->answered) {
            return false;
        }
    }
    const uint64_t length = announced_length(mhd);
    if (length > exchange->route->body_max) {
        refuse_body(server, response, exchange->route);
        return false;
    }
    if (length > 0 && !body_reserve(server, exchange, (size_t)length)) {
        counter_add(&server->counters.bodies_too_large, 1);
        http_answer_problem(response, 503, NULL,
                            STR("Too many large requests at once; try again in a moment."));
        return false;
    }
    return true;
}

static enum MHD_Result send_answer(struct http_server *server, struct MHD_Connection *mhd,
                                   const struct http_request *request,
                                   struct http_response *response) {
    if (server->options.finish != NULL) {
        server->options.finish(server->options.context, request, response);
    }
    struct MHD_Response *message = response->message;
    if (message == NULL) {
        return MHD_NO; /* Out of memory: the connection is closed. */
    }
    response->message = NULL;
    const enum MHD_Result result = MHD_queue_response(mhd, response->status, message);
    MHD_destroy_response(message);
    return result;
}

/* The head is complete. An answer before the body has been read would close the connection under
 * the sender's hands, which then may see a broken pipe and no answer: it is kept until the body has
 * ended. Whoever may not ask, or frames a request so that its end is doubtful, is not waited for.
 */
static enum MHD_Result begin(struct http_server *server, struct MHD_Connection *mhd,
                             struct http_connection *connection, struct http_exchange *exchange,
                             const char *method_name, const char *version) {
    exchange->begun = true;
    counter_add(&server->counters.requests, 1);
    http_connection_phase(connection, HTTP_PHASE_BODY, server->options.body_pause_ns);
    exchange->body_until_boot_ns = clock_boot_ns() + server->options.body_deadline_ns;
    struct http_response *response = &exchange->refusal;
    response->connection = connection;
    struct http_request *request = &exchange->request;
    request->connection = mhd;
    request->method_name = str_from(method_name);
    request->path = str_from(exchange->target_bytes);
    request->tcp = server->options.tcp;
    request->tls = server->options.tls_certificate != NULL;
    request->client_address = connection->address;
    if (!http_guard_head(server, mhd, connection, version, response)) {
        return send_answer(server, mhd, &exchange->request, response);
    }
    if (accept_head(server, mhd, connection, exchange, method_name, response)) {
        return MHD_YES;
    }
    if (announced_length(mhd) <= HTTP_BODIES_MAX) {
        return MHD_YES;
    }
    http_answer_close(response);
    return send_answer(server, mhd, &exchange->request, response);
}

/* A piece of body has come. */
static void extend_deadline(struct http_server *server, struct http_connection *connection,
                            const struct http_exchange *exchange) {
    const int64_t pause_end_ns = clock_boot_ns() + server->options.body_pause_ns;
    atomic_store(&connection->deadline_boot_ns, pause_end_ns < exchange->body_until_boot_ns
                                                    ? pause_end_ns
                                                    : exchange->body_until_boot_ns);
}

/* Keeps a piece of body. What is too much is dropped and answered when the body has ended. */
static void take_body(struct http_server *server, struct http_exchange *exchange, const char *bytes,
                      size_t length) {
    if (exchange->refusal.answered) {
        return;
    }
    const size_t needed = exchange->body_length + length;
    if (exchange->body_too_large || needed > exchange->route->body_max) {
        exchange->body_too_large = true;
        return;
    }
    if (needed > exchange->body_size) {
        size_t size = exchange->body_size == 0 ? BODY_FIRST_SIZE : exchange->body_size;
        while (size < needed) {
            size *= 2;
        }
        if (!body_reserve(server, exchange, size)) {
            exchange->body_too_large = true;
            return;
        }
    }
    memcpy(exchange->body + exchange->body_length, bytes, length);
    exchange->body_length = needed;
}

/* The request is complete. */
static void run(struct http_server *server, struct http_exchange *exchange,
                struct http_response *response) {
    const struct http_route *route = exchange->route;
    struct http_request *request = &exchange->request;
    if (exchange->body_too_large) {
        refuse_body(server, response, route);
        return;
    }
    request->body = (struct str){exchange->body, exchange->body_length};
    if (route->body == HTTP_BODY_JSON) {
        char buffer[512];
        struct text problem = TEXT_OVER(buffer);
        exchange->json = json_object_parse(request->body, &problem);
        if (exchange->json == NULL) {
            http_answer_problem(response, 400, NULL, text_str(&problem));
            return;
        }
        request->json = exchange->json;
    }
    route->handler(server->options.context, request, response);
    if (!response->answered) {
        http_answer_problem(response, 500, NULL, STR("The service gave no answer."));
    }
}

/* libmicrohttpd calls it when the head is complete, for each piece of body, and at the end. */
static enum MHD_Result handle_request(void *context, struct MHD_Connection *mhd, const char *url,
                                      const char *method, const char *version, const char *bytes,
                                      size_t *length, void **exchange_context) {
    (void)url;
    struct http_server *server = context;
    struct http_connection *connection = connection_of(mhd);
    struct http_exchange *exchange = *exchange_context;
    if (connection == NULL || exchange == NULL || exchange->target_bytes == NULL) {
        return MHD_NO;
    }
    if (!exchange->begun) {
        return begin(server, mhd, connection, exchange, method, version);
    }
    if (*length > 0) {
        extend_deadline(server, connection, exchange);
        take_body(server, exchange, bytes, *length);
        *length = 0;
        return MHD_YES;
    }
    struct http_response response = {.connection = connection};
    struct http_response *answer = &response;
    if (exchange->refusal.answered) {
        answer = &exchange->refusal;
    } else {
        http_connection_phase(connection, HTTP_PHASE_HANDLER, INT64_MAX);
        run(server, exchange, &response);
    }
    http_connection_phase(connection, HTTP_PHASE_ANSWER, server->options.body_deadline_ns);
    return send_answer(server, mhd, &exchange->request, answer);
}

/* --- start and stop --- */

/* Escapes are decoded by http_target_parse(), strictly. */
static size_t keep_escapes(void *context, struct MHD_Connection *mhd, char *text) {
    (void)context;
    (void)mhd;
    return strlen(text);
}

static struct MHD_Daemon *start_daemon(struct http_server *server) {
    const struct http_server_options *options = &server->options;
    const bool tls = options->tls_certificate != NULL;
    /* poll, because the service has thousands of descriptors and select ends at 1024. */
    const unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                           MHD_USE_ITC | (tls ? MHD_USE_TLS : 0U);
    const struct MHD_OptionItem tls_items[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)options->tls_certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)options->tls_key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0,
         (void *)(uintptr_t) "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL},
    };
    /* The library closes what it was given when it cannot start. */
    const int listen_fd = fcntl(options->listen_fd, F_DUPFD_CLOEXEC, 3);
    const struct MHD_OptionItem no_items[] = {{MHD_OPTION_END, 0, NULL}};
    if (listen_fd < 0) {
        return NULL;
    }
    return MHD_start_daemon(
        flags, 0, NULL, NULL, handle_request, server, MHD_OPTION_LISTEN_SOCKET, listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, http_connections_max(server),
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->connections_per_address, MHD_OPTION_ARRAY,
        tls ? tls_items : no_items, MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_STRICT_FOR_CLIENT,
        1, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)64 * 1024, MHD_OPTION_NOTIFY_CONNECTION,
        http_connections_notify, server, MHD_OPTION_NOTIFY_COMPLETED, notify_completed, server,
        MHD_OPTION_URI_LOG_CALLBACK, exchange_new, server, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_escapes, NULL, MHD_OPTION_END);
}

int http_server_start(const struct http_server_options *options, struct http_server **ret_server,
                      struct text *problem) {
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        text_add(problem, STR("Out of memory for the HTTP server."));
        return -ENOMEM;
    }
    server->options = *options;
    pthread_mutex_init(&server->lock, NULL);
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->wake_fd < 0 ||
        pthread_create(&server->watchdog, NULL, http_connections_watch, server) != 0) {
        text_add(problem, STR("No descriptor or thread left for the HTTP server."));
        goto failed;
    }
    server->daemon = start_daemon(server);
    if (server->daemon == NULL) {
        text_add(problem, STR("The HTTP server library could not start: "));
        text_add(problem, str_from(strerror(errno)));
        text_add_byte(problem, '.');
        (void)eventfd_write(server->wake_fd, 1);
        (void)pthread_join(server->watchdog, NULL);
        goto failed;
    }
    *ret_server = server;
    return 0;
failed:
    if (server->wake_fd >= 0) {
        (void)close(server->wake_fd);
    }
    pthread_mutex_destroy(&server->lock);
    free(server);
    return -EAGAIN;
}

void http_server_stop(struct http_server *server, int64_t patience_ns) {
    if (server == NULL) {
        return;
    }
    atomic_store(&server->stopping, true);
    const int listen_fd = MHD_quiesce_daemon(server->daemon);
    const int64_t until_ns = clock_boot_ns() + patience_ns;
    while (atomic_load(&server->running) > 0 && clock_boot_ns() < until_ns) {
        (void)poll(NULL, 0, STOP_POLL_MS);
    }
    MHD_stop_daemon(server->daemon);
    (void)close(listen_fd);
    (void)eventfd_write(server->wake_fd, 1);
    (void)pthread_join(server->watchdog, NULL);
    (void)close(server->wake_fd);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

bool http_server_stopping(const struct http_server *server) {
    return atomic_load(&server->stopping);
}

const struct http_server_counters *http_server_counters(const struct http_server *server) {
    return &server->counters;
}
