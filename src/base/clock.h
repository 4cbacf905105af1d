/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* The only file that reads the clock. testing/fake_clock.c implements the same functions for the
 * scenario build of the daemon (linked instead of clock.c). Callable from any thread. */

enum { NS_PER_S = 1000000000, NS_PER_MS = 1000000, NS_PER_US = 1000 };

/* Unix time in nanoseconds as the system clock has it; may jump. */
int64_t clock_wall_ns(void);
/* Nanoseconds since boot, suspend included; never goes back. Used for durations too. */
int64_t clock_boot_ns(void);
