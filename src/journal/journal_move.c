/* SPDX-License-Identifier: Apache-2.0 */
/* What the journal thread does in one pass: ring to segment, segment to disk. */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "journal/journal_core.h"

static void log_failure(struct log_throttle *throttle, const char *what, int error) {
    uint64_t suppressed = 0;
    if (!log_throttle_pass(throttle, &suppressed)) {
        return;
    }
    log_write(LOG_ERROR, "Journal",
              "%s: %s; answers go on, records wait in the ring, trying again (%" PRIu64
              " more since the last message)",
              what, strerror(error), suppressed);
}

static void note_failure(struct journal *journal, int error) {
    counter_add(&journal->write_errors, 1);
    atomic_store(&journal->last_error, error);
}

/* Nothing of the segment given up is on disk. A disk that fails for hours would leave one for each
 * try. */
static void remove_last(struct journal *journal) {
    const struct file_operations *files = journal->files;
    struct segment_list *list = &journal->segments;
    char name[SEGMENT_NAME_BYTES];
    segment_name_format(journal->writer.name, name);
    (void)pthread_mutex_lock(&journal->segments_lock);
    if (list->count > 0 &&
        segment_name_compare(list->names[list->count - 1], journal->writer.name) == 0 &&
        files->unlink(files->context, journal->folder_fd, name) == 0) {
        list->count--;
    }
    (void)pthread_mutex_unlock(&journal->segments_lock);
}

void journal_segment_failed(struct journal *journal, enum gap_cause cause, int error) {
    note_failure(journal, error);
    if (cause == GAP_SYNC_FAILED) {
        log_failure(&journal->sync_throttle, "cannot sync a segment", error);
    } else {
        log_failure(&journal->write_throttle, "cannot write to a segment", error);
    }
    /* What is not known to be on disk is still in the ring and goes into the next segment. Said
     * before it is cut off, or a kill in between would lose it. */
    ring_set_moved(&journal->ring, ring_synced(&journal->ring));
    atomic_store(&journal->moved_sequence, atomic_load(&journal->synced_sequence));
    const bool unused = journal->synced_offset == SEGMENT_HEADER_BYTES;
    segment_give_up(&journal->writer, journal->synced_offset);
    if (unused) {
        remove_last(journal);
    }
    journal->segment_gap = cause;
    counter_add(&journal->gaps, 1);
    atomic_store(&journal->wants_snapshot, true);
}

/* A name for a segment that begins with `first`: a serial that no other has, nor the one before,
 * which may be removed: readers know by its name that they have passed it. */
static struct segment_name next_name(struct journal *journal, uint64_t first) {
    const struct segment_name *before = &journal->writer.name;
    struct segment_name name = {.first = first,
                                .serial = before->first == first ? before->serial + 1 : 0};
    (void)pthread_mutex_lock(&journal->segments_lock);
    for (size_t i = 0; i < journal->segments.count; i++) {
        const struct segment_name *old = &journal->segments.names[i];
        if (old->first == first && old->serial >= name.serial) {
            name.serial = old->serial + 1;
        }
    }
    (void)pthread_mutex_unlock(&journal->segments_lock);
    return name;
}

static int register_segment(struct journal *journal, struct segment_name name) {
    (void)pthread_mutex_lock(&journal->segments_lock);
    const int result = segment_list_add(&journal->segments, name);
    (void)pthread_mutex_unlock(&journal->segments_lock);
    return result;
}

static int write_segment_gap(struct journal *journal, uint64_t after) {
    unsigned char record[JOURNAL_RECORD_HEADER + 16];
    /* The number of the last record before it: who has that record misses nothing. */
    record_header_format(record, RECORD_GAP, GAP_RECORD_VERSION, after, journal->recovered_time_ns,
                         GAP_BODY_BYTES);
    gap_body_format(record + JOURNAL_RECORD_HEADER, 0, journal->segment_gap);
    record_seal(record, journal->writer.salt);
    return segment_append(&journal->writer, record, record_bytes(GAP_BODY_BYTES));
}

/* The first number that the next segment will hold: that of the first record to be moved, or of
 * the next one to come. */
static uint64_t first_to_move(struct journal *journal) {
    struct journal_record record;
    uint64_t at = ring_moved(&journal->ring);
    /* The number first: a record committed in between is then found in the ring. */
    const uint64_t next = journal_next_sequence(journal);
    if (ring_next(&journal->ring, &at, ring_head(&journal->ring), &record) != 1) {
        return next;
    }
    return record.sequence;
}

