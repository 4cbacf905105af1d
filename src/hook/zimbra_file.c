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
#include "hook/file_attributes.h"

/* Without those that lend a program its owner's rights. */
enum { MODE_BITS = 0777 };

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

/* ENOTDIR is what a link to a folder gives. */
static int step_into(int folder, struct str name) {
    char room[NAME_MAX + 1];
    if (name.length >= sizeof room) {
        return -ENAMETOOLONG;
    }
    memcpy(room, name.data, name.length);
    room[name.length] = '\0';
    const int fd = openat(folder, room, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 ? fd : errno == ENOTDIR ? -ELOOP : -errno;
}

int zimbra_folder_open(const char *root, const char *path, const char **ret_name) {
    int folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return -errno;
    }
    const char *name = path;
    for (const char *slash; (slash = strchr(name, '/')) != NULL; name = slash + 1) {
        const int next = step_into(folder, (struct str){name, (size_t)(slash - name)});
        (void)close(folder);
        if (next < 0) {
            return next;
        }
        folder = next;
    }
    *ret_name = name;
    return folder;
}

int zimbra_file_load(int folder, const char *name, size_t max, struct zimbra_file *ret_file) {
    if (folder < 0) {
        return folder;
    }
    const int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
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

bool zimbra_file_same_owner(int folder, const char *name, const struct zimbra_file *file) {
    struct stat status;
    return fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode) &&
           status.st_uid == file->uid && status.st_gid == file->gid;
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

int zimbra_file_save(int folder, const char *name, struct str bytes,
                     const struct zimbra_file *like) {
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
        file_attributes_copy(folder, name, fd);
        result = durable_file_commit(folder, fd, temporary, name);
    } else {
        (void)unlinkat(folder, temporary, 0);
    }
    (void)close(fd);
    return result;
}

int zimbra_file_remove(int folder, const char *name) {
    if (unlinkat(folder, name, 0) != 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    return fsync(folder) == 0 ? 0 : -errno;
}

int zimbra_file_sweep(int folder, const char *name) {
    char temporary[NAME_MAX + 1];
    const int named = temporary_name(name, temporary, sizeof temporary);
    return named != 0 ? named : zimbra_file_remove(folder, temporary);
}
