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

void text_add_lower(struct text *text, struct str s) {
    const size_t start = text->length;
    text_add(text, s);
    char *const data = text->data + start;
    const size_t length = text->length - start;
    size_t at = 0;
    for (; length - at >= BYTE_BLOCK; at += BYTE_BLOCK) {
        byte_block_store(data + at, lower_block(byte_block_load(data + at)));
    }
    for (; at < length; at++) {
        data[at] = ascii_lower(data[at]);
    }
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
