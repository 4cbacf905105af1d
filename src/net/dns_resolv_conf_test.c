/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns_resolv_conf.h"

#include "testing/test.h"

static void assert_servers(const char *content, const char *expected) {
    test_case(content);
    struct dns_address servers[3];
    char room[256];
    struct text text = TEXT_OVER(room);
    const size_t count = dns_resolv_conf_parse(str_from(content), servers, 3);
    for (size_t i = 0; i < count; i++) {
        dns_address_format(servers[i], &text);
        text_add_byte(&text, ' ');
    }
    assert_string_equal(text_zero(&text), expected);
}

TEST(resolv_conf_gives_its_servers_in_order) {
    assert_servers("", "");
    assert_servers("# nothing\nsearch example.org\noptions edns0\n", "");
    assert_servers("nameserver 192.0.2.1\n", "192.0.2.1 ");
    assert_servers("nameserver 192.0.2.1", "192.0.2.1 ");
    assert_servers("nameserver\t 2001:db8::1 \r\nnameserver 192.0.2.1 # near\n",
                   "2001:db8::1 192.0.2.1 ");
    assert_servers("nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
                   "nameserver 192.0.2.4\n",
                   "192.0.2.1 192.0.2.2 192.0.2.3 ");
}

TEST(lines_of_resolv_conf_that_name_no_server_are_passed_over) {
    assert_servers("nameserver\nnameserver \nnameserver192.0.2.9\n#nameserver 192.0.2.9\n"
                   " nameserver 192.0.2.9\nnameserver fe80::1%eth0\nnameserver dns.example\n"
                   "nameserver 192.0.2.9:53\nnameserver 0.0.0.0\nnameserver 192.0.2.1\n",
                   "192.0.2.1 ");
}
