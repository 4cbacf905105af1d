/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/zone.h"

#include "base/check.h"

#define DAY_S INT64_C(86400)
/* 1970-01-01 was a Thursday. */
enum { DAYS_FROM_MONDAY = 3, MONTHS = 12 };

int32_t zone_offset_s(const struct zone *zone, uint32_t time_s) {
    size_t low = 0;
    size_t high = zone->change_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (zone->changes[middle].from_s <= (int64_t)time_s) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? zone->changes[low - 1].offset_s : 0;
}

static int64_t leap_years_before(int64_t year) {
    const int64_t last = year - 1;
    return last / 4 - last / 100 + last / 400;
}

static bool is_leap(int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int64_t days_before_month(int64_t year, int64_t month) {
    static const int16_t days[MONTHS] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    return days[month - 1] + (month > 2 && is_leap(year) ? 1 : 0);
}

int64_t zone_days_of_date(int64_t year, int64_t month, int64_t day) {
    CHECK(year >= 1970 && month >= 1 && month <= MONTHS);
    return (year - 1970) * 365 + leap_years_before(year) - leap_years_before(1970) +
           days_before_month(year, month) + day - 1;
}

/* Counted in years that begin with March, so that the leap day is the last: then the months before
 * a day of the year are a linear function of it (153 days in every five). Four hundred years have
 * 146097 days. */
static uint32_t month_number(int64_t day) {
    enum { MARCH_0_TO_1970 = 719468, DAYS_400 = 146097, DAYS_100 = 36524, DAYS_4 = 1460 };
    const int64_t since = day + MARCH_0_TO_1970;
    const int64_t in_400 = since % DAYS_400;
    const int64_t year_in_400 =
        (in_400 - in_400 / DAYS_4 + in_400 / DAYS_100 - in_400 / (DAYS_400 - 1)) / 365;
    const int64_t in_year = in_400 - (365 * year_in_400 + year_in_400 / 4 - year_in_400 / 100);
    const int64_t from_march = (5 * in_year + 2) / 153;
    const int64_t year = since / DAYS_400 * 400 + year_in_400;
    return (uint32_t)(MONTHS * year + from_march + 2);
}

uint32_t zone_local_number(enum zone_period period, int64_t local_s) {
    const int64_t day = local_s > 0 ? local_s / DAY_S : 0;
    switch (period) {
    case ZONE_DAY:
        return (uint32_t)day;
    case ZONE_WEEK:
        return (uint32_t)((day + DAYS_FROM_MONDAY) / 7);
    case ZONE_MONTH:
        return month_number(day);
    case ZONE_PERIODS:
        break;
    }
    CHECK(false);
}

uint32_t zone_number(const struct zone *zone, enum zone_period period, uint32_t time_s) {
    return zone_local_number(period, (int64_t)time_s + zone_offset_s(zone, time_s));
}

/* The first local second of a period. */
static int64_t local_begin(enum zone_period period, uint32_t number) {
    switch (period) {
    case ZONE_DAY:
        return (int64_t)number * DAY_S;
    case ZONE_WEEK:
        return ((int64_t)number * 7 - DAYS_FROM_MONDAY) * DAY_S;
    case ZONE_MONTH:
        return zone_days_of_date(number / MONTHS, number % MONTHS + 1, 1) * DAY_S;
    case ZONE_PERIODS:
        break;
    }
    CHECK(false);
}

uint32_t zone_next(const struct zone *zone, enum zone_period period, uint32_t time_s) {
    const int64_t local_s = local_begin(period, zone_number(zone, period, time_s) + 1);
    int64_t next_s = local_s - zone_offset_s(zone, time_s);
    /* Clocks may be set before it comes to that, over the boundary or to and fro. */
    for (size_t i = 0; i < zone->change_count; i++) {
        const struct zone_change *change = &zone->changes[i];
        if (change->from_s > (int64_t)time_s && change->from_s <= next_s) {
            next_s = local_s - change->offset_s;
            next_s = next_s > change->from_s ? next_s : change->from_s;
        }
    }
    return next_s < (int64_t)UINT32_MAX ? (uint32_t)next_s : UINT32_MAX;
}
