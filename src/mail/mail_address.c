/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/mail_address.h"

#include "base/utf8.h"
#include "mail/punycode.h"
#include "mail/unicode_lower.h"

enum { LABEL_LENGTH_MAX = 63 };

void mail_address_split(struct str address, struct str *ret_local, struct str *ret_domain) {
    const size_t at = str_find_last(address, '@');
    *ret_local = str_slice(address, 0, at);
    *ret_domain = at == SIZE_MAX ? (struct str){NULL, 0} : str_slice(address, at + 1, SIZE_MAX);
}

static void add_lower(struct str s, struct text *out) {
    for (size_t i = 0; i < s.length; i++) {
        text_add_byte(out, ascii_lower(s.data[i]));
    }
}

static bool is_ascii(struct str s) {
    for (size_t i = 0; i < s.length; i++) {
        if ((unsigned char)s.data[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

/* The A-label of a label that is not ASCII, or false when it has none. */
static bool convert_label(struct str label, struct text *out) {
    uint32_t points[PUNYCODE_POINTS_MAX];
    size_t count = 0;
    for (size_t at = 0; at < label.length; count++) {
        uint32_t point = 0;
        const size_t length = utf8_decode(str_slice(label, at, SIZE_MAX), &point);
        if (length == 0 || count == PUNYCODE_POINTS_MAX) {
            return false;
        }
        points[count] = unicode_lower(point);
        at += length;
    }
    text_add(out, STR("xn--"));
    punycode_encode(points, count, out);
    return !out->truncated;
}

static void add_label(struct str label, struct text *out) {
    char bytes[LABEL_LENGTH_MAX];
    struct text converted = TEXT_OVER(bytes);
    if (!is_ascii(label) && convert_label(label, &converted)) {
        text_add(out, text_str(&converted));
    } else {
        add_lower(label, out);
    }
}

void mail_domain_normalise(struct str domain, struct text *out) {
    while (str_ends(domain, STR("."))) {
        domain.length--;
    }
    for (;;) {
        const size_t dot = str_find(domain, '.');
        add_label(str_slice(domain, 0, dot), out);
        if (dot == SIZE_MAX) {
            return;
        }
        text_add_byte(out, '.');
        domain = str_slice(domain, dot + 1, SIZE_MAX);
    }
}

static void add_address(struct str local, struct str domain, bool has_domain, struct text *out) {
    add_lower(str_slice(local, 0, MAIL_LOCAL_PART_MAX), out);
    if (has_domain) {
        text_add_byte(out, '@');
        mail_domain_normalise(domain, out);
    }
}

void mail_address_normalise(struct str address, struct text *out) {
    struct str local;
    struct str domain;
    mail_address_split(address, &local, &domain);
    add_address(local, domain, str_find(address, '@') != SIZE_MAX, out);
}
