/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever was fetched: unpacked, nothing longer than what is taken, or refused with a sentence.
 * The first byte: 'm' mends the checksum of each tar header, so that mutations get past it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/geo_unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum {
    BLOCK_BYTES = 512,
    INPUT_MAX = 64 * 1024,
    TAKEN_MAX = 16 * 1024,
    CHECKSUM_AT = 148,
    MAGIC_AT = 257,
};

static void mend_checksums(char *bytes, size_t length) {
    for (size_t at = 0; at + BLOCK_BYTES <= length; at += BLOCK_BYTES) {
        char *header = bytes + at;
        unsigned sum = 0;
        if (memcmp(header + MAGIC_AT, "ustar", 5) != 0) {
            continue;
        }
        memset(header + CHECKSUM_AT, ' ', 8);
        for (size_t i = 0; i < BLOCK_BYTES; i++) {
            sum += (unsigned char)header[i];
        }
        char digits[8];
        (void)snprintf(digits, sizeof digits, "%06o", sum & 0777777U);
        memcpy(header + CHECKSUM_AT, digits, 7);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static char input[INPUT_MAX];
    char said[256];
    struct text problem = TEXT_OVER(said);
    if (length == 0 || length > sizeof input) {
        return 0;
    }
    memcpy(input, bytes + 1, length - 1);
    if (bytes[0] == 'm') {
        mend_checksums(input, length - 1);
    }
    const int from = memfd_create("from", MFD_CLOEXEC);
    const int to = memfd_create("to", MFD_CLOEXEC);
    CHECK(from >= 0 && to >= 0);
    CHECK(write(from, input, length - 1) == (ssize_t)(length - 1));
    const int error = geo_unpack(from, to, TAKEN_MAX, &problem);
    const off_t unpacked = lseek(to, 0, SEEK_END);
    CHECK(error != 0 || (unpacked <= TAKEN_MAX && problem.length == 0));
    CHECK(error == 0 || error == -EINVAL || error == -EFBIG);
    CHECK(error == 0 || (problem.length > 20 && !problem.truncated));
    (void)close(from);
    (void)close(to);
    return 0;
}
