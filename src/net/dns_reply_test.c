/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns_reply.h"

#include <stdlib.h>
#include <string.h>

#include "net/dns.h"
#include "testing/test.h"

/* Flags of an answer: response, recursion asked for and given. */
enum { ANSWERED = 0x8180, NO_NAME = 0x8183, SERVFAIL = 0x8182, REFUSED = 0x8185, NOTIMP = 0x8184 };
enum { MESSAGE_MAX = 65535, CNAME = 5, SOA = 6, NS = 2 };

struct message {
    char bytes[MESSAGE_MAX];
    struct text text;
};

static void put16(struct text *text, unsigned value) {
    text_add_byte(text, (char)(value >> 8));
    text_add_byte(text, (char)value);
}

static void put_name(struct text *text, const char *name) {
    struct dns_wire_name wire;
    if (name[0] == '\0') {
        text_add_byte(text, '\0');
        return;
    }
    assert_true(dns_name_parse(str_from(name), &wire));
    text_add(text, (struct str){(const char *)wire.bytes, wire.length});
}

static void begin(struct message *message, unsigned flags, const char *name, enum dns_type type) {
    message->text = TEXT_OVER(message->bytes);
    put16(&message->text, 0x1234);
    put16(&message->text, flags);
    put16(&message->text, 1);
    put16(&message->text, 0);
    put16(&message->text, 0);
    put16(&message->text, 0);
    put_name(&message->text, name);
    put16(&message->text, type);
    put16(&message->text, 1);
}

/* Adds a record to the section whose count stands at `count_at` of the header: 6 or 8. */
static void add(struct message *message, size_t count_at, const char *owner, unsigned type,
                uint32_t ttl_s, struct str data) {
    put_name(&message->text, owner);
    put16(&message->text, type);
    put16(&message->text, 1);
    put16(&message->text, ttl_s >> 16);
    put16(&message->text, ttl_s & 0xffff);
    put16(&message->text, (unsigned)data.length);
    text_add(&message->text, data);
    unsigned count = (unsigned)(uint8_t)message->bytes[count_at] << 8;
    count = (count | (uint8_t)message->bytes[count_at + 1]) + 1;
    message->bytes[count_at] = (char)(count >> 8);
    message->bytes[count_at + 1] = (char)count;
    assert_false(message->text.truncated);
}

static struct dns_reply *parse(const struct message *message, const char *name,
                               enum dns_type type) {
    struct dns_wire_name wire;
    assert_true(dns_name_parse(str_from(name), &wire));
    /* An exact copy, so that a read past the end is seen. */
    char *copy = malloc(message->text.length);
    assert_non_null(copy);
    memcpy(copy, message->bytes, message->text.length);
    struct dns_reply *reply =
        dns_reply_parse((struct str){copy, message->text.length}, &wire, type);
    free(copy);
    assert_non_null(reply);
    assert_int_equal(reply->references, 1);
    return reply;
}

static void assert_reply(const struct message *message, const char *name, enum dns_type type,
                         enum dns_status status, uint32_t ttl_s, size_t count) {
    struct dns_reply *reply = parse(message, name, type);
    assert_int_equal(reply->answer.status, status);
    assert_int_equal(reply->answer.ttl_s, ttl_s);
    assert_int_equal(reply->answer.count, count);
    dns_reply_release(reply);
}

static struct message message;

#define BYTES(literal) ((struct str){(literal), sizeof(literal) - 1})

TEST(a_question_asks_for_recursion_and_says_what_it_takes) {
    static const char expected[] = "\x12\x34\1\0\0\1\0\0\0\0\0\1"  /* header */
                                   "\7example\3org\0\0\x10\0\1"    /* question */
                                   "\0\0\x29\x04\xd0\0\0\0\0\0\0"; /* EDNS: 1232 bytes */
    struct dns_wire_name name;
    uint8_t query[DNS_QUERY_BYTES_MAX];
    assert_true(dns_name_parse(STR("Example.org"), &name));
    assert_int_equal(dns_query_write(0x1234, &name, DNS_TXT, query), sizeof expected - 1);
    assert_memory_equal(query, expected, sizeof expected - 1);
}

