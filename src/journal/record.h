/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "journal/journal.h"

/* One record as it stands in segments and in the ring (docs/internals/journal-format.md):
 *
 *   0 crc32c  4 length  8 sequence  16 time_ns  24 type u16  26 version u16  28 magic  32 body ...
 *
 * padded with zeroes to a multiple of 8. The checksum covers bytes 4 to the end of the body and is
 * seeded with the segment's random salt: bytes that a stranger sent us as part of a body can never
 * look like a record of this segment. In the ring the checksum is not set. Pure. */

enum { RECORD_ALIGN = 8, RECORD_BODY_MAX = DECISION_RECORD_MAX };
enum { RECORD_BYTES_MAX = JOURNAL_RECORD_HEADER + RECORD_BODY_MAX };
#define RECORD_MAGIC UINT32_C(0x31525a53) /* "SZR1" */

enum record_check {
    RECORD_WHOLE = 0,
    RECORD_SHORT,   /* The bytes end before the record does. */
    RECORD_DAMAGED, /* Not a record, or its checksum is wrong. */
};

/* Bytes of a record in the file, padding included. */
static inline size_t record_bytes(size_t body_length) {
    return (JOURNAL_RECORD_HEADER + body_length + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
}

/* Writes the header without its checksum and zeroes the padding. The body stands at
 * out + JOURNAL_RECORD_HEADER already (or is put there before record_seal). */
void record_header_format(unsigned char *out, enum record_type type, unsigned version,
                          uint64_t sequence, int64_t time_ns, size_t body_length);
/* Sets the checksum of a complete record. */
void record_seal(unsigned char *record, uint32_t salt);
/* Reads the header alone; false when it cannot be one. */
bool record_header_parse(const unsigned char *bytes, struct journal_record *ret_record);
/* Reads and checks the record at `bytes`. The body of *ret_record points into `bytes`. */
enum record_check record_parse(const unsigned char *bytes, size_t length, uint32_t salt,
                               struct journal_record *ret_record);

/* RECORD_GAP: why the records after it do not continue those before it. */
enum gap_cause {
    GAP_RING_FULL = 1, /* Events that could not be journaled; `missed` tells how many. */
    GAP_WRITE_FAILED =
        2, /* A segment was given up; nothing is missed unless it was lost with it. */
    GAP_SYNC_FAILED = 3,
};
enum { GAP_BODY_BYTES = 12, GAP_RECORD_VERSION = 1, RUN_BODY_BYTES = 8, RUN_RECORD_VERSION = 1 };
void gap_body_format(unsigned char out[GAP_BODY_BYTES], uint64_t missed, enum gap_cause cause);
