/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/rfc3339.h"
#include "daemon/control_rules.h"
#include "store/list_entry.h"

/* The rules of policy/rules.h as a resource, of which each kind is one: /v1/quotas,
 * /v1/restrictions, /v1/identities. What is right is said by rule_check() alone. */

static const struct rule_shape {
    const char *subject; /* member */
    const char *value;
    bool lines; /* `value` is an array */
    const char *members;
} shapes[RULE_KINDS] = {
    [RULE_QUOTA] = {"subject", "limit", false, "subject limit comment expires"},
    [RULE_RESTRICTION] = {"sender", "recipients", true, "sender recipients text comment expires"},
    [RULE_IDENTITY] = {"user", "senders", true, "user senders comment expires"},
};

/* --- JSON ---------------------------------------------------------------------------------------
 */

static json_t *lines_json(struct str value) {
    json_t *items = json_array();
    while (value.length > 0) {
        const size_t end = str_find(value, '\n');
        (void)json_array_append_new(items, json_text(str_slice(value, 0, end)));
        value = end == SIZE_MAX ? STR("") : str_slice(value, end + 1, value.length);
    }
    return items;
}

static void put_limit(json_t *object, const struct rule_row *row) {
    struct quota_rule quota;
    if (!quota_rule_parse(row->subject, row->value, &quota)) {
        return;
    }
    json_put(object, "scope", json_text_from(quota_scope_name(quota.scope)));
    json_put(object, "name", json_text(quota.name));
    json_put(object, "amount", json_count(quota.limit));
    json_put(object, "unit", json_text_from(quota_unit_name(quota.unit)));
    json_put(object, "window", json_text_from(quota_window_name(quota.window)));
}

static json_t *rule_json(const struct config_rule *rule) {
    const struct rule_row *row = &rule->row;
    const struct rule_shape *shape = &shapes[row->kind];
    json_t *object = json_object();
    json_put(object, "id", json_count(row->id));
    json_put(object, shape->subject, json_text(row->subject));
    json_put(object, shape->value, shape->lines ? lines_json(row->value) : json_text(row->value));
    if (row->kind == RULE_QUOTA) {
        put_limit(object, row);
    } else if (row->kind == RULE_RESTRICTION) {
        json_put(object, "text", json_text(row->text));
    }
    json_put(object, "comment", json_text(rule->comment));
    json_put(object, "expires", control_seconds(row->expires_s));
    json_put(object, "author", json_text(rule->author));
    json_put(object, "created", json_time(rule->created_wall_ns));
    json_put(object, "version", json_count(rule->version));
    return object;
}

static bool take_json(void *context, const struct config_rule *rule) {
    json_t **object = context;
    *object = rule_json(rule);
    return false;
}

json_t *control_rule_json(struct control *control, enum rule_kind kind, uint64_t id) {
    json_t *object = NULL;
    struct config_db *db = engine_config_lock(control->engine);
    const int error = config_db_rule(db, kind, id, take_json, &object);
    engine_config_unlock(control->engine);
    return error == 0 ? object : NULL;
}

/* --- GET ----------------------------------------------------------------------------------------
 */

struct listing {
    json_t *items;
    size_t limit;
    uint64_t last_id;
    bool more;
};

static bool list_one(void *context, const struct config_rule *rule) {
    struct listing *listing = context;
    if (json_array_size(listing->items) == listing->limit) {
        listing->more = true;
        return false;
    }
    (void)json_array_append_new(listing->items, rule_json(rule));
    listing->last_id = rule->row.id;
    return true;
}

static void list_rules(struct control *control, const struct http_request *request,
                       struct http_response *response, enum rule_kind kind) {
    struct listing listing = {0};
    uint64_t before_id = 0;
    if (!http_input_limit(request, response, &listing.limit) ||
        !http_input_number(request, response, "cursor", INT64_MAX, &before_id)) {
        return;
    }
    listing.items = json_array();
    struct config_db *db = engine_config_lock(control->engine);
    const int error = config_db_rules(db, kind, http_request_parameter(request, "contains"),
                                      before_id, listing.limit + 1, list_one, &listing);
    engine_config_unlock(control->engine);
    if (error != 0) {
        json_decref(listing.items);
        http_answer_failed(response, "Reading the rules", error);
        return;
    }
    json_t *next = listing.more ? json_sequence(listing.last_id) : json_null();
    http_answer_json(response, 200, json_pack("{s:o, s:o}", "items", listing.items, "next", next));
}

/* --- POST and PUT: what the body says, over what there was --------------------------------------
 */

struct rule_form {
    enum rule_kind kind;
    struct config_rule rule; /* its slices lie in the texts below */
    struct text subject;
    struct text value;
    struct text text;
    uint32_t expires_s;
    char comment[CONFIG_COMMENT_MAX];
    char subject_bytes[RULE_SUBJECT_MAX + 64]; /* more than may be: rule_check() says so */
    char text_bytes[RULE_TEXT_MAX + 64];
    char value_bytes[RULE_VALUE_MAX + 64];
};

