/* SPDX-License-Identifier: Apache-2.0 */
/* What may be left: the history up to the cut is played twice, once for names and once per file. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "disk.h"

enum { SECTOR = 512 };

struct content {
    unsigned char *bytes;
    size_t length;
    size_t size;
};

static uint64_t next_random(uint64_t *random) {
    uint64_t x = *random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *random = x;
    return x >> 11;
}

static void resize(struct content *content, size_t length) {
    if (length > content->size) {
        content->size = length * 2;
        content->bytes = realloc(content->bytes, content->size);
        CHECK(content->bytes != NULL);
    }
    if (length > content->length) {
        memset(content->bytes + content->length, 0, length - content->length);
    }
    content->length = length;
}

static void put(struct content *content, const unsigned char *bytes, size_t length,
                uint64_t offset) {
    if (offset + length > content->length) {
        resize(content, (size_t)offset + length);
    }
    memcpy(content->bytes + offset, bytes, length);
}

static bool kept(enum disk_loss loss, uint64_t *random) {
    switch (loss) {
    case DISK_LOSE_ALL:
        return false;
    case DISK_LOSE_SOME:
        return next_random(random) % 2 == 0;
    case DISK_LOSE_LITTLE:
        return next_random(random) % 16 != 0;
    case DISK_LOSE_NOTHING:
    case DISK_LOSSES:
        break;
    }
    return true;
}

static void put_sectors(struct content *content, const struct disk_event *event,
                        enum disk_loss loss, uint64_t *random) {
    size_t done = 0;
    while (done < event->length) {
        const uint64_t offset = event->offset + done;
        const size_t until_next = SECTOR - (size_t)(offset % SECTOR);
        const size_t rest = event->length - done;
        const size_t length = rest < until_next ? rest : until_next;
        if (kept(loss, random)) {
            put(content, event->bytes + done, length, offset);
        }
        done += length;
    }
}

static size_t last_sync(const struct disk *disk, size_t cut, unsigned file) {
    for (size_t i = cut; i > 0; i--) {
        const struct disk_event *event = &disk->events[i - 1];
        if (event->kind == DISK_SYNC && event->file == file) {
            return i;
        }
    }
    return 0;
}

static void play_file(const struct disk *disk, size_t cut, unsigned file, enum disk_loss loss,
                      uint64_t *random, struct content *content) {
    const size_t synced = last_sync(disk, cut, file);
    for (size_t i = 0; i < cut; i++) {
        const struct disk_event *event = &disk->events[i];
        if (event->file != file) {
            continue;
        }
        if (event->kind == DISK_WRITE) {
            if (i < synced) {
                put(content, event->bytes, event->length, event->offset);
            } else {
                put_sectors(content, event, loss, random);
            }
        } else if (event->kind == DISK_SIZE && (i < synced || kept(loss, random))) {
            resize(content, (size_t)event->offset);
        }
    }
}

static void play_name(const struct disk_event *event, char names[DISK_FILES_MAX][40]) {
    if (event->kind == DISK_CREATE) {
        for (unsigned i = 0; i < DISK_FILES_MAX; i++) {
            if (strcmp(names[i], event->name) == 0) {
                names[i][0] = '\0';
            }
        }
        memcpy(names[event->file], event->name, sizeof event->name);
    } else if (event->kind == DISK_UNLINK || event->kind == DISK_RENAME) {
        unsigned moved = DISK_FILES_MAX;
        for (unsigned i = 0; i < DISK_FILES_MAX; i++) {
            if (strcmp(names[i], event->name) == 0) {
                moved = i;
                names[i][0] = '\0';
            } else if (event->kind == DISK_RENAME && strcmp(names[i], event->second) == 0) {
                names[i][0] = '\0';
            }
        }
        if (event->kind == DISK_RENAME && moved < DISK_FILES_MAX) {
            memcpy(names[moved], event->second, sizeof event->second);
        }
    }
}

/* Up to a point between the last sync of the folder and the cut. */
static void play_names(const struct disk *disk, size_t cut, enum disk_loss loss, uint64_t *random,
                       char names[DISK_FILES_MAX][40]) {
    size_t synced = cut;
    while (synced > 0 && disk->events[synced - 1].kind != DISK_SYNC_FOLDER) {
        synced--;
    }
    size_t until = synced;
    if (loss == DISK_LOSE_NOTHING) {
        until = cut;
    } else if (loss != DISK_LOSE_ALL) {
        until = synced + (size_t)(next_random(random) % (cut - synced + 1));
    }
    for (size_t i = 0; i < until; i++) {
        play_name(&disk->events[i], names);
    }
}

static void save(const char *folder, const char *name, const struct content *content) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0);
    CHECK(write(fd, content->bytes, content->length) == (ssize_t)content->length);
    (void)close(fd);
}

void disk_image(const struct disk *disk, size_t cut, enum disk_loss loss, uint64_t *random,
                const char *folder) {
    static char names[DISK_FILES_MAX][40];
    memset(names, 0, sizeof names);
    play_names(disk, cut, loss, random, names);
    for (unsigned file = 0; file < disk->files; file++) {
        struct content content = {0};
        if (names[file][0] == '\0') {
            continue;
        }
        resize(&content, 1);
        resize(&content, 0);
        play_file(disk, cut, file, loss, random, &content);
        save(folder, names[file], &content);
        free(content.bytes);
    }
}