int journal_segment_ensure(struct journal *journal) {
    if (journal->writer.fd >= 0) {
        return 0;
    }
    const uint64_t first = first_to_move(journal);
    const struct segment_name name = next_name(journal, first);
    if (name.serial > UINT16_MAX) {
        return -EOVERFLOW;
    }
    int result = segment_begin(&journal->writer, name);
    if (result != 0) {
        return result;
    }
    result = register_segment(journal, name);
    journal->synced_offset = SEGMENT_HEADER_BYTES;
    if (result == 0 && journal->segment_gap != 0) {
        result = write_segment_gap(journal, first - 1);
    }
    if (result != 0) {
        segment_give_up(&journal->writer, SEGMENT_HEADER_BYTES);
        return result;
    }
    journal->segment_gap = 0;
    return 0;
}

static void publish_synced(struct journal *journal) {
    const uint64_t sequence = atomic_load(&journal->moved_sequence);
    journal->synced_offset = journal->writer.offset;
    atomic_store(&journal->last_error, 0);
    atomic_store(&journal->synced_sequence, sequence);
    ring_set_synced(&journal->ring, ring_moved(&journal->ring));
    if (atomic_load(&journal->durability) != JOURNAL_STRICT) {
        return;
    }
    for (size_t i = 0; i < JOURNAL_WORKERS_MAX; i++) {
        const int fd = atomic_load(&journal->synced_fds[i]);
        const uint64_t one = 1;
        if (fd >= 0) {
            (void)!write(fd, &one, sizeof one);
        }
    }
}

bool journal_sync_now(struct journal *journal, int64_t now_ns) {
    if (ring_moved(&journal->ring) == ring_synced(&journal->ring)) {
        journal->synced_at_ns = now_ns;
        return true;
    }
    const int result = segment_sync(&journal->writer);
    if (result != 0) {
        journal_segment_failed(journal, GAP_SYNC_FAILED, -result);
        return false;
    }
    failpoint("journal.synced");
    journal->synced_at_ns = now_ns;
    publish_synced(journal);
    return true;
}

/* Copies records from *at into the batch, sealed for this segment, as many as fit. */
static int fill_batch(struct journal *journal, uint64_t *at, uint64_t head, size_t *ret_length,
                      uint64_t *ret_last) {
    const uint64_t room = segment_room(&journal->writer);
    const size_t limit = room < JOURNAL_BATCH_BYTES ? (size_t)room : JOURNAL_BATCH_BYTES;
    size_t length = 0;
    for (;;) {
        struct journal_record record;
        uint64_t next = *at;
        const int found = ring_next(&journal->ring, &next, head, &record);
        if (found == 0) {
            *at = next;
        }
        const size_t bytes = found == 1 ? record_bytes(record.length) : 0;
        if (found != 1 || length + bytes > limit) {
            *ret_length = length;
            return found == -EBADMSG ? found : 0;
        }
        memcpy(journal->batch + length, record.body - JOURNAL_RECORD_HEADER, bytes);
        record_seal(journal->batch + length, journal->writer.salt);
        length += bytes;
        *ret_last = record.sequence;
        *at = next;
    }
}

/* The segment is full: what it holds goes to disk before the next one begins. */
static bool change_segment(struct journal *journal, int64_t now_ns) {
    if (!journal_sync_now(journal, now_ns)) {
        return false;
    }
    segment_end(&journal->writer);
    return true;
}

static bool begin_segment(struct journal *journal) {
    const int result = journal_segment_ensure(journal);
    if (result != 0) {
        note_failure(journal, -result);
        log_failure(&journal->space_throttle, "cannot begin a segment", -result);
    }
    return result == 0;
}

bool journal_move(struct journal *journal, int64_t now_ns) {
    const uint64_t head = ring_head(&journal->ring);
    uint64_t at = ring_moved(&journal->ring);
    while (at < head) {
        size_t length = 0;
        uint64_t last = 0;
        if (!begin_segment(journal)) {
            return false;
        }
        const int filled = fill_batch(journal, &at, head, &length, &last);
        /* The producer writes nothing but records: this is memory gone wrong. */
        CHECK(filled == 0);
        if (length == 0 && at < head) {
            if (!change_segment(journal, now_ns)) {
                return false;
            }
            continue;
        }
        const int result =
            length == 0 ? 0 : segment_append(&journal->writer, journal->batch, length);
        if (result != 0) {
            journal_segment_failed(journal, GAP_WRITE_FAILED, -result);
            return false;
        }
        if (length > 0) {
            atomic_store(&journal->moved_sequence, last);
        }
        ring_set_moved(&journal->ring, at);
        /* A worker that woke meanwhile does not wait for the end of this thread's slice. */
        (void)sched_yield();
    }
    return true;
}
