/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_handlers.h"
#include "api/change.h"
#include "api/compat.h"

/* /acl/whitelist, /acl/blacklist, /greylisting/whitelist: the daemon's lists with `value` for
 * `pattern`; and one address of /ip-reputation put on one of them. */

enum { TARGET_MAX = 12288 };

static json_t *entry_of(json_t *item) {
    json_t *pattern = json_incref(json_object_get(item, "pattern"));
    (void)json_object_del(item, "pattern");
    (void)json_object_set_new(item, "value", pattern);
    return item;
}

static void get_list(struct api *api, const struct http_request *request,
                     struct http_response *response, const char *list) {
    char bytes[TARGET_MAX];
    struct text target = TEXT_OVER(bytes);
    if (!daemon_target(request, response, list, true, &target)) {
        return;
    }
    json_t *answer = daemon_ask(api, request, response, "GET", text_zero(&target), NULL);
    if (answer == NULL) {
        return;
    }
    json_t *items = json_object_get(answer, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        (void)entry_of(json_array_get(items, i));
    }
    http_answer_json(response, 200, answer);
}

static void post_list(struct api *api, const struct http_request *request,
                      struct http_response *response, const char *target) {
    struct change change;
    if (!api_body_valid(request, response) || !change_begin(api, request, response, &change)) {
        return;
    }
    json_t *body = json_deep_copy(request->json);
    json_t *value = json_incref(json_object_get(body, "value"));
    (void)json_object_del(body, "value");
    (void)json_object_set_new(body, "pattern", value);
    unsigned status = 0;
    json_t *item = daemon_ask_status(api, request, response, "POST", target, body, &status);
    if (item == NULL) {
        change_failed(&change, http_answer_status(response));
    } else {
        item = entry_of(item);
        char *text = json_dumps(item, JSON_COMPACT);
        change_done(&change, status, str_from(text));
        free(text);
        http_answer_json(response, status, item);
    }
    change_end(&change);
}

void api_get_acl_whitelist(void *context, const struct http_request *request,
                           struct http_response *response) {
    get_list(context, request, response, "/v1/lists/allow");
}

void api_post_acl_whitelist(void *context, const struct http_request *request,
                            struct http_response *response) {
    post_list(context, request, response, "/v1/lists/allow");
}

void api_get_acl_blacklist(void *context, const struct http_request *request,
                           struct http_response *response) {
    get_list(context, request, response, "/v1/lists/block");
}

void api_post_acl_blacklist(void *context, const struct http_request *request,
                            struct http_response *response) {
    post_list(context, request, response, "/v1/lists/block");
}

void api_get_greylisting_whitelist(void *context, const struct http_request *request,
                                   struct http_response *response) {
    get_list(context, request, response, "/v1/lists/greylist_exempt");
}

void api_post_greylisting_whitelist(void *context, const struct http_request *request,
                                    struct http_response *response) {
    post_list(context, request, response, "/v1/lists/greylist_exempt");
}

/* --- /ip-reputation/{ip} --- */

/* The entry of `list` whose pattern is just that address; 0: there is none. */
static json_int_t entry_for(struct api *api, const struct http_request *request, const char *list,
                            json_t **ret_entry) {
    char bytes[TARGET_MAX];
    struct text target = TEXT_OVER(bytes);
    text_add(&target, STR("/v1/lists/"));
    text_add(&target, str_from(list));
    text_add(&target, STR("?limit=500&contains="));
    http_client_escape(request->parts[0], &target);
    json_t *answer = daemon_get(api, text_zero(&target));
    const json_t *items = json_object_get(answer, "items");
    json_int_t id = 0;
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const char *pattern = json_string_value(json_object_get(item, "pattern"));
        if (str_equal(str_from(pattern), request->parts[0])) {
            id = json_integer_value(json_object_get(item, "id"));
            if (ret_entry != NULL) {
                *ret_entry = json_pack("{s:I, s:s}", "id", id, "pattern", pattern);
            }
        }
    }
    json_decref(answer);
    return id;
}

static json_t *reputation_of(struct api *api, const struct http_request *request,
                             struct http_response *response) {
    char bytes[TARGET_MAX];
    struct text target = TEXT_OVER(bytes);
    if (!daemon_target(request, response, "/v1/reputation/{ip}", false, &target)) {
        return NULL;
    }
    json_t *answer = daemon_ask(api, request, response, "GET", text_zero(&target), NULL);
    if (answer != NULL) {
        json_t *blocked = NULL;
        (void)entry_for(api, request, "block", &blocked);
        json_put(answer, "blocked", blocked != NULL ? blocked : json_null());
    }
    return answer;
}

void api_get_ip_reputation(void *context, const struct http_request *request,
                           struct http_response *response) {
    json_t *answer = reputation_of(context, request, response);
    if (answer != NULL) {
        http_answer_json(response, 200, answer);
    }
}

/* Takes the address from one list (it may not be there) and puts it on the other. */
static bool move(struct api *api, const struct http_request *request,
                 struct http_response *response, const char *from, const char *to) {
    const json_int_t id = entry_for(api, request, from, NULL);
    char target[128];
    (void)snprintf(target, sizeof target, "/v1/lists/%s/%lld", from, (long long)id);
    if (id != 0) {
        json_t *gone = daemon_ask(api, request, response, "DELETE", target, NULL);
        if (gone == NULL) {
            return false;
        }
        json_decref(gone);
    }
    (void)snprintf(target, sizeof target, "/v1/lists/%s", to);
    json_t *body = json_pack("{s:s%, s:s}", "pattern", request->parts[0].data,
                             request->parts[0].length, "type", "ip");
    json_t *item = daemon_ask(api, request, response, "POST", target, body);
    json_decref(item);
    return item != NULL;
}

static void put_on_list(struct api *api, const struct http_request *request,
                        struct http_response *response, const char *from, const char *to) {
    /* First whether it is an address at all, so that nothing is half done. */
    json_t *before = reputation_of(api, request, response);
    json_decref(before);
    struct change change;
    if (before == NULL || !change_begin(api, request, response, &change)) {
        return;
    }
    json_t *after =
        move(api, request, response, from, to) ? reputation_of(api, request, response) : NULL;
    if (after == NULL) {
        change_failed(&change, http_answer_status(response));
    } else {
        char *text = json_dumps(after, JSON_COMPACT);
        change_done(&change, 200, str_from(text));
        free(text);
        http_answer_json(response, 200, after);
    }
    change_end(&change);
}

void api_put_ip_whitelist(void *context, const struct http_request *request,
                          struct http_response *response) {
    put_on_list(context, request, response, "block", "reputation_allow");
}

void api_put_ip_blacklist(void *context, const struct http_request *request,
                          struct http_response *response) {
    put_on_list(context, request, response, "reputation_allow", "block");
}
