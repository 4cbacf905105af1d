/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* At which priority the recorder runs. On two busy cores every microsecond of it is taken from an
 * answer, so as a rule it runs in the idle class: when nobody else wants the processor, leaving at
 * once when a worker wakes. There it may starve; so when it is far behind it is lifted to nice 10,
 * where it gets about a tenth of a contended core, some ten thousand decisions a second, until it
 * has caught up. It cannot lift itself: somebody else looks after it (recorder_mind()).
 *
 * The upper part is pure. */

enum recorder_pace { RECORDER_PACE_NICE = 0, RECORDER_PACE_IDLE };

/* Nice 10 is what leaving the idle class needs RLIMIT_NICE for: 20 - 10. */
enum { RECORDER_NICE = 10, RECORDER_NICE_LIMIT = 20 - RECORDER_NICE };

/* How long the recorder has had what it has not recorded yet, from marks a second apart. */
enum { RECORDER_MARKS = 32 };
struct recorder_lag {
    struct {
        uint64_t sequence;   /* what was synced ... */
        int64_t ran_ns;      /* ... at this time */
    } marks[RECORDER_MARKS]; /* Not reached by the recorder yet, oldest first. */
    size_t count;
    int64_t seen_boot_ns; /* 0: never */
    int64_t ran_ns;       /* Like boot time, less the time in which nobody looked. */
};
/* Returns the lag in nanoseconds, at a resolution of a second, counted up to RECORDER_MARKS
 * seconds. Called some times a second. Of a longer pause only a second counts: the process or the
 * machine was stopped, nobody starved. */
int64_t recorder_lag_step(struct recorder_lag *lag, uint64_t position, uint64_t synced,
                          int64_t boot_ns);

/* `backlog_bytes` of journal wait; beyond `max_backlog_bytes` (0: no limit) rows are folded. */
enum recorder_pace recorder_pace_for(enum recorder_pace now, int64_t lag_ns, uint64_t backlog_bytes,
                                     uint64_t max_backlog_bytes);

/* True when a thread at nice 10 that went to the idle class may come back: asks the kernel, with a
 * thread of its own. */
bool recorder_pace_can_change(void);
/* Of a thread of this process that is at nice 10. */
void recorder_pace_set(pid_t thread, enum recorder_pace pace);
