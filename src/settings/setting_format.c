/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/check.h"
#include "settings/setting_value.h"

#define NS_PER_SECOND INT64_C(1000000000)

const struct setting_unit setting_durations[] = {
    {"w", "week", "weeks", 7 * 86400 * NS_PER_SECOND, false},
    {"d", "day", "days", 86400 * NS_PER_SECOND, true},
    {"h", "hour", "hours", 3600 * NS_PER_SECOND, true},
    {"m", "minute", "minutes", 60 * NS_PER_SECOND, true},
    {"s", "second", "seconds", NS_PER_SECOND, true},
    {"ms", "millisecond", "milliseconds", 1000000, true},
};
const size_t setting_durations_count = sizeof setting_durations / sizeof setting_durations[0];

const struct setting_unit setting_sizes[] = {
    {"TiB", "TiB", "TiB", INT64_C(1) << 40, true},
    {"GiB", "GiB", "GiB", 1 << 30, true},
    {"MiB", "MiB", "MiB", 1 << 20, true},
    {"KiB", "KiB", "KiB", 1 << 10, true},
    {"B", "B", "B", 1, true},
};
const size_t setting_sizes_count = sizeof setting_sizes / sizeof setting_sizes[0];

int64_t setting_number(const struct settings *settings, const struct setting_info *info) {
    const char *field = (const char *)settings + info->offset;
    if (info->type == SETTING_BOOL) {
        return *(const bool *)(const void *)field;
    }
    if (info->size == sizeof(int64_t)) {
        int64_t value = 0;
        memcpy(&value, field, sizeof value);
        return value;
    }
    unsigned value = 0;
    CHECK(info->type == SETTING_ENUM && info->size == sizeof value);
    memcpy(&value, field, sizeof value);
    return value;
}

size_t setting_items(const struct settings *settings, const struct setting_info *info,
                     const void **ret_items) {
    CHECK(info->type == SETTING_TEXT_LIST || info->type == SETTING_NETWORK_LIST ||
          info->type == SETTING_SECRET_LIST);
    size_t count = 0;
    memcpy(ret_items, (const char *)settings + info->offset, sizeof *ret_items);
    memcpy(&count, (const char *)settings + info->count_offset, sizeof count);
    return count;
}

struct str setting_text(const struct settings *settings, const struct setting_info *info) {
    struct str value;
    CHECK(info->type == SETTING_TEXT || info->type == SETTING_SECRET);
    memcpy(&value, (const char *)settings + info->offset, sizeof value);
    return value;
}

struct str setting_choice(const struct setting_info *info, size_t index) {
    struct str rest = str_from(info->choices);
    for (;;) {
        const size_t blank = str_find(rest, ' ');
        const size_t end = blank == SIZE_MAX ? rest.length : blank;
        if (index == 0 || rest.length == 0) {
            return str_slice(rest, 0, end);
        }
        rest = str_slice(rest, end + 1, rest.length);
        index--;
    }
}

/* --- numbers with units --------------------------------------------------------------------- */

static bool is_duration(const struct setting_info *info) {
    return info->type == SETTING_DURATION_S || info->type == SETTING_DURATION_NS;
}

/* The largest unit that divides `value` (in ns or bytes); the smallest for 0. */
static const struct setting_unit *unit_of(const struct setting_unit *units, size_t count,
                                          const struct setting_unit *zero, int64_t value) {
    for (size_t i = 0; value != 0 && i < count; i++) {
        if (units[i].printed && value % units[i].factor == 0) {
            return &units[i];
        }
    }
    return value == 0 ? zero : NULL;
}

/* `value` in nanoseconds that no unit divides: 0.0000001s keeps the round trip exact. */
static void format_odd_duration(int64_t ns, struct text *out) {
    char digits[9];
    size_t length = sizeof digits;
    int64_t rest = ns % NS_PER_SECOND;
    for (size_t i = sizeof digits; i > 0; i--) {
        digits[i - 1] = (char)('0' + rest % 10);
        rest /= 10;
    }
    while (length > 0 && digits[length - 1] == '0') {
        length--;
    }
    text_add_u64(out, (uint64_t)(ns / NS_PER_SECOND));
    if (length > 0) {
        text_add_byte(out, '.');
        text_add(out, (struct str){digits, length});
    }
}

static void format_quantity(const struct setting_info *info, int64_t value, bool for_people,
                            struct text *out) {
    const struct setting_unit *unit = NULL;
    int64_t base = value;
    if (is_duration(info)) {
        base = info->type == SETTING_DURATION_S ? value * NS_PER_SECOND : value;
        unit = unit_of(setting_durations, setting_durations_count,
                       &setting_durations[setting_durations_count - 2], base);
        if (unit == NULL) {
            format_odd_duration(base, out);
            text_add_byte(out, 's');
            return;
        }
    } else {
        unit = unit_of(setting_sizes, setting_sizes_count, &setting_sizes[setting_sizes_count - 1],
                       base);
        CHECK(unit != NULL);
    }
    const int64_t number = base / unit->factor;
    text_add_u64(out, (uint64_t)number);
    if (!for_people) {
        /* Bytes alone need no unit. */
        if (unit->factor != 1) {
            text_add(out, str_from(unit->canonical));
        }
        return;
    }
    text_add_byte(out, ' ');
    if (unit->factor <= NS_PER_SECOND) { /* ms and s are known to everybody; sizes have one form */
        text_add(out, str_from(unit->canonical));
    } else {
        text_add(out, str_from(number == 1 ? unit->one : unit->many));
    }
}

