/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/service_manager.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "testing/test.h"

static int listen_for_notes(void) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s/notify", test_folder());
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", at.sun_path, 1), 0);
    return fd;
}

TEST(the_service_manager_gets_the_whole_message) {
    const int fd = listen_for_notes();
    service_notify("READY=1\nSTATUS=%u connections", 7U);
    char bytes[256];
    const ssize_t length = recv(fd, bytes, sizeof bytes, 0);
    assert_int_equal(length, (ssize_t)strlen("READY=1\nSTATUS=7 connections"));
    assert_memory_equal(bytes, "READY=1\nSTATUS=7 connections", (size_t)length);
    (void)unsetenv("NOTIFY_SOCKET");
    service_notify("READY=1");
    assert_true(recv(fd, bytes, sizeof bytes, 0) < 0);
    (void)close(fd);
}

TEST(the_watchdog_is_ours_alone) {
    char pid[32];
    (void)setenv("WATCHDOG_USEC", "30000000", 1);
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    (void)setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(service_watchdog_ns(false), 30000000000);
    (void)setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(service_watchdog_ns(false), 0);
    assert_int_equal(service_watchdog_ns(true), 30000000000);
    (void)unsetenv("WATCHDOG_USEC");
    assert_int_equal(service_watchdog_ns(true), 0);
    (void)unsetenv("WATCHDOG_PID");
}

TEST(sockets_meant_for_another_process_are_not_taken) {
    int fds[INHERITED_SOCKETS_MAX];
    (void)setenv("LISTEN_FDS", "2", 1);
    (void)setenv("LISTEN_PID", "1", 1);
    assert_int_equal(service_inherited_sockets(fds), 0);
    assert_null(getenv("LISTEN_FDS"));
}

TEST(sockets_meant_for_us_are_counted_from_three_and_the_variables_go) {
    int fds[INHERITED_SOCKETS_MAX];
    char pid[32];
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    (void)setenv("LISTEN_FDS", "2", 1);
    (void)setenv("LISTEN_PID", pid, 1);
    assert_int_equal(service_inherited_sockets(fds), 2);
    assert_int_equal(fds[0], 3);
    assert_int_equal(fds[1], 4);
    assert_null(getenv("LISTEN_PID"));
    assert_int_equal(service_inherited_sockets(fds), 0);
}
