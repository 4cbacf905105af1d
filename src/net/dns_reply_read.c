/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns_reply.h"

#include <stdlib.h>
#include <string.h>

#include "net/dns.h"

/* RFC 1035 4.1.1. */
enum {
    HEADER_BYTES = 12,
    FLAG_RESPONSE = 0x8000,
    FLAGS_OPCODE = 0x7800,
    FLAG_AUTHORITATIVE = 0x0400,
    FLAG_TRUNCATED = 0x0200,
    FLAG_RECURSION_AVAILABLE = 0x0080,
    FLAGS_RCODE = 0x000f,
    RCODE_NO_ERROR = 0,
    RCODE_NAME_ERROR = 3,
    CLASS_IN = 1,
    TYPE_CNAME = 5,
    TYPE_SOA = 6,
    ANSWERS_MAX = DNS_ITEMS_MAX + DNS_CNAMES_MAX,
    SOA_NUMBERS_BYTES = 20, /* five numbers, the last is the minimum */
};

struct record {
    struct dns_wire_name owner;
    unsigned type;
    unsigned class;
    uint32_t ttl_s;
    size_t data;
    size_t length;
};

/* What was found while reading; items by the place of their records' data. */
struct findings {
    enum dns_status status;
    bool declined;
    uint32_t ttl_s;
    size_t count;
    struct {
        size_t data;
        size_t length;
    } items[DNS_ITEMS_MAX];
};

static unsigned get16(struct str message, size_t at) {
    return (unsigned)(uint8_t)message.data[at] << 8 | (uint8_t)message.data[at + 1];
}

static uint32_t get32(struct str message, size_t at) {
    return (uint32_t)get16(message, at) << 16 | get16(message, at + 2);
}

/* A time to live with the highest bit set counts as 0 (RFC 2181 8). */
static uint32_t sane_ttl(uint32_t ttl_s) {
    return ttl_s > INT32_MAX ? 0 : ttl_s < DNS_TTL_MAX_S ? ttl_s : DNS_TTL_MAX_S;
}

static bool read_record(struct str message, size_t *at, struct record *ret_record) {
    if (!dns_name_read(message, at, &ret_record->owner) || *at + 10 > message.length) {
        return false;
    }
    ret_record->type = get16(message, *at);
    ret_record->class = get16(message, *at + 2);
    ret_record->ttl_s = sane_ttl(get32(message, *at + 4));
    ret_record->length = get16(message, *at + 8);
    ret_record->data = *at + 10;
    *at = ret_record->data + ret_record->length;
    return *at <= message.length;
}

/* A name that fills the rest of its record. */
static bool read_name_of(struct str message, size_t at, size_t end, struct dns_wire_name *name) {
    return dns_name_read(message, &at, name) && at == end;
}

/* The character-strings of a TXT record, joined. */
static bool add_strings(struct str data, struct text *out) {
    size_t at = 0;
    while (at < data.length) {
        const size_t length = (uint8_t)data.data[at];
        if (at + 1 + length > data.length) {
            return false;
        }
        text_add(out, str_slice(data, at + 1, at + 1 + length));
        at += 1 + length;
    }
    return data.length > 0;
}

/* Writes one record as mail/dns_answer.h says. False: it is not well-formed. */
static bool add_item(struct str message, size_t at, size_t length, enum dns_type type,
                     struct text *out) {
    const struct str data = str_slice(message, at, at + length);
    struct dns_wire_name name;
    switch (type) {
    case DNS_A:
        text_add(out, data);
        return length == 4;
    case DNS_AAAA:
        text_add(out, data);
        return length == 16;
    case DNS_TXT:
        return add_strings(data, out);
    case DNS_PTR:
        return read_name_of(message, at, at + length, &name) && dns_name_format(&name, out);
    case DNS_MX:
        text_add(out, str_slice(data, 0, 2));
        return length > 2 && read_name_of(message, at + 2, at + length, &name) &&
               dns_name_format(&name, out);
    default:
        return false;
    }
}

/* The header and the question must answer what was asked. Sets *at behind the question. */
static bool is_answer_to(struct str message, const struct dns_wire_name *name, enum dns_type type,
                         size_t *at) {
    struct dns_wire_name asked;
    *at = HEADER_BYTES;
    if (message.length < HEADER_BYTES ||
        (get16(message, 2) & (FLAG_RESPONSE | FLAGS_OPCODE)) != FLAG_RESPONSE ||
        get16(message, 4) != 1 || !dns_name_read(message, at, &asked) || *at + 4 > message.length) {
        return false;
    }
    *at += 4;
    return dns_name_equal(&asked, name) && get16(message, *at - 4) == type &&
           get16(message, *at - 2) == CLASS_IN;
}

static bool take_item(struct findings *found, const struct record *record) {
    if (found->count == DNS_ITEMS_MAX) {
        return false;
    }
    found->items[found->count].data = record->data;
    found->items[found->count].length = record->length;
    found->count++;
    found->ttl_s = record->ttl_s < found->ttl_s ? record->ttl_s : found->ttl_s;
    return true;
}

/* One walk over the answers for the records of `name`. *ret_alias is set when a CNAME stands
 * there. Returns the place behind the answers, 0 when they are not well-formed or too many. */
