/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/restriction_list.h"

#include <stdio.h>
#include <string.h>

#include "testing/test.h"

#define HOOK "check_policy_service { inet:127.0.0.1:10035, timeout=10s, default_action=DUNNO }"

static const struct str ours[] = {{"inet:127.0.0.1:10035", 20}, {"unix:seczim/policy.sock", 23}};

static struct restriction_list parse(const char *text) {
    struct restriction_list list;
    const char *problem = restriction_list_parse(str_from(text), &list);
    if (problem != NULL) {
        fail_msg("%s: %s", text, problem);
    }
    return list;
}

static void assert_text(struct str got, const char *expected) {
    if (!str_equal(got, str_from(expected))) {
        fail_msg("got \"%.*s\", expected \"%s\"", STR_ARGS(got), expected);
    }
}

TEST(elements_stand_apart_by_commas_blanks_and_continuation_lines) {
    const struct restriction_list list =
        parse(" permit_mynetworks,permit_sasl_authenticated\n\t reject_unauth_destination , ,\n"
              "# a comment, with words\n   #another\n    check_recipient_access hash:/etc/x\n");
    assert_int_equal(list.count, 4);
    assert_text(list.elements[0].name, "permit_mynetworks");
    assert_text(list.elements[1].name, "permit_sasl_authenticated");
    assert_text(list.elements[2].name, "reject_unauth_destination");
    assert_text(list.elements[3].name, "check_recipient_access");
    assert_text(list.elements[3].parameter, "hash:/etc/x");
    assert_text(str_slice(list.text, list.elements[3].start, list.elements[3].end),
                "check_recipient_access hash:/etc/x");
}

TEST(braces_hold_words_together) {
    const struct restriction_list list =
        parse("check_policy_service { inet:h:1, { default_action = DUNNO }, timeout=3s },permit");
    assert_int_equal(list.count, 2);
    assert_text(restriction_endpoint(&list.elements[0]), "inet:h:1");
    assert_text(restriction_option(&list.elements[0], STR("default_action")), "DUNNO");
    assert_text(restriction_option(&list.elements[0], STR("timeout")), "3s");
    assert_int_equal(restriction_option(&list.elements[0], STR("policy_context")).length, 0);
    assert_int_equal(list.elements[1].kind, RESTRICTION_PERMITS_ALL);
}

TEST(elements_are_told_by_what_they_can_do) {
    static const struct {
        const char *text;
        enum restriction_kind kind;
    } rows[] = {
        {"reject_unauth_destination", RESTRICTION_RELAY_CONTROL},
        {"Defer_Unauth_Destination", RESTRICTION_RELAY_CONTROL},
        {"reject", RESTRICTION_CLOSES},
        {"permit", RESTRICTION_PERMITS_ALL},
        {"permit_mynetworks", RESTRICTION_PERMITS_TRUSTED},
        {"PERMIT_SASL_AUTHENTICATED", RESTRICTION_PERMITS_TRUSTED},
        {"permit_auth_destination", RESTRICTION_PERMITS_DESTINATION},
        {"permit_tls_all_clientcerts", RESTRICTION_MAY_PERMIT},
        {"check_sender_mx_access cidr:/x", RESTRICTION_MAY_PERMIT},
        {"permit_dnswl_client list.dnswl.org", RESTRICTION_MAY_PERMIT},
        {"hash:/etc/postfix/access", RESTRICTION_MAY_PERMIT},
        {"own_class", RESTRICTION_MAY_PERMIT},
        {"reject_rbl_client zen.spamhaus.org", RESTRICTION_OTHER},
        {"reject_something_of_a_later_version", RESTRICTION_OTHER},
        {"check_policy_service unix:private/policyd-spf", RESTRICTION_POLICY_SERVICE},
        {"$mua_recipient_restrictions", RESTRICTION_REFERENCE},
        {"${mua?{permit}:{reject}}", RESTRICTION_REFERENCE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].text);
        const struct restriction_list list = parse(rows[i].text);
        assert_int_equal(list.count, 1);
        assert_int_equal(list.elements[0].kind, rows[i].kind);
        assert_int_equal(list.elements[0].end, strlen(rows[i].text));
    }
}

TEST(warn_if_reject_belongs_to_what_follows_it) {
    const struct restriction_list list = parse("warn_if_reject reject_unauth_destination, permit");
    assert_int_equal(list.count, 2);
    assert_true(list.elements[0].warn_only);
    assert_int_equal(list.elements[0].start, 0);
    assert_false(list.elements[1].warn_only);
}

