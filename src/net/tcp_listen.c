/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp_listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "net/port_owner.h"

static int fail(struct text *problem, struct str address, int error, const char *what) {
    text_add(problem, STR("cannot listen on "));
    text_add_escaped(problem, address);
    text_add(problem, STR(": "));
    text_add(problem, str_from(what != NULL ? what : strerror(error)));
    return -error;
}

static socklen_t put_socket_address(struct ip_address ip, uint16_t port,
                                    struct sockaddr_storage *ret_address) {
    *ret_address = (struct sockaddr_storage){0};
    if (ip_address_is_v4(ip)) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&v4.sin_addr, ip.bytes + 12, 4);
        memcpy(ret_address, &v4, sizeof v4);
        return sizeof v4;
    }
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memcpy(&v6.sin6_addr, ip.bytes, 16);
    memcpy(ret_address, &v6, sizeof v6);
    return sizeof v6;
}

bool tcp_address_parse(struct str text, struct sockaddr_storage *ret_address,
                       socklen_t *ret_length) {
    const size_t colon = str_find_last(text, ':');
    uint64_t port;
    if (colon == SIZE_MAX ||
        !str_parse_u64(str_slice(text, colon + 1, text.length), UINT16_MAX, &port)) {
        return false;
    }
    struct str host = str_slice(text, 0, colon);
    const bool bracketed = str_starts(host, STR("[")) && str_ends(host, STR("]"));
    if (bracketed) {
        host = str_slice(host, 1, host.length - 1);
    }
    struct ip_address ip;
    if (!ip_address_parse(host, &ip) || bracketed == ip_address_is_v4(ip)) {
        return false;
    }
    *ret_length = put_socket_address(ip, (uint16_t)port, ret_address);
    return true;
}

bool ip_address_of_socket(const struct sockaddr_storage *address, struct ip_address *ret_address) {
    if (address->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        *ret_address = (struct ip_address){{[10] = 0xff, [11] = 0xff}};
        memcpy(ret_address->bytes + 12, &v4.sin_addr, 4);
        return true;
    }
    if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(ret_address->bytes, &v6.sin6_addr, 16);
        return true;
    }
    return false;
}

static int fail_in_use(struct text *problem, struct str address, const char *setting) {
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
    text_add(problem, STR("; stop it, or change "));
    text_add(problem, str_from(setting));
    return -EADDRINUSE;
}

int tcp_listen(struct str address, int backlog, const char *setting, struct text *problem) {
    struct sockaddr_storage socket_address;
    socklen_t length;
    if (!tcp_address_parse(address, &socket_address, &length)) {
        (void)fail(problem, address, EINVAL,
                   "an address and port such as 127.0.0.1:10035 or [::1]:10035 is needed in ");
        text_add(problem, str_from(setting));
        return -EINVAL;
    }
    const int fd = socket(socket_address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fail(problem, address, errno, NULL);
    }
    const int one = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (socket_address.ss_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    }
    if (bind(fd, (const struct sockaddr *)&socket_address, length) != 0 ||
        listen(fd, backlog) != 0) {
        const int error = errno;
        (void)close(fd);
        return error == EADDRINUSE ? fail_in_use(problem, address, setting)
                                   : fail(problem, address, error, NULL);
    }
    return fd;
}
