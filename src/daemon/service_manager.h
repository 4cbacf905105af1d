/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What systemd and we tell each other (sd_notify(3), sd_listen_fds(3)), without its library. Each
 * does nothing when the service manager is absent. Main thread only. */

enum { INHERITED_SOCKETS_MAX = 32 };

/* One datagram of lines: "READY=1\nSTATUS=...". */
__attribute__((format(printf, 1, 2))) void service_notify(const char *format, ...);
/* How often a sign of life is expected; 0: never. `handed_over`: WATCHDOG_PID still names the
 * process before us. */
int64_t service_watchdog_ns(bool handed_over);
/* Listening sockets given to us; ret_fds has room for INHERITED_SOCKETS_MAX. Sets close-on-exec and
 * forgets the variables, so that no child takes them for its own. */
unsigned service_inherited_sockets(int *ret_fds);
