/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What the journal and the snapshots do to files, as a table, so that tests can let the n-th
 * operation fail or play a power loss (tests/crash/power_loss). Programs use file_operations_real.
 * Names are relative to `folder_fd`. All return 0 (open: a descriptor) or a negative errno and
 * repeat what a signal interrupted. Reading is not here: readers look at the files themselves. */
struct file_operations {
    void *context;
    int (*open)(void *context, int folder_fd, const char *name, int flags, unsigned mode);
    void (*close)(void *context, int fd);
    /* All of it, or an error: fewer bytes than asked for is -ENOSPC. Part may be written. */
    int (*write_at)(void *context, int fd, const void *bytes, size_t length, uint64_t offset);
    int (*allocate)(void *context, int fd, uint64_t length);
    int (*truncate)(void *context, int fd, uint64_t length);
    int (*sync_data)(void *context, int fd); /* fdatasync */
    int (*sync)(void *context, int fd);      /* fsync; folders too */
    void (*uncache)(void *context, int fd);  /* what is synced leaves the page cache: a hint */
    int (*rename)(void *context, int folder_fd, const char *from, const char *to);
    int (*unlink)(void *context, int folder_fd, const char *name);
    /* durable_file_save() and durable_file_commit(). */
    int (*save)(void *context, int folder_fd, const char *name, const void *bytes, size_t length,
                unsigned mode);
    int (*commit)(void *context, int folder_fd, int fd, const char *temporary, const char *name);
};

extern const struct file_operations file_operations_real;
