/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "hook/zimbra_work.h"

/* A state in which nothing is decided or counted. */
static const char question[] = "request=smtpd_access_policy\nprotocol_state=VRFY\n"
                               "protocol_name=ESMTP\n\n";

enum { ANSWER_MAX = 1024 };

static int connect_unix(struct str path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path.length >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path.data, path.length);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        const int problem = errno;
        (void)close(fd);
        errno = problem;
        return -1;
    }
    return fd;
}

static int connect_inet(struct str rest) {
    char host[256];
    char port[16];
    const size_t colon = str_find_last(rest, ':');
    struct str name = colon == SIZE_MAX ? STR("127.0.0.1") : str_slice(rest, 0, colon);
    if (name.length >= 2 && name.data[0] == '[' && name.data[name.length - 1] == ']') {
        name = str_slice(name, 1, name.length - 1);
    }
    const size_t port_start = colon == SIZE_MAX ? 0 : colon + 1;
    (void)snprintf(host, sizeof host, "%.*s", STR_ARGS(name));
    (void)snprintf(port, sizeof port, "%.*s", STR_ARGS(str_slice(rest, port_start, rest.length)));
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &wanted, &found) != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            const int problem = errno;
            (void)close(fd);
            fd = -1;
            errno = problem;
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* NULL, or what was wrong. */
static const char *ask(int fd, unsigned seconds_max) {
    char answer[ANSWER_MAX + 1] = "";
    size_t length = 0;
    if (send(fd, question, sizeof question - 1, MSG_NOSIGNAL) != (ssize_t)sizeof question - 1) {
        return "it does not take a request";
    }
    while (strstr(answer, "\n\n") == NULL) {
        struct pollfd watched = {.fd = fd, .events = POLLIN};
        if (length == ANSWER_MAX || poll(&watched, 1, (int)seconds_max * 1000) <= 0) {
            return "it gives no answer";
        }
        const ssize_t got = recv(fd, answer + length, ANSWER_MAX - length, 0);
        if (got <= 0) {
            return "it closed the connection instead of answering";
        }
        length += (size_t)got;
        answer[length] = '\0';
    }
    return strncmp(answer, "action=", 7) == 0 ? NULL : "its answer is none of a policy service";
}

const char *zimbra_probe(struct str endpoint, unsigned seconds_max, char *room, size_t size) {
    const struct str rest = str_slice(endpoint, 5, endpoint.length); /* behind "inet:", "unix:" */
    const int fd = str_starts(endpoint, STR("unix:")) ? connect_unix(rest) : connect_inet(rest);
    const char *problem = fd < 0 ? strerror(errno) : ask(fd, seconds_max);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (problem == NULL) {
        return NULL;
    }
    (void)snprintf(room, size, "%.*s: %s", STR_ARGS(endpoint), problem);
    return room;
}
