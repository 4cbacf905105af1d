/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/dnsbl.h"

#include <string.h>

#define DNSBL_LIST(constant_, number_, word_, name_, zone_, keyed_zone_, codes_, preset_, flags_,  \
                   covered_by_, description_)                                                      \
    [(number_)-1] = {.number = (number_),                                                          \
                     .word = (word_),                                                              \
                     .name = (name_),                                                              \
                     .zone = (zone_),                                                              \
                     .keyed_zone = sizeof(keyed_zone_) > 1 ? (keyed_zone_) : (zone_),              \
                     .description = (description_),                                                \
                     .codes = (codes_),                                                            \
                     .covered_by = (covered_by_),                                                  \
                     .preset = (preset_),                                                          \
                     .retired = ((flags_)&DNSBL_RETIRED) != 0,                                     \
                     .harsh = ((flags_)&DNSBL_HARSH) != 0,                                         \
                     .has_ipv6 = ((flags_)&DNSBL_HAS_IPV6) != 0},
const struct dnsbl_info dnsbl_lists[DNSBL_KNOWN] = {
#include "mail/dnsbl_lists.def"
};
#undef DNSBL_LIST

const struct dnsbl_info *dnsbl_of_number(unsigned number) {
    return number >= 1 && number <= DNSBL_KNOWN ? &dnsbl_lists[number - 1] : NULL;
}

const struct dnsbl_info *dnsbl_find(struct str word) {
    for (size_t i = 0; i < DNSBL_KNOWN; i++) {
        if (str_equal(word, str_from(dnsbl_lists[i].word))) {
            return &dnsbl_lists[i];
        }
    }
    return NULL;
}

bool dnsbl_preset_find(struct str word, enum dnsbl_preset *ret_preset) {
    static const char *const words[] = {
        [DNSBL_RECOMMENDED] = "recommended",
        [DNSBL_ADDITIONAL] = "additional",
        [DNSBL_MAXIMUM] = "maximum",
    };
    for (unsigned i = DNSBL_RECOMMENDED; i <= DNSBL_MAXIMUM; i++) {
        if (str_equal(word, str_from(words[i]))) {
            *ret_preset = (enum dnsbl_preset)i;
            return true;
        }
    }
    return false;
}

/* --- names ------------------------------------------------------------------------------------ */

static bool is_letter_or_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool dnsbl_key_valid(struct str key) {
    for (size_t i = 0; i < key.length; i++) {
        const bool inside = i > 0 && i + 1 < key.length;
        if (!is_letter_or_digit(key.data[i]) && !(inside && key.data[i] == '-')) {
            return false;
        }
    }
    return key.length > 0 && key.length <= DNSBL_KEY_MAX;
}

bool dnsbl_zone_valid(struct str zone) {
    size_t label = 0;
    bool dotted = false;
    for (size_t i = 0; i < zone.length; i++) {
        const char c = zone.data[i];
        if (c == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
            dotted = true;
            continue;
        }
        const bool lower = c == ascii_lower(c);
        if (!lower || (!is_letter_or_digit(c) && c != '-' && c != '_') || ++label > DNS_LABEL_MAX) {
            return false;
        }
    }
    return dotted && label > 0 && zone.length <= DNS_NAME_MAX;
}

static bool add_zone(struct str key, struct str zone, struct text *out, size_t before) {
    if (key.length > 0) {
        text_add(out, key);
        text_add_byte(out, '.');
    }
    text_add(out, zone);
    return !out->truncated && key.length <= DNSBL_KEY_MAX && out->length - before <= DNS_NAME_MAX;
}

static void add_octets(const uint8_t octets[4], struct text *out) {
    for (size_t i = 4; i > 0; i--) {
        text_add_u64(out, octets[i - 1]);
        text_add_byte(out, '.');
    }
}

