/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api_start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/answer_memory.h"
#include "api/api_listeners.h"
#include "api/audit.h"
#include "api/event_hub.h"
#include "api/users.h"
#include "base/clock.h"
#include "base/durable_file.h"
#include "base/log.h"
#include "base/random.h"

enum { PATH_TEXT_MAX = 4096 };

static char *copy_path(struct str folder, const char *name) {
    char bytes[PATH_TEXT_MAX];
    struct text path = TEXT_OVER(bytes);
    text_add(&path, folder);
    text_add(&path, str_from(name));
    return strdup(text_zero(&path));
}

/* --- settings --- */

static bool read_file(struct settings_builder *builder, const char *path,
                      struct setting_problem *found) {
    if (path[0] == '\0') {
        return true;
    }
    char *bytes;
    size_t length;
    const int error = durable_file_load(AT_FDCWD, path, SETTINGS_FILE_MAX, &bytes, &length);
    if (error != 0) {
        (void)snprintf(found->text, sizeof found->text, "cannot read %s: %s", path,
                       strerror(-error));
        return false;
    }
    const bool good = settings_builder_read_yaml(builder, (struct str){bytes, length}, found);
    free(bytes);
    return good;
}

static void set_access(struct api *api) {
    const struct settings *settings = api->settings;
    api->access = (struct access_policy){
        .trusted_networks = settings->api.trusted_networks,
        .trusted_network_count = settings->api.trusted_network_count,
        .trusted_proxies = settings->api.trusted_proxies,
        .trusted_proxy_count = settings->api.trusted_proxy_count,
        .host_names = settings->api.host_names,
        .host_name_count = settings->api.host_name_count,
        .require_tls = settings->api.require_tls,
    };
}

int api_open(const char *config_path, struct api **ret_api, struct text *problem) {
    struct api *api = calloc(1, sizeof *api);
    struct settings_builder *builder = settings_builder_new();
    CHECK(api != NULL && builder != NULL);
    struct setting_problem found = {0};
    if (read_file(builder, config_path, &found)) {
        api->settings = settings_builder_finish(builder, 0, &found);
    }
    settings_builder_free(builder);
    if (api->settings == NULL) {
        setting_problem_format(&found, str_from(config_path), problem);
        free(api);
        return -EINVAL;
    }
    const struct str socket = api->settings->paths.control_socket;
    api->control_socket = socket.length > 0
                              ? copy_path(socket, "")
                              : copy_path(api->settings->paths.runtime, "/control.sock");
    CHECK(api->control_socket != NULL);
    set_access(api);
    pthread_mutex_init(&api->throttle_lock, NULL);
    for (size_t i = 0; i < CHANGE_KINDS; i++) {
        pthread_mutex_init(&api->changes[i], NULL);
    }
    *ret_api = api;
    return 0;
}

/* --- start --- */

static void open_log(const struct api *api) {
    const struct settings *settings = api->settings;
    if (settings->time_zone.length > 0) {
        char *zone = copy_path(settings->time_zone, "");
        (void)setenv("TZ", zone, 1);
        free(zone);
    }
    tzset();
    char *path = copy_path(settings->log.api_path, "");
    const int error =
        log_open(path, (enum log_level)settings->log.level, (enum log_format)settings->log.format);
    if (error != 0) {
        log_write(LOG_WARN, "API", "Cannot write the log %s: %s; using standard error", path,
                  strerror(-error));
    }
    free(path);
}

static int open_database(struct api *api, struct text *problem) {
    char *folder = copy_path(api->settings->paths.api_data, "");
    char *path = copy_path(api->settings->paths.api_data, "/api.db");
    int error = mkdir(folder, 0700) == 0 || errno == EEXIST ? 0 : -errno;
    if (error != 0) {
        text_add(problem, STR("cannot make the folder "));
        text_add(problem, str_from(folder));
        text_add(problem, STR(" (paths.api_data): "));
        text_add(problem, str_from(strerror(-error)));
    } else {
        error = api_db_open(path, &api->db, problem);
    }
    free(folder);
    free(path);
    return error;
}

int api_backup(struct api *api, const char *path, struct text *problem) {
    char *present = copy_path(api->settings->paths.api_data, "/api.db");
    int error = access(present, R_OK | W_OK) == 0 ? 0 : -errno;
    if (error != 0) {
        text_add(problem, STR("cannot read "));
        text_add(problem, str_from(present));
        text_add(problem, STR(": "));
        text_add(problem, str_from(strerror(-error)));
        text_add(problem, STR(". Run this as its user, such as with sudo -u seczim-api."));
    } else {
        error = open_database(api, problem);
    }
    free(present);
    if (error == 0) {
        error = api_db_backup(api->db, path);
        if (error != 0) {
            text_add(problem, STR("cannot write the backup "));
            text_add(problem, str_from(path));
            text_add(problem, STR(": "));
            text_add(problem, str_from(strerror(-error)));
            text_add(problem, STR(". It must be a new file in a folder that this user may write."));
        }
    }
    return error;
}

