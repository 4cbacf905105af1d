/* SPDX-License-Identifier: Apache-2.0 */
#include "api/access_fixture.h"

/* Changes that a page elsewhere would have a browser make. */

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
        scene_give_session(&scene, API_ROLE_ADMIN);
        scene.request.origin = str_from(rows[i].origin);
        scene.request.sec_fetch_site = str_from(rows[i].sec_fetch_site);
        scene.request.csrf_right = rows[i].csrf_right;
        assert_int_equal(scene_decide(&scene).status, rows[i].read);
        scene.request.changes_state = true;
        assert_int_equal(scene_decide(&scene).status, rows[i].change);
    }
}

TEST(a_token_needs_no_csrf_token_and_no_origin) {
    struct scene scene;
    scene_init(&scene);
    scene_give_token(&scene, API_ROLE_ADMIN, API_SCOPES_ALL);
    scene.request.changes_state = true;
    scene.request.origin = STR("https://elsewhere.example");
    scene.request.sec_fetch_site = STR("cross-site");
    assert_int_equal(scene_decide(&scene).status, 0);
}

TEST(a_page_elsewhere_cannot_log_somebody_into_its_own_account) {
    struct scene scene;
    scene_init(&scene);
    scene.request.role_needed = API_ROLE_NONE;
    scene.request.scope_needed = 0;
    scene.request.changes_state = true;
    assert_int_equal(scene_decide(&scene).status, 0);
    scene.request.origin = STR("http://mail.example.org:8880");
    assert_int_equal(scene_decide(&scene).status, 0);
    scene.request.origin = STR("https://evil.example");
    assert_int_equal(scene_decide(&scene).status, 403);
    scene.request.origin = STR("");
    scene.request.sec_fetch_site = STR("cross-site");
    assert_int_equal(scene_decide(&scene).status, 403);
}

TEST(a_login_with_an_old_cookie_needs_no_csrf_token) {
    struct scene scene;
    scene_init(&scene);
    scene_give_session(&scene, API_ROLE_VIEWER);
    scene.request.csrf_right = false;
    scene.request.role_needed = API_ROLE_NONE;
    scene.request.scope_needed = 0;
    scene.request.changes_state = true;
    assert_int_equal(scene_decide(&scene).status, 0);
}

TEST(over_tls_a_page_that_came_unprotected_is_a_stranger) {
    struct scene scene;
    scene_init(&scene);
    scene_give_session(&scene, API_ROLE_ADMIN);
    scene.request.tls = true;
    scene.request.changes_state = true;
    scene.request.origin = STR("https://mail.example.org:8880");
    assert_int_equal(scene_decide(&scene).status, 0);
    scene.request.origin = STR("http://mail.example.org:8880");
    assert_int_equal(scene_decide(&scene).status, 403);
    /* The same behind a proxy that tells so; and a stranger who only says that he is one. */
    scene.request.tls = false;
    scene.request.forwarded = true;
    scene.request.forwarded_proto = STR("https");
    assert_int_equal(scene_decide(&scene).status, 0);
    scene.request.peer = scene_address("192.0.2.80");
    assert_int_equal(scene_decide(&scene).status, 403);
}
