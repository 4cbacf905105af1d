/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control_api.h"

enum { CHANGES_MAX = 256 };
/* The longest value is a list of domains, 255 bytes each. */
#define VALUE_TEXT_MAX ((size_t)LOCAL_DOMAINS_MAX * 260)

/* --- values as JSON --- */

static json_t *split_lines(struct str lines) {
    json_t *items = json_array();
    while (lines.length > 0) {
        const size_t newline = str_find(lines, '\n');
        (void)json_array_append_new(items, json_text(str_slice(lines, 0, newline)));
        lines = newline == SIZE_MAX ? STR("") : str_slice(lines, newline + 1, lines.length);
    }
    return items;
}

/* A whole number where it is one: "5" is 5 and "0.5" is 0.5. */
static json_t *number_of(struct text *text) {
    const char *digits = text_zero(text);
    return strchr(digits, '.') == NULL ? json_integer(strtoll(digits, NULL, 10))
                                       : json_real(strtod(digits, NULL));
}

/* `buffer` has VALUE_TEXT_MAX bytes. */
static json_t *value_of(const struct settings *settings, const struct setting_info *info,
                        char *buffer) {
    struct text text = {.data = buffer, .size = VALUE_TEXT_MAX};
    setting_format_plain(settings, info, &text);
    switch (info->type) {
    case SETTING_BOOL:
        return json_boolean(str_equal(text_str(&text), STR("1")));
    case SETTING_INT:
    case SETTING_DURATION_S:
    case SETTING_DURATION_NS:
    case SETTING_SIZE:
        return number_of(&text);
    case SETTING_TEXT_LIST:
    case SETTING_NETWORK_LIST:
    case SETTING_SECRET_LIST:
        return split_lines(text_str(&text));
    case SETTING_ENUM:
    case SETTING_TEXT:
    case SETTING_MODE:
    case SETTING_SECRET:
        break;
    }
    return json_text(text_str(&text));
}

/* A bound, in the unit of the value; null where there is none. */
static json_t *bound_of(const struct setting_info *info, int64_t bound) {
    switch (info->type) {
    case SETTING_DURATION_NS:
        return bound % 1000000000 == 0 ? json_integer(bound / 1000000000)
                                       : json_real((double)bound / 1e9);
    case SETTING_BOOL:
    case SETTING_ENUM:
    case SETTING_MODE:
        return json_null();
    case SETTING_INT:
    case SETTING_DURATION_S:
    case SETTING_SIZE:
    case SETTING_TEXT:
    case SETTING_TEXT_LIST:
    case SETTING_NETWORK_LIST:
    case SETTING_SECRET:
    case SETTING_SECRET_LIST:
        break;
    }
    return json_integer(bound);
}

static const char *unit_of(const struct setting_info *info) {
    if (info->type == SETTING_DURATION_S || info->type == SETTING_DURATION_NS) {
        return "seconds";
    }
    return info->type == SETTING_SIZE ? "bytes" : "";
}

static json_t *choices_of(const struct setting_info *info) {
    if (info->type != SETTING_ENUM) {
        return json_null();
    }
    json_t *choices = json_array();
    struct str rest = str_from(info->choices);
    while (rest.length > 0) {
        const size_t blank = str_find(rest, ' ');
        (void)json_array_append_new(choices, json_text(str_slice(rest, 0, blank)));
        rest = blank == SIZE_MAX ? STR("") : str_slice(rest, blank + 1, rest.length);
    }
    return choices;
}

static json_t *setting_json(struct control *control, const struct settings *settings,
                            const struct setting_info *info, char *buffer) {
    json_t *item = json_object();
    json_put(item, "key", json_text_from(info->key));
    json_put(item, "value", value_of(settings, info, buffer));
    json_put(item, "default", value_of(control->defaults, info, buffer));
    json_put(item, "type", json_text_from(setting_type_name(info->type)));
    json_put(item, "unit", json_text_from(unit_of(info)));
    json_put(item, "choices", choices_of(info));
    json_put(item, "min", bound_of(info, info->min));
    json_put(item, "max", bound_of(info, info->max));
    json_put(item, "origin",
             json_text_from(setting_origin_name(engine_setting_origin(control->engine, info))));
    json_put(item, "applies", json_text_from(setting_apply_name(info->apply)));
    json_put(item, "pending", json_boolean(engine_setting_pending(control->engine, info)));
    json_put(item, "help", json_text_from(info->help));
    return item;
}

