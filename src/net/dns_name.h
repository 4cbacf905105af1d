/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mail/dns_answer.h"

/* Names of the DNS between text (mail/dns_answer.h) and the wire (RFC 1035 3.1). Pure. */

/* Bytes of a name on the wire, with the zero that ends it (RFC 1035 2.3.4). */
enum { DNS_WIRE_NAME_MAX = 255 };

/* As on the wire without compression, ASCII letters in lower case, so that equal names have equal
 * bytes. The root has length 1. */
struct dns_wire_name {
    uint8_t length;
    uint8_t bytes[DNS_WIRE_NAME_MAX];
};

/* Takes text without the last dot; \DDD and \X stand for a byte (RFC 1035 5.1). False: it is none
 * (empty, over DNS_NAME_MAX, an empty label or one over DNS_LABEL_MAX, an escape cut short). */
bool dns_name_parse(struct str text, struct dns_wire_name *ret_name);
/* Reads the name at *at of a message, following compression, and moves *at behind it. False: it is
 * not well-formed, or a pointer does not lead backwards (so a loop cannot be). */
bool dns_name_read(struct str message, size_t *at, struct dns_wire_name *ret_name);
/* Text without the last dot. Bytes other than letters, digits, '-' and '_' become \DDD. The root is
 * the empty text. False: the text would be longer than DNS_NAME_MAX; nothing is added then. */
bool dns_name_format(const struct dns_wire_name *name, struct text *out);
bool dns_name_equal(const struct dns_wire_name *a, const struct dns_wire_name *b);
