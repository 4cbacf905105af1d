/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/dns_address.h"

#include "base/check.h"

static bool parse_port(struct str text, uint16_t *ret_port) {
    uint64_t port = 0;
    if (!str_parse_u64(text, UINT16_MAX, &port) || port == 0) {
        return false;
    }
    *ret_port = (uint16_t)port;
    return true;
}

/* What stands in brackets is IPv6; without them a last colon after dots begins a port. */
static bool split(struct str text, struct str *ret_ip, struct str *ret_port) {
    *ret_port = (struct str){NULL, 0};
    *ret_ip = text;
    if (str_starts(text, STR("["))) {
        const size_t end = str_find(text, ']');
        if (end == SIZE_MAX) {
            return false;
        }
        *ret_ip = str_slice(text, 1, end);
        *ret_port = str_slice(text, end + 1, text.length);
        return str_find(*ret_ip, ':') != SIZE_MAX;
    }
    const size_t colon = str_find(text, ':');
    if (colon != SIZE_MAX && colon == str_find_last(text, ':')) {
        *ret_ip = str_slice(text, 0, colon);
        *ret_port = str_slice(text, colon, text.length);
    }
    return true;
}

/* :: and 0.0.0.0 */
static bool is_unspecified(struct ip_address ip) {
    const struct ip_address none_v4 = {{[10] = 0xff, [11] = 0xff}};
    return ip_address_is_none(ip) || ip_address_equal(ip, none_v4);
}

bool dns_address_parse(struct str text, struct dns_address *ret_address) {
    struct dns_address address = {.port = DNS_PORT};
    struct str ip;
    struct str port;
    if (!split(text, &ip, &port) || !ip_address_parse(ip, &address.ip) ||
        is_unspecified(address.ip)) {
        return false;
    }
    if (port.length > 0 &&
        (port.data[0] != ':' || !parse_port(str_slice(port, 1, port.length), &address.port))) {
        return false;
    }
    *ret_address = address;
    return true;
}

void dns_address_format(struct dns_address address, struct text *out) {
    const bool bracketed = !ip_address_is_v4(address.ip) && address.port != DNS_PORT;
    text_add(out, bracketed ? STR("[") : STR(""));
    ip_address_format(address.ip, out);
    text_add(out, bracketed ? STR("]") : STR(""));
    if (address.port != DNS_PORT) {
        text_add_byte(out, ':');
        text_add_u64(out, address.port);
    }
}

/* As their operators publish them. */
static const char *const public_networks[] = {
    "8.8.8.8",
    "8.8.4.4",
    "2001:4860:4860::/112", /* Google */
    "1.1.1.0/29",
    "1.0.0.0/29",
    "2606:4700:4700::/112", /* Cloudflare, with its filters */
    "9.9.9.0/24",
    "149.112.112.0/24",
    "2620:fe::/64", /* Quad9 */
    "208.67.222.0/24",
    "208.67.220.0/24", /* OpenDNS */
    "2620:119:35::/112",
    "2620:119:53::/112", /* OpenDNS */
    "64.6.64.6",
    "64.6.65.6",
    "156.154.70.0/23", /* Vercara */
    "2620:74:1b::/96",
    "2620:74:1c::/96", /* Vercara */
    "94.140.14.0/23",
    "2a10:50c0::/96", /* AdGuard */
    "76.76.2.0/24",
    "76.76.10.0/24",
    "2606:1a40::/47", /* Control D */
    "185.228.168.0/23",
    "2a0d:2a00::/32", /* CleanBrowsing */
    "8.26.56.26",
    "8.20.247.20", /* Comodo */
    "77.88.8.0/24",
    "2a02:6b8::feed:0/112", /* Yandex */
    "4.2.2.0/29",           /* Level 3 */
    "114.114.114.0/23",
    "223.5.5.5",
    "223.6.6.6", /* 114DNS, Alibaba */
    "185.222.222.222",
    "45.11.45.11", /* DNS.SB */
    "193.110.81.0",
    "185.253.5.0", /* dns0.eu */
    "84.200.69.80",
    "84.200.70.40", /* DNS.WATCH */
};

bool dns_address_is_public(struct dns_address address) {
    for (size_t i = 0; i < sizeof public_networks / sizeof public_networks[0]; i++) {
        struct ip_prefix network;
        CHECK(ip_prefix_parse(str_from(public_networks[i]), &network, NULL));
        if (ip_prefix_contains(network, address.ip)) {
            return true;
        }
    }
    return false;
}
