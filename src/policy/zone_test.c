/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/zone.h"

#include "policy/world_fixture.h"
#include "testing/test.h"

static const struct zone utc = {.change_count = 0};

/* Berlin around 2026 */
static const struct zone berlin = {
    .change_count = 3,
    .changes = {{0, 3600},
                {1774746000, 7200},
                {1792890000, 3600}}, /* 29 March, 25 October, 01:00 */
};

static int64_t noon(int64_t year, int64_t month, int64_t day) {
    return zone_days_of_date(year, month, day) * 86400 + 43200;
}

TEST(an_offset_holds_from_its_change_on) {
    assert_int_equal(zone_offset_s(&utc, 1774746000), 0);
    assert_int_equal(zone_offset_s(&berlin, 0), 3600);
    assert_int_equal(zone_offset_s(&berlin, 1774745999), 3600);
    assert_int_equal(zone_offset_s(&berlin, 1774746000), 7200);
    assert_int_equal(zone_offset_s(&berlin, 1792889999), 7200);
    assert_int_equal(zone_offset_s(&berlin, 1792890000), 3600);
    assert_int_equal(zone_offset_s(&berlin, UINT32_MAX), 3600);
    const struct zone later = {.change_count = 1, .changes = {{1000, 900}}};
    assert_int_equal(zone_offset_s(&later, 999), 0);
    assert_int_equal(zone_offset_s(&later, 1000), 900);
}

TEST(days_are_counted_over_leap_years) {
    assert_int_equal(zone_days_of_date(1970, 1, 1), 0);
    assert_int_equal(zone_days_of_date(1970, 3, 1), 59);
    assert_int_equal(zone_days_of_date(1972, 2, 29), 789);
    assert_int_equal(zone_days_of_date(1972, 3, 1), 790);
    assert_int_equal(zone_days_of_date(1972, 12, 31), 1095);
    assert_int_equal(zone_days_of_date(2000, 2, 29), 11016);
    assert_int_equal(zone_days_of_date(2000, 3, 1), 11017);
    assert_int_equal(zone_days_of_date(2026, 11, 22), 20779);
    assert_int_equal(zone_days_of_date(2100, 2, 28), 47540);
    assert_int_equal(zone_days_of_date(2100, 3, 1), 47541); /* no leap year */
    assert_int_equal(zone_days_of_date(2104, 3, 1), 49002);
}

