/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"

/* What an administrator does to the state: effects, the clock, a snapshot. All but the snapshot are
 * events in the journal, as decisions are. */

enum { SNAPSHOT_POLL_MS = 10 };

/* State lock held. The sequence, or 0 when the journal had no room. */
static uint64_t journal_event(struct engine *engine, enum record_type type, const void *body,
                              size_t length, int64_t now_ns) {
    unsigned char *record = journal_reserve(engine->journal);
    if (record == NULL) {
        journal_skip(engine->journal);
        atomic_fetch_add_explicit(&engine->counters.unjournaled.value, 1, memory_order_relaxed);
        return 0;
    }
    const uint64_t sequence = journal_next_sequence(engine->journal);
    memcpy(record, body, length);
    journal_commit(engine->journal, type, 1, now_ns, length);
    return sequence;
}

static void wake_journal(struct engine *engine) {
    if (journal_wants_wake(engine->journal)) {
        journal_wake(engine->journal);
    }
}

static int64_t step_clock(struct engine *engine) {
    return decision_clock_step(&engine->clock, clock_wall_ns(), clock_boot_ns());
}

/* State lock held. */
static uint64_t apply_command(struct engine *engine, struct effect *effects, size_t count,
                              struct str why, int64_t now_ns) {
    unsigned char body[DECISION_RECORD_MAX];
    const uint64_t next = journal_next_sequence(engine->journal);
    for (size_t i = 0; i < count; i++) {
        effects[i].time_s = (uint32_t)(now_ns / NS_PER_S);
        effect_apply(&engine->state, &effects[i], next);
    }
    const size_t length = effects_record_encode(effects, count, why, body);
    return journal_event(engine, RECORD_EFFECTS, body, length, now_ns);
}

uint64_t engine_command(struct engine *engine, struct effect *effects, size_t count,
                        struct str why) {
    (void)pthread_mutex_lock(&engine->state_lock);
    const uint64_t sequence = apply_command(engine, effects, count, why, step_clock(engine));
    (void)pthread_mutex_unlock(&engine->state_lock);
    wake_journal(engine);
    return sequence;
}

uint64_t engine_command_made(struct engine *engine, engine_make_effects *make, void *context,
                             struct str why) {
    struct effect effects[EFFECTS_MAX];
    uint64_t sequence = 0;
    (void)pthread_mutex_lock(&engine->state_lock);
    const int64_t now_ns = step_clock(engine);
    const size_t count = make(context, &engine->state, (uint32_t)(now_ns / NS_PER_S), effects);
    if (count > 0) {
        CHECK(count <= EFFECTS_MAX);
        sequence = apply_command(engine, effects, count, why, now_ns);
    }
    (void)pthread_mutex_unlock(&engine->state_lock);
    wake_journal(engine);
    return sequence;
}

void engine_read_state(struct engine *engine, engine_state_read *read, void *context) {
    (void)pthread_mutex_lock(&engine->state_lock);
    const int64_t now_ns = step_clock(engine);
    read(context, &engine->state, (uint32_t)(now_ns / NS_PER_S));
    (void)pthread_mutex_unlock(&engine->state_lock);
}

int64_t engine_clock_accept(struct engine *engine) {
    unsigned char body[16];
    (void)pthread_mutex_lock(&engine->state_lock);
    const int64_t before_ns = engine->clock.now_ns;
    const int64_t stands_ns =
        decision_clock_accept(&engine->clock, clock_wall_ns(), clock_boot_ns());
    const int64_t after_ns = engine->clock.now_ns;
    for (unsigned i = 0; i < 8; i++) {
        body[i] = (unsigned char)((uint64_t)before_ns >> (8 * i));
        body[8 + i] = (unsigned char)((uint64_t)after_ns >> (8 * i));
    }
    (void)journal_event(engine, RECORD_CLOCK, body, sizeof body, after_ns);
    (void)pthread_mutex_unlock(&engine->state_lock);
    wake_journal(engine);
    log_write(LOG_WARN, "Clock", "The clock was accepted; decision time moved by %lld s",
              (long long)((after_ns - before_ns) / NS_PER_S));
    return stands_ns;
}

int engine_snapshot(struct engine *engine, int64_t timeout_ns, const struct engine_stop *stop) {
    struct snapshot_stats before;
    snapshot_stats(engine->snapshot, &before);
    snapshot_request(engine->snapshot);
    for (int64_t waited_ns = 0; waited_ns < timeout_ns; waited_ns += SNAPSHOT_POLL_MS * NS_PER_MS) {
        struct snapshot_stats now;
        snapshot_stats(engine->snapshot, &now);
        if (now.taken != before.taken) {
            return 0;
        }
        if (now.failed != before.failed) {
            return now.last_error > 0 ? -now.last_error : -EIO;
        }
        if (stop != NULL && stop->is_asked(stop->context)) {
            return -ECANCELED;
        }
        (void)poll(NULL, 0, SNAPSHOT_POLL_MS);
    }
    return -ETIMEDOUT;
}
