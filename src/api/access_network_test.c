/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "api/access_fixture.h"

/* What the way counts for on which a request came: trusted networks, proxies, TLS. */

TEST(a_trusted_network_counts_only_for_direct_requests_to_our_own_name) {
    static const struct {
        const char *label;
        const char *peer;
        const char *host;
        const char *origin;
        const char *sec_fetch_site;
        bool forwarded;
        unsigned status;
    } rows[] = {
        {"loopback", "127.0.0.1", "127.0.0.1:8880", "", "", false, 0},
        {"loopback by name", "127.0.0.1", "localhost:8880", "", "", false, 0},
        {"loopback by name, no port", "127.0.0.1", "localhost", "", "", false, 0},
        {"loopback 6", "::1", "[::1]:8880", "", "", false, 0},
        {"loopback 6 without port", "::1", "[::1]", "", "", false, 0},
        {"elsewhere in 127/8", "127.9.8.7", "127.9.8.7", "", "", false, 0},
        {"the office by our name", "10.1.255.255", "mail.example.org:8880", "", "", false, 0},
        {"the office by address", "10.1.0.1", "10.1.0.2:8880", "", "", false, 0},
        {"beside the office", "10.2.0.1", "mail.example.org:8880", "", "", false, 401},
        {"a stranger", "198.51.100.7", "localhost", "", "", false, 401},
        {"a stranger who names loopback", "198.51.100.7", "127.0.0.1", "", "", false, 401},
        {"rebound name", "127.0.0.1", "evil.example", "", "", false, 401},
        {"rebound name with port", "127.0.0.1", "evil.example:8880", "", "", false, 401},
        {"rebound name, its page's origin", "127.0.0.1", "evil.example:8880",
         "http://evil.example:8880", "same-origin", false, 401},
        {"our name as a label of another", "127.0.0.1", "localhost.evil.example", "", "", false,
         401},
        {"another name of ours as a label", "127.0.0.1", "mail.example.org.evil.example", "", "",
         false, 401},
        {"address as a label", "127.0.0.1", "127.0.0.1.nip.example", "", "", false, 401},
        {"no Host", "127.0.0.1", "", "", "", false, 401},
        {"only a port", "127.0.0.1", ":8880", "", "", false, 401},
        {"brackets of nothing", "127.0.0.1", "[]", "", "", false, 401},
        {"odd address", "127.0.0.1", "0177.0.0.1", "", "", false, 401},
        {"our page", "127.0.0.1", "localhost:8880", "http://localhost:8880", "same-origin", false,
         0},
        {"a page elsewhere", "127.0.0.1", "localhost:8880", "https://evil.example", "cross-site",
         false, 401},
        {"a page on another port", "127.0.0.1", "localhost:8880", "http://localhost:3000",
         "same-site", false, 401},
        {"a page by another of our names", "127.0.0.1", "localhost:8880", "http://127.0.0.1:8880",
         "cross-site", false, 401},
        {"sandboxed page", "127.0.0.1", "localhost:8880", "null", "", false, 401},
        {"an element of a page elsewhere", "127.0.0.1", "localhost:8880", "", "cross-site", false,
         401},
        {"a proxy on this host", "127.0.0.1", "localhost:8880", "", "", true, 401},
        {"a proxy in the office", "10.1.2.3", "mail.example.org:8880", "", "", true, 401},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        struct scene scene;
        scene_init(&scene);
        scene.request.peer = scene_address(rows[i].peer);
        scene.request.host = str_from(rows[i].host);
        scene.request.origin = str_from(rows[i].origin);
        scene.request.sec_fetch_site = str_from(rows[i].sec_fetch_site);
        scene.request.forwarded = rows[i].forwarded;
        const struct access_decision decision = scene_decide(&scene);
        assert_int_equal(decision.status, rows[i].status);
        assert_int_equal(decision.via,
                         rows[i].status == 0 ? ACCESS_VIA_TRUSTED : ACCESS_VIA_NOBODY);
        /* A change is never easier than reading; from elsewhere it is refused for that. */
        scene.request.changes_state = true;
        const unsigned change = scene_decide(&scene).status;
        assert_true(rows[i].status == 0 ? change == 0 : change == 401 || change == 403);
    }
}

