/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/log.h"
#include "daemon/control_api.h"

#define SNAPSHOT_TIMEOUT_NS (INT64_C(120) * NS_PER_S)

/* --- the change log --- */

struct change_list {
    json_t *items;
    size_t limit;
    uint64_t last_version;
    bool more;
};

static bool list_change(void *context, const struct config_change *change) {
    struct change_list *list = context;
    /* A version is never cut in two: the cursor is a version. */
    if (json_array_size(list->items) >= list->limit && change->version != list->last_version) {
        list->more = true;
        return false;
    }
    json_t *item = json_object();
    json_put(item, "version", json_count(change->version));
    json_put(item, "time", json_time(change->wall_ns));
    json_put(item, "author", json_text(change->author));
    json_put(item, "subject", json_text(change->subject));
    json_put(item, "before", json_text(change->before));
    json_put(item, "after", json_text(change->after));
    (void)json_array_append_new(list->items, item);
    list->last_version = change->version;
    return json_array_size(list->items) < HTTP_LIMIT_MAX * 20;
}

void control_get_changes(void *context, const struct http_request *request,
                         struct http_response *response) {
    struct control *control = context;
    struct change_list list = {0};
    uint64_t before_version = 0;
    if (!http_input_limit(request, response, &list.limit) ||
        !http_input_number(request, response, "cursor", INT64_MAX, &before_version)) {
        return;
    }
    list.items = json_array();
    struct config_db *db = engine_config_lock(control->engine);
    const int error =
        config_db_changes(db, before_version, HTTP_LIMIT_MAX * 20, list_change, &list);
    engine_config_unlock(control->engine);
    if (error != 0) {
        json_decref(list.items);
        http_answer_failed(response, "Reading the change log", error);
        return;
    }
    json_t *next = list.more ? json_sequence(list.last_version) : json_null();
    http_answer_json(response, 200, json_pack("{s:o, s:o}", "items", list.items, "next", next));
}

/* --- the clock --- */

json_t *control_clock_json(struct control *control) {
    struct decision_clock clock;
    int64_t wall_ns;
    if (engine_clock(control->engine, &clock, &wall_ns) != 0) {
        return NULL;
    }
    json_t *object = json_object();
    json_put(object, "decision_time", json_time(clock.now_ns));
    json_put(object, "wall_time", json_time(wall_ns));
    json_put(object, "offset_ms", json_integer((wall_ns - clock.now_ns) / NS_PER_MS));
    json_put(object, "stepped", json_boolean(clock.stepped));
    json_put(object, "gap", json_boolean(clock.gap));
    return object;
}

void control_get_clock(void *context, const struct http_request *request,
                       struct http_response *response) {
    (void)request;
    http_answer_json(response, 200, control_clock_json(context));
}

void control_post_clock_accept(void *context, const struct http_request *request,
                               struct http_response *response) {
    (void)request;
    struct control *control = context;
    const int64_t still_ns = engine_clock_accept(control->engine);
    json_t *answer = control_clock_json(control);
    json_put(answer, "stands_still_s", json_integer((still_ns + NS_PER_S - 1) / NS_PER_S));
    http_answer_json(response, 200, answer);
}

/* --- snapshot, backup, reload, restart --- */

/* A restart in place waits for what is being answered, and the watchdog for it. */
static bool is_stopping(void *context) {
    const struct control *control = context;
    return http_server_stopping(control->http);
}

void control_post_snapshot(void *context, const struct http_request *request,
                           struct http_response *response) {
    (void)request;
    struct control *control = context;
    const struct engine_stop stop = {is_stopping, control};
    const int error = engine_snapshot(control->engine, SNAPSHOT_TIMEOUT_NS, &stop);
    if (error == -ECANCELED) {
        http_answer_problem(response, 503, NULL,
                            STR("The service is being stopped or restarted; try again then."));
        return;
    }
    if (error != 0) {
        http_answer_failed(response, "The snapshot", error);
        return;
    }
    struct engine_status status;
    engine_status(control->engine, &status);
    http_answer_json(response, 200,
                     json_pack("{s:o, s:o}", "taken", json_count(status.snapshot.taken), "bytes",
                               json_count(status.snapshot.last_bytes)));
}

void control_post_backup(void *context, const struct http_request *request,
                         struct http_response *response) {
    struct control *control = context;
    struct str folder;
    if (!control_members(request, response, "folder") ||
        !control_needed_text(request, response, "folder", &folder)) {
        return;
    }
    if (folder.length < 2 || folder.length >= PATH_MAX || folder.data[0] != '/') {
        http_answer_problem(response, 400, "folder",
                            STR("folder must be the whole path of a new folder, such as "
                                "/var/backups/seczim-monday."));
        return;
    }
    char buffer[512];
    struct text problem = TEXT_OVER(buffer);
    const struct engine_stop stop = {is_stopping, control};
    const int error = engine_backup(control->engine, folder.data, &stop, &problem);
    if (error == 0) {
        http_answer_json(response, 200, json_pack("{s:o}", "folder", json_text(folder)));
    } else if (problem.length > 0) {
        const bool theirs = error == -EEXIST || error == -ENOENT || error == -EACCES ||
                            error == -EINVAL || error == -ENOTDIR || error == -EROFS;
        http_answer_problem(response,
                            theirs                ? 400
                            : error == -ECANCELED ? 503
                                                  : 500,
                            "folder", text_str(&problem));
    } else {
        http_answer_failed(response, "The backup", error);
    }
}

void control_post_reload(void *context, const struct http_request *request,
                         struct http_response *response) {
    struct control *control = context;
    struct engine_problem problem = {0};
    const int error = engine_reload(control->engine, &problem);
    if (error != 0) {
        char buffer[1024];
        struct text detail = TEXT_OVER(buffer);
        setting_problem_format(&problem.setting, STR("seczim.yaml"), &detail);
        http_answer_problem(response, error == -EINVAL ? 400 : 500,
                            problem.key[0] == '\0' ? NULL : problem.key, text_str(&detail));
        return;
    }
    log_write(LOG_INFO, "Settings", "Reloaded, as %s asked", request->author);
    const struct generation *generation = engine_generation_acquire(control->engine);
    http_answer_json(response, 200, json_pack("{s:o}", "version", json_count(generation->version)));
    engine_generation_release(control->engine, generation);
}

void control_post_restart(void *context, const struct http_request *request,
                          struct http_response *response) {
    (void)request;
    struct control *control = context;
    if (control->actions.restart == NULL) {
        http_answer_problem(response, 503, NULL,
                            STR("This process cannot restart in place; stop and start it."));
        return;
    }
    http_answer_json(response, 202, json_pack("{s:b}", "restarting", 1));
    control->actions.restart(control->actions.context);
}
