/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "net/http_server.h"
#include "store/history.h"
#include "store/history_summary.h"

/* Requests for history over HTTP, the same for the control API (all files) and for the REST API
 * while the daemon is away (closed files alone). docs/internals/control-api.md: sessions, stats.
 * Any thread, each with a reader of its own. */

/* `verdict` (accept, defer, reject) and `direction` (inbound, outbound) in the query; -1: absent.
 * False: it was answered. */
MUST_USE bool history_request_verdict(const struct http_request *request,
                                      struct http_response *response, int *ret_verdict);
MUST_USE bool history_request_direction(const struct http_request *request,
                                        struct http_response *response, int *ret_direction);
/* All filters of sessions. The query borrows the texts of the request. False: it was answered. */
MUST_USE bool history_request_filters(const struct http_request *request,
                                      struct http_response *response, struct history_query *query);

/* Gives the query texts of its own, by free(), for longer than the request. False: no memory. */
MUST_USE bool history_request_own(struct history_query *query, char **ret_bytes);

/* What is asked for, as JSON for the caller to answer with or release. NULL: it was answered. */
json_t *history_request_sessions(struct history_reader *reader, const struct http_request *request,
                                 struct http_response *response);
/* parts[0] is the sequence; `status` and `missing` answer when it is not there. */
json_t *history_request_session(struct history_reader *reader, const struct http_request *request,
                                struct http_response *response, unsigned status,
                                const char *missing);
/* Counts per minute, added up to `step` seconds (60, 3600, 86400; 3600 when absent), of the last 24
 * hours unless `since` and `until` say otherwise. */
json_t *history_request_steps(struct history_reader *reader, const struct http_request *request,
                              struct http_response *response);
/* The totals of a `period` or of `since` to `until`, and of as long a time before. `live` NULL: of
 * closed files alone. */
json_t *history_request_summary(struct history_reader *reader, struct history_live *live,
                                const struct http_request *request, struct http_response *response);
/* Who or what (`by`) had the most decisions. */
json_t *history_request_top(struct history_reader *reader, struct history_live *live,
                            const struct http_request *request, struct http_response *response);
