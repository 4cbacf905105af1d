/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control_replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/rfc3339.h"
#include "store/list_entry.h"

#define LAST_DEFAULT "7d"

/* --- one item of `lists` or `rules` -------------------------------------------------------------
 */

/* A member of an item; data NULL when absent. False: answered. */
static bool item_text(const json_t *item, const char *name, const char *field,
                      struct http_response *response, struct str *ret_text) {
    const json_t *value = json_object_get(item, name);
    *ret_text = (struct str){0};
    if (value == NULL || json_is_null(value)) {
        return true;
    }
    if (!json_is_string(value)) {
        http_answer_problemf(response, 400, field, "%s of an item of %s must be a string.", name,
                             field);
        return false;
    }
    *ret_text = json_str(value);
    return true;
}

/* `remove` of an item: an id. *ret_id 0 when there is none. */
static bool item_remove(const json_t *item, const char *field, struct http_response *response,
                        uint64_t *ret_id) {
    const json_t *value = json_object_get(item, "remove");
    *ret_id = 0;
    if (value == NULL) {
        return true;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 1) {
        http_answer_problemf(response, 400, field, "remove of an item of %s must be an id.", field);
        return false;
    }
    *ret_id = (uint64_t)json_integer_value(value);
    return true;
}

static bool items_fit(const json_t *items, const char *field, struct http_response *response) {
    if (items == NULL || json_is_null(items)) {
        return true;
    }
    if (!json_is_array(items) || json_array_size(items) > REPLAY_WISHES_MAX) {
        http_answer_problemf(response, 400, field, "%s must be an array of at most %d objects.",
                             field, REPLAY_WISHES_MAX);
        return false;
    }
    return true;
}

/* Objects with members among `names` alone. */
static bool item_fits(const json_t *item, const char *const *names, const char *field,
                      struct http_response *response) {
    const char *name;
    json_t *value;
    if (!json_is_object(item)) {
        http_answer_problemf(response, 400, field, "%s must be an array of objects.", field);
        return false;
    }
    json_object_foreach((json_t *)item, name, value) {
        size_t i = 0;
        while (names[i] != NULL && strcmp(names[i], name) != 0) {
            i++;
        }
        if (names[i] == NULL) {
            char buffer[256];
            struct text detail = TEXT_OVER(buffer);
            text_add(&detail, STR("An item of "));
            text_add(&detail, str_from(field));
            text_add(&detail, STR(" has no member \""));
            text_add_escaped(&detail, str_slice(str_from(name), 0, 64));
            text_add(&detail, STR("\"."));
            http_answer_problem(response, 400, field, text_str(&detail));
            return false;
        }
    }
    return true;
}

/* --- lists --------------------------------------------------------------------------------------
 */

static bool add_entry(struct control *control, const json_t *item, enum list_id list,
                      struct http_response *response, struct replay_wishes *wishes) {
    struct config_list_entry entry;
    struct list_entry_fields fields = {0};
    char problem_buffer[LIST_PROBLEM_MAX];
    struct text problem = TEXT_OVER(problem_buffer);
    const char *at_fault;
    if (!item_text(item, "pattern", "lists", response, &fields.pattern) ||
        !item_text(item, "type", "lists", response, &fields.type) ||
        !item_text(item, "direction", "lists", response, &fields.direction) ||
        !item_text(item, "require", "lists", response, &fields.require)) {
        return false;
    }
    const uint32_t now_s = (uint32_t)(engine_now_ns(control->engine) / NS_PER_S);
    if (!list_entry_make(list, &fields, now_s, &entry, &at_fault, &problem)) {
        http_answer_problem(response, 400, "lists", text_str(&problem));
        return false;
    }
    wishes->entries[wishes->entry_count++] = entry.item;
    return true;
}

static bool read_entry(struct control *control, const json_t *item, struct http_response *response,
                       struct replay_wishes *wishes) {
    static const char *const names[] = {"list",    "pattern", "type", "direction",
                                        "require", "remove",  NULL};
    struct str name;
    enum list_id list;
    uint64_t id;
    if (!item_fits(item, names, "lists", response) ||
        !item_text(item, "list", "lists", response, &name) ||
        !item_remove(item, "lists", response, &id)) {
        return false;
    }
    if (id != 0) {
        wishes->removed_entries[wishes->removed_entry_count++] = id;
        return true;
    }
    if (name.data == NULL || !list_parse(name, &list)) {
        http_answer_problem(response, 400, "lists",
                            STR("list must be allow, block, greylist_exempt or reputation_allow."));
        return false;
    }
    return add_entry(control, item, list, response, wishes);
}

