/* SPDX-License-Identifier: Apache-2.0 */
/* A segment of arbitrary bytes. The first byte of the input says what is done with the rest:
 * bit 0 makes records of it (magic and checksum are put right, all else stays), so that the search
 * gets past the checksum; bit 1 lets another segment follow, so that this one counts as closed;
 * bit 2 takes the header from the input too. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/little_endian.h"
#include "journal/record.h"
#include "journal/segment.h"

enum { MAKE_RECORDS = 1, FOLLOWED = 2, RAW_HEADER = 4, INPUT_MAX = 1 << 17, SALT = 0x5eed };
#define FIRST ((UINT64_C(1) << JOURNAL_RUN_SHIFT) + 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];

static void remove_folder(void) {
    char path[128];
    for (uint64_t first = FIRST; first <= FIRST + 1000; first += 1000) {
        char name[SEGMENT_NAME_BYTES];
        segment_name_format((struct segment_name){.first = first}, name);
        (void)snprintf(path, sizeof path, "%s/%s", folder, name);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static void make_folder(void) {
    if (folder[0] == '\0') {
        (void)snprintf(folder, sizeof folder, "%s/seczim-fuzz-XXXXXX",
                       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        CHECK(mkdtemp(folder) != NULL);
        CHECK(atexit(remove_folder) == 0);
    }
}

static void make_header(unsigned char *bytes, uint64_t first) {
    segment_header_format(
        &(struct segment_header){.salt = SALT, .first = first, .bytes = SEGMENT_BYTES_MIN}, bytes);
}

static void make_records(unsigned char *bytes, size_t length) {
    size_t at = 0;
    while (at + JOURNAL_RECORD_HEADER <= length) {
        const size_t rest = length - at - JOURNAL_RECORD_HEADER;
        const uint32_t wanted = get_u32(bytes + at + 4) % 512;
        const uint32_t body = wanted < rest ? wanted : (uint32_t)rest;
        put_u32(bytes + at + 4, body);
        put_u32(bytes + at + 28, RECORD_MAGIC);
        record_seal(bytes + at, SALT);
        at += record_bytes(body);
    }
}

static void save(uint64_t first, const unsigned char *bytes, size_t length) {
    char path[128];
    char name[SEGMENT_NAME_BYTES];
    segment_name_format((struct segment_name){.first = first}, name);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    CHECK(write(fd, bytes, length) == (ssize_t)length);
    (void)close(fd);
}

static void read_all(size_t length) {
    struct journal_reader *reader = NULL;
    struct journal_record record;
    char sentence[256];
    struct text problem = TEXT_OVER(sentence);
    uint64_t last = 0;
    size_t count = 0;
    CHECK(journal_reader_open(folder, NULL, 0, &reader, &problem) == 0);
    int result;
    while ((result = journal_reader_next(reader, UINT64_MAX, &record)) == 1) {
        unsigned sum = 0;
        CHECK(record.sequence > last);
        CHECK(record.length <= RECORD_BODY_MAX);
        for (size_t i = 0; i < record.length; i++) {
            sum += record.body[i];
        }
        CHECK(sum <= 255 * record.length);
        last = record.sequence;
        count++;
    }
    CHECK(result == 0 || result == -EPROTONOSUPPORT);
    CHECK(count <= length / JOURNAL_RECORD_HEADER);
    journal_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > INPUT_MAX) {
        return 0;
    }
    const unsigned what = data[0];
    const bool raw = (what & RAW_HEADER) != 0;
    const size_t header = raw ? 0 : SEGMENT_HEADER_BYTES;
    const size_t length = header + size - 1;
    unsigned char *bytes = malloc(length > 0 ? length : 1);
    CHECK(bytes != NULL);
    make_folder();
    memcpy(bytes + header, data + 1, size - 1);
    if (!raw) {
        make_header(bytes, FIRST);
        if ((what & MAKE_RECORDS) != 0) {
            make_records(bytes + header, size - 1);
        }
    }
    save(FIRST, bytes, length);
    if ((what & FOLLOWED) != 0) {
        unsigned char following[SEGMENT_HEADER_BYTES];
        make_header(following, FIRST + 1000);
        save(FIRST + 1000, following, sizeof following);
    }
    read_all(length);
    free(bytes);
    remove_folder();
    CHECK(mkdir(folder, 0700) == 0);
    return 0;
}
