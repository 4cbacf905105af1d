/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "journal/segment.h"

/* Reads the records of one segment, in order, whatever happened to the file. A damaged record is
 * skipped by looking for the next whole one at a multiple of 8 bytes. May run beside the writer:
 * it returns a record only when its checksum is right. */
struct segment_reader {
    int fd; /* -1: not open */
    struct segment_header header;
    uint64_t offset;       /* in the file, of the next record */
    uint64_t last;         /* sequence of the last record returned; header.first - 1 before */
    uint64_t damaged;      /* records skipped; at least one per damaged stretch */
    uint64_t content_end;  /* end of the last whole record or other byte that is not 0 */
    unsigned char *buffer; /* SEGMENT_READ_BYTES */
    uint64_t buffer_offset;
    size_t buffer_length;
};

enum { SEGMENT_READ_BYTES = 1 << 20, SEGMENT_POLL_BYTES = 64 << 10 };

/* *reader is zeroed, or was closed. -EBADMSG when the header is damaged (both copies),
 * -EPROTONOSUPPORT for a newer format, -ENOENT. */
MUST_USE int segment_reader_open(struct segment_reader *reader, int folder_fd,
                                 struct segment_name name);
/* 1: the next record, valid until the next call. 0: no more; unless `closed` (no writer can add to
 * the segment any more), it may be called again later. -errno. */
MUST_USE int segment_reader_next(struct segment_reader *reader, bool closed,
                                 struct journal_record *ret_record);
void segment_reader_close(struct segment_reader *reader);
/* Frees the buffer too. */
void segment_reader_done(struct segment_reader *reader);
