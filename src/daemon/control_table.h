/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/control_api.h"

/* A state table as a list that can be gone on with: entries in the order of groups and slots, a
 * group at a time copied under the state lock. The cursor is "group.place". */

struct table_walk {
    enum state_table_id table;
    bool (*visit)(void *context, const void *entry); /* false: it was the last of this page */
    void *context;
    /* The walk's own: */
    size_t group;
    size_t from_place;
    size_t place;
    bool full;
};

/* Reads the parameter `cursor`; false: answered with 400. */
MUST_USE bool control_table_cursor(const struct http_request *request,
                                   struct http_response *response, struct table_walk *walk);
/* False when memory is out. */
MUST_USE bool control_table_walk(struct control *control, struct table_walk *walk);
/* Of the next page, or null. */
json_t *control_table_next(const struct table_walk *walk);
