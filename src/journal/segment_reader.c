/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/segment_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/little_endian.h"

enum { AT_MAGIC = 28 };

static ssize_t read_at(int fd, unsigned char *bytes, size_t length, uint64_t offset) {
    size_t got = 0;
    while (got < length) {
        const ssize_t part = pread(fd, bytes + got, length - got, (off_t)(offset + got));
        if (part < 0 && errno != EINTR) {
            return -errno;
        }
        if (part == 0) {
            break;
        }
        if (part > 0) {
            got += (size_t)part;
        }
    }
    return (ssize_t)got;
}

int segment_reader_open(struct segment_reader *reader, int folder_fd, struct segment_name name) {
    char text[SEGMENT_NAME_BYTES];
    unsigned char *buffer = reader->buffer;
    if (buffer == NULL && (buffer = malloc(SEGMENT_READ_BYTES)) == NULL) {
        return -ENOMEM;
    }
    *reader = (struct segment_reader){.fd = -1, .buffer = buffer};
    segment_name_format(name, text);
    const int fd = openat(folder_fd, text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    const ssize_t got = read_at(fd, buffer, SEGMENT_HEADER_BYTES, 0);
    const int result =
        got < 0 ? (int)got : segment_header_parse(buffer, (size_t)got, &reader->header);
    if (result != 0) {
        (void)close(fd);
        return result;
    }
    reader->fd = fd;
    reader->offset = SEGMENT_HEADER_BYTES;
    reader->content_end = SEGMENT_HEADER_BYTES;
    reader->last = reader->header.first - 1;
    return 0;
}

void segment_reader_close(struct segment_reader *reader) {
    if (reader->buffer != NULL && reader->fd >= 0) {
        (void)close(reader->fd);
        reader->fd = -1;
    }
}

void segment_reader_done(struct segment_reader *reader) {
    segment_reader_close(reader);
    free(reader->buffer);
    reader->buffer = NULL;
}

static void forget_buffer(struct segment_reader *reader) {
    reader->buffer_length = 0;
}

/* Makes `*ret_length` bytes at `offset` available, up to a whole record (less at the end of the
 * file), reading `want` at once. */
static int look(struct segment_reader *reader, uint64_t offset, size_t want,
                const unsigned char **ret_bytes, size_t *ret_length) {
    *ret_bytes = NULL;
    *ret_length = 0;
    const uint64_t end = reader->buffer_offset + reader->buffer_length;
    if (offset < reader->buffer_offset || offset + RECORD_BYTES_MAX > end) {
        const bool inside = offset >= reader->buffer_offset && offset < end;
        const size_t kept = inside ? (size_t)(end - offset) : 0;
        if (kept > 0) {
            memmove(reader->buffer, reader->buffer + (offset - reader->buffer_offset), kept);
        }
        reader->buffer_offset = offset;
        reader->buffer_length = kept;
        if (want > kept) {
            const ssize_t got =
                read_at(reader->fd, reader->buffer + kept, want - kept, offset + kept);
            if (got < 0) {
                return (int)got;
            }
            reader->buffer_length += (size_t)got;
        }
    }
    *ret_bytes = reader->buffer + (offset - reader->buffer_offset);
    *ret_length = reader->buffer_length - (size_t)(offset - reader->buffer_offset);
    return 0;
}

static bool all_zero(const unsigned char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* A whole record that may follow the last one. A GAP bears the number before the first. */
static bool record_here(const struct segment_reader *reader, const unsigned char *bytes,
                        size_t length, struct journal_record *ret_record) {
    struct journal_record record;
    if (record_parse(bytes, length, reader->header.salt, &record) != RECORD_WHOLE) {
        return false;
    }
    const bool in_order = record.sequence > reader->last ||
                          (record.type == RECORD_GAP && record.sequence == reader->last);
    if (in_order) {
        *ret_record = record;
    }
    return in_order;
}

/* The first whole record after the damaged bytes at reader->offset. 1 with *ret_offset, 0 with the
 * end of the file's bytes that are not zero in *ret_offset, or -errno. */
static int find_next(struct segment_reader *reader, uint64_t *ret_offset,
                     struct journal_record *ret_record) {
    uint64_t at = reader->offset;
    uint64_t content_end = at;
    for (;;) {
        const unsigned char *bytes;
        size_t length;
        const int result = look(reader, at, SEGMENT_READ_BYTES, &bytes, &length);
        if (result != 0) {
            return result;
        }
        if (length == 0) {
            *ret_offset = content_end;
            return 0;
        }
        /* What is left of the buffer, but for a last piece that may be the start of a record. */
        const size_t last = length > RECORD_BYTES_MAX ? length - RECORD_BYTES_MAX : length;
        for (size_t i = 0; i < last; i += RECORD_ALIGN) {
            const size_t rest = length - i;
            if (!all_zero(bytes + i, rest < RECORD_ALIGN ? rest : RECORD_ALIGN)) {
                content_end = at + i + RECORD_ALIGN;
            }
            if (rest >= JOURNAL_RECORD_HEADER && get_u32(bytes + i + AT_MAGIC) == RECORD_MAGIC &&
                at + i > reader->offset && record_here(reader, bytes + i, rest, ret_record)) {
                *ret_offset = at + i;
                return 1;
            }
        }
        at += (last + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
    }
}

/* How many records a damaged stretch held: those missing between its neighbours' numbers. */
static uint64_t count_missing(const struct segment_reader *reader, uint64_t found_offset,
                              const struct journal_record *found) {
    const uint64_t by_number = found->sequence - reader->last - 1;
    const uint64_t by_size = (found_offset - reader->offset) / JOURNAL_RECORD_HEADER;
    const uint64_t missing = by_number < by_size ? by_number : by_size;
    return missing > 0 ? missing : 1;
}

static void step_over(struct segment_reader *reader, uint64_t offset,
                      const struct journal_record *record) {
    reader->offset = offset + record_bytes(record->length);
    reader->content_end = reader->offset;
    reader->last = record->sequence;
}

static int skip_damage(struct segment_reader *reader, struct journal_record *ret_record) {
    uint64_t found = 0;
    const int result = find_next(reader, &found, ret_record);
    if (result == 1) {
        reader->damaged += count_missing(reader, found, ret_record);
        step_over(reader, found, ret_record);
        return 1;
    }
    if (result == 0 && found > reader->offset) {
        reader->damaged++;
        reader->content_end = found;
        /* Nothing but zeroes follows: the next call finds the end at once. */
        reader->offset = found;
    }
    return result;
}

/* The segment may still be written: what looks damaged may be a record that is being written.
 * When a later record is there and the bytes are still wrong, they are damaged for good. */
static int look_again(struct segment_reader *reader, struct journal_record *ret_record) {
    uint64_t found = 0;
    const unsigned char *bytes;
    size_t length;
    int result = find_next(reader, &found, ret_record);
    forget_buffer(reader);
    if (result != 1) {
        return result;
    }
    result = look(reader, reader->offset, SEGMENT_READ_BYTES, &bytes, &length);
    if (result != 0) {
        return result;
    }
    if (record_here(reader, bytes, length, ret_record)) {
        step_over(reader, reader->offset, ret_record);
        return 1;
    }
    return skip_damage(reader, ret_record);
}

/* What was read ahead of the writer says nothing about what it wrote since. */
static int read_anew(struct segment_reader *reader, struct journal_record *ret_record) {
    const unsigned char *bytes;
    size_t length;
    forget_buffer(reader);
    const int result = look(reader, reader->offset, SEGMENT_POLL_BYTES, &bytes, &length);
    if (result != 0) {
        return result;
    }
    if (record_here(reader, bytes, length, ret_record)) {
        step_over(reader, reader->offset, ret_record);
        return 1;
    }
    if (length < JOURNAL_RECORD_HEADER || all_zero(bytes, JOURNAL_RECORD_HEADER)) {
        return 0;
    }
    return look_again(reader, ret_record);
}

int segment_reader_next(struct segment_reader *reader, bool closed,
                        struct journal_record *ret_record) {
    const size_t want = closed ? SEGMENT_READ_BYTES : SEGMENT_POLL_BYTES;
    const unsigned char *bytes;
    size_t length;
    int result = look(reader, reader->offset, want, &bytes, &length);
    if (result != 0) {
        return result;
    }
    if (record_here(reader, bytes, length, ret_record)) {
        step_over(reader, reader->offset, ret_record);
        return 1;
    }
    if (closed) {
        result = length == 0 ? 0 : skip_damage(reader, ret_record);
    } else {
        result = read_anew(reader, ret_record);
    }
    if (result == 0) {
        forget_buffer(reader);
    }
    return result;
}
