/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/service_manager.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

enum { FIRST_INHERITED_FD = 3, MESSAGE_MAX = 1024 };

void service_notify(const char *format, ...) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof address.sun_path) {
        return;
    }
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@') {
        address.sun_path[0] = '\0'; /* The abstract name space. */
    }
    char message[MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || length < 0 || length >= MESSAGE_MAX) {
        return;
    }
    const socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    (void)sendto(fd, message, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT,
                 (const struct sockaddr *)&address, size);
    (void)close(fd);
}

static bool read_number(const char *name, uint64_t *ret_value) {
    const char *value = getenv(name);
    return value != NULL && str_parse_u64(str_from(value), INT64_MAX / NS_PER_US, ret_value);
}

int64_t service_watchdog_ns(bool handed_over) {
    uint64_t microseconds;
    uint64_t pid;
    if (!read_number("WATCHDOG_USEC", &microseconds)) {
        return 0;
    }
    if (!handed_over && read_number("WATCHDOG_PID", &pid) && pid != (uint64_t)getpid()) {
        return 0;
    }
    return (int64_t)microseconds * NS_PER_US;
}

unsigned service_inherited_sockets(int *ret_fds) {
    uint64_t pid;
    uint64_t count;
    unsigned taken = 0;
    if (read_number("LISTEN_PID", &pid) && pid == (uint64_t)getpid() &&
        read_number("LISTEN_FDS", &count)) {
        while (taken < count && taken < INHERITED_SOCKETS_MAX) {
            const int fd = FIRST_INHERITED_FD + (int)taken;
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
            ret_fds[taken++] = fd;
        }
    }
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return taken;
}
