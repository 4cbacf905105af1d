/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/zone.h"
#include "settings/time_zone.h"

/* POSIX TZ: STANDARD OFFSET [SUMMER [OFFSET] , DATE [/TIME] , DATE [/TIME]]. Offsets there are what
 * is to be added to local time to make it UTC, the other way round than everywhere else. */

enum { HOUR_S = 3600, YEAR_FIRST = 1970, YEAR_LAST = 2105 };
#define DAY_S INT64_C(86400)

enum date_form { DATE_MONTH_WEEK_DAY = 0, DATE_JULIAN, DATE_DAY_OF_YEAR };
struct rule_date {
    enum date_form form;
    int64_t month; /* 1 to 12 */
    int64_t week;  /* 1 to 4; 5: the last */
    int64_t day;   /* of the week, 0 is Sunday; or of the year */
    int64_t time_s;
};

static bool take_byte(struct str *text, char byte) {
    if (text->length == 0 || text->data[0] != byte) {
        return false;
    }
    *text = str_slice(*text, 1, text->length);
    return true;
}

static bool take_number(struct str *text, int64_t max, int64_t *ret_value) {
    size_t digits = 0;
    uint64_t value = 0;
    while (digits < text->length && text->data[digits] >= '0' && text->data[digits] <= '9') {
        digits++;
    }
    if (!str_parse_u64(str_slice(*text, 0, digits), (uint64_t)max, &value)) {
        return false;
    }
    *ret_value = (int64_t)value;
    *text = str_slice(*text, digits, text->length);
    return true;
}

/* [+-]hh[:mm[:ss]]; hours to 167, so that a change may lie days beside its date. */
static bool take_time(struct str *text, int64_t *ret_time_s) {
    const bool minus = take_byte(text, '-');
    if (!minus) {
        (void)take_byte(text, '+');
    }
    int64_t parts[3] = {0};
    for (size_t i = 0; i < 3 && (i == 0 || take_byte(text, ':')); i++) {
        if (!take_number(text, i == 0 ? 167 : 59, &parts[i])) {
            return false;
        }
    }
    const int64_t time_s = parts[0] * HOUR_S + parts[1] * 60 + parts[2];
    *ret_time_s = minus ? -time_s : time_s;
    return true;
}

static bool is_letter(char c) {
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

/* "CET" or "<+0330>"; what it is does not matter. */
static bool take_zone_name(struct str *text) {
    size_t length = 0;
    if (take_byte(text, '<')) {
        length = str_find(*text, '>');
        if (length == SIZE_MAX) {
            return false;
        }
        *text = str_slice(*text, length + 1, text->length);
        return length > 0;
    }
    while (length < text->length && is_letter(text->data[length])) {
        length++;
    }
    *text = str_slice(*text, length, text->length);
    return length > 0;
}

static bool take_date(struct str *text, struct rule_date *ret_date) {
    bool good = false;
    *ret_date = (struct rule_date){.time_s = 2 * HOUR_S};
    if (take_byte(text, 'M')) {
        good = take_number(text, 12, &ret_date->month) && take_byte(text, '.') &&
               take_number(text, 5, &ret_date->week) && take_byte(text, '.') &&
               take_number(text, 6, &ret_date->day) && ret_date->month > 0 && ret_date->week > 0;
    } else if (take_byte(text, 'J')) {
        ret_date->form = DATE_JULIAN;
        good = take_number(text, 365, &ret_date->day) && ret_date->day > 0;
    } else {
        ret_date->form = DATE_DAY_OF_YEAR;
        good = take_number(text, 365, &ret_date->day);
    }
    return good && (!take_byte(text, '/') || take_time(text, &ret_date->time_s));
}

static int64_t day_of(const struct rule_date *date, int64_t year) {
    const int64_t first = zone_days_of_date(year, 1, 1);
    switch (date->form) {
    case DATE_DAY_OF_YEAR:
        return first + date->day;
    case DATE_JULIAN: { /* 29 February is never counted. */
        const int64_t march = zone_days_of_date(year, 3, 1);
        const int64_t day = first + date->day - 1;
        return date->day >= 60 ? day + (march - first - 59) : day;
    }
    case DATE_MONTH_WEEK_DAY:
        break;
    }
    const int64_t begin = zone_days_of_date(year, date->month, 1);
    const int64_t end =
        zone_days_of_date(date->month < 12 ? year : year + 1, date->month % 12 + 1, 1);
    /* 1970-01-01 was a Thursday, day 4 of the week. */
    int64_t day = begin + (date->day - (begin + 4) % 7 + 7) % 7 + (date->week - 1) * 7;
    while (day >= end) {
        day -= 7;
    }
    return day;
}

struct rule {
    int64_t standard_s; /* ahead of UTC */
    int64_t summer_s;
    bool has_summer;
    struct rule_date to_summer;
    struct rule_date to_standard;
};

static bool parse_rule(struct str text, struct rule *ret_rule) {
    int64_t behind_s = 0;
    if (!take_zone_name(&text) || !take_time(&text, &behind_s)) {
        return false;
    }
    *ret_rule = (struct rule){.standard_s = -behind_s, .has_summer = text.length > 0};
    if (!ret_rule->has_summer) {
        return true;
    }
    behind_s -= HOUR_S;
    if (!take_zone_name(&text) ||
        (text.length > 0 && text.data[0] != ',' && !take_time(&text, &behind_s))) {
        return false;
    }
    ret_rule->summer_s = -behind_s;
    return take_byte(&text, ',') && take_date(&text, &ret_rule->to_summer) &&
           take_byte(&text, ',') && take_date(&text, &ret_rule->to_standard) && text.length == 0;
}

static void add_later(struct zone *zone, int64_t after_s, int64_t from_s, int64_t offset_s) {
    if (from_s > after_s) {
        time_zone_add_change(zone, from_s, offset_s);
    }
}

bool time_zone_add_rule(struct str text, int64_t after_s, struct zone *zone) {
    struct rule rule;
    if (!parse_rule(text, &rule)) {
        return false;
    }
    if (!rule.has_summer) {
        time_zone_add_change(zone, after_s < 0 ? 0 : after_s + 1, rule.standard_s);
        return true;
    }
    for (int64_t year = YEAR_FIRST; year <= YEAR_LAST; year++) {
        const int64_t summer_s =
            day_of(&rule.to_summer, year) * DAY_S + rule.to_summer.time_s - rule.standard_s;
        const int64_t standard_s =
            day_of(&rule.to_standard, year) * DAY_S + rule.to_standard.time_s - rule.summer_s;
        if (summer_s < standard_s) {
            add_later(zone, after_s, summer_s, rule.summer_s);
            add_later(zone, after_s, standard_s, rule.standard_s);
        } else {
            add_later(zone, after_s, standard_s, rule.standard_s);
            add_later(zone, after_s, summer_s, rule.summer_s);
        }
    }
    return true;
}
