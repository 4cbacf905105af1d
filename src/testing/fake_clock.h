/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* The clock of a scenario. A program that links fake_clock.c instead of base/clock.c reads both
 * clocks from the file that the environment variable SECZIM_FAKE_CLOCK names: FAKE_CLOCK_FILE_SIZE
 * bytes, mapped shared, this structure at its start. The scenario player writes it; a program
 * without the variable runs on the real clocks. */

enum { FAKE_CLOCK_FILE_SIZE = 4096 };

struct fake_clock {
    _Atomic int64_t wall_ns;
    _Atomic int64_t boot_ns;
    _Atomic int64_t running; /* 0: the clocks stand at the two above; 1: these are added to the
                              * real clocks. */
};
