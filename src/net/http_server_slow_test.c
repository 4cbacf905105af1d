/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server_fixture.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "testing/test.h"

/* Those who take their time, to shut others out or by accident. */

/* One byte now and then keeps a connection alive in the library's eyes, not in ours. */
TEST(http_server_closes_a_head_or_a_body_that_never_ends) {
    service_start(INT64_C(50) * NS_PER_MS);
    static const char *const rows[] = {
        "", "GET /v1/ech", "GET /v1/echo/a HTTP/1.1\r\nHost: x\r\nX-More: a",
        "PUT /v1/bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i]);
        assert_null(strstr(service_ask(rows[i]), " 200 "));
        assert_int_equal(counter_read(&http_server_counters(service_server)->deadline), i + 1);
    }
    service_stop();
}

/* Room is made by other threads: one that comes at that very moment may have to come again. */
static bool served_at_last(void) {
    static const char request[] = "GET /v1/echo/a HTTP/1.1\r\n" CLOSE "\r\n";
    for (int tries = 0; tries < 10000; tries++) {
        const int fd = service_dial();
        (void)send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
        if (strstr(read_all(fd), " 200 ") != NULL) {
            return true;
        }
        (void)sched_yield();
    }
    return false;
}

TEST(http_server_is_not_shut_by_those_who_connect_and_say_nothing) {
    enum { SILENT = 3 * HTTP_CONNECTIONS_MAX };
    service_start(LONG);
    int silent[SILENT];
    for (size_t i = 0; i < SILENT; i++) {
        silent[i] = service_dial();
        (void)send(silent[i], "GET /v1/ech", i % 2 == 0 ? 11 : 0, MSG_NOSIGNAL);
    }
    assert_true(served_at_last());
    assert_true(counter_read(&http_server_counters(service_server)->crowded) > 0);
    assert_int_equal(counter_read(&http_server_counters(service_server)->deadline), 0);
    for (size_t i = 0; i < SILENT; i++) {
        (void)close(silent[i]);
    }
    service_stop();
}

TEST(http_server_closes_a_body_that_pauses_long_before_its_deadline) {
    struct http_server_options options = every_deadline(LONG);
    options.body_pause_ns = INT64_C(50) * NS_PER_MS;
    service_start_with(options);
    static const char half[] = "PUT /v1/bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc";
    assert_string_equal(service_ask(half), "");
    assert_int_equal(counter_read(&http_server_counters(service_server)->deadline), 1);
    assert_int_equal(counter_read(&http_server_counters(service_server)->crowded), 0);
    service_stop();
}

/* Each may send bodies, and each does it slowly. */
TEST(http_server_is_not_shut_by_slow_bodies) {
    enum { SLOW = HTTP_CONNECTIONS_MAX + 4 };
    struct http_server_options options = every_deadline(LONG);
    options.slow_ns = 1; /* All of them count as slow, whatever the machine does beside. */
    service_start_with(options);
    static const char half[] = "PUT /v1/bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc";
    int slow[SLOW];
    for (size_t i = 0; i < SLOW; i++) {
        slow[i] = service_dial();
        (void)send(slow[i], half, sizeof half - 1, MSG_NOSIGNAL);
    }
    assert_true(served_at_last());
    assert_true(counter_read(&http_server_counters(service_server)->crowded) > 0);
    assert_int_equal(counter_read(&http_server_counters(service_server)->deadline), 0);
    for (size_t i = 0; i < SLOW; i++) {
        (void)close(slow[i]);
    }
    service_stop();
}