TEST(by_default_no_network_is_trusted) {
    static const char *const peers[] = {"127.0.0.1", "::1", "10.1.0.1", "198.51.100.7"};
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
        struct scene scene;
        scene_init(&scene);
        scene.policy = (struct access_policy){0};
        scene.request.peer = scene_address(peers[i]);
        scene.request.host = STR("127.0.0.1:8880");
        assert_int_equal(scene_decide(&scene).status, 401);
    }
}

TEST(a_trusted_network_makes_no_access_that_outlasts_it) {
    for (unsigned i = 0; i < API_SCOPES_COUNT; i++) {
        const unsigned scope = 1U << i;
        test_case(api_scope_name((enum api_scope)scope));
        struct scene scene;
        scene_init(&scene);
        scene.request.peer = scene_address("127.0.0.1");
        scene.request.host = STR("localhost");
        scene.request.role_needed = API_ROLE_ADMIN;
        scene.request.scope_needed = scope;
        scene.request.changes_state = true;
        const bool lasting = scope == API_SCOPE_USERS || scope == API_SCOPE_TOKENS;
        assert_int_equal(scene_decide(&scene).status, lasting ? 403 : 0);
    }
}

TEST(why_a_trusted_network_does_not_count_is_said) {
    struct scene scene;
    scene_init(&scene);
    scene.request.peer = scene_address("127.0.0.1");
    scene.request.host = STR("evil.example");
    assert_non_null(strstr(scene_decide(&scene).sentence, "api.host_names"));
    scene.request.host = STR("localhost");
    scene.request.forwarded = true;
    assert_non_null(strstr(scene_decide(&scene).sentence, "proxy"));
    scene.request.forwarded = false;
    scene.request.sec_fetch_site = STR("cross-site");
    assert_non_null(strstr(scene_decide(&scene).sentence, "another origin"));
}

