/* SPDX-License-Identifier: Apache-2.0 */
#include "api/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/daemon_call.h"

enum { OWN_MAX = 4096 };
static const char content_type[] = "text/plain; version=0.0.4; charset=utf-8";

static void add(struct text *out, const char *name, const char *type, const char *help,
                uint64_t value) {
    char line[512];
    (void)snprintf(line, sizeof line, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name,
                   type, name, (unsigned long long)value);
    text_add(out, str_from(line));
}

static void add_own(const struct api *api, bool daemon_up, struct text *out) {
    add(out, "seczim_daemon_up", "gauge", "Whether seczim-daemon answers seczim-api.", daemon_up);
    add(out, "seczim_api_requests_total", "counter", "Requests answered by seczim-api.",
        counter_read(&api->requests));
    add(out, "seczim_api_refused_total", "counter",
        "Requests refused for want of a login or a right, or because there were too many.",
        counter_read(&api->refused));
    add(out, "seczim_api_failed_total", "counter",
        "Requests answered with a status of 500 or more.", counter_read(&api->failed));
    add(out, "seczim_api_event_clients", "gauge", "Readers of live events.",
        atomic_load(&api->event_clients));
}

static bool allowed(const struct api *api, const struct http_request *request) {
    const struct settings *settings = api->settings;
    bool found = settings->api.metrics_network_count == 0;
    for (size_t i = 0; i < settings->api.metrics_network_count && !found; i++) {
        found = ip_prefix_contains(settings->api.metrics_networks[i], request->client_address);
    }
    return found;
}

static void get_metrics(void *context, const struct http_request *request,
                        struct http_response *response) {
    const struct api *api = context;
    if (!allowed(api, request)) {
        http_answer_problem(response, 403, NULL,
                            STR("This address is not among api.metrics_networks."));
        return;
    }
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    struct http_reply reply = {0};
    const int error =
        daemon_call(api, "GET", "/v1/metrics", (struct str){0}, NULL, &reply, &problem);
    const bool up = error == 0 && reply.status == 200;
    const struct str daemon = up ? (struct str){reply.body, reply.length} : STR("");
    char *whole = malloc(daemon.length + OWN_MAX);
    if (whole == NULL) {
        http_answer_problem(response, 500, NULL, STR("The service is out of memory."));
    } else {
        struct text out = {.data = whole, .size = daemon.length + OWN_MAX};
        text_add(&out, daemon);
        add_own(api, up, &out);
        http_answer_bytes(response, 200, content_type, text_str(&out), false);
    }
    free(whole);
    if (error == 0) {
        http_reply_free(&reply);
    }
}

void metrics_serve(struct http_server_options *options) {
    static const struct http_route routes[] = {
        {HTTP_GET, "/metrics", get_metrics, "", HTTP_BODY_NONE, 0},
    };
    options->routes = routes;
    options->route_count = sizeof routes / sizeof routes[0];
    options->fallback = NULL;
    options->admit = NULL;
    options->finish = NULL;
    options->release = NULL;
}
