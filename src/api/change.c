/* SPDX-License-Identifier: Apache-2.0 */
#include "api/change.h"

#include <stdlib.h>
#include <string.h>

#include "api/answer_memory.h"
#include "api/audit.h"
#include "api/daemon_call.h"
#include "api/etag.h"
#include "base/clock.h"
#include "base/log.h"

enum { TARGET_MAX = 12288 };

/* The thing as it is before the change, JSON for the caller to free; NULL when it cannot be said.
 */
static char *state_before(struct api *api, const struct http_request *request,
                          struct http_response *response, size_t *ret_length) {
    const struct api_operation *operation = api_caller_of(request)->operation;
    char bytes[TARGET_MAX];
    struct text target = TEXT_OVER(bytes);
    *ret_length = 0;
    if (operation->before == NULL ||
        !daemon_target(request, response, operation->before, false, &target)) {
        return NULL;
    }
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    struct http_reply reply;
    if (daemon_call(api, "GET", text_zero(&target), (struct str){0}, NULL, &reply, &problem) != 0) {
        return NULL;
    }
    if (reply.status != 200) {
        http_reply_free(&reply);
        return NULL;
    }
    *ret_length = reply.length;
    return reply.body;
}

static bool matches(const struct http_request *request, struct str before,
                    struct http_response *response) {
    const struct str wanted = http_request_header(request, "If-Match");
    if (wanted.data == NULL || str_equal(wanted, STR("*"))) {
        return true;
    }
    if (before.data != NULL && etag_same_state(wanted, before)) {
        return true;
    }
    http_answer_problem(response, 412, "If-Match",
                        STR("It was changed since it was read: read it again, and then decide "
                            "whether to change it."));
    return false;
}

/* "greylisting.defer_time" is named whole, or by its end. */
static bool names_key(const json_t *body, const char *key) {
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)body, name, value) {
        const size_t name_length = strlen(name);
        const size_t key_length = strlen(key);
        if (strcmp(name, key) == 0 ||
            (key_length > name_length && key[key_length - name_length - 1] == '.' &&
             strcmp(key + key_length - name_length, name) == 0)) {
            return true;
        }
    }
    return false;
}

/* Of all settings, those that the request is about: the log need not keep the others with each
 * change. NULL when `before` is no list of settings, or memory is out; else for the caller to free.
 */
static char *settings_named(const struct http_request *request, struct str before) {
    json_t *all = before.data != NULL && request->json != NULL
                      ? json_loadb(before.data, before.length, 0, NULL)
                      : NULL;
    json_t *named = json_array();
    const json_t *items = json_object_get(all, "items");
    bool are_settings = json_array_size(items) > 0;
    for (size_t i = 0; i < json_array_size(items) && are_settings; i++) {
        json_t *item = json_array_get(items, i);
        const char *key = json_string_value(json_object_get(item, "key"));
        are_settings = key != NULL;
        if (are_settings && names_key(request->json, key)) {
            (void)json_array_append(named, item);
        }
    }
    json_t *kept = json_pack("{s:o}", "items", named);
    char *text = are_settings ? json_dumps(kept, JSON_COMPACT) : NULL;
    json_decref(kept);
    json_decref(all);
    return text;
}

/* The same of an object of settings by their keys. */
static char *values_named(const struct http_request *request, struct str before) {
    json_t *values = before.length > 0 ? json_loadb(before.data, before.length, 0, NULL) : NULL;
    const char *key = NULL;
    json_t *value = NULL;
    void *next = NULL;
    json_object_foreach_safe(values, next, key, value) {
        if (!names_key(request->json, key)) {
            (void)json_object_del(values, key);
        }
    }
    char *text = values != NULL ? json_dumps(values, JSON_COMPACT) : NULL;
    json_decref(values);
    return text;
}

static bool write_begin(struct api *api, const struct http_request *request,
                        struct http_response *response, struct str before, bool values,
                        int64_t *ret_row) {
    const struct api_caller *caller = api_caller_of(request);
    char name[2 * API_USER_TEXT_MAX];
    struct text author = TEXT_OVER(name);
    api_author(request, &author);
    char *named = values ? values_named(request, before) : settings_named(request, before);
    const struct audit_entry entry = {
        .user = text_str(&author),
        .via = str_from(access_via_name(caller->decision.via)),
        .address = str_from(caller->address_text),
        .action = str_from(caller->operation->id),
        .method = request->method_name,
        .path = request->path,
        .request_id = str_from(caller->request_id),
        .before = named != NULL ? str_from(named) : before,
    };
    const int error = audit_begin(api->db, &entry, clock_wall_ns(), ret_row);
    free(named);
    if (error == 0) {
        return true;
    }
    log_write(LOG_ERROR, "API", "The audit log cannot be written: %s", strerror(-error));
    http_answer_problem(response, 500, NULL,
                        STR("Nothing was changed: the audit log cannot be written. See the log of "
                            "seczim-api; is the disk full?"));
    return false;
}

