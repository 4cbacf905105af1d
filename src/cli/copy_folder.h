/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/stat.h>

#include "base/check.h"

/* Copies regular files and folders below `from` into the new folder `to` (must not exist), syncs
 * each, and gives them to `owner` (user and group; NULL: the caller). Links and special files are
 * not followed or copied. 0 or a positive errno. */
MUST_USE int copy_folder(const char *from, const char *to, const struct stat *owner);

enum folder_swap {
    FOLDER_SWAPPED = 0,
    FOLDER_NOT_SET_ASIDE, /* nothing has changed */
    FOLDER_PUT_BACK,      /* `fresh` could not take the place; `data` stands there again */
    FOLDER_LEFT_ASIDE,    /* nor could `data` be put back: it is `before` */
};
/* Renames `data` to `before` (NULL: there is no `data`) and `fresh` to `data`, and syncs the folder
 * they are in. *ret_error is the errno of the step that failed first. */
MUST_USE enum folder_swap swap_folder(const char *fresh, const char *data, const char *before,
                                      int *ret_error);

/* Copies the file `from` over `to` when `to` is missing or its bytes compare less. For the small
 * file that holds the number of the last run (fixed width, so bytes order as numbers). */
MUST_USE int copy_file_if_greater(const char *from, const char *to);