TEST(what_cannot_be_read_is_said) {
    static const char *const rows[][2] = {
        {"permit_mynetworks, { inet:1", "never closed"},
        {"check_policy_service", "needs a word after it"},
        {"permit_mynetworks, reject_rbl_client ,", "needs a word after it"},
        {"reject, warn_if_reject", "needs a restriction after it"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct restriction_list list;
        const char *problem = restriction_list_parse(str_from(rows[i][0]), &list);
        test_case(rows[i][0]);
        assert_non_null(problem);
        assert_non_null(strstr(problem, rows[i][1]));
    }
}

TEST(a_list_at_the_limit_is_read_and_one_more_is_not) {
    char text[2 * (RESTRICTIONS_MAX + 1) + 1] = "";
    for (size_t i = 0; i <= RESTRICTIONS_MAX; i++) {
        memcpy(text + 2 * i, "a,", 3);
    }
    struct restriction_list list;
    const char *problem = restriction_list_parse(str_from(text), &list);
    assert_non_null(strstr(problem, "more than the 128 elements"));
    text[(size_t)2 * RESTRICTIONS_MAX] = '\0';
    assert_null(restriction_list_parse(str_from(text), &list));
    assert_int_equal(list.count, RESTRICTIONS_MAX);
}

TEST(our_element_is_found_in_every_spelling) {
    static const char *const rows[] = {
        HOOK,
        "check_policy_service inet:127.0.0.1:10035",
        "check_policy_service,{inet:127.0.0.1:10035,timeout=10s}",
        "CHECK_POLICY_SERVICE inet:localhost:10035",
        "check_policy_service inet:[::1]:10035",
        "check_policy_service inet:10035",
        "check_policy_service { unix:seczim/policy.sock }",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, "reject_unauth_pipelining, %s, permit", rows[i]);
        test_case(rows[i]);
        const struct restriction_list list = parse(text);
        assert_int_equal(restriction_list_find(&list, 0, ours, 2), 1);
        assert_int_equal(restriction_list_find(&list, 2, ours, 2), SIZE_MAX);
    }
    const struct restriction_list others =
        parse("check_policy_service inet:127.0.0.1:10023, check_policy_service "
              "inet:192.0.2.1:10035, check_policy_service unix:private/policyd-spf, "
              "check_recipient_access inet:127.0.0.1:10035");
    assert_int_equal(restriction_list_find(&others, 0, ours, 2), SIZE_MAX);
}

TEST(the_element_is_written_with_its_options) {
    char buffer[RESTRICTION_ELEMENT_MAX];
    struct text out = TEXT_OVER(buffer);
    restriction_format(ours[0], RESTRICTION_SPACED, &out);
    assert_text(text_str(&out), HOOK);
    out.length = 0;
    restriction_format(ours[0], RESTRICTION_COMPACT, &out);
    assert_text(text_str(&out),
                "check_policy_service,{inet:127.0.0.1:10035,timeout=10s,default_action=DUNNO}");
}

TEST(an_insertion_keeps_the_shape_of_the_list_and_is_undone_to_the_byte) {
    static const struct {
        const char *before;
        size_t index;
        const char *after;
    } rows[] = {
        {" permit_mynetworks, reject", 0, " X, permit_mynetworks, reject"},
        {" permit_mynetworks reject", 1, " permit_mynetworks X, reject"},
        {" a, b", 2, " a, b, X"},
        {"", 0, " X"},
        {"\n    a,\n    b\n", 1, "\n    a,\n    X,\n    b\n"},
        {"\n    a,\n    b\n", 0, "\n    X,\n    a,\n    b\n"},
        {" a\n\tb", 2, " a\n\tb,\n\tX"},
        {"\n  a,\n# why b\n  b # not a comment\n", 1,
         "\n  a,\n# why b\n  X,\n  b # not a comment\n"},
        {" reject_unauth_destination\n  check_policy_service inet:127.0.0.1:10023", 1,
         " reject_unauth_destination\n  X,\n  check_policy_service inet:127.0.0.1:10023"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char buffer[1024];
        struct text out = TEXT_OVER(buffer);
        test_case(rows[i].before);
        struct restriction_list list = parse(rows[i].before);
        restriction_list_insert(&list, rows[i].index, STR("X"), RESTRICTION_SPACED, &out);
        assert_text(text_str(&out), rows[i].after);
        list = parse(text_zero(&out));
        char again[1024];
        struct text undone = TEXT_OVER(again);
        restriction_list_remove(&list, rows[i].index, &undone);
        assert_text(text_str(&undone), rows[i].before);
    }
}

TEST(a_compact_list_gets_no_blank) {
    char buffer[256];
    struct text out = TEXT_OVER(buffer);
    const struct restriction_list list = parse("permit_sasl_authenticated,reject");
    restriction_list_insert(&list, 0, STR("X"), RESTRICTION_COMPACT, &out);
    assert_text(text_str(&out), "X,permit_sasl_authenticated,reject");
    out.length = 0;
    restriction_list_insert(&list, 2, STR("X"), RESTRICTION_COMPACT, &out);
    assert_text(text_str(&out), "permit_sasl_authenticated,reject,X");
}

TEST(removing_the_last_element_keeps_the_comment_before_it) {
    char buffer[256];
    struct text out = TEXT_OVER(buffer);
    const struct restriction_list list = parse("\n  a,\n# kept\n  X\n");
    restriction_list_remove(&list, 1, &out);
    assert_text(text_str(&out), "\n  a,\n# kept\n");
}

TEST(the_place_follows_relay_control) {
    static const char modern[] =
        "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination";
    static const struct {
        const char *relay, *recipient;
        bool possible, unseen;
        size_t index;
    } rows[] = {
        {modern, "", true, false, 0},
        {modern, "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination", true,
         false, 0},
        {modern, "reject_non_fqdn_recipient, permit_mynetworks, reject_rbl_client x.example", true,
         false, 1},
        {modern, "reject_unauth_pipelining, check_client_access hash:x, permit_mynetworks", true,
         false, 1},
        {modern, "reject_unauth_destination, check_policy_service inet:127.0.0.1:10023", true,
         false, 2},
        {modern, "reject_non_fqdn_sender, $checks", true, false, 1},
        {modern, "reject_non_fqdn_sender, reject", true, false, 1},
        {"",
         "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination, reject_rbl_"
         "client x.example",
         true, true, 3},
        {"", "reject_unauth_destination", true, false, 1},
        {"", "permit_sasl_authenticated,reject", true, false, 0},
        {"permit", "permit_sasl_authenticated, reject", true, false, 0},
        {"", "permit_mynetworks, warn_if_reject reject_unauth_destination", false, false, 0},
        {"", "permit_mynetworks", false, false, 0},
        {"", "", false, false, 0},
        {"permit, reject_unauth_destination", "permit_mynetworks", false, false, 0},
        {"permit, reject", "permit_mynetworks, reject_unauth_destination", true, true, 2},
        {"warn_if_reject reject", "reject_unauth_destination", true, false, 1},
        {"check_client_access hash:x, reject_unauth_destination", "permit_mynetworks", true, false,
         0},
        {"", "permit, reject_unauth_destination", false, false, 0},
        {"", "permit_mynetworks, reject, reject_unauth_destination", true, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].recipient);
        const struct restriction_list relay = parse(rows[i].relay);
        const struct restriction_list recipient = parse(rows[i].recipient);
        const struct restriction_place place = restriction_place_find(&relay, &recipient);
        assert_int_equal(place.possible, rows[i].possible);
        assert_int_equal(place.outbound_unseen, rows[i].unseen);
        assert_int_equal(place.index, rows[i].index);
        assert_true(strlen(place.reason) > 20);
        if (place.possible && !place.outbound_unseen) {
            assert_true(restriction_sees_outbound(&recipient, place.index));
        }
    }
}