static void unknown_setting(struct http_response *response, struct str key) {
    char buffer[512];
    char key_buffer[128];
    struct text detail = TEXT_OVER(buffer);
    struct text field = TEXT_OVER(key_buffer);
    text_add(&detail, STR("There is no setting \""));
    text_add_escaped(&detail, str_slice(key, 0, 64));
    text_add_byte(&detail, '"');
    const char *nearest = setting_nearest(key);
    if (nearest != NULL) {
        text_add(&detail, STR("; did you mean "));
        text_add(&detail, str_from(nearest));
        text_add_byte(&detail, '?');
    } else {
        text_add(&detail, STR("; GET /v1/settings lists them."));
    }
    text_add_escaped(&field, str_slice(key, 0, 64));
    http_answer_problem(response, 400, text_zero(&field), text_str(&detail));
}

void control_get_settings(void *context, const struct http_request *request,
                          struct http_response *response) {
    (void)request;
    struct control *control = context;
    char *buffer = malloc(VALUE_TEXT_MAX);
    if (buffer == NULL) {
        http_answer_json(response, 200, NULL);
        return;
    }
    const struct generation *generation = engine_generation_acquire(control->engine);
    json_t *items = json_array();
    for (size_t i = 0; i < settings_count; i++) {
        (void)json_array_append_new(
            items, setting_json(control, generation->settings, &settings_table[i], buffer));
    }
    http_answer_json(
        response, 200,
        json_pack("{s:o, s:o}", "version", json_count(generation->version), "items", items));
    engine_generation_release(control->engine, generation);
    free(buffer);
}

void control_get_setting(void *context, const struct http_request *request,
                         struct http_response *response) {
    struct control *control = context;
    const struct setting_info *info = setting_find(request->parts[0]);
    char *buffer = malloc(VALUE_TEXT_MAX);
    if (info == NULL || buffer == NULL) {
        http_answer_problem(response, info == NULL ? 404 : 500, NULL,
                            STR("There is no setting of that name; GET /v1/settings lists them."));
        free(buffer);
        return;
    }
    const struct generation *generation = engine_generation_acquire(control->engine);
    http_answer_json(response, 200, setting_json(control, generation->settings, info, buffer));
    engine_generation_release(control->engine, generation);
    free(buffer);
}

/* --- changes --- */

/* What a change is made of: keys and values as text, which it owns. */
struct change_set {
    size_t count;
    struct config_setting_change changes[CHANGES_MAX];
    char *texts[CHANGES_MAX];
};

static void change_set_free(struct change_set *set) {
    for (size_t i = 0; i < set->count; i++) {
        free(set->texts[i]);
    }
    free(set);
}

/* The array's strings joined by newlines; NULL when one is no string or holds a newline. */
static char *join_lines(const json_t *items) {
    size_t size = 1;
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)items, i, item) {
        if (!json_is_string(item) || str_find(json_str(item), '\n') != SIZE_MAX) {
            return NULL;
        }
        size += json_string_length(item) + 1;
    }
    char *lines = calloc(1, size);
    if (lines == NULL) {
        return NULL;
    }
    struct text out = {.data = lines, .size = size};
    json_array_foreach((json_t *)items, i, item) {
        text_add(&out, i > 0 ? STR("\n") : STR(""));
        text_add(&out, json_str(item));
    }
    (void)text_zero(&out);
    return lines;
}

/* The value as the settings' parser takes it; NULL when its JSON type does not fit. malloc'd. */
static char *value_text(const struct setting_info *info, const json_t *value) {
    char text[64];
    if (json_is_string(value)) {
        return strlen(json_string_value(value)) == json_string_length(value)
                   ? strdup(json_string_value(value))
                   : NULL;
    }
    if (json_is_array(value)) {
        return info->type == SETTING_TEXT_LIST || info->type == SETTING_NETWORK_LIST ||
                       info->type == SETTING_SECRET_LIST
                   ? join_lines(value)
                   : NULL;
    }
    if (json_is_boolean(value) && info->type == SETTING_BOOL) {
        return strdup(json_is_true(value) ? "true" : "false");
    }
    if (json_is_integer(value) &&
        (info->type == SETTING_INT || info->type == SETTING_DURATION_S ||
         info->type == SETTING_DURATION_NS || info->type == SETTING_SIZE)) {
        (void)snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
        return strdup(text);
    }
    if (json_is_real(value) && info->type == SETTING_DURATION_NS && json_real_value(value) >= 0 &&
        json_real_value(value) < 1e9) {
        (void)snprintf(text, sizeof text, "%lldms",
                       (long long)(json_real_value(value) * 1000 + 0.5));
        return strdup(text);
    }
    return NULL;
}

