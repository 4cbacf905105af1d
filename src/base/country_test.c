/* SPDX-License-Identifier: Apache-2.0 */
#include "base/country.h"

#include <stdio.h>
#include <string.h>

#include "testing/test.h"

TEST(country_codes_are_taken_in_any_case) {
    static const char *const good[] = {"DE", "de", "No", "gb", "XK", "AD", "ZW", "TF"};
    static const char *const bad[] = {"", "D", "DEU", "UK", "EU", "ZZ", "XX", "A1", "--", "d\xc3"};
    char code[3] = "";
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        test_case(good[i]);
        assert_true(country_parse(str_from(good[i]), code));
        assert_true(str_equal_nocase(str_from(code), str_from(good[i])));
        assert_true(code[0] <= 'Z' && code[1] <= 'Z');
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        test_case(bad[i]);
        code[0] = 'q';
        assert_false(country_parse(str_from(bad[i]), code));
        assert_int_equal(code[0], 'q');
    }
}

TEST(country_codes_assigned_are_known_all) {
    unsigned known = 0;
    for (char a = 'A'; a <= 'Z'; a++) {
        for (char b = 'A'; b <= 'Z'; b++) {
            const char code[2] = {a, b};
            const char *name = country_name(code);
            known += name != NULL;
            assert_true(name == NULL || strlen(name) >= 4);
        }
    }
    assert_int_equal(known, 249 + 1);
    assert_string_equal(country_name("DE"), "Germany");
    assert_string_equal(country_name("CN"), "China");
    assert_null(country_name("de"));
    assert_null(country_name("--"));
    assert_null(country_name("\0\0"));
}

TEST(country_is_guessed_from_what_people_write) {
    static const struct {
        const char *written;
        const char *code;
    } rows[] = {{"UK", "GB"},      {"uk", "GB"},     {"Germany", "DE"},    {"germ", "DE"},
                {"EL", "GR"},      {"usa", "US"},    {"Niger", "NE"},      {"Nige", "NE"},
                {"Nigeria", "NG"}, {"Kosovo", "XK"}, {"south korea", "KR"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].written);
        const char *code = country_nearest(str_from(rows[i].written));
        assert_non_null(code);
        assert_string_equal(code, rows[i].code);
    }
    assert_null(country_nearest(STR("ZZ")));
    assert_null(country_nearest(STR("ger")));
    assert_null(country_nearest(STR("")));
    assert_null(country_nearest(STR("Nowhere at all")));
}
