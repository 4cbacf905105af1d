/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"

static const char temporary_name[] = "new.db.tmp";
static const char *const companions[] = {"-wal", "-shm", "-journal"};
enum { COMPANIONS = sizeof companions / sizeof companions[0], PATH_BYTES = 4096 };

static int path_make(char path[PATH_BYTES], const char *folder, const char *name,
                     const char *suffix) {
    const int length = snprintf(path, PATH_BYTES, "%s/%s%s", folder, name, suffix);
    return length > 0 && length < PATH_BYTES ? 0 : -ENAMETOOLONG;
}

/* "0000010000000001-2026-11-21.db", nothing before or after it. */
static bool parse_name(const char *name, struct history_file *ret_file) {
    uint64_t first_sequence = 0;
    int year = 0;
    int month = 0;
    int day = 0;
    char again[HISTORY_NAME_MAX];
    if (strlen(name) >= HISTORY_NAME_MAX ||
        sscanf(name, "%16" SCNx64 "-%4d-%2d-%2d", &first_sequence, &year, &month, &day) != 4) {
        return false;
    }
    (void)snprintf(again, sizeof again, "%016" PRIx64 "-%04d-%02d-%02d.db", first_sequence, year,
                   month, day);
    if (strcmp(again, name) != 0) {
        return false;
    }
    *ret_file = (struct history_file){.first_sequence = first_sequence};
    memcpy(ret_file->name, again, strlen(again) + 1);
    memcpy(ret_file->date, again + 17, HISTORY_DATE_LENGTH);
    return true;
}

static int compare_files(const void *a, const void *b) {
    const struct history_file *left = a;
    const struct history_file *right = b;
    if (left->first_sequence != right->first_sequence) {
        return left->first_sequence < right->first_sequence ? -1 : 1;
    }
    return strcmp(left->name, right->name);
}

int history_file_list(const char *folder, struct history_file **ret_files, size_t *ret_count) {
    DIR *directory = opendir(folder);
    if (directory == NULL) {
        return -errno;
    }
    struct history_file *files = NULL;
    size_t count = 0;
    size_t capacity = 0;
    int result = 0;
    for (;;) {
        struct history_file file;
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            result = -errno; /* Half a list would make an old file the newest. */
            break;
        }
        if (!parse_name(entry->d_name, &file)) {
            continue;
        }
        if (count == capacity) {
            capacity = capacity == 0 ? 64 : capacity * 2;
            struct history_file *grown = realloc(files, capacity * sizeof *files);
            if (grown == NULL) {
                result = -ENOMEM;
                break;
            }
            files = grown;
        }
        files[count++] = file;
    }
    (void)closedir(directory);
    if (result < 0) {
        free(files);
        return result;
    }
    if (count > 1) {
        qsort(files, count, sizeof *files, compare_files);
    }
    *ret_files = files;
    *ret_count = count;
    return 0;
}

static void remove_with_companions(const char *folder, const char *name) {
    char path[PATH_BYTES];
    if (path_make(path, folder, name, "") == 0) {
        (void)unlink(path);
    }
    for (size_t i = 0; i < COMPANIONS; i++) {
        if (path_make(path, folder, name, companions[i]) == 0) {
            (void)unlink(path);
        }
    }
}

void history_file_remove_temporary(const char *folder) {
    remove_with_companions(folder, temporary_name);
}

void history_file_remove(const char *folder, const struct history_file *file) {
    remove_with_companions(folder, file->name);
}

void history_file_remove_damaged(const char *folder, int64_t end_ns) {
    DIR *directory = opendir(folder);
    if (directory == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        char name[HISTORY_NAME_MAX];
        struct history_file file;
        const struct str found = str_from(entry->d_name);
        const size_t length = found.length - strlen(".damaged");
        if (!str_ends(found, STR(".damaged")) || length >= sizeof name) {
            continue;
        }
        memcpy(name, found.data, length);
        name[length] = '\0';
        if (parse_name(name, &file) && history_day_end(file.date) <= end_ns) {
            remove_with_companions(folder, entry->d_name);
        }
    }
    (void)closedir(directory);
}

static int sync_folder(const char *folder) {
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    const int result = fsync(fd) < 0 ? -errno : 0;
    (void)close(fd);
    return result;
}

/* SQLite takes the permissions of the database for the WAL too, so the empty file is made first. */
static int create_private(const char *path) {
    const int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    (void)close(fd);
    return 0;
}

static int sync_file(const char *path) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    const int result = fsync(fd) < 0 ? -errno : 0;
    (void)close(fd);
    return result;
}

