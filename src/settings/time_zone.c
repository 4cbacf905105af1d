/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/time_zone.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONE_FOLDER "/usr/share/zoneinfo"
#define SYSTEM_ZONE "/etc/localtime"

enum { GRAIN_S = 900, HEADER_BYTES = 44, TYPE_BYTES = 6, TYPES_MAX = 256 };

void time_zone_add_change(struct zone *zone, int64_t from_s, int64_t offset_s) {
    const int64_t up = offset_s + GRAIN_S / 2;
    const int32_t rounded = (int32_t)((up - ((up % GRAIN_S) + GRAIN_S) % GRAIN_S));
    const size_t count = zone->change_count;
    if (from_s <= TIME_ZONE_FROM_S) {
        zone->changes[0] = (struct zone_change){.from_s = 0, .offset_s = rounded};
        zone->change_count = 1;
    } else if (count < ZONE_CHANGES_MAX &&
               rounded != (count > 0 ? zone->changes[count - 1].offset_s : 0)) {
        zone->changes[count] = (struct zone_change){.from_s = from_s, .offset_s = rounded};
        zone->change_count = count + 1;
    }
}

/* --- the file -----------------------------------------------------------------------------------
 */

struct tzif {
    struct str rest;       /* what was not read yet */
    unsigned version;      /* '2' and up: times of eight bytes, and a rule at the end */
    unsigned counts[6];    /* in the order of the header */
    const char *times;     /* of the changes */
    const char *indices;   /* what each changes to */
    const char *types;     /* offsets */
    size_t bytes_per_time; /* 4 or 8 */
};
enum { COUNT_UT = 0, COUNT_STANDARD, COUNT_LEAP, COUNT_TIMES, COUNT_TYPES, COUNT_CHARS };

static int64_t big_endian(const char *at, size_t bytes) {
    uint64_t value = (at[0] & 0x80) != 0 ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes; i++) {
        value = value << 8 | (unsigned char)at[i];
    }
    return (int64_t)value;
}

static const char *take(struct tzif *tzif, size_t bytes) {
    const char *at = tzif->rest.data;
    if (bytes > tzif->rest.length) {
        return NULL;
    }
    tzif->rest = str_slice(tzif->rest, bytes, tzif->rest.length);
    return at;
}

/* One header and the data behind it. */
static bool take_block(struct tzif *tzif, size_t bytes_per_time) {
    const char *header = take(tzif, HEADER_BYTES);
    if (header == NULL || memcmp(header, "TZif", 4) != 0) {
        return false;
    }
    tzif->version = (unsigned char)header[4];
    for (size_t i = 0; i < 6; i++) {
        const int64_t count = big_endian(header + 20 + 4 * i, 4);
        if (count < 0 || count > TIME_ZONE_FILE_MAX) {
            return false;
        }
        tzif->counts[i] = (unsigned)count;
    }
    const unsigned *counts = tzif->counts;
    tzif->bytes_per_time = bytes_per_time;
    tzif->times = take(tzif, counts[COUNT_TIMES] * bytes_per_time);
    tzif->indices = take(tzif, counts[COUNT_TIMES]);
    tzif->types = take(tzif, counts[COUNT_TYPES] * (size_t)TYPE_BYTES);
    const char *rest = take(tzif, counts[COUNT_CHARS] + counts[COUNT_LEAP] * (bytes_per_time + 4) +
                                      counts[COUNT_STANDARD] + counts[COUNT_UT]);
    return tzif->times != NULL && tzif->indices != NULL && tzif->types != NULL && rest != NULL &&
           counts[COUNT_TYPES] >= 1 && counts[COUNT_TYPES] <= TYPES_MAX;
}

static bool add_changes(const struct tzif *tzif, struct zone *zone, int64_t *ret_last_s) {
    time_zone_add_change(zone, 0, big_endian(tzif->types, 4));
    for (size_t i = 0; i < tzif->counts[COUNT_TIMES]; i++) {
        const unsigned type = (unsigned char)tzif->indices[i];
        const int64_t from_s =
            big_endian(tzif->times + i * tzif->bytes_per_time, tzif->bytes_per_time);
        if (type >= tzif->counts[COUNT_TYPES] || (i > 0 && from_s <= *ret_last_s)) {
            return false;
        }
        time_zone_add_change(zone, from_s, big_endian(tzif->types + type * TYPE_BYTES, 4));
        *ret_last_s = from_s;
    }
    return true;
}

bool time_zone_parse(struct str file, struct zone *ret_zone) {
    struct tzif tzif = {.rest = file};
    int64_t last_s = INT64_MIN;
    *ret_zone = (struct zone){.change_count = 0};
    if (!take_block(&tzif, 4)) {
        return false;
    }
    if (tzif.version < '2') {
        return add_changes(&tzif, ret_zone, &last_s);
    }
    if (!take_block(&tzif, 8) || !add_changes(&tzif, ret_zone, &last_s)) {
        return false;
    }
    /* A newline, the rule, a newline; an empty rule says nothing of the future. */
    const struct str end = str_slice(tzif.rest, 1, tzif.rest.length);
    const size_t newline = str_find(end, '\n');
    if (tzif.rest.length < 2 || tzif.rest.data[0] != '\n' || newline == SIZE_MAX) {
        return false;
    }
    return newline == 0 || time_zone_add_rule(str_slice(end, 0, newline), last_s, ret_zone);
}

/* --- the system's files -------------------------------------------------------------------------
 */

/* Whole files alone: 0 and the length, or -errno. */
static int read_file(const char *path, char *room, size_t size, size_t *ret_length) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    struct stat status;
    int result = fstat(fd, &status) != 0 ? -errno : S_ISREG(status.st_mode) ? 0 : -EINVAL;
    *ret_length = 0;
    while (result == 0 && *ret_length < size) {
        const ssize_t got = read(fd, room + *ret_length, size - *ret_length);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            result = -errno;
        }
        *ret_length += got > 0 ? (size_t)got : 0;
    }
    (void)close(fd);
    return result;
}

/* Nothing that leads out of the folder. */
static bool is_name(struct str name) {
    return name.length <= TIME_ZONE_NAME_MAX && name.data[0] != '/' &&
           str_find(name, '.') == SIZE_MAX;
}

const char *time_zone_load(struct str name, struct zone *ret_zone) {
    static const char unknown[] = "is not a known time zone; write a name such as Europe/Berlin "
                                  "(`timedatectl list-timezones` shows all)";
    char path[sizeof ZONE_FOLDER + 1 + TIME_ZONE_NAME_MAX] = SYSTEM_ZONE;
    char file[TIME_ZONE_FILE_MAX];
    size_t length = 0;
    *ret_zone = (struct zone){.change_count = 0};
    if (name.length > 0) {
        if (!is_name(name)) {
            return unknown;
        }
        struct text text = TEXT_OVER(path);
        text_add(&text, STR(ZONE_FOLDER "/"));
        text_add(&text, name);
        (void)text_zero(&text);
    }
    if (read_file(path, file, sizeof file, &length) != 0) {
        return name.length == 0 || access(ZONE_FOLDER, R_OK) != 0 ? NULL : unknown;
    }
    return time_zone_parse((struct str){file, length}, ret_zone)
               ? NULL
               : "has a file that is not a time zone's; install the system's time zones anew "
                 "(package tzdata)";
}
