/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "journal/record.h"

/* The hot end of the journal: a file in tmpfs, mapped, used as a ring of records. Its positions
 * only grow; the place of a position in the data is position % size.
 *
 *        synced            moved              head
 *   ───────┼─────────────────┼──────────────────┼────────
 *    free  │ in a segment,   │ only here        │  free
 *          │ not yet on disk │                  │
 *
 * A record is copied behind `head`, then `head` is published: a kill in between loses nothing that
 * was published. Records stay until they are synced, so that they can be written again when a sync
 * fails. One producer (under the state lock), one consumer (the journal thread). */

enum { RING_HEADER_BYTES = 4096, RING_IDENTITY_BYTES = 16, RING_VERSION = 1 };
#define RING_BYTES_MIN (UINT64_C(1) << 20)
#define RING_BYTES_MAX (UINT64_C(1) << 30)

struct ring_file; /* The mapped header page. */

struct ring {
    struct ring_file *file; /* NULL: not open */
    unsigned char *data;
    uint64_t size;
    int fd;
    /* Producer only. */
    uint64_t reserved_at; /* position of the reserved record's header */
    uint64_t free_from;   /* `synced` when last looked at: saves the shared cache line */
};

/* How an existing ring file turned out. */
enum ring_finding {
    RING_ABSENT = 0,
    RING_USABLE,
    RING_FOREIGN, /* of another installation */
    RING_BROKEN,  /* not a ring, or its positions contradict each other */
};

/* Opens `path` for writing when it is a ring of `identity`; only then *ret_ring is open. -EAGAIN
 * when another process uses it, -EPROTONOSUPPORT for a newer format, or another errno. */
MUST_USE int ring_open(const char *path, const unsigned char identity[RING_IDENTITY_BYTES],
                       struct ring *ret_ring, enum ring_finding *ret_finding);
/* Maps a ring for reading beside its writer, whatever its identity. */
MUST_USE int ring_map(const char *path, struct ring *ret_ring);
/* Makes a new, empty ring of really allocated memory under `path` (replacing what is there). */
MUST_USE int ring_create(const char *path, const unsigned char identity[RING_IDENTITY_BYTES],
                         uint64_t size, struct ring *ret_ring);
void ring_close(struct ring *ring);
/* Maps every page of the ring, so that the answering thread finds them mapped. Takes some
 * milliseconds; beside the producer. Of kernels before 5.14 it asks too much: nothing happens. */
void ring_populate(const struct ring *ring);
/* Hand-over: lets go of, or takes, the file lock that guards against a second writer. */
void ring_unlock(struct ring *ring);
MUST_USE int ring_lock(struct ring *ring);
/* False when `path` is not on tmpfs: a slow disk could then delay answers. */
bool ring_on_tmpfs(const struct ring *ring);

/* Room for a record with a body of `body_max` bytes; returns the body's place or NULL. */
unsigned char *ring_reserve(struct ring *ring, size_t body_max);
void ring_commit(struct ring *ring, enum record_type type, unsigned version, uint64_t sequence,
                 int64_t time_ns, size_t body_length);

uint64_t ring_head(const struct ring *ring);
uint64_t ring_moved(const struct ring *ring);
uint64_t ring_synced(const struct ring *ring);
void ring_set_moved(struct ring *ring, uint64_t position);
void ring_set_synced(struct ring *ring, uint64_t position);
/* Takes `position` (between moved and head) for the new head: what is beyond it is lost. */
void ring_truncate(struct ring *ring, uint64_t position);
/* For the hand-over: the next sequence number, skipped ones included. */
uint64_t ring_next_sequence(const struct ring *ring);
void ring_set_next_sequence(struct ring *ring, uint64_t sequence);

/* The record at *position (below `until`), skipping the padding before the wrap; *position moves
 * past it. The body points into the ring. 1, 0 at `until`, -EBADMSG when there is no record. */
MUST_USE int ring_next(const struct ring *ring, uint64_t *position, uint64_t until,
                       struct journal_record *ret_record);
