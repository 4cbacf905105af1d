/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/ip_address.h"
#include "mail/dns_answer.h"

/* DNS block lists (RFC 5782): the lists known by name, what is asked, what an answer means. Pure.
 */

/* The twelve known lists of SPEC 4.2, from dnsbl_lists.def. Numbers are part of the journal's
 * format: append. */
enum {
    DNSBL_KNOWN = 12,      /* numbers 1 to 12 */
    DNSBL_OWN_FIRST = 101, /* the administrator's own lists: 101 is the first of rbl.own_lists */
    DNSBL_OWN_MAX = 20,
    DNSBL_LISTS_MAX = DNSBL_KNOWN + DNSBL_OWN_MAX,
    DNSBL_KEY_MAX = 64, /* bytes of a paid feed's key, a label of the name */
};
struct dnsbl_info {
    uint8_t number;
    const char *word; /* in settings: "spamhaus_zen" */
    const char *name; /* for people: "Spamhaus ZEN" */
    const char *zone; /* "zen.spamhaus.org" */
    const char *description;
    const char *covered_by; /* word of a list that has this one's data too, or NULL */
    bool retired;           /* closed: cannot be switched on without a warning */
    bool has_ipv6;
};
extern const struct dnsbl_info dnsbl_lists[DNSBL_KNOWN];

/* The name to ask A of: the address backwards (IPv4 four octets, IPv6 32 nibbles), the key, if any,
 * and the zone: "2.0.0.127.KEY.dq.spamhaus.net". False: it does not fit DNS_NAME_MAX. */
bool dnsbl_name(struct ip_address address, struct str key, struct str zone, struct text *out);
/* Private, loopback, link-local, documentation, multicast ... : never asked about (IANA's special
 * purpose registries, RFC 6890). */
bool dnsbl_is_public(struct ip_address address);

/* Which A records count as a listing: "127.0.0.2-127.0.0.11,127.0.1.0/24", "" = all of 127/8 but
 * 127.255.255.0/24. */
enum { DNSBL_CODES_MAX = 16 };
struct dnsbl_codes {
    size_t count; /* 0: all */
    struct {
        uint32_t from; /* host order, inclusive */
        uint32_t to;
    } ranges[DNSBL_CODES_MAX];
};
/* False appends a sentence to `problem`. */
bool dnsbl_codes_parse(struct str text, struct dnsbl_codes *ret_codes, struct text *problem);

/* What a list said. Numbers are part of the journal's format: append. */
enum dnsbl_status {
    DNSBL_NOT_LISTED = 0,
    DNSBL_LISTED = 1,
    DNSBL_FAILED = 2, /* an error code (127.255.255.0/24), an answer outside 127/8, SERVFAIL ... */
    DNSBL_TIMED_OUT = 3, /* no answer in time */
    DNSBL_OUT = 4,       /* not asked: the guard has taken it out */
    DNSBL_STATUSES
};
/* Of several A records one that counts makes it LISTED and is *ret_code (127.0.0.x, network order;
 * zero otherwise). An answer with none that counts, but one outside 127/8 or in 127.255.255.0/24,
 * is FAILED and that is *ret_code; records in 127/8 that `codes` does not name are NOT_LISTED. */
enum dnsbl_status dnsbl_judge(const struct dns_answer *answer, const struct dnsbl_codes *codes,
                              unsigned char ret_code[4]);
/* What an error code says, "the query came through a public resolver", or NULL. */
const char *dnsbl_error_text(const unsigned char code[4]);
