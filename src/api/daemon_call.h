/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "api/api.h"
#include "net/http_client.h"

/* Asking the daemon over its control socket. Blocks; any thread. */

/* A call whose answer was good (status below 300), as JSON for the caller to release. NULL: the
 * request was answered, with the daemon's own problem document, or 503 when it cannot be reached.
 * Takes over `body` (NULL: none). */
json_t *daemon_ask(struct api *api, const struct http_request *request,
                   struct http_response *response, const char *method, const char *target,
                   json_t *body);
/* The same with the status of the answer, such as 201 for what was made. */
json_t *daemon_ask_status(struct api *api, const struct http_request *request,
                          struct http_response *response, const char *method, const char *target,
                          json_t *body, unsigned *ret_status);
/* The same of a GET, but when the daemon cannot be reached nothing is answered: *ret_away. */
json_t *daemon_read(struct api *api, const struct http_request *request,
                    struct http_response *response, const char *target, bool *ret_away);
/* GET without an answer to anybody: NULL when it failed. */
json_t *daemon_get(const struct api *api, const char *target);
/* The bare call; a negative errno with a sentence. `author` NULL for a GET. */
MUST_USE int daemon_call(const struct api *api, const char *method, const char *target,
                         struct str body, const char *author, struct http_reply *ret_reply,
                         struct text *problem);
/* 503: the daemon cannot be reached, in the sentence of `problem`. */
void daemon_unreachable(struct http_response *response, struct str problem);
/* "/v1/lists/{list}/{id}" with the request's placeholders in their order, and its query. False when
 * it is too long: answered. */
MUST_USE bool daemon_target(const struct http_request *request, struct http_response *response,
                            const char *pattern, bool with_query, struct text *out);
