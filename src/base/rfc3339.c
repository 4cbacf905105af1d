/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rfc3339.h"

enum { YEAR_MIN = 1970, YEAR_MAX = 2199 };
#define SECOND_NS   INT64_C(1000000000)
#define DAY_S       INT64_C(86400)
#define UNIX_MAX_NS (INT64_C(84006) * DAY_S * SECOND_NS - 1) /* last nanosecond of 2199 */

/* Days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that
 * the leap day is the last of a year; an era is 400 of them. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day) {
    const int64_t y = month <= 2 ? year - 1 : year;
    const int64_t month_from_march = (month + 9) % 12;
    const int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

static void date_of_days(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day) {
    int64_t year = YEAR_MIN + days / 366;
    while (days >= days_of_date(year + 1, 1, 1)) {
        year++;
    }
    int64_t month = 1;
    while (month < 12 && days >= days_of_date(year, month + 1, 1)) {
        month++;
    }
    *ret_year = year;
    *ret_month = month;
    *ret_day = days - days_of_date(year, month, 1) + 1;
}

static void add_digits(struct text *out, int64_t value, unsigned width) {
    char digits[8];
    for (unsigned i = width; i > 0; i--) {
        digits[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    text_add(out, (struct str){digits, width});
}

void rfc3339_format(int64_t unix_ns, struct text *out) {
    const int64_t ns = unix_ns < 0 ? 0 : unix_ns > UNIX_MAX_NS ? UNIX_MAX_NS : unix_ns;
    const int64_t seconds = ns / SECOND_NS;
    int64_t year;
    int64_t month;
    int64_t day;
    date_of_days(seconds / DAY_S, &year, &month, &day);
    add_digits(out, year, 4);
    text_add_byte(out, '-');
    add_digits(out, month, 2);
    text_add_byte(out, '-');
    add_digits(out, day, 2);
    text_add_byte(out, 'T');
    add_digits(out, seconds % DAY_S / 3600, 2);
    text_add_byte(out, ':');
    add_digits(out, seconds % 3600 / 60, 2);
    text_add_byte(out, ':');
    add_digits(out, seconds % 60, 2);
    text_add_byte(out, '.');
    add_digits(out, ns % SECOND_NS / 1000000, 3);
    text_add_byte(out, 'Z');
}

/* Takes `width` digits and, unless it is 0, the byte `after` off the front of *text. */
static bool take_number(struct str *text, size_t width, char after, int64_t *ret_value) {
    uint64_t value;
    if (!str_parse_u64(str_slice(*text, 0, width), 9999, &value) || text->length < width) {
        return false;
    }
    *text = str_slice(*text, width, text->length);
    if (after != '\0') {
        if (text->length == 0 || text->data[0] != after) {
            return false;
        }
        *text = str_slice(*text, 1, text->length);
    }
    *ret_value = (int64_t)value;
    return true;
}

static bool take_date(struct str *text, int64_t *ret_days) {
    int64_t year;
    int64_t month;
    int64_t day;
    if (!take_number(text, 4, '-', &year) || !take_number(text, 2, '-', &month) ||
        !take_number(text, 2, '\0', &day)) {
        return false;
    }
    if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || day < 1) {
        return false;
    }
    const int64_t next_month =
        month == 12 ? days_of_date(year + 1, 1, 1) : days_of_date(year, month + 1, 1);
    *ret_days = days_of_date(year, month, day);
    return *ret_days < next_month;
}

static bool take_fraction(struct str *text, int64_t *ret_ns) {
    *ret_ns = 0;
    if (text->length == 0 || text->data[0] != '.') {
        return true;
    }
    size_t digits = 0;
    int64_t unit_ns = SECOND_NS / 10;
    for (; digits + 1 < text->length; digits++, unit_ns /= 10) {
        const char c = text->data[digits + 1];
        if (c < '0' || c > '9') {
            break;
        }
        *ret_ns += (c - '0') * unit_ns;
    }
    *text = str_slice(*text, digits + 1, text->length);
    return digits >= 1 && digits <= 9;
}

static bool take_offset(struct str text, int64_t *ret_offset_s) {
    if (text.length == 1 && (text.data[0] == 'Z' || text.data[0] == 'z')) {
        *ret_offset_s = 0;
        return true;
    }
    if (text.length != 6 || (text.data[0] != '+' && text.data[0] != '-')) {
        return false;
    }
    const int64_t sign = text.data[0] == '-' ? -1 : 1;
    struct str rest = str_slice(text, 1, text.length);
    int64_t hours;
    int64_t minutes;
    if (!take_number(&rest, 2, ':', &hours) || !take_number(&rest, 2, '\0', &minutes) ||
        hours > 23 || minutes > 59) {
        return false;
    }
    *ret_offset_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool rfc3339_parse(struct str text, int64_t *ret_unix_ns) {
    int64_t days;
    if (!take_date(&text, &days) || text.length == 0 ||
        (text.data[0] != 'T' && text.data[0] != 't' && text.data[0] != ' ')) {
        return false;
    }
    text = str_slice(text, 1, text.length);
    int64_t hour;
    int64_t minute;
    int64_t second;
    int64_t fraction_ns;
    int64_t offset_s;
    if (!take_number(&text, 2, ':', &hour) || !take_number(&text, 2, ':', &minute) ||
        !take_number(&text, 2, '\0', &second) || !take_fraction(&text, &fraction_ns) ||
        !take_offset(text, &offset_s)) {
        return false;
    }
    if (hour > 23 || minute > 59 || second > 60) {
        return false;
    }
    const int64_t unix_s = days * DAY_S + hour * 3600 + minute * 60 + second - offset_s;
    const int64_t unix_ns = unix_s * SECOND_NS + fraction_ns;
    if (unix_ns < 0 || unix_ns > UNIX_MAX_NS) {
        return false;
    }
    *ret_unix_ns = unix_ns;
    return true;
}
