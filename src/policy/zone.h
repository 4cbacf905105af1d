/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/policy_settings.h"

/* Local days, weeks and months, for windows that follow the calendar (SPEC 4.6). Numbers count up
 * without a gap, so that two can be compared; none is 0 after 1970. Pure. */

enum zone_period { ZONE_DAY = 0, ZONE_WEEK, ZONE_MONTH, ZONE_PERIODS };

/* Seconds that local time is ahead of UTC at that Unix time. */
int32_t zone_offset_s(const struct zone *zone, uint32_t time_s);
/* The number of the period that `local_s` (Unix time + offset) lies in: days since 1970, weeks from
 * Monday, months as 12 * year + month (January 0). Below 65536 until 2106. */
uint32_t zone_local_number(enum zone_period period, int64_t local_s);
uint32_t zone_number(const struct zone *zone, enum zone_period period, uint32_t time_s);
/* When the next period begins: the first Unix time of a larger number; UINT32_MAX beyond 2106. */
uint32_t zone_next(const struct zone *zone, enum zone_period period, uint32_t time_s);
/* Days from 1970-01-01 to a date of the Gregorian calendar; month 1 to 12. */
int64_t zone_days_of_date(int64_t year, int64_t month, int64_t day);
