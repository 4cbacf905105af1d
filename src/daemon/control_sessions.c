/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/control_api.h"
#include "store/history_json.h"
#include "store/history_request.h"
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
            http_answer_failed(response, "Opening history", error);
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

/* --- GET /v1/sessions, /v1/sessions/{sequence} -------------------------------------------------
 */

void control_get_sessions(void *context, const struct http_request *request,
                          struct http_response *response) {
    struct control *control = context;
    struct history_reader *reader = control_reader_take(control, response);
    if (reader == NULL) {
        return;
    }
    json_t *page = history_request_sessions(reader, request, response);
    control_reader_give(control, reader);
    if (page != NULL) {
        http_answer_json(response, 200, page);
    }
}

void control_get_session(void *context, const struct http_request *request,
                         struct http_response *response) {
    struct control *control = context;
    struct history_reader *reader = control_reader_take(control, response);
    if (reader == NULL) {
        return;
    }
    json_t *item = history_request_session(reader, request, response, 404,
                                           "History has no decision of that sequence (not recorded "
                                           "yet, or older than history.keep).");
    control_reader_give(control, reader);
    if (item != NULL) {
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
    json_t *item = history_row_json(row);
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
    if (!history_request_filters(request, response, &query) ||
        !http_input_number(request, response, "cursor", INT64_MAX, &seen)) {
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
    } else if (!history_request_own(&follow->query, &follow->filter_bytes)) {
        http_answer_json(response, 200, NULL);
    } else {
        follow->reader = control_reader_take(control, response);
        if (follow->reader != NULL) {
            const struct http_stream stream = {follow, follow_read, follow_close, true};
            http_answer_stream(response, "application/jsonl", &stream);
            return;
        }
    }
    follow_close(follow);
}
