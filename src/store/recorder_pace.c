/* SPDX-License-Identifier: Apache-2.0 */
#include "store/recorder_pace.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

/* History may be this late while both cores are busy, the log and the statistics with it. Lifted,
 * it has to be nearly there before it goes back: a mark is a second old at most. */
enum { LIFT_S = 15, REACHED_S = 2, MARK_S = 1, PAUSE_S = 1, LIFT_BACKLOG_SHARE = 4 };

static void drop_reached(struct recorder_lag *lag, uint64_t position) {
    size_t reached = 0;
    while (reached < lag->count && lag->marks[reached].sequence <= position) {
        reached++;
    }
    lag->count -= reached;
    memmove(lag->marks, lag->marks + reached, lag->count * sizeof lag->marks[0]);
}

static void add_mark(struct recorder_lag *lag, uint64_t synced) {
    const bool due = lag->count == 0 ||
                     lag->ran_ns - lag->marks[lag->count - 1].ran_ns >= (int64_t)MARK_S * NS_PER_S;
    if (due && lag->count < RECORDER_MARKS) {
        lag->marks[lag->count].sequence = synced;
        lag->marks[lag->count].ran_ns = lag->ran_ns;
        lag->count++;
    }
}

int64_t recorder_lag_step(struct recorder_lag *lag, uint64_t position, uint64_t synced,
                          int64_t boot_ns) {
    const int64_t pause_ns = (int64_t)PAUSE_S * NS_PER_S;
    if (lag->seen_boot_ns != 0) {
        const int64_t passed_ns = boot_ns - lag->seen_boot_ns;
        lag->ran_ns += passed_ns < pause_ns ? passed_ns : pause_ns;
    }
    lag->seen_boot_ns = boot_ns;
    drop_reached(lag, position);
    if (synced > position) {
        add_mark(lag, synced);
    }
    return lag->count == 0 ? 0 : lag->ran_ns - lag->marks[0].ran_ns;
}

enum recorder_pace recorder_pace_for(enum recorder_pace now, int64_t lag_ns, uint64_t backlog_bytes,
                                     uint64_t max_backlog_bytes) {
    const bool much =
        max_backlog_bytes > 0 && backlog_bytes >= max_backlog_bytes / LIFT_BACKLOG_SHARE;
    const int64_t limit_s = now == RECORDER_PACE_IDLE ? LIFT_S : REACHED_S;
    return much || lag_ns >= limit_s * NS_PER_S ? RECORDER_PACE_NICE : RECORDER_PACE_IDLE;
}

static bool set_policy(pid_t thread, int policy) {
    const struct sched_param none = {0};
    return sched_setscheduler(thread, policy, &none) == 0;
}

static void *try_to_change(void *context) {
    bool *const ret_can = context;
    *ret_can = setpriority(PRIO_PROCESS, (id_t)gettid(), RECORDER_NICE) == 0 &&
               set_policy(gettid(), SCHED_IDLE) && set_policy(gettid(), SCHED_OTHER);
    return NULL;
}

bool recorder_pace_can_change(void) {
    pthread_t thread;
    bool can = false;
    if (pthread_create(&thread, NULL, try_to_change, &can) != 0) {
        return false;
    }
    (void)pthread_join(thread, NULL);
    return can;
}

void recorder_pace_set(pid_t thread, enum recorder_pace pace) {
    (void)set_policy(thread, pace == RECORDER_PACE_IDLE ? SCHED_IDLE : SCHED_OTHER);
}
