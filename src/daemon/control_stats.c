/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control_api.h"
#include "store/history_request.h"

/* Statistics of history: the daemon reads the files that are still written too. */

static void give_and_answer(struct control *control, struct history_reader *reader,
                            struct http_response *response, json_t *answer) {
    control_reader_give(control, reader);
    if (answer != NULL) {
        http_answer_json(response, 200, answer);
    }
}

/* GET /v1/stats */
void control_get_stats(void *context, const struct http_request *request,
                       struct http_response *response) {
    struct control *control = context;
    struct history_reader *reader = control_reader_take(control, response);
    if (reader != NULL) {
        give_and_answer(control, reader, response,
                        history_request_steps(reader, request, response));
    }
}

/* GET /v1/stats/summary */
void control_get_summary(void *context, const struct http_request *request,
                         struct http_response *response) {
    struct control *control = context;
    struct history_reader *reader = control_reader_take(control, response);
    if (reader != NULL) {
        give_and_answer(control, reader, response,
                        history_request_summary(reader, control->live, request, response));
    }
}

/* GET /v1/stats/top */
void control_get_top(void *context, const struct http_request *request,
                     struct http_response *response) {
    struct control *control = context;
    struct history_reader *reader = control_reader_take(control, response);
    if (reader != NULL) {
        give_and_answer(control, reader, response,
                        history_request_top(reader, control->live, request, response));
    }
}
