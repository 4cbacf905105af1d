/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_input.h"
#include "net/json_text.h"
#include "policy/decision_explain.h"
#include "store/history_json.h"

/* --- filters -----------------------------------------------------------------------------------
 */

bool history_request_verdict(const struct http_request *request, struct http_response *response,
                             int *ret_verdict) {
    const struct str text = http_request_parameter(request, "verdict");
    *ret_verdict = -1;
    for (int v = VERDICT_ACCEPT; v < VERDICTS; v++) {
        if (text.data == NULL || str_equal(text, str_from(verdict_name((enum verdict)v)))) {
            *ret_verdict = text.data == NULL ? -1 : v;
            return true;
        }
    }
    http_answer_problem(response, 400, "verdict", STR("verdict must be accept, defer or reject."));
    return false;
}

bool history_request_direction(const struct http_request *request, struct http_response *response,
                               int *ret_direction) {
    const struct str text = http_request_parameter(request, "direction");
    *ret_direction = str_equal(text, STR("inbound"))    ? DIRECTION_INBOUND
                     : str_equal(text, STR("outbound")) ? DIRECTION_OUTBOUND
                                                        : -1;
    if (text.data == NULL || *ret_direction >= 0) {
        return true;
    }
    http_answer_problem(response, 400, "direction", STR("direction must be inbound or outbound."));
    return false;
}

static bool read_words(const struct http_request *request, struct http_response *response,
                       struct history_query *query) {
    const struct str policy = http_request_parameter(request, "policy");
    const struct str reason = http_request_parameter(request, "reason");
    if (!history_request_verdict(request, response, &query->verdict) ||
        !history_request_direction(request, response, &query->direction)) {
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

bool history_request_filters(const struct http_request *request, struct http_response *response,
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
    return http_input_time(request, response, "since", &query->since_ns) &&
           http_input_time(request, response, "until", &query->until_ns) &&
           read_words(request, response, query) && read_asn(request, response, query) &&
           read_state(request, response, query);
}

bool history_request_own(struct history_query *query, char **ret_bytes) {
    struct str *const texts[] = {&query->client,   &query->client_name, &query->helo,
                                 &query->sender,   &query->recipient,   &query->identity,
                                 &query->queue_id, &query->instance,    &query->rule,
                                 &query->country,  &query->text};
    const size_t count = sizeof texts / sizeof texts[0];
    size_t size = 1;
    for (size_t i = 0; i < count; i++) {
        size += texts[i]->length;
    }
    char *bytes = malloc(size);
    if (bytes == NULL) {
        return false;
    }
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (texts[i]->length > 0) {
            memcpy(bytes + used, texts[i]->data, texts[i]->length);
            texts[i]->data = bytes + used;
            used += texts[i]->length;
        }
    }
    *ret_bytes = bytes;
    return true;
}

/* --- pages -------------------------------------------------------------------------------------
 */

static bool read_order(const struct http_request *request, struct http_response *response,
                       struct history_query *query) {
    const struct str order = http_request_parameter(request, "order");
    query->oldest_first = str_equal(order, STR("oldest"));
    if (order.data != NULL && !query->oldest_first && !str_equal(order, STR("newest"))) {
        http_answer_problem(response, 400, "order", STR("order must be newest or oldest."));
        return false;
    }
    return http_input_number(request, response, "cursor", INT64_MAX,
                             query->oldest_first ? &query->after_sequence
                                                 : &query->before_sequence);
}

json_t *history_request_sessions(struct history_reader *reader, const struct http_request *request,
                                 struct http_response *response) {
    struct history_query query;
    json_t *page = NULL;
    if (!history_request_filters(request, response, &query) ||
        !read_order(request, response, &query) ||
        !http_input_limit(request, response, &query.limit)) {
        return NULL;
    }
    const int error = history_page_json(reader, &query, &page);
    if (error == -EINVAL) {
        http_answer_problem(response, 400, "client",
                            STR("client must be an address, a network such as 192.0.2.0/24, or "
                                "the start of an address followed by *."));
    } else if (error != 0) {
        http_answer_failed(response, "Reading history", error);
    }
    return page;
}

/* --- one ---------------------------------------------------------------------------------------
 */

static bool one_row(void *context, const struct history_row *row) {
    *(json_t **)context = history_row_details_json(row);
    return false;
}

json_t *history_request_session(struct history_reader *reader, const struct http_request *request,
                                struct http_response *response, unsigned status,
                                const char *missing) {
    uint64_t sequence;
    json_t *item = NULL;
    if (!str_parse_u64(request->parts[0], INT64_MAX, &sequence)) {
        http_answer_problem(response, 400, NULL,
                            STR("A session is named by the decimal number of its decision."));
        return NULL;
    }
    const int error = history_reader_get(reader, sequence, one_row, &item);
    if (error == -ENOENT) {
        http_answer_problem(response, status, NULL, str_from(missing));
    } else if (error != 0) {
        http_answer_failed(response, "Reading history", error);
    } else if (item == NULL) {
        http_answer_json(response, 500, NULL);
    }
    return item;
}
