/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "journal/journal.h"
#include "policy/state.h"

/* Snapshots of the state (DESIGN 2): whole groups copied by a worker between turns, a chunk at a
 * time, each chunk stamped with the journal sequence at that moment; written by a background thread
 * to `state.snapshot.tmp`, and renamed only once the journal is synced past the highest stamp.
 * Replay starts after the lowest stamp and skips what a chunk already holds.
 * Format: docs/internals/snapshot-format.md. */

enum { SNAPSHOT_CHUNK_BYTES = 128 * 1024 }; /* Copied under the state lock: some 10 us. */

struct snapshot_options {
    const char *folder;                  /* e.g. /var/lib/seczim; holds state.snapshot */
    int64_t interval_ns;                 /* due by time: 15 min; tests use 1 s */
    uint64_t records_max;                /* due after so many records: 1,000,000 */
    uint64_t journal_bytes_max;          /* due when the journal since the last one is larger */
    const struct file_operations *files; /* NULL: the real ones; tests let them fail */
};

struct snapshot_stats {
    uint64_t taken;
    uint64_t failed;
    uint64_t lowest_stamp; /* of the last complete one: segments up to it are not needed by it */
    int64_t last_wall_ns;  /* when the last one was renamed into place; 0 never */
    uint64_t last_bytes;
    int64_t last_duration_ns;
    int last_error;
};

struct snapshot;

/* Starts the background thread. `state`, `journal` are borrowed and must outlive it. */
MUST_USE int snapshot_new(const struct snapshot_options *options, struct state *state,
                          struct journal *journal, uint64_t lowest_stamp,
                          struct snapshot **ret_snapshot);
/* Finishes or abandons what is under way and stops the thread. */
void snapshot_free(struct snapshot *snapshot);

/* Worker, between turns, without the lock: cheap (one relaxed load). True when a chunk is to be
 * copied now. */
bool snapshot_wants_chunk(const struct snapshot *snapshot);
/* Worker, under the state lock: copies one chunk. */
void snapshot_copy_chunk(struct snapshot *snapshot);
/* True while a snapshot is being taken: an idle loop keeps calling the two functions above. */
bool snapshot_running(const struct snapshot *snapshot);

/* Any thread: asks for one now, whatever is due. */
void snapshot_request(struct snapshot *snapshot);
void snapshot_stats(const struct snapshot *snapshot, struct snapshot_stats *ret_stats);

/* --- loading, at start ----------------------------------------------------------------------- */

/* What a loaded snapshot covers: `wanted` for record_apply_effects(). Owned by the caller, freed
 * with snapshot_coverage_free(). */
struct snapshot_coverage;

/* Loads `folder`/state.snapshot into the tables of `state` (zeroed, initialised). A table whose
 * capacity or entry size has changed is filled entry by entry. 0 with *ret_coverage NULL when there
 * is no snapshot. A damaged chunk is counted in *ret_damaged and left empty, and replay then starts
 * at the very beginning of what the journal still has. -EKEYREJECTED when it was written under
 * another hash key; -EPROTONOSUPPORT for a newer format; -EBADMSG when nothing of it can be read.
 */
MUST_USE int snapshot_load(const char *folder, struct state *state,
                           struct snapshot_coverage **ret_coverage, uint64_t *ret_damaged,
                           struct text *problem);
/* 0 for NULL: replay everything there is. */
uint64_t snapshot_coverage_lowest(const struct snapshot_coverage *coverage);
/* The filter to pass to record_apply_effects(); valid as long as the coverage. */
struct record_filter snapshot_coverage_filter(struct snapshot_coverage *coverage);
void snapshot_coverage_free(struct snapshot_coverage *coverage);
/* Writes a complete ("sharp") snapshot of `state` at `sequence` into `folder`, for backup; the
 * caller makes sure that nothing changes meanwhile or that `state` is a copy. */
MUST_USE int snapshot_save_sharp(const char *folder, const struct state *state, uint64_t sequence);
