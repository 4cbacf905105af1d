/* SPDX-License-Identifier: Apache-2.0 */
/* The side of the workers (no system call, no allocation) and of those who ask. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "journal/journal_core.h"

static uint64_t get(const _Atomic uint64_t *value) {
    return atomic_load_explicit(value, memory_order_acquire);
}

uint64_t journal_next_sequence(const struct journal *journal) {
    return atomic_load_explicit(&journal->next_sequence, memory_order_relaxed);
}

static void set_next_sequence(struct journal *journal, uint64_t sequence) {
    atomic_store_explicit(&journal->next_sequence, sequence, memory_order_relaxed);
}

bool journal_end_skipping(struct journal *journal) {
    if (journal->skipped == 0) {
        return true;
    }
    unsigned char *body = ring_reserve(&journal->ring, GAP_BODY_BYTES);
    if (body == NULL) {
        return false;
    }
    /* The number of the last event that was skipped: nobody else bears it. */
    gap_body_format(body, journal->skipped, GAP_RING_FULL);
    ring_commit(&journal->ring, RECORD_GAP, GAP_RECORD_VERSION, journal_next_sequence(journal) - 1,
                journal->last_time_ns, GAP_BODY_BYTES);
    journal->skipped = 0;
    counter_add(&journal->gaps, 1);
    atomic_store_explicit(&journal->wants_snapshot, true, memory_order_relaxed);
    return true;
}

bool journal_tell_gap(struct journal *journal) {
    /* Not before there is room for a record too: else each one would need a GAP of its own. */
    return journal->skipped == 0 || (ring_reserve(&journal->ring, 2 * RECORD_BODY_MAX) != NULL &&
                                     journal_end_skipping(journal));
}

unsigned char *journal_reserve(struct journal *journal) {
    return journal_tell_gap(journal) ? ring_reserve(&journal->ring, RECORD_BODY_MAX) : NULL;
}

void journal_commit(struct journal *journal, enum record_type type, unsigned version,
                    int64_t time_ns, size_t body_length) {
    const uint64_t sequence = journal_next_sequence(journal);
    ring_commit(&journal->ring, type, version, sequence, time_ns, body_length);
    set_next_sequence(journal, sequence + 1);
    journal->last_time_ns = time_ns;
}

void journal_skip(struct journal *journal) {
    set_next_sequence(journal, journal_next_sequence(journal) + 1);
    journal->skipped++;
    counter_add(&journal->records_skipped, 1);
}

bool journal_wants_wake(const struct journal *journal) {
    const uint64_t head = ring_head(&journal->ring);
    if (atomic_load_explicit(&journal->durability, memory_order_relaxed) == JOURNAL_STRICT) {
        return head != ring_moved(&journal->ring);
    }
    return head - ring_synced(&journal->ring) > journal->ring.size / 4;
}

void journal_wake(struct journal *journal) {
    const uint64_t one = 1;
    if (!atomic_exchange(&journal->wake_pending, true)) {
        (void)!write(journal->wake_fd, &one, sizeof one);
    }
}

uint64_t journal_synced(const struct journal *journal) {
    return get(&journal->synced_sequence);
}

int journal_synced_fd(struct journal *journal, unsigned index) {
    CHECK(index < JOURNAL_WORKERS_MAX);
    int fd = atomic_load(&journal->synced_fds[index]);
    if (fd < 0) {
        fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0) {
            return -errno;
        }
        atomic_store(&journal->synced_fds[index], fd);
    }
    return fd;
}

static void raise_target(struct journal *journal, uint64_t target) {
    uint64_t old = atomic_load(&journal->sync_target);
    while (old < target && !atomic_compare_exchange_weak(&journal->sync_target, &old, target)) {
    }
}

int journal_sync(struct journal *journal, int64_t timeout_ns) {
    const uint64_t target = ring_head(&journal->ring);
    int64_t polls_left = timeout_ns / NS_PER_MS;
    raise_target(journal, target);
    journal_wake(journal);
    while (ring_synced(&journal->ring) < target) {
        if (polls_left-- <= 0) {
            const int error = atomic_load(&journal->last_error);
            return error != 0 ? -error : -ETIMEDOUT;
        }
        (void)poll(NULL, 0, 1);
    }
    return 0;
}

void journal_stats(const struct journal *journal, struct journal_stats *ret_stats) {
    struct journal *j = (struct journal *)(uintptr_t)journal; /* for the mutex */
    (void)pthread_mutex_lock(&j->segments_lock);
    const uint64_t segments = journal->segments.count;
    (void)pthread_mutex_unlock(&j->segments_lock);
    *ret_stats = (struct journal_stats){
        .next_sequence = journal_next_sequence(journal),
        .moved_sequence = get(&journal->moved_sequence),
        .synced_sequence = get(&journal->synced_sequence),
        .ring_used_bytes = ring_head(&journal->ring) - ring_synced(&journal->ring),
        .ring_bytes = journal->ring.size,
        .segments = segments,
        .segment_bytes_total = segments * journal->options.segment_bytes,
        .records_skipped = counter_read(&journal->records_skipped),
        .damaged_records = counter_read(&journal->damaged_records),
        .write_errors = counter_read(&journal->write_errors),
        .gaps = counter_read(&journal->gaps),
        .last_error = atomic_load(&journal->last_error),
    };
}

uint64_t journal_committed_bytes(const struct journal *journal) {
    return ring_head(&journal->ring);
}

void journal_set_durability(struct journal *journal, enum journal_durability durability) {
    atomic_store(&journal->durability, (int)durability);
    journal_wake(journal);
}

bool journal_wants_snapshot(struct journal *journal) {
    return atomic_load_explicit(&journal->wants_snapshot, memory_order_relaxed) &&
           atomic_exchange(&journal->wants_snapshot, false);
}

int64_t journal_last_time_ns(const struct journal *journal) {
    return journal->recovered_time_ns;
}

void journal_release(struct journal *journal, uint64_t sequence) {
    const struct file_operations *files = journal->files;
    (void)pthread_mutex_lock(&journal->segments_lock);
    struct segment_list *list = &journal->segments;
    size_t gone = 0;
    /* A segment ends where the next one begins; the last one is never deleted. */
    while (gone + 1 < list->count && list->names[gone + 1].first <= sequence + 1) {
        char name[SEGMENT_NAME_BYTES];
        segment_name_format(list->names[gone], name);
        const int result = files->unlink(files->context, journal->folder_fd, name);
        if (result != 0 && result != -ENOENT) {
            break;
        }
        gone++;
    }
    list->count -= gone;
    memmove(list->names, list->names + gone, list->count * sizeof *list->names);
    (void)pthread_mutex_unlock(&journal->segments_lock);
}
