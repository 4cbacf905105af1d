/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/postfix_config.h"

#include "testing/test.h"

#define DEPRECATED                                                                                 \
    "postconf: warning: /etc/postfix/main.cf: support for parameter \"smtpd_use_tls\" will be "    \
    "removed; instead, specify \"smtpd_tls_security_level\"\n"
#define UNUSED "postconf: warning: /etc/postfix/main.cf: unused parameter: own=1\n"
#define BROKEN "postconf: warning: /etc/postfix/main.cf: missing '=' after attribute name: x"

TEST(a_deprecated_or_unused_parameter_is_no_broken_configuration) {
    char room[POSTFIX_PROBLEM_MAX];
    assert_null(postfix_warning_problem(STR(""), room));
    assert_null(postfix_warning_problem(STR(DEPRECATED), room));
    assert_null(postfix_warning_problem(STR(UNUSED DEPRECATED), room));
}

TEST(any_other_warning_is_told_wherever_it_stands) {
    char room[POSTFIX_PROBLEM_MAX];
    assert_string_equal(postfix_warning_problem(STR(BROKEN), room), BROKEN);
    assert_string_equal(postfix_warning_problem(STR(UNUSED DEPRECATED BROKEN "\n"), room), BROKEN);
}
