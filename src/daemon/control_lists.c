/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rfc3339.h"
#include "daemon/control_api.h"
#include "mail/mail_address.h"
#include "store/list_entry.h"

static bool list_of(const struct http_request *request, struct http_response *response,
                    enum list_id *ret_list) {
    if (list_parse(request->parts[0], ret_list)) {
        return true;
    }
    http_answer_problem(response, 404, NULL,
                        STR("There is no such list; there are allow, block, greylist_exempt, "
                            "reputation_allow."));
    return false;
}

static json_t *pattern_json(const struct address_pattern *pattern) {
    char buffer[PATTERN_TEXT_MAX + 8];
    struct text out = TEXT_OVER(buffer);
    address_pattern_format(pattern, &out);
    return json_text(text_str(&out));
}

static json_t *entry_json(const struct config_list_entry *entry) {
    const struct list_item *item = &entry->item;
    json_t *object = json_object();
    json_put(object, "id", json_count(item->id));
    json_put(object, "type", json_text_from(pattern_type_name(item->pattern.type)));
    json_put(object, "pattern", pattern_json(&item->pattern));
    json_put(object, "direction", json_text_from(list_direction_name(item->direction)));
    json_put(object, "require", json_text_from(list_proof_name(item->require)));
    json_put(object, "comment", json_text_from(entry->comment));
    json_put(object, "expires", control_seconds(item->expires_s));
    json_put(object, "author", json_text_from(entry->author));
    json_put(object, "created", json_time(entry->created_wall_ns));
    return object;
}

/* --- GET /v1/lists/{list} --- */

struct listing {
    json_t *items;
    size_t limit;
    uint64_t last_id;
    bool more;
};

static bool list_one(void *context, const struct config_list_entry *entry) {
    struct listing *listing = context;
    if (json_array_size(listing->items) == listing->limit) {
        listing->more = true;
        return false;
    }
    (void)json_array_append_new(listing->items, entry_json(entry));
    listing->last_id = entry->item.id;
    return true;
}

void control_get_list(void *context, const struct http_request *request,
                      struct http_response *response) {
    struct control *control = context;
    enum list_id list;
    struct listing listing = {0};
    uint64_t before_id = 0;
    if (!list_of(request, response, &list) ||
        !http_input_limit(request, response, &listing.limit) ||
        !http_input_number(request, response, "cursor", INT64_MAX, &before_id)) {
        return;
    }
    listing.items = json_array();
    struct config_db *db = engine_config_lock(control->engine);
    const int error = config_db_list(db, list, http_request_parameter(request, "contains"),
                                     before_id, listing.limit + 1, list_one, &listing);
    engine_config_unlock(control->engine);
    if (error != 0) {
        json_decref(listing.items);
        http_answer_failed(response, "Reading the list", error);
        return;
    }
    json_t *next = listing.more ? json_sequence(listing.last_id) : json_null();
    http_answer_json(response, 200, json_pack("{s:o, s:o}", "items", listing.items, "next", next));
}

/* --- POST and DELETE --- */

static bool make_entry(struct control *control, const struct http_request *request,
                       struct http_response *response, enum list_id list,
                       struct config_list_entry *ret_entry) {
    char expires_buffer[RFC3339_TEXT_MAX];
    struct text expires = TEXT_OVER(expires_buffer);
    struct list_entry_fields fields;
    const int64_t now_ns = engine_now_ns(control->engine);
    if (!control_members(request, response, "pattern type direction require comment expires") ||
        !control_needed_text(request, response, "pattern", &fields.pattern) ||
        !control_text(request, response, "type", &fields.type) ||
        !control_text(request, response, "direction", &fields.direction) ||
        !control_text(request, response, "require", &fields.require) ||
        !control_text(request, response, "comment", &fields.comment) ||
        !control_expires(request, response, now_ns, &expires, &fields.expires)) {
        return false;
    }
    char problem_buffer[LIST_PROBLEM_MAX];
    struct text problem = TEXT_OVER(problem_buffer);
    const char *field;
    if (!list_entry_make(list, &fields, (uint32_t)(now_ns / NS_PER_S), ret_entry, &field,
                         &problem)) {
        http_answer_problem(response, 400, field, text_str(&problem));
        return false;
    }
    return true;
}

void control_post_entry(void *context, const struct http_request *request,
                        struct http_response *response) {
    struct control *control = context;
    enum list_id list;
    struct config_list_entry entry;
    if (!list_of(request, response, &list) ||
        !make_entry(control, request, response, list, &entry)) {
        return;
    }
    struct config_add_result result;
    struct engine_problem problem = {0};
    int error = engine_add_entries(control->engine, &entry, 1, request->author, &result, &problem);
    if (error != 0) {
        if (problem.setting.text[0] != '\0') {
            http_answer_problem(response, error == -EINVAL ? 400 : 500, NULL,
                                str_from(problem.setting.text));
        } else {
            http_answer_failed(response, "Adding the entry", error);
        }
        return;
    }
    struct config_db *db = engine_config_lock(control->engine);
    error = config_db_entry(db, entry.item.id, &entry);
    engine_config_unlock(control->engine);
    if (error != 0) {
        http_answer_failed(response, "Reading the entry", error);
        return;
    }
    http_answer_json(response, result.added > 0 ? 201 : 200, entry_json(&entry));
}

