/* SPDX-License-Identifier: Apache-2.0 */
/* Remembering. What may be left after a power loss is made in disk_image.c. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

static void add(struct disk *disk, struct disk_event event) {
    if (disk->count == disk->size) {
        disk->size = disk->size == 0 ? 1024 : disk->size * 2;
        disk->events = realloc(disk->events, disk->size * sizeof *disk->events);
        CHECK(disk->events != NULL);
    }
    disk->events[disk->count++] = event;
}

static void copy_name(char out[40], const char *name) {
    CHECK(strlen(name) < 40);
    (void)snprintf(out, 40, "%s", name);
}

static int find_file(const struct disk *disk, const char *name) {
    for (unsigned i = 0; i < disk->files; i++) {
        if (strcmp(disk->names[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static unsigned create_file(struct disk *disk, const char *name) {
    struct disk_event event = {.kind = DISK_CREATE};
    const int old = find_file(disk, name);
    if (old >= 0) {
        disk->names[old][0] = '\0';
    }
    CHECK(disk->files < DISK_FILES_MAX);
    event.file = disk->files++;
    copy_name(event.name, name);
    copy_name(disk->names[event.file], name);
    add(disk, event);
    return event.file;
}

static void write_file(struct disk *disk, unsigned file, const void *bytes, size_t length,
                       uint64_t offset) {
    struct disk_event event = {
        .kind = DISK_WRITE, .file = file, .offset = offset, .length = length};
    event.bytes = malloc(length > 0 ? length : 1);
    CHECK(event.bytes != NULL);
    memcpy(event.bytes, bytes, length);
    add(disk, event);
}

static void rename_file(struct disk *disk, const char *from, const char *to) {
    struct disk_event event = {.kind = DISK_RENAME};
    const int file = find_file(disk, from);
    const int replaced = find_file(disk, to);
    CHECK(file >= 0);
    copy_name(event.name, from);
    copy_name(event.second, to);
    if (replaced >= 0) {
        disk->names[replaced][0] = '\0';
    }
    copy_name(disk->names[file], to);
    add(disk, event);
}

static int file_of(const struct disk *disk, int fd) {
    CHECK(fd >= 0 && fd < DISK_FDS_MAX);
    return disk->file_of[fd];
}

static int disk_open(void *context, int folder_fd, const char *name, int flags, unsigned mode) {
    struct disk *disk = context;
    (void)pthread_mutex_lock(&disk->lock);
    const int fd = file_operations_real.open(NULL, folder_fd, name, flags, mode);
    if (fd >= 0) {
        CHECK(fd < DISK_FDS_MAX);
        const int known = find_file(disk, name);
        disk->file_of[fd] =
            known < 0 || (flags & O_TRUNC) != 0 ? (int)create_file(disk, name) : known;
    }
    (void)pthread_mutex_unlock(&disk->lock);
    return fd;
}

static void disk_close(void *context, int fd) {
    struct disk *disk = context;
    (void)pthread_mutex_lock(&disk->lock);
    disk->file_of[fd] = -1;
    file_operations_real.close(NULL, fd);
    (void)pthread_mutex_unlock(&disk->lock);
}

static int disk_write_at(void *context, int fd, const void *bytes, size_t length, uint64_t offset) {
    struct disk *disk = context;
    (void)pthread_mutex_lock(&disk->lock);
    const int result = file_operations_real.write_at(NULL, fd, bytes, length, offset);
    if (result == 0) {
        write_file(disk, (unsigned)file_of(disk, fd), bytes, length, offset);
    }
    (void)pthread_mutex_unlock(&disk->lock);
    return result;
}

static int set_size(struct disk *disk, int fd, uint64_t size, int result) {
    if (result == 0) {
        add(disk, (struct disk_event){
                      .kind = DISK_SIZE, .file = (unsigned)file_of(disk, fd), .offset = size});
    }
    (void)pthread_mutex_unlock(&disk->lock);
    return result;
}

static int disk_allocate(void *context, int fd, uint64_t length) {
    struct disk *disk = context;
    (void)pthread_mutex_lock(&disk->lock);
    return set_size(disk, fd, length, file_operations_real.allocate(NULL, fd, length));
}

static int disk_truncate(void *context, int fd, uint64_t length) {
    struct disk *disk = context;
    (void)pthread_mutex_lock(&disk->lock);
    return set_size(disk, fd, length, file_operations_real.truncate(NULL, fd, length));
}

/* The real disk is not asked: a sync is what we say it is. */
static int disk_sync(void *context, int fd) {
    struct disk *disk = context;
    (void)pthread_mutex_lock(&disk->lock);
    const int file = file_of(disk, fd);
    add(disk, file >= 0 ? (struct disk_event){.kind = DISK_SYNC, .file = (unsigned)file}
                        : (struct disk_event){.kind = DISK_SYNC_FOLDER});
    (void)pthread_mutex_unlock(&disk->lock);
    return 0;
}

