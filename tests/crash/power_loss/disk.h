/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>

#include "journal/file_operations.h"

/* A disk that remembers everything that was done to the files of one folder, and can say what it
 * might hold after a power loss at any moment of that history:
 *
 * - what was written before the last completed sync of a file is there;
 * - of what was written since, any 512-byte sectors in any order are there or not;
 * - names (create, rename, unlink) take effect in order, up to any point after the last completed
 *   sync of the folder.
 *
 * The operations themselves reach the real folder, so that readers beside the writer see them.
 * Thread safe. For tests; running out of memory ends the test. */

enum disk_event_kind {
    DISK_CREATE = 1, /* name: a new, empty file */
    DISK_WRITE,
    DISK_SIZE,
    DISK_SYNC,
    DISK_SYNC_FOLDER,
    DISK_RENAME, /* name to second */
    DISK_UNLINK, /* name */
    DISK_MARK,   /* value: what somebody was told at this moment */
};

struct disk_event {
    enum disk_event_kind kind;
    unsigned file; /* number of the file, in order of creation */
    char name[40];
    char second[40];
    uint64_t offset; /* or the size, or the mark's value */
    size_t length;
    unsigned char *bytes;
};

enum { DISK_FILES_MAX = 256, DISK_FDS_MAX = 4096 };

struct disk {
    struct file_operations operations;
    pthread_mutex_t lock;
    struct disk_event *events;
    size_t count;
    size_t size;
    unsigned files;
    char names[DISK_FILES_MAX][40]; /* as they are now; "" for unlinked ones */
    int file_of[DISK_FDS_MAX];      /* -1: a folder, or not ours */
};

void disk_init(struct disk *disk);
void disk_done(struct disk *disk);
/* Notes that somebody was told `value` (for example, that records up to it are synced). */
void disk_mark(struct disk *disk, uint64_t value);
/* The value of the last mark among the first `cut` events; 0 when there is none. */
uint64_t disk_marked(const struct disk *disk, size_t cut);

enum disk_loss {
    DISK_LOSE_ALL = 0, /* nothing that was not synced */
    DISK_LOSE_SOME,    /* each sector by chance */
    DISK_LOSE_LITTLE,  /* one sector in sixteen */
    DISK_LOSE_NOTHING,
    DISK_LOSSES,
};
/* Writes into `folder` (empty) what the disk may hold after the first `cut` events. *random is a
 * xorshift state, not 0. */
void disk_image(const struct disk *disk, size_t cut, enum disk_loss loss, uint64_t *random,
                const char *folder);
