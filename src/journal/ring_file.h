/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include "journal/little_endian.h"
#include "journal/ring.h"

/* The first page of a ring file. The numbers that two processes share while they run are in the
 * machine's own order (a ring never leaves its machine), each on a cache line of its own. */
struct ring_file {
    char magic[8]; /* "SZRING1\n" */
    uint32_t version;
    uint32_t crc; /* CRC-32C of magic, version, size and identity */
    uint64_t size;
    unsigned char identity[RING_IDENTITY_BYTES];
    alignas(64) _Atomic uint64_t head;
    alignas(64) _Atomic uint64_t moved;
    alignas(64) _Atomic uint64_t synced;
    alignas(64) _Atomic uint64_t next_sequence;
};

_Static_assert(sizeof(struct ring_file) <= RING_HEADER_BYTES, "one page");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "shared between processes");
