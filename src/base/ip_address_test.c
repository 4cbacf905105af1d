/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip_address.h"

#include <arpa/inet.h>
#include <string.h>

#include "testing/test.h"

static void format(struct ip_address address, char text[IP_ADDRESS_TEXT_MAX]) {
    struct text out = {.data = text, .size = IP_ADDRESS_TEXT_MAX};
    ip_address_format(address, &out);
    (void)text_zero(&out);
    assert_false(out.truncated);
}

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

TEST(ip_address_reads_and_writes_the_canonical_form) {
    static const struct {
        const char *text;
        const char *canonical;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::FFFF:c000:201", "192.0.2.1"},
        {"0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"2001:db8::1", "2001:db8::1"},
        {"2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
        {"fe80::10:20:300:4000", "fe80::10:20:300:4000"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ip_address address;
        char text[IP_ADDRESS_TEXT_MAX];
        test_case(rows[i].text);
        assert_true(ip_address_parse(str_from(rows[i].text), &address));
        format(address, text);
        assert_string_equal(text, rows[i].canonical);
    }
}

TEST(ip_address_refuses_what_others_read_in_two_ways) {
    static const char *const rows[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.",
        ".1.2.3",
        "1..2.3",
        "01.2.3.4",
        "1.2.3.04",
        "256.1.1.1",
        "1.2.3.256",
        "1.2.3.1000",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.4x",
        "1,2.3.4",
        "0x1.2.3.4",
        "unknown",
        "[192.0.2.1]",
        "[::1]",
        "IPv6:::1",
        "fe80::1%eth0",
        "192.0.2.1/24",
        ":",
        ":::",
        "::1::",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "1:2:3:4::5:6:7:8",
        ":1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:",
        "1:2:3:4:5:6:7:8:",
        "12345::",
        "::12345",
        "::g",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::1.2.3.4:5",
        "1.2.3.4::",
        "::1.2.3",
        "::01.2.3.4",
        "1:2:3:4:5:1.2.3.4",
        "1::2:3:4:5:6:1.2.3.4",
        "::@",
        "::`",
        "::/",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ip_address address = {{9}};
        test_case(rows[i]);
        assert_false(ip_address_parse(str_from(rows[i]), &address));
        assert_int_equal(address.bytes[0], 9);
    }
}

/* The C library, which we do not use for this, agrees on every address we write and on what is
 * one, for random texts of the right alphabet. */
TEST(ip_address_agrees_with_the_c_library) {
    uint64_t seed = 88172645463325252;
    for (unsigned round = 0; round < 50000; round++) {
        struct ip_address address = {{0}};
        struct ip_address again;
        uint8_t expected[16];
        char text[IP_ADDRESS_TEXT_MAX];
        for (size_t i = 0; i < 16; i += 2) {
            const uint64_t r = next_random(&seed);
            if (r % 3 == 0) {
                address.bytes[i] = r % 2 == 0 ? (uint8_t)(r >> 8) : 0;
                address.bytes[i + 1] = (uint8_t)(r >> 16);
            }
        }
        format(address, text);
        assert_int_equal(inet_pton(AF_INET6, text, expected), 1);
        assert_memory_equal(expected, address.bytes, 16);
        assert_true(ip_address_parse(str_from(text), &again));
        assert_true(ip_address_equal(address, again));
    }
    for (unsigned round = 0; round < 100000; round++) {
        static const char alphabet[] = "012af:::::...";
        char text[12];
        struct ip_address address = {{0}};
        uint8_t expected[16] = {[10] = 0xff, [11] = 0xff};
        const size_t length = 2 + next_random(&seed) % (sizeof text - 2);
        for (size_t i = 0; i < length; i++) {
            text[i] = alphabet[next_random(&seed) % (sizeof alphabet - 1)];
        }
        text[length - 1] = '\0';
        const bool is_v6 = strchr(text, ':') != NULL;
        const int valid =
            is_v6 ? inet_pton(AF_INET6, text, expected) : inet_pton(AF_INET, text, expected + 12);
        test_case(text);
        assert_int_equal(ip_address_parse(str_from(text), &address), valid);
        if (valid == 1) {
            assert_memory_equal(address.bytes, expected, 16);
        }
    }
}

TEST(ip_address_kinds) {
    struct ip_address address;
    assert_true(ip_address_parse(STR("::"), &address));
    assert_true(ip_address_is_none(address));
    assert_false(ip_address_is_v4(address));
    assert_true(ip_address_parse(STR("0.0.0.0"), &address));
    assert_false(ip_address_is_none(address));
    assert_true(ip_address_is_v4(address));
    assert_true(ip_address_parse(STR("::fffe:1.2.3.4"), &address));
    assert_false(ip_address_is_v4(address));
}

TEST(ip_address_mask_keeps_the_first_bits) {
    struct ip_address all;
    memset(all.bytes, 0xff, sizeof all.bytes);
    for (unsigned bits = 0; bits <= 128; bits++) {
        const struct ip_address masked = ip_address_mask(all, bits);
        for (unsigned bit = 0; bit < 128; bit++) {
            const unsigned set = (unsigned)masked.bytes[bit / 8] >> (7 - bit % 8) & 1U;
            assert_int_equal(set, bit < bits);
        }
    }
}

TEST(ip_prefix_reads_and_writes) {
    static const struct {
        const char *text;
        const char *canonical; /* NULL: refused */
        unsigned bits;
        bool host_bits;
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.0/24", 120, false},
        {"192.0.2.1", "192.0.2.1", 128, false},
        {"192.0.2.1/32", "192.0.2.1", 128, false},
        {"0.0.0.0/0", "0.0.0.0/0", 96, false},
        {"128.0.0.0/1", "128.0.0.0/1", 97, false},
        {"2001:db8::/32", "2001:db8::/32", 32, false},
        {"::/0", "::/0", 0, false},
        {"::1", "::1", 128, false},
        {"::1/128", "::1", 128, false},
        {"::ffff:192.0.2.0/120", "192.0.2.0/24", 120, false},
        {"::ffff:0:0/96", "0.0.0.0/0", 96, false},
        {"10.0.0.1/8", NULL, 0, true},
        {"192.0.2.1/31", NULL, 0, true},
        {"2001:db8::1/127", NULL, 0, true},
        {"0.0.0.1/0", NULL, 0, true},
        {"192.0.2.0/33", NULL, 0, false},
        {"::/129", NULL, 0, false},
        {"192.0.2.0/", NULL, 0, false},
        {"192.0.2.0/024", NULL, 0, false},
        {"192.0.2.0/-1", NULL, 0, false},
        {"192.0.2.0/24/24", NULL, 0, false},
        {"192.0.2/24", NULL, 0, false},
        {"/24", NULL, 0, false},
        {"", NULL, 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ip_prefix prefix = {.bits = 77};
        bool host_bits = true;
        char text[IP_PREFIX_TEXT_MAX];
        struct text out = TEXT_OVER(text);
        test_case(rows[i].text);
        const bool ok = ip_prefix_parse(str_from(rows[i].text), &prefix, &host_bits);
        assert_int_equal(ok, rows[i].canonical != NULL);
        assert_int_equal(host_bits, rows[i].host_bits);
        assert_int_equal(ip_prefix_parse(str_from(rows[i].text), &prefix, NULL), ok);
        assert_int_equal(prefix.bits, ok ? rows[i].bits : 77);
        if (ok) {
            ip_prefix_format(prefix, &out);
            assert_string_equal(text_zero(&out), rows[i].canonical);
        }
    }
}

static bool contains(const char *prefix_text, const char *address_text) {
    struct ip_prefix prefix;
    struct ip_address address;
    assert_true(ip_prefix_parse(str_from(prefix_text), &prefix, NULL));
    assert_true(ip_address_parse(str_from(address_text), &address));
    return ip_prefix_contains(prefix, address);
}

TEST(ip_prefix_contains_its_first_and_last_address_only) {
    assert_true(contains("192.0.2.128/25", "192.0.2.128"));
    assert_true(contains("192.0.2.128/25", "192.0.2.255"));
    assert_false(contains("192.0.2.128/25", "192.0.2.127"));
    assert_false(contains("192.0.2.128/25", "192.0.3.0"));
    assert_true(contains("0.0.0.0/0", "203.0.113.9"));
    assert_false(contains("0.0.0.0/0", "2001:db8::1"));
    assert_true(contains("::/0", "203.0.113.9"));
    assert_true(contains("2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert_false(contains("2001:db8::/32", "2001:db9::"));
    assert_true(contains("192.0.2.1", "192.0.2.1"));
    assert_false(contains("192.0.2.1", "192.0.2.0"));
}
