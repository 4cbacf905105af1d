/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_place.h"

#include <stdio.h>
#include <string.h>

#include "testing/test.h"

#define HOOK       "check_policy_service { inet:127.0.0.1:10035, timeout=10s, default_action=DUNNO }"
#define SHORT_HOOK "check_policy_service,{inet:127.0.0.1:10035,timeout=10s,default_action=DUNNO}"
#define CBPOLICYD                                                                                  \
    "%%contains VAR:zimbraServiceEnabled cbpolicyd^ check_policy_service "                         \
    "inet:localhost:%%zimbraCBPolicydBindPort%%%%\n"

static const struct str ours = {"inet:127.0.0.1:10035", 20};
static char written[ZIMBRA_FILE_ROOM];

static const char *add(enum zimbra_place place, const char *text) {
    struct text out = {.data = written, .size = sizeof written - 1};
    zimbra_place_add(place, str_from(text), ours, &out);
    assert_false(out.truncated);
    return text_zero(&out);
}

static const char *take_away(enum zimbra_place place, const char *text) {
    static char room[ZIMBRA_FILE_ROOM];
    struct text out = {.data = room, .size = sizeof room - 1};
    zimbra_place_remove(place, str_from(text), ours, &out);
    assert_false(out.truncated);
    return text_zero(&out);
}

static struct zimbra_look look(enum zimbra_place place, const char *text) {
    return zimbra_place_look(place, str_from(text), ours);
}

/* Where it goes, that it is found there, that a second time changes nothing, that it goes again. */
static void assert_adds(enum zimbra_place place, const char *before, const char *after) {
    assert_int_equal(look(place, before).presence, ZIMBRA_ABSENT);
    assert_string_equal(add(place, before), after);
    assert_int_equal(look(place, after).presence, ZIMBRA_PRESENT);
    assert_string_equal(add(place, after), after);
    assert_string_equal(take_away(place, after), before);
    assert_string_equal(take_away(place, before), before);
}

TEST(recipients_are_seen_behind_cbpolicyd_and_before_all_that_permits) {
    assert_adds(
        ZIMBRA_RECIPIENT,
        "%%contains VAR:zimbraMtaRestriction check_client_access lmdb:/opt/x%%\n" CBPOLICYD
        "reject_non_fqdn_recipient\npermit_sasl_authenticated\npermit_mynetworks\npermit\n",
        "%%contains VAR:zimbraMtaRestriction check_client_access lmdb:/opt/x%%\n" CBPOLICYD HOOK
        "\nreject_non_fqdn_recipient\npermit_sasl_authenticated\n"
        "permit_mynetworks\npermit\n");
}

TEST(without_cbpolicyd_the_slot_is_before_the_first_line_that_permits) {
    assert_adds(ZIMBRA_RECIPIENT, "reject_non_fqdn_recipient\npermit_mynetworks\npermit",
                "reject_non_fqdn_recipient\n" HOOK "\npermit_mynetworks\npermit");
    assert_adds(ZIMBRA_RECIPIENT, "permit_mynetworks, reject_sender_login_mismatch\n" CBPOLICYD,
                HOOK "\npermit_mynetworks, reject_sender_login_mismatch\n" CBPOLICYD);
    assert_adds(ZIMBRA_RECIPIENT, "%%exact VAR:zimbraX permit_mynetworks%%\nreject\n",
                HOOK "\n%%exact VAR:zimbraX permit_mynetworks%%\nreject\n");
}

TEST(a_hook_in_the_wrong_place_moves_to_the_right_one) {
    const char *late = "permit_mynetworks\n" HOOK "\npermit\n";
    assert_int_equal(look(ZIMBRA_RECIPIENT, late).presence, ZIMBRA_MISPLACED);
    assert_string_equal(add(ZIMBRA_RECIPIENT, late), HOOK "\npermit_mynetworks\npermit\n");
    const char *same_line = "permit_mynetworks, " HOOK "\npermit\n";
    assert_int_equal(look(ZIMBRA_RECIPIENT, same_line).presence, ZIMBRA_MISPLACED);
    assert_string_equal(add(ZIMBRA_RECIPIENT, same_line), HOOK "\npermit_mynetworks\npermit\n");
}

TEST(a_hook_written_by_hand_without_braces_gets_its_default_action) {
    const char *bare = "check_policy_service inet:localhost:10035\npermit_mynetworks\n";
    assert_int_equal(look(ZIMBRA_RECIPIENT, bare).presence, ZIMBRA_MISPLACED);
    assert_string_equal(add(ZIMBRA_RECIPIENT, bare), HOOK "\npermit_mynetworks\n");
    assert_string_equal(take_away(ZIMBRA_RECIPIENT, bare), "permit_mynetworks\n");
}

