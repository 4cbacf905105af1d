/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_client.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "testing/test.h"

/* --- a service that counts its connections, and serves one at a time --- */

static char socket_path[108];
static int listen_fd;
static pthread_t service;
static atomic_uint connections;
static atomic_bool closes_early; /* ends a connection when a request has come, without an answer */
static atomic_bool closes_after; /* ends it after an answer that did not say so */

static bool read_head(int fd) {
    char head[4096];
    size_t length = 0;
    while (length < sizeof head - 1) {
        const ssize_t got = read(fd, head + length, sizeof head - 1 - length);
        if (got <= 0) {
            return false;
        }
        length += (size_t)got;
        head[length] = '\0';
        if (strstr(head, "\r\n\r\n") != NULL) {
            return true;
        }
    }
    return false;
}

static void *serve(void *context) {
    (void)context;
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
    int fd;
    while ((fd = accept(listen_fd, NULL, NULL)) >= 0) {
        atomic_fetch_add(&connections, 1);
        bool last = false;
        while (!last && read_head(fd) && !atomic_load(&closes_early)) {
            last = atomic_load(&closes_after); /* before the answer: then the test goes on */
            last = write(fd, answer, sizeof answer - 1) <= 0 || last;
        }
        (void)close(fd);
    }
    return NULL;
}

static void start(void) {
    (void)snprintf(socket_path, sizeof socket_path, "%s/s", test_folder());
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listen_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listen_fd, 16), 0);
    atomic_store(&connections, 0);
    atomic_store(&closes_early, false);
    atomic_store(&closes_after, false);
    assert_int_equal(pthread_create(&service, NULL, serve, NULL), 0);
}

static void stop(void) {
    (void)shutdown(listen_fd, SHUT_RDWR);
    assert_int_equal(pthread_join(service, NULL), 0);
    (void)close(listen_fd);
}

static int get(bool keep) {
    const struct http_call call = {.socket_path = socket_path,
                                   .method = "GET",
                                   .target = "/v1/status",
                                   .timeout_ns = INT64_C(20) * 1000000000,
                                   .reply_max = 4096,
                                   .keep = keep};
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    struct http_reply reply;
    const int error = http_client_call(&call, &reply, &problem);
    if (error == 0) {
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, "OK");
        http_reply_free(&reply);
    } else {
        assert_true(problem.length > 0);
    }
    return error;
}

TEST(a_kept_connection_carries_the_next_call) {
    start();
    for (int i = 0; i < 5; i++) {
        assert_int_equal(get(true), 0);
    }
    assert_int_equal(atomic_load(&connections), 1);
    atomic_store(&closes_after, true); /* So that the service is free for the others. */
    assert_int_equal(get(true), 0);
    assert_int_equal(atomic_load(&connections), 1);
    assert_int_equal(get(false), 0);
    assert_int_equal(get(false), 0);
    assert_int_equal(atomic_load(&connections), 3);
    stop();
}

TEST(one_that_the_other_end_has_closed_is_replaced) {
    start();
    atomic_store(&closes_after, true);
    for (unsigned i = 1; i <= 3; i++) {
        int error = get(true);
        if (error == -ECONNRESET) {
            error = get(false); /* It was closed in the same moment; the caller asks again. */
        }
        assert_int_equal(error, 0);
        assert_in_range(atomic_load(&connections), i, 2 * i);
    }
    atomic_store(&closes_early, true);
    assert_int_equal(get(false), -ECONNRESET);
    stop();
    assert_int_equal(get(true), -ECONNREFUSED);
}
