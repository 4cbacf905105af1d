/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "net/http_server.h"

/* What net/http_input.h does not read of a query: cursors of our own lists. */

/* The number of a row, from 1 on; *ret_number is left as it is when absent. False: it was answered
 * with 400. */
MUST_USE bool query_number(const struct http_request *request, struct http_response *response,
                           const char *name, int64_t *ret_number);
