/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/tcp_listen.h"

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
    struct sockaddr_storage storage;
};

static int fail(struct text *problem, struct str address, int error, const char *what) {
    text_add(problem, STR("cannot listen on "));
    text_add_escaped(problem, address);
    text_add(problem, STR(": "));
    text_add(problem, str_from(what != NULL ? what : strerror(error)));
    return -error;
}

/* --- UNIX ---------------------------------------------------------------------------------------
 */

/* Removes a socket file that nobody listens on. 0 when the path is free now. */
static int clear_path(const struct sockaddr_un *path, const char **ret_what) {
    struct stat status;
    if (lstat(path->sun_path, &status) != 0) {
        return errno == ENOENT ? 0 : errno;
    }
    if (!S_ISSOCK(status.st_mode)) {
        *ret_what = "there is a file of that name which is no socket; it was left alone";
        return EEXIST;
    }
    const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0) {
        return errno;
    }
    const bool refused =
        connect(probe, (const struct sockaddr *)path, sizeof *path) != 0 && errno == ECONNREFUSED;
    (void)close(probe);
    if (!refused) {
        *ret_what = "another process listens there; stop it, or change policy_server.listen";
        return EADDRINUSE;
    }
    return unlink(path->sun_path) == 0 || errno == ENOENT ? 0 : errno;
}

static int open_unix(struct str address, struct str path, unsigned mode, struct text *problem) {
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    if (path.length == 0 || path.length >= sizeof local.sun_path) {
        return fail(problem, address, EINVAL, "the path of a UNIX socket has 1 to 107 bytes");
    }
    memcpy(local.sun_path, path.data, path.length);
    const char *what = NULL;
    int error = clear_path(&local, &what);
    if (error != 0) {
        return fail(problem, address, error, what);
    }
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fail(problem, address, errno, NULL);
    }
    if (bind(fd, (const struct sockaddr *)&local, sizeof local) != 0 ||
        chmod(local.sun_path, mode) != 0 || listen(fd, LISTENER_BACKLOG) != 0) {
        error = errno;
        (void)close(fd);
        return fail(problem, address, error, NULL);
    }
    return fd;
}

/* --- both ---------------------------------------------------------------------------------------
 */

int listener_open(struct str address, unsigned mode, struct listener *ret_listener,
                  struct text *problem) {
    if (address.length >= LISTENER_ADDRESS_MAX) {
        return fail(problem, address, ENAMETOOLONG, NULL);
    }
    const bool is_unix = str_starts(address, STR("unix:"));
    const int fd = is_unix
                       ? open_unix(address, str_slice(address, 5, address.length), mode, problem)
                       : tcp_listen(address, LISTENER_BACKLOG, "policy_server.listen", problem);
    if (fd < 0) {
        return fd;
    }
    *ret_listener = (struct listener){.fd = fd, .is_unix = is_unix};
    memcpy(ret_listener->address, address.data, address.length);
    return 0;
}

static void format_ip(struct text *out, const void *bytes, size_t length, in_port_t port) {
    struct ip_address ip = {{[10] = 0xff, [11] = 0xff}};
    if (length == 16) {
        memcpy(ip.bytes, bytes, 16);
        text_add(out, STR("["));
    } else {
        memcpy(ip.bytes + 12, bytes, 4);
    }
    ip_address_format(ip, out);
    text_add(out, length == 16 ? STR("]:") : STR(":"));
    text_add_u64(out, ntohs(port));
}

static bool format_address(const union socket_address *address, struct text *out) {
    switch (address->any.sa_family) {
    case AF_INET:
        format_ip(out, &address->v4.sin_addr, 4, address->v4.sin_port);
        return true;
    case AF_INET6:
        format_ip(out, &address->v6.sin6_addr, 16, address->v6.sin6_port);
        return true;
    case AF_UNIX:
        text_add(out, STR("unix:"));
        text_add(out, str_from(address->local.sun_path));
        return true;
    default:
        return false;
    }
}

int listener_adopt(int fd, struct listener *ret_listener) {
    union socket_address address = {0};
    socklen_t length = sizeof address;
    int listening = 0;
    socklen_t listening_length = sizeof listening;
    struct listener listener = {.fd = fd};
    struct text text = {.data = listener.address, .size = sizeof listener.address};
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &listening_length) != 0 ||
        listening == 0 || getsockname(fd, &address.any, &length) != 0 ||
        !format_address(&address, &text)) {
        return -EINVAL;
    }
    (void)text_zero(&text);
    listener.is_unix = address.any.sa_family == AF_UNIX;
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return -errno;
    }
    *ret_listener = listener;
    return 0;
}

bool listener_address_equal(struct str a, struct str b) {
    struct sockaddr_storage first;
    struct sockaddr_storage second;
    socklen_t first_length;
    socklen_t second_length;
    if (tcp_address_parse(a, &first, &first_length) &&
        tcp_address_parse(b, &second, &second_length)) {
        return first_length == second_length && memcmp(&first, &second, first_length) == 0;
    }
    return str_equal(a, b);
}

void listener_close(struct listener *listener, bool unlink_path) {
    if (unlink_path && listener->is_unix) {
        (void)unlink(listener->address + 5);
    }
    (void)close(listener->fd);
    listener->fd = -1;
}
