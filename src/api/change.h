/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "api/api.h"

/* A change on its way: in the audit log before it is made and with its outcome after, refused when
 * If-Match names another state than there is, answered once for an Idempotency-Key.
 *
 * Changes of what has a state before wait for each other, one kind (enum change_kind) at a time, so
 * that If-Match holds and the log tells states in the order in which they were; so do those with an
 * Idempotency-Key. Others (a new entry, an import, one's own password) wait for nobody. So a daemon
 * or a hash that takes long holds up nothing but changes of the same kind.
 *
 *   change_begin ─► change_done or change_failed ─► change_end
 *
 * An operation that changes nothing passes through all of it untouched. */

struct change {
    struct api *api;
    const struct http_request *request; /* NULL: changes nothing */
    pthread_mutex_t *order;             /* held; NULL: waits for nobody */
    int64_t audit_row;
    bool values; /* change_begin_values() */
};

/* False: it was answered (412; 200 of the time before for an Idempotency-Key; 500 when the audit
 * log cannot be written: no change without its record). */
MUST_USE bool change_begin(struct api *api, const struct http_request *request,
                           struct http_response *response, struct change *change);
/* The same for a thing that seczim-api has itself: `state` tells it as it is, JSON for us to free,
 * NULL when there is none; it is the audit log's "before" and what If-Match is about. */
typedef char *change_state(struct api *api, const struct http_request *request);
MUST_USE bool change_begin_own(struct api *api, const struct http_request *request,
                               struct http_response *response, change_state *state,
                               struct change *change);
/* The same of settings: the audit log keeps of them those that the request names. */
MUST_USE bool change_begin_values(struct api *api, const struct http_request *request,
                                  struct http_response *response, change_state *state,
                                  struct change *change);
/* Of what has nothing that could be told, or is only made by the change. */
change_state change_no_state;
/* What came of it: a status, and the thing as it is now (JSON; empty for none), which is also the
 * answer to who sends the same again. After change_begin_values() all of them. */
void change_done(struct change *change, unsigned status, struct str after);
void change_failed(struct change *change, unsigned status);
/* Always, after a change_begin() that was true. */
void change_end(struct change *change);
