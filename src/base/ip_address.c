/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip_address.h"

#include <endian.h>
#include <string.h>

#include "base/check.h"

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool ip_address_is_v4(struct ip_address address) {
    return memcmp(address.bytes, v4_mapped, sizeof v4_mapped) == 0;
}

bool ip_address_is_none(struct ip_address address) {
    return ip_address_equal(address, (struct ip_address){{0}});
}

bool ip_address_equal(struct ip_address a, struct ip_address b) {
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

/* In two words: it is done for every request, and for every length of a list's networks. */
struct ip_address ip_address_mask(struct ip_address address, unsigned bits) {
    uint64_t words[2];
    memcpy(words, address.bytes, sizeof words);
    const uint64_t all = ~UINT64_C(0);
    const uint64_t high = bits == 0 ? 0 : bits >= 64 ? all : all << (64 - bits);
    const uint64_t low = bits <= 64 ? 0 : bits >= 128 ? all : all << (128 - bits);
    words[0] &= htobe64(high);
    words[1] &= htobe64(low);
    memcpy(address.bytes, words, sizeof words);
    return address;
}

static bool parse_v4(struct str text, uint8_t *ret_bytes) {
    size_t at = 0;
    for (unsigned part = 0; part < 4; part++) {
        unsigned value = 0;
        size_t digits = 0;
        while (at < text.length && digits < 3) {
            const unsigned digit = (unsigned char)text.data[at] - (unsigned)'0';
            if (digit > 9) {
                break;
            }
            value = value * 10 + digit;
            digits++;
            at++;
        }
        /* A leading zero would mean octal to some readers and decimal to others. */
        if (digits == 0 || value > 255 || (digits > 1 && text.data[at - digits] == '0')) {
            return false;
        }
        ret_bytes[part] = (uint8_t)value;
        if (part < 3) {
            if (at == text.length || text.data[at] != '.') {
                return false;
            }
            at++;
        }
    }
    return at == text.length;
}

static int hex_value(char c) {
    const char lower = ascii_lower(c);
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* One to four hexadecimal digits at the start of `text`; the number of them, 0 when none. */
static size_t parse_group(struct str text, uint8_t *ret_bytes) {
    unsigned value = 0;
    size_t digits = 0;
    while (digits < text.length && digits < 4 && hex_value(text.data[digits]) >= 0) {
        value = value << 4 | (unsigned)hex_value(text.data[digits]);
        digits++;
    }
    ret_bytes[0] = (uint8_t)(value >> 8);
    ret_bytes[1] = (uint8_t)value;
    return digits;
}

/* Groups separated by ":", the last of them perhaps an IPv4 address, into at most 16 bytes. The
 * number of bytes, or SIZE_MAX when the text is no such list. Empty text is no groups. */
static size_t parse_groups(struct str text, uint8_t *ret_bytes) {
    size_t length = 0;
    while (text.length > 0) {
        if (length + 4 <= 16 && str_find(text, ':') == SIZE_MAX &&
            parse_v4(text, ret_bytes + length)) {
            return length + 4;
        }
        if (length == 16) {
            return SIZE_MAX;
        }
        const size_t digits = parse_group(text, ret_bytes + length);
        length += 2;
        if (digits == 0) {
            return SIZE_MAX;
        }
        if (digits == text.length) {
            return length;
        }
        if (text.data[digits] != ':' || digits + 1 == text.length) {
            return SIZE_MAX;
        }
        text = str_slice(text, digits + 1, text.length);
    }
    return length;
}

static bool parse_v6(struct str text, struct ip_address *ret_address) {
    uint8_t tail[16];
    struct ip_address address = {{0}};
    size_t gap = 0;
    while (gap + 1 < text.length && (text.data[gap] != ':' || text.data[gap + 1] != ':')) {
        gap++;
    }
    if (gap + 1 >= text.length) {
        if (parse_groups(text, address.bytes) != 16) {
            return false;
        }
    } else {
        const struct str before = str_slice(text, 0, gap);
        const size_t head_length = parse_groups(before, address.bytes);
        const size_t tail_length = parse_groups(str_slice(text, gap + 2, text.length), tail);
        /* "::" stands for at least one group, and an IPv4 part is only allowed at the very end. */
        if (head_length > 14 || tail_length > 14 - head_length ||
            str_find(before, '.') != SIZE_MAX) {
            return false;
        }
        memcpy(address.bytes + 16 - tail_length, tail, tail_length);
    }
    *ret_address = address;
    return true;
}

bool ip_address_parse(struct str text, struct ip_address *ret_address) {
    if (text.length == 0 || text.length >= IP_ADDRESS_TEXT_MAX) {
        return false;
    }
    struct ip_address address = {{0}};
    memcpy(address.bytes, v4_mapped, sizeof v4_mapped);
    if (!parse_v4(text, address.bytes + 12)) {
        return parse_v6(text, ret_address);
    }
    *ret_address = address;
    return true;
}

static void format_v4(const uint8_t *bytes, struct text *out) {
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0) {
            text_add_byte(out, '.');
        }
        text_add_u64(out, bytes[i]);
    }
}

