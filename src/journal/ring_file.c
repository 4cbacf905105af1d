/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, making and mapping ring files. */
#include "journal/ring_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/crc32c.h"

enum { TMPFS_TYPE = 0x01021994, PATH_BYTES_MAX = 4096, POPULATE_STEP = 1 << 20 };

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

static const char ring_magic[8] = {'S', 'Z', 'R', 'I', 'N', 'G', '1', '\n'};

static uint32_t file_crc(const struct ring_file *file) {
    uint32_t crc = crc32c(0, file->magic, sizeof file->magic);
    crc = crc32c(crc, &file->version, sizeof file->version);
    crc = crc32c(crc, &file->size, sizeof file->size);
    return crc32c(crc, file->identity, sizeof file->identity);
}

static int map(struct ring *ring, int fd, uint64_t size, int protection) {
    void *memory = mmap(NULL, (size_t)(RING_HEADER_BYTES + size), protection, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        return -errno;
    }
    *ring = (struct ring){
        .file = memory,
        .data = (unsigned char *)memory + RING_HEADER_BYTES,
        .size = size,
        .fd = fd,
    };
    return 0;
}

/* Size of the data area of a file that has the form of a ring; 0 when it has not. */
static int file_data_size(int fd, uint64_t *ret_size) {
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return -errno;
    }
    const uint64_t bytes = (uint64_t)status.st_size;
    *ret_size = 0;
    if (S_ISREG(status.st_mode) && bytes >= RING_HEADER_BYTES + RING_BYTES_MIN &&
        bytes <= RING_HEADER_BYTES + RING_BYTES_MAX && bytes % RING_HEADER_BYTES == 0) {
        *ret_size = bytes - RING_HEADER_BYTES;
    }
    return 0;
}

static int header_check(const struct ring *ring) {
    const struct ring_file *file = ring->file;
    if (memcmp(file->magic, ring_magic, sizeof ring_magic) != 0 || file->crc != file_crc(file)) {
        return -EBADMSG;
    }
    if (file->version > RING_VERSION) {
        return -EPROTONOSUPPORT;
    }
    const uint64_t head = ring_head(ring);
    const uint64_t moved = ring_moved(ring);
    const uint64_t synced = ring_synced(ring);
    const bool sound = file->size == ring->size && synced <= moved && moved <= head &&
                       head - synced <= ring->size && head % RECORD_ALIGN == 0 &&
                       moved % RECORD_ALIGN == 0 && synced % RECORD_ALIGN == 0;
    return sound ? 0 : -EBADMSG;
}

/* Descriptor of an existing ring, mapped. -ENOENT, -EBADMSG, -EPROTONOSUPPORT, others. */
static int open_existing(const char *path, int flags, int protection, bool lock,
                         struct ring *ret_ring) {
    struct ring ring;
    uint64_t size = 0;
    const int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    int result = lock && flock(fd, LOCK_EX | LOCK_NB) != 0 ? -errno : file_data_size(fd, &size);
    if (result == 0) {
        result = size == 0 ? -EBADMSG : map(&ring, fd, size, protection);
    }
    if (result != 0) {
        (void)close(fd);
        return result;
    }
    result = header_check(&ring);
    if (result != 0) {
        ring_close(&ring);
        return result;
    }
    ring.free_from = ring_synced(&ring);
    *ret_ring = ring;
    return 0;
}

int ring_open(const char *path, const unsigned char identity[RING_IDENTITY_BYTES],
              struct ring *ret_ring, enum ring_finding *ret_finding) {
    struct ring ring;
    const int result = open_existing(path, O_RDWR, PROT_READ | PROT_WRITE, true, &ring);
    if (result == -ENOENT) {
        *ret_finding = RING_ABSENT;
        return 0;
    }
    if (result == -EBADMSG || result == -ELOOP) {
        *ret_finding = RING_BROKEN;
        return 0;
    }
    if (result != 0) {
        return result;
    }
    if (memcmp(ring.file->identity, identity, RING_IDENTITY_BYTES) != 0) {
        ring_close(&ring);
        *ret_finding = RING_FOREIGN;
        return 0;
    }
    *ret_finding = RING_USABLE;
    *ret_ring = ring;
    return 0;
}

int ring_map(const char *path, struct ring *ret_ring) {
    return open_existing(path, O_RDONLY, PROT_READ, false, ret_ring);
}

static int fill_new(int fd, const unsigned char identity[RING_IDENTITY_BYTES], uint64_t size,
                    struct ring *ret_ring) {
    /* Really allocated: a store into the mapping must never meet a full tmpfs (SIGBUS). */
    const int error = posix_fallocate(fd, 0, (off_t)(RING_HEADER_BYTES + size));
    if (error != 0) {
        return -error;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return -errno;
    }
    const int result = map(ret_ring, fd, size, PROT_READ | PROT_WRITE);
    if (result != 0) {
        return result;
    }
    struct ring_file *file = ret_ring->file;
    memcpy(file->magic, ring_magic, sizeof ring_magic);
    file->version = RING_VERSION;
    file->size = size;
    memcpy(file->identity, identity, RING_IDENTITY_BYTES);
    file->crc = file_crc(file);
    return 0;
}

int ring_create(const char *path, const unsigned char identity[RING_IDENTITY_BYTES], uint64_t size,
                struct ring *ret_ring) {
    char temporary[PATH_BYTES_MAX];
    const int length = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (length < 0 || (size_t)length >= sizeof temporary) {
        return -ENAMETOOLONG;
    }
    const uint64_t whole = (size + RING_HEADER_BYTES - 1) / RING_HEADER_BYTES * RING_HEADER_BYTES;
    CHECK(whole >= RING_BYTES_MIN && whole <= RING_BYTES_MAX);
    (void)unlink(temporary);
    const int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    struct ring ring = {.fd = -1};
    int result = fill_new(fd, identity, whole, &ring);
    if (result == 0 && rename(temporary, path) != 0) {
        result = -errno;
    }
    if (result != 0) {
        if (ring.file != NULL) {
            ring_close(&ring);
        } else {
            (void)close(fd);
        }
        (void)unlink(temporary);
        return result;
    }
    *ret_ring = ring;
    return 0;
}

void ring_populate(const struct ring *ring) {
    unsigned char *const memory = (unsigned char *)ring->file;
    const size_t bytes = (size_t)(RING_HEADER_BYTES + ring->size);
    for (size_t at = 0; at < bytes; at += POPULATE_STEP) {
        const size_t rest = bytes - at;
        (void)madvise(memory + at, rest < POPULATE_STEP ? rest : POPULATE_STEP,
                      MADV_POPULATE_WRITE);
    }
}

void ring_close(struct ring *ring) {
    if (ring->file == NULL) {
        return;
    }
    (void)munmap(ring->file, (size_t)(RING_HEADER_BYTES + ring->size));
    (void)close(ring->fd);
    ring->file = NULL;
}

void ring_unlock(struct ring *ring) {
    (void)flock(ring->fd, LOCK_UN);
}

int ring_lock(struct ring *ring) {
    return flock(ring->fd, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
}

bool ring_on_tmpfs(const struct ring *ring) {
    struct statfs status;
    return fstatfs(ring->fd, &status) == 0 && status.f_type == TMPFS_TYPE;
}
