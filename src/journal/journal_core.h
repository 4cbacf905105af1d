/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>

#include "base/counter.h"
#include "base/log.h"
#include "journal/ring.h"
#include "journal/segment.h"

/* What the files journal*.c share. Not for other folders.
 *
 * Who touches what: "producer" fields under the caller's state lock; "thread" fields by the journal
 * thread (or by whoever opens or closes, while there is no thread); the rest as said. */

enum { JOURNAL_WORKERS_MAX = 64, JOURNAL_BATCH_BYTES = 1 << 17 };

/* A retry after a failed write or sync: first after 10 ms, doubling. */
#define JOURNAL_RETRY_MIN_NS INT64_C(10000000)
#define JOURNAL_RETRY_MAX_NS INT64_C(1000000000)

struct journal {
    const struct file_operations *files;
    struct journal_options options; /* strings owned */
    int folder_fd;
    int lock_fd;
    struct ring ring;

    /* Producer. */
    _Atomic uint64_t next_sequence; /* written by the producer, read by any */
    uint64_t skipped;               /* events since the last GAP record */
    int64_t last_time_ns;           /* of the last commit */
    int64_t recovered_time_ns;      /* highest that recovery saw */

    /* Any thread. */
    _Atomic int durability;
    _Atomic bool wake_pending;
    _Atomic bool wants_snapshot;
    _Atomic bool stopping;
    int wake_fd;
    _Atomic int synced_fds[JOURNAL_WORKERS_MAX]; /* -1: nobody asked */
    _Atomic uint64_t moved_sequence;
    _Atomic uint64_t synced_sequence;
    _Atomic uint64_t sync_target; /* ring position that somebody waits for */
    _Atomic int last_error;
    struct counter records_skipped;
    struct counter damaged_records;
    struct counter write_errors;
    struct counter gaps;
    pthread_mutex_t segments_lock;
    struct segment_list segments; /* under segments_lock; the last is being written */

    /* Thread. */
    pthread_t thread;
    bool thread_runs;
    bool unsettled; /* the last old segment could not be synced at the start */
    bool continues; /* taken over: no RUN record */
    bool yielded;   /* the ring, the lock and the folder are another process's now */
    struct segment_writer writer;
    unsigned char *batch;       /* JOURNAL_BATCH_BYTES */
    uint64_t synced_offset;     /* of the current segment: what is known to be on disk */
    enum gap_cause segment_gap; /* not 0: the next segment begins with a GAP record */
    int64_t time_ns;            /* the thread's own time: see advance() */
    int64_t last_boot_ns;
    int64_t retry_at_ns;
    int64_t retry_delay_ns;
    int64_t prepare_at_ns; /* the next segment could not be prepared: again from here */
    int64_t synced_at_ns;
    struct log_throttle write_throttle;
    struct log_throttle sync_throttle;
    struct log_throttle space_throttle;
    struct log_throttle full_throttle;
};

/* journal_thread.c */
MUST_USE int journal_thread_start(struct journal *journal);
void journal_thread_stop(struct journal *journal);
/* Moves and syncs everything, without a thread. 0, or -errno after a few failures. */
MUST_USE int journal_flush(struct journal *journal);

/* journal_move.c: one pass of the thread. */
/* Ends the current segment because of `error`; what is not synced will be written again. */
void journal_segment_failed(struct journal *journal, enum gap_cause cause, int error);
/* Makes sure that there is a segment to write to. */
MUST_USE int journal_segment_ensure(struct journal *journal);
/* Everything in the ring goes into segments. False after a failure (counted, retry set). */
bool journal_move(struct journal *journal, int64_t now_ns);
bool journal_sync_now(struct journal *journal, int64_t now_ns);

/* journal.c: puts the GAP record for skipped events into the ring, when there is room. */
bool journal_end_skipping(struct journal *journal);

/* journal_open.c */
/* Checked options and the open folder; nothing in it is touched yet. */
MUST_USE int journal_new(const struct journal_options *options, struct journal **ret_journal,
                         struct text *problem);
void journal_free(struct journal *journal);
/* There is a segment of our own from the start, so that readers know the older ones as closed. A
 * full disk is no reason not to start: the thread goes on trying. */
void journal_begin(struct journal *journal);

/* journal_open_ring.c */
__attribute__((format(printf, 2, 3))) void journal_explain(struct text *problem, const char *format,
                                                           ...);
/* Opens the ring; one that is missing, broken or foreign is made anew unless it `must_exist`. */
MUST_USE int journal_ring_open(struct journal *journal, bool must_exist, struct text *problem);
/* The setting changed: an empty ring of the new size takes the place of the old one. */
MUST_USE int journal_ring_resize(struct journal *journal, struct text *problem);

/* journal_recover.c */
/* Looks at what is there: highest sequence and time, segments trimmed, last ones synced. */
MUST_USE int journal_recover_segments(struct journal *journal, uint64_t *ret_highest,
                                      struct text *problem);
/* Writes what the ring still holds into a segment and syncs it. What cannot be written stays. */
void journal_recover_ring(struct journal *journal, uint64_t *ret_highest);
