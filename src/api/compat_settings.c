/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_handlers.h"
#include "api/change.h"
#include "api/compat.h"
#include "api/etag.h"

/* /settings, /policies, /greylisting/config, /ip-reputation/config: settings as plain members. */

enum { KEY_TEXT_MAX = 256 };

/* Answers 200 with `object` and its tag. Takes it over. */
static void answer_object(const struct http_request *request, struct http_response *response,
                          json_t *object) {
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (text == NULL) {
        http_answer_json(response, 500, NULL);
        return;
    }
    etag_answer(request, response, "application/json", str_from(text));
    free(text);
}

static json_t *setting_items(struct api *api, const struct http_request *request,
                             struct http_response *response) {
    return daemon_ask(api, request, response, "GET", "/v1/settings", NULL);
}

/* Those with keys "PREFIX.REST" by their REST; deeper ones keep their dots. */
static void add_matching(const json_t *answer, const char *prefix, json_t *object) {
    const size_t length = strlen(prefix);
    const json_t *items = json_object_get(answer, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const char *key = json_string_value(json_object_get(item, "key"));
        json_t *value = json_object_get(item, "value");
        if (key == NULL || strncmp(key, prefix, length) != 0) {
            continue;
        }
        const char *rest = key + length;
        if (length == 0 || *rest == '.') {
            (void)json_object_set(object, length == 0 ? rest : rest + 1, value);
        }
    }
}

bool compat_add_settings(struct api *api, const struct http_request *request,
                         struct http_response *response, const char *prefix, json_t *object) {
    json_t *answer = setting_items(api, request, response);
    if (answer == NULL) {
        return false;
    }
    add_matching(answer, prefix, object);
    json_decref(answer);
    return true;
}

json_t *compat_change(struct api *api, const struct http_request *request,
                      struct http_response *response, struct change *change, const char *method,
                      const char *target, json_t *body) {
    json_t *answer = daemon_ask(api, request, response, method, target, body);
    if (answer == NULL) {
        change_failed(change, http_answer_status(response));
    }
    return answer;
}

/* Answers with `object`, which is also what the audit log keeps as the state after. */
static void answer_after(const struct http_request *request, struct http_response *response,
                         struct change *change, json_t *object) {
    char *text = json_dumps(object, JSON_COMPACT);
    change_done(change, 200, str_from(text));
    free(text);
    answer_object(request, response, object);
}

typedef bool begin_change(struct api *api, const struct http_request *request,
                          struct http_response *response, change_state *state,
                          struct change *change);

/* `state` NULL: as the daemon tells it. */
static void change_settings(struct api *api, const struct http_request *request,
                            struct http_response *response, json_t *members, begin_change *begin,
                            change_state *state,
                            json_t *(*after)(struct api *, const struct http_request *,
                                             struct http_response *, const char *),
                            const char *name) {
    struct change change;
    if (state == NULL ? !change_begin(api, request, response, &change)
                      : !begin(api, request, response, state, &change)) {
        json_decref(members);
        return;
    }
    json_t *done = compat_change(api, request, response, &change, "PUT", "/v1/settings", members);
    json_decref(done);
    json_t *object = done != NULL ? after(api, request, response, name) : NULL;
    if (object != NULL) {
        answer_after(request, response, &change, object);
    } else if (done != NULL) {
        change_done(&change, http_answer_status(response), STR(""));
    }
    change_end(&change);
}

/* --- /settings --- */

static json_t *all_settings(struct api *api, const struct http_request *request,
                            struct http_response *response, const char *name) {
    (void)name;
    json_t *values = json_object();
    if (!compat_add_settings(api, request, response, "", values)) {
        json_decref(values);
        return NULL;
    }
    return values;
}

void api_get_settings(void *context, const struct http_request *request,
                      struct http_response *response) {
    json_t *values = all_settings(context, request, response, NULL);
    if (values != NULL) {
        answer_object(request, response, values);
    }
}

