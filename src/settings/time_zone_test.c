/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/time_zone.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "policy/zone.h"
#include "testing/test.h"

static struct zone zone_of_rule(const char *rule) {
    struct zone zone = {.change_count = 0};
    assert_true(time_zone_add_rule(str_from(rule), INT64_MIN, &zone));
    return zone;
}

static void assert_change(const struct zone *zone, size_t at, int64_t from_s, int32_t offset_s) {
    assert_true(at < zone->change_count);
    assert_int_equal(zone->changes[at].from_s, from_s);
    assert_int_equal(zone->changes[at].offset_s, offset_s);
}

TEST(a_rule_gives_the_changes_of_the_coming_years) {
    const struct zone berlin = zone_of_rule("CET-1CEST,M3.5.0,M10.5.0/3");
    assert_int_equal(berlin.change_count, ZONE_CHANGES_MAX);
    assert_change(&berlin, 0, 0, 3600);           /* as it was on 2025-01-01 */
    assert_change(&berlin, 1, 1743296400, 7200);  /* 2025-03-30 01:00 UTC */
    assert_change(&berlin, 2, 1761440400, 3600);  /* 2025-10-26 01:00 UTC */
    assert_change(&berlin, 43, 2405552400, 7200); /* 2046-03-25 01:00 UTC */
}

TEST(rules_of_all_forms_are_understood) {
    static const struct {
        const char *rule;
        size_t count;
        int32_t first_s;  /* offset on 2025-01-01 */
        int64_t change_s; /* the next; 0: none */
        int32_t second_s;
    } rows[] = {
        {"UTC0", 1, 0, 0, 0},
        {"<+0545>-5:45", 1, 20700, 0, 0},
        {"<-03>3", 1, -10800, 0, 0},
        {"ABC+3:29:40", 1, -12600, 0, 0}, /* rounded to a quarter of an hour */
        {"ABC-0:07:30", 1, 900, 0, 0},
        {"ABC-0:07:29", 1, 0, 0, 0},
        {"ABC0:07:30", 1, 0, 0, 0},
        {"ABC0:07:31", 1, -900, 0, 0},
        {"EST5EDT,M3.2.0,M11.1.0", 64, -18000, 1741503600, -14400},    /* 2025-03-09 07:00 */
        {"NZST-12NZDT,M9.5.0,M4.1.0/3", 64, 46800, 1743861600, 43200}, /* 2025-04-05 14:00 */
        {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 64, 39600, 1743865200, 37800},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", 64, 0, 1743296400, 3600},
        {"EET-2EEST,M3.4.4/50,M10.4.4/50", 64, 7200, 1743206400, 10800}, /* Thursday and 50 h */
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 64, -7200, 1743296400, -3600},
        {"AAA3BBB,J60/0,J300/0", 64, -10800, 1740798000, -7200}, /* 1 March 2025, 03:00 UTC */
        {"AAA3BBB,59/0,300/0", 64, -10800, 1740798000, -7200},   /* likewise, from 0 */
        {"AAA3BBB,J59/0,J300/0", 64, -10800, 1740711600, -7200}, /* 28 February */
        {"CCC0DDD-2,M12.5.0,M1.1.1/00:00:00", 64, 7200, 1736114400, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].rule);
        const struct zone zone = zone_of_rule(rows[i].rule);
        assert_int_equal(zone.change_count, rows[i].count);
        assert_change(&zone, 0, 0, rows[i].first_s);
        if (rows[i].change_s != 0) {
            assert_change(&zone, 1, rows[i].change_s, rows[i].second_s);
        }
    }
}

TEST(a_leap_day_moves_the_days_counted_from_zero_alone) {
    const struct zone counted = zone_of_rule("AAA0BBB,J60/0,J300/0");
    const struct zone from_zero = zone_of_rule("AAA0BBB,59/0,300/0");
    const int64_t march_2028 = zone_days_of_date(2028, 3, 1) * 86400;
    assert_change(&counted, 7, march_2028, 3600);
    assert_change(&from_zero, 7, march_2028 - 86400, 3600);
}