static int make_memory(struct api *api, struct text *problem) {
    struct sip_key key;
    random_bytes(&key, sizeof key);
    api->rates = rate_limit_new(&key, api->settings->api.rate_limit);
    api->answers = answer_memory_new();
    api->throttle = calloc(1, sizeof *api->throttle);
    api->hasher = password_hasher_new(PASSWORD_COST);
    api->events = event_hub_new(api->control_socket);
    if (api->rates == NULL || api->events == NULL || api->answers == NULL ||
        api->throttle == NULL || api->hasher == NULL) {
        text_add(problem, STR("out of memory"));
        return -ENOMEM;
    }
    random_bytes(&key, sizeof key);
    login_throttle_init(api->throttle, &key);
    return 0;
}

static int end_of_last_run(struct api *api, struct text *problem) {
    size_t count = 0;
    const int error = audit_mark_cut_off(api->db, clock_wall_ns(), &count);
    if (error != 0) {
        text_add(problem, STR("the audit log cannot be written: "));
        text_add(problem, str_from(strerror(-error)));
    } else if (count > 0) {
        log_write(LOG_WARN, "API",
                  "%zu changes were cut off when this ended the last time; the "
                  "audit log tells which, the settings whether they were made",
                  count);
    }
    return error;
}

static int make_first_user(struct api *api, struct text *problem) {
    char password[PASSWORD_ONE_TIME_MAX];
    const int made = users_make_first(api->db, api->hasher, clock_wall_ns(), password);
    if (made == 1) {
        (void)printf("The first login: user admin, one-time password %s (shown only now)\n",
                     password);
        (void)fflush(stdout);
        explicit_bzero(password, sizeof password);
        log_write(LOG_INFO, "Auth",
                  "Made the user admin; its one-time password went to standard "
                  "output");
    } else if (made < 0) {
        text_add(problem, STR("cannot make the first user: "));
        text_add(problem, str_from(strerror(-made)));
    }
    return made < 0 ? made : 0;
}

int api_serve(struct api *api, struct text *problem) {
    random_init();
    open_log(api);
    api->started_ns = clock_wall_ns();
    int error = open_database(api, problem);
    if (error == 0) {
        error = make_memory(api, problem);
    }
    if (error == 0) {
        error = end_of_last_run(api, problem);
    }
    if (error == 0) {
        error = make_first_user(api, problem);
    }
    if (error == 0) {
        error = api_listeners_open(api, &api->listeners, problem);
    }
    if (error == 0) {
        log_write(LOG_INFO, "API", "seczim-api " SECZIM_VERSION " serves");
    }
    return error;
}

void api_keep_house(struct api *api) {
    const int64_t now_ns = clock_wall_ns();
    bool more = true;
    int error = 0;
    while (more && error == 0) {
        error = audit_trim(api->db, now_ns - api->settings->api.audit_retention_s * NS_PER_S,
                           now_ns, &more);
    }
    if (error != 0) {
        log_write(LOG_ERROR, "Audit", "Rows that are too old cannot be removed: %s",
                  strerror(-error));
    }
}

void api_reload(struct api *api) {
    (void)log_reopen();
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    if (api_listeners_renew(api->listeners, &problem)) {
        log_write(LOG_INFO, "API", "Reloaded");
    } else {
        log_write(LOG_ERROR, "API", "The old certificate goes on: %.*s",
                  STR_ARGS(text_str(&problem)));
    }
}

void api_close(struct api *api) {
    atomic_store(&api->stopping, true);
    if (api->listeners != NULL) {
        api_listeners_close(api->listeners);
    }
    if (api->events != NULL) {
        event_hub_free(api->events);
    }
    api_db_close(api->db);
    password_hasher_free(api->hasher);
    rate_limit_free(api->rates);
    answer_memory_free(api->answers);
    free(api->throttle);
    pthread_mutex_destroy(&api->throttle_lock);
    for (size_t i = 0; i < CHANGE_KINDS; i++) {
        pthread_mutex_destroy(&api->changes[i]);
    }
    settings_free(api->settings);
    free(api->control_socket);
    free(api);
}
