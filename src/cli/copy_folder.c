/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/copy_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COPY_BYTES = 65536, RUN_FILE_MAX = 4096, FOLDER_DEPTH_MAX = 4 };

static int write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        const ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : EIO;
        }
        bytes += n;
        length -= (size_t)n;
    }
    return 0;
}

static int copy_bytes(int from, int to) {
    char bytes[COPY_BYTES];
    for (;;) {
        const ssize_t n = read(from, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : fsync(to) != 0 ? errno : 0;
        }
        const int error = write_all(to, bytes, (size_t)n);
        if (error != 0) {
            return error;
        }
    }
}

static int give(int fd, const struct stat *owner) {
    return owner == NULL || fchown(fd, owner->st_uid, owner->st_gid) == 0 ? 0 : errno;
}

static int copy_file(int from_folder, int to_folder, const char *name, const struct stat *owner) {
    const int from = openat(from_folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0) {
        return errno;
    }
    const int to =
        openat(to_folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int error = to < 0 ? errno : copy_bytes(from, to);
    if (error == 0) {
        error = give(to, owner);
    }
    if (to >= 0 && close(to) != 0 && error == 0) {
        error = errno;
    }
    (void)close(from);
    return error;
}

static int copy_entries(DIR *from, int to, const struct stat *owner, int depth);

static int copy_subfolder(int from_folder, int to_folder, const char *name,
                          const struct stat *owner, int depth) {
    const int from = openat(from_folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = from >= 0 ? fdopendir(from) : NULL;
    if (entries == NULL) {
        const int cause = errno;
        if (from >= 0) {
            (void)close(from);
        }
        return cause;
    }
    int error = mkdirat(to_folder, name, 0700) != 0 ? errno : 0;
    const int to = error == 0 ? openat(to_folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (error == 0) {
        error = to < 0 ? errno : copy_entries(entries, to, owner, depth + 1);
    }
    if (to >= 0) {
        (void)close(to);
    }
    (void)closedir(entries);
    return error;
}

static int copy_entry(int from, int to, const char *name, const struct stat *owner, int depth) {
    struct stat status;
    if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno;
    }
    if (S_ISREG(status.st_mode)) {
        return copy_file(from, to, name, owner);
    }
    if (S_ISDIR(status.st_mode)) {
        return depth < FOLDER_DEPTH_MAX ? copy_subfolder(from, to, name, owner, depth) : ELOOP;
    }
    return 0;
}

static int copy_entries(DIR *from, int to, const struct stat *owner, int depth) {
    const struct dirent *entry = NULL;
    int error = give(to, owner);
    while (error == 0 && (entry = readdir(from)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            error = copy_entry(dirfd(from), to, entry->d_name, owner, depth);
        }
    }
    return error == 0 && fsync(to) != 0 ? errno : error;
}

int copy_folder(const char *from, const char *to, const struct stat *owner) {
    DIR *entries = opendir(from);
    if (entries == NULL) {
        return errno;
    }
    int error = mkdir(to, 0700) != 0 ? errno : 0;
    const int fd = error == 0 ? open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (error == 0) {
        error = fd < 0 ? errno : copy_entries(entries, fd, owner, 0);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    (void)closedir(entries);
    return error;
}

static void sync_parent(const char *path) {
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const int length = slash == NULL ? 1 : (int)(slash - path) + 1;
    (void)snprintf(parent, sizeof parent, "%.*s", length, slash == NULL ? "." : path);
    const int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
}

enum folder_swap swap_folder(const char *fresh, const char *data, const char *before,
                             int *ret_error) {
    *ret_error = 0;
    if (before != NULL && rename(data, before) != 0) {
        *ret_error = errno;
        return FOLDER_NOT_SET_ASIDE;
    }
    if (rename(fresh, data) == 0) {
        sync_parent(data);
        return FOLDER_SWAPPED;
    }
    *ret_error = errno;
    return before == NULL || rename(before, data) == 0 ? FOLDER_PUT_BACK : FOLDER_LEFT_ASIDE;
}

static int read_small(const char *path, char *bytes, size_t *ret_length) {
    const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    const ssize_t n = read(fd, bytes, RUN_FILE_MAX);
    const int error = n < 0 ? errno : 0;
    (void)close(fd);
    *ret_length = n > 0 ? (size_t)n : 0;
    return error;
}

int copy_file_if_greater(const char *from, const char *to) {
    char ours[RUN_FILE_MAX];
    char theirs[RUN_FILE_MAX];
    size_t our_length = 0;
    size_t their_length = 0;
    int error = read_small(from, ours, &our_length);
    if (error != 0) {
        return error;
    }
    error = read_small(to, theirs, &their_length);
    if (error != 0 && error != ENOENT) {
        return error;
    }
    const bool longer = our_length > their_length;
    if (error == 0 && !longer &&
        (our_length < their_length || memcmp(ours, theirs, our_length) <= 0)) {
        return 0;
    }
    const int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    error = write_all(fd, ours, our_length);
    if (error == 0 && fsync(fd) != 0) {
        error = errno;
    }
    return close(fd) != 0 && error == 0 ? errno : error;
}
