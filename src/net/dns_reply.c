/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns_reply.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 12, FLAG_RECURSION_WANTED = 0x0100, CLASS_IN = 1, TYPE_OPT = 41 };

static void put16(uint8_t *bytes, unsigned value) {
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

size_t dns_query_write(uint16_t id, const struct dns_wire_name *name, enum dns_type type,
                       uint8_t ret_query[DNS_QUERY_BYTES_MAX]) {
    memset(ret_query, 0, DNS_QUERY_BYTES_MAX);
    put16(ret_query, id);
    put16(ret_query + 2, FLAG_RECURSION_WANTED);
    put16(ret_query + 4, 1);
    put16(ret_query + 10, 1);
    uint8_t *next = ret_query + HEADER_BYTES;
    memcpy(next, name->bytes, name->length);
    next += name->length;
    put16(next, type);
    put16(next + 2, CLASS_IN);
    put16(next + 5, TYPE_OPT); /* after its owner, the root */
    put16(next + 7, DNS_UDP_BYTES_MAX);
    return (size_t)(next + 15 - ret_query);
}

struct dns_reply *dns_reply_of(enum dns_status status) {
    struct dns_reply *reply = calloc(1, sizeof *reply);
    if (reply != NULL) {
        *reply = (struct dns_reply){
            .references = 1, .bytes = sizeof *reply, .answer = {.status = status}};
    }
    return reply;
}

struct dns_reply *dns_reply_hold(struct dns_reply *reply) {
    reply->references++;
    return reply;
}

void dns_reply_release(struct dns_reply *reply) {
    if (reply != NULL && --reply->references == 0) {
        free(reply);
    }
}
