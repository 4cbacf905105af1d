/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "testing/test.h"

static void expect(const struct text *text, const char *content, bool truncated) {
    assert_int_equal(text->length, strlen(content));
    assert_memory_equal(text->data, content, text->length);
    assert_int_equal(text->truncated, truncated);
}

TEST(text_keeps_what_fits_and_says_so) {
    char bytes[9];
    memset(bytes, 'x', sizeof bytes);
    struct text text = {.data = bytes, .size = 8};
    text_add(&text, STR("abc"));
    text_add(&text, (struct str){NULL, 0});
    text_add_byte(&text, '-');
    text_add_u64(&text, 1234);
    expect(&text, "abc-1234", false);
    text_add_byte(&text, '5');
    expect(&text, "abc-1234", true);
    assert_int_equal(bytes[8], 'x');
    assert_true(str_equal(text_str(&text), STR("abc-1234")));
}

TEST(text_once_cut_stays_a_beginning) {
    char bytes[4];
    struct text text = TEXT_OVER(bytes);
    text_add(&text, STR("ab"));
    text_add_escaped(&text, STR("\n"));
    expect(&text, "ab", true);
    text_add(&text, STR("c"));
    expect(&text, "ab", true);
}

TEST(text_adds_the_start_of_a_long_string) {
    char bytes[4];
    struct text text = TEXT_OVER(bytes);
    text_add(&text, STR("abcdefgh"));
    expect(&text, "abcd", true);
}

TEST(text_writes_every_number) {
    char bytes[24];
    struct text text = TEXT_OVER(bytes);
    text_add_u64(&text, 0);
    expect(&text, "0", false);
    text.length = 0;
    text_add_u64(&text, UINT64_MAX);
    expect(&text, "18446744073709551615", false);
    text.length = 0;
    text_add_u64(&text, 1000);
    expect(&text, "1000", false);
}

TEST(text_zero_ends_even_a_full_text) {
    char bytes[4];
    struct text text = TEXT_OVER(bytes);
    assert_string_equal(text_zero(&text), "");
    text_add(&text, STR("abc"));
    assert_string_equal(text_zero(&text), "abc");
    assert_false(text.truncated);
    text_add(&text, STR("d"));
    assert_false(text.truncated);
    assert_string_equal(text_zero(&text), "abc");
    assert_true(text.truncated);
}

TEST(text_escapes_what_could_forge_a_line) {
    const struct {
        struct str from;
        const char *to;
    } rows[] = {
        {STR("plain <a@b> = {}~"), "plain <a@b> = {}~"},
        {STR("a\r\nb\tc"), "a\\x0d\\x0ab\\x09c"},
        {STR("nul\0"), "nul\\x00"},
        {STR("\x7f\x1f\x20"), "\\x7f\\x1f "},
        {STR("say \"x\" \\ y"), "say \\x22x\\x22 \\x5c y"},
        {STR("\xc3\xa4\xe3\x81\xbf\xf0\x9f\x93\xa7"), "\xc3\xa4\xe3\x81\xbf\xf0\x9f\x93\xa7"},
        {STR("\xc2\x9bm"), "\\xc2\\x9bm"},
        {STR("\xc2\x9f\xc2\xa0"), "\\xc2\\x9f\xc2\xa0"},
        {STR("\xff\xc3(\xc3"), "\\xff\\xc3(\\xc3"},
        {STR("\xed\xa0\x80"), "\\xed\\xa0\\x80"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char bytes[64];
        struct text text = TEXT_OVER(bytes);
        test_case(rows[i].to);
        text_add_escaped(&text, rows[i].from);
        expect(&text, rows[i].to, false);
    }
}

/* Whatever the room: no escape and no character is cut in half. */
TEST(text_escapes_are_whole_at_any_size) {
    const struct str from = STR("a\n\xc3\xa4\x80");
    const char *whole = "a\\x0a\xc3\xa4\\x80";
    static const size_t ends[] = {0, 1, 1, 1, 1, 5, 5, 7, 7, 7, 7, 11, 11};
    for (size_t size = 0; size < sizeof ends / sizeof ends[0]; size++) {
        char bytes[16];
        struct text text = {.data = bytes, .size = size};
        text_add_escaped(&text, from);
        assert_int_equal(text.length, ends[size]);
        assert_memory_equal(bytes, whole, text.length);
        assert_int_equal(text.truncated, size < 11);
    }
}

TEST(lower_case_of_every_byte_at_every_place) {
    char bytes[2 * 16 + 5];
    for (size_t length = 0; length <= sizeof bytes; length++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            char room[sizeof bytes + 1];
            struct text text = TEXT_OVER(room);
            memset(bytes, (int)byte, sizeof bytes);
            text_add(&text, STR("A"));
            text_add_lower(&text, (struct str){bytes, length});
            const unsigned lower = byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
            assert_int_equal(text.length, 1 + length);
            assert_int_equal(room[0], 'A');
            for (size_t i = 1; i < text.length; i++) {
                assert_int_equal((unsigned char)room[i], lower);
            }
        }
    }
}

TEST(lower_case_text_that_does_not_fit_is_cut) {
    char room[20];
    struct text text = TEXT_OVER(room);
    text_add_lower(&text, STR("ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    assert_true(text.truncated);
    assert_memory_equal(room, "abcdefghijklmnopqrst", sizeof room);
    text_add_lower(&text, STR("X"));
    assert_int_equal(text.length, sizeof room);
}
