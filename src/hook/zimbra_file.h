/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/check.h"
#include "base/str.h"

/* Files of Zimbra's, whose folders its own user may write: a symbolic link is never followed, and
 * a file keeps owner and mode. All functions return 0 or a negative errno. */

struct zimbra_file {
    char *bytes; /* a zero byte follows; owned by the caller */
    size_t length;
    unsigned mode;
    uid_t uid;
    gid_t gid;
};

/* -ELOOP for a symbolic link, -EFBIG for more than `max` bytes, -EINVAL for what is no file. */
MUST_USE int zimbra_file_load(const char *path, size_t max, struct zimbra_file *ret_file);
void zimbra_file_done(struct zimbra_file *file);
/* A whole new file in place of the old one, with the owner and the mode of `like`: a reader sees
 * the one or the other. */
MUST_USE int zimbra_file_save(const char *path, struct str bytes, const struct zimbra_file *like);
/* It may be away already. */
MUST_USE int zimbra_file_remove(const char *path);
/* Removes what a killed zimbra_file_save() to `path` left beside it. */
MUST_USE int zimbra_file_sweep(const char *path);
