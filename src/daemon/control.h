/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/server.h"

/* The control API (docs/internals/control-api.md) on a UNIX socket: libmicrohttpd on threads of its
 * own; never on the answering path. */

struct control;

/* What the control API can ask the program to do; set by main. Both only raise a flag. */
struct control_actions {
    void *context;
    void (*restart)(void *context);
};

/* Listens on paths.control_socket. With `listen_fd` not -1 (handed over) takes that instead. */
MUST_USE int control_start(struct engine *engine, struct server *server,
                           const struct control_actions *actions, int listen_fd,
                           struct control **ret_control, struct text *problem);
/* Finishes running requests (streams end), closes. Ret: the listening descriptor when
 * `keep_listening` (hand-over), else -1. */
int control_stop(struct control *control, bool keep_listening);
