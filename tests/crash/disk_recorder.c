/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into the daemon by tests/crash/power_loss.py: writes down, in order and with its time,
 * everything that changes files below DISK_RECORDER_ROOT and every sync, so that a power loss at
 * any moment can be played afterwards. One mutex around operation and note keeps their order the
 * same.
 *
 * A note: struct note, path (of the file; for a rename the old one), second path (the new one),
 * data. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum operation {
    OPERATION_CREATE = 1,
    OPERATION_WRITE,
    OPERATION_TRUNCATE,
    OPERATION_SYNC,
    OPERATION_RENAME,
    OPERATION_UNLINK,
    OPERATION_MKDIR,
    OPERATION_SYNC_FOLDER,
};

struct note {
    uint32_t operation;
    uint32_t path_length;
    uint32_t second_length;
    uint32_t data_length;
    uint64_t inode;
    uint64_t offset; /* of a write; the size of a truncation */
    int64_t began_ns;
    int64_t ended_ns; /* CLOCK_MONOTONIC */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[512];
static int notes = -1;

static int64_t now_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int is_below_root(const char *path) {
    return notes >= 0 && strncmp(path, root, strlen(root)) == 0;
}

/* The path of a descriptor as it is called now. */
static int path_of(int fd, char *path, size_t size) {
    char link[64];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(link, path, size - 1);
    path[n > 0 ? n : 0] = '\0';
    return is_below_root(path);
}

static void path_at(int folder, const char *name, char *path, size_t size) {
    char base[512] = "";
    if (name[0] != '/') {
        if (folder == AT_FDCWD) {
            if (getcwd(base, sizeof base) == NULL) {
                base[0] = '\0';
            }
        } else {
            (void)path_of(folder, base, sizeof base);
        }
    }
    (void)snprintf(path, size, "%s%s%s", base, base[0] != '\0' ? "/" : "", name);
}

static void put(const void *bytes, size_t length) {
    const char *p = bytes;
    while (length > 0) {
        const ssize_t n = syscall(SYS_write, notes, p, length);
        if (n <= 0) {
            abort();
        }
        p += n;
        length -= (size_t)n;
    }
}

static void take_note(enum operation operation, uint64_t inode, uint64_t offset, int64_t began,
                      const char *path, const char *second, const void *data, size_t length) {
    struct note note = {
        .operation = operation,
        .path_length = (uint32_t)strlen(path),
        .second_length = second != NULL ? (uint32_t)strlen(second) : 0,
        .data_length = (uint32_t)length,
        .inode = inode,
        .offset = offset,
        .began_ns = began,
        .ended_ns = now_ns(),
    };
    put(&note, sizeof note);
    put(path, note.path_length);
    if (second != NULL) {
        put(second, note.second_length);
    }
    if (length > 0) {
        put(data, length);
    }
}

static uint64_t inode_of(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 ? (uint64_t)status.st_ino : 0;
}

static int open_noted(int folder, const char *name, int flags, mode_t mode) {
    char path[1024];
    path_at(folder, name, path, sizeof path);
    if (!is_below_root(path) || (flags & (O_CREAT | O_TRUNC)) == 0) {
        return (int)syscall(SYS_openat, folder, name, flags, mode);
    }
    (void)pthread_mutex_lock(&lock);
    const int64_t began = now_ns();
    struct stat before;
    const int present = stat(path, &before) == 0;
    const int fd = (int)syscall(SYS_openat, folder, name, flags, mode);
    const int saved = errno;
    if (fd >= 0 && !present) {
        take_note(OPERATION_CREATE, inode_of(fd), 0, began, path, NULL, NULL, 0);
    } else if (fd >= 0 && (flags & O_TRUNC) != 0) {
        take_note(OPERATION_TRUNCATE, inode_of(fd), 0, began, path, NULL, NULL, 0);
    }
    (void)pthread_mutex_unlock(&lock);
    errno = saved;
    return fd;
}

#define MODE_OF(flags)                                                                             \
    mode_t mode = 0;                                                                               \
    if (((flags) & (O_CREAT | __O_TMPFILE)) != 0) {                                                \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode = va_arg(rest, mode_t);                                                               \
        va_end(rest);                                                                              \
    }

int open(const char *path, int flags, ...) {
    MODE_OF(flags)
    return open_noted(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE_OF(flags)
    return open_noted(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    MODE_OF(flags)
    return open_noted(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...) {
    MODE_OF(flags)
    return open_noted(folder, path, flags | O_LARGEFILE, mode);
}

/* offset -1: where the file stands. */
static ssize_t write_noted(int fd, const void *bytes, size_t length, off_t offset) {
    char path[1024];
    if (!path_of(fd, path, sizeof path)) {
        return offset < 0 ? syscall(SYS_write, fd, bytes, length)
                          : syscall(SYS_pwrite64, fd, bytes, length, offset);
    }
    (void)pthread_mutex_lock(&lock);
    const int64_t began = now_ns();
    const ssize_t n = offset < 0 ? syscall(SYS_write, fd, bytes, length)
                                 : syscall(SYS_pwrite64, fd, bytes, length, offset);
    const int saved = errno;
    if (n > 0) {
        const off_t at = offset < 0 ? lseek(fd, 0, SEEK_CUR) - n : offset;
        take_note(OPERATION_WRITE, inode_of(fd), (uint64_t)at, began, path, NULL, bytes, (size_t)n);
    }
    (void)pthread_mutex_unlock(&lock);
    errno = saved;
    return n;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    return write_noted(fd, bytes, length, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return write_noted(fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    return write_noted(fd, bytes, length, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        const ssize_t n = write_noted(fd, parts[i].iov_base, parts[i].iov_len, -1);
        if (n < 0) {
            return total > 0 ? total : n;
        }
        total += n;
        if ((size_t)n < parts[i].iov_len) {
            break;
        }
    }
    return total;
}

static int resize_noted(int fd, off_t size, int is_allocation) {
    char path[1024];
    (void)pthread_mutex_lock(&lock);
    const int64_t began = now_ns();
    const long result = is_allocation ? syscall(SYS_fallocate, fd, 0, (off_t)0, size)
                                      : syscall(SYS_ftruncate, fd, size);
    const int saved = errno;
    struct stat status;
    if (result == 0 && path_of(fd, path, sizeof path) && fstat(fd, &status) == 0) {
        take_note(OPERATION_TRUNCATE, (uint64_t)status.st_ino, (uint64_t)status.st_size, began,
                  path, NULL, NULL, 0);
    }
    (void)pthread_mutex_unlock(&lock);
    errno = saved;
    return (int)result;
}

int ftruncate(int fd, off_t size) {
    return resize_noted(fd, size, 0);
}

int ftruncate64(int fd, off64_t size) {
    return resize_noted(fd, size, 0);
}

int posix_fallocate(int fd, off_t offset, off_t length) {
    return resize_noted(fd, offset + length, 1) == 0 ? 0 : errno;
}

int posix_fallocate64(int fd, off64_t offset, off64_t length) {
    return posix_fallocate(fd, offset, length);
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    return mode == 0 ? resize_noted(fd, offset + length, 1)
                     : (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    return fallocate(fd, mode, offset, length);
}

static int sync_noted(int fd, long number) {
    char path[1024];
    struct stat status;
    if (!path_of(fd, path, sizeof path) || fstat(fd, &status) != 0) {
        return (int)syscall(number, fd);
    }
    (void)pthread_mutex_lock(&lock);
    const int64_t began = now_ns();
    take_note(S_ISDIR(status.st_mode) ? OPERATION_SYNC_FOLDER : OPERATION_SYNC,
              (uint64_t)status.st_ino, 0, began, path, NULL, NULL, 0);
    (void)pthread_mutex_unlock(&lock);
    /* Nothing is really synced: the disk is played, and the note says when it would have been. */
    return 0;
}

int fsync(int fd) {
    return sync_noted(fd, SYS_fsync);
}

int fdatasync(int fd) {
    return sync_noted(fd, SYS_fdatasync);
}

static int rename_noted(int from_folder, const char *from, int to_folder, const char *to) {
    char old_path[1024];
    char new_path[1024];
    path_at(from_folder, from, old_path, sizeof old_path);
    path_at(to_folder, to, new_path, sizeof new_path);
    (void)pthread_mutex_lock(&lock);
    const int64_t began = now_ns();
    const int result = (int)syscall(SYS_renameat, from_folder, from, to_folder, to);
    const int saved = errno;
    if (result == 0 && is_below_root(new_path)) {
        take_note(OPERATION_RENAME, 0, 0, began, old_path, new_path, NULL, 0);
    }
    (void)pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int rename(const char *from, const char *to) {
    return rename_noted(AT_FDCWD, from, AT_FDCWD, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    return rename_noted(from_folder, from, to_folder, to);
}

static int unlink_noted(int folder, const char *name, int flags) {
    char path[1024];
    path_at(folder, name, path, sizeof path);
    (void)pthread_mutex_lock(&lock);
    const int64_t began = now_ns();
    const int result = (int)syscall(SYS_unlinkat, folder, name, flags);
    const int saved = errno;
    if (result == 0 && is_below_root(path)) {
        take_note(OPERATION_UNLINK, 0, 0, began, path, NULL, NULL, 0);
    }
    (void)pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int unlink(const char *path) {
    return unlink_noted(AT_FDCWD, path, 0);
}

int unlinkat(int folder, const char *path, int flags) {
    return unlink_noted(folder, path, flags);
}

static int mkdir_noted(int folder, const char *name, mode_t mode) {
    char path[1024];
    path_at(folder, name, path, sizeof path);
    (void)pthread_mutex_lock(&lock);
    const int64_t began = now_ns();
    const int result = (int)syscall(SYS_mkdirat, folder, name, mode);
    const int saved = errno;
    if (result == 0 && is_below_root(path)) {
        take_note(OPERATION_MKDIR, 0, 0, began, path, NULL, NULL, 0);
    }
    (void)pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int mkdir(const char *path, mode_t mode) {
    return mkdir_noted(AT_FDCWD, path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode) {
    return mkdir_noted(folder, path, mode);
}

__attribute__((constructor)) static void start(void) {
    const char *given = getenv("DISK_RECORDER_ROOT");
    const char *file = getenv("DISK_RECORDER_NOTES");
    if (given != NULL && file != NULL && strlen(given) < sizeof root) {
        (void)strcpy(root, given);
        notes = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                             0600);
    }
}