TEST(a_template_that_is_not_zimbras_stays_as_it_is) {
    const char *strange = "reject_unauth_destination\ncheck_client_access lmdb:/x\n";
    const struct zimbra_look found = look(ZIMBRA_RECIPIENT, strange);
    assert_int_equal(found.presence, ZIMBRA_UNKNOWN);
    assert_non_null(strstr(found.reason, "permit_mynetworks"));
    assert_string_equal(add(ZIMBRA_RECIPIENT, strange), strange);
}

TEST(another_policy_service_is_not_ours) {
    const char *other = "check_policy_service { inet:127.0.0.1:10031, timeout=3s }\npermit\n";
    assert_string_equal(take_away(ZIMBRA_RECIPIENT, other), other);
    assert_adds(ZIMBRA_RECIPIENT, other,
                "check_policy_service { inet:127.0.0.1:10031, timeout=3s }\n" HOOK "\npermit\n");
}

TEST(the_end_of_data_template_has_the_hook_first) {
    assert_adds(ZIMBRA_END_OF_DATA, "check_policy_service inet:localhost:%%port%%\n",
                HOOK "\ncheck_policy_service inet:localhost:%%port%%\n");
    assert_adds(ZIMBRA_END_OF_DATA, "", HOOK "\n");
}

#define CONFIGD_START                                                                              \
    "SECTION amavis\n\tPOSTCONF content_filter\n\nSECTION mta DEPENDS amavis\n\tif VAR a\n"        \
    "\t\tPOSTCONF mynetworks VAR a\n\tfi\n"
#define CONFIGD_END                                                                                \
    "\n\tfi\n\tPOSTCONF myhostname LOCAL x\n\nSECTION cbpolicyd\n\tif SERVICE cbpolicyd\n"         \
    "\t\tPOSTCONF smtpd_end_of_data_restrictions FILE "                                            \
    "zmconfigd/smtpd_end_of_data_restrictions.cf\n\tfi\n"
#define CONFIGD_LINE "\tif SERVICE !cbpolicyd\n\t\tPOSTCONF smtpd_end_of_data_restrictions"

TEST(end_of_data_without_cbpolicyd_is_a_value_in_zmconfigd_cf) {
    assert_adds(ZIMBRA_CONFIGD, CONFIGD_START CONFIGD_LINE CONFIGD_END,
                CONFIGD_START CONFIGD_LINE " " HOOK CONFIGD_END);
    assert_adds(ZIMBRA_CONFIGD,
                CONFIGD_START CONFIGD_LINE " check_client_access lmdb:/x" CONFIGD_END,
                CONFIGD_START CONFIGD_LINE " " HOOK ", check_client_access lmdb:/x" CONFIGD_END);
}

TEST(zmconfigd_cf_in_another_form_stays_as_it_is) {
    static const struct {
        const char *text;
        enum zimbra_presence presence;
    } rows[] = {
        {"SECTION mta\n\tPOSTCONF myhostname LOCAL x\n", ZIMBRA_UNKNOWN},
        {"SECTION mta\n\tPOSTCONF smtpd_end_of_data_restrictions\n", ZIMBRA_UNKNOWN},
        {"SECTION x\n" CONFIGD_LINE CONFIGD_END, ZIMBRA_UNKNOWN},
        {CONFIGD_START CONFIGD_LINE " VAR zimbraX" CONFIGD_END, ZIMBRA_UNKNOWN},
        {CONFIGD_START CONFIGD_LINE " LOCAL x" CONFIGD_END, ZIMBRA_UNKNOWN},
        {CONFIGD_START CONFIGD_LINE " MAPLOCAL x" CONFIGD_END, ZIMBRA_UNKNOWN},
        {CONFIGD_START CONFIGD_LINE " FILE zmconfigd/other.cf" CONFIGD_END, ZIMBRA_UNKNOWN},
        {CONFIGD_START CONFIGD_LINE "\n\tfi\n" CONFIGD_LINE CONFIGD_END, ZIMBRA_UNKNOWN},
        {CONFIGD_START CONFIGD_LINE " FILE zmconfigd/smtpd_end_of_data_restrictions.cf" CONFIGD_END,
         ZIMBRA_NOT_NEEDED},
        {"", ZIMBRA_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].text);
        assert_int_equal(look(ZIMBRA_CONFIGD, rows[i].text).presence, rows[i].presence);
        assert_non_null(look(ZIMBRA_CONFIGD, rows[i].text).reason);
        assert_string_equal(add(ZIMBRA_CONFIGD, rows[i].text), rows[i].text);
        assert_string_equal(take_away(ZIMBRA_CONFIGD, rows[i].text), rows[i].text);
    }
}