/* --- rules --------------------------------------------------------------------------------------
 */

static enum rule_kind kind_of(struct str name) {
    for (unsigned kind = RULE_NONE + 1; kind < RULE_KINDS; kind++) {
        if (str_equal(name, str_from(rule_kind_name((enum rule_kind)kind)))) {
            return (enum rule_kind)kind;
        }
    }
    return RULE_NONE;
}

static bool read_rule(const json_t *item, struct http_response *response,
                      struct replay_wishes *wishes) {
    static const char *const names[] = {"kind", "subject", "value", "text", "remove", NULL};
    struct rule_row row = {.kind = RULE_NONE};
    struct str kind;
    uint64_t id;
    if (!item_fits(item, names, "rules", response) ||
        !item_text(item, "kind", "rules", response, &kind) ||
        !item_text(item, "subject", "rules", response, &row.subject) ||
        !item_text(item, "value", "rules", response, &row.value) ||
        !item_text(item, "text", "rules", response, &row.text) ||
        !item_remove(item, "rules", response, &id)) {
        return false;
    }
    row.kind = kind_of(kind);
    if (row.kind == RULE_NONE) {
        http_answer_problem(response, 400, "rules",
                            STR("kind must be quota, restriction or identity."));
        return false;
    }
    if (id != 0) {
        row.id = id;
        wishes->removed_rules[wishes->removed_rule_count++] = row;
    } else {
        wishes->rules[wishes->rule_count++] = row;
    }
    return true;
}

bool control_read_wishes(struct control *control, const struct http_request *request,
                         struct http_response *response, struct replay_wishes *ret_wishes) {
    const json_t *lists = json_object_get(request->json, "lists");
    const json_t *rules = json_object_get(request->json, "rules");
    size_t i;
    json_t *item;
    if (!items_fit(lists, "lists", response) || !items_fit(rules, "rules", response)) {
        return false;
    }
    json_array_foreach((json_t *)lists, i, item) {
        if (!read_entry(control, item, response, ret_wishes)) {
            return false;
        }
    }
    json_array_foreach((json_t *)rules, i, item) {
        if (!read_rule(item, response, ret_wishes)) {
            return false;
        }
    }
    return true;
}

/* --- when ---------------------------------------------------------------------------------------
 */

static bool read_time(const struct http_request *request, struct http_response *response,
                      const char *name, int64_t *ret_ns) {
    struct str text;
    if (!control_text(request, response, name, &text)) {
        return false;
    }
    if (text.data != NULL && !rfc3339_parse(text, ret_ns)) {
        http_answer_problemf(response, 400, name, "%s must be a time such as 2024-12-04T10:23:45Z.",
                             name);
        return false;
    }
    return true;
}

bool control_read_span(const struct http_request *request, struct http_response *response,
                       int64_t *ret_from_ns, int64_t *ret_to_ns) {
    struct str last;
    *ret_from_ns = INT64_MIN;
    *ret_to_ns = clock_wall_ns() + 1;
    if (!control_text(request, response, "last", &last) ||
        !read_time(request, response, "from", ret_from_ns) ||
        !read_time(request, response, "to", ret_to_ns)) {
        return false;
    }
    if (last.data != NULL && *ret_from_ns != INT64_MIN) {
        http_answer_problem(response, 400, "last", STR("Name from or last, not both."));
        return false;
    }
    if (*ret_from_ns < 0 &&
        !http_input_ago(last.data != NULL ? last : STR(LAST_DEFAULT), *ret_to_ns, ret_from_ns)) {
        http_answer_problem(response, 400, "last",
                            STR("last must be a time such as 90s, 30m, 12h, 7d, 4w."));
        return false;
    }
    *ret_from_ns = *ret_from_ns < 0 ? 0 : *ret_from_ns;
    if (*ret_from_ns >= *ret_to_ns) {
        http_answer_problem(response, 400, "from", STR("from must be before to."));
        return false;
    }
    return true;
}
