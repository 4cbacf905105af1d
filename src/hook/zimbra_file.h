/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/check.h"
#include "base/str.h"

/* Files of Zimbra's, whose folders its own user may write and exchange while root works: a folder
 * is opened once, no symbolic link is followed, and whatever happens then happens in that folder. A
 * file keeps owner and permissions, but never set-user-ID and its like. All functions return 0 or a
 * negative errno. */

struct zimbra_file {
    char *bytes; /* a zero byte follows; owned by the caller */
    size_t length;
    unsigned mode;
    uid_t uid;
    gid_t gid;
};

/* The folder of the file `path` below `root`: a descriptor, the caller's to close; *ret_name is the
 * file's name within `path`. -ELOOP when a folder below `root` is a symbolic link or no folder. */
MUST_USE int zimbra_folder_open(const char *root, const char *path, const char **ret_name);
/* -ELOOP for a symbolic link, -EFBIG for more than `max` bytes, -EINVAL for what is no file. A
 * negative `folder` is handed back. */
MUST_USE int zimbra_file_load(int folder, const char *name, size_t max,
                              struct zimbra_file *ret_file);
void zimbra_file_done(struct zimbra_file *file);
/* What is there now is a file of the owner and group that `file` was loaded with. */
bool zimbra_file_same_owner(int folder, const char *name, const struct zimbra_file *file);
/* A whole new file in place of the old one, with the owner and the mode of `like`: a reader sees
 * the one or the other. */
MUST_USE int zimbra_file_save(int folder, const char *name, struct str bytes,
                              const struct zimbra_file *like);
/* It may be away already. */
MUST_USE int zimbra_file_remove(int folder, const char *name);
/* Removes what a killed zimbra_file_save() of `name` left beside it. */
MUST_USE int zimbra_file_sweep(int folder, const char *name);