static void format_mode(int64_t mode, struct text *out) {
    text_add_byte(out, '0');
    for (int shift = 6; shift >= 0; shift -= 3) {
        text_add_byte(out, (char)('0' + ((mode >> shift) & 7)));
    }
}

void setting_format_bound(const struct setting_info *info, int64_t value, struct text *out) {
    switch (info->type) {
    case SETTING_DURATION_S:
    case SETTING_DURATION_NS:
    case SETTING_SIZE:
        format_quantity(info, value, true, out);
        break;
    case SETTING_MODE:
        format_mode(value, out);
        break;
    case SETTING_BOOL:
    case SETTING_INT:
    case SETTING_ENUM:
    case SETTING_TEXT:
    case SETTING_TEXT_LIST:
    case SETTING_NETWORK_LIST:
    case SETTING_SECRET:
    case SETTING_SECRET_LIST:
        text_add_u64(out, (uint64_t)value);
        break;
    }
}

static void format_choices(const struct setting_info *info, struct text *out) {
    for (size_t i = 0; setting_choice(info, i).length > 0; i++) {
        if (i > 0) {
            text_add(out, setting_choice(info, i + 1).length > 0 ? STR(", ") : STR(" or "));
        }
        text_add(out, setting_choice(info, i));
    }
}

static void format_range(const struct setting_info *info, struct text *out) {
    setting_format_bound(info, info->min, out);
    text_add(out, STR(" to "));
    setting_format_bound(info, info->max, out);
}

void setting_format_allowed(const struct setting_info *info, struct text *out) {
    switch (info->type) {
    case SETTING_BOOL:
        text_add(out, STR("true or false"));
        break;
    case SETTING_ENUM:
        format_choices(info, out);
        break;
    case SETTING_MODE:
        text_add(out, STR("octal permission bits, "));
        format_range(info, out);
        break;
    case SETTING_TEXT:
        text_add(out, STR("text of "));
        format_range(info, out);
        text_add(out, STR(" bytes"));
        break;
    case SETTING_SECRET:
        text_add(out, STR("a key of at most "));
        text_add_u64(out, (uint64_t)info->max);
        text_add(out, STR(" letters, digits and hyphens"));
        break;
    case SETTING_TEXT_LIST:
    case SETTING_NETWORK_LIST:
    case SETTING_SECRET_LIST:
        text_add(out, STR("a list of at most "));
        text_add_u64(out, (uint64_t)info->max);
        text_add(out, info->type == SETTING_NETWORK_LIST ? STR(" networks") : STR(" items"));
        break;
    case SETTING_INT:
    case SETTING_DURATION_S:
    case SETTING_DURATION_NS:
    case SETTING_SIZE:
        format_range(info, out);
        break;
    }
}

/* --- whole values --------------------------------------------------------------------------- */

static void format_list(const struct settings *settings, const struct setting_info *info,
                        struct text *out) {
    const void *items = NULL;
    const size_t count = setting_items(settings, info, &items);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            text_add_byte(out, '\n');
        }
        if (info->type == SETTING_NETWORK_LIST) {
            ip_prefix_format(((const struct ip_prefix *)items)[i], out);
        } else if (info->type == SETTING_SECRET_LIST) {
            text_add(out, STR(SETTING_HIDDEN));
        } else {
            text_add(out, ((const struct str *)items)[i]);
        }
    }
}

void setting_format(const struct settings *settings, const struct setting_info *info,
                    struct text *out) {
    switch (info->type) {
    case SETTING_BOOL:
        text_add(out, setting_number(settings, info) != 0 ? STR("true") : STR("false"));
        break;
    case SETTING_INT:
        text_add_u64(out, (uint64_t)setting_number(settings, info));
        break;
    case SETTING_DURATION_S:
    case SETTING_DURATION_NS:
    case SETTING_SIZE:
        format_quantity(info, setting_number(settings, info), false, out);
        break;
    case SETTING_ENUM:
        text_add(out, setting_choice(info, (size_t)setting_number(settings, info)));
        break;
    case SETTING_MODE:
        format_mode(setting_number(settings, info), out);
        break;
    case SETTING_TEXT:
        text_add(out, setting_text(settings, info));
        break;
    case SETTING_SECRET:
        text_add(out, setting_text(settings, info).length > 0 ? STR(SETTING_HIDDEN) : STR(""));
        break;
    case SETTING_TEXT_LIST:
    case SETTING_NETWORK_LIST:
    case SETTING_SECRET_LIST:
        format_list(settings, info, out);
        break;
    }
}

void setting_format_plain(const struct settings *settings, const struct setting_info *info,
                          struct text *out) {
    switch (info->type) {
    case SETTING_BOOL:
    case SETTING_DURATION_S:
    case SETTING_SIZE:
        text_add_u64(out, (uint64_t)setting_number(settings, info));
        break;
    case SETTING_DURATION_NS:
        format_odd_duration(setting_number(settings, info), out);
        break;
    case SETTING_INT:
    case SETTING_ENUM:
    case SETTING_TEXT:
    case SETTING_TEXT_LIST:
    case SETTING_NETWORK_LIST:
    case SETTING_SECRET:
    case SETTING_SECRET_LIST:
    case SETTING_MODE:
        setting_format(settings, info, out);
        break;
    }
}
