/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/control_api.h"
#include "daemon/metrics.h"
#include "store/history_summary.h"

#define HEAD_DEADLINE_NS (INT64_C(60) * NS_PER_S)
#define BODY_DEADLINE_NS (INT64_C(120) * NS_PER_S)
#define BODY_PAUSE_NS    (INT64_C(10) * NS_PER_S)
#define SLOW_NS          (INT64_C(2) * NS_PER_S)
#define STOP_PATIENCE_NS (INT64_C(10) * NS_PER_S)

#define FILTERS                                                                                    \
    "since until client client_name helo sender recipient identity queue_id instance rule text "   \
    "country asn verdict direction policy reason state"

/* Every route of docs/internals/control-api.md, once. */
static const struct http_route routes[] = {
    /* clang-format off */
    {HTTP_GET,    "/v1/status",              control_get_status,           "", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/counters",            control_get_counters,         "", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/stats",               control_get_stats,            "since until step", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/stats/top",           control_get_top,              "by since until limit verdict direction", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/stats/summary",       control_get_summary,          "period since until", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/metrics",             control_get_metrics,          "", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/settings",            control_get_settings,         "", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/settings/{key}",      control_get_setting,          "", HTTP_BODY_NONE, 0},
    {HTTP_PUT,    "/v1/settings",            control_put_settings,         "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_GET,    "/v1/policies",            control_get_policies,         "", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/policies/{name}",     control_get_policy,           "", HTTP_BODY_NONE, 0},
    {HTTP_PUT,    "/v1/policies/{name}",     control_put_policy,           "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_GET,    "/v1/lists/{list}",        control_get_list,             "contains limit cursor", HTTP_BODY_NONE, 0},
    {HTTP_POST,   "/v1/lists/{list}",        control_post_entry,           "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_GET,    "/v1/lists/{list}/{id}",   control_get_entry,            "", HTTP_BODY_NONE, 0},
    {HTTP_DELETE, "/v1/lists/{list}/{id}",   control_delete_entry,         "", HTTP_BODY_NONE, 0},
    {HTTP_POST,   "/v1/lists/{list}/import", control_import,               "format dry_run", HTTP_BODY_BYTES, CONTROL_IMPORT_MAX},
    {HTTP_GET,    "/v1/lists/{list}/export", control_export,               "format", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/lists/match",         control_match,                "client sender recipient client_name direction", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/greylist",            control_get_greylist,         "client sender recipient helo", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/greylist/entries",    control_get_greylist_entries, "state limit cursor", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/greylist/clients",    control_get_greylist_clients, "limit cursor", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/greylist/stats",      control_get_greylist_stats,   "", HTTP_BODY_NONE, 0},
    {HTTP_POST,   "/v1/greylist/forget",     control_post_forget,          "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_POST,   "/v1/greylist/pass",       control_post_pass,            "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_GET,    "/v1/quotas",              control_get_quotas,           "contains limit cursor", HTTP_BODY_NONE, 0},
    {HTTP_POST,   "/v1/quotas",              control_post_quotas,          "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_GET,    "/v1/quotas/{id}",         control_get_one_of_quotas,    "", HTTP_BODY_NONE, 0},
    {HTTP_PUT,    "/v1/quotas/{id}",         control_put_quotas,           "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_DELETE, "/v1/quotas/{id}",         control_delete_quotas,        "", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/quotas/usage",        control_get_quota_usage,      "sender client", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/quotas/users",        control_get_quota_users,      "near limit cursor", HTTP_BODY_NONE, 0},
    {HTTP_POST,   "/v1/quotas/reset",        control_post_quota_reset,     "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_GET,    "/v1/restrictions",        control_get_restrictions,     "contains limit cursor", HTTP_BODY_NONE, 0},
    {HTTP_POST,   "/v1/restrictions",        control_post_restrictions,    "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_GET,    "/v1/restrictions/{id}",   control_get_one_of_restrictions,"", HTTP_BODY_NONE, 0},
    {HTTP_PUT,    "/v1/restrictions/{id}",   control_put_restrictions,     "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_DELETE, "/v1/restrictions/{id}",   control_delete_restrictions,  "", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/identities",          control_get_identities,       "contains limit cursor", HTTP_BODY_NONE, 0},
    {HTTP_POST,   "/v1/identities",          control_post_identities,      "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_GET,    "/v1/identities/{id}",     control_get_one_of_identities,"", HTTP_BODY_NONE, 0},
    {HTTP_PUT,    "/v1/identities/{id}",     control_put_identities,       "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_DELETE, "/v1/identities/{id}",     control_delete_identities,    "", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/reputation",          control_get_reputation,       "min max limit cursor", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/reputation/{ip}",     control_get_reputation_of,    "", HTTP_BODY_NONE, 0},
    {HTTP_POST,   "/v1/reputation/{ip}/reset", control_post_reputation_reset, "comment", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/blacklist",           control_get_blacklist,        "state trigger limit cursor", HTTP_BODY_NONE, 0},
    {HTTP_POST,   "/v1/blacklist",           control_post_blacklist,       "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_GET,    "/v1/blacklist/{ip}",      control_get_blacklist_of,     "", HTTP_BODY_NONE, 0},
    {HTTP_DELETE, "/v1/blacklist/{ip}",      control_delete_blacklist,     "comment", HTTP_BODY_NONE, 0},
    {HTTP_PUT,    "/v1/blacklist/{ip}/permanent", control_put_permanent,   "comment", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/geo",                 control_get_geo,              "", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/geo/{ip}",            control_get_geo_of,           "", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/rbl",                 control_get_rbl,              "", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/rbl/check",           control_get_rbl_check,        "ip lists", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/spf",                 control_get_spf,              "client sender helo", HTTP_BODY_NONE, 0},
    {HTTP_POST,   "/v1/explain",             control_post_explain,         "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_POST,   "/v1/replay",              control_post_replay,          "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_GET,    "/v1/replay",              control_get_replay,           "", HTTP_BODY_NONE, 0},
    {HTTP_DELETE, "/v1/replay",              control_delete_replay,        "", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/sessions",            control_get_sessions,         FILTERS " order limit cursor", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/sessions/{sequence}", control_get_session,          "", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/sessions/follow",     control_follow,               FILTERS " cursor", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/changes",             control_get_changes,          "limit cursor", HTTP_BODY_NONE, 0},
    {HTTP_GET,    "/v1/clock",               control_get_clock,            "", HTTP_BODY_NONE, 0},
    {HTTP_POST,   "/v1/clock/accept",        control_post_clock_accept,    "", HTTP_BODY_NONE, 0},
    {HTTP_POST,   "/v1/snapshot",            control_post_snapshot,        "", HTTP_BODY_NONE, 0},
    {HTTP_POST,   "/v1/backup",              control_post_backup,          "", HTTP_BODY_JSON, CONTROL_BODY_MAX},
    {HTTP_POST,   "/v1/reload",              control_post_reload,          "", HTTP_BODY_NONE, 0},
    {HTTP_POST,   "/v1/restart",             control_post_restart,         "", HTTP_BODY_NONE, 0},
    /* clang-format on */
};

static struct settings *default_settings(struct text *problem) {
    struct settings_builder *builder = settings_builder_new();
    struct setting_problem wrong = {0};
    struct settings *settings = NULL;
    if (builder != NULL) {
        settings = settings_builder_finish(builder, 0, &wrong);
        settings_builder_free(builder);
    }
    if (settings == NULL) {
        text_add(problem, STR("The default settings cannot be built: "));
        text_add(problem, str_from(wrong.text));
    }
    return settings;
}

/* Opens paths.control_socket, or takes `listen_fd`. */
static int open_socket(struct control *control, const struct settings *settings, int listen_fd,
                       struct text *problem) {
    struct text path = TEXT_OVER(control->socket_path);
    if (settings->paths.control_socket.length > 0) {
        text_add(&path, settings->paths.control_socket);
    } else {
        text_add(&path, settings->paths.runtime);
        text_add(&path, STR("/control.sock"));
    }
    if (path.truncated || path.length == path.size) {
        text_add(problem, STR("paths.control_socket is longer than 107 bytes."));
        return -ENAMETOOLONG;
    }
    (void)text_zero(&path);
    char name[64];
    struct text group = TEXT_OVER(name);
    text_add(&group, settings->paths.control_group);
    control->listen_fd = listen_fd >= 0 ? listen_fd
                                        : http_listen(control->socket_path,
                                                      http_group_find(text_zero(&group)), problem);
    return control->listen_fd < 0 ? control->listen_fd : 0;
}

static void control_free(struct control *control) {
    for (size_t i = 0; i < control->reader_count; i++) {
        history_reader_close(control->readers[i]);
    }
    replay_free(control->replay);
    history_live_free(control->live);
    metrics_periods_free(control->periods);
    settings_free(control->defaults);
    pthread_mutex_destroy(&control->readers_lock);
    free(control);
}

static int start_server(struct control *control, const struct settings *settings,
                        struct text *problem) {
    char name[64];
    struct text group = TEXT_OVER(name);
    text_add(&group, settings->paths.control_group);
    char user_name[64];
    struct text user = TEXT_OVER(user_name);
    text_add(&user, settings->api.user);
    const struct http_server_options options = {
        .listen_fd = control->listen_fd,
        .routes = routes,
        .route_count = sizeof routes / sizeof routes[0],
        .context = control,
        .group = http_group_find(text_zero(&group)),
        .author_uid = http_user_find(text_zero(&user)),
        .head_deadline_ns = HEAD_DEADLINE_NS,
        .body_deadline_ns = BODY_DEADLINE_NS,
        .body_pause_ns = BODY_PAUSE_NS,
        .slow_ns = SLOW_NS,
    };
    return http_server_start(&options, &control->http, problem);
}

int control_start(struct engine *engine, struct server *server,
                  const struct control_actions *actions, int listen_fd,
                  struct control **ret_control, struct text *problem) {
    struct control *control = calloc(1, sizeof *control);
    if (control == NULL) {
        text_add(problem, STR("Out of memory for the control API."));
        return -ENOMEM;
    }
    control->engine = engine;
    control->server = server;
    control->actions = *actions;
    pthread_mutex_init(&control->readers_lock, NULL);
    control->defaults = default_settings(problem);
    control->replay = replay_new(engine);
    control->live = history_live_new();
    control->periods = metrics_periods_new();
    const bool complete = control->defaults != NULL && control->replay != NULL &&
                          control->live != NULL && control->periods != NULL;
    int result = complete ? 0 : -ENOMEM;
    if (result == 0) {
        const struct generation *generation = engine_generation_acquire(engine);
        result = open_socket(control, generation->settings, listen_fd, problem);
        if (result == 0) {
            result = start_server(control, generation->settings, problem);
            if (result != 0 && listen_fd < 0) {
                (void)close(control->listen_fd);
            }
        }
        engine_generation_release(engine, generation);
    }
    if (result != 0) {
        control_free(control);
        return result;
    }
    *ret_control = control;
    return 0;
}

int control_stop(struct control *control, bool keep_listening) {
    if (control == NULL) {
        return -1;
    }
    http_server_stop(control->http, STOP_PATIENCE_NS);
    int listen_fd = control->listen_fd;
    if (!keep_listening) {
        (void)unlink(control->socket_path);
        (void)close(listen_fd);
        listen_fd = -1;
    }
    control_free(control);
    return listen_fd;
}
