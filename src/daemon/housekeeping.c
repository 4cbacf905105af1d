/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/engine_internal.h"

/* A thread for what is due now and then: retired generations, the base of the lists, a system's
 * clock that jumps, the recorder's priority, and, while no worker turns, snapshot chunks and the
 * journal's gaps. */

enum {
    IDLE_TICK_MS = 50,
    SNAPSHOT_TICK_MS = 2, /* While a snapshot is being taken. */
    CHUNKS_PER_TICK = 16,
    STEPPED_TICKS = 2, /* A suspended machine wakes with one clock before the other. */
};

/* Workers copy chunks between their turns; when none was copied since the last tick, nobody turns.
 * True while a snapshot runs. */
static bool copy_chunks(struct engine *engine, uint64_t *copies_seen) {
    if (!snapshot_running(engine->snapshot) && !snapshot_wants_chunk(engine->snapshot)) {
        return false;
    }
    const uint64_t copies = atomic_load_explicit(&engine->chunk_copies, memory_order_relaxed);
    if (copies == *copies_seen) {
        for (int i = 0; i < CHUNKS_PER_TICK && snapshot_wants_chunk(engine->snapshot); i++) {
            engine_between_turns(engine);
        }
    }
    *copies_seen = atomic_load_explicit(&engine->chunk_copies, memory_order_relaxed);
    return true;
}

static void tell_recorder(struct engine *engine) {
    if (atomic_load_explicit(&engine->keep_journal, memory_order_relaxed) > 0) {
        return;
    }
    struct snapshot_stats stats;
    snapshot_stats(engine->snapshot, &stats);
    recorder_set_snapshot_position(engine->recorder, stats.lowest_stamp);
    if (journal_wants_snapshot(engine->journal)) {
        snapshot_request(engine->snapshot);
    }
}

/* When no request comes after a time without room in the journal, nobody else tells of the gap. */
static void tell_gap(struct engine *engine) {
    (void)pthread_mutex_lock(&engine->state_lock);
    (void)journal_tell_gap(engine->journal);
    (void)pthread_mutex_unlock(&engine->state_lock);
}

/* One line when the system's clock jumps. Looks at a copy: decision time moves with decisions. */
static void tell_clock_step(struct engine *engine, unsigned *stepped_ticks) {
    static struct log_throttle throttle;
    (void)pthread_mutex_lock(&engine->state_lock);
    struct decision_clock clock = engine->clock;
    (void)pthread_mutex_unlock(&engine->state_lock);
    (void)decision_clock_step(&clock, clock_wall_ns(), clock_boot_ns());
    if (!clock.stepped || clock.gap) { /* A gap was told at start. */
        *stepped_ticks = 0;
        return;
    }
    uint64_t suppressed = 0;
    if (++*stepped_ticks != STEPPED_TICKS || !log_throttle_pass(&throttle, &suppressed)) {
        return;
    }
    const long long offset_s = clock.offset_ns / NS_PER_S;
    log_write(
        LOG_WARN, "Clock",
        "The system's clock jumped: it is %lld s %s decision time, which does not follow. If the "
        "system's clock is right: seczim clock accept (%llu more since the last such line)",
        offset_s < 0 ? -offset_s : offset_s, offset_s < 0 ? "behind" : "ahead of",
        (unsigned long long)suppressed);
}

/* False when it is time to stop. Waits by poll(), which needs no clock. */
static bool wait_a_tick(struct engine *engine, int milliseconds) {
    struct pollfd wait = {.fd = engine->housekeeping_fd, .events = POLLIN};
    return poll(&wait, 1, milliseconds) <= 0;
}

static void *run(void *context) {
    struct engine *engine = context;
    (void)pthread_setname_np(pthread_self(), "housekeeping");
    uint64_t copies_seen = 0;
    bool busy = false;
    int ticks = 0;
    unsigned stepped_ticks = 0;
    while (wait_a_tick(engine, busy ? SNAPSHOT_TICK_MS : IDLE_TICK_MS)) {
        busy = copy_chunks(engine, &copies_seen);
        if (busy && ++ticks % (IDLE_TICK_MS / SNAPSHOT_TICK_MS) != 0) {
            continue;
        }
        tell_gap(engine);
        tell_clock_step(engine, &stepped_ticks);
        tell_recorder(engine);
        recorder_mind(engine->recorder);
        generation_collect(engine);
        lists_maintain(engine);
    }
    lists_join_rebuilder(engine);
    return NULL;
}

int housekeeping_start(struct engine *engine) {
    engine->housekeeping_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (engine->housekeeping_fd < 0) {
        return -errno;
    }
    const int error = pthread_create(&engine->housekeeper, NULL, run, engine);
    engine->housekeeping = error == 0;
    return -error;
}

void housekeeping_stop(struct engine *engine) {
    if (!engine->housekeeping) {
        return;
    }
    const uint64_t one = 1;
    (void)!write(engine->housekeeping_fd, &one, sizeof one);
    (void)pthread_join(engine->housekeeper, NULL);
    (void)close(engine->housekeeping_fd);
    engine->housekeeping = false;
}