static struct rule_form *form_new(enum rule_kind kind) {
    struct rule_form *form = calloc(1, sizeof *form);
    if (form != NULL) {
        form->kind = kind;
        form->subject = TEXT_OVER(form->subject_bytes);
        form->value = TEXT_OVER(form->value_bytes);
        form->text = TEXT_OVER(form->text_bytes);
    }
    return form;
}

/* A rule that is to be changed: what the body does not say stays. */
static bool fill_form(void *context, const struct config_rule *rule) {
    struct rule_form *form = context;
    struct text comment = TEXT_OVER(form->comment);
    text_add(&form->subject, rule->row.subject);
    text_add(&form->value, rule->row.value);
    text_add(&form->text, rule->row.text);
    text_add(&comment, rule->comment);
    (void)text_zero(&comment);
    form->expires_s = rule->row.expires_s;
    return false;
}

static void replace(struct text *text, struct str value) {
    if (value.data != NULL) {
        text->length = 0;
        text_add(text, value);
    }
}

static bool refuse_lines(struct http_response *response, const struct rule_shape *shape) {
    http_answer_problemf(response, 400, shape->value,
                         "%s must be an array of strings without line breaks, all together at most "
                         "%d bytes; an empty array allows nothing.",
                         shape->value, RULE_VALUE_MAX);
    return false;
}

static bool read_lines(const struct http_request *request, struct http_response *response,
                       const struct rule_shape *shape, struct text *value) {
    const json_t *array = json_object_get(request->json, shape->value);
    size_t i = 0;
    const json_t *item = NULL;
    if (array == NULL) {
        return true;
    }
    if (!json_is_array(array)) {
        return refuse_lines(response, shape);
    }
    value->length = 0;
    json_array_foreach(array, i, item) {
        const struct str line = json_str(item);
        if (!json_is_string(item) || str_find(line, '\n') != SIZE_MAX) {
            return refuse_lines(response, shape);
        }
        text_add(value, i > 0 ? STR("\n") : STR(""));
        text_add(value, line);
    }
    return value->truncated ? refuse_lines(response, shape) : true;
}

static bool read_expires(struct control *control, const struct http_request *request,
                         struct http_response *response, struct rule_form *form) {
    char buffer[RFC3339_TEXT_MAX];
    char sentence[LIST_PROBLEM_MAX];
    struct text expires_text = TEXT_OVER(buffer);
    struct text problem = TEXT_OVER(sentence);
    struct str expires;
    const char *field;
    const int64_t now_ns = engine_now_ns(control->engine);
    if (json_object_get(request->json, "expires") == NULL) {
        return true;
    }
    if (!control_expires(request, response, now_ns, &expires_text, &expires)) {
        return false;
    }
    if (!list_entry_expires(expires, (uint32_t)(now_ns / NS_PER_S), &form->expires_s, &field,
                            &problem)) {
        http_answer_problem(response, 400, field, text_str(&problem));
        return false;
    }
    return true;
}

static bool read_comment(const struct http_request *request, struct http_response *response,
                         struct rule_form *form) {
    char sentence[LIST_PROBLEM_MAX];
    struct text problem = TEXT_OVER(sentence);
    struct str comment;
    const char *field;
    if (!control_text(request, response, "comment", &comment)) {
        return false;
    }
    if (comment.data != NULL && !list_entry_comment(comment, form->comment, &field, &problem)) {
        http_answer_problem(response, 400, field, text_str(&problem));
        return false;
    }
    return true;
}

static bool read_form(struct control *control, const struct http_request *request,
                      struct http_response *response, struct rule_form *form) {
    const struct rule_shape *shape = &shapes[form->kind];
    struct str subject;
    struct str value = {0};
    struct str text;
    if (!control_members(request, response, shape->members) ||
        !control_text(request, response, shape->subject, &subject) ||
        (!shape->lines && !control_text(request, response, shape->value, &value)) ||
        (shape->lines && !read_lines(request, response, shape, &form->value)) ||
        !control_text(request, response, "text", &text) || !read_comment(request, response, form) ||
        !read_expires(control, request, response, form)) {
        return false;
    }
    replace(&form->subject, subject);
    replace(&form->value, value);
    replace(&form->text, text);
    if (form->subject.truncated || form->value.truncated || form->text.truncated) {
        http_answer_problemf(response, 400,
                             form->subject.truncated ? shape->subject
                             : form->value.truncated ? shape->value
                                                     : "text",
                             "That is too long: %s at most %d bytes, text at most %d.",
                             shape->subject, RULE_SUBJECT_MAX, RULE_TEXT_MAX);
        return false;
    }
    form->rule.row.kind = form->kind;
    form->rule.row.subject = text_str(&form->subject);
    form->rule.row.value = text_str(&form->value);
    form->rule.row.text = text_str(&form->text);
    form->rule.row.expires_s = form->expires_s;
    form->rule.comment = str_from(form->comment);
    return true;
}