int history_file_create(const char *folder, uint64_t first_sequence, const char *date,
                        uint64_t position, struct history_file *ret_file) {
    struct history_file file;
    char name[HISTORY_NAME_MAX];
    char temporary[PATH_BYTES];
    char path[PATH_BYTES];
    (void)snprintf(name, sizeof name, "%016" PRIx64 "-%s.db", first_sequence, date);
    CHECK(parse_name(name, &file));
    if (path_make(temporary, folder, temporary_name, "") < 0 ||
        path_make(path, folder, name, "") < 0) {
        return -ENAMETOOLONG;
    }
    history_file_remove_temporary(folder);
    int result = create_private(temporary);
    if (result == 0) {
        result = history_schema_create(temporary, position);
    }
    if (result == 0) {
        result = sync_file(temporary);
    }
    failpoint("recorder.file-change");
    if (result == 0 && rename(temporary, path) < 0) {
        result = -errno;
    }
    if (result == 0) {
        result = sync_folder(folder);
    }
    if (result < 0) {
        history_file_remove_temporary(folder);
        return result;
    }
    *ret_file = file;
    return 0;
}

int history_file_open(const char *folder, const struct history_file *file,
                      enum history_access access, sqlite3 **ret_db) {
    char path[PATH_BYTES];
    const int result = path_make(path, folder, file->name, "");
    return result < 0 ? result : history_schema_open(path, access, ret_db);
}

/* By path, never by a descriptor: closing one would drop the locks that SQLite has on the file for
 * the whole process. */
static int share(const char *path, gid_t readers, mode_t group_mode, mode_t own_mode) {
    struct stat found;
    const mode_t wanted = readers != 0 ? group_mode : own_mode;
    if (lstat(path, &found) != 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    int result = 0;
    if (readers != 0 && found.st_gid != readers && lchown(path, (uid_t)-1, readers) != 0) {
        result = -errno;
    }
    const mode_t mode = result < 0 ? own_mode : wanted;
    if ((found.st_mode & 07777) != mode && chmod(path, mode) != 0) {
        result = -errno;
    }
    return result;
}

void history_file_share(const char *folder, const struct history_file *file, gid_t readers) {
    static struct log_throttle throttle;
    uint64_t suppressed = 0;
    char path[PATH_BYTES];
    int result = path_make(path, folder, file != NULL ? file->name : "", "");
    if (result == 0) {
        result = file != NULL ? share(path, readers, 0640, 0600) : share(path, readers, 0750, 0700);
    }
    if (result < 0 && log_throttle_pass(&throttle, &suppressed)) {
        log_write(LOG_WARN, "History",
                  "cannot set owner group and mode of %s: %s; seczim-api may not read it while the "
                  "daemon is away (paths.control_group)",
                  path, strerror(-result));
    }
}

int history_file_set_aside(const char *folder, const struct history_file *file) {
    char from[PATH_BYTES];
    char to[PATH_BYTES];
    char target[HISTORY_NAME_MAX + 16];
    (void)snprintf(target, sizeof target, "%s.damaged", file->name);
    for (size_t i = 0; i < COMPANIONS; i++) {
        if (path_make(from, folder, file->name, companions[i]) == 0 &&
            path_make(to, folder, target, companions[i]) == 0) {
            (void)rename(from, to);
        }
    }
    int result = path_make(from, folder, file->name, "");
    if (result == 0) {
        result = path_make(to, folder, target, "");
    }
    if (result == 0 && rename(from, to) != 0) {
        result = -errno;
    }
    if (result == 0) {
        log_write(LOG_ERROR, "History",
                  "%s is damaged and was set aside as %s; its rows are missing from searches "
                  "(sqlite3 can recover what is readable), recording goes on",
                  file->name, target);
    }
    (void)sync_folder(folder);
    return result;
}

struct history_day history_day_of(int64_t time_ns) {
    const time_t time_s = (time_t)(time_ns / NS_PER_S);
    struct tm local;
    struct history_day day = {.date = "1970-01-01", .until_ns = INT64_MAX};
    if (localtime_r(&time_s, &local) == NULL || local.tm_year < 70 || local.tm_year > 8099) {
        return day;
    }
    (void)strftime(day.date, sizeof day.date, "%Y-%m-%d", &local);
    day.until_ns = history_day_end(day.date);
    return day;
}

int64_t history_day_end(const char *date) {
    struct tm local = {.tm_isdst = -1};
    if (sscanf(date, "%4d-%2d-%2d", &local.tm_year, &local.tm_mon, &local.tm_mday) != 3) {
        return INT64_MAX;
    }
    local.tm_year -= 1900;
    local.tm_mon -= 1;
    local.tm_mday += 1;
    const time_t end = mktime(&local);
    return end == (time_t)-1 ? INT64_MAX : (int64_t)end * NS_PER_S;
}
