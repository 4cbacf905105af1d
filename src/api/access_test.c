/* SPDX-License-Identifier: Apache-2.0 */
#include "api/access.h"

#include <stdio.h>
#include <string.h>

#include "testing/test.h"

/* The whole matrix: who a request may be from, and what each may do. Each table says one thing that
 * must be exact; its rows differ in as little as they can. */

static struct ip_address address(const char *text) {
    struct ip_address result;
    assert_true(ip_address_parse(str_from(text), &result));
    return result;
}

static struct ip_prefix prefix(const char *text) {
    struct ip_prefix result;
    assert_true(ip_prefix_parse(str_from(text), &result, NULL));
    return result;
}

/* Loopback and an office are trusted, a proxy at 192.0.2.80 is believed. */
struct scene {
    struct ip_prefix trusted[3];
    struct ip_prefix proxies[2];
    struct str names[1];
    struct access_policy policy;
    struct access_request request;
};

static void scene_init(struct scene *scene) {
    *scene = (struct scene){
        .trusted = {prefix("127.0.0.0/8"), prefix("::1"), prefix("10.1.0.0/16")},
        .proxies = {prefix("192.0.2.80"), prefix("2001:db8:80::/48")},
        .names = {STR("mail.example.org")},
    };
    scene->policy = (struct access_policy){
        .trusted_networks = scene->trusted,
        .trusted_network_count = 3,
        .trusted_proxies = scene->proxies,
        .trusted_proxy_count = 2,
        .host_names = scene->names,
        .host_name_count = 1,
    };
    scene->request = (struct access_request){
        .peer = address("198.51.100.7"),
        .host = STR("mail.example.org:8880"),
        .role_needed = API_ROLE_VIEWER,
        .scope_needed = API_SCOPE_READ,
    };
}

static struct access_decision decide(const struct scene *scene) {
    struct access_decision decision;
    memset(&decision, 0xff, sizeof decision);
    access_decide(&scene->policy, &scene->request, &decision);
    /* A refusal says why, what is allowed says nothing; both whatever the row. */
    assert_true(decision.status == 0 || decision.status == 401 || decision.status == 403);
    assert_int_equal(decision.status == 0, decision.sentence[0] == '\0');
    assert_true(strlen(decision.sentence) < ACCESS_SENTENCE_MAX - 1);
    return decision;
}

static void give_session(struct scene *scene, enum api_role role) {
    scene->request.session = ACCESS_VALID;
    scene->request.session_role = role;
    scene->request.csrf_right = true;
}

static void give_token(struct scene *scene, enum api_role role, unsigned scopes) {
    scene->request.bearer = ACCESS_VALID;
    scene->request.bearer_role = role;
    scene->request.bearer_scopes = scopes;
}

/* --- names --- */

TEST(every_role_and_scope_has_one_name_that_leads_back) {
    for (unsigned i = 0; i < API_SCOPES_COUNT; i++) {
        const enum api_scope scope = (enum api_scope)(1U << i);
        enum api_scope back = (enum api_scope)0;
        assert_true(api_scope_parse(str_from(api_scope_name(scope)), &back));
        assert_int_equal(back, scope);
    }
    for (unsigned i = API_ROLE_VIEWER; i < API_ROLES_COUNT; i++) {
        enum api_role back = API_ROLE_NONE;
        assert_true(api_role_parse(str_from(api_role_name((enum api_role)i)), &back));
        assert_int_equal(back, i);
    }
    enum api_role role = API_ROLE_VIEWER;
    assert_false(api_role_parse(STR("none"), &role));
    assert_false(api_role_parse(STR("Admin"), &role));
    assert_int_equal(role, API_ROLE_VIEWER);
    assert_true(API_ROLE_NONE < API_ROLE_VIEWER && API_ROLE_VIEWER < API_ROLE_OPERATOR &&
                API_ROLE_OPERATOR < API_ROLE_ADMIN);
}

TEST(a_set_of_scopes_is_written_and_read_alike) {
    for (unsigned scopes = 0; scopes <= API_SCOPES_ALL; scopes++) {
        char buffer[256];
        struct text out = TEXT_OVER(buffer);
        unsigned back = ~scopes;
        api_scopes_format(scopes, &out);
        assert_false(out.truncated);
        assert_true(api_scopes_parse(text_str(&out), &back));
        assert_int_equal(back, scopes);
    }
    unsigned scopes = 77;
    assert_false(api_scopes_parse(STR("read everything"), &scopes));
    assert_false(api_scopes_parse(STR("read,lists"), &scopes));
    assert_int_equal(scopes, 77);
    assert_true(api_scopes_parse(STR("  lists  read "), &scopes));
    assert_int_equal(scopes, API_SCOPE_READ | API_SCOPE_LISTS);
}

