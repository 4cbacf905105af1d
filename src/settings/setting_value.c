/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/setting_value.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { SHOWN_MAX = 80 };

static void *field_of(struct settings *settings, const struct setting_info *info) {
    return (char *)settings + info->offset;
}

/* `key must be ALLOWED, not "value"` and, when there is one, `: ADVICE`. */
static bool refuse(const struct setting_info *info, struct str value, const char *advice,
                   struct text *problem) {
    text_add(problem, str_from(info->key));
    text_add(problem, STR(" must be "));
    setting_format_allowed(info, problem);
    if (!setting_is_secret(info)) {
        text_add(problem, STR(", not \""));
        text_add_escaped(problem, str_slice(value, 0, SHOWN_MAX));
        text_add(problem, value.length > SHOWN_MAX ? STR("...\"") : STR("\""));
    }
    if (advice != NULL) {
        text_add(problem, STR(": "));
        text_add(problem, str_from(advice));
    }
    return false;
}

static void put_number(struct settings *settings, const struct setting_info *info, int64_t value) {
    if (info->type == SETTING_BOOL) {
        *(bool *)field_of(settings, info) = value != 0;
    } else if (info->size == sizeof(int64_t)) {
        memcpy(field_of(settings, info), &value, sizeof value);
    } else {
        CHECK(info->size == sizeof(unsigned));
        const unsigned small = (unsigned)value;
        memcpy(field_of(settings, info), &small, sizeof small);
    }
}

/* --- numbers with units --------------------------------------------------------------------- */

static bool unit_is(struct str text, const struct setting_unit *unit) {
    static const struct {
        const char *written;
        const char *canonical;
    } also[] = {{"sec", "s"}, {"secs", "s"},  {"min", "m"},   {"mins", "m"},
                {"hr", "h"},  {"hours", "h"}, {"k", "KiB"},   {"m", "MiB"},
                {"g", "GiB"}, {"byte", "B"},  {"bytes", "B"}, {"t", "TiB"}};
    if (str_equal_nocase(text, str_from(unit->canonical)) ||
        str_equal_nocase(text, str_from(unit->one)) ||
        str_equal_nocase(text, str_from(unit->many))) {
        return true;
    }
    for (size_t i = 0; i < sizeof also / sizeof also[0]; i++) {
        if (str_equal_nocase(text, str_from(also[i].written)) &&
            str_equal(str_from(unit->canonical), str_from(also[i].canonical))) {
            return true;
        }
    }
    return false;
}

static const struct setting_unit *unit_find(const struct setting_unit *units, size_t count,
                                            struct str text) {
    for (size_t i = 0; i < count; i++) {
        if (unit_is(text, &units[i])) {
            return &units[i];
        }
    }
    return NULL;
}

enum quantity { QUANTITY_OK = 0, QUANTITY_MALFORMED, QUANTITY_TOO_LARGE };

/* "300", "5m", "5 minutes", "1.5h": in the family's base unit. A bare number counts in
 * `bare_factor`; the result must be whole. */
static enum quantity quantity_parse(struct str text, const struct setting_unit *units, size_t count,
                                    int64_t bare_factor, int64_t *ret_value) {
    size_t at = 0;
    int64_t number = 0;
    int64_t divisor = 1;
    bool fraction = false;
    for (; at < text.length && ((text.data[at] >= '0' && text.data[at] <= '9') ||
                                (text.data[at] == '.' && !fraction && at > 0));
         at++) {
        if (text.data[at] == '.') {
            fraction = true;
        } else if (__builtin_mul_overflow(number, 10, &number) ||
                   __builtin_add_overflow(number, text.data[at] - '0', &number) ||
                   (fraction && __builtin_mul_overflow(divisor, 10, &divisor))) {
            return QUANTITY_TOO_LARGE;
        }
    }
    if (at == 0 || text.data[at - 1] == '.') {
        return QUANTITY_MALFORMED;
    }
    const struct str unit_text = str_trim(str_slice(text, at, text.length));
    int64_t factor = bare_factor;
    if (unit_text.length > 0) {
        const struct setting_unit *unit = unit_find(units, count, unit_text);
        if (unit == NULL) {
            return QUANTITY_MALFORMED;
        }
        factor = unit->factor;
    }
    int64_t product = 0;
    if (__builtin_mul_overflow(number, factor, &product)) {
        return QUANTITY_TOO_LARGE;
    }
    if (product % divisor != 0) {
        return QUANTITY_MALFORMED;
    }
    *ret_value = product / divisor;
    return QUANTITY_OK;
}

