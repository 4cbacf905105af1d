/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/failing_files.h"

#include <unistd.h>

#include "base/check.h"

static bool fails(struct failing *failing) {
    const int left = atomic_fetch_sub(&failing->left, 1);
    const bool now = left == 0 || (failing->for_good && left < 0);
    failing->failed += now;
    return now;
}

static int failing_open(void *context, int folder_fd, const char *name, int flags, unsigned mode) {
    struct failing *failing = context;
    return fails(failing) || failing->no_new_files
               ? -failing->error
               : file_operations_real.open(NULL, folder_fd, name, flags, mode);
}

/* Forgets what was written to `fd` since its last sync; first takes it back when it is lost. */
static void settle(struct failing *failing, int fd, bool lose) {
    static const unsigned char zeroes[1 << 20];
    size_t kept = 0;
    for (size_t i = 0; i < failing->unsynced_count; i++) {
        if (failing->unsynced[i].fd != fd) {
            failing->unsynced[kept++] = failing->unsynced[i];
        } else if (lose) {
            (void)!pwrite(fd, zeroes, failing->unsynced[i].length,
                          (off_t)failing->unsynced[i].offset);
        }
    }
    failing->unsynced_count = kept;
}

static void failing_close(void *context, int fd) {
    settle(context, fd, false);
    file_operations_real.close(NULL, fd);
}

static int failing_write_at(void *context, int fd, const void *bytes, size_t length,
                            uint64_t offset) {
    struct failing *failing = context;
    if (fails(failing)) {
        /* Half of it arrives, not at a record's end. */
        (void)!pwrite(fd, bytes, length / 2, (off_t)offset);
        return -failing->error;
    }
    CHECK(failing->unsynced_count < FAILING_WRITES_MAX);
    failing->unsynced[failing->unsynced_count].fd = fd;
    failing->unsynced[failing->unsynced_count].offset = offset;
    failing->unsynced[failing->unsynced_count++].length = length;
    return file_operations_real.write_at(NULL, fd, bytes, length, offset);
}

static int failing_allocate(void *context, int fd, uint64_t length) {
    struct failing *failing = context;
    return fails(failing) ? -failing->error : file_operations_real.allocate(NULL, fd, length);
}

static int failing_truncate(void *context, int fd, uint64_t length) {
    struct failing *failing = context;
    return fails(failing) ? -failing->error : file_operations_real.truncate(NULL, fd, length);
}

static int failing_sync_data(void *context, int fd) {
    struct failing *failing = context;
    const bool now = fails(failing);
    settle(failing, fd, now);
    return now ? -failing->error : 0;
}

static int failing_sync(void *context, int fd) {
    struct failing *failing = context;
    (void)fd;
    return fails(failing) ? -failing->error : 0;
}

static int failing_rename(void *context, int folder_fd, const char *from, const char *to) {
    struct failing *failing = context;
    return fails(failing) ? -failing->error
                          : file_operations_real.rename(NULL, folder_fd, from, to);
}

static int failing_unlink(void *context, int folder_fd, const char *name) {
    struct failing *failing = context;
    return fails(failing) ? -failing->error : file_operations_real.unlink(NULL, folder_fd, name);
}

static int failing_save(void *context, int folder_fd, const char *name, const void *bytes,
                        size_t length, unsigned mode) {
    struct failing *failing = context;
    return fails(failing) ? -failing->error
                          : file_operations_real.save(NULL, folder_fd, name, bytes, length, mode);
}

static int failing_commit(void *context, int folder_fd, int fd, const char *temporary,
                          const char *name) {
    struct failing *failing = context;
    return fails(failing) ? -failing->error
                          : file_operations_real.commit(NULL, folder_fd, fd, temporary, name);
}

void failing_init(struct failing *failing, int at, int error, bool for_good) {
    *failing = (struct failing){
        .operations = {.open = failing_open,
                       .close = failing_close,
                       .write_at = failing_write_at,
                       .allocate = failing_allocate,
                       .truncate = failing_truncate,
                       .sync_data = failing_sync_data,
                       .sync = failing_sync,
                       .uncache = file_operations_real.uncache,
                       .rename = failing_rename,
                       .unlink = failing_unlink,
                       .save = failing_save,
                       .commit = failing_commit},
        .error = error,
        .for_good = for_good,
    };
    failing->operations.context = failing;
    atomic_store(&failing->left, at);
}
