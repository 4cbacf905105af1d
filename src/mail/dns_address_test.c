/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/dns_address.h"
#include "testing/test.h"

static void assert_written(struct dns_address address, const char *expected) {
    char room[DNS_ADDRESS_TEXT_MAX + 1];
    struct text text = TEXT_OVER(room);
    dns_address_format(address, &text);
    assert_string_equal(text_zero(&text), expected);
}

TEST(an_address_of_a_server_is_read_in_each_form_and_written_in_the_shortest) {
    static const struct {
        const char *text, *written;
        uint16_t port;
    } rows[] = {
        {"192.0.2.53", "192.0.2.53", 53},
        {"192.0.2.53:53", "192.0.2.53", 53},
        {"192.0.2.53:1", "192.0.2.53:1", 1},
        {"192.0.2.53:65535", "192.0.2.53:65535", 65535},
        {"::1", "::1", 53},
        {"[::1]", "::1", 53},
        {"[2001:DB8::53]:5353", "[2001:db8::53]:5353", 5353},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", 53},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].text);
        struct dns_address address;
        assert_true(dns_address_parse(str_from(rows[i].text), &address));
        assert_int_equal(address.port, rows[i].port);
        assert_written(address, rows[i].written);
    }
}

TEST(what_is_no_address_of_a_server_is_refused_and_leaves_the_result_alone) {
    static const char *const rows[] = {
        "",
        "dns.example",
        "192.0.2.53:",
        "192.0.2.53:0",
        "192.0.2.53:65536",
        "192.0.2",
        "192.0.2.53:1a",
        "[192.0.2.53]",
        "[::1",
        "[::1]5353",
        "[::1]:",
        "::1%eth0",
        "0.0.0.0:53",
        "::",
        "[::1]:0",
        "::1 ",
        "[]",
        "192.0.2.53:53:53",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i]);
        struct dns_address address = {.port = 7};
        assert_false(dns_address_parse(str_from(rows[i]), &address));
        assert_int_equal(address.port, 7);
    }
}

TEST(public_resolvers_are_known_and_their_neighbours_are_not) {
    static const struct {
        const char *text;
        bool is_public;
    } rows[] = {
        {"8.8.8.8", true},
        {"8.8.4.4:5353", true},
        {"8.8.8.9", false},
        {"1.1.1.1", true},
        {"1.0.0.1", true},
        {"9.9.9.9", true},
        {"149.112.112.112", true},
        {"208.67.222.222", true},
        {"208.67.220.220", true},
        {"64.6.64.6", true},
        {"2001:4860:4860::8844", true},
        {"2001:4860:4861::8844", false},
        {"2606:4700:4700::1001", true},
        {"2620:fe::fe", true},
        {"2620:119:35::35", true},
        {"127.0.0.1", false},
        {"::1", false},
        {"10.8.8.8", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].text);
        struct dns_address address;
        assert_true(dns_address_parse(str_from(rows[i].text), &address));
        assert_int_equal(dns_address_is_public(address), rows[i].is_public);
    }
}
