/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "api/api.h"

/* The servers: dashboard and REST API on TCP, the same on a UNIX socket, /metrics on a port of its
 * own. One http_server for each listening socket. */

struct api_listeners;

/* Negative errno with a sentence; nothing is open then. */
MUST_USE int api_listeners_open(struct api *api, struct api_listeners **ret_listeners,
                                struct text *problem);
/* The certificate files are read again: true when they are in use now (also when there is no TLS);
 * else a sentence, and the old certificate goes on. */
MUST_USE bool api_listeners_renew(struct api_listeners *listeners, struct text *problem);
void api_listeners_close(struct api_listeners *listeners);
