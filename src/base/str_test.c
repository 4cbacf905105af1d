/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <string.h>

#include "testing/test.h"

static const struct str nothing = {NULL, 0};

TEST(str_from_takes_a_zero_terminated_text_or_nothing) {
    assert_int_equal(str_from("abc").length, 3);
    assert_int_equal(str_from(NULL).length, 0);
    assert_true(str_equal(str_from(""), nothing));
    assert_true(str_equal(STR("abc"), str_from("abc")));
}

TEST(str_equal_compares_every_byte) {
    assert_true(str_equal(STR("a\0b"), STR("a\0b")));
    assert_false(str_equal(STR("a\0b"), STR("a\0c")));
    assert_false(str_equal(STR("ab"), STR("abc")));
    assert_false(str_equal(STR("ab"), STR("AB")));
    assert_true(str_equal(nothing, STR("")));
    assert_false(str_equal(nothing, STR("a")));
}

TEST(str_equal_nocase_folds_ascii_letters_only) {
    assert_true(str_equal_nocase(STR("MAIL.example"), STR("mail.EXAMPLE")));
    assert_false(str_equal_nocase(STR("mail"), STR("mails")));
    assert_false(str_equal_nocase(STR("\xc3\x84"), STR("\xc3\xa4")));
    assert_false(str_equal_nocase(STR("@"), STR("`")));
    assert_false(str_equal_nocase(STR("["), STR("{")));
    for (int c = 0; c < 256; c++) {
        const char lower = ascii_lower((char)c);
        const bool upper_case = c >= 'A' && c <= 'Z';
        assert_int_equal((unsigned char)lower, upper_case ? c + 32 : c);
    }
}

TEST(str_starts_and_ends) {
    assert_true(str_starts(STR("prvs=x"), STR("prvs=")));
    assert_true(str_starts(STR("a"), nothing));
    assert_true(str_starts(STR("prvs="), STR("prvs=")));
    assert_false(str_starts(STR("pr"), STR("prvs=")));
    assert_false(str_starts(STR("Prvs=x"), STR("prvs=")));
    assert_true(str_ends(STR("a.example.com"), STR(".com")));
    assert_true(str_ends(nothing, nothing));
    assert_false(str_ends(STR("com"), STR(".com")));
    assert_false(str_ends(STR("a.com.example"), STR(".com")));
}

TEST(str_find_names_the_first_and_the_last) {
    assert_int_equal(str_find(STR("a@b@c"), '@'), 1);
    assert_int_equal(str_find_last(STR("a@b@c"), '@'), 3);
    assert_true(str_find(STR("abc"), '@') == SIZE_MAX);
    assert_true(str_find_last(STR("abc"), '@') == SIZE_MAX);
    assert_true(str_find(nothing, 'a') == SIZE_MAX);
    assert_true(str_find_last(nothing, 'a') == SIZE_MAX);
}

TEST(str_slice_never_leaves_the_text) {
    const struct str text = STR("example");
    for (size_t from = 0; from <= 9; from++) {
        for (size_t until = 0; until <= 9; until++) {
            const struct str slice = str_slice(text, from, until);
            const size_t last = until < text.length ? until : text.length;
            assert_int_equal(slice.length, last > from ? last - from : 0);
            if (slice.length > 0) {
                assert_ptr_equal(slice.data, text.data + from);
            }
        }
    }
    assert_true(str_equal(str_slice(text, 2, SIZE_MAX), STR("ample")));
    assert_int_equal(str_slice(nothing, 0, 5).length, 0);
}

TEST(str_trim_takes_blanks_off_both_ends) {
    assert_true(str_equal(str_trim(STR(" \t\r\na b\n ")), STR("a b")));
    assert_true(str_equal(str_trim(STR(" \n ")), nothing));
    assert_true(str_equal(str_trim(STR("\v\f")), STR("\v\f")));
    assert_true(str_equal(str_trim(nothing), nothing));
}

TEST(str_parse_u64_knows_its_bounds) {
    static const struct {
        const char *text;
        uint64_t max;
        bool ok;
        uint64_t value;
    } rows[] = {
        {"0", 0, true, 0},
        {"65535", 65535, true, 65535},
        {"65536", 65535, false, 0},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"99999999999999999999", UINT64_MAX, false, 0},
        {"007", 7, true, 7},
        {"00000000000000000000000000000007", 7, true, 7},
        {"000000000018446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"000000000018446744073709551616", UINT64_MAX, false, 0},
        {"99x", 9, false, 0},
        {"\xb1", 9, false, 0},
        {"", 9, false, 0},
        {"-1", 9, false, 0},
        {"+1", 9, false, 0},
        {" 1", 9, false, 0},
        {"1 ", 9, false, 0},
        {"1:", 99, false, 0},
        {"/1", 99, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t value = 4711;
        test_case(rows[i].text);
        assert_int_equal(str_parse_u64(str_from(rows[i].text), rows[i].max, &value), rows[i].ok);
        assert_true(value == (rows[i].ok ? rows[i].value : 4711));
    }
}

TEST(str_compare_orders_bytewise_a_prefix_first) {
    static const struct str in_order[] = {
        {NULL, 0}, {"A", 1}, {"a", 1}, {"a\0", 2}, {"ab", 2}, {"b", 1}, {"\xc3", 1},
    };
    const size_t count = sizeof in_order / sizeof in_order[0];
    for (size_t a = 0; a < count; a++) {
        for (size_t b = 0; b < count; b++) {
            const int order = str_compare(in_order[a], in_order[b]);
            assert_int_equal((order > 0) - (order < 0), (a > b) - (a < b));
        }
    }
}

TEST(lengths_of_ascii_and_of_printable_text_end_at_the_first_other_byte) {
    char bytes[3 * 16 + 5];
    for (size_t length = 0; length <= sizeof bytes; length++) {
        memset(bytes, 'x', sizeof bytes);
        const struct str text = {bytes, length};
        assert_int_equal(str_ascii_length(text), length);
        assert_int_equal(str_printable_length(text), length);
        for (size_t at = 0; at < length; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                bytes[at] = (char)(unsigned char)byte;
                assert_int_equal(str_ascii_length(text), byte < 0x80 ? length : at);
                assert_int_equal(str_printable_length(text),
                                 byte >= 0x20 && byte < 0x7f ? length : at);
            }
            bytes[at] = 'x';
        }
    }
}
