/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_handlers.h"
#include "api/daemon_call.h"
#include "api/event_filter.h"
#include "api/event_hub.h"
#include "base/clock.h"
#include "store/history_request.h"

/* GET /events: live decisions as server-sent events (WHATWG HTML 9.2). A reader that was cut off
 * comes again with the last id it saw, and is first given what history has after it. While the
 * daemon is away the stream goes on, and says so. */

/* A reader that has all there is waits for BATCH_MS, and then gets what has come in one piece: with
 * each event on its own, 64 readers of a busy daemon would cost more than the daemon. */
enum {
    TARGET_MAX = 12288,
    BATCH_MS = 150,
    LOOK_MS = 50,
    CATCH_UP_PAGE = 200,
    CATCH_UP_FAILURES = 20
};
static const int64_t HEARTBEAT_NS = INT64_C(15) * 1000000000;

struct event_reader {
    struct api *api;
    struct event_filter filter;
    char filters[TARGET_MAX]; /* of the request, for history: "&sender=..." */
    bool joined;
    bool placed;    /* the two below are known */
    bool told_away; /* that the daemon is */
    bool drained;   /* it had all there was the last time */
    bool catching_up;
    unsigned failures; /* to read history, in a row */
    bool given;        /* `seen` was */
    uint64_t seen;     /* sequence: of what was sent from history */
    uint64_t from;     /* sequence: the ring holds what comes after */
    uint64_t place;    /* in the ring */
    uint64_t lost;     /* events that the reader is to be told of */
    json_t *page;      /* of history; what is left of it */
    size_t page_at;
    int64_t heartbeat_boot_ns;
    char *out; /* during a read */
    size_t size;
    size_t length;
};

/* False when it does not fit any more; what never would is left out. */
static bool put_bytes(struct event_reader *reader, struct str bytes) {
    if (bytes.length > reader->size - reader->length) {
        return reader->length == 0;
    }
    memcpy(reader->out + reader->length, bytes.data, bytes.length);
    reader->length += bytes.length;
    return true;
}

/* Notes come first in a piece, where there is room for them. */
static void put_note(struct event_reader *reader, const char *event, const char *member,
                     const char *value) {
    char bytes[128];
    const int length =
        snprintf(bytes, sizeof bytes, "event: %s\ndata: {\"%s\":%s}\n\n", event, member, value);
    (void)put_bytes(reader, (struct str){bytes, (size_t)length});
}

static void put_dropped(struct event_reader *reader) {
    char count[24];
    (void)snprintf(count, sizeof count, "%llu", (unsigned long long)reader->lost);
    put_note(reader, "dropped", "count", count);
    reader->lost = 0;
}

/* --- from history --- */

/* False: history cannot be read now. */
static bool next_page(struct event_reader *reader) {
    char target[TARGET_MAX + 128];
    (void)snprintf(target, sizeof target, "/v1/sessions?order=oldest&limit=%d&cursor=%llu%s",
                   CATCH_UP_PAGE, (unsigned long long)reader->seen, reader->filters);
    json_decref(reader->page);
    reader->page = daemon_get(reader->api, target);
    reader->page_at = 0;
    reader->failures = reader->page != NULL ? 0 : reader->failures + 1;
    return reader->page != NULL;
}

static bool put_item(struct event_reader *reader, const json_t *item) {
    uint64_t sequence = 0;
    (void)str_parse_u64(str_from(json_string_value(json_object_get(item, "sequence"))), UINT64_MAX,
                        &sequence);
    char *line = json_dumps(item, JSON_COMPACT);
    size_t length = 0;
    char *message = line != NULL ? event_message(sequence, str_from(line), &length) : NULL;
    const bool put = message != NULL && put_bytes(reader, (struct str){message, length});
    free(message);
    free(line);
    if (put) {
        reader->seen = sequence;
    }
    return put;
}

static void catch_up(struct event_reader *reader) {
    if (reader->page_at == json_array_size(json_object_get(reader->page, "items"))) {
        reader->catching_up = reader->seen < reader->from;
        if (reader->catching_up && !next_page(reader)) {
            reader->drained = true; /* Once more in a moment. */
            return;
        }
    }
    const json_t *items = json_object_get(reader->page, "items");
    reader->catching_up = reader->catching_up && json_array_size(items) > 0;
    while (reader->catching_up && reader->page_at < json_array_size(items) &&
           put_item(reader, json_array_get(items, reader->page_at))) {
        reader->page_at++;
    }
}

/* --- from the ring --- */

static bool take_event(void *context, const struct event *event) {
    struct event_reader *reader = context;
    return event->sequence <= reader->seen ||
           !event_filter_fits(&reader->filter, event->is_end, event->item) ||
           put_bytes(reader, event->message);
}

/* Where it begins, once the daemon has said where it is: after what it has seen, else from now on.
 */
static void start_at(struct event_reader *reader, uint64_t from, uint64_t place) {
    reader->placed = true;
    reader->from = from;
    reader->place = place;
    if (!reader->given) {
        reader->seen = from;
    }
    reader->catching_up = reader->seen < from;
}

