/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/hook_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

static const char question[] = "request=smtpd_access_policy\nprotocol_state=CONNECT\n"
                               "protocol_name=SMTP\nclient_address=127.0.0.1\n"
                               "client_name=localhost\n\n";

static int left_ms(int64_t until_ns) {
    const int64_t left = (until_ns - clock_boot_ns()) / NS_PER_MS;
    return left > 0 ? (int)left : 0;
}

/* 0, or an errno. */
static int wait_ready(int fd, short events, int64_t until_ns) {
    struct pollfd watched = {.fd = fd, .events = events};
    const int ready = poll(&watched, 1, left_ms(until_ns));
    return ready > 0 ? 0 : ready == 0 ? ETIMEDOUT : errno;
}

static int connect_to(const struct sockaddr *address, socklen_t length, int64_t until_ns,
                      int *ret_fd) {
    const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }
    int error = connect(fd, address, length) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        error = wait_ready(fd, POLLOUT, until_ns);
        socklen_t size = sizeof error;
        if (error == 0) {
            (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
        }
    }
    if (error != 0) {
        (void)close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

static const char *connect_inet(const char *host, const char *port, int64_t until_ns, int *ret_fd,
                                char *room, size_t size) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const int failed = getaddrinfo(host, port, &hints, &found);
    if (failed != 0) {
        (void)snprintf(room, size, "%s port %s is no address: %s", host, port,
                       gai_strerror(failed));
        return room;
    }
    int error = ECONNREFUSED;
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next) {
        error = connect_to(a->ai_addr, a->ai_addrlen, until_ns, ret_fd);
        if (error == 0) {
            break;
        }
    }
    freeaddrinfo(found);
    if (error != 0) {
        (void)snprintf(room, size, "nobody answers on %s port %s: %s", host, port, strerror(error));
        return room;
    }
    return NULL;
}

static const char *connect_unix(struct str path, struct str queue_directory, int64_t until_ns,
                                int *ret_fd, char *room, size_t size) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct text full = {.data = address.sun_path, .size = sizeof address.sun_path};
    if (!str_starts(path, STR("/"))) {
        text_add(&full, queue_directory);
        text_add_byte(&full, '/');
    }
    text_add(&full, path);
    (void)text_zero(&full);
    const int error = full.truncated ? ENAMETOOLONG
                                     : connect_to((const struct sockaddr *)&address, sizeof address,
                                                  until_ns, ret_fd);
    if (error != 0) {
        (void)snprintf(room, size, "nobody answers on %s: %s", address.sun_path, strerror(error));
        return room;
    }
    return NULL;
}

/* Reads until the bytes hold `end`; the length read. */
static size_t read_until(int fd, const char *end, char *bytes, size_t size, int64_t until_ns) {
    size_t length = 0;
    bytes[0] = '\0';
    while (length + 1 < size && strstr(bytes, end) == NULL &&
           wait_ready(fd, POLLIN, until_ns) == 0) {
        const ssize_t got = recv(fd, bytes + length, size - 1 - length, 0);
        if (got <= 0) {
            break;
        }
        length += (size_t)got;
        bytes[length] = '\0';
    }
    return length;
}

static const char *split(struct str endpoint, char *host, size_t host_size, char *port,
                         size_t port_size) {
    struct str rest = str_slice(endpoint, 5, endpoint.length);
    const size_t colon = str_find_last(rest, ':');
    struct str name = colon == SIZE_MAX ? STR("127.0.0.1") : str_slice(rest, 0, colon);
    const struct str number = colon == SIZE_MAX ? rest : str_slice(rest, colon + 1, rest.length);
    if (str_starts(name, STR("[")) && str_ends(name, STR("]"))) {
        name = str_slice(name, 1, name.length - 1);
    }
    (void)snprintf(host, host_size, "%.*s", STR_ARGS(name));
    (void)snprintf(port, port_size, "%.*s", STR_ARGS(number));
    return host;
}

const char *hook_probe_policy(struct str endpoint, struct str queue_directory, unsigned seconds,
                              char *room, size_t size) {
    const int64_t until_ns = clock_boot_ns() + (int64_t)seconds * NS_PER_S;
    int fd = -1;
    const char *problem = NULL;
    if (str_starts(endpoint, STR("inet:"))) {
        char host[256];
        char port[32];
        (void)split(endpoint, host, sizeof host, port, sizeof port);
        problem = connect_inet(host, port, until_ns, &fd, room, size);
    } else if (str_starts(endpoint, STR("unix:"))) {
        problem = connect_unix(str_slice(endpoint, 5, endpoint.length), queue_directory, until_ns,
                               &fd, room, size);
    } else {
        (void)snprintf(room, size, "\"%.*s\" is no endpoint: inet:HOST:PORT or unix:PATH",
                       STR_ARGS(endpoint));
        return room;
    }
    if (problem != NULL) {
        return problem;
    }
    char answer[1024] = "";
    if (send(fd, question, sizeof question - 1, MSG_NOSIGNAL) == (ssize_t)sizeof question - 1) {
        (void)read_until(fd, "\n\n", answer, sizeof answer, until_ns);
    }
    (void)close(fd);
    if (strncmp(answer, "action=", 7) == 0 && strstr(answer, "\n\n") != NULL) {
        const struct str line = str_slice(str_from(answer), 7, strcspn(answer, "\n"));
        const struct str action = str_trim(line);
        if (str_equal_nocase(action, STR("DUNNO"))) {
            return NULL;
        }
        (void)snprintf(room, size,
                       "what listens on %.*s answers \"%.*s\" to a mere connection, where SecZim "
                       "answers DUNNO: it is another program, or SecZim refuses everybody",
                       STR_ARGS(endpoint), action.length < 200 ? (int)action.length : 200,
                       action.data);
        return room;
    }
    (void)snprintf(room, size,
                   "what listens on %.*s does not answer as a policy service within %u s",
                   STR_ARGS(endpoint), seconds);
    return room;
}

const char *hook_probe_smtp(const char *host, const char *port, unsigned seconds, char *room,
                            size_t size) {
    const int64_t until_ns = clock_boot_ns() + (int64_t)seconds * NS_PER_S;
    int fd = -1;
    const char *problem = connect_inet(host, port, until_ns, &fd, room, size);
    if (problem != NULL) {
        return problem;
    }
    char answer[1024];
    (void)read_until(fd, "\n", answer, sizeof answer, until_ns);
    (void)send(fd, "QUIT\r\n", 6, MSG_NOSIGNAL);
    (void)close(fd);
    if (strncmp(answer, "220", 3) == 0) {
        return NULL;
    }
    (void)snprintf(room, size, "the mail server on %s port %s does not greet with 220 within %u s",
                   host, port, seconds);
    return room;
}