TEST(records_become_items_in_their_order_with_the_least_time_to_live) {
    begin(&message, ANSWERED, "a.example", DNS_A);
    add(&message, 6, "a.example", DNS_A, 90, BYTES("\300\0\2\1"));
    add(&message, 6, "b.example", DNS_A, 1, BYTES("\300\0\2\2")); /* of another name */
    add(&message, 6, "a.example", DNS_TXT, 2, BYTES("\1x"));      /* of another type */
    add(&message, 6, "A.EXAMPLE", DNS_A, 60, BYTES("\300\0\2\3"));
    struct dns_reply *reply = parse(&message, "a.example", DNS_A);
    assert_int_equal(reply->answer.status, DNS_FOUND);
    assert_int_equal(reply->answer.ttl_s, 60);
    assert_int_equal(reply->answer.count, 2);
    assert_memory_equal(reply->answer.items[0].data, "\300\0\2\1", 4);
    assert_memory_equal(reply->answer.items[1].data, "\300\0\2\3", 4);
    assert_false(reply->declined);
    assert_int_equal(reply->bytes, sizeof *reply + 2 * sizeof(struct str) + 8);
    assert_ptr_equal(dns_reply_hold(reply), reply);
    dns_reply_release(reply);
    dns_reply_release(reply);
    dns_reply_release(NULL);
}

