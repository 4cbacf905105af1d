/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* Two questions over the network, each answered within `seconds`. */

/* Asks a policy service as Postfix does, in a state that SecZim counts nowhere (CONNECT). NULL when
 * it answers DUNNO, as SecZim does then, else a sentence in `room`. `queue_directory`: where the
 * path of a unix: endpoint starts that is not absolute. */
const char *hook_probe_policy(struct str endpoint, struct str queue_directory, unsigned seconds,
                              char *room, size_t size);
/* Connects to a mail server and waits for its greeting. NULL when it says 220. */
const char *hook_probe_smtp(const char *host, const char *port, unsigned seconds, char *room,
                            size_t size);
