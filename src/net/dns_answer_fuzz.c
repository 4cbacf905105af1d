/* SPDX-License-Identifier: Apache-2.0 */
/* An answer of any bytes to a question of each type: what is read is whole and within its limits.
 * The first byte chooses the type; the name is "a.example" unless the message asks for another. */
#include <string.h>

#include "net/dns.h"
#include "net/dns_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_name(struct str text) {
    struct dns_wire_name name;
    CHECK(text.length <= DNS_NAME_MAX);
    /* The root alone has no text that can be asked for. */
    CHECK(text.length == 0 || dns_name_parse(text, &name));
}

static void check_item(struct str item, enum dns_type type) {
    switch (type) {
    case DNS_A:
        CHECK(item.length == 4);
        break;
    case DNS_AAAA:
        CHECK(item.length == 16);
        break;
    case DNS_MX:
        CHECK(item.length >= 2);
        check_name(str_slice(item, 2, item.length));
        break;
    case DNS_PTR:
        check_name(item);
        break;
    case DNS_TXT:
        CHECK(item.length < UINT16_MAX);
        break;
    }
}

static void check_reply(const struct dns_reply *reply, enum dns_type type) {
    const struct dns_answer *answer = &reply->answer;
    CHECK((answer->status == DNS_FOUND) == (answer->count > 0));
    CHECK(answer->count <= DNS_ITEMS_MAX);
    CHECK(answer->ttl_s <= DNS_TTL_MAX_S);
    CHECK(!dns_has_no_record(answer->status) || answer->ttl_s <= DNS_NEGATIVE_TTL_MAX_S);
    CHECK(!reply->declined || answer->status == DNS_FAILED);
    size_t sum = sizeof *reply + answer->count * sizeof(struct str);
    for (size_t i = 0; i < answer->count; i++) {
        check_item(answer->items[i], type);
        sum += answer->items[i].length;
    }
    CHECK(sum == reply->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const enum dns_type types[] = {DNS_A, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA};
    if (length == 0) {
        return 0;
    }
    const enum dns_type type = types[bytes[0] % (sizeof types / sizeof types[0])];
    const struct str message = {(const char *)bytes + 1, length - 1};
    struct dns_wire_name name;
    size_t at = 12;
    if (message.length < at || !dns_name_read(message, &at, &name)) {
        CHECK(dns_name_parse(STR("a.example"), &name));
    }
    struct dns_reply *reply = dns_reply_parse(message, &name, type);
    CHECK(reply != NULL);
    check_reply(reply, type);
    dns_reply_release(reply);
    return 0;
}
