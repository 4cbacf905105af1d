/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "net/http_server.h"

/* Query parameters of what seczim-api answers itself. False: it was answered with 400. */

enum { QUERY_LIMIT_DEFAULT = 50, QUERY_LIMIT_MAX = 500 };

/* `limit`, 1 to 500, 50 when absent. */
MUST_USE bool query_limit(const struct http_request *request, struct http_response *response,
                          size_t *ret_limit);
/* A number from 1 on; *ret_number is left as it is when absent. */
MUST_USE bool query_number(const struct http_request *request, struct http_response *response,
                           const char *name, int64_t *ret_number);
/* RFC 3339, or before now: -90s, -5m, -2h, -7d, -1w. Left as it is when absent. */
MUST_USE bool query_time(const struct http_request *request, struct http_response *response,
                         const char *name, int64_t now_ns, int64_t *ret_unix_ns);
/* "-2h" before `now_ns`. Pure. */
bool query_parse_ago(struct str text, int64_t now_ns, int64_t *ret_unix_ns);
