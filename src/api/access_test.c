/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "api/access_fixture.h"

/* Who may do what: roles, scopes, and which of several credentials counts. Each table says one
 * thing that must be exact; its rows differ in as little as they can. */

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
                    scene_give_token(&scene, (enum api_role)has, API_SCOPES_ALL);
                } else {
                    scene_give_session(&scene, (enum api_role)has);
                }
                const struct access_decision decision = scene_decide(&scene);
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
        const struct access_decision decision = scene_decide(&scene);
        assert_int_equal(decision.status, needs == API_ROLE_NONE ? 0 : 401);
        assert_int_equal(decision.via, ACCESS_VIA_NOBODY);
        assert_int_equal(decision.role, API_ROLE_NONE);
        assert_int_equal(decision.scopes, 0);
    }
}

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
                scene_give_token(&scene, (enum api_role)role, 1U << has);
                scene.request.role_needed = API_ROLE_OPERATOR;
                scene.request.scope_needed = 1U << needs;
                const bool may = has == needs && role >= API_ROLE_OPERATOR;
                assert_int_equal(scene_decide(&scene).status, may ? 0 : 403);
            }
        }
    }
}

TEST(a_token_with_all_scopes_but_one_lacks_that_one_and_is_told_its_name) {
    for (unsigned missing = 0; missing < API_SCOPES_COUNT; missing++) {
        struct scene scene;
        scene_init(&scene);
        scene_give_token(&scene, API_ROLE_ADMIN, API_SCOPES_ALL & ~(1U << missing));
        scene.request.scope_needed = 1U << missing;
        const struct access_decision decision = scene_decide(&scene);
        assert_int_equal(decision.status, 403);
        assert_non_null(strstr(decision.sentence, api_scope_name((enum api_scope)(1U << missing))));
    }
}

TEST(a_token_without_scopes_may_call_what_needs_none) {
    struct scene scene;
    scene_init(&scene);
    scene_give_token(&scene, API_ROLE_VIEWER, 0);
    scene.request.scope_needed = 0;
    assert_int_equal(scene_decide(&scene).status, 0);
}

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
        scene.request.peer = scene_address(rows[i].trusted ? "10.1.2.3" : "198.51.100.7");
        const struct access_decision decision = scene_decide(&scene);
        assert_int_equal(decision.status, rows[i].status);
        assert_int_equal(decision.via, rows[i].via);
    }
}

TEST(a_session_with_a_low_role_is_not_raised_by_the_network_it_comes_from) {
    struct scene scene;
    scene_init(&scene);
    scene.request.peer = scene_address("127.0.0.1");
    scene_give_session(&scene, API_ROLE_VIEWER);
    scene.request.role_needed = API_ROLE_OPERATOR;
    assert_int_equal(scene_decide(&scene).status, 403);
}

TEST(a_user_who_may_not_use_the_socket_is_refused_whatever_the_headers_say) {
    struct scene scene;
    scene_init(&scene);
    scene.request.unix_socket = true;
    scene.request.peer = (struct ip_address){0};
    assert_int_equal(scene_decide(&scene).status, 403);
    scene.request.peer = scene_address("127.0.0.1");
    assert_int_equal(scene_decide(&scene).status, 403);
    scene.request.peer_allowed = true;
    scene.request.role_needed = API_ROLE_ADMIN;
    scene.request.scope_needed = API_SCOPE_USERS;
    scene.request.changes_state = true;
    const struct access_decision decision = scene_decide(&scene);
    assert_int_equal(decision.status, 0);
    assert_int_equal(decision.role, API_ROLE_ADMIN);
}

TEST(who_must_change_the_password_may_do_nothing_else) {
    struct scene scene;
    scene_init(&scene);
    scene_give_session(&scene, API_ROLE_ADMIN);
    scene.request.must_change_password = true;
    struct access_decision decision = scene_decide(&scene);
    assert_int_equal(decision.status, 403);
    assert_true(decision.must_change_password);
    scene.request.for_changing_password = true;
    decision = scene_decide(&scene);
    assert_int_equal(decision.status, 0);
    assert_false(decision.must_change_password);
    /* The way out is no way around the token of the session. */
    scene.request.changes_state = true;
    scene.request.csrf_right = false;
    assert_int_equal(scene_decide(&scene).status, 403);
}
