/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings.h"

#include <string.h>

#include "base/check.h"
#include "policy/state.h"

/* clang-format off */
#define MINUTES(n)         ((n) * INT64_C(60))
#define HOURS(n)           ((n) * INT64_C(3600))
#define DAYS(n)            ((n) * INT64_C(86400))
#define MILLISECONDS_NS(n) ((n) * INT64_C(1000000))
#define SECONDS_NS(n)      ((n) * INT64_C(1000000000))
#define DAYS_NS(n)         ((n) * SECONDS_NS(86400))
#define KIB(n)             ((n) * INT64_C(1024))
#define MIB(n)             ((n) * KIB(1024))
#define GIB(n)             ((n) * MIB(1024))

enum { KEY_MAX = 63 };

/* A row whose type does not fit its field, or whose bounds are turned round, does not compile. */
#define FIELD_OF(field_)       (((struct settings *)0)->field_)
#define FITS_BOOL(f_)          _Generic(FIELD_OF(f_), bool: 1, default: 0)
#define FITS_INT(f_)           _Generic(FIELD_OF(f_), int64_t: 1, default: 0)
#define FITS_DURATION_S(f_)    FITS_INT(f_)
#define FITS_DURATION_NS(f_)   FITS_INT(f_)
#define FITS_SIZE(f_)          FITS_INT(f_)
#define FITS_MODE(f_)          FITS_INT(f_)
#define FITS_TEXT(f_)          _Generic(FIELD_OF(f_), struct str: 1, default: 0)
#define FITS_TEXT_LIST(f_)     _Generic(FIELD_OF(f_), const struct str *: 1, default: 0)
#define FITS_SECRET(f_)        FITS_TEXT(f_)
#define FITS_SECRET_LIST(f_)   FITS_TEXT_LIST(f_)
#define FITS_NETWORK_LIST(f_)  _Generic(FIELD_OF(f_), const struct ip_prefix *: 1, default: 0)

#define SETTING(key_, field_, type_, default_, min_, max_, apply_, help_)                          \
    _Static_assert(sizeof(key_) <= KEY_MAX + 1, key_ ": key too long");                            \
    _Static_assert(FITS_##type_(field_), key_ ": type does not fit the field");                    \
    _Static_assert((min_) >= 0 && (min_) <= (max_), key_ ": bounds");
#define CHOICE(key_, field_, choices_, default_, apply_, help_)                                    \
    _Static_assert(_Generic(FIELD_OF(field_), int64_t: 1, unsigned: 1, int: 1, default: 0),        \
                   key_ ": type does not fit the field");
#define LIST(key_, field_, count_, type_, default_, max_, apply_, help_)                           \
    _Static_assert(FITS_##type_(field_), key_ ": type does not fit the field");                    \
    _Static_assert(_Generic(FIELD_OF(count_), size_t: (max_) > 0, default: 0), key_ ": count");
#include "settings/settings.def"
#undef SETTING
#undef CHOICE
#undef LIST

const struct setting_info settings_table[] = {
#define SETTING(key_, field_, type_, default_, min_, max_, apply_, help_)                          \
    {.key = (key_), .help = (help_), .fallback = (default_), .min = (min_), .max = (max_),         \
     .offset = offsetof(struct settings, field_), .size = sizeof FIELD_OF(field_),                 \
     .type = SETTING_##type_, .apply = SETTING_##apply_},
#define CHOICE(key_, field_, choices_, default_, apply_, help_)                                    \
    {.key = (key_), .help = (help_), .fallback = (default_), .choices = (choices_),                \
     .offset = offsetof(struct settings, field_), .size = sizeof FIELD_OF(field_),                 \
     .type = SETTING_ENUM, .apply = SETTING_##apply_},
#define LIST(key_, field_, count_, type_, default_, max_, apply_, help_)                           \
    {.key = (key_), .help = (help_), .fallback = (default_), .max = (max_),                        \
     .offset = offsetof(struct settings, field_), .size = sizeof FIELD_OF(field_),                 \
     .count_offset = offsetof(struct settings, count_), .type = SETTING_##type_,                   \
     .apply = SETTING_##apply_},
#include "settings/settings.def"
#undef SETTING
#undef CHOICE
#undef LIST
};
/* clang-format on */

const size_t settings_count = sizeof settings_table / sizeof settings_table[0];

const struct setting_info *setting_find(struct str key) {
    for (size_t i = 0; i < settings_count; i++) {
        if (str_equal(key, str_from(settings_table[i].key))) {
            return &settings_table[i];
        }
    }
    return NULL;
}

const char *setting_apply_name(enum setting_apply apply) {
    switch (apply) {
    case SETTING_AT_ONCE:
        return "at once";
    case SETTING_AT_RESTART:
        return "at restart";
    case SETTING_BOOTSTRAP:
        return "file";
    }
    return "at once";
}

const char *setting_origin_name(enum setting_origin origin) {
    switch (origin) {
    case SETTING_FROM_DEFAULT:
        return "default";
    case SETTING_FROM_DATABASE:
        return "database";
    case SETTING_FROM_FILE:
        return "file";
    }
    return "default";
}

const char *setting_type_name(enum setting_type type) {
    switch (type) {
    case SETTING_BOOL:
        return "boolean";
    case SETTING_INT:
        return "number";
    case SETTING_DURATION_S:
    case SETTING_DURATION_NS:
        return "duration";
    case SETTING_SIZE:
        return "size";
    case SETTING_ENUM:
        return "choice";
    case SETTING_TEXT:
        return "text";
    case SETTING_TEXT_LIST:
        return "list";
    case SETTING_NETWORK_LIST:
        return "networks";
    case SETTING_MODE:
        return "mode";
    case SETTING_SECRET:
        return "secret";
    case SETTING_SECRET_LIST:
        return "secrets";
    }
    return "text";
}

/* Edits (insert, delete, replace, swap two neighbours) that make `a` into `b`; both short. */
static size_t edit_distance(struct str a, struct str b) {
    size_t rows[3][KEY_MAX + 1];
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *next = rows[2];
    for (size_t j = 0; j <= b.length; j++) {
        last[j] = j;
        before[j] = j;
    }
    for (size_t i = 1; i <= a.length; i++) {
        next[0] = i;
        for (size_t j = 1; j <= b.length; j++) {
            const bool same = ascii_lower(a.data[i - 1]) == ascii_lower(b.data[j - 1]);
            size_t best = last[j - 1] + (same ? 0 : 1);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = next[j - 1] + 1 < best ? next[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] &&
                a.data[i - 2] == b.data[j - 1] && before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            next[j] = best;
        }
        size_t *spare = before;
        before = last;
        last = next;
        next = spare;
    }
    return last[b.length];
}

const char *setting_nearest(struct str key) {
    if (key.length == 0 || key.length > KEY_MAX) {
        return NULL;
    }
    const char *nearest = NULL;
    size_t least = (key.length < 8 ? 2 : key.length / 4) + 1; /* farther is no typing mistake */
    for (size_t i = 0; i < settings_count; i++) {
        const struct str known = str_from(settings_table[i].key);
        const size_t dot = str_find_last(known, '.');
        /* Someone who forgot the section means this one. */
        if (dot != SIZE_MAX && str_equal_nocase(str_slice(known, dot + 1, known.length), key)) {
            return settings_table[i].key;
        }
        if (nearest == NULL && key.length >= 6 && str_starts(known, key)) {
            nearest = settings_table[i].key;
        }
        const size_t distance = edit_distance(key, known);
        if (distance < least) {
            nearest = settings_table[i].key;
            least = distance;
        }
    }
    return nearest;
}
