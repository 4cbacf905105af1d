/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "net/dns_name.h"

/* Messages of the DNS (RFC 1035 4): a question out, an answer in. Touches no socket and no clock.
 */

enum {
    DNS_CNAMES_MAX = 16,      /* in a row; a longer chain, or a ring, is DNS_FAILED */
    DNS_UDP_BYTES_MAX = 1232, /* what we say in EDNS that we take: fits IPv6 without fragments */
    DNS_QUERY_BYTES_MAX = 12 + DNS_WIRE_NAME_MAX + 4 + 11,
};

/* An answer in one block of memory, shared by the cache and those who are being told. One thread
 * only. */
struct dns_reply {
    unsigned references;
    size_t bytes;  /* of the block */
    bool declined; /* the server could or would not answer (SERVFAIL, REFUSED, no recursion ...):
                      another one may. status is DNS_FAILED */
    struct dns_answer answer;
};

/* Writes a question that asks for recursion, with EDNS (RFC 6891). Returns its length. */
size_t dns_query_write(uint16_t id, const struct dns_wire_name *name, enum dns_type type,
                       uint8_t ret_query[DNS_QUERY_BYTES_MAX]);

/* Reads the answer to a question; total: any bytes give a reply. The question in it must be the one
 * that was asked. Follows CNAMEs inside of the message. One reference is the caller's; NULL: no
 * memory. */
MUST_USE struct dns_reply *dns_reply_parse(struct str message, const struct dns_wire_name *name,
                                           enum dns_type type);
/* A reply without records; one reference is the caller's. NULL: no memory. */
MUST_USE struct dns_reply *dns_reply_of(enum dns_status status);
struct dns_reply *dns_reply_hold(struct dns_reply *reply);
/* Frees with the last one. NULL is fine. */
void dns_reply_release(struct dns_reply *reply);
