/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/geo_unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* zlib decompresses and hands over what is not compressed as it is. The tar reader knows just
 * enough of POSIX ustar (pax interchange format, "Header block") to find regular files: a program
 * to unpack with would write files of names that a stranger chose. */

enum { BLOCK_BYTES = 512, BUFFER_BYTES = 64 * BLOCK_BYTES };

struct tar_header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char modified[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[6];
    char rest[BLOCK_BYTES - 263];
};
_Static_assert(sizeof(struct tar_header) == BLOCK_BYTES, "a block");

struct entry {
    uint64_t at; /* of its content */
    uint64_t size;
};

static int say(struct text *problem, const char *sentence, int error) {
    text_add(problem, STR("What was fetched "));
    text_add(problem, str_from(sentence));
    return error;
}

/* Digits of base eight, blanks and zeros around. */
static bool parse_octal(const char *field, size_t length, uint64_t *ret_value) {
    uint64_t value = 0;
    size_t i = 0;
    while (i < length && field[i] == ' ') {
        i++;
    }
    const size_t first = i;
    for (; i < length && field[i] >= '0' && field[i] <= '7'; i++) {
        value = value * 8 + (uint64_t)(field[i] - '0');
    }
    const bool some = i > first;
    for (; i < length; i++) {
        if (field[i] != ' ' && field[i] != '\0') {
            return false;
        }
    }
    *ret_value = value;
    return some;
}

static bool is_header(const struct tar_header *header) {
    const unsigned char *bytes = (const unsigned char *)header;
    const size_t checksum_at = (size_t)((const char *)header->checksum - (const char *)header);
    uint64_t told;
    uint64_t sum = 0;
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        const bool blank = i >= checksum_at && i < checksum_at + sizeof header->checksum;
        sum += blank ? ' ' : bytes[i];
    }
    return memcmp(header->magic, "ustar", 5) == 0 &&
           parse_octal(header->checksum, sizeof header->checksum, &told) && told == sum;
}

static bool is_zero(const void *block) {
    static const char zeros[BLOCK_BYTES];
    return memcmp(block, zeros, BLOCK_BYTES) == 0;
}

static bool is_database(const struct tar_header *header) {
    const struct str name = {header->name, strnlen(header->name, sizeof header->name)};
    return (header->type == '0' || header->type == '\0') && str_ends(name, STR(".mmdb"));
}

/* True when all `length` bytes came. */
static bool read_all(gzFile from, void *bytes, unsigned length) {
    return gzread(from, bytes, length) == (int)length;
}

/* 0 at the end of a whole stream, else negative errno with a sentence. */
static int check_end(gzFile from, struct text *problem) {
    int error = Z_OK;
    (void)gzerror(from, &error);
    return error == Z_OK || error == Z_STREAM_END
               ? 0
               : say(problem, "is cut off or damaged; nothing was changed", -EINVAL);
}

static bool skip(gzFile from, uint64_t bytes) {
    char block[BLOCK_BYTES];
    for (uint64_t skipped = 0; skipped < bytes; skipped += BLOCK_BYTES) {
        if (!read_all(from, block, BLOCK_BYTES)) {
            return false;
        }
    }
    return true;
}

/* Finds the largest database; *ret_entry of size 0: none. */
static int find_entry(gzFile from, uint64_t bytes_max, struct entry *ret_entry,
                      struct text *problem) {
    struct tar_header header;
    uint64_t at = 0;
    *ret_entry = (struct entry){0};
    for (unsigned i = 0; i < GEO_ARCHIVE_ENTRIES_MAX; i++) {
        uint64_t size;
        if (!read_all(from, &header, BLOCK_BYTES)) {
            const int error = check_end(from, problem);
            return error != 0 ? error : say(problem, "is cut off; nothing was changed", -EINVAL);
        }
        at += BLOCK_BYTES;
        if (is_zero(&header)) {
            return 0;
        }
        if (!is_header(&header) || !parse_octal(header.size, sizeof header.size, &size)) {
            return say(problem, "is a damaged archive; nothing was changed", -EINVAL);
        }
        if (size > bytes_max) {
            return say(problem, "holds a file that is too large; nothing was changed", -EFBIG);
        }
        if (is_database(&header) && size > ret_entry->size) {
            *ret_entry = (struct entry){.at = at, .size = size};
        }
        const uint64_t padded = (size + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
        if (at + padded > bytes_max * GEO_ARCHIVE_TIMES_MAX) {
            return say(problem, "is an archive that is too large; nothing was changed", -EFBIG);
        }
        if (!skip(from, padded)) {
            return say(problem, "is cut off or damaged; nothing was changed", -EINVAL);
        }
        at += padded;
    }
    return say(problem, "is an archive of too many files; nothing was changed", -EINVAL);
}

/* `size` bytes, or with UINT64_MAX all up to the end. */
static int copy(gzFile from, int to, uint64_t size, uint64_t bytes_max, struct text *problem) {
    static char buffer[BUFFER_BYTES];
    uint64_t copied = 0;
    while (copied < size) {
        const uint64_t left = size - copied;
        const int got = gzread(from, buffer, left < BUFFER_BYTES ? (unsigned)left : BUFFER_BYTES);
        if (got <= 0) {
            break;
        }
        copied += (uint64_t)got;
        if (copied > bytes_max) {
            return say(problem, "is larger than what is taken; nothing was changed", -EFBIG);
        }
        if (write(to, buffer, (size_t)got) != got) {
            return say(problem, "cannot be written: is the disk full?", -ENOSPC);
        }
    }
    const int error = check_end(from, problem);
    if (error == 0 && size != UINT64_MAX && copied != size) {
        return say(problem, "is cut off; nothing was changed", -EINVAL);
    }
    return error;
}

static int unpack(gzFile from, int to, uint64_t bytes_max, struct text *problem) {
    struct tar_header first;
    const int got = gzread(from, &first, sizeof first);
    const bool is_archive = got == (int)sizeof first && is_header(&first);
    if (got < 0) {
        return check_end(from, problem);
    }
    if (gzrewind(from) != 0) {
        return say(problem, "cannot be read again", -EIO);
    }
    if (!is_archive) {
        return copy(from, to, UINT64_MAX, bytes_max, problem);
    }
    struct entry entry;
    int error = find_entry(from, bytes_max, &entry, problem);
    if (error != 0) {
        return error;
    }
    if (entry.size == 0) {
        return say(problem, "is an archive without a database (.mmdb) in it", -EINVAL);
    }
    if (gzrewind(from) != 0 || !skip(from, entry.at)) {
        return say(problem, "cannot be read again", -EIO);
    }
    return copy(from, to, entry.size, bytes_max, problem);
}

int geo_unpack(int from, int to, uint64_t bytes_max, struct text *problem) {
    const int own = lseek(from, 0, SEEK_SET) == 0 ? dup(from) : -1;
    const gzFile stream = own >= 0 ? gzdopen(own, "rb") : NULL;
    if (stream == NULL) {
        if (own >= 0) {
            (void)close(own);
        }
        return say(problem, "cannot be read", -EIO);
    }
    const int error = unpack(stream, to, bytes_max, problem);
    (void)gzclose(stream);
    return error;
}
