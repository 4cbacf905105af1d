/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/durable_file.h"

enum { MODE_BITS = 07777 };

static int read_whole(int fd, size_t size, struct zimbra_file *file) {
    file->bytes = malloc(size + 1);
    if (file->bytes == NULL) {
        return -ENOMEM;
    }
    while (file->length < size) {
        const ssize_t got = read(fd, file->bytes + file->length, size - file->length);
        if (got < 0 && errno != EINTR) {
            const int problem = -errno;
            zimbra_file_done(file);
            return problem;
        }
        if (got == 0) {
            break;
        }
        file->length += got > 0 ? (size_t)got : 0;
    }
    file->bytes[file->length] = '\0';
    return 0;
}

int zimbra_file_load(const char *path, size_t max, struct zimbra_file *ret_file) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return -errno;
    }
    struct stat status;
    struct zimbra_file file = {0};
    int result = fstat(fd, &status) == 0 ? 0 : -errno;
    if (result == 0) {
        file.mode = status.st_mode & MODE_BITS;
        file.uid = status.st_uid;
        file.gid = status.st_gid;
        result = !S_ISREG(status.st_mode)       ? -EINVAL
                 : (size_t)status.st_size > max ? -EFBIG
                                                : read_whole(fd, (size_t)status.st_size, &file);
    }
    (void)close(fd);
    if (result == 0) {
        *ret_file = file;
    }
    return result;
}

void zimbra_file_done(struct zimbra_file *file) {
    free(file->bytes);
    *file = (struct zimbra_file){0};
}

/* The folder of `path`, opened; *ret_name is the rest. */
static int open_folder(const char *path, const char **ret_name) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const size_t length = slash != NULL ? (size_t)(slash - path) : 0;
    if (slash == NULL || length >= sizeof folder) {
        return -EINVAL;
    }
    memcpy(folder, path, length);
    folder[length] = '\0';
    *ret_name = slash + 1;
    const int fd = open(length == 0 ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int write_whole(int fd, struct str bytes) {
    size_t done = 0;
    while (done < bytes.length) {
        const ssize_t written = write(fd, bytes.data + done, bytes.length - done);
        if (written < 0 && errno != EINTR) {
            return -errno;
        }
        done += written > 0 ? (size_t)written : 0;
    }
    return 0;
}

/* Owner before mode: a change of owner clears bits of the mode. */
static int fill(int fd, struct str bytes, const struct zimbra_file *like) {
    if (fchown(fd, like->uid, like->gid) != 0 || fchmod(fd, (mode_t)like->mode) != 0) {
        return -errno;
    }
    return write_whole(fd, bytes);
}

static int temporary_name(const char *name, char *room, size_t size) {
    const int length = snprintf(room, size, ".%s.seczim-new", name);
    return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

static int save_in(int folder, const char *name, struct str bytes, const struct zimbra_file *like) {
    char temporary[NAME_MAX + 1];
    const int named = temporary_name(name, temporary, sizeof temporary);
    if (named != 0) {
        return named;
    }
    if (unlinkat(folder, temporary, 0) != 0 && errno != ENOENT) {
        return -errno;
    }
    const int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    int result = fill(fd, bytes, like);
    if (result == 0) {
        result = durable_file_commit(folder, fd, temporary, name);
    } else {
        (void)unlinkat(folder, temporary, 0);
    }
    (void)close(fd);
    return result;
}

int zimbra_file_save(const char *path, struct str bytes, const struct zimbra_file *like) {
    const char *name = NULL;
    const int folder = open_folder(path, &name);
    if (folder < 0) {
        return folder;
    }
    const int result = save_in(folder, name, bytes, like);
    (void)close(folder);
    return result;
}

static int remove_in(int folder, const char *name) {
    if (unlinkat(folder, name, 0) != 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    return fsync(folder) == 0 ? 0 : -errno;
}

int zimbra_file_remove(const char *path) {
    const char *name = NULL;
    const int folder = open_folder(path, &name);
    if (folder < 0) {
        return folder;
    }
    const int result = remove_in(folder, name);
    (void)close(folder);
    return result;
}

int zimbra_file_sweep(const char *path) {
    char temporary[NAME_MAX + 1];
    const char *name = NULL;
    const int folder = open_folder(path, &name);
    if (folder < 0) {
        return folder;
    }
    int result = temporary_name(name, temporary, sizeof temporary);
    if (result == 0) {
        result = remove_in(folder, temporary);
    }
    (void)close(folder);
    return result;
}
