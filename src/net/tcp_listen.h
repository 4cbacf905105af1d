/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/socket.h>

#include "base/check.h"
#include "base/ip_address.h"

/* Listening TCP sockets by the addresses of settings: "127.0.0.1:10035", "[::1]:10035". */

/* False leaves the rest as it is. */
bool tcp_address_parse(struct str text, struct sockaddr_storage *ret_address,
                       socklen_t *ret_length);
/* The address of a peer; false when it is not of the Internet. */
bool ip_address_of_socket(const struct sockaddr_storage *address, struct ip_address *ret_address);
/* Opens, binds, listens: non-blocking, closed on exec; an IPv6 socket takes IPv6 alone. Returns the
 * descriptor, or a negative errno with a sentence that names `setting` as the place to change. */
MUST_USE int tcp_listen(struct str address, int backlog, const char *setting, struct text *problem);
