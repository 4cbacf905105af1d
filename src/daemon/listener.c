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

#include "daemon/port_owner.h"

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

/* --- TCP ----------------------------------------------------------------------------------------
 */

static bool parse_tcp(struct str address, union socket_address *ret, socklen_t *ret_length) {
    const size_t colon = str_find_last(address, ':');
    uint64_t port;
    if (colon == SIZE_MAX ||
        !str_parse_u64(str_slice(address, colon + 1, address.length), UINT16_MAX, &port)) {
        return false;
    }
    struct str host = str_slice(address, 0, colon);
    const bool bracketed = str_starts(host, STR("[")) && str_ends(host, STR("]"));
    if (bracketed) {
        host = str_slice(host, 1, host.length - 1);
    }
    struct ip_address ip;
    if (!ip_address_parse(host, &ip) || bracketed == ip_address_is_v4(ip)) {
        return false;
    }
    *ret = (union socket_address){0};
    if (ip_address_is_v4(ip)) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons((uint16_t)port);
        memcpy(&ret->v4.sin_addr, ip.bytes + 12, 4);
        *ret_length = sizeof ret->v4;
    } else {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons((uint16_t)port);
        memcpy(&ret->v6.sin6_addr, ip.bytes, 16);
        *ret_length = sizeof ret->v6;
    }
    return true;
}

static int fail_in_use(struct text *problem, struct str address) {
    (void)fail(problem, address, EADDRINUSE, "the port is taken");
    uint64_t port = 0;
    (void)str_parse_u64(str_slice(address, str_find_last(address, ':') + 1, address.length),
                        UINT16_MAX, &port);
    char bytes[128];
    struct text owner = TEXT_OVER(bytes);
    if (port_owner_find((uint16_t)port, &owner)) {
        text_add(problem, STR(" by "));
        text_add(problem, text_str(&owner));
    }
    text_add(problem, STR("; stop it, or change policy_server.listen"));
    return -EADDRINUSE;
}

static int open_tcp(struct str address, struct text *problem) {
    union socket_address socket_address;
    socklen_t length;
    if (!parse_tcp(address, &socket_address, &length)) {
        return fail(problem, address, EINVAL,
                    "an address and port such as 127.0.0.1:10035 or [::1]:10035, or unix:/path, is "
                    "needed");
    }
    const int fd =
        socket(socket_address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fail(problem, address, errno, NULL);
    }
    const int one = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (socket_address.any.sa_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    }
    if (bind(fd, &socket_address.any, length) != 0 || listen(fd, LISTENER_BACKLOG) != 0) {
        const int error = errno;
        (void)close(fd);
        return error == EADDRINUSE ? fail_in_use(problem, address)
                                   : fail(problem, address, error, NULL);
    }
    return fd;
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
                       : open_tcp(address, problem);
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
    union socket_address first;
    union socket_address second;
    socklen_t first_length;
    socklen_t second_length;
    if (parse_tcp(a, &first, &first_length) && parse_tcp(b, &second, &second_length)) {
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