static enum change_kind kind_of(const struct api_operation *operation) {
    switch (operation->scope) {
    case API_SCOPE_POLICIES:
    case API_SCOPE_SETTINGS:
        return CHANGE_SETTINGS;
    case API_SCOPE_LISTS:
    case API_SCOPE_GREYLIST:
    case API_SCOPE_REPUTATION:
        return CHANGE_LISTS;
    case API_SCOPE_QUOTAS:
        return CHANGE_QUOTAS;
    case API_SCOPE_RESTRICTIONS:
        return CHANGE_RESTRICTIONS;
    case API_SCOPE_SYSTEM:
        return CHANGE_SYSTEM;
    default:
        return CHANGE_USERS;
    }
}

/* What the change has to wait for; `state` as in begin(). */
static pthread_mutex_t *order_of(struct api *api, const struct http_request *request,
                                 change_state *state) {
    const struct api_operation *operation = api_caller_of(request)->operation;
    const bool has_state = state == NULL ? operation->before != NULL : state != change_no_state;
    const bool repeats = http_request_header(request, "Idempotency-Key").data != NULL;
    return has_state || repeats ? &api->changes[kind_of(operation)] : NULL;
}

static void leave(pthread_mutex_t *order) {
    if (order != NULL) {
        pthread_mutex_unlock(order);
    }
}

/* `state` NULL: the daemon's. */
static bool begin(struct api *api, const struct http_request *request,
                  struct http_response *response, change_state *state, bool values,
                  struct change *change) {
    *change = (struct change){.values = values};
    const struct api_operation *operation = api_caller_of(request)->operation;
    if (request->method == HTTP_GET || !operation->audited) {
        return true;
    }
    pthread_mutex_t *order = order_of(api, request, state);
    if (order != NULL) {
        pthread_mutex_lock(order);
    }
    size_t length = 0;
    char *bytes =
        state == NULL ? state_before(api, request, response, &length) : state(api, request);
    length = state != NULL && bytes != NULL ? strlen(bytes) : length;
    const struct str before = bytes != NULL ? (struct str){bytes, length} : (struct str){0};
    bool good = http_answer_status(response) == 0 &&
                !answer_memory_repeat(api->answers, request, response) &&
                matches(request, before, response) &&
                write_begin(api, request, response, before, values, &change->audit_row);
    free(bytes);
    if (!good) {
        leave(order);
        return false;
    }
    change->api = api;
    change->order = order;
    change->request = request;
    return true;
}

bool change_begin(struct api *api, const struct http_request *request,
                  struct http_response *response, struct change *change) {
    return begin(api, request, response, NULL, false, change);
}

bool change_begin_own(struct api *api, const struct http_request *request,
                      struct http_response *response, change_state *state, struct change *change) {
    return begin(api, request, response, state, false, change);
}

bool change_begin_values(struct api *api, const struct http_request *request,
                         struct http_response *response, change_state *state,
                         struct change *change) {
    return begin(api, request, response, state, true, change);
}

char *change_no_state(struct api *api, const struct http_request *request) {
    (void)api;
    (void)request;
    return NULL;
}

void change_done(struct change *change, unsigned status, struct str after) {
    if (change->request == NULL) {
        return;
    }
    char *named = change->values ? values_named(change->request, after) : NULL;
    const int error = audit_end(change->api->db, change->audit_row, status,
                                named != NULL ? str_from(named) : after, clock_wall_ns());
    free(named);
    if (error != 0) {
        log_write(LOG_ERROR, "API", "The audit log lacks the end of row %lld: %s",
                  (long long)change->audit_row, strerror(-error));
    }
    if (status < 300) {
        answer_memory_keep(change->api->answers, change->request, status, after);
    }
}

void change_failed(struct change *change, unsigned status) {
    change_done(change, status, STR(""));
}

void change_end(struct change *change) {
    if (change->request != NULL) {
        leave(change->order);
    }
}
