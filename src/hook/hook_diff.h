/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* Appends a unified diff of two texts (three lines of context) to `out`; nothing when they are the
 * same. Made for a few lines that came, went or changed. */
void hook_diff(struct str before, struct str after, const char *name, struct text *out);
/* Enough room for hook_diff() of two texts. */
size_t hook_diff_size(struct str before, struct str after);
