/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/mail_address.h"

#include "base/utf8.h"
#include "mail/punycode.h"
#include "mail/unicode_lower.h"

enum { LABEL_LENGTH_MAX = 63 };

bool mail_address_is_routed(struct str address) {
    struct str local;
    struct str domain;
    mail_address_split(address, &local, &domain);
    return str_find(local, '%') != SIZE_MAX || str_find(local, '!') != SIZE_MAX ||
           str_find(local, '@') != SIZE_MAX;
}

void mail_address_split(struct str address, struct str *ret_local, struct str *ret_domain) {
    const size_t at = str_find_last(address, '@');
    *ret_local = str_slice(address, 0, at);
    *ret_domain = at == SIZE_MAX ? (struct str){NULL, 0} : str_slice(address, at + 1, SIZE_MAX);
}

static bool is_ascii(struct str s) {
    return str_ascii_length(s) == s.length;
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
        text_add_lower(out, label);
    }
}

/* Not inlined: few domains come here, and the room for a label is not set up for the others. */
__attribute__((noinline)) static void add_labels(struct str domain, struct text *out) {
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

void mail_domain_normalise(struct str domain, struct text *out) {
    while (domain.length > 0 && domain.data[domain.length - 1] == '.') {
        domain.length--;
    }
    if (is_ascii(domain)) {
        text_add_lower(out, domain); /* What add_labels() would do. */
    } else {
        add_labels(domain, out);
    }
}

static void add_address(struct str local, struct str domain, bool has_domain, struct text *out) {
    text_add_lower(out, str_slice(local, 0, MAIL_LOCAL_PART_MAX));
    if (has_domain) {
        text_add_byte(out, '@');
        mail_domain_normalise(domain, out);
    }
}

void mail_address_normalise(struct str address, struct text *out) {
    const size_t at = str_find_last(address, '@');
    const bool has_domain = at != SIZE_MAX;
    add_address(str_slice(address, 0, at),
                has_domain ? str_slice(address, at + 1, SIZE_MAX) : (struct str){NULL, 0},
                has_domain, out);
}
