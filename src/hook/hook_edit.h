/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hook/config_text.h"
#include "hook/restriction_list.h"

/* Edits of main.cf and master.cf in memory, one element at a time; every other byte stays. postconf
 * would fold a list into one line and refuses blanks in values of master.cf. */

struct hook_files {
    struct str main_cf; /* heap */
    struct str master_cf;
};
struct hook_files hook_files_copy(struct str main_cf, struct str master_cf);
void hook_files_done(struct hook_files *files);

/* What is ours, and what we write. */
struct hook_identity {
    const struct str *endpoints; /* every one that is known as ours */
    size_t endpoint_count;
    struct str endpoint; /* the one to be written */
    bool exact;          /* and no other of `endpoints` will do */
    uint64_t timeout_s;
};

/* Inserts our element before the element at `index` of the list in main.cf. A parameter that the
 * file does not set is added at its end (index 0). False when the list cannot be read. */
bool hook_edit_main(struct hook_files *files, struct str parameter, size_t index,
                    const struct hook_identity *identity);
/* The same for `-o parameter=...` of a service; false too when it has none. */
bool hook_edit_service(struct hook_files *files, struct str service, struct str type,
                       struct str parameter, size_t index, const struct hook_identity *identity);
/* Adds `-o parameter=` with no value to a service. */
bool hook_edit_silence(struct hook_files *files, struct str service, struct str type,
                       struct str parameter);

/* Takes all our elements out of both files, and what hook_edit_* added with them: parameters and
 * options that are empty then and that `before` (what was there before we came; NULL: not known)
 * does not have. Returns how many places changed. */
size_t hook_edit_strip(struct hook_files *files, const struct hook_files *before,
                       const struct hook_identity *identity);
