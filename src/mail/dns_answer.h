/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* A question to the DNS and what came back, as values: who asks (mail/spf.h, mail/dnsbl.h) does not
 * know who answers (net/dns.h). Pure. */

/* RFC 1035 3.2.2, RFC 3596. */
enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28 };

/* Bytes of a name as text without the last dot (RFC 1035 2.3.4). */
enum { DNS_NAME_MAX = 253, DNS_LABEL_MAX = 63 };

enum dns_status {
    DNS_FOUND = 1,   /* at least one record of the type */
    DNS_NO_DATA,     /* the name exists, without records of the type */
    DNS_NO_NAME,     /* NXDOMAIN */
    DNS_FAILED,      /* SERVFAIL, REFUSED, an answer that is not well-formed, too many records */
    DNS_TIMED_OUT,   /* within the limits of net/dns.h */
    DNS_UNAVAILABLE, /* not asked: its circuit breaker is open, or too many questions are open */
};

/* `name` without the last dot, any case: labels of 1 to DNS_LABEL_MAX bytes parted by dots. A `\`
 * escapes as in RFC 1035 5.1, so that names out of answers can be asked about; other bytes stand
 * for themselves. */
struct dns_question {
    enum dns_type type;
    struct str name;
};

/* One item a record: A: 4 bytes, AAAA: 16 bytes, network order. MX: 2 bytes preference, network
 * order, then the name. PTR: the name. TXT: the character-strings of the record joined without a
 * blank (RFC 7208 3.3). Names: text without the last dot, lower case; a byte that a host name does
 * not have is escaped as in RFC 1035 5.1 (\DDD). The order is that of the answer. Items live as
 * long as who gave the answer says. */
struct dns_answer {
    enum dns_status status;
    uint32_t ttl_s; /* the least of the records; of no data and no name from the SOA (RFC 2308) */
    size_t count;   /* 0 unless DNS_FOUND; at most DNS_ITEMS_MAX */
    const struct str *items;
};

/* An answer with more records counts as DNS_FAILED. */
enum { DNS_ITEMS_MAX = 256 };

static inline bool dns_has_no_record(enum dns_status status) {
    return status == DNS_NO_DATA || status == DNS_NO_NAME;
}