TEST(relay_control_behind_an_element_for_everybody_is_none) {
    static const struct {
        const char *text;
        bool closes;
        size_t control;
    } rows[] = {
        {"permit_mynetworks, reject_unauth_destination", true, 1},
        {"permit, reject_unauth_destination", false, SIZE_MAX},
        {"warn_if_reject permit, reject_unauth_destination", false, SIZE_MAX},
        {"reject, reject_unauth_destination", true, SIZE_MAX},
        {"warn_if_reject reject, reject_unauth_destination", true, 1},
        {"check_client_access hash:x, defer_unauth_destination", true, 1},
        {"permit_mynetworks", false, SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].text);
        const struct restriction_list list = parse(rows[i].text);
        assert_int_equal(restriction_list_closes(&list), rows[i].closes);
        assert_int_equal(restriction_relay_control(&list), rows[i].control);
    }
}

TEST(an_open_relay_is_told_from_one_that_depends_and_from_a_closed_one) {
    static const struct {
        const char *relay, *recipient;
        enum relay_answer answer;
        const char *element;
    } rows[] = {
        {"permit_mynetworks, defer_unauth_destination", "", RELAY_CLOSED, ""},
        {"permit_mynetworks, defer_unauth_destination", "permit", RELAY_CLOSED, ""},
        {"", "permit_mynetworks, reject_unauth_destination", RELAY_CLOSED, ""},
        {"", HOOK ", permit_sasl_authenticated, reject", RELAY_CLOSED, ""},
        {"", "", RELAY_OPEN, ""},
        {"permit_mynetworks", "permit_mynetworks", RELAY_OPEN, ""},
        {"permit", "permit_mynetworks, permit, reject_unauth_destination", RELAY_OPEN, ""},
        {"warn_if_reject reject_unauth_destination", "", RELAY_OPEN, ""},
        {"", "check_client_access hash:x, reject_unauth_destination", RELAY_DEPENDS,
         "check_client_access hash:x"},
        {"", "check_policy_service inet:127.0.0.1:10023, reject", RELAY_DEPENDS,
         "check_policy_service inet:127.0.0.1:10023"},
        {"check_client_access hash:x, reject_unauth_destination", "reject_unauth_destination",
         RELAY_CLOSED, ""},
        {"check_client_access hash:x, reject_unauth_destination", "permit_mynetworks",
         RELAY_DEPENDS, "check_client_access hash:x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str element;
        test_case(rows[i].recipient);
        const struct restriction_list relay = parse(rows[i].relay);
        const struct restriction_list recipient = parse(rows[i].recipient);
        assert_int_equal(restriction_relay_answer(&relay, &recipient, ours, 2, &element),
                         rows[i].answer);
        assert_text(element, rows[i].element);
    }
}
