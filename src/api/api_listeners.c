/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api_listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/metrics.h"
#include "base/clock.h"
#include "base/durable_file.h"
#include "net/tcp_listen.h"

enum { LISTEN_BACKLOG = 1024, PEM_MAX = 256 * 1024, METRICS_CONNECTIONS = 32 };
enum { LISTENERS_ALL = 2 * LISTENERS_MAX + 1 };

static const int64_t HEAD_DEADLINE_NS = INT64_C(10) * NS_PER_S;
static const int64_t BODY_DEADLINE_NS = INT64_C(30) * NS_PER_S;
static const int64_t BODY_PAUSE_NS = INT64_C(10) * NS_PER_S;
static const int64_t SLOW_NS = INT64_C(2) * NS_PER_S;
static const int64_t STOP_PATIENCE_NS = INT64_C(5) * NS_PER_S;

enum kind { WEB = 0, UNIX, METRICS };

struct listener {
    enum kind kind;
    int fd;
    struct http_server *server;
};

struct api_listeners {
    struct api *api;
    char *certificate; /* NULL: plain HTTP */
    char *key;
    struct listener all[LISTENERS_ALL];
    size_t count;
};

/* --- certificate --- */

static char *load_pem(struct str path, struct text *problem) {
    char name[4096];
    struct text zero = TEXT_OVER(name);
    text_add(&zero, path);
    char *bytes;
    size_t length;
    const int error = durable_file_load(AT_FDCWD, text_zero(&zero), PEM_MAX, &bytes, &length);
    char *pem = error == 0 ? calloc(1, length + 1) : NULL;
    if (pem != NULL) {
        memcpy(pem, bytes, length);
        explicit_bzero(bytes, length);
        free(bytes);
        return pem;
    }
    text_add(problem, STR("cannot read "));
    text_add(problem, path);
    text_add(problem, STR(": "));
    text_add(problem, str_from(strerror(error != 0 ? -error : ENOMEM)));
    return NULL;
}

static bool load_certificate(const struct settings *settings, char **ret_certificate,
                             char **ret_key, struct text *problem) {
    *ret_certificate = NULL;
    *ret_key = NULL;
    const struct str certificate = settings->api.tls_certificate;
    const struct str key = settings->api.tls_key;
    if (certificate.length == 0 && key.length == 0) {
        return true;
    }
    if (certificate.length == 0 || key.length == 0) {
        text_add(problem, STR("api.tls_certificate and api.tls_key belong together; set both"));
        return false;
    }
    *ret_certificate = load_pem(certificate, problem);
    *ret_key = *ret_certificate != NULL ? load_pem(key, problem) : NULL;
    return *ret_key != NULL;
}

static void free_key(char *key) {
    if (key != NULL) {
        explicit_bzero(key, strlen(key));
        free(key);
    }
}

/* --- servers --- */

static struct http_server_options options_of(const struct api_listeners *listeners,
                                             const struct listener *listener) {
    struct api *api = listeners->api;
    static const struct http_route page = {HTTP_GET, "/", api_get_page, "", HTTP_BODY_NONE, 0};
    struct http_server_options options = {
        .listen_fd = listener->fd,
        .routes = api_routes,
        .route_count = api_route_count,
        .context = api,
        .tcp = listener->kind != UNIX,
        .group = (gid_t)-1,
        .connections_max = (unsigned)api->settings->api.connections_max,
        .connections_per_address = (unsigned)api->settings->api.connections_per_address,
        .fallback = &page,
        .admit = api_admit,
        .finish = api_finish,
        .release = api_release,
        .head_deadline_ns = HEAD_DEADLINE_NS,
        .body_deadline_ns = BODY_DEADLINE_NS,
        .body_pause_ns = BODY_PAUSE_NS,
        .slow_ns = SLOW_NS,
    };
    if (listener->kind == UNIX) {
        char name[64];
        struct text group = TEXT_OVER(name);
        text_add(&group, api->settings->paths.control_group);
        options.group = http_group_find(text_zero(&group));
        options.connections_per_address = 0;
    } else if (listener->kind == WEB) {
        options.tls_certificate = listeners->certificate;
        options.tls_key = listeners->key;
    } else {
        metrics_serve(&options);
        options.connections_max = METRICS_CONNECTIONS;
    }
    return options;
}