/* --- roles --- */

TEST(a_role_may_do_what_needs_it_or_a_lower_one_and_nothing_else) {
    for (unsigned has = API_ROLE_VIEWER; has < API_ROLES_COUNT; has++) {
        for (unsigned needs = API_ROLE_NONE; needs < API_ROLES_COUNT; needs++) {
            for (int through_token = 0; through_token < 2; through_token++) {
                char label[64];
                (void)snprintf(label, sizeof label, "has %u needs %u token %d", has, needs,
                               through_token);
                test_case(label);
                struct scene scene;
                scene_init(&scene);
                scene.request.role_needed = (enum api_role)needs;
                if (through_token) {
                    give_token(&scene, (enum api_role)has, API_SCOPES_ALL);
                } else {
                    give_session(&scene, (enum api_role)has);
                }
                const struct access_decision decision = decide(&scene);
                assert_int_equal(decision.status, has >= needs ? 0 : 403);
                assert_int_equal(decision.role, has);
                assert_int_equal(decision.via,
                                 through_token ? ACCESS_VIA_TOKEN : ACCESS_VIA_SESSION);
            }
        }
    }
}

TEST(nobody_may_do_only_what_needs_no_role) {
    for (unsigned needs = API_ROLE_NONE; needs < API_ROLES_COUNT; needs++) {
        struct scene scene;
        scene_init(&scene);
        scene.request.role_needed = (enum api_role)needs;
        const struct access_decision decision = decide(&scene);
        assert_int_equal(decision.status, needs == API_ROLE_NONE ? 0 : 401);
        assert_int_equal(decision.via, ACCESS_VIA_NOBODY);
        assert_int_equal(decision.role, API_ROLE_NONE);
        assert_int_equal(decision.scopes, 0);
    }
}

/* --- scopes of tokens --- */

TEST(a_token_does_exactly_what_it_has_the_scope_for) {
    for (unsigned has = 0; has < API_SCOPES_COUNT; has++) {
        for (unsigned needs = 0; needs < API_SCOPES_COUNT; needs++) {
            for (unsigned role = API_ROLE_VIEWER; role < API_ROLES_COUNT; role++) {
                char label[64];
                (void)snprintf(label, sizeof label, "has %s needs %s role %u",
                               api_scope_name((enum api_scope)(1U << has)),
                               api_scope_name((enum api_scope)(1U << needs)), role);
                test_case(label);
                struct scene scene;
                scene_init(&scene);
                give_token(&scene, (enum api_role)role, 1U << has);
                scene.request.role_needed = API_ROLE_OPERATOR;
                scene.request.scope_needed = 1U << needs;
                const bool may = has == needs && role >= API_ROLE_OPERATOR;
                assert_int_equal(decide(&scene).status, may ? 0 : 403);
            }
        }
    }
}

TEST(a_token_with_all_scopes_but_one_lacks_that_one_and_is_told_its_name) {
    for (unsigned missing = 0; missing < API_SCOPES_COUNT; missing++) {
        struct scene scene;
        scene_init(&scene);
        give_token(&scene, API_ROLE_ADMIN, API_SCOPES_ALL & ~(1U << missing));
        scene.request.scope_needed = 1U << missing;
        const struct access_decision decision = decide(&scene);
        assert_int_equal(decision.status, 403);
        assert_non_null(strstr(decision.sentence, api_scope_name((enum api_scope)(1U << missing))));
    }
}

TEST(a_token_without_scopes_may_call_what_needs_none) {
    struct scene scene;
    scene_init(&scene);
    give_token(&scene, API_ROLE_VIEWER, 0);
    scene.request.scope_needed = 0;
    assert_int_equal(decide(&scene).status, 0);
}

/* --- which credential counts --- */