TEST(each_type_has_its_form_and_a_record_without_it_makes_the_answer_malformed) {
    static const struct {
        const char *label;
        enum dns_type type;
        struct str data;
        bool ok;
        struct str item;
    } rows[] = {
        {"A", DNS_A, {"\1\2\3\4", 4}, true, {"\1\2\3\4", 4}},
        {"A of 3", DNS_A, {"\1\2\3", 3}, false, {0}},
        {"A of 5", DNS_A, {"\1\2\3\4\5", 5}, false, {0}},
        {"AAAA", DNS_AAAA, {"0123456789abcdef", 16}, true, {"0123456789abcdef", 16}},
        {"AAAA of 15", DNS_AAAA, {"0123456789abcde", 15}, false, {0}},
        {"PTR", DNS_PTR, {"\1M\7eXample\0", 11}, true, {"m.example", 9}},
        {"PTR with more", DNS_PTR, {"\1M\0x", 4}, false, {0}},
        {"PTR without", DNS_PTR, {"", 0}, false, {0}},
        {"PTR of the root", DNS_PTR, {"\0", 1}, true, {"", 0}},
        {"PTR by a pointer", DNS_PTR, {"\1m\xc0\x0c", 4}, true, {"m.a.example", 11}},
        {"MX", DNS_MX, {"\1\2\1m\0", 5}, true, {"\1\2m", 3}},
        {"MX of the root", DNS_MX, {"\0\0\0", 3}, true, {"\0\0", 2}},
        {"MX without name", DNS_MX, {"\0\0", 2}, false, {0}},
        {"MX with more", DNS_MX, {"\0\0\0x", 4}, false, {0}},
        {"TXT", DNS_TXT, {"\2ab\0\1c", 6}, true, {"abc", 3}},
        {"TXT of nothing", DNS_TXT, {"\0", 1}, true, {"", 0}},
        {"TXT without", DNS_TXT, {"", 0}, false, {0}},
        {"TXT cut short", DNS_TXT, {"\3ab", 3}, false, {0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        begin(&message, ANSWERED, "a.example", rows[i].type);
        add(&message, 6, "a.example", rows[i].type, 60, rows[i].data);
        struct dns_reply *reply = parse(&message, "a.example", rows[i].type);
        assert_int_equal(reply->answer.status, rows[i].ok ? DNS_FOUND : DNS_FAILED);
        assert_int_equal(reply->answer.count, rows[i].ok);
        if (rows[i].ok) {
            assert_true(str_equal(reply->answer.items[0], rows[i].item));
        }
        dns_reply_release(reply);
    }
}

static void add_alias(const char *owner, const char *target, uint32_t ttl_s) {
    char room[DNS_WIRE_NAME_MAX];
    struct text data = TEXT_OVER(room);
    put_name(&data, target);
    add(&message, 6, owner, CNAME, ttl_s, text_str(&data));
}

TEST(aliases_are_followed_in_any_order_and_their_time_to_live_counts) {
    begin(&message, ANSWERED, "a.example", DNS_A);
    add(&message, 6, "c.example", DNS_A, 90, BYTES("\300\0\2\1"));
    add_alias("b.example", "c.example", 7);
    add_alias("a.example", "B.example", 80);
    assert_reply(&message, "a.example", DNS_A, DNS_FOUND, 7, 1);

    begin(&message, ANSWERED, "a.example", DNS_A);
    add_alias("a.example", "b.example", 80);
    assert_reply(&message, "a.example", DNS_A, DNS_NO_DATA, 0, 0);

    begin(&message, NO_NAME, "a.example", DNS_A);
    add_alias("a.example", "b.example", 80);
    assert_reply(&message, "a.example", DNS_A, DNS_NO_NAME, 0, 0);
}

TEST(a_chain_of_aliases_has_its_limit_and_a_ring_is_a_failure) {
    for (char links = DNS_CNAMES_MAX; links <= DNS_CNAMES_MAX + 1; links++) {
        begin(&message, ANSWERED, "a.example", DNS_A);
        char from[] = "a.example";
        char to[] = "b.example";
        for (char i = 0; i < links; i++, from[0]++, to[0]++) {
            add_alias(from, to, 60);
        }
        add(&message, 6, from, DNS_A, 60, BYTES("\300\0\2\1"));
        const bool ok = links == DNS_CNAMES_MAX;
        assert_reply(&message, "a.example", DNS_A, ok ? DNS_FOUND : DNS_FAILED, ok ? 60 : 0, ok);
    }
    begin(&message, ANSWERED, "a.example", DNS_A);
    add_alias("a.example", "a.example", 60);
    assert_reply(&message, "a.example", DNS_A, DNS_FAILED, 0, 0);
}

TEST(more_records_than_the_limit_are_a_failure) {
    begin(&message, ANSWERED, "a.example", DNS_A);
    for (int i = 0; i < DNS_ITEMS_MAX; i++) {
        add(&message, 6, "a.example", DNS_A, 60, BYTES("\300\0\2\1"));
    }
    assert_reply(&message, "a.example", DNS_A, DNS_FOUND, 60, DNS_ITEMS_MAX);
    add(&message, 6, "a.example", DNS_A, 60, BYTES("\300\0\2\1"));
    assert_reply(&message, "a.example", DNS_A, DNS_FAILED, 0, 0);
    /* So are far too many of other names, which nobody looks through. */
    begin(&message, ANSWERED, "a.example", DNS_A);
    for (int i = 0; i < DNS_ITEMS_MAX + DNS_CNAMES_MAX; i++) {
        add(&message, 6, "b.example", DNS_A, 60, BYTES("\300\0\2\1"));
    }
    assert_reply(&message, "a.example", DNS_A, DNS_NO_DATA, 0, 0);
    add(&message, 6, "b.example", DNS_A, 60, BYTES("\300\0\2\1"));
    assert_reply(&message, "a.example", DNS_A, DNS_FAILED, 0, 0);
}

TEST(a_time_to_live_is_bounded_and_a_negative_one_is_0) {
    static const uint32_t rows[][2] = {{0, 0},
                                       {1, 1},
                                       {DNS_TTL_MAX_S, DNS_TTL_MAX_S},
                                       {DNS_TTL_MAX_S + 1, DNS_TTL_MAX_S},
                                       {INT32_MAX, DNS_TTL_MAX_S},
                                       {(uint32_t)INT32_MAX + 1, 0},
                                       {UINT32_MAX, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(&message, ANSWERED, "a.example", DNS_A);
        add(&message, 6, "a.example", DNS_A, rows[i][0], BYTES("\300\0\2\1"));
        assert_reply(&message, "a.example", DNS_A, DNS_FOUND, rows[i][1], 1);
    }
}

TEST(no_record_holds_as_long_as_the_lesser_of_the_soa_and_its_minimum_say) {
    static const struct {
        uint32_t ttl_s;
        struct str minimum;
        uint32_t expected_s;
    } rows[] = {
        {300, {"\0\0\0\74", 4}, 60}, {30, {"\0\0\0\74", 4}, 30},
        {0, {"\0\0\0\74", 4}, 0},    {90000, {"\0\1\0\0", 4}, DNS_NEGATIVE_TTL_MAX_S},
        {300, {"\377\0\0\0", 4}, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char room[64];
        struct text soa = TEXT_OVER(room);
        put_name(&soa, "ns");
        put_name(&soa, "");
        text_add(&soa, BYTES("\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4"));
        text_add(&soa, rows[i].minimum);
        for (int no_name = 0; no_name < 2; no_name++) {
            begin(&message, no_name ? NO_NAME : ANSWERED, "a.example", DNS_A);
            add(&message, 8, "example", NS, 5, BYTES("\2ns\0"));
            add(&message, 8, "example", SOA, rows[i].ttl_s, text_str(&soa));
            assert_reply(&message, "a.example", DNS_A, no_name ? DNS_NO_NAME : DNS_NO_DATA,
                         rows[i].expected_s, 0);
        }
    }
    begin(&message, NO_NAME, "a.example", DNS_A);
    add(&message, 8, "example", SOA, 300, BYTES("\0\0\0\0\0")); /* no SOA's form */
    assert_reply(&message, "a.example", DNS_A, DNS_NO_NAME, 0, 0);
}

TEST(a_server_that_declines_is_told_from_one_that_answers_nonsense) {
    static const struct {
        const char *label;
        unsigned flags;
        enum dns_status status;
        bool declined;
    } rows[] = {
        {"servfail", SERVFAIL, DNS_FAILED, true},
        {"refused", REFUSED, DNS_FAILED, true},
        {"notimp", NOTIMP, DNS_FAILED, true},
        {"a referral", 0x8100, DNS_FAILED, true},
        {"an authoritative no", 0x8500, DNS_NO_DATA, false},
        {"truncated", 0x8380, DNS_FAILED, false},
        {"no response", 0x0180, DNS_FAILED, false},
        {"another opcode", 0xa180, DNS_FAILED, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        begin(&message, rows[i].flags, "a.example", DNS_A);
        struct dns_reply *reply = parse(&message, "a.example", DNS_A);
        assert_int_equal(reply->answer.status, rows[i].status);
        assert_int_equal(reply->declined, rows[i].declined);
        dns_reply_release(reply);
    }
}

TEST(the_answer_to_another_question_is_none) {
    begin(&message, ANSWERED, "b.example", DNS_A);
    add(&message, 6, "a.example", DNS_A, 60, BYTES("\300\0\2\1"));
    assert_reply(&message, "a.example", DNS_A, DNS_FAILED, 0, 0);
    begin(&message, ANSWERED, "a.example", DNS_AAAA);
    add(&message, 6, "a.example", DNS_A, 60, BYTES("\300\0\2\1"));
    assert_reply(&message, "a.example", DNS_A, DNS_FAILED, 0, 0);
    begin(&message, ANSWERED, "a.example", DNS_A);
    add(&message, 6, "a.example", DNS_A, 60, BYTES("\300\0\2\1"));
    assert_reply(&message, "a.example", DNS_A, DNS_FOUND, 60, 1);
    message.bytes[5] = 2; /* two questions */
    assert_reply(&message, "a.example", DNS_A, DNS_FAILED, 0, 0);
    message.bytes[5] = 0;
    assert_reply(&message, "a.example", DNS_A, DNS_FAILED, 0, 0);
}

TEST(an_answer_that_is_cut_anywhere_is_a_failure) {
    begin(&message, ANSWERED, "a.example", DNS_MX);
    add_alias("a.example", "b.example", 60);
    add(&message, 6, "b.example", DNS_MX, 60, BYTES("\0\1\1m\0"));
    const size_t whole = message.text.length;
    for (size_t length = 0; length < whole; length++) {
        message.text.length = length;
        assert_reply(&message, "a.example", DNS_MX, DNS_FAILED, 0, 0);
    }
    message.text.length = whole;
    assert_reply(&message, "a.example", DNS_MX, DNS_FOUND, 60, 1);
}

TEST(the_longest_text_is_read_whole) {
    static char data[65000];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = i % 250 == 0 ? (char)249 : 'x';
    }
    begin(&message, ANSWERED, "a.example", DNS_TXT);
    add(&message, 6, "a.example", DNS_TXT, 60, (struct str){data, sizeof data});
    struct dns_reply *reply = parse(&message, "a.example", DNS_TXT);
    assert_int_equal(reply->answer.status, DNS_FOUND);
    assert_int_equal(reply->answer.items[0].length, 260 * 249);
    dns_reply_release(reply);
}