TEST(numbers_follow_the_calendar) {
    static const struct {
        int64_t year, month, day;
        uint32_t week_day; /* Monday is 0 */
    } rows[] = {{1970, 1, 1, 3},   {1970, 1, 5, 0},  {2024, 2, 29, 3},
                {2024, 12, 31, 1}, {2025, 1, 1, 2},  {2026, 11, 22, 6},
                {2026, 11, 23, 0}, {2100, 2, 28, 6}, {2100, 3, 1, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int64_t at_s = noon(rows[i].year, rows[i].month, rows[i].day);
        const uint32_t day = zone_local_number(ZONE_DAY, at_s);
        assert_int_equal(day, at_s / 86400);
        assert_int_equal(zone_local_number(ZONE_WEEK, at_s) * 7 + rows[i].week_day, day + 3);
        assert_int_equal(zone_local_number(ZONE_MONTH, at_s),
                         12 * rows[i].year + rows[i].month - 1);
    }
    assert_int_equal(zone_local_number(ZONE_DAY, 86399), 0);
    assert_int_equal(zone_local_number(ZONE_DAY, 86400), 1);
    assert_int_equal(zone_local_number(ZONE_DAY, -5), 0);
    assert_int_equal(zone_local_number(ZONE_MONTH, -5), 12 * 1970);
}

TEST(local_midnight_begins_the_day) {
    /* 2026-11-22 23:00 UTC is midnight in Berlin, in July 22:00 is. */
    const uint32_t winter = (uint32_t)noon(2026, 11, 22) + 11 * 3600;
    assert_int_equal(zone_number(&berlin, ZONE_DAY, winter - 1), 20779);
    assert_int_equal(zone_number(&berlin, ZONE_DAY, winter), 20780);
    assert_int_equal(zone_next(&berlin, ZONE_DAY, winter - 1), winter);
    assert_int_equal(zone_next(&berlin, ZONE_WEEK, winter - 6 * 86400), winter);
    const uint32_t summer = (uint32_t)noon(2026, 7, 1) + 10 * 3600;
    assert_int_equal(zone_next(&berlin, ZONE_DAY, summer - 1), summer);
    assert_int_equal(zone_next(&berlin, ZONE_DAY, summer), summer + 86400);
    /* A month that ends in another time of the year than it began. */
    const uint32_t march = (uint32_t)noon(2026, 3, 1);
    assert_int_equal(zone_next(&berlin, ZONE_MONTH, march), noon(2026, 3, 31) + 10 * 3600);
    assert_int_equal(zone_next(&berlin, ZONE_DAY, 1792890000), 1792890000 + 22 * 3600);
}

TEST(beyond_the_last_second_there_is_no_next_period) {
    for (unsigned i = 0; i < ZONE_PERIODS; i++) {
        assert_int_equal(zone_next(&utc, (enum zone_period)i, UINT32_MAX), UINT32_MAX);
    }
}

/* Against what it means: the first second of a larger number. Clocks are set once in a while, by up
 * to an hour, at midnight too. */
TEST(the_next_period_is_the_first_second_of_a_larger_number) {
    struct dice dice = {77};
    for (int round = 0; round < 20000; round++) {
        const uint32_t base = 1770000000 + dice_below(&dice, 30000000);
        struct zone zone = {.change_count = 2};
        const int32_t offset = ((int32_t)dice_below(&dice, 105) - 48) * 900;
        const int32_t step = ((int32_t)dice_below(&dice, 9) - 4) * 900;
        const uint32_t midnight = base - (uint32_t)(((int64_t)base + offset) % 86400);
        const uint32_t change = dice_below(&dice, 2) == 0 ? base + dice_below(&dice, 3000000)
                                                          : midnight + 900 * dice_below(&dice, 8);
        zone.changes[0] = (struct zone_change){0, offset};
        zone.changes[1] = (struct zone_change){change, offset + step};
        const enum zone_period period = (enum zone_period)dice_below(&dice, ZONE_PERIODS);
        const uint32_t next = zone_next(&zone, period, base);
        const uint32_t number = zone_number(&zone, period, base);
        assert_true(next > base);
        assert_true(zone_number(&zone, period, next) > number);
        assert_true(zone_number(&zone, period, next - 1) == number);
        assert_true(next - base <= 32 * 86400);
    }
}

TEST(each_month_of_all_times_has_the_next_number) {
    uint32_t number = 12 * 1970;
    for (int64_t year = 1970; year < 2106; year++) {
        for (int64_t month = 1; month <= 12; month++, number++) {
            const int64_t begin_s = zone_days_of_date(year, month, 1) * 86400;
            assert_int_equal(zone_local_number(ZONE_MONTH, begin_s), number);
            assert_int_equal(zone_local_number(ZONE_MONTH, begin_s + 27 * 86400), number);
            if (begin_s > 0) {
                assert_int_equal(zone_local_number(ZONE_MONTH, begin_s - 1), number - 1);
            }
        }
    }
}

TEST(clocks_set_back_at_midnight_end_the_day_an_hour_later) {
    const uint32_t midnight = 20000 * 86400;
    const struct zone zone = {.change_count = 1, .changes = {{midnight, -3600}}};
    assert_int_equal(zone_next(&zone, ZONE_DAY, midnight - 10), midnight + 3600);
    assert_int_equal(zone_next(&zone, ZONE_DAY, midnight + 3599), midnight + 3600);
}