TEST(what_is_no_rule_is_refused) {
    static const char *const rows[] = {
        "",
        "-1",
        "CET",
        "CET-",
        "CET-168",
        "CET-1:60",
        "CET-1:00:60",
        "CET-1:",
        "<>-1",
        "<+01-1",
        "CET-1CEST",
        "CET-1CEST,",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M3.5.0,",
        "CET-1CEST,M0.5.0,M10.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.0.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,M3.5,M10.5.0",
        "CET-1CEST,M3-5-0,M10.5.0",
        "CET-1CEST,J0,M10.5.0",
        "CET-1CEST,J366,M10.5.0",
        "CET-1CEST,366,M10.5.0",
        "CET-1CEST,X,M10.5.0",
        "CET-1CEST,M3.5.0/,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0/3 ",
        "CET-1CEST-,M3.5.0,M10.5.0",
        "CET-1,M3.5.0,M10.5.0",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zone zone = {.change_count = 0};
        test_case(rows[i]);
        assert_false(time_zone_add_rule(str_from(rows[i]), INT64_MIN, &zone));
    }
}

/* --- files --------------------------------------------------------------------------------------
 */

struct file {
    unsigned char bytes[2048];
    size_t length;
};

static void put(struct file *file, int64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        file->bytes[file->length++] = (unsigned char)((uint64_t)value >> 8 * (bytes - 1 - i));
    }
}

static void put_text(struct file *file, const char *text) {
    memcpy(file->bytes + file->length, text, strlen(text));
    file->length += strlen(text);
}

/* Two types, an hour ahead and two; the changes go to and fro. */
static void put_block(struct file *file, char version, size_t bytes, const int64_t *times,
                      size_t count) {
    put_text(file, "TZif");
    put(file, version, 1);
    memset(file->bytes + file->length, 0, 15);
    file->length += 15;
    const int64_t counts[6] = {2, 2, 1, (int64_t)count, 2, 4};
    for (size_t i = 0; i < 6; i++) {
        put(file, counts[i], 4);
    }
    for (size_t i = 0; i < count; i++) {
        put(file, times[i], bytes);
    }
    for (size_t i = 0; i < count; i++) {
        put(file, (int64_t)((i + 1) % 2), 1);
    }
    put(file, 3600, 4);
    put(file, 0, 2);
    put(file, 7200, 4);
    put(file, 1, 2);
    put_text(file, "CET");
    put(file, 0, 1);
    put(file, 0, bytes); /* a leap second */
    put(file, 1, 4);
    put(file, 0, 4);
}

static bool parse(const struct file *file, size_t length, struct zone *zone) {
    /* Exactly as long as it is, for the address sanitizer. */
    char *copy = malloc(length + 1);
    assert_non_null(copy);
    memcpy(copy, file->bytes, length);
    const bool good = time_zone_parse((struct str){copy, length}, zone);
    free(copy);
    return good;
}

static const int64_t some_times[] = {-5000000000, 1700000000, 1800000000, 1900000000};

TEST(a_file_of_the_first_version_has_times_of_four_bytes) {
    struct file file = {.length = 0};
    struct zone zone;
    put_block(&file, 0, 4, some_times + 1, 3);
    assert_true(parse(&file, file.length, &zone));
    assert_int_equal(zone.change_count, 3);
    assert_change(&zone, 0, 0, 7200);
    assert_change(&zone, 1, 1800000000, 3600);
    assert_change(&zone, 2, 1900000000, 7200);
    for (size_t length = 0; length < file.length; length++) {
        assert_false(parse(&file, length, &zone));
    }
}

static struct file later_file(const char *end) {
    struct file file = {.length = 0};
    put_block(&file, '2', 4, some_times + 1, 2);
    put_block(&file, '2', 8, some_times, 4);
    put_text(&file, end);
    return file;
}

TEST(a_later_file_has_times_of_eight_bytes_and_a_rule_at_its_end) {
    const struct file file = later_file("\nCET-1CEST,M3.5.0,M10.5.0/3\n");
    struct zone zone;
    assert_true(parse(&file, file.length, &zone));
    assert_int_equal(zone.change_count, ZONE_CHANGES_MAX);
    assert_change(&zone, 0, 0, 3600); /* the second of its changes, that of 1700000000 */
    for (size_t length = 0; length < file.length; length++) {
        test_case("a shorter file");
        assert_false(parse(&file, length, &zone));
    }
}