static bool duration_parse(const struct setting_info *info, struct str value,
                           struct settings *settings, struct text *problem) {
    const bool whole_seconds = info->type == SETTING_DURATION_S;
    int64_t ns = 0;
    const enum quantity result =
        quantity_parse(value, setting_durations, setting_durations_count, INT64_C(1000000000), &ns);
    if (result == QUANTITY_MALFORMED) {
        return refuse(info, value,
                      whole_seconds ? "write a number and s, m, h, d or w, such as 5m"
                                    : "write a number and ms, s, m, h, d or w, such as 5s",
                      problem);
    }
    if (result == QUANTITY_OK && whole_seconds && ns % INT64_C(1000000000) != 0) {
        return refuse(info, value, "only whole seconds count here", problem);
    }
    const int64_t counted = whole_seconds ? ns / INT64_C(1000000000) : ns;
    if (result != QUANTITY_OK || counted < info->min || counted > info->max) {
        return refuse(info, value, NULL, problem);
    }
    put_number(settings, info, counted);
    return true;
}

static bool size_parse(const struct setting_info *info, struct str value, struct settings *settings,
                       struct text *problem) {
    int64_t bytes = 0;
    const enum quantity result =
        quantity_parse(value, setting_sizes, setting_sizes_count, 1, &bytes);
    if (result == QUANTITY_MALFORMED) {
        return refuse(info, value, "write bytes, or a number and KiB, MiB or GiB, such as 32KiB",
                      problem);
    }
    if (result != QUANTITY_OK || bytes < info->min || bytes > info->max) {
        return refuse(info, value, NULL, problem);
    }
    put_number(settings, info, bytes);
    return true;
}

/* --- plain numbers -------------------------------------------------------------------------- */

static bool int_parse(const struct setting_info *info, struct str value, struct settings *settings,
                      struct text *problem) {
    uint64_t number = 0;
    if (!str_parse_u64(value, INT64_MAX, &number) || (int64_t)number < info->min ||
        (int64_t)number > info->max) {
        return refuse(info, value, NULL, problem);
    }
    /* In YAML 1.1 a leading zero means octal, elsewhere it does not: ask. */
    if (value.length > 1 && value.data[0] == '0') {
        return refuse(info, value, "write it without the leading zero", problem);
    }
    put_number(settings, info, (int64_t)number);
    return true;
}

static bool mode_parse(const struct setting_info *info, struct str value, struct settings *settings,
                       struct text *problem) {
    const struct str digits =
        str_starts(value, STR("0o")) ? str_slice(value, 2, value.length) : value;
    int64_t mode = 0;
    bool valid = digits.length >= 3 && digits.length <= 5;
    for (size_t i = 0; valid && i < digits.length; i++) {
        valid = digits.data[i] >= '0' && digits.data[i] <= '7';
        mode = mode * 8 + (digits.data[i] - '0');
    }
    if (!valid || mode < info->min || mode > info->max) {
        return refuse(info, value, NULL, problem);
    }
    put_number(settings, info, mode);
    return true;
}

