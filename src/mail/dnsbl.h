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
    DNSBL_KEY_MAX = DNS_LABEL_MAX, /* bytes of a paid feed's key, a label of the name */
};
/* What an administrator switches on with one word; each has all of those before it. */
enum dnsbl_preset { DNSBL_NO_PRESET = 0, DNSBL_RECOMMENDED, DNSBL_ADDITIONAL, DNSBL_MAXIMUM };
enum {
    DNSBL_HAS_IPV6 = 1,
    DNSBL_RETIRED = 2, /* closed: cannot be switched on without a warning */
    DNSBL_HARSH = 4,   /* lists the innocent too: with a weight that refuses alone only with a
                          warning */
};
struct dnsbl_info {
    uint8_t number;
    const char *word;       /* in settings: "spamhaus_zen" */
    const char *name;       /* for people: "Spamhaus ZEN" */
    const char *zone;       /* "zen.spamhaus.org" */
    const char *keyed_zone; /* for subscribers with a key: "zen.dq.spamhaus.net" */
    const char *description;
    const char *codes;      /* that count, for dnsbl_codes_parse() */
    const char *covered_by; /* word of a list that has this one's data too, or NULL */
    enum dnsbl_preset preset;
    bool retired;
    bool harsh;
    bool has_ipv6;
};
extern const struct dnsbl_info dnsbl_lists[DNSBL_KNOWN]; /* number i + 1 at i */
/* NULL when there is none. */
const struct dnsbl_info *dnsbl_find(struct str word);
const struct dnsbl_info *dnsbl_of_number(unsigned number);
/* "recommended" "additional" "maximum" */
bool dnsbl_preset_find(struct str word, enum dnsbl_preset *ret_preset);

/* A key is one label of a name: letters, digits and hyphens (RFC 1123 2.1), up to DNSBL_KEY_MAX. */
bool dnsbl_key_valid(struct str key);
/* A zone: labels of letters, digits, hyphens and underscores, at least two, lower case. */
bool dnsbl_zone_valid(struct str zone);
/* The name to ask A of: the address backwards (IPv4 four octets, IPv6 32 nibbles), the key, if any,
 * and the zone: "2.0.0.127.KEY.dq.spamhaus.net". False: it does not fit DNS_NAME_MAX. */
bool dnsbl_name(struct ip_address address, struct str key, struct str zone, struct text *out);
/* The name of a list's test point, which must be listed (last 2: 127.0.0.2) or must not be (last
 * 1), of IPv4 or, as ::FFFF:7F00:2 and ::FFFF:7F00:1, of IPv6 (RFC 5782 5). */
bool dnsbl_test_name(bool ipv6, uint8_t last, struct str key, struct str zone, struct text *out);
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
/* Items are addresses, ranges "A-B" and networks "A/24" in 127/8, commas and blanks around them.
 * False appends a sentence to `problem`. */
bool dnsbl_codes_parse(struct str text, struct dnsbl_codes *ret_codes, struct text *problem);
/* As dnsbl_codes_parse() reads it again: ranges, single addresses. */
void dnsbl_codes_format(const struct dnsbl_codes *codes, struct text *out);

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
/* "not listed" "listed" "failed" "timed out" "out" for people; "?" for a number of a newer release.
 * Scripts get "not-listed" ... "timed-out". */
const char *dnsbl_status_name(unsigned status);
const char *dnsbl_status_word(unsigned status);
/* What an error code says, "the query came through a public resolver", or NULL. */
const char *dnsbl_error_text(const unsigned char code[4]);
