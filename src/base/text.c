/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/byte_block.h"
#include "base/check.h"
#include "base/str.h"
#include "base/utf8.h"

void text_add(struct text *text, struct str s) {
    if (text->truncated || s.length == 0) {
        return;
    }
    const size_t room = text->size - text->length;
    if (s.length > room) {
        text->truncated = true;
        s.length = room;
    }
    if (s.length != 0) {
        memcpy(text->data + text->length, s.data, s.length);
        text->length += s.length;
    }
}

void text_add_byte(struct text *text, char byte) {
    text_add(text, (struct str){&byte, 1});
}

/* Upper case differs from lower case by one bit. */
static byte_block lower_block(byte_block block) {
    const byte_block upper = (block >= 'A') & (block <= 'Z');
    return block | (upper & ('a' - 'A'));
}

/* The same for eight bytes: sums that carry into the top bit of each byte that is large enough. */
static uint64_t lower_word(uint64_t word) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t low7 = word & (ones * 0x7f);
    const uint64_t from_a = low7 + ones * (0x80 - 'A');
    const uint64_t above_z = low7 + ones * (0x7f - 'Z');
    return word | ((from_a ^ above_z) & ~word & (ones * 0x80)) >> 2;
}

/* Of less than a block: two words, from the start and from the end, which overlap. */
static void lower_short(char *to, const char *from, size_t length) {
    if (length >= 8) {
        uint64_t first;
        uint64_t last;
        memcpy(&first, from, sizeof first);
        memcpy(&last, from + length - sizeof last, sizeof last);
        first = lower_word(first);
        last = lower_word(last);
        memcpy(to, &first, sizeof first);
        memcpy(to + length - sizeof last, &last, sizeof last);
    } else if (length >= 4) {
        uint32_t both[2];
        memcpy(&both[0], from, 4);
        memcpy(&both[1], from + length - 4, 4);
        const uint64_t lower = lower_word((uint64_t)both[1] << 32 | both[0]);
        both[0] = (uint32_t)lower;
        both[1] = (uint32_t)(lower >> 32);
        memcpy(to, &both[0], 4);
        memcpy(to + length - 4, &both[1], 4);
    } else {
        for (size_t at = 0; at < length; at++) {
            to[at] = ascii_lower(from[at]);
        }
    }
}

void text_add_lower(struct text *text, struct str s) {
    if (text->truncated || s.length == 0) {
        return;
    }
    const size_t room = text->size - text->length;
    const size_t length = s.length < room ? s.length : room;
    char *const to = text->data + text->length;
    text->truncated = s.length > room;
    text->length += length;
    if (length < BYTE_BLOCK) {
        lower_short(to, s.data, length);
        return;
    }
    for (size_t at = 0; at < length - BYTE_BLOCK; at += BYTE_BLOCK) {
        byte_block_store(to + at, lower_block(byte_block_load(s.data + at)));
    }
    const size_t last = length - BYTE_BLOCK;
    byte_block_store(to + last, lower_block(byte_block_load(s.data + last)));
}

void text_add_u64(struct text *text, uint64_t value) {
    char digits[20];
    size_t from = sizeof digits;
    do {
        digits[--from] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    text_add(text, (struct str){digits + from, sizeof digits - from});
}

/* All of `s` or nothing, so that an escape is never cut in half. */
static void add_whole(struct text *text, struct str s) {
    if (s.length > text->size - text->length) {
        text->truncated = true;
    }
    text_add(text, text->truncated ? (struct str){NULL, 0} : s);
}

static void add_hex(struct text *text, unsigned char byte) {
    static const char digits[] = "0123456789abcdef";
    const char hex[4] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    add_whole(text, (struct str){hex, sizeof hex});
}

/* Terminals act on C0 and C1 controls; quotes and backslashes end or forge a quoted field. */
static bool is_plain(uint32_t point) {
    return point >= 0x20 && point != '"' && point != '\\' && (point < 0x7f || point > 0x9f);
}

void text_add_escaped(struct text *text, struct str s) {
    size_t at = 0;
    while (at < s.length && !text->truncated) {
        uint32_t point = 0;
        const size_t length = utf8_decode(str_slice(s, at, s.length), &point);
        if (length != 0 && is_plain(point)) {
            add_whole(text, str_slice(s, at, at + length));
            at += length;
        } else {
            add_hex(text, (unsigned char)s.data[at]);
            at++;
        }
    }
}

struct str text_str(const struct text *text) {
    return (struct str){text->data, text->length};
}

const char *text_zero(struct text *text) {
    CHECK(text->size >= 1);
    if (text->length == text->size) {
        text->length--;
        text->truncated = true;
    }
    text->data[text->length] = '\0';
    return text->data;
}