#define MASTER(port465, submission)                                                                \
    "# a comment\nsmtp      inet  n - n - 1 postscreen\nsmtpd     pass  - - n - - smtpd\n"         \
    "%%uncomment SERVICE:opendkim%%\t-o content_filter=scan:[x]:10030\n"                           \
    "465    inet  n       -       n       -       -       smtpd\n"                                 \
    "\t-o smtpd_tls_wrappermode=yes \n\t-o smtpd_recipient_restrictions=" port465 "\n"             \
    "%%uncomment LOCAL:x%%\t-o smtpd_proxy_options=speed_adjust\n"                                 \
    "\t-o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n"                             \
    "submission inet n      -       n       -       -       smtpd\n"                               \
    "\t-o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n" submission "\n"             \
    "\t-o syslog_name=postfix/submission\n"                                                        \
    "scan      unix  -       -       n       -       10      smtp\n"                               \
    "[%%zimbraLocalBindAddress%%]:10025 inet n  -       n       -       -  smtpd\n"                \
    "\t-o smtpd_recipient_restrictions=permit_mynetworks,reject\n"

TEST(the_ports_of_users_get_the_hook_that_their_empty_list_hides) {
    assert_adds(ZIMBRA_MASTER, MASTER("", "\t-o smtpd_recipient_restrictions="),
                MASTER(SHORT_HOOK, "\t-o smtpd_recipient_restrictions=" SHORT_HOOK));
    assert_adds(ZIMBRA_MASTER,
                MASTER("permit_sasl_authenticated,reject",
                       "\t-o { smtpd_recipient_restrictions = reject_non_fqdn_recipient }"),
                MASTER(SHORT_HOOK ",permit_sasl_authenticated,reject",
                       "\t-o { smtpd_recipient_restrictions = " HOOK
                       ", reject_non_fqdn_recipient }"));
    assert_adds(ZIMBRA_MASTER, MASTER("", "\t-o a=b"), MASTER(SHORT_HOOK, "\t-o a=b"));
}

TEST(services_are_read_with_their_names_and_lists) {
    const struct str text = str_from(MASTER("", "\t-o a=b"));
    struct zimbra_service service;
    size_t offset = 0;
    static const struct {
        const char *name;
        bool overrides, submission, local;
    } rows[] = {
        {"smtpd", false, false, false},
        {"465", true, true, false},
        {"submission", false, true, false},
        {"[%%zimbraLocalBindAddress%%]:10025", true, false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].name);
        assert_true(zimbra_service_next(text, &offset, &service));
        assert_true(str_equal(service.name, str_from(rows[i].name)));
        assert_int_equal(service.overrides, rows[i].overrides);
        assert_int_equal(service.submission, rows[i].submission);
        assert_int_equal(service.local, rows[i].local);
    }
    assert_false(zimbra_service_next(text, &offset, &service));
}

TEST(a_way_back_from_a_filter_is_known_by_its_address) {
    static const char *const names[] = {"127.0.0.1:10025", "[127.0.0.1]:10025", "localhost:10025",
                                        "[::1]:10025", "[%%zimbraLocalBindAddress%%]:10030"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "%s inet n - n - - smtpd\n\t-o smtpd_recipient_restrictions=\n"
                       "# a comment\n\t-o smtpd_relay_restrictions=permit_sasl_authenticated\n",
                       names[i]);
        test_case(names[i]);
        assert_int_equal(look(ZIMBRA_MASTER, text).presence, ZIMBRA_NOT_NEEDED);
        assert_string_equal(add(ZIMBRA_MASTER, text), text);
    }
}

TEST(a_comment_between_options_belongs_to_neither_service) {
    assert_adds(ZIMBRA_MASTER,
                "465 inet n - n - - smtpd\n\t-o smtpd_recipient_restrictions=\n# 465 ends here\n"
                "\t-o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n",
                "465 inet n - n - - smtpd\n\t-o smtpd_recipient_restrictions=" SHORT_HOOK
                "\n# 465 ends here\n"
                "\t-o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n");
}

TEST(a_master_file_without_ports_of_users_needs_nothing) {
    const char *plain = "smtp inet n - n - - smtpd\n\t-o a=b\n";
    assert_int_equal(look(ZIMBRA_MASTER, plain).presence, ZIMBRA_NOT_NEEDED);
    assert_string_equal(add(ZIMBRA_MASTER, plain), plain);
    assert_int_equal(look(ZIMBRA_MASTER, "# nothing\n").presence, ZIMBRA_UNKNOWN);
}

TEST(endpoints_are_such_as_zmconfigd_carries_through) {
    assert_null(zimbra_endpoint_problem(STR("inet:127.0.0.1:10035")));
    assert_null(zimbra_endpoint_problem(STR("unix:/run/seczim/policy.sock")));
    assert_null(zimbra_endpoint_problem(STR("inet:[::1]:10035")));
    assert_null(zimbra_endpoint_problem(STR("unix:/AZ/az/09_-.x")));
    assert_non_null(zimbra_endpoint_problem(STR("127.0.0.1:10035")));
    assert_non_null(zimbra_endpoint_problem(STR("inet:127.0.0.1:10035, x=y")));
    assert_non_null(zimbra_endpoint_problem(STR("inet:it's:1")));
    assert_non_null(zimbra_endpoint_problem(STR("inet:%%x%%:1")));
}
