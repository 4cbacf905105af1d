/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rfc3339.h"

#include "testing/test.h"

static const char *format(int64_t unix_ns) {
    static char buffer[RFC3339_TEXT_MAX + 1];
    struct text out = TEXT_OVER(buffer);
    rfc3339_format(unix_ns, &out);
    assert_false(out.truncated);
    return text_zero(&out);
}

TEST(rfc3339_formats_utc_with_milliseconds) {
    assert_string_equal(format(0), "1970-01-01T00:00:00.000Z");
    assert_string_equal(format(INT64_C(1733307825123999999)), "2024-12-04T10:23:45.123Z");
    assert_string_equal(format(INT64_C(951782400) * 1000000000), "2000-02-29T00:00:00.000Z");
    assert_string_equal(format(INT64_C(1735689599999999999)), "2024-12-31T23:59:59.999Z");
    assert_string_equal(format(-1), "1970-01-01T00:00:00.000Z");
    assert_string_equal(format(INT64_MAX), "2199-12-31T23:59:59.999Z");
}

TEST(rfc3339_parses_what_people_and_programs_write) {
    static const struct {
        const char *text;
        int64_t unix_ns;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2024-12-04T10:23:45Z", INT64_C(1733307825000000000)},
        {"2024-12-04t10:23:45z", INT64_C(1733307825000000000)},
        {"2024-12-04 11:23:45+01:00", INT64_C(1733307825000000000)},
        {"2024-12-04T04:53:45-05:30", INT64_C(1733307825000000000)},
        {"2024-12-04T10:23:45.123456789Z", INT64_C(1733307825123456789)},
        {"2024-12-04T10:23:45.5Z", INT64_C(1733307825500000000)},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800000000000)},
        {"2000-02-29T00:00:00Z", INT64_C(951782400000000000)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].text);
        int64_t unix_ns = -1;
        assert_true(rfc3339_parse(str_from(rows[i].text), &unix_ns));
        assert_int_equal(unix_ns, rows[i].unix_ns);
    }
}

TEST(rfc3339_refuses_what_is_no_time) {
    static const char *const rows[] = {
        "",
        "now",
        "2024-12-04",
        "2024-12-04T10:23:45",
        "2024-13-04T10:23:45Z",
        "2024-00-04T10:23:45Z",
        "2023-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2024-04-31T00:00:00Z",
        "2024-12-00T10:23:45Z",
        "2024-12-04T24:00:00Z",
        "2024-12-04T10:60:00Z",
        "2024-12-04T10:00:61Z",
        "2024-12-04T10:23:45.Z",
        "2024-12-04T10:23:45.1234567890Z",
        "2024-12-04T10:23:45+24:00",
        "2024-12-04T10:23:45+0100",
        "2024-12-04T10:23:45ZZ",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "2200-01-01T00:00:00Z",
        "-024-12-04T10:23:45Z",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i]);
        int64_t unix_ns = 77;
        assert_false(rfc3339_parse(str_from(rows[i]), &unix_ns));
        assert_int_equal(unix_ns, 77);
    }
}

TEST(rfc3339_gives_every_day_back) {
    for (int64_t day = 0; day < 84006; day++) {
        const int64_t noon_ns = (day * 86400 + 43200) * INT64_C(1000000000);
        int64_t unix_ns = -1;
        assert_true(rfc3339_parse(str_from(format(noon_ns)), &unix_ns));
        assert_int_equal(unix_ns, noon_ns);
    }
}