TEST(the_rule_counts_after_the_last_change_of_the_file) {
    const struct file file = later_file("\nEST5EDT,M3.2.0,M11.1.0\n");
    struct zone zone;
    assert_true(parse(&file, file.length, &zone));
    assert_true(zone.changes[1].from_s == 1800000000 && zone.changes[2].from_s == 1900000000);
    assert_true(zone.changes[3].from_s > 1900000000 && zone.changes[3].offset_s < 0);
    const struct file constant = later_file("\nEST5\n");
    assert_true(parse(&constant, constant.length, &zone));
    assert_int_equal(zone.change_count, 4);
    assert_change(&zone, 3, 1900000001, -18000);
    const struct file without = later_file("\n\n");
    assert_true(parse(&without, without.length, &zone));
    assert_int_equal(zone.change_count, 3);
}

TEST(a_damaged_file_is_refused) {
    struct zone zone;
    const struct file good = later_file("\nCET-1\n");
    assert_true(parse(&good, good.length, &zone));
    const struct file no_rule = later_file("\nCET\n");
    assert_false(parse(&no_rule, no_rule.length, &zone));
    const struct file no_newline = later_file("xCET-1\n");
    assert_false(parse(&no_newline, no_newline.length, &zone));
    struct file bad = good;
    bad.bytes[0] = 't';
    assert_false(parse(&bad, bad.length, &zone));
    struct file backwards = {.length = 0};
    const int64_t times[] = {1800000000, 1800000000};
    put_block(&backwards, 0, 4, times, 2);
    assert_false(parse(&backwards, backwards.length, &zone));
    struct file type = {.length = 0};
    put_block(&type, 0, 4, some_times + 1, 2);
    type.bytes[44 + 8] = 2; /* there are 0 and 1 */
    assert_false(parse(&type, type.length, &zone));
    for (size_t i = 20; i < 44; i++) { /* counts that lie */
        struct file lie = {.length = 0};
        put_block(&lie, 0, 4, some_times + 1, 2);
        lie.bytes[i] = 0xff;
        assert_false(parse(&lie, lie.length, &zone));
    }
}

/* --- the zones of this system against its own C library ----------------------------------------
 */

TEST(the_zones_of_the_system_are_as_the_c_library_has_them) {
    static const char *const names[] = {
        "Europe/Berlin",    "America/New_York",   "Africa/Casablanca", "Asia/Tehran",
        "America/Santiago", "Pacific/Auckland",   "Asia/Kathmandu",    "Australia/Lord_Howe",
        "Africa/Cairo",     "Antarctica/Troll",   "America/Nuuk",      "Europe/Dublin",
        "Pacific/Apia",     "Pacific/Kiritimati", "Etc/UTC",           "Etc/GMT+12",
    };
    const int64_t until_s = zone_days_of_date(2046, 1, 1) * 86400;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128] = "/usr/share/zoneinfo/";
        strcat(path, names[i]);
        if (access(path, R_OK) != 0) {
            continue; /* a system without this zone */
        }
        struct zone zone;
        test_case(names[i]);
        assert_null(time_zone_load(str_from(names[i]), &zone));
        assert_int_equal(setenv("TZ", names[i], 1), 0);
        tzset();
        for (int64_t at_s = TIME_ZONE_FROM_S; at_s < until_s; at_s += 4 * 3600 - 1) {
            const time_t at = (time_t)at_s;
            struct tm local;
            assert_non_null(localtime_r(&at, &local));
            assert_int_equal(zone_offset_s(&zone, (uint32_t)at_s), local.tm_gmtoff);
        }
    }
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

TEST(a_name_that_is_no_zone_is_answered_with_advice) {
    static const char *const rows[] = {"Europe/Berlim", "/etc/localtime", "../zoneinfo/UTC",
                                       "Europe", "Europe/Berlin/"};
    struct zone zone;
    if (access("/usr/share/zoneinfo", R_OK) != 0) {
        skip();
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i]);
        const char *said = time_zone_load(str_from(rows[i]), &zone);
        assert_non_null(said);
        assert_non_null(strstr(said, "is not a known time zone; write a name such as"));
    }
    if (access("/usr/share/zoneinfo/tzdata.zi", R_OK) == 0) { /* a dot leads out: never opened */
        assert_non_null(strstr(time_zone_load(STR("tzdata.zi"), &zone), "not a known"));
    }
    assert_null(time_zone_load(STR(""), &zone));
}
