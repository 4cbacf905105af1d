/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/control_api.h"

/* Inside of the control API: what somebody proposes, read strictly. */

enum { REPLAY_WISHES_MAX = 1000 }; /* list entries; rules */

/* What a proposal names besides settings; slices point into the request. */
struct replay_wishes {
    size_t entry_count;
    size_t removed_entry_count;
    size_t rule_count;
    size_t removed_rule_count;
    struct list_item entries[REPLAY_WISHES_MAX];
    uint64_t removed_entries[REPLAY_WISHES_MAX];
    struct rule_row rules[REPLAY_WISHES_MAX];
    struct rule_row removed_rules[REPLAY_WISHES_MAX];
};

/* Members `lists` and `rules` of the body. False: it was answered. */
MUST_USE bool control_read_wishes(struct control *control, const struct http_request *request,
                                  struct http_response *response, struct replay_wishes *ret_wishes);
/* Members `from`, `to`, `last`. */
MUST_USE bool control_read_span(const struct http_request *request, struct http_response *response,
                                int64_t *ret_from_ns, int64_t *ret_to_ns);
