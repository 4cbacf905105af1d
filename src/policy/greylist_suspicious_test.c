/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/greylist_suspicious.h"

#include "policy/world_fixture.h"
#include "testing/test.h"

TEST(suspicion_has_its_reasons) {
    static const struct {
        const char *label;
        const char *client_name;
        const char *helo;
        const char *address;
        bool suspicious;
    } rows[] = {
        {"an honest server", "mx1.example.org", "mx1.example.org", "203.0.113.5", false},
        {"no name", "", "mx1.example.org", "203.0.113.5", true},
        {"HELO unqualified", "mx1.example.org", "mx1", "203.0.113.5", true},
        {"HELO with a dot at the end alone", "mx1.example.org", "mx1.", "203.0.113.5", true},
        {"HELO fully qualified", "mx1.example.org", "mx1.example.org.", "203.0.113.5", false},
        {"HELO empty", "mx1.example.org", "", "203.0.113.5", true},
        {"HELO a literal", "mx1.example.org", "[203.0.113.5]", "203.0.113.5", true},
        {"HELO an address", "mx1.example.org", "203.0.113.5", "203.0.113.5", true},
        {"word", "host.dynamic.example.org", "mx.example.org", "203.0.113.5", true},
        {"word with digits", "dsl42.example.org", "mx.example.org", "203.0.113.5", true},
        {"word inside a word", "adslink.example.org", "mx.example.org", "203.0.113.5", false},
        {"last numbers", "host-113-5.example.org", "mx.example.org", "203.0.113.5", true},
        {"last numbers padded", "h113x005.example.org", "mx.example.org", "203.0.113.5", true},
        {"last numbers reversed", "5.113.0.203.example.org", "mx.example.org", "203.0.113.5", true},
        {"first numbers only", "h203-0.example.org", "mx.example.org", "203.0.113.5", false},
        {"numbers apart", "h113-9-5.example.org", "mx.example.org", "203.0.113.5", false},
        {"last number alone before another", "5.7.example.org", "mx.example.org", "203.0.113.5",
         false},
        {"bytes that are no letters", "m\xc3\xa4il-dsl.example.org", "mx.example.org",
         "203.0.113.5", true},
        {"a number too large", "h99999999999999999999-5.example.org", "mx.example.org",
         "203.0.113.5", false},
        {"one number", "mail5.example.org", "mx.example.org", "203.0.5.5", false},
        {"same number twice", "mail5-5.example.org", "mx.example.org", "203.0.5.5", true},
        {"hexadecimal", "cb007105.example.org", "mx.example.org", "203.0.113.5", true},
        {"hexadecimal of another", "cb007106.example.org", "mx.example.org", "203.0.113.5", false},
        {"nine hex digits", "cb0071050.example.org", "mx.example.org", "203.0.113.5", false},
        {"first word of the list", "adsl.example.org", "mx.example.org", "203.0.113.5", true},
        {"word behind an a", "apool.example.org", "mx.example.org", "203.0.113.5", false},
        {"word behind a z", "zdsl.example.org", "mx.example.org", "203.0.113.5", false},
        {"hexadecimal with a", "cb0071aa.example.org", "mx.example.org", "203.0.113.170", true},
        {"hexadecimal with f", "cb0071ff.example.org", "mx.example.org", "203.0.113.255", true},
        {"hexadecimal, all octets", "cb057105.example.org", "mx.example.org", "203.5.113.5", true},
        {"hexadecimal behind a letter", "a-cb007105.example.org", "mx.example.org", "203.0.113.5",
         true},
        {"largest last number", "h255-5.example.org", "mx.example.org", "203.0.255.5", true},
        {"HELO a literal and a dot", "mx1.example.org", "[203.0.113.5].", "203.0.113.5", true},
        {"HELO an address and a dot", "mx1.example.org", "203.0.113.5.", "203.0.113.5", true},
        {"IPv6 honest", "mx.example.org", "mx.example.org", "2001:db8::5", false},
        {"IPv6 by word", "pool-5.example.org", "mx.example.org", "2001:db8::5", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        if (greylist_suspicious(str_from(rows[i].client_name), str_from(rows[i].helo),
                                world_address(rows[i].address)) != rows[i].suspicious) {
            fail_msg("%s", rows[i].label);
        }
    }
}
