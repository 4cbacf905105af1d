/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/list_index_fixture.h"

#include "policy/list_rows.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

struct list_item item_of(uint64_t id, enum list_id list, enum pattern_type type,
                         const char *pattern) {
    char room[256];
    struct text problem = TEXT_OVER(room);
    struct list_item item = {.id = id, .list = list};
    if (address_pattern_parse(type, str_from(pattern), &item.pattern, &problem) != NULL) {
        fail_msg("pattern %s: %s", pattern, text_zero(&problem));
    }
    return item;
}

struct list_index *index_of(const struct list_item *items, size_t count) {
    const struct list_memory memory = world_memory(NULL);
    struct list_builder *builder = list_builder_new(&memory, 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(list_builder_add(builder, &items[i]));
    }
    return list_builder_finish(builder);
}

struct list_query query_of(const char *sender, const char *client) {
    struct list_query query = {.sender = str_from(sender), .now_s = NOW_S};
    query.client_address = world_address(client);
    return query;
}

uint64_t find_one(const struct list_index *index, enum list_id list,
                  const struct list_query *query) {
    const struct list_view view = {.base = index};
    struct list_match match = {.entry_id = 0};
    return list_find(&view, list, query, &match) ? match.entry_id : 0;
}