static int start(const struct api_listeners *listeners, struct listener *listener,
                 struct text *problem) {
    const struct http_server_options options = options_of(listeners, listener);
    return http_server_start(&options, &listener->server, problem);
}

static int add(struct api_listeners *listeners, enum kind kind, int fd, struct text *problem) {
    if (fd < 0) {
        return fd;
    }
    struct listener *listener = &listeners->all[listeners->count];
    *listener = (struct listener){.kind = kind, .fd = fd};
    const int error = start(listeners, listener, problem);
    if (error != 0) {
        (void)close(fd);
        return error;
    }
    listeners->count++;
    return 0;
}

static int add_all(struct api_listeners *listeners, enum kind kind, const struct str *places,
                   size_t count, const char *setting, struct text *problem) {
    int error = 0;
    for (size_t i = 0; i < count && error == 0; i++) {
        error =
            add(listeners, kind, tcp_listen(places[i], LISTEN_BACKLOG, setting, problem), problem);
    }
    return error;
}

static int add_unix(struct api_listeners *listeners, struct text *problem) {
    const struct settings *settings = listeners->api->settings;
    if (settings->paths.api_socket.length == 0) {
        return 0;
    }
    char name[64];
    struct text group = TEXT_OVER(name);
    text_add(&group, settings->paths.control_group);
    char bytes[UNIX_PATH_MAX + 1];
    struct text path = TEXT_OVER(bytes);
    text_add(&path, settings->paths.api_socket);
    return add(listeners, UNIX,
               http_listen(text_zero(&path), http_group_find(text_zero(&group)), problem), problem);
}

int api_listeners_open(struct api *api, struct api_listeners **ret_listeners,
                       struct text *problem) {
    struct api_listeners *listeners = calloc(1, sizeof *listeners);
    CHECK(listeners != NULL);
    listeners->api = api;
    const struct settings *settings = api->settings;
    int error =
        load_certificate(settings, &listeners->certificate, &listeners->key, problem) ? 0 : -EINVAL;
    if (error == 0) {
        error = add_all(listeners, WEB, settings->api.listen, settings->api.listen_count,
                        "api.listen", problem);
    }
    if (error == 0) {
        error = add_unix(listeners, problem);
    }
    if (error == 0) {
        error = add_all(listeners, METRICS, settings->api.metrics_listen,
                        settings->api.metrics_listen_count, "api.metrics_listen", problem);
    }
    if (error != 0) {
        api_listeners_close(listeners);
        return error;
    }
    *ret_listeners = listeners;
    return 0;
}

bool api_listeners_renew(struct api_listeners *listeners, struct text *problem) {
    char *certificate;
    char *key;
    if (!load_certificate(listeners->api->settings, &certificate, &key, problem)) {
        free(certificate);
        return false;
    }
    char *const old_certificate = listeners->certificate;
    char *const old_key = listeners->key;
    listeners->certificate = certificate;
    listeners->key = key;
    bool good = true;
    for (size_t i = 0; i < listeners->count && certificate != NULL; i++) {
        struct listener *listener = &listeners->all[i];
        if (listener->kind != WEB) {
            continue;
        }
        http_server_stop(listener->server, STOP_PATIENCE_NS);
        if (start(listeners, listener, problem) != 0) {
            good = false;
            listeners->certificate = old_certificate;
            listeners->key = old_key;
            CHECK(start(listeners, listener, problem) == 0);
            break;
        }
    }
    free(good ? old_certificate : certificate);
    free_key(good ? old_key : key);
    return good;
}

void api_listeners_close(struct api_listeners *listeners) {
    for (size_t i = 0; i < listeners->count; i++) {
        http_server_stop(listeners->all[i].server, STOP_PATIENCE_NS);
        (void)close(listeners->all[i].fd);
    }
    free(listeners->certificate);
    free_key(listeners->key);
    free(listeners);
}
