/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/control_api.h"
#include "policy/decision_explain.h"
#include "store/history_summary.h"

enum { FOLLOW_PAGE = 200, FOLLOW_WAIT_MS = 500, FOLLOW_TEXT_FIRST = 64 * 1024 };

/* --- readers -----------------------------------------------------------------------------------
 */

struct history_reader *control_reader_take(struct control *control,
                                           struct http_response *response) {
    struct history_reader *reader = NULL;
    pthread_mutex_lock(&control->readers_lock);
    if (control->reader_count > 0) {
        reader = control->readers[--control->reader_count];
    }
    pthread_mutex_unlock(&control->readers_lock);
    if (reader == NULL) {
        const int error = history_reader_open(engine_history_folder(control->engine), &reader);
        if (error != 0) {
            control_failed(response, "Opening history", error);
            return NULL;
        }
        history_reader_use(reader, control->live);
    }
    return reader;
}

void control_reader_give(struct control *control, struct history_reader *reader) {
    pthread_mutex_lock(&control->readers_lock);
    const bool kept = control->reader_count < CONTROL_READERS_MAX;
    if (kept) {
        control->readers[control->reader_count++] = reader;
    }
    pthread_mutex_unlock(&control->readers_lock);
    if (!kept) {
        history_reader_close(reader);
    }
}

/* --- a row as JSON -----------------------------------------------------------------------------
 */

/* "rbl:reject:rbl.listed greylisting:defer:..." as objects. */
static json_t *shadow_json(struct str shadow) {
    json_t *items = json_array();
    while (shadow.length > 0) {
        const size_t blank = str_find(shadow, ' ');
        const struct str word = str_slice(shadow, 0, blank);
        const size_t first = str_find(word, ':');
        const struct str rest =
            str_slice(word, first == SIZE_MAX ? word.length : first + 1, word.length);
        const size_t second = str_find(rest, ':');
        if (second != SIZE_MAX) {
            (void)json_array_append_new(
                items, json_pack("{s:o, s:o, s:o}", "policy", json_text(str_slice(word, 0, first)),
                                 "verdict", json_text(str_slice(rest, 0, second)), "reason",
                                 json_text(str_slice(rest, second + 1, rest.length))));
        }
        shadow = blank == SIZE_MAX ? STR("") : str_slice(shadow, blank + 1, shadow.length);
    }
    return items;
}

json_t *control_session(const struct history_row *row) {
    json_t *item = json_object();
    control_put(item, "sequence", json_sequence(row->sequence));
    control_put(item, "time", json_time(row->time_ns));
    control_put(item, "direction", json_text_from(direction_name(row->direction)));
    control_put(item, "state", json_text_from(row->is_end ? "END-OF-MESSAGE" : "RCPT"));
    control_put(item, "verdict",
                json_text_from(row->is_end ? NULL : decision_verdict_name(row->verdict)));
    control_put(item, "policy", json_text_from(policy_info(row->policy)->name));
    control_put(item, "reason", json_text_from(reason_info(row->reason)->word));
    control_put(item, "sentence", json_text_from(reason_info(row->reason)->sentence));
    control_put(item, "rule", json_text(row->rule));
    control_put(item, "reply", json_text(row->reply));
    control_put(item, "client_address", json_text(row->client_address));
    control_put(item, "client_name", json_text(row->client_name));
    control_put(item, "helo", json_text(row->helo));
    control_put(item, "sender", json_text(row->sender));
    control_put(item, "recipient", json_text(row->recipient));
    control_put(item, "identity", json_text(row->identity));
    control_put(item, "instance", json_text(row->instance));
    control_put(item, "queue_id", json_text(row->queue_id));
    control_put(item, "size", json_count(row->size));
    control_put(item, "recipients", row->is_end ? json_count(row->recipients) : json_null());
    control_put(item, "generation", json_count(row->generation));
    control_put(item, "duration_us", json_count(row->duration_us));
    control_put(item, "count", json_count(row->count));
    control_put(item, "country", row->country.length > 0 ? json_text(row->country) : json_null());
    control_put(item, "asn", row->asn != 0 ? json_count(row->asn) : json_null());
    control_put(item, "shadow", shadow_json(row->shadow));
    return item;
}

/* --- filters -----------------------------------------------------------------------------------
 */