/* The entry that the path names; -ENOENT also for one of another list. */
static int find_entry(struct control *control, const struct http_request *request,
                      enum list_id list, struct config_list_entry *ret_entry) {
    uint64_t id;
    if (!str_parse_u64(request->parts[1], INT64_MAX, &id)) {
        return -ENOENT;
    }
    struct config_db *db = engine_config_lock(control->engine);
    const int error = config_db_entry(db, id, ret_entry);
    engine_config_unlock(control->engine);
    return error == 0 && ret_entry->item.list != list ? -ENOENT : error;
}

static void answer_no_entry(struct http_response *response, enum list_id list, const char *what,
                            int error) {
    if (error == -ENOENT) {
        http_answer_problemf(response, 404, NULL, "The list %s has no entry of that id.",
                             list_name(list));
    } else {
        http_answer_failed(response, what, error);
    }
}

void control_get_entry(void *context, const struct http_request *request,
                       struct http_response *response) {
    enum list_id list;
    struct config_list_entry entry;
    if (!list_of(request, response, &list)) {
        return;
    }
    const int error = find_entry(context, request, list, &entry);
    if (error == 0) {
        http_answer_json(response, 200, entry_json(&entry));
    } else {
        answer_no_entry(response, list, "Reading the entry", error);
    }
}

void control_delete_entry(void *context, const struct http_request *request,
                          struct http_response *response) {
    struct control *control = context;
    enum list_id list;
    struct config_list_entry entry;
    if (!list_of(request, response, &list)) {
        return;
    }
    int error = find_entry(control, request, list, &entry);
    if (error == 0) {
        uint64_t version;
        error =
            engine_remove_entries(control->engine, &entry.item.id, 1, request->author, &version);
    }
    if (error == 0) {
        http_answer_nothing(response);
    } else {
        answer_no_entry(response, list, "Removing the entry", error);
    }
}

/* --- GET /v1/lists/match --- */

enum { NAME_TEXT_MAX = 1024 };

/* The parameters of a look-up, normalised into `texts`. */
struct look_up {
    char texts[3][NAME_TEXT_MAX];
    struct list_query query;
};

static bool read_look_up(struct control *control, const struct http_request *request,
                         struct http_response *response, struct look_up *look_up) {
    struct list_query *query = &look_up->query;
    struct text sender = TEXT_OVER(look_up->texts[0]);
    struct text recipient = TEXT_OVER(look_up->texts[1]);
    struct text client_name = TEXT_OVER(look_up->texts[2]);
    *query = (struct list_query){.now_s = (uint32_t)(engine_now_ns(control->engine) / NS_PER_S)};
    const struct str client = http_request_parameter(request, "client");
    const struct str direction = http_request_parameter(request, "direction");
    if (client.data != NULL &&
        !control_address(response, "client", client, &query->client_address)) {
        return false;
    }
    query->direction = DIRECTION_INBOUND;
    if (str_equal(direction, STR("outbound"))) {
        query->direction = DIRECTION_OUTBOUND;
    } else if (direction.data != NULL && !str_equal(direction, STR("inbound"))) {
        http_answer_problem(response, 400, "direction",
                            STR("direction must be inbound or outbound."));
        return false;
    }
    if (http_request_parameter(request, "sender").data != NULL) {
        mail_address_normalise(http_request_parameter(request, "sender"), &sender);
        query->sender = text_str(&sender);
    }
    if (http_request_parameter(request, "recipient").data != NULL) {
        mail_address_normalise(http_request_parameter(request, "recipient"), &recipient);
        query->recipient = text_str(&recipient);
    }
    mail_domain_normalise(http_request_parameter(request, "client_name"), &client_name);
    query->client_name = text_str(&client_name);
    return true;
}

void control_match(void *context, const struct http_request *request,
                   struct http_response *response) {
    struct control *control = context;
    struct look_up look_up;
    if (!read_look_up(control, request, response, &look_up)) {
        return;
    }
    const struct generation *generation = engine_generation_acquire(control->engine);
    json_t *answer = json_object();
    for (unsigned l = 0; l < LISTS; l++) {
        const enum list_id list = (enum list_id)l;
        struct list_match match;
        struct config_list_entry entry;
        int error = -ENOENT;
        if (list_find(&generation->lists, list, &look_up.query, &match)) {
            struct config_db *db = engine_config_lock(control->engine);
            error = config_db_entry(db, match.entry_id, &entry);
            engine_config_unlock(control->engine);
        }
        json_put(answer, list_name(list), error == 0 ? entry_json(&entry) : json_null());
    }
    engine_generation_release(control->engine, generation);
    http_answer_json(response, 200, answer);
}
