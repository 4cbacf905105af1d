/* SPDX-License-Identifier: Apache-2.0 */
#include "base/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

enum { NAME_LENGTH_MAX = 255, FIRST_READ = 4096 };

static int write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        const ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno != EINTR) {
            return -errno;
        }
        if (written == 0) {
            return -EIO;
        }
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

static int sync_fd(int fd) {
    int result;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : -errno;
}

int durable_file_commit(int folder_fd, int fd, const char *temporary, const char *name) {
    int result = sync_fd(fd);
    if (result == 0 && renameat(folder_fd, temporary, folder_fd, name) != 0) {
        result = -errno;
    }
    if (result != 0) {
        (void)unlinkat(folder_fd, temporary, 0);
        return result;
    }
    return sync_fd(folder_fd);
}

int durable_folder_make(const char *path, unsigned mode) {
    if (mkdir(path, (mode_t)mode) != 0 && errno != EEXIST) {
        return -errno;
    }
    const int folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) {
        return -errno;
    }
    const int parent_fd = openat(folder_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int result = parent_fd < 0 ? -errno : sync_fd(parent_fd);
    if (parent_fd >= 0) {
        (void)close(parent_fd);
    }
    (void)close(folder_fd);
    return result;
}

static int save_to(int folder_fd, int fd, const char *temporary, const char *name, struct str bytes,
                   unsigned mode) {
    /* The process's umask must not decide who can read a saved file. */
    int result = fchmod(fd, (mode_t)mode) == 0 ? 0 : -errno;
    if (result == 0) {
        result = write_all(fd, bytes.data, bytes.length);
    }
    if (result == 0) {
        return durable_file_commit(folder_fd, fd, temporary, name);
    }
    (void)unlinkat(folder_fd, temporary, 0);
    return result;
}

int durable_file_save(int folder_fd, const char *name, const void *bytes, size_t length,
                      unsigned mode) {
    char temporary[NAME_LENGTH_MAX + 1];
    struct text text = TEXT_OVER(temporary);
    text_add(&text, str_from(name));
    text_add(&text, STR(".tmp"));
    (void)text_zero(&text);
    if (text.truncated) {
        return -ENAMETOOLONG;
    }
    /* A temporary file left by a crash, or a link somebody put there, is not written through. */
    if (unlinkat(folder_fd, temporary, 0) != 0 && errno != ENOENT) {
        return -errno;
    }
    const int fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    const int result = save_to(folder_fd, fd, temporary, name, (struct str){bytes, length}, mode);
    (void)close(fd);
    return result;
}

/* Reads until the end of the file or one byte more than `max`. */
static int read_all(int fd, size_t max, char **ret_bytes, size_t *ret_length) {
    size_t size = 0;
    size_t length = 0;
    char *bytes = NULL;
    for (;;) {
        if (length == size) {
            size = size == 0 ? FIRST_READ : size * 2;
            char *larger = realloc(bytes, size + 1);
            if (larger == NULL) {
                free(bytes);
                return -ENOMEM;
            }
            bytes = larger;
        }
        const ssize_t got = read(fd, bytes + length, size - length);
        if (got == 0) {
            break;
        }
        if (got > 0) {
            length += (size_t)got;
        }
        if ((got < 0 && errno != EINTR) || length > max) {
            const int error = length > max ? EFBIG : errno;
            free(bytes);
            return -error;
        }
    }
    bytes[length] = '\0';
    *ret_bytes = bytes;
    *ret_length = length;
    return 0;
}

int durable_file_load(int folder_fd, const char *name, size_t max, char **ret_bytes,
                      size_t *ret_length) {
    struct stat status;
    int result;
    /* Not blocking: somebody may have put a FIFO there, which is then refused. */
    const int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return -errno;
    }
    if (fstat(fd, &status) != 0) {
        result = -errno;
    } else if (S_ISDIR(status.st_mode)) {
        result = -EISDIR;
    } else if (!S_ISREG(status.st_mode)) {
        result = -EINVAL;
    } else if ((uint64_t)status.st_size > max) {
        result = -EFBIG;
    } else {
        result = read_all(fd, max, ret_bytes, ret_length);
    }
    (void)close(fd);
    return result;
}
