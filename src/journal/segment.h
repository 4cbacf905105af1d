/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "journal/file_operations.h"
#include "journal/record.h"

/* Segment files: `FIRST-SERIAL.journal`, FIRST being the first sequence number it may hold (16 hex
 * digits), SERIAL (4 hex digits) telling apart segments with the same FIRST. In order of name, a
 * segment counts from its FIRST up to the next one's: what an earlier segment holds beyond that was
 * written again in the next. A header page (twice the same 64 bytes, at 0 and 2048), then records,
 * then zeroes. */

enum { SEGMENT_HEADER_BYTES = 4096, SEGMENT_SECOND_HEADER = 2048, SEGMENT_NAME_BYTES = 32 };
enum { SEGMENT_VERSION = 1, SEGMENTS_MAX = 65536 };
#define SEGMENT_BYTES_MIN (UINT64_C(64) << 10)
#define SEGMENT_BYTES_MAX (UINT64_C(1) << 30)

struct segment_name {
    uint64_t first;
    unsigned serial;
};

bool segment_name_parse(const char *text, struct segment_name *ret_name);
void segment_name_format(struct segment_name name, char out[SEGMENT_NAME_BYTES]);
/* Negative, 0 or positive, as strcmp on the names. */
int segment_name_compare(struct segment_name a, struct segment_name b);

struct segment_header {
    uint32_t salt;
    uint64_t first;
    uint64_t bytes; /* the size it was allocated with */
};
void segment_header_format(const struct segment_header *header,
                           unsigned char out[SEGMENT_HEADER_BYTES]);
/* From whichever of the two copies is whole. -EBADMSG: neither; -EPROTONOSUPPORT: newer format. */
MUST_USE int segment_header_parse(const unsigned char *bytes, size_t length,
                                  struct segment_header *ret_header);

/* The segments of a folder, ascending. */
struct segment_list {
    struct segment_name *names;
    size_t count;
    size_t size;
};
/* Replaces the content of *list. 0 or -errno. */
MUST_USE int segment_list_load(int folder_fd, struct segment_list *list);
/* Appends; names must come in order. 0 or -ENOMEM. */
MUST_USE int segment_list_add(struct segment_list *list, struct segment_name name);
void segment_list_done(struct segment_list *list);

/* --- writing ------------------------------------------------------------------------------------
 */

/* The segment being written and the one prepared to follow it (`next.tmp`). Owned by the journal
 * thread. After a failed write or sync the segment is given up with segment_give_up(). */
struct segment_writer {
    const struct file_operations *files;
    int folder_fd;
    uint64_t segment_bytes;
    int fd; /* -1: none is being written */
    struct segment_name name;
    uint32_t salt;
    uint64_t offset;
    bool folder_dirty; /* the name is not on disk yet */
    int next_fd;       /* -1: not begun */
    uint64_t next_zeroed;
};

void segment_writer_init(struct segment_writer *writer, const struct file_operations *files,
                         int folder_fd, uint64_t segment_bytes);
/* One step of preparing the next segment: allocates it, then, when it is to be `zeroed`, writes
 * zeroes, SEGMENT_STEP_BYTES at a time, and syncs them: a block written before is cheaper to sync,
 * which matters where an answer waits for the sync, and doubles what is written. What is allocated
 * reads as zeroes either way. 0 or -errno; then nothing is left. */
enum { SEGMENT_STEP_BYTES = 1 << 20 };
MUST_USE int segment_prepare_step(struct segment_writer *writer, bool zeroed);
/* Makes the prepared segment (or a new one) the current one under `name`. */
MUST_USE int segment_begin(struct segment_writer *writer, struct segment_name name);
uint64_t segment_room(const struct segment_writer *writer);
/* Sealed records, as many as there is room for. */
MUST_USE int segment_append(struct segment_writer *writer, const unsigned char *records,
                            size_t length);
/* Everything appended is on disk, the segment's name too. */
MUST_USE int segment_sync(struct segment_writer *writer);
/* Closes the current segment, synced, after its last record; it is never written again. Its memory
 * goes back to the system, for the next one: a reader that is further behind reads the disk. */
void segment_end(struct segment_writer *writer);
/* The same after a failure: cuts what is beyond `good_offset`, as far as the disk lets us. */
void segment_give_up(struct segment_writer *writer, uint64_t good_offset);
/* Removes what was prepared. */
void segment_drop_next(struct segment_writer *writer);