/* What all_settings() answers with, for If-Match. */
static char *settings_state(struct api *api, const struct http_request *request) {
    (void)request;
    json_t *answer = daemon_get(api, "/v1/settings");
    json_t *values = json_object();
    add_matching(answer, "", values);
    char *text = answer != NULL ? json_dumps(values, JSON_COMPACT) : NULL;
    json_decref(values);
    json_decref(answer);
    return text;
}

void api_put_settings(void *context, const struct http_request *request,
                      struct http_response *response) {
    if (api_body_valid(request, response)) {
        change_settings(context, request, response, json_deep_copy(request->json),
                        change_begin_values, settings_state, all_settings, NULL);
    }
}

/* --- /policies --- */

/* Members of a policy that are settings of every policy. */
static bool is_common(const char *member) {
    static const char *const common[] = {"enabled", "priority", "mode", "on_error"};
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        if (strcmp(member, common[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The section of seczim.yaml with a policy's own settings. */
static const char *section_of(const char *policy) {
    if (strcmp(policy, "acl_allow") == 0 || strcmp(policy, "acl_block") == 0) {
        return "access_list";
    }
    return policy;
}

static json_t *policy_object(const json_t *policy, const json_t *settings) {
    json_t *object = json_object();
    static const char *const members[] = {"name", "enabled",  "priority",
                                          "mode", "on_error", "runs_on"};
    const char *name = json_string_value(json_object_get(policy, "name"));
    add_matching(settings, section_of(name), object);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        (void)json_object_set(object, members[i], json_object_get(policy, members[i]));
    }
    return object;
}

/* All policies as objects. */
static json_t *policy_objects(const json_t *list, const json_t *settings) {
    json_t *items = json_array();
    const json_t *all = json_object_get(list, "items");
    for (size_t i = 0; i < json_array_size(all); i++) {
        (void)json_array_append_new(items, policy_object(json_array_get(all, i), settings));
    }
    return items;
}

/* The one of that name; NULL: there is none. */
static json_t *find_policy(const json_t *items, const char *name) {
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *object = json_array_get(items, i);
        if (strcmp(name, json_string_value(json_object_get(object, "name"))) == 0) {
            return json_incref(object);
        }
    }
    return NULL;
}

/* All policies as objects, or the one of that name; NULL: answered. */
static json_t *policies(struct api *api, const struct http_request *request,
                        struct http_response *response, const char *name) {
    json_t *list = daemon_ask(api, request, response, "GET", "/v1/policies", NULL);
    json_t *settings = list != NULL ? setting_items(api, request, response) : NULL;
    json_t *items = settings != NULL ? policy_objects(list, settings) : NULL;
    json_decref(list);
    json_decref(settings);
    if (name == NULL || items == NULL) {
        return items;
    }
    json_t *one = find_policy(items, name);
    json_decref(items);
    if (one == NULL) {
        http_answer_problemf(response, 404, NULL,
                             "There is no policy \"%s\"; GET /api/v1/policies "
                             "lists them.",
                             name);
    }
    return one;
}

void api_get_policies(void *context, const struct http_request *request,
                      struct http_response *response) {
    json_t *items = policies(context, request, response, NULL);
    if (items != NULL) {
        http_answer_json(response, 200, json_pack("{s:o, s:n}", "items", items, "next"));
    }
}

static json_t *setting_changes(const char *policy, const json_t *members) {
    json_t *changes = json_object();
    const char *member;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)members, member, value) {
        char key[KEY_TEXT_MAX];
        if (is_common(member)) {
            (void)snprintf(key, sizeof key, "policies.%s.%s", policy, member);
        } else {
            (void)snprintf(key, sizeof key, "%s.%s", section_of(policy), member);
        }
        (void)json_object_set(changes, key, value);
    }
    return changes;
}

