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

/* GET /events: live decisions as server-sent events (WHATWG HTML 9.2). A reader that was cut off
 * comes again with the last id it saw, and is first given what history has after it. */

enum { TARGET_MAX = 12288, IDLE_MS = 100, CATCH_UP_PAGE = 200 };
static const int64_t HEARTBEAT_NS = INT64_C(15) * 1000000000;

struct event_reader {
    struct api *api;
    struct event_filter filter;
    char filters[TARGET_MAX]; /* of the request, for history: "&sender=..." */
    bool joined;
    bool catching_up;
    uint64_t seen;  /* sequence: of what was sent from history */
    uint64_t from;  /* sequence: the ring holds what comes after */
    uint64_t place; /* in the ring */
    uint64_t lost;  /* events that the reader is to be told of */
    json_t *page;   /* of history; what is left of it */
    size_t page_at;
    int64_t heartbeat_boot_ns;
    char *out; /* during a read */
    size_t size;
    size_t length;
};

/* False when it does not fit any more; what never would is left out. */
static bool put_event(struct event_reader *reader, uint64_t sequence, const char *line) {
    const size_t left = reader->size - reader->length;
    const int length =
        snprintf(reader->out + reader->length, left, "id: %llu\nevent: session\ndata: %s\n\n",
                 (unsigned long long)sequence, line);
    if (length < 0 || (size_t)length >= left) {
        return reader->length == 0;
    }
    reader->length += (size_t)length;
    return true;
}

static void put_note(struct event_reader *reader, const char *event, uint64_t count) {
    const int length =
        snprintf(reader->out + reader->length, reader->size - reader->length,
                 "event: %s\ndata: {\"count\":%llu}\n\n", event, (unsigned long long)count);
    reader->length += length > 0 ? (size_t)length : 0;
}

/* --- from history --- */

static bool next_page(struct event_reader *reader) {
    char target[TARGET_MAX + 128];
    (void)snprintf(target, sizeof target, "/v1/sessions?order=oldest&limit=%d&cursor=%llu%s",
                   CATCH_UP_PAGE, (unsigned long long)reader->seen, reader->filters);
    json_decref(reader->page);
    reader->page = daemon_get(reader->api, target);
    reader->page_at = 0;
    return json_array_size(json_object_get(reader->page, "items")) > 0;
}

static bool put_item(struct event_reader *reader, const json_t *item) {
    uint64_t sequence = 0;
    (void)str_parse_u64(str_from(json_string_value(json_object_get(item, "sequence"))), UINT64_MAX,
                        &sequence);
    char *line = json_dumps(item, JSON_COMPACT);
    const bool put = line != NULL && put_event(reader, sequence, line);
    free(line);
    if (put) {
        reader->seen = sequence;
    }
    return put;
}

static void catch_up(struct event_reader *reader) {
    const json_t *items = json_object_get(reader->page, "items");
    if (reader->page_at == json_array_size(items)) {
        reader->catching_up = reader->seen < reader->from && next_page(reader);
        items = json_object_get(reader->page, "items");
    }
    while (reader->catching_up && reader->page_at < json_array_size(items) &&
           put_item(reader, json_array_get(items, reader->page_at))) {
        reader->page_at++;
    }
}

/* --- from the ring --- */

static bool take_event(void *context, const struct event *event) {
    struct event_reader *reader = context;
    return event->sequence <= reader->seen || !event_filter_fits(&reader->filter, event->item) ||
           put_event(reader, event->sequence, event->line);
}

static ssize_t read_events(void *context, char *out, size_t size) {
    struct event_reader *reader = context;
    reader->out = out;
    reader->size = size;
    reader->length = 0;
    if (reader->catching_up) {
        catch_up(reader);
        return (ssize_t)reader->length;
    }
    if (reader->lost > 0) {
        put_note(reader, "dropped", reader->lost);
        reader->lost = 0;
    }
    reader->lost += event_hub_read(reader->api->events, &reader->place, take_event, reader);
    const int64_t now_ns = clock_boot_ns();
    if (reader->length == 0 && now_ns - reader->heartbeat_boot_ns > HEARTBEAT_NS) {
        reader->length = (size_t)snprintf(out, size, ": still here\n\n");
    }
    if (reader->length == 0) {
        (void)poll(NULL, 0, IDLE_MS);
    } else {
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

static struct event_reader *reader_new(struct api *api, const struct http_request *request) {
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
    if (!event_hub_join(api->events, &reader->from, &reader->place)) {
        close_events(reader);
        return NULL;
    }
    return reader;
}

void api_get_events(void *context, const struct http_request *request,
                    struct http_response *response) {
    struct api *api = context;
    uint64_t seen = 0;
    bool given = false;
    if (!last_seen(request, response, &seen, &given)) {
        return;
    }
    if (atomic_fetch_add(&api->event_clients, 1) >= API_EVENT_CLIENTS_MAX) {
        atomic_fetch_sub(&api->event_clients, 1);
        http_answer_problemf(response, 503, NULL,
                             "%d others read live events now; close one of their pages.",
                             API_EVENT_CLIENTS_MAX);
        return;
    }
    struct event_reader *reader = reader_new(api, request);
    if (reader == NULL) {
        daemon_unreachable(response, STR("It did not say in time what it decided last."));
        return;
    }
    reader->seen = given ? seen : reader->from;
    reader->catching_up = given && seen < reader->from;
    const struct http_stream stream = {reader, read_events, close_events};
    http_answer_stream(response, "text/event-stream", &stream);
}
