/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* An address, IPv4 kept as IPv4-mapped IPv6 (RFC 4291 2.5.5.2), network byte order. An all-zero
 * address (::) stands for "none". Pure; text conversion does not use the C library's resolver. */
struct ip_address {
    uint8_t bytes[16];
};

/* A network: `bits` counts from the start of the 16 bytes, so 192.0.2.0/24 has 96 + 24 = 120.
 * Bits of the address beyond `bits` are zero. */
struct ip_prefix {
    struct ip_address address;
    uint8_t bits; /* 0 to 128 */
};

enum { IP_ADDRESS_TEXT_MAX = 46, IP_PREFIX_TEXT_MAX = 50 };

/* "192.0.2.1" (four decimal parts, no leading zeros), "2001:db8::1", "::ffff:192.0.2.1". Brackets,
 * zones ("%eth0") and "IPv6:" are refused. False leaves *ret_address untouched. */
bool ip_address_parse(struct str text, struct ip_address *ret_address);
/* RFC 5952; IPv4 dotted. Never truncates given IP_ADDRESS_TEXT_MAX bytes free. */
void ip_address_format(struct ip_address address, struct text *out);
bool ip_address_is_v4(struct ip_address address);
bool ip_address_is_none(struct ip_address address);
bool ip_address_equal(struct ip_address a, struct ip_address b);
/* The address with everything after the first `bits` bits zero. */
struct ip_address ip_address_mask(struct ip_address address, unsigned bits);

/* "192.0.2.0/24", "2001:db8::/32", or an address alone (/32, /128). Host bits that are set are a
 * mistake: false, and *ret_host_bits (if not NULL) is true when that was the only fault. */
bool ip_prefix_parse(struct str text, struct ip_prefix *ret_prefix, bool *ret_host_bits);
/* Without the length when it is a single address. */
void ip_prefix_format(struct ip_prefix prefix, struct text *out);
bool ip_prefix_contains(struct ip_prefix prefix, struct ip_address address);