static int disk_rename(void *context, int folder_fd, const char *from, const char *to) {
    struct disk *disk = context;
    (void)pthread_mutex_lock(&disk->lock);
    const int result = file_operations_real.rename(NULL, folder_fd, from, to);
    if (result == 0) {
        rename_file(disk, from, to);
    }
    (void)pthread_mutex_unlock(&disk->lock);
    return result;
}

static int disk_unlink(void *context, int folder_fd, const char *name) {
    struct disk *disk = context;
    (void)pthread_mutex_lock(&disk->lock);
    const int result = file_operations_real.unlink(NULL, folder_fd, name);
    const int file = find_file(disk, name);
    if (result == 0 && file >= 0) {
        struct disk_event event = {.kind = DISK_UNLINK};
        copy_name(event.name, name);
        disk->names[file][0] = '\0';
        add(disk, event);
    }
    (void)pthread_mutex_unlock(&disk->lock);
    return result;
}

static int disk_commit(void *context, int folder_fd, int fd, const char *temporary,
                       const char *name) {
    int result = disk_sync(context, fd);
    if (result == 0) {
        result = disk_rename(context, folder_fd, temporary, name);
    }
    if (result == 0) {
        struct disk *disk = context;
        (void)pthread_mutex_lock(&disk->lock);
        add(disk, (struct disk_event){.kind = DISK_SYNC_FOLDER});
        (void)pthread_mutex_unlock(&disk->lock);
    }
    return result;
}

static int disk_save(void *context, int folder_fd, const char *name, const void *bytes,
                     size_t length, unsigned mode) {
    char temporary[48];
    (void)snprintf(temporary, sizeof temporary, "%s.tmp", name);
    const int fd = disk_open(context, folder_fd, temporary, O_RDWR | O_CREAT | O_TRUNC, mode);
    if (fd < 0) {
        return fd;
    }
    int result = disk_write_at(context, fd, bytes, length, 0);
    if (result == 0) {
        result = disk_commit(context, folder_fd, fd, temporary, name);
    }
    disk_close(context, fd);
    return result;
}

void disk_init(struct disk *disk) {
    memset(disk, 0, sizeof *disk);
    disk->operations = (struct file_operations){
        .context = disk,
        .open = disk_open,
        .close = disk_close,
        .write_at = disk_write_at,
        .allocate = disk_allocate,
        .truncate = disk_truncate,
        .sync_data = disk_sync,
        .sync = disk_sync,
        .uncache = file_operations_real.uncache,
        .rename = disk_rename,
        .unlink = disk_unlink,
        .save = disk_save,
        .commit = disk_commit,
    };
    (void)pthread_mutex_init(&disk->lock, NULL);
    for (size_t i = 0; i < DISK_FDS_MAX; i++) {
        disk->file_of[i] = -1;
    }
}

void disk_done(struct disk *disk) {
    for (size_t i = 0; i < disk->count; i++) {
        free(disk->events[i].bytes);
    }
    free(disk->events);
    (void)pthread_mutex_destroy(&disk->lock);
}

void disk_mark(struct disk *disk, uint64_t value) {
    (void)pthread_mutex_lock(&disk->lock);
    add(disk, (struct disk_event){.kind = DISK_MARK, .offset = value});
    (void)pthread_mutex_unlock(&disk->lock);
}

uint64_t disk_marked(const struct disk *disk, size_t cut) {
    for (size_t i = cut; i > 0; i--) {
        if (disk->events[i - 1].kind == DISK_MARK) {
            return disk->events[i - 1].offset;
        }
    }
    return 0;
}
