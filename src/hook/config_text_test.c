/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/config_text.h"

#include "testing/test.h"

static void assert_span(struct str file, size_t start, size_t end, const char *expected) {
    const struct str got = str_slice(file, start, end);
    if (!str_equal(got, str_from(expected))) {
        fail_msg("got \"%.*s\", expected \"%s\"", STR_ARGS(got), expected);
    }
}

TEST(a_value_of_main_cf_goes_over_its_continuation_lines_and_no_further) {
    const struct str file = STR("# mynetworks = comment\n"
                                "mynetworks = 127.0.0.0/8\n"
                                "smtpd_recipient_restrictions =\n"
                                "    permit_mynetworks,\n"
                                "# why = not\n"
                                "\n"
                                "\treject_unauth_destination\n"
                                "\n"
                                "# about what follows\n"
                                "empty =\n"
                                "last=x");
    struct main_cf_value value;
    assert_true(main_cf_find(file, STR("smtpd_recipient_restrictions"), &value));
    assert_span(file, value.start, value.end,
                "\n    permit_mynetworks,\n# why = not\n\n\treject_unauth_destination");
    assert_span(file, value.line_start, value.start, "smtpd_recipient_restrictions =");
    assert_span(file, value.line_end, value.line_end + 10, "\n# about w");
    assert_true(main_cf_find(file, STR("mynetworks"), &value));
    assert_span(file, value.start, value.end, " 127.0.0.0/8");
    assert_true(main_cf_find(file, STR("empty"), &value));
    assert_span(file, value.start, value.end, "");
    assert_true(main_cf_find(file, STR("last"), &value));
    assert_span(file, value.start, value.end, "x");
    assert_int_equal(value.line_end, file.length);
    assert_false(main_cf_find(file, STR("# why"), &value));
    assert_false(main_cf_find(file, STR("permit_mynetworks"), &value));
}

TEST(of_several_definitions_the_last_counts) {
    const struct str file = STR("a = 1\nb = 2\na = 3\n");
    struct main_cf_value value;
    assert_true(main_cf_find(file, STR("a"), &value));
    assert_span(file, value.start, value.end, " 3");
    size_t at = 0;
    size_t count = 0;
    struct str name;
    while (main_cf_next(file, &at, &name, &value)) {
        count++;
    }
    assert_int_equal(count, 3);
}

static const char master_cf[] =
    "# service type ...\n"
    "smtp      inet  n       -       y       -       -       smtpd\n"
    "submission inet n - y - - smtpd\n"
    "  -o syslog_name=postfix/submission\n"
    "# -o smtpd_recipient_restrictions=comment\n"
    "  -o smtpd_recipient_restrictions=permit,reject -v\n"
    "\t-o { smtpd_relay_restrictions = permit_mynetworks,\n"
    "\t     reject }\n"
    "  -osmtpd_recipient_restrictions=$mua_recipient_restrictions\n"
    "\n"
    "pickup    unix  n       -       y       60      1       pickup\n"
    "half      unix  n\n"
    "amavis inet n - n - - smtpd -o content_filter= -o mynetworks=127.0.0.0/8\n"
    "scan unix - - n - 10 smtp -o smtp_send_xforward_command=yes";

TEST(services_of_master_cf_are_found_with_their_options) {
    const struct str file = str_from(master_cf);
    static const char *const names[] = {"smtp", "submission", "pickup", "amavis", "scan"};
    struct master_service service;
    size_t at = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        test_case(names[i]);
        assert_true(master_cf_next(file, &at, &service));
        assert_true(str_equal(service.name, str_from(names[i])));
    }
    assert_false(master_cf_next(file, &at, &service));
    assert_true(master_cf_find(file, STR("submission"), STR("inet"), &service));
    assert_true(str_equal(service.command, STR("smtpd")));
    assert_span(file, service.end, service.end + 8, "\n\npickup");
    assert_false(master_cf_find(file, STR("submission"), STR("unix"), &service));
}

TEST(options_of_all_forms_are_found_and_the_last_counts) {
    const struct str file = str_from(master_cf);
    struct master_service service;
    struct master_option option;
    assert_true(master_cf_find(file, STR("submission"), STR("inet"), &service));
    assert_true(master_option_find(file, &service, STR("smtpd_recipient_restrictions"), &option));
    assert_span(file, option.start, option.end, "$mua_recipient_restrictions");
    assert_false(option.in_braces);
    assert_span(file, option.whole_start, option.whole_end,
                "-osmtpd_recipient_restrictions=$mua_recipient_restrictions");
    assert_true(master_option_find(file, &service, STR("smtpd_relay_restrictions"), &option));
    assert_span(file, option.start, option.end, " permit_mynetworks,\n\t     reject");
    assert_true(option.in_braces);
    assert_false(master_option_find(file, &service, STR("smtpd_sender_restrictions"), &option));
    size_t at = service.options;
    size_t count = 0;
    while (master_option_next(file, &service, &at, &option)) {
        count++;
    }
    assert_int_equal(count, 4);
    assert_true(master_cf_find(file, STR("amavis"), STR("inet"), &service));
    assert_true(master_option_find(file, &service, STR("content_filter"), &option));
    assert_span(file, option.start, option.end, "");
    assert_span(file, option.start - 15, option.start, "content_filter=");
    assert_true(master_cf_find(file, STR("smtp"), STR("inet"), &service));
    assert_false(master_option_find(file, &service, STR("syslog_name"), &option));
}