#define FILTER_TEXTS 11

static bool read_words(const struct http_request *request, struct http_response *response,
                       struct history_query *query) {
    const struct str policy = http_request_parameter(request, "policy");
    const struct str reason = http_request_parameter(request, "reason");
    if (!control_verdict(request, response, &query->verdict) ||
        !control_direction(request, response, &query->direction)) {
        return false;
    }
    query->policy = policy_find(policy);
    if (policy.data != NULL && query->policy == POLICY_NONE) {
        http_answer_problem(response, 400, "policy",
                            STR("There is no such policy; GET /v1/policies lists them."));
        return false;
    }
    enum reason number = REASON_NONE;
    if (str_equal(reason, STR("none"))) {
        http_answer_problem(response, 400, "reason",
                            STR("Reason none stands where nobody objected: ask for "
                                "verdict=accept instead."));
        return false;
    }
    if (reason.data != NULL && !reason_find(reason, &number)) {
        http_answer_problem(response, 400, "reason",
                            STR("There is no such reason; they read like greylist.too-early."));
        return false;
    }
    query->reason = number;
    return true;
}

/* "AS64496" or "64496" */
static bool read_asn(const struct http_request *request, struct http_response *response,
                     struct history_query *query) {
    struct str text = http_request_parameter(request, "asn");
    uint64_t asn = 0;
    if (text.data == NULL) {
        return true;
    }
    if (text.length > 2 && str_equal_nocase(str_slice(text, 0, 2), STR("AS"))) {
        text = str_slice(text, 2, text.length);
    }
    if (!str_parse_u64(text, UINT32_MAX, &asn) || asn == 0) {
        http_answer_problem(response, 400, "asn",
                            STR("asn must be the number of a network, such as 64496 or AS64496."));
        return false;
    }
    query->asn = (uint32_t)asn;
    return true;
}

static bool read_state(const struct http_request *request, struct http_response *response,
                       struct history_query *query) {
    const struct str state = http_request_parameter(request, "state");
    if (state.data == NULL || str_equal_nocase(state, STR("rcpt"))) {
        query->states = HISTORY_RECIPIENTS;
    } else if (str_equal_nocase(state, STR("end-of-message"))) {
        query->states = HISTORY_ENDS;
    } else if (str_equal_nocase(state, STR("all"))) {
        query->states = HISTORY_ALL;
    } else {
        http_answer_problem(response, 400, "state",
                            STR("state must be RCPT (the default: decisions on recipients), "
                                "END-OF-MESSAGE or all."));
        return false;
    }
    return true;
}

/* `filters` are texts of the request: the query borrows them. */
static bool read_filters(const struct http_request *request, struct http_response *response,
                         struct history_query *query) {
    *query = (struct history_query){
        .verdict = -1,
        .direction = -1,
        .client = http_request_parameter(request, "client"),
        .client_name = http_request_parameter(request, "client_name"),
        .helo = http_request_parameter(request, "helo"),
        .sender = http_request_parameter(request, "sender"),
        .recipient = http_request_parameter(request, "recipient"),
        .identity = http_request_parameter(request, "identity"),
        .queue_id = http_request_parameter(request, "queue_id"),
        .instance = http_request_parameter(request, "instance"),
        .rule = http_request_parameter(request, "rule"),
        .country = http_request_parameter(request, "country"),
        .text = http_request_parameter(request, "text"),
    };
    return control_time(request, response, "since", &query->since_ns) &&
           control_time(request, response, "until", &query->until_ns) &&
           read_words(request, response, query) && read_asn(request, response, query) &&
           read_state(request, response, query);
}

/* --- GET /v1/sessions --------------------------------------------------------------------------
 */

struct session_list {
    json_t *items;
    size_t limit;
    uint64_t last_sequence;
    bool more;
};

static bool list_row(void *context, const struct history_row *row) {
    struct session_list *list = context;
    if (json_array_size(list->items) == list->limit) {
        list->more = true;
        return false;
    }
    (void)json_array_append_new(list->items, control_session(row));
    list->last_sequence = row->sequence;
    return true;
}

