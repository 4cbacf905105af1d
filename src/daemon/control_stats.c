/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control_api.h"
#include "store/history_request.h"

/* GET /v1/stats */
void control_get_stats(void *context, const struct http_request *request,
                       struct http_response *response) {
    struct control *control = context;
    struct history_reader *reader = control_reader_take(control, response);
    if (reader == NULL) {
        return;
    }
    json_t *page = history_request_steps(reader, request, response);
    control_reader_give(control, reader);
    if (page != NULL) {
        http_answer_json(response, 200, page);
    }
}