/* One member of the change; false: answered. */
static bool add_change(struct change_set *set, const char *key, const json_t *value,
                       struct http_response *response) {
    const struct setting_info *info = setting_find(str_from(key));
    if (info == NULL) {
        unknown_setting(response, str_from(key));
        return false;
    }
    if (info->apply == SETTING_BOOTSTRAP) {
        http_answer_problemf(response, 400, key,
                             "%s stands only in seczim.yaml; change it there and restart.", key);
        return false;
    }
    if (set->count == CHANGES_MAX) {
        http_answer_problemf(response, 400, NULL, "At most %d settings in one change.",
                             CHANGES_MAX);
        return false;
    }
    char *text = NULL;
    if (!json_is_null(value) && (text = value_text(info, value)) == NULL) {
        http_answer_problemf(response, 400, key, "%s is a setting of type %s; this is not one.",
                             key, setting_type_name(info->type));
        return false;
    }
    set->texts[set->count] = text;
    set->changes[set->count] = (struct config_setting_change){
        .key = str_from(info->key),
        .value = text == NULL ? (struct str){0} : str_from(text),
    };
    set->count++;
    return true;
}

static void answer_refused(struct http_response *response, int error,
                           const struct engine_problem *problem) {
    const char *field = problem->key[0] == '\0' ? NULL : problem->key;
    if (error == -EEXIST) {
        http_answer_problemf(response, 409, field,
                             "%s is set in seczim.yaml, which wins; change it there and reload.",
                             problem->key);
    } else if (error == -EINVAL || error == -ENOENT) {
        http_answer_problem(response, 400, field, str_from(problem->setting.text));
    } else if (problem->setting.text[0] != '\0') {
        http_answer_problem(response, 500, field, str_from(problem->setting.text));
    } else {
        http_answer_failed(response, "Storing the change", error);
    }
}

bool control_with_change(const json_t *members, struct http_response *response,
                         control_make_change *make, void *context) {
    struct change_set *set = calloc(1, sizeof *set);
    if (set == NULL) {
        http_answer_json(response, 200, NULL);
        return false;
    }
    const char *key;
    json_t *value;
    bool good = true;
    json_object_foreach((json_t *)members, key, value) {
        good = good && add_change(set, key, value, response);
    }
    if (good) {
        struct engine_problem problem = {0};
        const int error = make(context, set->changes, set->count, &problem);
        if (error != 0) {
            answer_refused(response, error, &problem);
            good = false;
        }
    }
    change_set_free(set);
    return good;
}

struct real_change {
    struct control *control;
    const char *author;
    uint64_t *ret_version;
};

static int make_real(void *context, const struct config_setting_change *changes, size_t count,
                     struct engine_problem *problem) {
    const struct real_change *real = context;
    return engine_change_settings(real->control->engine, changes, count, real->author,
                                  real->ret_version, problem);
}

bool control_change(struct control *control, const struct http_request *request,
                    struct http_response *response, const json_t *members, uint64_t *ret_version) {
    struct real_change real = {control, request->author, ret_version};
    if (json_object_size(members) == 0) {
        http_answer_problem(response, 400, NULL,
                            STR("Nothing to change; name settings and their values."));
        return false;
    }
    return control_with_change(members, response, make_real, &real);
}

json_t *control_warnings(const struct settings *settings) {
    json_t *warnings = json_array();
    char bytes[512];
    struct text warning = TEXT_OVER(bytes);
    for (size_t i = 0; settings_warning(settings, i, &warning); i++) {
        (void)json_array_append_new(warnings, json_text(text_str(&warning)));
        warning = TEXT_OVER(bytes);
    }
    return warnings;
}

void control_put_settings(void *context, const struct http_request *request,
                          struct http_response *response) {
    struct control *control = context;
    uint64_t version;
    if (!control_change(control, request, response, request->json, &version)) {
        return;
    }
    char *buffer = malloc(VALUE_TEXT_MAX);
    if (buffer == NULL) {
        http_answer_json(response, 200, NULL);
        return;
    }
    const struct generation *generation = engine_generation_acquire(control->engine);
    json_t *items = json_array();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)request->json, key, value) {
        const struct setting_info *info = setting_find(str_from(key));
        (void)json_array_append_new(items,
                                    setting_json(control, generation->settings, info, buffer));
    }
    http_answer_json(response, 200,
                     json_pack("{s:o, s:o, s:o}", "version", json_count(version), "items", items,
                               "warnings", control_warnings(generation->settings)));
    engine_generation_release(control->engine, generation);
    free(buffer);
}