static void add_nibbles(struct ip_address address, struct text *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = sizeof address.bytes; i > 0; i--) {
        const uint8_t byte = address.bytes[i - 1];
        text_add_byte(out, digits[byte & 0x0f]);
        text_add_byte(out, '.');
        text_add_byte(out, digits[byte >> 4]);
        text_add_byte(out, '.');
    }
}

bool dnsbl_name(struct ip_address address, struct str key, struct str zone, struct text *out) {
    const size_t before = out->length;
    if (ip_address_is_v4(address)) {
        add_octets(address.bytes + 12, out);
    } else {
        add_nibbles(address, out);
    }
    return add_zone(key, zone, out, before);
}

bool dnsbl_test_name(bool ipv6, uint8_t last, struct str key, struct str zone, struct text *out) {
    const struct ip_address point = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, last}};
    const size_t before = out->length;
    if (ipv6) {
        add_nibbles(point, out);
    } else {
        add_octets(point.bytes + 12, out);
    }
    return add_zone(key, zone, out, before);
}

/* --- addresses -------------------------------------------------------------------------------- */

/* Not globally reachable by IANA's special purpose registries (RFC 6890 and later), and what can
 * be no client of ours: multicast, the unspecified address. IPv4 is ::ffff:0:0/96. */
static const struct ip_prefix special[] = {
/* clang-format off */
#define V4(a_, b_, c_, d_, bits_) {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a_, b_, c_, d_}}, 96 + (bits_)}
    V4(0, 0, 0, 0, 8),       /* this network (RFC 791) */
    V4(10, 0, 0, 0, 8),      /* private (RFC 1918) */
    V4(100, 64, 0, 0, 10),   /* shared by carriers (RFC 6598) */
    V4(127, 0, 0, 0, 8),     /* loopback */
    V4(169, 254, 0, 0, 16),  /* link-local (RFC 3927) */
    V4(172, 16, 0, 0, 12),   /* private */
    V4(192, 0, 0, 0, 24),    /* protocol assignments (RFC 6890) */
    V4(192, 0, 2, 0, 24),    /* documentation (RFC 5737) */
    V4(192, 88, 99, 0, 24),  /* 6to4 relays, withdrawn (RFC 7526) */
    V4(192, 168, 0, 0, 16),  /* private */
    V4(198, 18, 0, 0, 15),   /* benchmarks (RFC 2544) */
    V4(198, 51, 100, 0, 24), /* documentation */
    V4(203, 0, 113, 0, 24),  /* documentation */
    V4(224, 0, 0, 0, 3),     /* multicast, reserved, 255.255.255.255 */
#undef V4
    {{{0x01, 0x00}}, 64},                         /* discard (RFC 6666) */
    {{{0x00, 0x64, 0xff, 0x9b}}, 96},             /* translated IPv4 (RFC 6052) */
    {{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}}, 48}, /* local translation (RFC 8215) */
    {{{0x20, 0x01, 0x00}}, 23},                   /* protocol assignments, Teredo */
    {{{0x20, 0x01, 0x0d, 0xb8}}, 32},             /* documentation (RFC 3849) */
    {{{0x20, 0x02}}, 16},                         /* 6to4 */
    {{{0x3f, 0xff}}, 20},                         /* documentation (RFC 9637) */
    {{{0x5f, 0x00}}, 16},                         /* segment routing (RFC 9602) */
    {{{0xfc, 0x00}}, 7},                          /* unique local (RFC 4193) */
    {{{0xfe, 0x80}}, 10},                         /* link-local */
    {{{0xff, 0x00}}, 8},                          /* multicast */
    /* clang-format on */
};

/* ::, ::1 and the long gone IPv4-compatible addresses. */
static bool is_below_v4_mapped(struct ip_address address) {
    static const uint8_t zeros[12];
    return memcmp(address.bytes, zeros, sizeof zeros) == 0;
}

bool dnsbl_is_public(struct ip_address address) {
    if (is_below_v4_mapped(address)) {
        return false;
    }
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        if (ip_prefix_contains(special[i], address)) {
            return false;
        }
    }
    return true;
}
