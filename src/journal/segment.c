/* SPDX-License-Identifier: Apache-2.0 */
/* Names, headers and listings of segments; writing is in segment_writer.c. */
#include "journal/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "journal/little_endian.h"

enum { HEADER_COPY_BYTES = 64, AT_VERSION = 8, AT_SALT = 12, AT_FIRST = 16, AT_BYTES = 24 };
enum { AT_CRC = 60, FIRST_DIGITS = 16, SERIAL_DIGITS = 4 };

static const char segment_magic[8] = {'S', 'Z', 'J', 'R', 'N', 'L', '1', '\n'};
static const char segment_suffix[] = ".journal";

static bool parse_hex(const char *text, size_t digits, uint64_t *ret_value) {
    uint64_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        const char c = text[i];
        if (c >= '0' && c <= '9') {
            value = value << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    *ret_value = value;
    return true;
}

bool segment_name_parse(const char *text, struct segment_name *ret_name) {
    uint64_t first = 0;
    uint64_t serial = 0;
    const size_t length = FIRST_DIGITS + 1 + SERIAL_DIGITS + sizeof segment_suffix - 1;
    if (strlen(text) != length || text[FIRST_DIGITS] != '-' ||
        strcmp(text + FIRST_DIGITS + 1 + SERIAL_DIGITS, segment_suffix) != 0 ||
        !parse_hex(text, FIRST_DIGITS, &first) ||
        !parse_hex(text + FIRST_DIGITS + 1, SERIAL_DIGITS, &serial)) {
        return false;
    }
    *ret_name = (struct segment_name){.first = first, .serial = (unsigned)serial};
    return true;
}

void segment_name_format(struct segment_name name, char out[SEGMENT_NAME_BYTES]) {
    CHECK(name.serial <= UINT16_MAX);
    (void)snprintf(out, SEGMENT_NAME_BYTES, "%016" PRIx64 "-%04x%s", name.first, name.serial,
                   segment_suffix);
}

int segment_name_compare(struct segment_name a, struct segment_name b) {
    if (a.first != b.first) {
        return a.first < b.first ? -1 : 1;
    }
    return a.serial == b.serial ? 0 : a.serial < b.serial ? -1 : 1;
}

void segment_header_format(const struct segment_header *header,
                           unsigned char out[SEGMENT_HEADER_BYTES]) {
    memset(out, 0, SEGMENT_HEADER_BYTES);
    memcpy(out, segment_magic, sizeof segment_magic);
    put_u32(out + AT_VERSION, SEGMENT_VERSION);
    put_u32(out + AT_SALT, header->salt);
    put_u64(out + AT_FIRST, header->first);
    put_u64(out + AT_BYTES, header->bytes);
    put_u32(out + AT_CRC, crc32c(0, out, AT_CRC));
    memcpy(out + SEGMENT_SECOND_HEADER, out, HEADER_COPY_BYTES);
}

static int parse_copy(const unsigned char *copy, struct segment_header *ret_header) {
    if (memcmp(copy, segment_magic, sizeof segment_magic) != 0 ||
        get_u32(copy + AT_CRC) != crc32c(0, copy, AT_CRC)) {
        return -EBADMSG;
    }
    if (get_u32(copy + AT_VERSION) > SEGMENT_VERSION) {
        return -EPROTONOSUPPORT;
    }
    *ret_header = (struct segment_header){
        .salt = get_u32(copy + AT_SALT),
        .first = get_u64(copy + AT_FIRST),
        .bytes = get_u64(copy + AT_BYTES),
    };
    return 0;
}

int segment_header_parse(const unsigned char *bytes, size_t length,
                         struct segment_header *ret_header) {
    int result = -EBADMSG;
    if (length >= HEADER_COPY_BYTES) {
        result = parse_copy(bytes, ret_header);
    }
    if (result == -EBADMSG && length >= SEGMENT_SECOND_HEADER + HEADER_COPY_BYTES) {
        result = parse_copy(bytes + SEGMENT_SECOND_HEADER, ret_header);
    }
    return result;
}

static int compare_names(const void *a, const void *b) {
    return segment_name_compare(*(const struct segment_name *)a, *(const struct segment_name *)b);
}

int segment_list_add(struct segment_list *list, struct segment_name name) {
    if (list->count == list->size) {
        const size_t size = list->size == 0 ? 64 : list->size * 2;
        struct segment_name *names = realloc(list->names, size * sizeof *names);
        if (names == NULL) {
            return -ENOMEM;
        }
        list->names = names;
        list->size = size;
    }
    list->names[list->count++] = name;
    return 0;
}

int segment_list_load(int folder_fd, struct segment_list *list) {
    const int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        const int error = errno;
        (void)close(fd);
        return -error;
    }
    int result = 0;
    list->count = 0;
    for (;;) {
        struct segment_name name;
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            result = -errno;
            break;
        }
        if (!segment_name_parse(entry->d_name, &name)) {
            continue;
        }
        result = list->count < SEGMENTS_MAX ? segment_list_add(list, name) : -EOVERFLOW;
        if (result != 0) {
            break;
        }
    }
    (void)closedir(folder);
    if (list->count > 1) {
        qsort(list->names, list->count, sizeof *list->names, compare_names);
    }
    return result;
}

void segment_list_done(struct segment_list *list) {
    free(list->names);
    *list = (struct segment_list){0};
}
