/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/world_fixture.h"
#include "testing/test.h"

enum { NOW_S = 1000 };

/* --- writing rules ------------------------------------------------------------------------------
 */

struct checked {
    char subject[RULE_SUBJECT_MAX + 1];
    char value[RULE_VALUE_MAX + 1];
    char sentence[256];
    bool right;
};

static const struct checked *check_row(const struct rule_row *row) {
    static struct checked checked;
    struct text subject = {.data = checked.subject, .size = RULE_SUBJECT_MAX};
    struct text value = {.data = checked.value, .size = RULE_VALUE_MAX};
    struct text problem = TEXT_OVER(checked.sentence);
    const char *said = rule_check(row, &subject, &value, &problem);
    checked.right = said == NULL;
    checked.subject[subject.length] = '\0';
    checked.value[value.length] = '\0';
    if (said != NULL) {
        assert_ptr_equal(said, checked.sentence);
        assert_false(problem.truncated);
    }
    return &checked;
}

static const struct checked *check(enum rule_kind kind, const char *subject, const char *value) {
    const struct rule_row row = {
        .id = 1, .kind = kind, .subject = str_from(subject), .value = str_from(value)};
    return check_row(&row);
}

static void assert_canonical(enum rule_kind kind, const char *subject, const char *value,
                             const char *canonical_subject, const char *canonical_value) {
    test_case(subject);
    for (int round = 0; round < 2; round++) {
        const struct checked *checked = check(kind, subject, value);
        if (!checked->right) {
            fail_msg("%s: %s", subject, checked->sentence);
        }
        assert_string_equal(checked->subject, canonical_subject);
        assert_string_equal(checked->value, canonical_value);
        /* What is canonical stays as it is. */
        subject = canonical_subject;
        value = canonical_value;
    }
}

static void assert_refused(enum rule_kind kind, const char *subject, const char *value,
                           const char *sentence) {
    test_case(subject);
    const struct checked *checked = check(kind, subject, value);
    assert_false(checked->right);
    assert_string_equal(checked->sentence, sentence);
}

