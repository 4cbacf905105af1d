/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/file_operations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/durable_file.h"

static int real_open(void *context, int folder_fd, const char *name, int flags, unsigned mode) {
    (void)context;
    const int fd = openat(folder_fd, name, flags | O_CLOEXEC, (mode_t)mode);
    return fd >= 0 ? fd : -errno;
}

static void real_close(void *context, int fd) {
    (void)context;
    (void)close(fd);
}

static int real_write_at(void *context, int fd, const void *bytes, size_t length, uint64_t offset) {
    (void)context;
    ssize_t written;
    do {
        written = pwrite(fd, bytes, length, (off_t)offset);
    } while (written < 0 && errno == EINTR);
    if (written < 0) {
        return -errno;
    }
    return (size_t)written == length ? 0 : -ENOSPC;
}

static int real_allocate(void *context, int fd, uint64_t length) {
    (void)context;
    int error;
    do {
        error = posix_fallocate(fd, 0, (off_t)length);
    } while (error == EINTR);
    return -error;
}

static int real_truncate(void *context, int fd, uint64_t length) {
    (void)context;
    return ftruncate(fd, (off_t)length) == 0 ? 0 : -errno;
}

static int real_sync_data(void *context, int fd) {
    (void)context;
    int result;
    do {
        result = fdatasync(fd);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : -errno;
}

static int real_sync(void *context, int fd) {
    (void)context;
    int result;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : -errno;
}

static void real_uncache(void *context, int fd) {
    (void)context;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int real_rename(void *context, int folder_fd, const char *from, const char *to) {
    (void)context;
    return renameat(folder_fd, from, folder_fd, to) == 0 ? 0 : -errno;
}

static int real_unlink(void *context, int folder_fd, const char *name) {
    (void)context;
    return unlinkat(folder_fd, name, 0) == 0 ? 0 : -errno;
}

static int real_save(void *context, int folder_fd, const char *name, const void *bytes,
                     size_t length, unsigned mode) {
    (void)context;
    return durable_file_save(folder_fd, name, bytes, length, mode);
}

static int real_commit(void *context, int folder_fd, int fd, const char *temporary,
                       const char *name) {
    (void)context;
    return durable_file_commit(folder_fd, fd, temporary, name);
}

const struct file_operations file_operations_real = {
    .open = real_open,
    .close = real_close,
    .write_at = real_write_at,
    .allocate = real_allocate,
    .truncate = real_truncate,
    .sync_data = real_sync_data,
    .sync = real_sync,
    .uncache = real_uncache,
    .rename = real_rename,
    .unlink = real_unlink,
    .save = real_save,
    .commit = real_commit,
};