static bool read_order(const struct http_request *request, struct http_response *response,
                       struct history_query *query) {
    const struct str order = http_request_parameter(request, "order");
    query->oldest_first = str_equal(order, STR("oldest"));
    if (order.data != NULL && !query->oldest_first && !str_equal(order, STR("newest"))) {
        http_answer_problem(response, 400, "order", STR("order must be newest or oldest."));
        return false;
    }
    return control_number(request, response, "cursor", INT64_MAX,
                          query->oldest_first ? &query->after_sequence : &query->before_sequence);
}

void control_get_sessions(void *context, const struct http_request *request,
                          struct http_response *response) {
    struct control *control = context;
    struct history_query query;
    struct session_list list = {0};
    if (!read_filters(request, response, &query) || !read_order(request, response, &query) ||
        !control_limit(request, response, &list.limit)) {
        return;
    }
    struct history_reader *reader = control_reader_take(control, response);
    if (reader == NULL) {
        return;
    }
    /* One more than asked for tells whether there are more; the store's own limit is 500. */
    query.limit = list.limit < CONTROL_LIMIT_MAX ? list.limit + 1 : list.limit;
    list.items = json_array();
    const int error = history_reader_find(reader, &query, list_row, &list);
    control_reader_give(control, reader);
    if (error == -EINVAL) {
        json_decref(list.items);
        http_answer_problem(response, 400, "client",
                            STR("client must be an address, a network such as 192.0.2.0/24, or "
                                "the start of an address followed by *."));
        return;
    }
    if (error != 0) {
        json_decref(list.items);
        control_failed(response, "Reading history", error);
        return;
    }
    const bool full = json_array_size(list.items) == list.limit;
    json_t *next = list.more || (full && list.limit == CONTROL_LIMIT_MAX)
                       ? json_sequence(list.last_sequence)
                       : json_null();
    http_answer_json(response, 200, json_pack("{s:o, s:o}", "items", list.items, "next", next));
}

/* --- GET /v1/sessions/{sequence} ---------------------------------------------------------------
 */

static bool one_row(void *context, const struct history_row *row) {
    json_t **item = context;
    *item = control_session(row);
    control_put(*item, "advice", json_text_from(reason_info(row->reason)->advice));
    return false;
}

void control_get_session(void *context, const struct http_request *request,
                         struct http_response *response) {
    struct control *control = context;
    uint64_t sequence;
    if (!str_parse_u64(request->parts[0], INT64_MAX, &sequence)) {
        http_answer_problem(response, 400, NULL,
                            STR("A session is named by the decimal number of its decision."));
        return;
    }
    struct history_reader *reader = control_reader_take(control, response);
    if (reader == NULL) {
        return;
    }
    json_t *item = NULL;
    const int error = history_reader_get(reader, sequence, one_row, &item);
    control_reader_give(control, reader);
    if (error == -ENOENT) {
        http_answer_problem(response, 404, NULL,
                            STR("History has no decision of that sequence (not recorded yet, or "
                                "older than history.keep)."));
    } else if (error != 0) {
        control_failed(response, "Reading history", error);
    } else {
        http_answer_json(response, 200, item);
    }
}

/* --- GET /v1/sessions/follow -------------------------------------------------------------------
 */

/* Rows that were found and not sent yet stand in `lines`, one JSON object a line. */
struct follow {
    struct control *control;
    struct history_reader *reader;
    struct history_query query;
    char *filter_bytes; /* the query's texts: the request ends before the stream does */
    uint64_t seen;      /* rows up to here were looked at */
    size_t rows;        /* of the last page */
    bool more;          /* it was full: look again without waiting */
    char *lines;
    size_t size;
    size_t length;
    size_t sent;
};

/* Moves the query's texts into memory of our own. */
static bool own_filters(struct follow *follow) {
    struct history_query *query = &follow->query;
    struct str *const texts[FILTER_TEXTS] = {
        &query->client,    &query->client_name, &query->helo,     &query->sender,
        &query->recipient, &query->identity,    &query->queue_id, &query->instance,
        &query->rule,      &query->country,     &query->text};
    size_t size = 1;
    for (size_t i = 0; i < FILTER_TEXTS; i++) {
        size += texts[i]->length;
    }
    follow->filter_bytes = malloc(size);
    if (follow->filter_bytes == NULL) {
        return false;
    }
    size_t used = 0;
    for (size_t i = 0; i < FILTER_TEXTS; i++) {
        if (texts[i]->length > 0) {
            memcpy(follow->filter_bytes + used, texts[i]->data, texts[i]->length);
            texts[i]->data = follow->filter_bytes + used;
            used += texts[i]->length;
        }
    }
    return true;
}

