/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control_table.h"

#include <stdio.h>
#include <stdlib.h>

static void visit_entry(void *context, const void *entry) {
    struct table_walk *walk = context;
    const size_t place = walk->place++;
    if (walk->full || place < walk->from_place) {
        return;
    }
    if (!walk->visit(walk->context, entry)) {
        walk->full = true;
        walk->from_place = place + 1;
    }
}

bool control_table_cursor(const struct http_request *request, struct http_response *response,
                          struct table_walk *walk) {
    const struct str cursor = http_request_parameter(request, "cursor");
    uint64_t group = 0;
    uint64_t place = 0;
    if (cursor.data != NULL) {
        const size_t dot = str_find(cursor, '.');
        if (dot == SIZE_MAX || !str_parse_u64(str_slice(cursor, 0, dot), UINT32_MAX, &group) ||
            !str_parse_u64(str_slice(cursor, dot + 1, cursor.length), STATE_GROUP_SLOTS, &place)) {
            http_answer_problem(response, 400, "cursor",
                                STR("cursor must be what \"next\" said in the answer before."));
            return false;
        }
    }
    walk->group = (size_t)group;
    walk->from_place = (size_t)place;
    return true;
}

bool control_table_walk(struct control *control, struct table_walk *walk) {
    void *copy = aligned_alloc(64, (state_group_bytes(walk->table) + 63) / 64 * 64);
    if (copy == NULL) {
        return false;
    }
    while (engine_copy_group(control->engine, walk->table, walk->group, copy)) {
        struct state_table table;
        state_table_init(&table, walk->table, copy, 1);
        walk->place = 0;
        state_visit_group(&table, 0, visit_entry, walk);
        if (walk->full) {
            break;
        }
        walk->group++;
        walk->from_place = 0;
    }
    free(copy);
    return true;
}

json_t *control_table_next(const struct table_walk *walk) {
    char cursor[48];
    if (!walk->full) {
        return json_null();
    }
    (void)snprintf(cursor, sizeof cursor, "%zu.%zu", walk->group, walk->from_place);
    return json_string(cursor);
}