static void take_state(struct event_reader *reader) {
    const struct event_state state = event_hub_state(reader->api->events);
    if (!reader->placed && state.placed) {
        start_at(reader, state.began_from, state.began_place);
    }
    if (state.away != reader->told_away) {
        put_note(reader, "daemon", "daemon", state.away ? "false" : "true");
        reader->told_away = state.away;
    }
}

static void take_ring(struct event_reader *reader) {
    if (reader->lost > 0) {
        put_dropped(reader);
    }
    const uint64_t place = reader->place;
    reader->lost += event_hub_read(reader->api->events, &reader->place, take_event, reader);
    /* A full piece is not all there is. */
    reader->drained = reader->place == place || reader->length < reader->size / 2;
}

/* Not so long that the ring goes round meanwhile. */
static void wait_for_more(const struct event_reader *reader) {
    const uint64_t soon = reader->place + EVENT_RING / 8;
    for (int waited = 0; waited < BATCH_MS; waited += LOOK_MS) {
        if (reader->placed && event_hub_state(reader->api->events).place >= soon) {
            return;
        }
        (void)poll(NULL, 0, LOOK_MS);
    }
}

static ssize_t read_events(void *context, char *out, size_t size) {
    struct event_reader *reader = context;
    if (reader->drained) {
        wait_for_more(reader);
    }
    reader->out = out;
    reader->size = size;
    reader->length = 0;
    reader->drained = !reader->placed;
    take_state(reader);
    if (reader->catching_up) {
        catch_up(reader);
    } else if (reader->placed) {
        take_ring(reader);
    }
    if (reader->failures >= CATCH_UP_FAILURES && !reader->told_away) {
        return HTTP_STREAM_END; /* It comes again with what it has seen. */
    }
    const int64_t now_ns = clock_boot_ns();
    if (reader->length == 0 && now_ns - reader->heartbeat_boot_ns > HEARTBEAT_NS) {
        (void)put_bytes(reader, STR(": still here\n\n"));
    }
    if (reader->length > 0) {
        reader->heartbeat_boot_ns = now_ns;
    }
    return (ssize_t)reader->length;
}

static void close_events(void *context) {
    struct event_reader *reader = context;
    if (reader->joined) {
        event_hub_leave(reader->api->events);
    }
    atomic_fetch_sub(&reader->api->event_clients, 1);
    event_filter_done(&reader->filter);
    json_decref(reader->page);
    free(reader);
}

/* --- the request --- */

static bool last_seen(const struct http_request *request, struct http_response *response,
                      uint64_t *ret_sequence, bool *ret_given) {
    struct str text = http_request_header(request, "Last-Event-ID");
    const char *field = "Last-Event-ID";
    if (text.data == NULL) {
        text = http_request_parameter(request, "cursor");
        field = "cursor";
    }
    *ret_given = text.data != NULL;
    if (text.data == NULL || str_parse_u64(text, INT64_MAX, ret_sequence)) {
        return true;
    }
    http_answer_problemf(response, 400, field, "%s must be the id of an event, a decimal number.",
                         field);
    return false;
}

static void keep_filters(struct event_reader *reader, const struct http_request *request) {
    struct text out = TEXT_OVER(reader->filters);
    for (size_t i = 0; i < request->parameter_count; i++) {
        const struct http_parameter *parameter = &request->parameters[i];
        if (!str_equal(parameter->name, STR("cursor"))) {
            text_add_byte(&out, '&');
            http_client_escape(parameter->name, &out);
            text_add_byte(&out, '=');
            http_client_escape(parameter->value, &out);
        }
    }
    (void)text_zero(&out);
}

static struct event_reader *reader_new(struct api *api, const struct http_request *request,
                                       bool given, uint64_t seen) {
    struct event_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        atomic_fetch_sub(&api->event_clients, 1);
        return NULL;
    }
    reader->api = api;
    if (!event_filter_init(&reader->filter, request)) {
        close_events(reader);
        return NULL;
    }
    keep_filters(reader, request);
    reader->joined = true;
    event_hub_join(api->events);
    const struct event_state state = event_hub_state(api->events);
    reader->given = given;
    reader->seen = seen;
    if (state.placed) {
        start_at(reader, state.from, state.place);
    }
    return reader;
}

void api_get_events(void *context, const struct http_request *request,
                    struct http_response *response) {
    struct api *api = context;
    uint64_t seen = 0;
    bool given = false;
    struct history_query filters;
    if (!last_seen(request, response, &seen, &given) ||
        !history_request_filters(request, response, &filters)) {
        return;
    }
    if (atomic_fetch_add(&api->event_clients, 1) >= API_EVENT_CLIENTS_MAX) {
        atomic_fetch_sub(&api->event_clients, 1);
        http_answer_problemf(response, 503, NULL,
                             "%d others read live events now; close one of their pages.",
                             API_EVENT_CLIENTS_MAX);
        return;
    }
    struct event_reader *reader = reader_new(api, request, given, seen);
    if (reader == NULL) {
        http_answer_problem(response, 503, NULL, STR("The service is out of memory."));
        return;
    }
    const struct http_stream stream = {reader, read_events, close_events, true};
    http_answer_stream(response, "text/event-stream", &stream);
}