static bool append_line(struct follow *follow, const char *line, size_t length) {
    if (follow->length + length + 1 > follow->size) {
        size_t size = follow->size == 0 ? FOLLOW_TEXT_FIRST : follow->size * 2;
        while (size < follow->length + length + 1) {
            size *= 2;
        }
        char *lines = realloc(follow->lines, size);
        if (lines == NULL) {
            return false;
        }
        follow->lines = lines;
        follow->size = size;
    }
    memcpy(follow->lines + follow->length, line, length);
    follow->lines[follow->length + length] = '\n';
    follow->length += length + 1;
    return true;
}

static bool follow_row(void *context, const struct history_row *row) {
    struct follow *follow = context;
    json_t *item = control_session(row);
    char *line = json_dumps(item, JSON_COMPACT);
    const bool kept = line != NULL && append_line(follow, line, strlen(line));
    free(line);
    json_decref(item);
    if (kept) {
        follow->seen = row->sequence;
        follow->rows++;
    }
    return kept;
}

/* Looks for rows up to the recorder's position. */
static int look(struct follow *follow) {
    struct recorder *recorder = engine_recorder(follow->control->engine);
    uint64_t position = follow->seen;
    if (!follow->more) {
        position = recorder_wait(recorder, follow->seen, FOLLOW_WAIT_MS * INT64_C(1000000));
        if (position <= follow->seen) {
            return 0;
        }
    }
    follow->length = 0;
    follow->sent = 0;
    follow->rows = 0;
    follow->query.after_sequence = follow->seen;
    const int error = history_reader_find(follow->reader, &follow->query, follow_row, follow);
    follow->more = follow->rows == FOLLOW_PAGE;
    if (!follow->more && error == 0 && position > follow->seen) {
        follow->seen = position; /* What was not found does not fit the filters. */
    }
    return error;
}

static ssize_t follow_read(void *context, char *out, size_t size) {
    struct follow *follow = context;
    if (follow->sent == follow->length && look(follow) != 0) {
        return HTTP_STREAM_END;
    }
    const size_t left = follow->length - follow->sent;
    const size_t length = left < size ? left : size;
    if (length > 0) {
        memcpy(out, follow->lines + follow->sent, length);
        follow->sent += length;
    }
    return (ssize_t)length;
}

static void follow_close(void *context) {
    struct follow *follow = context;
    atomic_fetch_sub(&follow->control->followers, 1);
    if (follow->reader != NULL) {
        control_reader_give(follow->control, follow->reader);
    }
    free(follow->filter_bytes);
    free(follow->lines);
    free(follow);
}

void control_follow(void *context, const struct http_request *request,
                    struct http_response *response) {
    struct control *control = context;
    struct history_query query;
    /* From now on, unless `since` or `cursor` (the last sequence that was seen) ask for more. */
    const bool from_now = http_request_parameter(request, "since").data == NULL;
    uint64_t seen = from_now ? recorder_wait(engine_recorder(control->engine), UINT64_MAX, 0) : 0;
    if (!read_filters(request, response, &query) ||
        !control_number(request, response, "cursor", INT64_MAX, &seen)) {
        return;
    }
    struct follow *follow = calloc(1, sizeof *follow);
    if (follow == NULL) {
        http_answer_json(response, 200, NULL);
        return;
    }
    follow->control = control;
    follow->query = query;
    follow->query.limit = FOLLOW_PAGE;
    follow->query.oldest_first = true;
    follow->seen = seen;
    if (atomic_fetch_add(&control->followers, 1) >= CONTROL_FOLLOWERS_MAX) {
        http_answer_problemf(response, 503, NULL,
                             "At most %d may follow at a time; end one of the others first.",
                             CONTROL_FOLLOWERS_MAX);
    } else if (!own_filters(follow)) {
        http_answer_json(response, 200, NULL);
    } else {
        follow->reader = control_reader_take(control, response);
        if (follow->reader != NULL) {
            const struct http_stream stream = {follow, follow_read, follow_close};
            http_answer_stream(response, "application/jsonl", &stream);
            return;
        }
    }
    follow_close(follow);
}
