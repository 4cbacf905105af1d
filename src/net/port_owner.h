/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/ip_address.h"

/* Who listens on a TCP port of this machine, for the sentence "port 10035 is taken by postgrey (pid
 * 812)". Reads /proc; another user's process can be named only by root. False when it cannot be
 * known. Appends "NAME (pid N)" to `out`. Blocks; only for start-up errors. */
bool port_owner_find(uint16_t port, struct text *out);