TEST(the_first_credential_presented_counts_alone) {
    static const struct {
        const char *label;
        enum access_credential bearer;
        enum access_credential session;
        bool unix_socket;
        bool trusted;
        unsigned status;
        enum access_via via;
    } rows[] = {
        {"token before session", ACCESS_VALID, ACCESS_VALID, false, true, 0, ACCESS_VIA_TOKEN},
        {"token on the socket", ACCESS_VALID, ACCESS_NOT_GIVEN, true, false, 0, ACCESS_VIA_TOKEN},
        {"bad token is refused though a session is there", ACCESS_NOT_VALID, ACCESS_VALID, false,
         false, 401, ACCESS_VIA_NOBODY},
        {"bad token is refused from a trusted network", ACCESS_NOT_VALID, ACCESS_NOT_GIVEN, false,
         true, 401, ACCESS_VIA_NOBODY},
        {"bad token is refused on the socket", ACCESS_NOT_VALID, ACCESS_NOT_GIVEN, true, false, 401,
         ACCESS_VIA_NOBODY},
        {"session before trust", ACCESS_NOT_GIVEN, ACCESS_VALID, false, true, 0,
         ACCESS_VIA_SESSION},
        {"ended session, not trusted", ACCESS_NOT_GIVEN, ACCESS_NOT_VALID, false, false, 401,
         ACCESS_VIA_NOBODY},
        {"ended session, trusted", ACCESS_NOT_GIVEN, ACCESS_NOT_VALID, false, true, 0,
         ACCESS_VIA_TRUSTED},
        {"socket", ACCESS_NOT_GIVEN, ACCESS_NOT_GIVEN, true, false, 0, ACCESS_VIA_SOCKET},
        {"trusted", ACCESS_NOT_GIVEN, ACCESS_NOT_GIVEN, false, true, 0, ACCESS_VIA_TRUSTED},
        {"nothing", ACCESS_NOT_GIVEN, ACCESS_NOT_GIVEN, false, false, 401, ACCESS_VIA_NOBODY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        struct scene scene;
        scene_init(&scene);
        scene.request.bearer = rows[i].bearer;
        scene.request.bearer_role = API_ROLE_VIEWER;
        scene.request.bearer_scopes = API_SCOPE_READ;
        scene.request.session = rows[i].session;
        scene.request.session_role = API_ROLE_VIEWER;
        scene.request.unix_socket = rows[i].unix_socket;
        scene.request.peer_allowed = rows[i].unix_socket;
        scene.request.peer = address(rows[i].trusted ? "10.1.2.3" : "198.51.100.7");
        const struct access_decision decision = decide(&scene);
        assert_int_equal(decision.status, rows[i].status);
        assert_int_equal(decision.via, rows[i].via);
    }
}

TEST(a_session_with_a_low_role_is_not_raised_by_the_network_it_comes_from) {
    struct scene scene;
    scene_init(&scene);
    scene.request.peer = address("127.0.0.1");
    give_session(&scene, API_ROLE_VIEWER);
    scene.request.role_needed = API_ROLE_OPERATOR;
    assert_int_equal(decide(&scene).status, 403);
}

TEST(a_user_who_may_not_use_the_socket_is_refused_whatever_the_headers_say) {
    struct scene scene;
    scene_init(&scene);
    scene.request.unix_socket = true;
    scene.request.peer = (struct ip_address){0};
    assert_int_equal(decide(&scene).status, 403);
    scene.request.peer = address("127.0.0.1");
    assert_int_equal(decide(&scene).status, 403);
    scene.request.peer_allowed = true;
    scene.request.role_needed = API_ROLE_ADMIN;
    scene.request.scope_needed = API_SCOPE_USERS;
    scene.request.changes_state = true;
    const struct access_decision decision = decide(&scene);
    assert_int_equal(decision.status, 0);
    assert_int_equal(decision.role, API_ROLE_ADMIN);
}

/* --- CSRF --- */

struct csrf_row {
    const char *label;
    const char *origin;
    const char *sec_fetch_site;
    bool csrf_right;
    unsigned read;   /* status of a GET */
    unsigned change; /* status of a POST */
};

TEST(a_change_with_a_cookie_needs_our_own_page_and_the_sessions_token) {
    static const struct csrf_row rows[] = {
        {"curl with the token", "", "", true, 0, 0},
        {"curl without", "", "", false, 0, 403},
        {"our page", "http://mail.example.org:8880", "same-origin", true, 0, 0},
        {"our page over https by a proxy", "https://mail.example.org:8880", "same-origin", true, 0,
         0},
        {"our page, wrong token", "http://mail.example.org:8880", "same-origin", false, 0, 403},
        {"typed in", "", "none", true, 0, 0},
        {"other site", "https://evil.example", "cross-site", true, 0, 403},
        {"other site, no Sec-Fetch-Site", "https://evil.example", "", true, 0, 403},
        {"other site, no Origin", "", "cross-site", true, 0, 403},
        {"a sibling name", "https://www.example.org", "same-site", true, 0, 403},
        {"same-site alone", "", "same-site", true, 0, 403},
        {"another port", "http://mail.example.org:9999", "", true, 0, 403},
        {"no port", "http://mail.example.org", "", true, 0, 403},
        {"sandboxed", "null", "", true, 0, 403},
        {"our name as a prefix", "http://mail.example.org:8880.evil.example", "", true, 0, 403},
        {"our name as a user", "http://mail.example.org:8880@evil.example", "", true, 0, 403},
        {"no scheme", "mail.example.org:8880", "", true, 0, 403},
        {"another scheme", "chrome-extension://mail.example.org:8880", "", true, 0, 403},
        {"a word we do not know", "", "same-origin-ish", true, 0, 403},
        {"capitals of our name", "http://MAIL.example.org:8880", "", true, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        struct scene scene;
        scene_init(&scene);
        give_session(&scene, API_ROLE_ADMIN);
        scene.request.origin = str_from(rows[i].origin);
        scene.request.sec_fetch_site = str_from(rows[i].sec_fetch_site);
        scene.request.csrf_right = rows[i].csrf_right;
        assert_int_equal(decide(&scene).status, rows[i].read);
        scene.request.changes_state = true;
        assert_int_equal(decide(&scene).status, rows[i].change);
    }
}

TEST(a_token_needs_no_csrf_token_and_no_origin) {
    struct scene scene;
    scene_init(&scene);
    give_token(&scene, API_ROLE_ADMIN, API_SCOPES_ALL);
    scene.request.changes_state = true;
    scene.request.origin = STR("https://elsewhere.example");
    scene.request.sec_fetch_site = STR("cross-site");
    assert_int_equal(decide(&scene).status, 0);
}

TEST(a_page_elsewhere_cannot_log_somebody_into_its_own_account) {
    struct scene scene;
    scene_init(&scene);
    scene.request.role_needed = API_ROLE_NONE;
    scene.request.scope_needed = 0;
    scene.request.changes_state = true;
    assert_int_equal(decide(&scene).status, 0);
    scene.request.origin = STR("http://mail.example.org:8880");
    assert_int_equal(decide(&scene).status, 0);
    scene.request.origin = STR("https://evil.example");
    assert_int_equal(decide(&scene).status, 403);
    scene.request.origin = STR("");
    scene.request.sec_fetch_site = STR("cross-site");
    assert_int_equal(decide(&scene).status, 403);
}

TEST(a_login_with_an_old_cookie_needs_no_csrf_token) {
    struct scene scene;
    scene_init(&scene);
    give_session(&scene, API_ROLE_VIEWER);
    scene.request.csrf_right = false;
    scene.request.role_needed = API_ROLE_NONE;
    scene.request.scope_needed = 0;
    scene.request.changes_state = true;
    assert_int_equal(decide(&scene).status, 0);
}

TEST(over_tls_a_page_that_came_unprotected_is_a_stranger) {
    struct scene scene;
    scene_init(&scene);
    give_session(&scene, API_ROLE_ADMIN);
    scene.request.tls = true;
    scene.request.changes_state = true;
    scene.request.origin = STR("https://mail.example.org:8880");
    assert_int_equal(decide(&scene).status, 0);
    scene.request.origin = STR("http://mail.example.org:8880");
    assert_int_equal(decide(&scene).status, 403);
    /* The same behind a proxy that tells so; and a stranger who only says that he is one. */
    scene.request.tls = false;
    scene.request.forwarded = true;
    scene.request.forwarded_proto = STR("https");
    assert_int_equal(decide(&scene).status, 0);
    scene.request.peer = address("192.0.2.80");
    assert_int_equal(decide(&scene).status, 403);
}

/* --- trusted networks --- */

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
        scene.request.peer = address(rows[i].peer);
        scene.request.host = str_from(rows[i].host);
        scene.request.origin = str_from(rows[i].origin);
        scene.request.sec_fetch_site = str_from(rows[i].sec_fetch_site);
        scene.request.forwarded = rows[i].forwarded;
        const struct access_decision decision = decide(&scene);
        assert_int_equal(decision.status, rows[i].status);
        assert_int_equal(decision.via,
                         rows[i].status == 0 ? ACCESS_VIA_TRUSTED : ACCESS_VIA_NOBODY);
        /* A change is never easier than reading; from elsewhere it is refused for that. */
        scene.request.changes_state = true;
        const unsigned change = decide(&scene).status;
        assert_true(rows[i].status == 0 ? change == 0 : change == 401 || change == 403);
    }
}

