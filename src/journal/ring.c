/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/ring.h"

#include "base/failpoint.h"
#include "journal/ring_file.h"

static uint64_t load(const _Atomic uint64_t *value) {
    return atomic_load_explicit(value, memory_order_acquire);
}

uint64_t ring_head(const struct ring *ring) {
    return load(&ring->file->head);
}

uint64_t ring_moved(const struct ring *ring) {
    return load(&ring->file->moved);
}

uint64_t ring_synced(const struct ring *ring) {
    return load(&ring->file->synced);
}

uint64_t ring_next_sequence(const struct ring *ring) {
    return load(&ring->file->next_sequence);
}

void ring_set_moved(struct ring *ring, uint64_t position) {
    atomic_store_explicit(&ring->file->moved, position, memory_order_release);
}

void ring_set_synced(struct ring *ring, uint64_t position) {
    atomic_store_explicit(&ring->file->synced, position, memory_order_release);
}

void ring_set_next_sequence(struct ring *ring, uint64_t sequence) {
    atomic_store_explicit(&ring->file->next_sequence, sequence, memory_order_release);
}

void ring_truncate(struct ring *ring, uint64_t position) {
    atomic_store_explicit(&ring->file->head, position, memory_order_release);
}

/* Bytes from `position` to the end of the data area, after which it begins anew. */
static uint64_t until_wrap(const struct ring *ring, uint64_t position) {
    return ring->size - position % ring->size;
}

unsigned char *ring_reserve(struct ring *ring, size_t body_max) {
    const uint64_t head = atomic_load_explicit(&ring->file->head, memory_order_relaxed);
    const size_t needed = record_bytes(body_max);
    const uint64_t rest = until_wrap(ring, head);
    const uint64_t at = rest < needed ? head + rest : head;
    if (at + needed - ring->free_from > ring->size) {
        ring->free_from = ring_synced(ring);
        if (at + needed - ring->free_from > ring->size) {
            return NULL;
        }
    }
    /* A header of zeroes says: go on at the beginning. It becomes visible with the record. */
    if (at != head && rest >= JOURNAL_RECORD_HEADER) {
        memset(ring->data + head % ring->size, 0, JOURNAL_RECORD_HEADER);
    }
    ring->reserved_at = at;
    return ring->data + at % ring->size + JOURNAL_RECORD_HEADER;
}

void ring_commit(struct ring *ring, enum record_type type, unsigned version, uint64_t sequence,
                 int64_t time_ns, size_t body_length) {
    unsigned char *record = ring->data + ring->reserved_at % ring->size;
    record_header_format(record, type, version, sequence, time_ns, body_length);
    failpoint("journal.ring-copy");
    atomic_store_explicit(&ring->file->head, ring->reserved_at + record_bytes(body_length),
                          memory_order_release);
    failpoint("journal.ring-publish");
}

int ring_next(const struct ring *ring, uint64_t *position, uint64_t until,
              struct journal_record *ret_record) {
    uint64_t at = *position;
    /* At most twice: the padding before the wrap, then a record. */
    for (int i = 0; i < 2; i++) {
        if (at == until) {
            *position = at;
            return 0;
        }
        const uint64_t rest = until_wrap(ring, at);
        const unsigned char *bytes = ring->data + at % ring->size;
        if (at > until || rest > ring->size || at % RECORD_ALIGN != 0) {
            return -EBADMSG;
        }
        if (rest < JOURNAL_RECORD_HEADER || get_u16(bytes + 24) == RECORD_NONE) {
            at += rest;
            continue;
        }
        if (!record_header_parse(bytes, ret_record) || record_bytes(ret_record->length) > rest ||
            record_bytes(ret_record->length) > until - at) {
            return -EBADMSG;
        }
        *position = at + record_bytes(ret_record->length);
        return 1;
    }
    return -EBADMSG;
}
