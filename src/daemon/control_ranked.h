/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/control_api.h"

/* A page of a state table's entries of client networks, in an order of their own (lowest score,
 * newest block): the table is walked once and the smallest `limit` ranks after the cursor's are
 * kept. The cursor is "rank.family.network". */

struct rank {
    uint64_t order;
    uint64_t network;
    bool is_v4;
};
struct ranked_page {
    enum state_table_id table; /* entries of at most STATE_ENTRY_MAX bytes */
    /* Whether the entry is wanted, and where it stands. */
    bool (*rank)(const void *context, const void *entry, struct rank *ret_rank);
    const void *context;
    size_t limit;
    /* The page's own: */
    bool after_any;
    struct rank after;
    size_t count;
    bool more;
    struct ranked_entry {
        struct rank rank;
        _Alignas(8) unsigned char entry[STATE_ENTRY_MAX];
    } * entries; /* ascending */
};

/* Reads `limit` and `cursor`; false: answered with 400. */
MUST_USE bool control_ranked_read(const struct http_request *request,
                                  struct http_response *response, struct ranked_page *page);
/* False when memory is out. Release entries with free(). */
MUST_USE bool control_ranked_fill(struct control *control, struct ranked_page *page);
json_t *control_ranked_next(const struct ranked_page *page);
