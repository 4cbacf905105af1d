/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/auto_blacklist.h"

#include <string.h>

#include "policy/auto_blacklist_fixture.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* Triggers by name, and who is never blocked. */

TEST(each_trigger_has_a_name) {
    static const char *const names[BLACKLIST_TRIGGERS] = {
        "by_hand",     "rejections",    "rbl_hits",  "spf_failures",
        "geo_blocked", "failed_logins", "spam_score"};
    for (unsigned i = 0; i < BLACKLIST_TRIGGERS; i++) {
        enum blacklist_trigger found = BLACKLIST_TRIGGERS;
        assert_string_equal(blacklist_trigger_name(i), names[i]);
        assert_true(blacklist_trigger_find(str_from(names[i]), &found));
        assert_int_equal(found, i);
    }
    enum blacklist_trigger found = BLACKLIST_RBL_HITS;
    assert_string_equal(blacklist_trigger_name(BLACKLIST_TRIGGERS), "unknown");
    assert_false(blacklist_trigger_find(STR("rejection"), &found));
    assert_int_equal(found, BLACKLIST_RBL_HITS);
}

static const char *exemption_of(const char *client, const char *server) {
    static struct ip_prefix networks[2];
    assert_true(ip_prefix_parse(STR("203.0.113.0/24"), &networks[0], NULL));
    assert_true(ip_prefix_parse(STR("2001:db8:5::/48"), &networks[1], NULL));
    const struct policy_settings settings = {.trusted_networks = networks,
                                             .trusted_network_count = 2};
    const struct ip_address none = {{0}};
    const char *found =
        blacklist_exemption(&settings, client == NULL ? none : world_address(client),
                            server == NULL ? none : world_address(server));
    return found == NULL ? "" : found;
}

TEST(local_and_trusted_networks_and_the_server_itself_are_never_blocked) {
    static const struct {
        const char *client;
        const char *server;
        const char *exemption;
    } rows[] = {
        {NULL, NULL, "no address"},
        {"127.0.0.1", NULL, "a local network"},
        {"127.255.255.255", NULL, "a local network"},
        {"126.255.255.255", NULL, ""},
        {"128.0.0.0", NULL, ""},
        {"169.254.0.0", NULL, "a local network"},
        {"169.254.255.255", NULL, "a local network"},
        {"169.253.255.255", NULL, ""},
        {"169.255.0.0", NULL, ""},
        {"10.0.0.0", NULL, "a local network"},
        {"10.255.255.255", NULL, "a local network"},
        {"9.255.255.255", NULL, ""},
        {"11.0.0.0", NULL, ""},
        {"172.16.0.0", NULL, "a local network"},
        {"172.31.255.255", NULL, "a local network"},
        {"172.15.255.255", NULL, ""},
        {"172.32.0.0", NULL, ""},
        {"192.168.0.0", NULL, "a local network"},
        {"192.168.255.255", NULL, "a local network"},
        {"192.167.255.255", NULL, ""},
        {"192.169.0.0", NULL, ""},
        {"100.64.0.1", NULL, ""},
        {"::1", NULL, "a local network"},
        {"::2", NULL, ""},
        {"fe80::1", NULL, "a local network"},
        {"febf:ffff::1", NULL, "a local network"},
        {"fe7f::1", NULL, ""},
        {"fec0::1", NULL, ""},
        {"fc00::1", NULL, "a local network"},
        {"fdff::1", NULL, "a local network"},
        {"fbff::1", NULL, ""},
        {"fe00::1", NULL, ""},
        {"203.0.113.9", NULL, "one of trusted_networks"},
        {"203.0.114.0", NULL, ""},
        {"2001:db8:5::1", NULL, "one of trusted_networks"},
        {"2001:db8:6::1", NULL, ""},
        {"192.0.2.1", "192.0.2.1", "the server's own address"},
        {"192.0.2.1", "192.0.2.2", ""},
        {"2001:db8::1", "2001:db8::ffff", "the server's own address"},
        {"2001:db8::1", "2001:db8:0:1::1", ""},
        {"0:0:c000:201::", "192.0.2.1", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(exemption_of(rows[i].client, rows[i].server), rows[i].exemption) != 0) {
            fail_msg("%s is \"%s\"", rows[i].client, exemption_of(rows[i].client, rows[i].server));
        }
    }
}
