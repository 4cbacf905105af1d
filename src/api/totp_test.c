/* SPDX-License-Identifier: Apache-2.0 */
#include "api/totp.h"

#include <stdio.h>
#include <string.h>

#include "testing/test.h"

/* The secret of RFC 6238, appendix B, for SHA-1. */
static const struct totp_secret rfc_secret = {"12345678901234567890"};

TEST(the_codes_are_those_of_rfc_6238) {
    /* The RFC shows eight digits; six are their end. */
    static const struct {
        int64_t unix_s;
        uint32_t code;
    } rows[] = {{59, 94287082 % 1000000},         {1111111109, 7081804 % 1000000},
                {1111111111, 14050471 % 1000000}, {1234567890, 89005924 % 1000000},
                {2000000000, 69279037 % 1000000}, {20000000000, 65353130 % 1000000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(totp_code(&rfc_secret, totp_step(rows[i].unix_s)), rows[i].code);
    }
}

TEST(the_codes_are_those_of_rfc_4226) {
    static const uint32_t codes[] = {755224, 287082, 359152, 969429, 338314,
                                     254676, 287922, 162583, 399871, 520489};
    for (int64_t i = 0; i < 10; i++) {
        assert_int_equal(totp_code(&rfc_secret, i), codes[i]);
    }
}

static bool check(const char *code, int64_t unix_s, int64_t last_step, int64_t *ret_step) {
    return totp_check(&rfc_secret, str_from(code), unix_s, last_step, ret_step);
}

TEST(a_code_counts_one_step_early_and_late_and_no_further) {
    /* 287082 is the code of step 1, from 30 to 60 s. */
    static const struct {
        int64_t unix_s;
        bool right;
    } rows[] = {{0, true},  {29, true}, {30, true},  {59, true},
                {60, true}, {89, true}, {90, false}, {120, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t step = -7;
        assert_int_equal(check("287082", rows[i].unix_s, 0, &step), rows[i].right);
        assert_int_equal(step, rows[i].right ? 1 : -7);
    }
}

TEST(no_code_counts_twice_nor_an_older_one_after_it) {
    int64_t step = 0;
    assert_true(check("359152", 60, 1, &step)); /* step 2 */
    assert_int_equal(step, 2);
    assert_false(check("359152", 60, 2, &step));
    assert_false(check("287082", 60, 2, &step)); /* step 1 */
    assert_true(check("969429", 60, 2, &step));  /* step 3 */
    assert_int_equal(step, 3);
}

TEST(a_code_is_six_digits_and_blanks) {
    static const struct {
        const char *code;
        bool right;
    } rows[] = {{"287082", true},  {"287 082", true},  {" 287082 ", true},  {"", false},
                {"28708", false},  {"2870821", false}, {"0287082", false},  {"28708a", false},
                {"-87082", false}, {"+287082", false}, {"287082\n", false}, {"287083", false},
                {"２87082", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].code);
        int64_t step = 0;
        assert_int_equal(check(rows[i].code, 45, 0, &step), rows[i].right);
    }
}

TEST(a_secret_is_written_and_read_as_base32) {
    char buffer[TOTP_SECRET_TEXT_MAX];
    struct text out = TEXT_OVER(buffer);
    totp_secret_format(&rfc_secret, &out);
    assert_string_equal(text_zero(&out), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    static const struct {
        const char *text;
        bool right;
    } rows[] = {{"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", true},
                {"gezdgnbvgy3tqojqgezdgnbvgy3tqojq", true},
                {"GEZD GNBV GY3T QOJQ GEZD-GNBV-GY3T-QOJQ", true},
                {"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ======", true},
                {"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ", false},
                {"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQA", false},
                {"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ=Q", false},
                {"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", false},
                {"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ0", false},
                {"", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].text);
        struct totp_secret secret;
        memset(&secret, 0, sizeof secret);
        assert_int_equal(totp_secret_parse(str_from(rows[i].text), &secret), rows[i].right);
        assert_int_equal(memcmp(&secret, &rfc_secret, sizeof secret) == 0, rows[i].right);
    }
}

TEST(the_uri_escapes_names) {
    char buffer[TOTP_URI_MAX];
    struct text out = TEXT_OVER(buffer);
    totp_uri_format(&rfc_secret, STR("SecZim mail.example.org"), STR("a:b/c@d&e"), &out);
    assert_string_equal(text_zero(&out),
                        "otpauth://totp/SecZim%20mail.example.org:a%3Ab%2Fc%40d%26e?secret="
                        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=SecZim%20mail.example.org");
}
