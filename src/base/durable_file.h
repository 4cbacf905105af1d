/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* Files appear under their final name only complete: write "NAME.tmp", fsync, rename, fsync the
 * folder. All functions return 0 or a negative errno; one that fails before the rename removes the
 * temporary file. Outputs are untouched on failure. Only regular files are read (else -EINVAL). */

/* Mode is the permission bits. Blocks; not for the answering path. */
MUST_USE int durable_file_save(int folder_fd, const char *name, const void *bytes, size_t length,
                               unsigned mode);
/* Reads a whole file of at most `max` bytes. *ret_bytes is malloc'd (one zero byte follows it) and
 * owned by the caller. -EFBIG when larger. */
MUST_USE int durable_file_load(int folder_fd, const char *name, size_t max, char **ret_bytes,
                               size_t *ret_length);
/* fd holds a complete temporary file: fsync it, rename `temporary` to `name`, fsync the folder. */
MUST_USE int durable_file_commit(int folder_fd, int fd, const char *temporary, const char *name);
/* Makes the folder unless it exists, and syncs its name in either case. */
MUST_USE int durable_folder_make(const char *path, unsigned mode);
