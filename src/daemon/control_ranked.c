/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control_ranked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control_table.h"

static int compare(const struct rank *a, const struct rank *b) {
    if (a->order != b->order) {
        return a->order < b->order ? -1 : 1;
    }
    if (a->is_v4 != b->is_v4) {
        return a->is_v4 ? -1 : 1;
    }
    return a->network == b->network ? 0 : a->network < b->network ? -1 : 1;
}

bool control_ranked_read(const struct http_request *request, struct http_response *response,
                         struct ranked_page *page) {
    const struct str cursor = http_request_parameter(request, "cursor");
    if (!http_input_limit(request, response, &page->limit)) {
        return false;
    }
    if (cursor.data == NULL) {
        return true;
    }
    const size_t first = str_find(cursor, '.');
    const size_t last = str_find_last(cursor, '.');
    uint64_t family = 0;
    if (first == SIZE_MAX || first == last ||
        !str_parse_u64(str_slice(cursor, 0, first), UINT64_MAX, &page->after.order) ||
        !str_parse_u64(str_slice(cursor, first + 1, last), 1, &family) ||
        !str_parse_u64(str_slice(cursor, last + 1, cursor.length), UINT64_MAX,
                       &page->after.network)) {
        http_answer_problem(response, 400, "cursor",
                            STR("cursor must be what \"next\" said in the answer before."));
        return false;
    }
    page->after.is_v4 = family == 1;
    page->after_any = true;
    return true;
}

/* Keeps one more than the limit, which tells that there are more. */
static bool keep(void *context, const void *entry) {
    struct ranked_page *page = context;
    struct rank rank;
    if (!page->rank(page->context, entry, &rank) ||
        (page->after_any && compare(&rank, &page->after) <= 0)) {
        return true;
    }
    size_t from = 0;
    size_t until = page->count;
    while (from < until) {
        const size_t middle = from + (until - from) / 2;
        if (compare(&page->entries[middle].rank, &rank) < 0) {
            from = middle + 1;
        } else {
            until = middle;
        }
    }
    if (from > page->limit) {
        return true;
    }
    const size_t kept = page->count <= page->limit ? page->count : page->limit;
    memmove(&page->entries[from + 1], &page->entries[from],
            (kept - from) * sizeof page->entries[0]);
    page->entries[from].rank = rank;
    memcpy(page->entries[from].entry, entry, state_entry_bytes(page->table));
    page->count = kept + 1;
    return true;
}

bool control_ranked_fill(struct control *control, struct ranked_page *page) {
    struct table_walk walk = {.table = page->table, .visit = keep, .context = page};
    page->entries = calloc(page->limit + 1, sizeof page->entries[0]);
    if (page->entries == NULL || !control_table_walk(control, &walk)) {
        free(page->entries);
        page->entries = NULL;
        return false;
    }
    page->more = page->count > page->limit;
    page->count = page->more ? page->limit : page->count;
    return true;
}

json_t *control_ranked_next(const struct ranked_page *page) {
    char cursor[64];
    if (!page->more) {
        return json_null();
    }
    const struct rank *last = &page->entries[page->count - 1].rank;
    (void)snprintf(cursor, sizeof cursor, "%llu.%d.%llu", (unsigned long long)last->order,
                   last->is_v4 ? 1 : 0, (unsigned long long)last->network);
    return json_string(cursor);
}
