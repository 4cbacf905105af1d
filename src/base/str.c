/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <string.h>

#include "base/byte_block.h"

struct str str_from(const char *text) {
    return text == NULL ? (struct str){NULL, 0} : (struct str){text, strlen(text)};
}

bool str_equal(struct str a, struct str b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

char ascii_lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_equal_nocase(struct str a, struct str b) {
    if (a.length != b.length) {
        return false;
    }
    for (size_t i = 0; i < a.length; i++) {
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

bool str_starts(struct str text, struct str prefix) {
    return text.length >= prefix.length &&
           str_equal((struct str){text.data, prefix.length}, prefix);
}

bool str_ends(struct str text, struct str suffix) {
    return text.length >= suffix.length &&
           str_equal(str_slice(text, text.length - suffix.length, text.length), suffix);
}

size_t str_find(struct str text, char byte) {
    const char *found = text.length == 0 ? NULL : memchr(text.data, byte, text.length);
    return found == NULL ? SIZE_MAX : (size_t)(found - text.data);
}

size_t str_find_last(struct str text, char byte) {
    const char *found = text.length == 0 ? NULL : memrchr(text.data, byte, text.length);
    return found == NULL ? SIZE_MAX : (size_t)(found - text.data);
}

struct str str_slice(struct str text, size_t from, size_t until) {
    if (until > text.length) {
        until = text.length;
    }
    if (from >= until) {
        return (struct str){NULL, 0};
    }
    return (struct str){text.data + from, until - from};
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str text) {
    size_t from = 0;
    size_t until = text.length;
    while (from < until && is_blank(text.data[from])) {
        from++;
    }
    while (until > from && is_blank(text.data[until - 1])) {
        until--;
    }
    return str_slice(text, from, until);
}

/* So many decimal digits cannot exceed 64 bits. */
enum { DIGITS_SAFE = 19 };

bool str_parse_u64(struct str text, uint64_t max, uint64_t *ret_value) {
    uint64_t value = 0;
    if (text.length == 0) {
        return false;
    }
    for (size_t i = 0; i < text.length; i++) {
        const unsigned digit = (unsigned char)text.data[i] - (unsigned)'0';
        if (digit > 9 || (i >= DIGITS_SAFE && value > (UINT64_MAX - digit) / 10)) {
            return false;
        }
        value = value * 10 + digit;
    }
    if (value > max) {
        return false;
    }
    *ret_value = value;
    return true;
}

int str_compare(struct str a, struct str b) {
    const size_t common = a.length < b.length ? a.length : b.length;
    const int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0) {
        return order;
    }
    return (a.length > b.length) - (a.length < b.length);
}

size_t str_ascii_length(struct str text) {
    size_t at = 0;
    for (; text.length - at >= BYTE_BLOCK; at += BYTE_BLOCK) {
        const unsigned others = byte_block_mask(byte_block_load(text.data + at));
        if (others != 0) {
            return at + (size_t)__builtin_ctz(others);
        }
    }
    for (; text.length - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text.data + at, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0) {
            break;
        }
    }
    while (at < text.length && (unsigned char)text.data[at] < 0x80) {
        at++;
    }
    return at;
}

size_t str_printable_length(struct str text) {
    size_t at = 0;
    for (; text.length - at >= BYTE_BLOCK; at += BYTE_BLOCK) {
        const byte_block block = byte_block_load(text.data + at);
        /* Bytes are signed here: those from 0x80 up are below 0x20 too. */
        const unsigned others = byte_block_mask((block < 0x20) | (block == 0x7f));
        if (others != 0) {
            return at + (size_t)__builtin_ctz(others);
        }
    }
    while (at < text.length && (signed char)text.data[at] >= 0x20 && text.data[at] != 0x7f) {
        at++;
    }
    return at;
}