static void format_group(unsigned group, struct text *out) {
    static const char digits[] = "0123456789abcdef";
    unsigned shift = 12;
    while (shift > 0 && group >> shift == 0) {
        shift -= 4;
    }
    for (;; shift -= 4) {
        text_add_byte(out, digits[group >> shift & 15]);
        if (shift == 0) {
            return;
        }
    }
}

void ip_address_format(struct ip_address address, struct text *out) {
    if (ip_address_is_v4(address)) {
        format_v4(address.bytes + 12, out);
        return;
    }
    unsigned groups[8];
    unsigned best_start = 8;
    unsigned best_length = 1; /* One zero group alone is written out. */
    unsigned run = 0;
    for (unsigned i = 0; i < 8; i++) {
        groups[i] = (unsigned)address.bytes[2 * i] << 8 | address.bytes[2 * i + 1];
        run = groups[i] == 0 ? run + 1 : 0;
        if (run > best_length) {
            best_length = run;
            best_start = i + 1 - run;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i == best_start) {
            text_add(out, STR("::"));
            i += best_length - 1;
            continue;
        }
        if (i > 0 && i != best_start + best_length) {
            text_add_byte(out, ':');
        }
        format_group(groups[i], out);
    }
}

bool ip_prefix_parse(struct str text, struct ip_prefix *ret_prefix, bool *ret_host_bits) {
    struct ip_address address;
    const size_t slash = str_find(text, '/');
    if (ret_host_bits != NULL) {
        *ret_host_bits = false;
    }
    if (!ip_address_parse(str_slice(text, 0, slash), &address)) {
        return false;
    }
    uint64_t bits = 128;
    if (slash != SIZE_MAX) {
        const struct str length = str_slice(text, slash + 1, text.length);
        const unsigned before = str_find(text, ':') == SIZE_MAX ? 96 : 0;
        if (!str_parse_u64(length, 128 - before, &bits) ||
            (length.length > 1 && length.data[0] == '0')) {
            return false;
        }
        bits += before;
    }
    if (!ip_address_equal(ip_address_mask(address, (unsigned)bits), address)) {
        if (ret_host_bits != NULL) {
            *ret_host_bits = true;
        }
        return false;
    }
    *ret_prefix = (struct ip_prefix){.address = address, .bits = (uint8_t)bits};
    return true;
}

void ip_prefix_format(struct ip_prefix prefix, struct text *out) {
    ip_address_format(prefix.address, out);
    if (prefix.bits < 128) {
        text_add_byte(out, '/');
        text_add_u64(out, prefix.bits - (ip_address_is_v4(prefix.address) ? 96U : 0U));
    }
}

/* As numbers: the first and the last eight bytes. */
static uint64_t load_half(const uint8_t *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return be64toh(value);
}

bool ip_prefix_contains(struct ip_prefix prefix, struct ip_address address) {
    const uint64_t high = load_half(prefix.address.bytes) ^ load_half(address.bytes);
    const uint64_t low = load_half(prefix.address.bytes + 8) ^ load_half(address.bytes + 8);
    if (prefix.bits <= 64) {
        return prefix.bits == 0 || high >> (64 - prefix.bits) == 0;
    }
    return (high | low >> (128 - prefix.bits)) == 0;
}
