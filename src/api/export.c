/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_handlers.h"
#include "api/closed_history.h"
#include "api/csv.h"
#include "api/daemon_call.h"
#include "store/history_json.h"
#include "store/history_request.h"

/* GET /sessions/export: all decisions that fit the filters, newest first, page by page from the
 * daemon while they are sent; while it is away, from the history files it has closed. */

enum { TARGET_MAX = 12288, PAGE = 500 };

static const char *const columns[] = {
    "sequence", "time",       "state",       "direction", "verdict",        "policy",
    "reason",   "rule",       "reply",       "sentence",  "client_address", "client_name",
    "helo",     "sender",     "recipient",   "identity",  "instance",       "queue_id",
    "size",     "recipients", "duration_us", "count",
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

struct export {
    struct api *api;
    bool csv;
    bool begun;
    char filters[TARGET_MAX];
    char cursor[32];
    struct history_reader *closed; /* NULL: the daemon is asked */
    struct history_query query;    /* of `closed` */
    char *texts;                   /* what it borrows */
    json_t *page;
    size_t at;
    bool last;
    bool failed;   /* a page could not be read: what was sent is not all */
    char *pending; /* the row that did not fit, or fits in pieces */
    size_t pending_length;
    size_t pending_at;
};

static void put_row(const json_t *item, struct text *out) {
    for (size_t i = 0; i < COLUMNS; i++) {
        if (i > 0) {
            text_add_byte(out, ',');
        }
        csv_cell(json_object_get(item, columns[i]), out);
    }
    text_add(out, STR("\r\n"));
}

static void put_head(struct text *out) {
    for (size_t i = 0; i < COLUMNS; i++) {
        text_add(out, i > 0 ? STR(",") : STR(""));
        text_add(out, str_from(columns[i]));
    }
    text_add(out, STR("\r\n"));
}

static json_t *read_daemon(const struct export *export) {
    char target[TARGET_MAX + 96];
    (void)snprintf(target, sizeof target, "/v1/sessions?limit=%d%s%s%s", PAGE, export->filters,
                   export->cursor[0] != '\0' ? "&cursor=" : "", export->cursor);
    return daemon_get(export->api, target);
}

static json_t *read_closed(struct export *export) {
    json_t *page = NULL;
    (void)str_parse_u64(str_from(export->cursor), INT64_MAX, &export->query.before_sequence);
    return history_page_json(export->closed, &export->query, &page) == 0 ? page : NULL;
}

static void take_page(struct export *export, json_t *page) {
    const char *next = json_string_value(json_object_get(page, "next"));
    export->page = page;
    export->at = 0;
    export->failed = page == NULL;
    export->last = next == NULL;
    (void)snprintf(export->cursor, sizeof export->cursor, "%s", next != NULL ? next : "");
}

/* The next row into `pending`; false at the end. */
static bool next_row(struct export *export) {
    const json_t *items = json_object_get(export->page, "items");
    while (export->at == json_array_size(items)) {
        if (export->last) {
            return false;
        }
        json_decref(export->page);
        take_page(export, export->closed != NULL ? read_closed(export) : read_daemon(export));
        items = json_object_get(export->page, "items");
    }
    const json_t *item = json_array_get(items, export->at++);
    free(export->pending);
    export->pending_at = 0;
    export->pending_length = 0;
    if (!export->csv) {
        export->pending = json_dumps(item, JSON_COMPACT);
        export->pending_length = export->pending != NULL ? strlen(export->pending) : 0;
        if (export->pending != NULL) {
            export->pending[export->pending_length++] = '\n'; /* Instead of the zero byte. */
        }
        return export->pending != NULL;
    }
    const size_t size = CSV_ROW_MAX;
    export->pending = malloc(size);
    if (export->pending == NULL) {
        return false;
    }
    struct text row = {.data = export->pending, .size = size};
    put_row(item, &row);
    export->pending_length = row.length;
    return true;
}

static ssize_t read_export(void *context, char *out, size_t size) {
    struct export *export = context;
    struct text text = {.data = out, .size = size};
    if (!export->begun && export->csv) {
        put_head(&text);
    }
    export->begun = true;
    while (text.length < size) {
        if (export->pending_at == export->pending_length && !next_row(export)) {
            break;
        }
        const size_t left = export->pending_length - export->pending_at;
        const size_t length = left < size - text.length ? left : size - text.length;
        text_add(&text, (struct str){export->pending + export->pending_at, length});
        export->pending_at += length;
    }
    return text.length > 0  ? (ssize_t)text.length
           : export->failed ? HTTP_STREAM_FAILED
                            : HTTP_STREAM_END;
}

static void close_export(void *context) {
    struct export *export = context;
    json_decref(export->page);
    free(export->pending);
    history_reader_close(export->closed);
    free(export->texts);
    free(export);
}

static void keep_filters(struct export *export, const struct http_request *request) {
    struct text out = TEXT_OVER(export->filters);
    for (size_t i = 0; i < request->parameter_count; i++) {
        const struct http_parameter *parameter = &request->parameters[i];
        if (!str_equal(parameter->name, STR("format"))) {
            text_add_byte(&out, '&');
            http_client_escape(parameter->name, &out);
            text_add_byte(&out, '=');
            http_client_escape(parameter->value, &out);
        }
    }
    (void)text_zero(&out);
}

/* False: it was answered. */
static bool begin_closed(struct export *export, const struct http_request *request,
                         struct http_response *response) {
    if (!history_request_filters(request, response, &export->query)) {
        return false;
    }
    export->query.limit = PAGE;
    if (!history_request_own(&export->query, &export->texts)) {
        http_answer_json(response, 500, NULL);
        return false;
    }
    export->closed = closed_history_open(export->api, response);
    return export->closed != NULL;
}

/* The first page now, so that a wrong filter is answered with a sentence. */
static bool begin(struct export *export, const struct http_request *request,
                  struct http_response *response) {
    bool away;
    char target[TARGET_MAX + 96];
    (void)snprintf(target, sizeof target, "/v1/sessions?limit=%d%s", PAGE, export->filters);
    json_t *page = daemon_read(export->api, request, response, target, &away);
    if (away && begin_closed(export, request, response)) {
        page = history_request_sessions(export->closed, request, response);
    }
    if (page == NULL) {
        return false;
    }
    take_page(export, page);
    return true;
}

void api_export_sessions(void *context, const struct http_request *request,
                         struct http_response *response) {
    struct api *api = context;
    const struct str format = http_request_parameter(request, "format");
    const bool csv = format.data == NULL || str_equal(format, STR("csv"));
    if (!csv && !str_equal(format, STR("json"))) {
        http_answer_problem(response, 400, "format", STR("format must be csv or json."));
        return;
    }
    struct export *export = calloc(1, sizeof *export);
    if (export == NULL) {
        http_answer_problem(response, 500, NULL, STR("The service is out of memory."));
        return;
    }
    export->api = api;
    export->csv = csv;
    keep_filters(export, request);
    if (!begin(export, request, response)) {
        close_export(export);
        return;
    }
    const bool closed = export->closed != NULL;
    const struct http_stream stream = {export, read_export, close_export, false};
    http_answer_stream(response, csv ? "text/csv; charset=utf-8" : "application/jsonl", &stream);
    http_answer_header(response, "Content-Disposition",
                       csv ? "attachment; filename=\"sessions.csv\""
                           : "attachment; filename=\"sessions.jsonl\"");
    if (closed) {
        closed_history_mark(response);
    }
}
