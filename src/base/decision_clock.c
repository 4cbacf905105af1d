/* SPDX-License-Identifier: Apache-2.0 */
#include "base/decision_clock.h"

/* The share of elapsed time by which decision time is brought nearer to the wall clock: 1 %. */
enum { SLEW_SHARE = 100 };

static bool is_small(int64_t offset_ns) {
    return offset_ns >= -DECISION_CLOCK_SLEW_NS && offset_ns <= DECISION_CLOCK_SLEW_NS;
}

struct decision_clock decision_clock_start(int64_t wall_ns, int64_t boot_ns,
                                           int64_t last_journaled_ns) {
    struct decision_clock clock = {.now_ns = wall_ns, .last_boot_ns = boot_ns};
    if (last_journaled_ns != 0 && wall_ns - last_journaled_ns > DECISION_CLOCK_GAP_NS) {
        clock.now_ns = last_journaled_ns + DECISION_CLOCK_DAY_NS;
        clock.gap = true;
    } else if (wall_ns < last_journaled_ns) {
        clock.now_ns = last_journaled_ns;
    }
    clock.offset_ns = wall_ns - clock.now_ns;
    clock.stepped = !is_small(clock.offset_ns);
    return clock;
}

/* By how much to run faster or slower over `elapsed_ns`, never past the wall clock. */
static int64_t slew(int64_t offset_ns, int64_t elapsed_ns) {
    const int64_t most_ns = elapsed_ns / SLEW_SHARE;
    if (offset_ns > most_ns) {
        return most_ns;
    }
    return offset_ns < -most_ns ? -most_ns : offset_ns;
}

int64_t decision_clock_step(struct decision_clock *clock, int64_t wall_ns, int64_t boot_ns) {
    const int64_t elapsed_ns = boot_ns > clock->last_boot_ns ? boot_ns - clock->last_boot_ns : 0;
    clock->last_boot_ns += elapsed_ns;
    if (clock->waiting && wall_ns <= clock->now_ns) {
        clock->now_ns++;
        clock->offset_ns = wall_ns - clock->now_ns;
        return clock->now_ns;
    }
    if (clock->waiting && wall_ns - clock->now_ns < elapsed_ns) {
        clock->now_ns = wall_ns; /* The wall clock caught up in the midst of this step. */
    } else {
        clock->now_ns += elapsed_ns;
    }
    clock->waiting = false;
    clock->offset_ns = wall_ns - clock->now_ns;
    clock->stepped = !is_small(clock->offset_ns);
    if (!clock->stepped) {
        const int64_t change_ns = slew(clock->offset_ns, elapsed_ns);
        clock->now_ns += change_ns;
        clock->offset_ns -= change_ns;
        clock->gap = false;
    }
    return clock->now_ns;
}

int64_t decision_clock_accept(struct decision_clock *clock, int64_t wall_ns, int64_t boot_ns) {
    (void)decision_clock_step(clock, wall_ns, boot_ns);
    if (wall_ns > clock->now_ns) {
        clock->now_ns = wall_ns;
    }
    clock->offset_ns = wall_ns - clock->now_ns;
    clock->waiting = clock->offset_ns < 0;
    clock->stepped = false;
    clock->gap = false;
    return -clock->offset_ns;
}
