/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/ip_address.h"

/* Where a DNS server listens, as administrators write it. Pure. */
struct dns_address {
    struct ip_address ip;
    uint16_t port; /* host order */
};

enum {
    DNS_PORT = 53,
    DNS_SERVERS_MAX = 8, /* that one resolver asks */
    DNS_ADDRESS_TEXT_MAX = IP_ADDRESS_TEXT_MAX + sizeof "[]:65535" - 1,
};

/* "192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]", "[2001:db8::53]:5353". Names
 * and zones ("%eth0") are refused, so is the address that stands for none. False leaves
 * *ret_address untouched. */
bool dns_address_parse(struct str text, struct dns_address *ret_address);
/* The shortest of the forms above. */
void dns_address_format(struct dns_address address, struct text *out);
/* A public resolver that we know by its address. Operators of block lists refuse those, because
 * they cannot tell who asks through them. */
bool dns_address_is_public(struct dns_address address);