TEST(by_default_no_network_is_trusted) {
    static const char *const peers[] = {"127.0.0.1", "::1", "10.1.0.1", "198.51.100.7"};
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
        struct scene scene;
        scene_init(&scene);
        scene.policy = (struct access_policy){0};
        scene.request.peer = address(peers[i]);
        scene.request.host = STR("127.0.0.1:8880");
        assert_int_equal(decide(&scene).status, 401);
    }
}

TEST(a_trusted_network_makes_no_access_that_outlasts_it) {
    for (unsigned i = 0; i < API_SCOPES_COUNT; i++) {
        const unsigned scope = 1U << i;
        test_case(api_scope_name((enum api_scope)scope));
        struct scene scene;
        scene_init(&scene);
        scene.request.peer = address("127.0.0.1");
        scene.request.host = STR("localhost");
        scene.request.role_needed = API_ROLE_ADMIN;
        scene.request.scope_needed = scope;
        scene.request.changes_state = true;
        const bool lasting = scope == API_SCOPE_USERS || scope == API_SCOPE_TOKENS;
        assert_int_equal(decide(&scene).status, lasting ? 403 : 0);
    }
}

TEST(why_a_trusted_network_does_not_count_is_said) {
    struct scene scene;
    scene_init(&scene);
    scene.request.peer = address("127.0.0.1");
    scene.request.host = STR("evil.example");
    assert_non_null(strstr(decide(&scene).sentence, "api.host_names"));
    scene.request.host = STR("localhost");
    scene.request.forwarded = true;
    assert_non_null(strstr(decide(&scene).sentence, "proxy"));
    scene.request.forwarded = false;
    scene.request.sec_fetch_site = STR("cross-site");
    assert_non_null(strstr(decide(&scene).sentence, "another origin"));
}