TEST(a_limit_may_be_written_as_people_do) {
    static const char *const rows[][2] = {
        {"500 recipients/day", "500 recipients/day"},
        {"500/day", "500 recipients/day"},
        {"500 recipients per day", "500 recipients/day"},
        {"500 per Day", "500 recipients/day"},
        {"1 recipient / days", "1 recipients/day"},
        {"00020 MESSAGES/minutes", "20 messages/minute"},
        {"7message/hours", "7 messages/hour"},
        {"2GiB/month", "2GiB bytes/month"},
        {"100MiB bytes/hour", "100MiB bytes/hour"},
        {"1 tib per weeks", "1TiB bytes/week"},
        {"2048 KiB bytes/week", "2MiB bytes/week"},
        {"1536 bytes/week", "1536 bytes/week"},
        {"1024 byte/week", "1KiB bytes/week"},
        {"0/day", "0 recipients/day"},
        {"0 bytes/day", "0 bytes/day"},
        {"0KiB/day", "0 bytes/day"},
        {"1125899906842624 bytes/day", "1PiB bytes/day"},
        {"1125899906842624/day", "1125899906842624 recipients/day"},
        {" 5\t recipients \t/ day ", "5 recipients/day"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_canonical(RULE_QUOTA, "global", rows[i][0], "global", rows[i][1]);
    }
}

TEST(a_limit_of_a_subject) {
    static const char *const rows[][2] = {
        {"user Alice@Example.COM", "user alice@example.com"},
        {"USER \t alice", "user alice"},
        {"user *@Example.com.", "user *@example.com"},
        {"user *", "user *"},
        {"domain B\xc3\xbc"
         "cher.example",
         "domain xn--bcher-kva.example"},
        {"ip 192.0.2.1", "ip 192.0.2.1"},
        {"ip 2001:DB8::7", "ip 2001:db8::/64"},
        {"ip 2001:db8:0:1::/64", "ip 2001:db8:0:1::/64"},
        {"ip ::ffff:192.0.2.1", "ip 192.0.2.1"},
        {"ip *", "ip *"},
        {" Global ", "global"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_canonical(RULE_QUOTA, rows[i][0], "1/day", rows[i][1], "1 recipients/day");
    }
}

TEST(a_restriction_names_senders_and_recipients) {
    assert_canonical(RULE_RESTRICTION, "Bob@Example.com",
                     "\r\n  A@x.example \r\n\n*@Y.example\n*@*.z.example\nv.example\n*.w.example\n"
                     "a@x.example\ny.example",
                     "bob@example.com",
                     "a@x.example\n*@y.example\n*@*.z.example\n*@v.example\n*@*.w.example");
    assert_canonical(RULE_RESTRICTION, "*@example.com", "", "*@example.com", "");
    assert_canonical(RULE_RESTRICTION, "example.com", " \n ", "*@example.com", "");
    assert_canonical(RULE_RESTRICTION, "*.example.com", "", "*@*.example.com", "");
    assert_canonical(RULE_RESTRICTION, "Root@*", "", "root@*", "");
    assert_canonical(RULE_RESTRICTION, "<>", "", "<>", "");
    assert_canonical(RULE_IDENTITY, "Alice", "Sales@x.example\nx.example", "alice",
                     "sales@x.example\n*@x.example");
    assert_canonical(RULE_IDENTITY, "alice@X.example", "*@y.example", "alice@x.example",
                     "*@y.example");
}

TEST(what_is_no_rule_is_explained) {
    assert_refused(RULE_QUOTA, "users *", "1/day",
                   "\"users *\" is not whom a limit is for; write user ADDRESS, user *@DOMAIN, "
                   "user *, domain DOMAIN, ip ADDRESS, ip * or global");
}

/* --- looking up ---------------------------------------------------------------------------------
 */

static struct rules *rules_of(const struct rule_row *rows, size_t count) {
    const struct list_memory memory = world_memory(NULL);
    struct rules *rules = rules_build(&memory, rows, count);
    assert_non_null(rules);
    return rules;
}

static struct quota_subject subject_of(const char *user, const char *domain, const char *address) {
    struct quota_subject subject = {.user = str_from(user), .domain = str_from(domain)};
    if (address[0] != '\0') {
        subject.address = world_address(address);
    }
    return subject;
}

TEST(the_most_specific_limit_of_a_user_replaces_the_others) {
    const struct rule_row rows[] = {
        {.id = 1, .kind = RULE_QUOTA, .subject = STR("user *"), .value = STR("100/day")},
        {.id = 2, .kind = RULE_QUOTA, .subject = STR("user *"), .value = STR("5/minute")},
        {.id = 3, .kind = RULE_QUOTA, .subject = STR("user *@b.example"), .value = STR("50/day")},
        {.id = 4,
         .kind = RULE_QUOTA,
         .subject = STR("user a@b.example"),
         .value = STR("7/day"),
         .expires_s = NOW_S + 1},
    };
    struct rules *rules = rules_of(rows, 4);
    const struct quota_subject subject = subject_of("a@b.example", "b.example", "");
    struct quota_limits limits;
    assert_true(rules_quota_limits(rules, QUOTA_USER, QUOTA_RECIPIENTS, &subject, NOW_S, &limits));
    assert_int_equal(limits.ids[QUOTA_DAY], 4);
    assert_int_equal(limits.limits[QUOTA_DAY], 7);
    assert_int_equal(limits.ids[QUOTA_MINUTE], 2);
    assert_int_equal(limits.limits[QUOTA_MINUTE], 5);
    assert_int_equal(limits.ids[QUOTA_HOUR], 0);
    assert_int_equal(limits.defaults, 1u << QUOTA_MINUTE);
    /* Once it has expired the next less specific one counts. */
    assert_true(
        rules_quota_limits(rules, QUOTA_USER, QUOTA_RECIPIENTS, &subject, NOW_S + 1, &limits));
    assert_int_equal(limits.ids[QUOTA_DAY], 3);
    assert_int_equal(limits.limits[QUOTA_DAY], 50);
    assert_int_equal(limits.defaults, 1u << QUOTA_MINUTE | 1u << QUOTA_DAY);
    assert_false(rules_quota_limits(rules, QUOTA_USER, QUOTA_BYTES, &subject, NOW_S, &limits));
    assert_int_equal(rules_quota_scopes(rules), 1u << QUOTA_USER);
    rules_free(rules);
}

static void assert_answer(struct rule_answer answer, enum rule_outcome outcome, uint32_t id) {
    assert_int_equal(answer.outcome, outcome);
    assert_int_equal(answer.id, id);
}

TEST(restrictions_of_user_and_sender_are_united) {
    const struct rule_row rows[] = {
        {.id = 1,
         .kind = RULE_RESTRICTION,
         .subject = STR("a@b.example"),
         .value = STR("x@c.example\n*@d.example\n*@*.e.example")},
        {.id = 2,
         .kind = RULE_RESTRICTION,
         .subject = STR("b.example"),
         .value = STR("y@c.example"),
         .text = STR("Ask first")},
        {.id = 3, .kind = RULE_RESTRICTION, .subject = STR("stopped@b.example")},
    };
    struct rules *rules = rules_of(rows, 3);
    const struct str a = STR("a@b.example");
    const struct str none = STR("");
    assert_answer(rules_restriction(rules, a, a, STR("x@c.example"), 0), RULE_ALLOWS, 1);
    assert_answer(rules_restriction(rules, a, none, STR("q@d.example"), 0), RULE_ALLOWS, 1);
    assert_answer(rules_restriction(rules, none, a, STR("q@f.e.example"), 0), RULE_ALLOWS, 1);
    assert_answer(rules_restriction(rules, a, a, STR("q@e.example"), 0), RULE_REFUSES, 1);
    const struct rule_answer answer = rules_restriction(rules, a, a, STR("y@c.example"), 0);
    assert_answer(answer, RULE_ALLOWS, 2);
    assert_true(str_equal(answer.subject, STR("*@b.example")));
    assert_true(str_equal(answer.text, STR("Ask first")));
    assert_answer(rules_restriction(rules, STR("z@f.example"), none, STR("y@c.example"), 0),
                  RULE_SILENT, 0);
    assert_answer(rules_restriction(rules, STR("stopped+x@b.example"), a, STR("y@c.example"), 0),
                  RULE_REFUSES_ALL, 3);
    assert_answer(rules_restriction(rules, STR("stopped"), a, STR("y@c.example"), 0),
                  RULE_REFUSES_ALL, 3);
    rules_free(rules);
}
