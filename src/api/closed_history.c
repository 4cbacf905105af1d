/* SPDX-License-Identifier: Apache-2.0 */
#include "api/closed_history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api_handlers.h"
#include "net/json_text.h"
#include "store/history_request.h"

enum { FOLDER_TEXT_MAX = 4096 };

static void say_unreadable(struct http_response *response, const char *folder, int error) {
    http_answer_problemf(response, 503, NULL,
                         "seczim-daemon cannot be asked now, and the history it has closed cannot "
                         "be read: %.300s: %s. Is it running? Its user's group is "
                         "paths.control_group. Users, tokens and the audit log can be used "
                         "meanwhile.",
                         folder, strerror(error));
    http_answer_header(response, "Retry-After", "5");
}

struct history_reader *closed_history_open(const struct api *api, struct http_response *response) {
    char bytes[FOLDER_TEXT_MAX];
    struct text folder = TEXT_OVER(bytes);
    text_add(&folder, api->settings->paths.data);
    text_add(&folder, STR("/history"));
    struct history_reader *reader = NULL;
    /* A folder that may not be read must not look like one that is empty. */
    if (access(text_zero(&folder), R_OK | X_OK) != 0) {
        say_unreadable(response, bytes, errno);
        return NULL;
    }
    const int error = history_reader_open_closed(bytes, &reader);
    if (error != 0) {
        say_unreadable(response, bytes, -error);
        return NULL;
    }
    return reader;
}

void closed_history_mark(struct http_response *response) {
    http_answer_header(response, "X-Seczim-History", "closed");
}

static void answer(struct http_response *response, json_t *body) {
    if (body != NULL) {
        json_put(body, "history", json_text_from("closed"));
        http_answer_json(response, 200, body);
        closed_history_mark(response);
    }
}

void api_closed_sessions(void *context, const struct http_request *request,
                         struct http_response *response) {
    struct history_reader *reader = closed_history_open(context, response);
    if (reader != NULL) {
        answer(response, history_request_sessions(reader, request, response));
        history_reader_close(reader);
    }
}

void api_closed_session(void *context, const struct http_request *request,
                        struct http_response *response) {
    struct history_reader *reader = closed_history_open(context, response);
    if (reader != NULL) {
        answer(response,
               history_request_session(reader, request, response, 503,
                                       "seczim-daemon cannot be asked now, and no history "
                                       "file that it has closed has a decision of that "
                                       "sequence."));
        history_reader_close(reader);
    }
}

void api_closed_steps(void *context, const struct http_request *request,
                      struct http_response *response) {
    struct history_reader *reader = closed_history_open(context, response);
    if (reader != NULL) {
        answer(response, history_request_steps(reader, request, response));
        history_reader_close(reader);
    }
}

void api_closed_summary(void *context, const struct http_request *request,
                        struct http_response *response) {
    struct history_reader *reader = closed_history_open(context, response);
    if (reader != NULL) {
        answer(response, history_request_summary(reader, NULL, request, response));
        history_reader_close(reader);
    }
}

void api_closed_top(void *context, const struct http_request *request,
                    struct http_response *response) {
    struct history_reader *reader = closed_history_open(context, response);
    if (reader != NULL) {
        answer(response, history_request_top(reader, NULL, request, response));
        history_reader_close(reader);
    }
}
