/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_exchange.h"
#include "net/json_text.h"

enum { STREAM_BLOCK = 32 * 1024 };

static const char *status_title(unsigned status) {
    switch (status) {
    case 400:
        return "Bad request";
    case 401:
        return "Not logged in";
    case 403:
        return "Not allowed";
    case 404:
        return "Not found";
    case 405:
        return "Method not allowed";
    case 409:
        return "Conflict";
    case 412:
        return "Changed meanwhile";
    case 413:
        return "Body too large";
    case 414:
        return "Target too long";
    case 415:
        return "Wrong content type";
    case 422:
        return "Cannot be done";
    case 429:
        return "Too many requests";
    case 502:
    case 503:
        return "Not available now";
    default:
        return status >= 500 ? "Failed" : "Refused";
    }
}

static void add_header(struct http_response *response, const char *name, const char *value) {
    if (response->message != NULL) {
        (void)MHD_add_response_header(response->message, name, value);
    }
}

static void answer(struct http_response *response, unsigned status, struct MHD_Response *message,
                   const char *content_type) {
    CHECK(!response->answered);
    response->answered = true;
    response->status = status;
    response->message = message;
    if (content_type != NULL) {
        add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    }
    add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
}

static struct MHD_Response *json_message(json_t *body) {
    /* One line, so that a reader of lines and a person in a terminal both see an end. */
    const size_t size = body == NULL ? 0 : json_dumpb(body, NULL, 0, JSON_COMPACT);
    char *bytes = size == 0 ? NULL : malloc(size + 1);
    if (bytes == NULL || json_dumpb(body, bytes, size, JSON_COMPACT) != size) {
        free(bytes);
        return NULL;
    }
    bytes[size] = '\n';
    struct MHD_Response *message =
        MHD_create_response_from_buffer(size + 1, bytes, MHD_RESPMEM_MUST_FREE);
    if (message == NULL) {
        free(bytes);
    }
    return message;
}

void http_answer_json(struct http_response *response, unsigned status, json_t *body) {
    if (body == NULL) {
        http_answer_problem(response, 500, NULL, STR("The service is out of memory."));
        return;
    }
    answer(response, status, json_message(body), "application/json");
    json_decref(body);
}

void http_answer_problem(struct http_response *response, unsigned status, const char *field,
                         struct str detail) {
    http_answer_problem_with(response, status, field, detail, NULL);
}

void http_answer_problem_with(struct http_response *response, unsigned status, const char *field,
                              struct str detail, json_t *members) {
    json_t *body =
        json_pack("{s:s, s:s, s:i, s:o}", "type", "about:blank", "title", status_title(status),
                  "status", (int)status, "detail", json_text(detail));
    if (body != NULL && field != NULL) {
        (void)json_object_set_new(body, "field", json_text_from(field));
    }
    if (members != NULL) {
        (void)json_object_update(body, members);
        json_decref(members);
    }
    answer(response, status, json_message(body), "application/problem+json");
    json_decref(body);
}

void http_answer_problemf(struct http_response *response, unsigned status, const char *field,
                          const char *format, ...) {
    char detail[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    http_answer_problem(response, status, field, str_from(detail));
}

void http_answer_failed(struct http_response *response, const char *what, int error) {
    http_answer_problemf(response, 500, NULL, "%s failed: %s. The log may say more.", what,
                         strerror(error < 0 ? -error : error));
}

void http_answer_nothing(struct http_response *response) {
    static char empty[1];
    answer(response, 204, MHD_create_response_from_buffer(0, empty, MHD_RESPMEM_PERSISTENT), NULL);
}

void http_answer_bytes(struct http_response *response, unsigned status, const char *content_type,
                       struct str bytes, bool forever) {
    /* The library takes a pointer to what it does not change. */
    struct MHD_Response *message =
        MHD_create_response_from_buffer(bytes.length, (void *)(uintptr_t)bytes.data,
                                        forever ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_COPY);
    answer(response, status, message, content_type);
}

void http_answer_header(struct http_response *response, const char *name, const char *value) {
    if (response->message == NULL) {
        return;
    }
    const char *before = MHD_get_response_header(response->message, name);
    if (before != NULL) {
        (void)MHD_del_response_header(response->message, name, before);
    }
    add_header(response, name, value);
}

unsigned http_answer_status(const struct http_response *response) {
    return response->answered ? response->status : 0;
}

void http_answer_allow(struct http_response *response, unsigned methods) {
    char allow[64];
    struct text out = TEXT_OVER(allow);
    for (unsigned i = 0; i < HTTP_METHODS; i++) {
        if ((methods & 1U << i) != 0) {
            text_add(&out, out.length > 0 ? STR(", ") : STR(""));
            text_add(&out, str_from(http_method_name((enum http_method)i)));
        }
    }
    add_header(response, MHD_HTTP_HEADER_ALLOW, text_zero(&out));
}

void http_answer_close(struct http_response *response) {
    add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* --- streams --- */

struct stream_state {
    struct http_stream stream;
    struct http_connection *connection;
};

/* Whether the reader has closed its end; a half-close is not that. */
static bool reader_gone(const struct http_connection *connection) {
    struct pollfd poller = {.fd = connection->fd};
    return poll(&poller, 1, 0) > 0 && (poller.revents & (POLLHUP | POLLERR)) != 0;
}

static ssize_t stream_read(void *context, uint64_t position, char *out, size_t size) {
    (void)position;
    struct stream_state *state = context;
    struct http_connection *connection = state->connection;
    const struct http_server *server = connection->server;
    http_connection_phase(connection, HTTP_PHASE_HANDLER, INT64_MAX);
    bool stopping = false;
    while (!(stopping = atomic_load(&server->stopping)) && !reader_gone(connection)) {
        const ssize_t length = state->stream.read(state->stream.context, out, size);
        if (length < 0) {
            return length == HTTP_STREAM_END ? MHD_CONTENT_READER_END_OF_STREAM
                                             : MHD_CONTENT_READER_END_WITH_ERROR;
        }
        if (length > 0) {
            http_connection_phase(connection, HTTP_PHASE_ANSWER, server->options.body_deadline_ns);
            return length;
        }
    }
    return stopping && !state->stream.live ? MHD_CONTENT_READER_END_WITH_ERROR
                                           : MHD_CONTENT_READER_END_OF_STREAM;
}

static void stream_close(void *context) {
    struct stream_state *state = context;
    state->stream.close(state->stream.context);
    free(state);
}

void http_answer_stream(struct http_response *response, const char *content_type,
                        const struct http_stream *stream) {
    struct stream_state *state = malloc(sizeof *state);
    struct MHD_Response *message = NULL;
    if (state != NULL) {
        *state = (struct stream_state){*stream, response->connection};
        message = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read,
                                                    state, stream_close);
    }
    if (message == NULL) {
        free(state);
        stream->close(stream->context);
        http_answer_problem(response, 500, NULL, STR("The service is out of memory."));
        return;
    }
    answer(response, 200, message, content_type);
}
