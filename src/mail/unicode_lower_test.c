/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/unicode_lower.h"

#include <stddef.h>

#include "testing/test.h"

TEST(unicode_lower_knows_the_letters_of_europe) {
    static const struct {
        uint32_t upper;
        uint32_t lower;
    } rows[] = {
        {'A', 'a'},       {'Z', 'z'},       {0xc0, 0xe0},     {0xd6, 0xf6},   {0xd8, 0xf8},
        {0xde, 0xfe},     {0x100, 0x101},   {0x139, 0x13a},   {0x160, 0x161}, {0x178, 0xff},
        {0x17d, 0x17e},   {0x218, 0x219},   {0x391, 0x3b1},   {0x3a3, 0x3c3}, {0x386, 0x3ac},
        {0x410, 0x430},   {0x42f, 0x44f},   {0x401, 0x451},   {0x490, 0x491}, {0x1e9e, 0xdf},
        {0x1ea0, 0x1ea1}, {0x1f08, 0x1f00}, {0x1ffc, 0x1ff3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(unicode_lower(rows[i].upper), rows[i].lower);
        assert_int_equal(unicode_lower(rows[i].lower), rows[i].lower);
    }
}

TEST(unicode_lower_leaves_the_rest_alone) {
    static const uint32_t rows[] = {0,     '@',    '[',    '`',    '{',    0x7f,     0xd7,
                                    0xdf,  0x130,  0x131,  0x138,  0x149,  0x3042,   0x5d0,
                                    0x627, 0x2167, 0xff21, 0x212a, 0x4e2d, 0x10ffff, UINT32_MAX};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(unicode_lower(rows[i]), rows[i]);
    }
}

TEST(unicode_lower_twice_is_once_and_never_makes_ascii_of_other_letters) {
    unsigned changed = 0;
    for (uint32_t point = 0; point < 0x110000; point++) {
        const uint32_t lower = unicode_lower(point);
        assert_int_equal(unicode_lower(lower), lower);
        assert_true(point < 0x80 || lower >= 0x80);
        changed += lower != point;
    }
    assert_int_equal(changed, 650);
}

/* All of the mapping as one number, made when each of its 650 letters had been compared with
 * another implementation of the Unicode Character Database. */
TEST(unicode_lower_is_what_was_compared_once) {
    uint32_t sum = 0;
    for (uint32_t point = 0; point < 0x110000; point++) {
        sum = sum * 31 + unicode_lower(point);
    }
    assert_int_equal(sum, 3420109410);
}