/* --- proxies --- */

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
        ip_address_format(access_client_address(&scene.policy, address(rows[i].peer),
                                                str_from(rows[i].forwarded_for)),
                          &out);
        assert_string_equal(text_zero(&out), rows[i].client);
    }
}

TEST(a_client_behind_a_proxy_is_never_trusted_for_its_address) {
    struct scene scene;
    scene_init(&scene);
    scene.request.peer = address("192.0.2.80");
    scene.request.forwarded = true;
    scene.request.forwarded_for = STR("10.1.0.1");
    assert_int_equal(decide(&scene).status, 401);
    scene.trusted[2] = prefix("192.0.2.80");
    assert_int_equal(decide(&scene).status, 401);
}

/* --- TLS --- */

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
        give_session(&scene, API_ROLE_ADMIN);
        scene.request.unix_socket = rows[i].unix_socket;
        scene.request.peer_allowed = rows[i].unix_socket;
        scene.request.tls = rows[i].tls;
        scene.request.peer = address(rows[i].peer);
        scene.request.forwarded_proto = str_from(rows[i].proto);
        assert_int_equal(access_secure(&scene.policy, &scene.request), rows[i].secure);
        assert_int_equal(decide(&scene).status, 0);
        scene.policy.require_tls = true;
        assert_int_equal(decide(&scene).status, rows[i].secure ? 0 : 403);
        scene.request.role_needed = API_ROLE_NONE; /* a login, too, would show its password */
        scene.request.changes_state = true;
        assert_int_equal(decide(&scene).status, rows[i].secure ? 0 : 403);
        scene.request.changes_state = false; /* GET /health */
        assert_int_equal(decide(&scene).status, 0);
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
        give_session(&scene, API_ROLE_ADMIN);
        scene.policy.require_tls = true;
        scene.request.peer = address(rows[i].peer);
        scene.request.forwarded = rows[i].forwarded;
        assert_int_equal(decide(&scene).status, rows[i].status);
    }
}

TEST(require_tls_refuses_a_token_over_plain_http_even_where_none_is_needed) {
    struct scene scene;
    scene_init(&scene);
    scene.policy.require_tls = true;
    scene.request.role_needed = API_ROLE_NONE;
    scene.request.scope_needed = 0;
    assert_int_equal(decide(&scene).status, 0);
    give_token(&scene, API_ROLE_VIEWER, API_SCOPE_READ);
    assert_int_equal(decide(&scene).status, 403);
}

/* --- passwords to be changed --- */

TEST(who_must_change_the_password_may_do_nothing_else) {
    struct scene scene;
    scene_init(&scene);
    give_session(&scene, API_ROLE_ADMIN);
    scene.request.must_change_password = true;
    struct access_decision decision = decide(&scene);
    assert_int_equal(decision.status, 403);
    assert_true(decision.must_change_password);
    scene.request.for_changing_password = true;
    decision = decide(&scene);
    assert_int_equal(decision.status, 0);
    assert_false(decision.must_change_password);
    /* The way out is no way around the token of the session. */
    scene.request.changes_state = true;
    scene.request.csrf_right = false;
    assert_int_equal(decide(&scene).status, 403);
}
