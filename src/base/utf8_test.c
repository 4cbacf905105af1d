/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include "testing/test.h"

/* The reference: what RFC 3629 section 3 says a character is written as. */
static size_t encode(uint32_t point, char *ret_bytes) {
    if (point < 0x80) {
        ret_bytes[0] = (char)point;
        return 1;
    }
    const size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length; i-- > 1; point >>= 6) {
        ret_bytes[i] = (char)(0x80 | (point & 0x3f));
    }
    ret_bytes[0] = (char)(marks[length] | point);
    return length;
}

TEST(utf8_reads_every_character_there_is_and_no_prefix_of_one) {
    for (uint32_t point = 0; point <= 0x110000; point++) {
        char bytes[5] = "";
        uint32_t read = 0xffffffff;
        const size_t length = encode(point, bytes);
        const bool valid = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
        const size_t got = utf8_decode((struct str){bytes, length}, &read);
        assert_true(got == (valid ? length : 0));
        assert_true(read == (valid ? point : 0xffffffff));
        if (length > 1) {
            assert_true(utf8_decode((struct str){bytes, length - 1}, &read) == 0);
        }
    }
}

TEST(utf8_refuses_what_is_not_a_character) {
    static const struct {
        const char *label;
        struct str text;
    } rows[] = {
        {"empty", {NULL, 0}},
        {"a continuation byte alone", {"\x80", 1}},
        {"the last continuation byte", {"\xbf", 1}},
        {"overlong slash, two bytes", {"\xc0\xaf", 2}},
        {"overlong, two bytes", {"\xc1\xbf", 2}},
        {"overlong, three bytes", {"\xe0\x9f\xbf", 3}},
        {"overlong, four bytes", {"\xf0\x8f\xbf\xbf", 4}},
        {"a surrogate", {"\xed\xb0\x80", 3}},
        {"above U+10FFFF", {"\xf4\x90\x80\x80", 4}},
        {"five bytes", {"\xf8\x88\x80\x80\x80", 5}},
        {"0xff", {"\xff", 1}},
        {"a start byte and a letter", {"\xc3(", 2}},
        {"a second start byte", {"\xe3\x81\xc0", 3}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t point = 4711;
        test_case(rows[i].label);
        assert_int_equal(utf8_decode(rows[i].text, &point), 0);
        assert_int_equal(point, 4711);
    }
}