static bool bool_parse(const struct setting_info *info, struct str value, struct settings *settings,
                       struct text *problem) {
    static const struct {
        const char *word;
        bool means;
    } words[] = {{"true", true}, {"false", false}, {"yes", true}, {"no", false},
                 {"on", true},   {"off", false},   {"1", true},   {"0", false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_equal_nocase(value, str_from(words[i].word))) {
            put_number(settings, info, words[i].means);
            return true;
        }
    }
    return refuse(info, value, NULL, problem);
}

static bool choice_parse(const struct setting_info *info, struct str value,
                         struct settings *settings, struct text *problem) {
    for (size_t i = 0; setting_choice(info, i).length > 0; i++) {
        if (str_equal_nocase(value, setting_choice(info, i))) {
            put_number(settings, info, (int64_t)i);
            return true;
        }
    }
    return refuse(info, value, NULL, problem);
}

/* --- text and lists ------------------------------------------------------------------------- */

/* Text goes into replies, paths and log lines: a control character in it is never meant. */
static bool has_control_character(struct str value) {
    for (size_t i = 0; i < value.length; i++) {
        if ((unsigned char)value.data[i] < 0x20 || value.data[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool text_parse(const struct setting_info *info, struct str value, struct settings *settings,
                       struct settings_arena *arena, struct text *problem) {
    if (has_control_character(value)) {
        return refuse(info, value, "newlines and other control characters are not allowed",
                      problem);
    }
    if (value.length < (size_t)info->min || value.length > (size_t)info->max) {
        return refuse(info, value, NULL, problem);
    }
    const struct str copy = settings_arena_copy(arena, value);
    memcpy(field_of(settings, info), &copy, sizeof copy);
    return true;
}

/* A label of a name that is asked; what was given is not shown. */
static bool secret_parse(const struct setting_info *info, struct str value,
                         struct settings *settings, struct settings_arena *arena,
                         struct text *problem) {
    if (str_equal(value, STR(SETTING_HIDDEN))) {
        return refuse(info, value,
                      "\"" SETTING_HIDDEN "\" stands for the key that is set; leave it out to keep "
                      "that one",
                      problem);
    }
    if (value.length > 0 && !dnsbl_key_valid(value)) {
        return refuse(info, value, "what was given is not shown here", problem);
    }
    const struct str copy = settings_arena_copy(arena, value);
    memcpy(field_of(settings, info), &copy, sizeof copy);
    return true;
}

/* The next line of *rest, which moves behind it. */
static struct str next_item(struct str *rest) {
    const size_t newline = str_find(*rest, '\n');
    const size_t end = newline == SIZE_MAX ? rest->length : newline;
    const struct str item = str_slice(*rest, 0, end);
    *rest = str_slice(*rest, end + 1, rest->length);
    return item;
}

static size_t count_items(struct str value) {
    size_t count = 0;
    while (value.length > 0) {
        (void)next_item(&value);
        count++;
    }
    return count;
}

/* `key: "item" SENTENCE` */
static bool refuse_item(const struct setting_info *info, struct str item, const char *sentence,
                        struct text *problem) {
    text_add(problem, str_from(info->key));
    if (setting_is_secret(info)) {
        text_add(problem, STR(": an item, which is not shown here, "));
    } else {
        text_add(problem, STR(": \""));
        text_add_escaped(problem, str_slice(item, 0, SHOWN_MAX));
        text_add(problem, item.length > SHOWN_MAX ? STR("...\" ") : STR("\" "));
    }
    text_add(problem, str_from(sentence));
    return false;
}

/* "ZONE KEY" */
static bool is_zone_and_key(struct str item) {
    const size_t blank = str_find(item, ' ');
    return blank != SIZE_MAX && dnsbl_zone_valid(str_slice(item, 0, blank)) &&
           dnsbl_key_valid(str_trim(str_slice(item, blank, item.length)));
}

static bool network_parse(const struct setting_info *info, struct str item,
                          struct ip_prefix *ret_prefix, struct text *problem) {
    bool host_bits = false;
    if (ip_prefix_parse(item, ret_prefix, &host_bits)) {
        return true;
    }
    if (!host_bits) {
        return refuse_item(info, item,
                           "is not an address or network; write one such as 192.0.2.0/24 or "
                           "2001:db8::/32, and several as a list",
                           problem);
    }
    (void)refuse_item(info, item, "has bits set after the prefix length; write ", problem);
    const size_t slash = str_find_last(item, '/');
    struct ip_prefix whole;
    uint64_t bits = 0;
    if (ip_prefix_parse(str_slice(item, 0, slash), &whole, NULL) &&
        str_parse_u64(str_slice(item, slash + 1, item.length), 128, &bits)) {
        const unsigned offset = ip_address_is_v4(whole.address) && str_find(item, ':') == SIZE_MAX;
        whole.bits = (uint8_t)(bits + offset * 96U);
        whole.address = ip_address_mask(whole.address, whole.bits);
        ip_prefix_format(whole, problem);
    }
    return false;
}

static bool list_parse(const struct setting_info *info, struct str value, struct settings *settings,
                       struct settings_arena *arena, struct text *problem) {
    const bool networks = info->type == SETTING_NETWORK_LIST;
    const size_t item_bytes = networks ? sizeof(struct ip_prefix) : sizeof(struct str);
    const size_t count = count_items(value);
    if (count > (size_t)info->max) {
        text_add(problem, str_from(info->key));
        text_add(problem, STR(" must be "));
        setting_format_allowed(info, problem);
        text_add(problem, STR(", not "));
        text_add_u64(problem, count);
        return false;
    }
    char *items = settings_arena_allocate(arena, count * item_bytes + 1);
    for (size_t i = 0; i < count; i++) {
        const struct str item = str_trim(next_item(&value));
        if (item.length == 0) {
            return refuse_item(info, item, "is an empty item; take it out", problem);
        }
        if (has_control_character(item)) {
            return refuse_item(info, item, "holds a control character; take it out", problem);
        }
        if (networks) {
            struct ip_prefix prefix;
            if (!network_parse(info, item, &prefix, problem)) {
                return false;
            }
            memcpy(items + i * item_bytes, &prefix, sizeof prefix);
        } else if (info->type == SETTING_SECRET_LIST && !is_zone_and_key(item)) {
            return refuse_item(info, item,
                               "is not the zone of an own list, a blank and its key of letters, "
                               "digits and hyphens",
                               problem);
        } else {
            const struct str copy = settings_arena_copy(arena, item);
            memcpy(items + i * item_bytes, &copy, sizeof copy);
        }
    }
    const void *field = items;
    memcpy(field_of(settings, info), &field, sizeof field);
    memcpy((char *)settings + info->count_offset, &count, sizeof count);
    return true;
}

bool setting_value_parse(const struct setting_info *info, struct str value,
                         struct settings *settings, struct settings_arena *arena,
                         struct text *problem) {
    const struct str trimmed = str_trim(value);
    switch (info->type) {
    case SETTING_BOOL:
        return bool_parse(info, trimmed, settings, problem);
    case SETTING_INT:
        return int_parse(info, trimmed, settings, problem);
    case SETTING_DURATION_S:
    case SETTING_DURATION_NS:
        return duration_parse(info, trimmed, settings, problem);
    case SETTING_SIZE:
        return size_parse(info, trimmed, settings, problem);
    case SETTING_ENUM:
        return choice_parse(info, trimmed, settings, problem);
    case SETTING_MODE:
        return mode_parse(info, trimmed, settings, problem);
    case SETTING_TEXT:
        return text_parse(info, value, settings, arena, problem);
    case SETTING_SECRET:
        return secret_parse(info, trimmed, settings, arena, problem);
    case SETTING_TEXT_LIST:
    case SETTING_NETWORK_LIST:
    case SETTING_SECRET_LIST:
        return list_parse(info, value, settings, arena, problem);
    }
    CHECK(false);
}
