/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes as a file: refused with a sentence, or every look-up in it is harmless. The corpus has
 * small whole databases, so that mutations reach tree, records and metadata. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "store/geo_database.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* The library (1.7) does not free a list of 4 KiB when the description of a file is damaged: once a
 * refused file, and not ours to mend. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libmaxminddb";
}

static void ask(const struct geo_database *database) {
    struct geo_database_info info;
    geo_database_info(database, &info);
    CHECK(info.has_country || info.has_asn);
    CHECK(memchr(info.type, '\0', sizeof info.type) != NULL);
    for (unsigned i = 0; i < 512; i++) {
        struct ip_address address = {{[10] = 0xff, [11] = 0xff}};
        struct geo_place place = {0};
        uint64_t damaged = 0;
        const bool v4 = i % 2 == 0;
        memset(address.bytes + (v4 ? 12 : 0), (int)(i * 37 & 0xff), v4 ? 4 : 16);
        address.bytes[v4 ? 12 : 0] = (uint8_t)(i / 2);
        if (!geo_database_find(database, address, &place, &damaged)) {
            CHECK(place.country[0] == '\0' && place.asn == 0 && place.as_name_length == 0);
        }
        CHECK(place.as_name_length <= sizeof place.as_name);
        CHECK(place.country[0] == '\0' || (place.country[0] >= 'A' && place.country[0] <= 'Z'));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    char said[1024];
    char path[64];
    struct text problem = TEXT_OVER(said);
    struct geo_database *database = NULL;
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (geo_database_open(str_from(path), &database, &problem) == 0) {
        ask(database);
    } else {
        CHECK(database == NULL && problem.length > 20 && !problem.truncated);
    }
    geo_database_close(database);
    (void)close(fd);
    return 0;
}
