/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>

#include "base/check.h"
#include "journal/file_operations.h"
#include "policy/decision_record.h"

/* The append-only journal (DESIGN 2).
 *
 *   workers ──reserve/commit──► ring (tmpfs, mmap) ──journal thread──► segment files ──► readers
 *            under the state lock                     write, fdatasync
 *
 * A committed record survives `kill -9` at any moment: the ring is a file in tmpfs. The journal
 * thread moves it to segments and syncs each second (relaxed) or at once (strict). Power loss loses
 * what was not synced. Formats: docs/internals/journal-format.md.
 *
 * Sequence numbers: run in the upper 24 bits, counter in the lower 40. Every start but a planned
 * hand-over takes a new run, synced to the file `run` before the first record: no number is ever
 * used twice. */

enum journal_durability { JOURNAL_RELAXED = 0, JOURNAL_STRICT };

enum { JOURNAL_RUN_SHIFT = 40, JOURNAL_RECORD_HEADER = 32 };

struct journal_options {
    const char *folder;     /* e.g. /var/lib/seczim/journal; created 0700 when missing */
    const char *ring_path;  /* e.g. /run/seczim/ring; its folder must exist */
    uint64_t ring_bytes;    /* 1 MiB to 1 GiB, rounded up to pages */
    uint64_t segment_bytes; /* 64 KiB to 1 GiB */
    enum journal_durability durability;
    int64_t sync_interval_ns;            /* relaxed: 1 s */
    const struct file_operations *files; /* NULL: the real ones; tests let them fail */
};

/* A record as readers see it. `body` is valid until the next call on the reader. */
struct journal_record {
    enum record_type type;
    unsigned version;
    uint64_t sequence;
    int64_t time_ns; /* decision time */
    const unsigned char *body;
    size_t length;
};

/* Counters, readable from any thread. */
struct journal_stats {
    uint64_t next_sequence;
    uint64_t moved_sequence;  /* last record written to a segment */
    uint64_t synced_sequence; /* last record known to be on disk */
    uint64_t ring_used_bytes;
    uint64_t ring_bytes;
    uint64_t segments;
    uint64_t segment_bytes_total;
    uint64_t records_skipped; /* committed nowhere because the ring was full */
    uint64_t damaged_records; /* found by recovery */
    uint64_t write_errors;
    uint64_t gaps;
    int last_error; /* errno of the last failed write or sync, 0 when the last succeeded */
};

struct journal;

/* Opens for writing: takes the lock (`folder`/lock, flock; -EWOULDBLOCK when another process has
 * it), drains what a killed predecessor left in the ring into a synced segment, takes a new run.
 * No thread is started yet, so that the caller can first rebuild its state with a reader. Give that
 * reader the ring's path too: when the disk is full the ring could not be drained, keeps what it
 * has, and the thread goes on trying. On failure a sentence stands in `problem`. */
MUST_USE int journal_open(const struct journal_options *options, struct journal **ret_journal,
                          struct text *problem);
/* Starts the journal thread. `time_ns` and `wall_ns` go into the RUN record. */
MUST_USE int journal_start(struct journal *journal, int64_t time_ns, int64_t wall_ns);
/* Moves and syncs all, stops the thread, releases the lock, frees. */
void journal_close(struct journal *journal);

/* --- the answering path: caller holds the state lock; no system call, no allocation ----------- */

/* Room for a body of up to DECISION_RECORD_MAX bytes in the ring, or NULL when the ring is full:
 * then the caller decides all the same and calls journal_skip(). */
unsigned char *journal_reserve(struct journal *journal);
/* The sequence that the next commit will give. */
uint64_t journal_next_sequence(const struct journal *journal);
/* Publishes the reserved record: after this it survives a kill. */
void journal_commit(struct journal *journal, enum record_type type, unsigned version,
                    int64_t time_ns, size_t body_length);
/* An event that could not be journaled: takes its sequence number, counts it; a GAP record and a
 * request for a snapshot follow when there is space again. */
void journal_skip(struct journal *journal);
/* Journals the GAP record when events were skipped and there is room again; true when nothing is
 * left to tell. The next journal_reserve() does it too: call this now and then, so that after the
 * last event of a full ring positions reach it and a snapshot follows, though no other comes. */
bool journal_tell_gap(struct journal *journal);

/* --- any thread ------------------------------------------------------------------------------- */

/* After each turn, outside the lock: `if (journal_wants_wake(j)) journal_wake(j);`. True in strict
 * when there is something to move, in relaxed when a quarter of the ring is in use. Two loads. */
bool journal_wants_wake(const struct journal *journal);
/* Wakes the journal thread: one system call, none when it was woken already. */
void journal_wake(struct journal *journal);
/* Last sequence that is synced. Strict answers wait until it reaches theirs. */
uint64_t journal_synced(const struct journal *journal);
/* Readable (eventfd) whenever the synced position moved; for event loops. Owned by the journal. One
 * descriptor per caller index (worker number, below 64). */
int journal_synced_fd(struct journal *journal, unsigned index);
/* Blocks until everything committed before the call is synced, or -errno / -ETIMEDOUT. */
MUST_USE int journal_sync(struct journal *journal, int64_t timeout_ns);
void journal_stats(const struct journal *journal, struct journal_stats *ret_stats);
/* Bytes committed so far: only grows while the journal is open; for differences. */
uint64_t journal_committed_bytes(const struct journal *journal);
void journal_set_durability(struct journal *journal, enum journal_durability durability);
/* True once after a gap: the owner should take a snapshot now. */
bool journal_wants_snapshot(struct journal *journal);
/* Deletes whole segments whose last record is <= `sequence` (the smaller of the snapshot's lowest
 * stamp and every sink's position). Called by the recorder or snapshot thread. */
void journal_release(struct journal *journal, uint64_t sequence);
/* Highest record time that recovery saw; 0 for an empty journal. */
int64_t journal_last_time_ns(const struct journal *journal);

/* --- reading ---------------------------------------------------------------------------------- */

/* Reads records in order of sequence with sequence > `after`, out of the segments and, with
 * `ring_path`, what the ring has beyond them (a process that follows before a hand-over).
 * Damaged records are skipped and counted, all others are found; foreign files are ignored. May run
 * beside a live writer in the same or another process. */
struct journal_reader;
MUST_USE int journal_reader_open(const char *folder, const char *ring_path, uint64_t after,
                                 struct journal_reader **ret_reader, struct text *problem);
/* 1: *ret_record is the next; 0: none now (call again later); negative errno. Records above `limit`
 * (pass journal_synced() for a sink, UINT64_MAX for all) are not returned yet. */
MUST_USE int journal_reader_next(struct journal_reader *reader, uint64_t limit,
                                 struct journal_record *ret_record);
uint64_t journal_reader_damaged(const struct journal_reader *reader);
void journal_reader_close(struct journal_reader *reader);

/* --- hand-over (restart in place) --------------------------------------------------------------
 */

/* Old process: stops the thread after moving and syncing all, keeps the lock descriptor open and
 * returns it for SCM_RIGHTS; nothing may be committed afterwards. */
MUST_USE int journal_yield(struct journal *journal, int *ret_lock_fd);
/* New process: as journal_open with the passed lock descriptor (owned by the journal from now on),
 * but the run and the sequence continue. */
MUST_USE int journal_take_over(const struct journal_options *options, int lock_fd,
                               struct journal **ret_journal, struct text *problem);
/* Old process, when the new one failed before it took over: goes on as before. */
MUST_USE int journal_resume(struct journal *journal);
