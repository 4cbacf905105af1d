/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns_name.h"

#include <string.h>

/* The two highest bits of the byte before a label (RFC 1035 4.1.4); the other two values are not
 * in use. */
enum { LABEL_KIND = 0xc0, LABEL_POINTER = 0xc0 };

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* One byte of a label at *at, which is inside of `text`. */
static bool read_escaped(struct str text, size_t *at, uint8_t *ret_byte) {
    if (text.data[*at] != '\\') {
        *ret_byte = (uint8_t)text.data[(*at)++];
        return true;
    }
    const struct str rest = str_slice(text, *at + 1, text.length);
    uint64_t value = 0;
    if (rest.length >= 3 && str_parse_u64(str_slice(rest, 0, 3), UINT8_MAX, &value)) {
        *ret_byte = (uint8_t)value;
        *at += 4;
        return true;
    }
    if (rest.length == 0 || is_digit(rest.data[0])) {
        return false;
    }
    *ret_byte = (uint8_t)rest.data[0];
    *at += 2;
    return true;
}

/* One label from *at to the next dot or the end. */
static bool read_label(struct str text, size_t *at, struct dns_wire_name *name) {
    const size_t start = name->length;
    size_t length = 0;
    while (*at < text.length && text.data[*at] != '.') {
        uint8_t byte = 0;
        if (!read_escaped(text, at, &byte) || length == DNS_LABEL_MAX ||
            start + 1 + length >= DNS_WIRE_NAME_MAX - 1) {
            return false;
        }
        name->bytes[start + 1 + length++] = (uint8_t)ascii_lower((char)byte);
    }
    name->bytes[start] = (uint8_t)length;
    name->length = (uint8_t)(start + 1 + length);
    return length > 0;
}

bool dns_name_parse(struct str text, struct dns_wire_name *ret_name) {
    struct dns_wire_name name = {0};
    if (text.length == 0 || text.length > DNS_NAME_MAX || str_ends(text, STR("."))) {
        return false;
    }
    for (size_t at = 0; at < text.length; at++) {
        if (!read_label(text, &at, &name)) {
            return false;
        }
    }
    name.bytes[name.length++] = 0;
    *ret_name = name;
    return true;
}

/* Follows the pointer at `at`; false unless it leads before `start`, where this piece of the name
 * began. */
static bool follow(struct str message, size_t at, size_t *start) {
    if (at + 1 >= message.length) {
        return false;
    }
    const size_t target =
        (size_t)((uint8_t)message.data[at] & ~LABEL_KIND) << 8 | (uint8_t)message.data[at + 1];
    const bool backwards = target < *start;
    *start = target;
    return backwards;
}

static bool add_label(struct str message, size_t at, struct dns_wire_name *name) {
    const size_t length = (uint8_t)message.data[at];
    if (at + 1 + length > message.length || name->length + 1 + length >= DNS_WIRE_NAME_MAX) {
        return false;
    }
    name->bytes[name->length++] = (uint8_t)length;
    for (size_t i = 0; i < length; i++) {
        name->bytes[name->length++] = (uint8_t)ascii_lower(message.data[at + 1 + i]);
    }
    return true;
}

bool dns_name_read(struct str message, size_t *at, struct dns_wire_name *ret_name) {
    size_t position = *at;
    size_t start = *at;
    size_t end = SIZE_MAX; /* behind the first pointer */
    ret_name->length = 0;
    while (position < message.length) {
        const uint8_t first = (uint8_t)message.data[position];
        if (first == 0) {
            ret_name->bytes[ret_name->length++] = 0;
            *at = end == SIZE_MAX ? position + 1 : end;
            return true;
        }
        if ((first & LABEL_KIND) == LABEL_POINTER) {
            end = end == SIZE_MAX ? position + 2 : end;
            if (!follow(message, position, &start)) {
                return false;
            }
            position = start;
        } else if ((first & LABEL_KIND) != 0 || !add_label(message, position, ret_name)) {
            return false;
        } else {
            position += 1 + (size_t)first;
        }
    }
    return false;
}

static void add_byte(struct text *out, uint8_t byte) {
    const char c = (char)byte;
    if ((c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_') {
        text_add_byte(out, c);
        return;
    }
    text_add_byte(out, '\\');
    text_add_byte(out, (char)('0' + byte / 100));
    text_add_byte(out, (char)('0' + byte / 10 % 10));
    text_add_byte(out, (char)('0' + byte % 10));
}

bool dns_name_format(const struct dns_wire_name *name, struct text *out) {
    char room[DNS_NAME_MAX];
    struct text text = TEXT_OVER(room);
    for (size_t at = 0; name->bytes[at] != 0; at += 1 + (size_t)name->bytes[at]) {
        if (at > 0) {
            text_add_byte(&text, '.');
        }
        for (size_t i = 1; i <= name->bytes[at]; i++) {
            add_byte(&text, name->bytes[at + i]);
        }
    }
    if (!text.truncated) {
        text_add(out, text_str(&text));
    }
    return !text.truncated;
}

bool dns_name_equal(const struct dns_wire_name *a, const struct dns_wire_name *b) {
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}