static void change_policy(struct api *api, const struct http_request *request,
                          struct http_response *response, const char *policy) {
    if (!api_body_valid(request, response)) {
        return;
    }
    json_t *exists = policies(api, request, response, policy);
    json_decref(exists);
    if (exists != NULL) {
        change_settings(api, request, response, setting_changes(policy, request->json), NULL, NULL,
                        policies, policy);
    }
}

void api_put_policy(void *context, const struct http_request *request,
                    struct http_response *response) {
    char name[64];
    (void)snprintf(name, sizeof name, "%.*s", STR_ARGS(request->parts[0]));
    change_policy(context, request, response, name);
}

void api_get_policy_stats(void *context, const struct http_request *request,
                          struct http_response *response) {
    json_t *list = daemon_ask(context, request, response, "GET", "/v1/policies", NULL);
    if (list == NULL) {
        return;
    }
    json_t *items = json_array();
    const json_t *all = json_object_get(list, "items");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *policy = json_array_get(all, i);
        json_t *object = json_deep_copy(json_object_get(policy, "counts"));
        static const char *const members[] = {"name", "enabled", "mode"};
        for (size_t k = 0; k < sizeof members / sizeof members[0]; k++) {
            (void)json_object_set(object, members[k], json_object_get(policy, members[k]));
        }
        (void)json_array_append_new(items, object);
    }
    json_decref(list);
    http_answer_json(response, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

/* --- one policy under a path of its own --- */

/* Takes from the object of a policy what its path says already. */
static json_t *config_of(json_t *policy) {
    (void)json_object_del(policy, "name");
    (void)json_object_del(policy, "runs_on");
    if (json_is_null(json_object_get(policy, "on_error"))) {
        (void)json_object_del(policy, "on_error");
    }
    return policy;
}

static json_t *config_object(struct api *api, const struct http_request *request,
                             struct http_response *response, const char *policy) {
    json_t *object = policies(api, request, response, policy);
    return object != NULL ? config_of(object) : NULL;
}

/* What config_object() answers with, for If-Match. */
static char *config_state(struct api *api, const char *policy) {
    json_t *list = daemon_get(api, "/v1/policies");
    json_t *settings = daemon_get(api, "/v1/settings");
    json_t *items = list != NULL && settings != NULL ? policy_objects(list, settings) : NULL;
    json_t *one = find_policy(items, policy);
    char *text = one != NULL ? json_dumps(config_of(one), JSON_COMPACT) : NULL;
    json_decref(one);
    json_decref(items);
    json_decref(settings);
    json_decref(list);
    return text;
}

static char *greylisting_state(struct api *api, const struct http_request *request) {
    (void)request;
    return config_state(api, "greylisting");
}

static char *ip_reputation_state(struct api *api, const struct http_request *request) {
    (void)request;
    return config_state(api, "ip_reputation");
}

static void get_config(struct api *api, const struct http_request *request,
                       struct http_response *response, const char *policy) {
    json_t *object = config_object(api, request, response, policy);
    if (object != NULL) {
        answer_object(request, response, object);
    }
}

static void put_config(struct api *api, const struct http_request *request,
                       struct http_response *response, const char *policy, change_state *state) {
    if (api_body_valid(request, response)) {
        change_settings(api, request, response, setting_changes(policy, request->json),
                        change_begin_own, state, config_object, policy);
    }
}

void api_get_greylisting_config(void *context, const struct http_request *request,
                                struct http_response *response) {
    get_config(context, request, response, "greylisting");
}

void api_put_greylisting_config(void *context, const struct http_request *request,
                                struct http_response *response) {
    put_config(context, request, response, "greylisting", greylisting_state);
}

void api_get_ip_reputation_config(void *context, const struct http_request *request,
                                  struct http_response *response) {
    get_config(context, request, response, "ip_reputation");
}

void api_put_ip_reputation_config(void *context, const struct http_request *request,
                                  struct http_response *response) {
    put_config(context, request, response, "ip_reputation", ip_reputation_state);
}
