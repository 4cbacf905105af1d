/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/json_text.h"
#include "testing/test.h"

atomic_int service_streams_closed;

static void echo(void *context, const struct http_request *request,
                 struct http_response *response) {
    (void)context;
    json_t *body = json_object();
    (void)json_object_set_new(body, "part", json_text(request->parts[0]));
    (void)json_object_set_new(body, "author", json_string(request->author));
    (void)json_object_set_new(body, "length", json_count(request->body.length));
    for (size_t i = 0; i < request->parameter_count; i++) {
        (void)json_object_set_new(body, "value", json_text(request->parameters[i].value));
    }
    if (request->json != NULL) {
        (void)json_object_set_new(body, "json", json_deep_copy(request->json));
    }
    http_answer_json(response, 200, body);
}

static void remain_silent(void *context, const struct http_request *request,
                          struct http_response *response) {
    (void)context;
    (void)request;
    (void)response;
}

static void remove_it(void *context, const struct http_request *request,
                      struct http_response *response) {
    (void)context;
    (void)request;
    http_answer_nothing(response);
}

/* Three lines, then silence that ends when the reader goes or the server stops. */
static ssize_t count_up(void *context, char *out, size_t size) {
    int *count = context;
    if (*count == 3) {
        return 0;
    }
    ++*count;
    return snprintf(out, size, "{\"n\":%d}\n", *count);
}

static void end_count(void *context) {
    free(context);
    atomic_fetch_add(&service_streams_closed, 1);
}

static void follow(void *context, const struct http_request *request,
                   struct http_response *response) {
    (void)context;
    (void)request;
    const struct http_stream stream = {calloc(1, sizeof(int)), count_up, end_count, true};
    http_answer_stream(response, "application/jsonl", &stream);
}

static void export(void *context, const struct http_request *request,
                   struct http_response *response) {
    (void)context;
    (void)request;
    const struct http_stream stream = {calloc(1, sizeof(int)), count_up, end_count, false};
    http_answer_stream(response, "text/csv", &stream);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/v1/echo/{part}", echo, "value", HTTP_BODY_NONE, 0},
    {HTTP_POST, "/v1/echo/{part}", echo, "", HTTP_BODY_JSON, 1000},
    {HTTP_PUT, "/v1/bytes", echo, "", HTTP_BODY_BYTES, 20000},
    {HTTP_GET, "/v1/silent", remain_silent, "", HTTP_BODY_NONE, 0},
    {HTTP_DELETE, "/v1/it", remove_it, "", HTTP_BODY_NONE, 0},
    {HTTP_GET, "/v1/follow", follow, "", HTTP_BODY_NONE, 0},
    {HTTP_GET, "/v1/export", export, "", HTTP_BODY_NONE, 0},
};

char service_path[108];

int service_fd;

struct http_server *service_server;

void service_start_with(struct http_server_options options) {
    char buffer[256];
    struct text problem = TEXT_OVER(buffer);
    (void)snprintf(service_path, sizeof service_path, "%s/http.sock", test_folder());
    service_fd = http_listen(service_path, (gid_t)-1, &problem);
    assert_true(service_fd >= 0);
    options.listen_fd = service_fd;
    options.routes = routes;
    options.route_count = sizeof routes / sizeof routes[0];
    assert_int_equal(http_server_start(&options, &service_server, &problem), 0);
}

struct http_server_options every_deadline(int64_t deadline_ns) {
    return (struct http_server_options){
        .group = (gid_t)-1,
        .head_deadline_ns = deadline_ns,
        .body_deadline_ns = deadline_ns,
        .body_pause_ns = deadline_ns,
        .slow_ns = deadline_ns,
    };
}

void service_start_for_group(int64_t deadline_ns, gid_t group) {
    struct http_server_options options = every_deadline(deadline_ns);
    options.group = group;
    service_start_with(options);
}

void service_start(int64_t deadline_ns) {
    service_start_for_group(deadline_ns, (gid_t)-1);
}

void service_stop(void) {
    http_server_stop(service_server, INT64_C(5) * NS_PER_S);
    (void)close(service_fd);
}

int service_dial(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", service_path);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

const char *read_all(int fd) {
    static char reply[65536];
    size_t used = 0;
    ssize_t got;
    while ((got = read(fd, reply + used, sizeof reply - 1 - used)) > 0) {
        used += (size_t)got;
    }
    reply[used] = '\0';
    (void)close(fd);
    return reply;
}

void send_all(int fd, const char *bytes, size_t length) {
    assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), length);
}

const char *service_ask(const char *request) {
    const int fd = service_dial();
    send_all(fd, request, strlen(request));
    return read_all(fd);
}
