/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/api_handlers.h"
#include "api/compat.h"

/* /health, /version, /openapi.json, /stats, /quotas/usage, /auto-blacklist/rules. */

void api_get_health(void *context, const struct http_request *request,
                    struct http_response *response) {
    (void)request;
    json_t *status = daemon_get(context, "/v1/status");
    const bool up = status != NULL;
    json_decref(status);
    http_answer_json(response, 200,
                     json_pack("{s:s, s:b}", "status", up ? "ok" : "degraded", "daemon", up));
}

void api_get_version(void *context, const struct http_request *request,
                     struct http_response *response) {
    (void)request;
    json_t *status = daemon_get(context, "/v1/status");
    const char *daemon = json_string_value(json_object_get(status, "version"));
    http_answer_json(response, 200,
                     json_pack("{s:s, s:s, s:s, s:s?}", "name", "SecZim", "version", SECZIM_VERSION,
                               "api", "v1", "daemon", daemon));
    json_decref(status);
}

void api_get_openapi(void *context, const struct http_request *request,
                     struct http_response *response) {
    (void)context;
    (void)request;
    http_answer_bytes(response, 200, "application/json",
                      (struct str){api_document_json, api_document_length}, true);
}

static json_int_t count_of(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

void api_get_stats(void *context, const struct http_request *request,
                   struct http_response *response) {
    json_t *status = daemon_ask(context, request, response, "GET", "/v1/status", NULL);
    if (status == NULL) {
        return;
    }
    const json_t *requests = json_object_get(status, "requests");
    const json_int_t accepted = count_of(requests, "accepted");
    const json_int_t rejected = count_of(requests, "rejected");
    const json_int_t total = accepted + rejected;
    const double rate = total > 0 ? round((double)accepted * 10000.0 / (double)total) / 100.0 : 0.0;
    json_t *answer = json_pack(
        "{s:I, s:I, s:I, s:I, s:o, s:I, s:I}", "total_requests", total, "accepted", accepted,
        "rejected", rejected, "deferred", count_of(requests, "deferred"), "acceptance_rate",
        total > 0 ? json_real(rate) : json_null(), "active_connections",
        count_of(status, "connections"), "uptime", count_of(status, "uptime"));
    json_decref(status);
    http_answer_json(response, 200, answer);
}

/* Of one sender or client as the daemon tells it; of everybody else each user that has used
 * something. */
void api_get_quota_usage(void *context, const struct http_request *request,
                         struct http_response *response) {
    const bool one = http_request_parameter(request, "sender").length > 0 ||
                     http_request_parameter(request, "client").length > 0;
    char bytes[12288];
    struct text target = TEXT_OVER(bytes);
    if (!daemon_target(request, response, one ? "/v1/quotas/usage" : "/v1/quotas/users?near=0",
                       true, &target)) {
        return;
    }
    json_t *answer = daemon_ask(context, request, response, "GET", text_zero(&target), NULL);
    if (answer != NULL) {
        http_answer_json(response, 200, answer);
    }
}

static const struct {
    const char *trigger;
    const char *name;
} rules[] = {
    {"rejections", "High Rejection Rate"}, {"rbl_hits", "RBL Hits"},
    {"spf_failures", "SPF Failures"},      {"geo_blocked", "Geo-Blocked Attempts"},
    {"failed_logins", "Failed Logins"},    {"spam_score", "Spam Score"},
};

void api_get_auto_blacklist_rules(void *context, const struct http_request *request,
                                  struct http_response *response) {
    json_t *settings = json_object();
    if (!compat_add_settings(context, request, response, "auto_blacklist", settings)) {
        json_decref(settings);
        return;
    }
    static const char *const members[] = {"enabled", "threshold", "window", "duration"};
    json_t *items = json_array();
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        json_t *item = json_pack("{s:s, s:s}", "name", rules[i].name, "trigger", rules[i].trigger);
        size_t found = 0;
        for (size_t k = 0; k < sizeof members / sizeof members[0]; k++) {
            char key[96];
            (void)snprintf(key, sizeof key, "%s.%s", rules[i].trigger, members[k]);
            json_t *value = json_object_get(settings, key);
            found += value != NULL && json_object_set(item, members[k], value) == 0;
        }
        if (found == sizeof members / sizeof members[0]) {
            (void)json_array_append_new(items, item);
        } else {
            json_decref(item); /* A rule whose source does not exist yet. */
        }
    }
    json_decref(settings);
    http_answer_json(response, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}
