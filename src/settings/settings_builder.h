/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "settings/settings.h"
#include "settings/settings_arena.h"

/* Inside of settings/: where a value comes from, and the rules between settings. */

struct setting_place {
    enum setting_origin origin;
    unsigned line; /* 0: not from a file */
    unsigned column;
};

/* settings_builder_set() with a column. */
bool settings_builder_set_at(struct settings_builder *builder, const struct setting_info *info,
                             struct str value, struct setting_place place,
                             struct setting_problem *problem);
/* False and a sentence when `value` is not one for this setting from this origin. */
bool setting_value_check(const struct setting_info *info, struct str value,
                         struct setting_place place, struct setting_problem *problem);
/* Fills *problem with text and place; false, for `return`. */
bool setting_problem_set(struct setting_problem *problem, struct setting_place place,
                         struct str text);
/* `"greylisting.defertime" is not a setting; did you mean greylisting.defer_time?` */
void setting_unknown_format(struct str key, struct text *out);

/* Fills policy.rbl.lists from what is set of block lists. NULL, or the key to blame, and a sentence
 * in `problem`. */
const char *settings_rbl_build(struct settings *settings, struct settings_arena *arena,
                               struct text *problem);
/* Rules between settings, and of single ones that the table cannot tell. Normalises local_domains
 * (lower case, A-labels, ascending). False: *ret_at is the setting to blame, *ret_other the one it
 * does not agree with (or NULL), and `problem` has the sentence. */
bool settings_rules_apply(struct settings *settings, struct settings_arena *arena,
                          const struct setting_info **ret_at, const struct setting_info **ret_other,
                          struct text *problem);