static void answer_refusal(struct http_response *response, const struct rule_shape *shape,
                           int error, const struct engine_problem *problem) {
    const char *field = strcmp(problem->key, "subject") == 0 ? shape->subject
                        : strcmp(problem->key, "value") == 0 ? shape->value
                        : problem->key[0] != '\0'            ? problem->key
                                                             : NULL;
    const unsigned status = error == -EINVAL   ? 400
                            : error == -ENOENT ? 404
                            : error == -EEXIST ? 409
                            : error == -EAGAIN ? 503
                                               : 500;
    http_answer_problem(response, status, field, str_from(problem->setting.text));
}

static void put_form(struct control *control, const struct http_request *request,
                     struct http_response *response, const struct rule_form *form) {
    struct config_rule_result result = {0};
    struct engine_problem problem = {0};
    const int error =
        engine_put_rule(control->engine, &form->rule, request->author, &result, &problem);
    if (error != 0) {
        answer_refusal(response, &shapes[form->kind], error, &problem);
        return;
    }
    http_answer_json(response, result.added ? 201 : 200,
                     control_rule_json(control, form->kind, result.id));
}

static void post_rule(struct control *control, const struct http_request *request,
                      struct http_response *response, enum rule_kind kind) {
    const struct rule_shape *shape = &shapes[kind];
    struct rule_form *form = form_new(kind);
    if (form == NULL) {
        http_answer_failed(response, "Reading the rule", ENOMEM);
        return;
    }
    const char *missing = json_object_get(request->json, shape->subject) == NULL ? shape->subject
                          : json_object_get(request->json, shape->value) == NULL ? shape->value
                                                                                 : NULL;
    if (missing != NULL) {
        http_answer_problemf(response, 400, missing, "%s is missing; there must be %s and %s.",
                             missing, shape->subject, shape->value);
    } else if (read_form(control, request, response, form)) {
        put_form(control, request, response, form);
    }
    free(form);
}

/* 0 when the path holds none that could be. */
static uint64_t id_of(const struct http_request *request) {
    uint64_t id = 0;
    return str_parse_u64(request->parts[0], UINT32_MAX, &id) ? id : 0;
}

static void answer_unknown(struct http_response *response, enum rule_kind kind) {
    http_answer_problemf(response, 404, NULL, "There is no %s of that id.", rule_kind_name(kind));
}

static void change_rule(struct control *control, const struct http_request *request,
                        struct http_response *response, enum rule_kind kind) {
    struct rule_form *form = form_new(kind);
    if (form == NULL) {
        http_answer_failed(response, "Reading the rule", ENOMEM);
        return;
    }
    struct config_db *db = engine_config_lock(control->engine);
    const int error = config_db_rule(db, kind, id_of(request), fill_form, form);
    engine_config_unlock(control->engine);
    if (error == -ENOENT) {
        answer_unknown(response, kind);
    } else if (error != 0) {
        http_answer_failed(response, "Reading the rule", error);
    } else if (read_form(control, request, response, form)) {
        form->rule.row.id = id_of(request);
        put_form(control, request, response, form);
    }
    free(form);
}

static void get_rule(struct control *control, const struct http_request *request,
                     struct http_response *response, enum rule_kind kind) {
    json_t *rule = control_rule_json(control, kind, id_of(request));
    if (rule != NULL) {
        http_answer_json(response, 200, rule);
    } else {
        answer_unknown(response, kind);
    }
}

static void delete_rule(struct control *control, const struct http_request *request,
                        struct http_response *response, enum rule_kind kind) {
    struct engine_problem problem = {0};
    uint64_t version;
    const int error = engine_remove_rule(control->engine, kind, id_of(request), request->author,
                                         &version, &problem);
    if (error == 0) {
        http_answer_nothing(response);
    } else if (error == -ENOENT) {
        answer_unknown(response, kind);
    } else {
        answer_refusal(response, &shapes[kind], error, &problem);
    }
}

/* --- the routes ---------------------------------------------------------------------------------
 */

#define RULE_ROUTES(name_, kind_)                                                                  \
    void control_get_##name_(void *context, const struct http_request *request,                    \
                             struct http_response *response) {                                     \
        list_rules(context, request, response, kind_);                                             \
    }                                                                                              \
    void control_get_one_of_##name_(void *context, const struct http_request *request,             \
                                    struct http_response *response) {                              \
        get_rule(context, request, response, kind_);                                               \
    }                                                                                              \
    void control_post_##name_(void *context, const struct http_request *request,                   \
                              struct http_response *response) {                                    \
        post_rule(context, request, response, kind_);                                              \
    }                                                                                              \
    void control_put_##name_(void *context, const struct http_request *request,                    \
                             struct http_response *response) {                                     \
        change_rule(context, request, response, kind_);                                            \
    }                                                                                              \
    void control_delete_##name_(void *context, const struct http_request *request,                 \
                                struct http_response *response) {                                  \
        delete_rule(context, request, response, kind_);                                            \
    }

RULE_ROUTES(quotas, RULE_QUOTA)
RULE_ROUTES(restrictions, RULE_RESTRICTION)
RULE_ROUTES(identities, RULE_IDENTITY)
