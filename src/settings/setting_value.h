/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "settings/settings.h"
#include "settings/settings_arena.h"

/* One value: from text into its field, and what a person is told when it does not fit. */

/* Parses `value` into the field of `settings`; lists and text are copied into `arena`. False leaves
 * the field as it was and appends a sentence to `problem` (key, what is allowed, what was found).
 */
bool setting_value_parse(const struct setting_info *info, struct str value,
                         struct settings *settings, struct settings_arena *arena,
                         struct text *problem);

/* Bool, numbers and enums as a number; CHECKs that the setting is one of these. */
int64_t setting_number(const struct settings *settings, const struct setting_info *info);
/* Items of a list setting; `ret_items` has the type of the field. */
size_t setting_items(const struct settings *settings, const struct setting_info *info,
                     const void **ret_items);
/* TEXT and SECRET. */
struct str setting_text(const struct settings *settings, const struct setting_info *info);

/* "1 day", "32 KiB", "4096": for sentences. */
void setting_format_bound(const struct setting_info *info, int64_t value, struct text *out);
/* "1 s to 1 day", "\"relaxed\" or \"strict\"", "a list of up to 16 texts": what is allowed. */
void setting_format_allowed(const struct setting_info *info, struct text *out);
/* The part of `choices` at `index`; empty when there is none. */
struct str setting_choice(const struct setting_info *info, size_t index);

/* Units, largest first. `factor` is in the base unit of the family: ns or bytes. */
struct setting_unit {
    const char *canonical; /* "5m" */
    const char *one;       /* "1 minute" */
    const char *many;      /* "5 minutes" */
    int64_t factor;
    bool printed; /* weeks are read and never written: 35d says more than 5w */
};
extern const struct setting_unit setting_durations[];
extern const size_t setting_durations_count;
extern const struct setting_unit setting_sizes[];
extern const size_t setting_sizes_count;
