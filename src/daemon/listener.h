/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/check.h"
#include "base/ip_address.h"

/* Listening sockets of the policy server: opened, inherited from the service manager, or handed
 * over by the process before us. */

enum { LISTENER_ADDRESS_MAX = 128, LISTENER_BACKLOG = 4096 };

struct listener {
    struct event event;
    int fd;
    bool is_unix;
    char address[LISTENER_ADDRESS_MAX]; /* as in policy_server.listen */
};

/* Opens `address` ("127.0.0.1:10035", "[::1]:10035", "unix:/path"), non-blocking. A UNIX socket
 * gets the permission bits `mode`; a stale socket file, one that nobody listens on, is replaced,
 * anything else at that path is left alone. Negative errno and a sentence on failure. */
MUST_USE int listener_open(struct str address, unsigned mode, struct listener *ret_listener,
                           struct text *problem);
/* A listening stream socket that somebody else opened. -EINVAL when it is none. */
MUST_USE int listener_adopt(int fd, struct listener *ret_listener);
/* Whether both name the same place, however it is written ("[0::1]:25" and "[::1]:25"). */
bool listener_address_equal(struct str a, struct str b);
/* With the socket file of a UNIX socket when `unlink_path`. */
void listener_close(struct listener *listener, bool unlink_path);