static size_t walk_answers(struct str message, size_t at, enum dns_type type,
                           const struct dns_wire_name *name, struct findings *found,
                           struct record *ret_alias) {
    ret_alias->type = 0;
    for (unsigned i = get16(message, 6); i > 0; i--) {
        struct record record;
        if (!read_record(message, &at, &record)) {
            return 0;
        }
        if (record.class != CLASS_IN || !dns_name_equal(&record.owner, name)) {
            continue;
        }
        if (record.type == (unsigned)type && !take_item(found, &record)) {
            return 0;
        }
        if (record.type == TYPE_CNAME) {
            *ret_alias = record;
        }
    }
    return at;
}

/* Collects the records of the name, or of what its CNAMEs lead to. Returns as walk_answers(). */
static size_t find_items(struct str message, size_t at, enum dns_type type,
                         struct dns_wire_name name, struct findings *found) {
    if (get16(message, 6) > ANSWERS_MAX) {
        return 0;
    }
    for (int i = 0; i <= DNS_CNAMES_MAX; i++) {
        struct record alias = {.type = 0};
        const size_t end = walk_answers(message, at, type, &name, found, &alias);
        if (end == 0 || found->count > 0 || alias.type == 0) {
            return end;
        }
        if (!read_name_of(message, alias.data, alias.data + alias.length, &name)) {
            return 0;
        }
        found->ttl_s = alias.ttl_s < found->ttl_s ? alias.ttl_s : found->ttl_s;
    }
    return 0;
}

/* How long it holds that there is no such record: the lesser of the SOA's own time to live and its
 * minimum (RFC 2308 5); without one it is not to be kept. */
static uint32_t negative_ttl(struct str message, size_t at, uint32_t ttl_s) {
    const uint32_t most = ttl_s < DNS_NEGATIVE_TTL_MAX_S ? ttl_s : DNS_NEGATIVE_TTL_MAX_S;
    unsigned left = get16(message, 8);
    for (struct record record; left > 0 && read_record(message, &at, &record); left--) {
        if (record.type == TYPE_SOA && record.length > SOA_NUMBERS_BYTES) {
            const uint32_t minimum =
                sane_ttl(get32(message, record.data + record.length - sizeof(uint32_t)));
            const uint32_t least = minimum < record.ttl_s ? minimum : record.ttl_s;
            return least < most ? least : most;
        }
    }
    return 0;
}

/* A server that neither recurses nor has the zone sends us on (a referral): no answer. */
static bool is_referral(unsigned flags) {
    return (flags & (FLAG_RECURSION_AVAILABLE | FLAG_AUTHORITATIVE)) == 0;
}

static void read_answer(struct str message, const struct dns_wire_name *name, enum dns_type type,
                        struct findings *found) {
    size_t at = 0;
    if (!is_answer_to(message, name, type, &at)) {
        return;
    }
    const unsigned flags = get16(message, 2);
    const unsigned rcode = flags & FLAGS_RCODE;
    found->declined = rcode != RCODE_NO_ERROR && rcode != RCODE_NAME_ERROR;
    found->ttl_s = DNS_TTL_MAX_S;
    if (found->declined || (flags & FLAG_TRUNCATED) != 0) {
        return;
    }
    at = find_items(message, at, type, *name, found);
    if (at == 0) {
        return;
    }
    if (found->count > 0) {
        found->status = rcode == RCODE_NO_ERROR ? DNS_FOUND : DNS_NO_NAME;
    } else if (is_referral(flags) && rcode == RCODE_NO_ERROR) {
        found->declined = true;
    } else {
        found->status = rcode == RCODE_NO_ERROR ? DNS_NO_DATA : DNS_NO_NAME;
    }
    if (found->status != DNS_FOUND && !found->declined) {
        found->ttl_s = negative_ttl(message, at, found->ttl_s);
    }
}

/* Bytes of all items; SIZE_MAX: one is not well-formed. */
static size_t items_length(struct str message, enum dns_type type, const struct findings *found) {
    size_t sum = 0;
    for (size_t i = 0; i < found->count; i++) {
        char room[UINT16_MAX];
        struct text item = TEXT_OVER(room);
        if (!add_item(message, found->items[i].data, found->items[i].length, type, &item)) {
            return SIZE_MAX;
        }
        sum += item.length;
    }
    return sum;
}

static struct dns_reply *reply_with_items(struct str message, enum dns_type type,
                                          const struct findings *found) {
    const size_t length = items_length(message, type, found);
    if (length == SIZE_MAX) {
        return dns_reply_of(DNS_FAILED);
    }
    const size_t bytes = sizeof(struct dns_reply) + found->count * sizeof(struct str) + length;
    struct dns_reply *reply = malloc(bytes);
    if (reply == NULL) {
        return NULL;
    }
    struct str *items = (struct str *)(void *)(reply + 1);
    struct text room = {.data = (char *)(items + found->count), .size = length};
    for (size_t i = 0; i < found->count; i++) {
        const size_t start = room.length;
        CHECK(add_item(message, found->items[i].data, found->items[i].length, type, &room));
        items[i] = (struct str){room.data + start, room.length - start};
    }
    *reply = (struct dns_reply){
        .references = 1, .bytes = bytes, .answer = {DNS_FOUND, found->ttl_s, found->count, items}};
    return reply;
}

struct dns_reply *dns_reply_parse(struct str message, const struct dns_wire_name *name,
                                  enum dns_type type) {
    struct findings found = {.status = DNS_FAILED};
    read_answer(message, name, type, &found);
    if (found.status == DNS_FOUND) {
        return reply_with_items(message, type, &found);
    }
    struct dns_reply *reply = dns_reply_of(found.status);
    if (reply != NULL) {
        reply->declined = found.declined;
        reply->answer.ttl_s = found.status == DNS_FAILED ? 0 : found.ttl_s;
    }
    return reply;
}
