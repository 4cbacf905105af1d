/* SPDX-License-Identifier: Apache-2.0 */
/* The journal thread: when to move, when to sync, when to try again. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "journal/journal_core.h"

enum { POLL_MS = 10, FLUSH_ATTEMPTS = 3 };

static void retry_later(struct journal *journal, int64_t now_ns) {
    const int64_t doubled = 2 * journal->retry_delay_ns;
    journal->retry_delay_ns = doubled < JOURNAL_RETRY_MIN_NS   ? JOURNAL_RETRY_MIN_NS
                              : doubled > JOURNAL_RETRY_MAX_NS ? JOURNAL_RETRY_MAX_NS
                                                               : doubled;
    journal->retry_at_ns = now_ns + journal->retry_delay_ns;
}

static bool sync_due(struct journal *journal, int64_t now_ns) {
    const uint64_t moved = ring_moved(&journal->ring);
    const uint64_t synced = ring_synced(&journal->ring);
    return moved != synced && (atomic_load(&journal->durability) == JOURNAL_STRICT ||
                               atomic_load(&journal->sync_target) > synced ||
                               moved - synced > journal->ring.size / 4 ||
                               now_ns - journal->synced_at_ns >= journal->options.sync_interval_ns);
}

static void say_when_skipping(struct journal *journal, uint64_t *told) {
    const uint64_t skipped = counter_read(&journal->records_skipped);
    uint64_t suppressed = 0;
    if (skipped != *told && log_throttle_pass(&journal->full_throttle, &suppressed)) {
        log_write(LOG_ERROR, "Journal",
                  "the ring is full: %" PRIu64 " decisions were made without a record so far; they "
                  "cannot be looked up and may be forgotten by a restart before the next snapshot",
                  skipped);
        *told = skipped;
    }
}

/* The current segment goes on being written meanwhile. */
static void prepare_next(struct journal *journal) {
    uint64_t suppressed = 0;
    if (journal->writer.fd < 0 || journal->time_ns < journal->prepare_at_ns) {
        return;
    }
    const int result =
        segment_prepare_step(&journal->writer, atomic_load(&journal->durability) == JOURNAL_STRICT);
    if (result == 0) {
        return;
    }
    journal->prepare_at_ns = journal->time_ns + JOURNAL_RETRY_MAX_NS;
    if (log_throttle_pass(&journal->space_throttle, &suppressed)) {
        log_write(LOG_WARN, "Journal",
                  "cannot prepare the next segment: %s; the current one has room for %" PRIu64
                  " more bytes",
                  strerror(-result), segment_room(&journal->writer));
    }
}

static void pass(struct journal *journal) {
    if (journal->time_ns < journal->retry_at_ns) {
        return;
    }
    bool good = journal_move(journal, journal->time_ns);
    if (good && sync_due(journal, journal->time_ns)) {
        good = journal_sync_now(journal, journal->time_ns);
    }
    if (!good) {
        retry_later(journal, journal->time_ns);
        return;
    }
    journal->retry_delay_ns = 0;
    prepare_next(journal);
}

/* The thread's own time goes with the boot clock, and on by the length of each wait that was waited
 * to its end even where the clock stands still (a test's clock): syncs and retries never stop. */
static void advance(struct journal *journal, bool waited) {
    const int64_t boot_ns = clock_boot_ns();
    const int64_t passed_ns = boot_ns - journal->last_boot_ns;
    const int64_t least_ns = waited ? POLL_MS * NS_PER_MS : 0;
    journal->time_ns += passed_ns > least_ns ? passed_ns : least_ns;
    journal->last_boot_ns = boot_ns;
}

static void wait_for_work(struct journal *journal) {
    struct pollfd wake = {.fd = journal->wake_fd, .events = POLLIN};
    uint64_t count;
    const int woken = poll(&wake, 1, POLL_MS);
    if (read(journal->wake_fd, &count, sizeof count) > 0) {
        /* Before looking at the ring: who commits after this wakes us again. */
        atomic_store(&journal->wake_pending, false);
    }
    advance(journal, woken == 0);
}

static void *run(void *argument) {
    struct journal *journal = argument;
    (void)pthread_setname_np(pthread_self(), "journal");
    uint64_t told = counter_read(&journal->records_skipped);
    ring_populate(&journal->ring);
    while (!atomic_load(&journal->stopping)) {
        wait_for_work(journal);
        pass(journal);
        say_when_skipping(journal, &told);
    }
    return NULL;
}

int journal_thread_start(struct journal *journal) {
    atomic_store(&journal->stopping, false);
    journal->last_boot_ns = clock_boot_ns();
    journal->retry_at_ns = journal->time_ns;
    const int error = pthread_create(&journal->thread, NULL, run, journal);
    journal->thread_runs = error == 0;
    return -error;
}

void journal_thread_stop(struct journal *journal) {
    if (!journal->thread_runs) {
        return;
    }
    atomic_store(&journal->stopping, true);
    journal_wake(journal);
    (void)pthread_join(journal->thread, NULL);
    journal->thread_runs = false;
}

int journal_flush(struct journal *journal) {
    for (int i = 0; i < FLUSH_ATTEMPTS; i++) {
        if (journal_move(journal, journal->time_ns) &&
            journal_sync_now(journal, journal->time_ns) && journal_end_skipping(journal) &&
            ring_synced(&journal->ring) == ring_head(&journal->ring)) {
            return 0;
        }
    }
    const int error = atomic_load(&journal->last_error);
    return error != 0 ? -error : -EAGAIN;
}
