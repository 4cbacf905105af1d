/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "net/http_server.h"

/* Reading the query of a request strictly. False: it was answered with 400 and a sentence. What is
 * absent leaves the result as it was. */

enum { HTTP_LIMIT_DEFAULT = 50, HTTP_LIMIT_MAX = 500 };

/* `limit`, 1 to HTTP_LIMIT_MAX; HTTP_LIMIT_DEFAULT when absent. */
MUST_USE bool http_input_limit(const struct http_request *request, struct http_response *response,
                               size_t *ret_limit);
/* A whole number from 0 to `max`. */
MUST_USE bool http_input_number(const struct http_request *request, struct http_response *response,
                                const char *name, uint64_t max, uint64_t *ret_value);
/* A time: RFC 3339, or before now: -90s, -5m, -2h, -7d, -1w. */
MUST_USE bool http_input_time(const struct http_request *request, struct http_response *response,
                              const char *name, int64_t *ret_unix_ns);
/* A time before now: 90s, 5m, 2h, 7d, 1w before `now_ns`. Answers nothing. */
MUST_USE bool http_input_ago(struct str text, int64_t now_ns, int64_t *ret_unix_ns);
