/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "net/http_server.h"

/* Strong entity tags (RFC 9110 8.8.3) of JSON answers, of BLAKE2b:
 *
 *   "STATE"         of what a change would change
 *   "STATE-COUNTS"  where the answer also counts what happens (members named `counts`): these
 * change the second part alone
 *
 * If-None-Match is about the whole answer, If-Match about STATE: a change is refused when somebody
 * else has changed the same thing, not when mail has been counted meanwhile. Any thread. */

enum { ETAG_MAX = 80 };

/* With its quotes. */
void etag_make(struct str bytes, char ret_etag[ETAG_MAX]);
/* Whether `wanted`, a value of If-Match, names the state that `bytes` tells. */
bool etag_same_state(struct str wanted, struct str bytes);
/* Answers 200 with its tag; a GET whose caller has it 304. */
void etag_answer(const struct http_request *request, struct http_response *response,
                 const char *content_type, struct str bytes);