TEST(only_a_trusted_proxy_names_the_client) {
    static const struct {
        const char *label;
        const char *peer;
        const char *forwarded_for;
        const char *client;
    } rows[] = {
        {"direct", "198.51.100.7", "", "198.51.100.7"},
        {"a stranger's claim", "198.51.100.7", "10.1.0.1", "198.51.100.7"},
        {"loopback is no proxy unless it is listed", "127.0.0.1", "10.1.0.1", "127.0.0.1"},
        {"one hop", "192.0.2.80", "203.0.113.5", "203.0.113.5"},
        {"what the client wrote before it", "192.0.2.80", "10.1.0.1, 203.0.113.5", "203.0.113.5"},
        {"two proxies of ours", "192.0.2.80", "203.0.113.5, 2001:db8:80::1", "203.0.113.5"},
        {"two of ours and a lie", "192.0.2.80", "127.0.0.1, 203.0.113.5,2001:db8:80::1",
         "203.0.113.5"},
        {"all are ours", "192.0.2.80", "2001:db8:80::2, 2001:db8:80::1", "2001:db8:80::2"},
        {"nothing said", "192.0.2.80", "", "192.0.2.80"},
        {"nothing legible", "192.0.2.80", "unknown", "192.0.2.80"},
        {"illegible before a proxy of ours", "192.0.2.80", "203.0.113.5, _hidden, 2001:db8:80::1",
         "2001:db8:80::1"},
        {"with a port", "192.0.2.80", "203.0.113.5:4711", "203.0.113.5"},
        {"IPv6", "192.0.2.80", "2001:db8:5::5", "2001:db8:5::5"},
        {"IPv6 in brackets", "192.0.2.80", "[2001:db8:5::5]", "2001:db8:5::5"},
        {"IPv6 with a port", "192.0.2.80", "[2001:db8:5::5]:4711", "2001:db8:5::5"},
        {"an empty last hop", "192.0.2.80", "203.0.113.5,", "192.0.2.80"},
        {"blanks", "192.0.2.80", "  203.0.113.5 ", "203.0.113.5"},
        {"mapped", "::ffff:192.0.2.80", "203.0.113.5", "203.0.113.5"},
        {"an unclosed bracket", "192.0.2.80", "[2001:db8:5::5", "2001:db8:5::5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        struct scene scene;
        scene_init(&scene);
        char buffer[IP_ADDRESS_TEXT_MAX + 1];
        struct text out = TEXT_OVER(buffer);
        ip_address_format(access_client_address(&scene.policy, scene_address(rows[i].peer),
                                                str_from(rows[i].forwarded_for)),
                          &out);
        assert_string_equal(text_zero(&out), rows[i].client);
    }
}

TEST(a_client_behind_a_proxy_is_never_trusted_for_its_address) {
    struct scene scene;
    scene_init(&scene);
    scene.request.peer = scene_address("192.0.2.80");
    scene.request.forwarded = true;
    scene.request.forwarded_for = STR("10.1.0.1");
    assert_int_equal(scene_decide(&scene).status, 401);
    scene.trusted[2] = scene_prefix("192.0.2.80");
    assert_int_equal(scene_decide(&scene).status, 401);
}

TEST(require_tls_lets_through_what_nobody_can_read_along) {
    static const struct {
        const char *label;
        bool unix_socket;
        bool tls;
        const char *peer;
        const char *proto;
        bool secure;
    } rows[] = {
        {"plain", false, false, "198.51.100.7", "", false},
        {"TLS", false, true, "198.51.100.7", "", true},
        {"socket", true, false, "::", "", true},
        {"proxy with TLS", false, false, "192.0.2.80", "https", true},
        {"proxy without", false, false, "192.0.2.80", "http", false},
        {"proxy that does not say", false, false, "192.0.2.80", "", false},
        {"proxy in a chain that says both", false, false, "192.0.2.80", "https, http", false},
        {"a stranger who says so", false, false, "198.51.100.7", "https", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        struct scene scene;
        scene_init(&scene);
        scene_give_session(&scene, API_ROLE_ADMIN);
        scene.request.unix_socket = rows[i].unix_socket;
        scene.request.peer_allowed = rows[i].unix_socket;
        scene.request.tls = rows[i].tls;
        scene.request.peer = scene_address(rows[i].peer);
        scene.request.forwarded_proto = str_from(rows[i].proto);
        assert_int_equal(access_secure(&scene.policy, &scene.request), rows[i].secure);
        assert_int_equal(scene_decide(&scene).status, 0);
        scene.policy.require_tls = true;
        assert_int_equal(scene_decide(&scene).status, rows[i].secure ? 0 : 403);
        scene.request.role_needed = API_ROLE_NONE; /* a login, too, would show its password */
        scene.request.changes_state = true;
        assert_int_equal(scene_decide(&scene).status, rows[i].secure ? 0 : 403);
        scene.request.changes_state = false; /* GET /health */
        assert_int_equal(scene_decide(&scene).status, 0);
    }
}

TEST(require_tls_does_not_ask_it_of_this_host_itself) {
    static const struct {
        const char *peer;
        bool forwarded;
        unsigned status;
    } rows[] = {
        {"127.0.0.1", false, 0},   {"127.255.0.9", false, 0}, {"::1", false, 0},
        {"127.0.0.1", true, 403},  {"::1", true, 403},        {"::2", false, 403},
        {"126.0.0.1", false, 403}, {"128.0.0.1", false, 403},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].peer);
        struct scene scene;
        scene_init(&scene);
        scene_give_session(&scene, API_ROLE_ADMIN);
        scene.policy.require_tls = true;
        scene.request.peer = scene_address(rows[i].peer);
        scene.request.forwarded = rows[i].forwarded;
        assert_int_equal(scene_decide(&scene).status, rows[i].status);
    }
}

TEST(require_tls_refuses_a_token_over_plain_http_even_where_none_is_needed) {
    struct scene scene;
    scene_init(&scene);
    scene.policy.require_tls = true;
    scene.request.role_needed = API_ROLE_NONE;
    scene.request.scope_needed = 0;
    assert_int_equal(scene_decide(&scene).status, 0);
    scene_give_token(&scene, API_ROLE_VIEWER, API_SCOPE_READ);
    assert_int_equal(scene_decide(&scene).status, 403);
}
