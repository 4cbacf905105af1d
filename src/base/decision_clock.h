/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Decision time: the time that decisions, windows and block ends count in. It never goes back and
 * does not follow a jump of the wall clock, so a clock set wrong by somebody changes no verdict.
 *
 * At start it is max(wall clock, last journaled time); from then on it advances with the boot
 * clock. A difference to the wall clock of up to DECISION_CLOCK_SLEW_NS is slewed away (at most 1 %
 * faster or slower); a larger one is not followed while running: `stepped` says so until the
 * difference is gone or accepted. At start, a wall clock more than DECISION_CLOCK_GAP_NS after the
 * last journaled time counts as one day after it (`gap` is set), so that a clock ten years ahead
 * does not expire the whole state.
 *
 * Pure: the caller passes the clocks in. One owner, not thread safe. */

#define DECISION_CLOCK_SLEW_NS INT64_C(2000000000)
#define DECISION_CLOCK_GAP_NS  (INT64_C(30) * 86400 * 1000000000)
#define DECISION_CLOCK_DAY_NS  (INT64_C(86400) * 1000000000)

struct decision_clock {
    int64_t now_ns;       /* Decision time at the last step. Unix time, ns. */
    int64_t last_boot_ns; /* The boot clock at the last step. */
    int64_t offset_ns;    /* Wall clock minus decision time at the last step. */
    bool stepped;         /* |offset| is above the slew limit: an alert, `seczim clock accept`. */
    bool gap;             /* The start found a gap above 30 days and counted one day. */
    bool waiting;         /* Standing still until an accepted wall clock has caught up. */
};

/* `last_journaled_ns` is 0 when there is no journal yet. */
struct decision_clock decision_clock_start(int64_t wall_ns, int64_t boot_ns,
                                           int64_t last_journaled_ns);
/* Advances and returns decision time: never less than the result before. */
int64_t decision_clock_step(struct decision_clock *clock, int64_t wall_ns, int64_t boot_ns);
/* What an administrator's `seczim clock accept` does: decision time jumps forward to the wall
 * clock when that is ahead (`stepped` and `gap` end). When the wall clock is behind, decision time
 * cannot go back: it stands still (advances 1 ns per step) until the wall clock has caught up, and
 * the function returns the nanoseconds that will take; otherwise 0. */
int64_t decision_clock_accept(struct decision_clock *clock, int64_t wall_ns, int64_t boot_ns);
