/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/world_fixture.h"
#include "testing/test.h"

/* Rules looked up; rules_check_test.c is about what people write. */

enum { NOW_S = 1000 };

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
    assert_int_equal(rules_quota_pairs(rules), quota_pair_bit(QUOTA_USER, QUOTA_RECIPIENTS));
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

static struct rule_row row_of(uint64_t id, enum rule_kind kind, const char *subject,
                              const char *value) {
    return (struct rule_row){
        .id = id, .kind = kind, .subject = str_from(subject), .value = str_from(value)};
}

/* The id of the limit on recipients a day. */
static uint32_t daily_limit(const struct rules *rules, enum quota_scope scope, const char *user,
                            const char *domain, const char *address) {
    const struct quota_subject subject = subject_of(user, domain, address);
    struct quota_limits limits;
    const bool found = rules_quota_limits(rules, scope, QUOTA_RECIPIENTS, &subject, NOW_S, &limits);
    assert_int_equal(found, limits.ids[QUOTA_DAY] != 0);
    return limits.ids[QUOTA_DAY];
}

TEST(each_scope_has_limits_of_its_own) {
    const struct rule_row rows[] = {
        row_of(1, RULE_QUOTA, "user a@b.example", "1/day"),
        row_of(2, RULE_QUOTA, "user *@b.example", "1/day"),
        row_of(3, RULE_QUOTA, "user carol", "1/day"),
        row_of(4, RULE_QUOTA, "domain b.example", "1/day"),
        row_of(5, RULE_QUOTA, "ip 192.0.2.1", "1/day"),
        row_of(6, RULE_QUOTA, "ip 2001:db8:1:2::7", "1/day"),
        row_of(7, RULE_QUOTA, "ip *", "1/day"),
        row_of(8, RULE_QUOTA, "global", "1/day"),
        row_of(9, RULE_QUOTA, "ip ::1", "1/day"),
    };
    struct rules *rules = rules_of(rows, 9);
    assert_int_equal(rules_quota_pairs(rules), 1 | 1 << 3 | 1 << 6 | 1 << 9);
    assert_int_equal(rules_quota_pairs(NULL), 0);
    assert_int_equal(daily_limit(rules, QUOTA_USER, "a@b.example", "b.example", ""), 1);
    assert_int_equal(daily_limit(rules, QUOTA_USER, "z@b.example", "b.example", ""), 2);
    assert_int_equal(daily_limit(rules, QUOTA_USER, "carol", "", ""), 3);
    assert_int_equal(daily_limit(rules, QUOTA_USER, "b.example", "", ""), 0);
    assert_int_equal(daily_limit(rules, QUOTA_USER, "", "b.example", ""), 0);
    assert_int_equal(daily_limit(rules, QUOTA_DOMAIN, "", "b.example", ""), 4);
    assert_int_equal(daily_limit(rules, QUOTA_DOMAIN, "", "x.b.example", ""), 0);
    assert_int_equal(daily_limit(rules, QUOTA_DOMAIN, "", "", ""), 0);
    assert_int_equal(daily_limit(rules, QUOTA_IP, "", "", "192.0.2.1"), 5);
    assert_int_equal(daily_limit(rules, QUOTA_IP, "", "", "192.0.2.2"), 7);
    assert_int_equal(daily_limit(rules, QUOTA_IP, "", "", "2001:db8:1:2:3:4:5:6"), 6);
    assert_int_equal(daily_limit(rules, QUOTA_IP, "", "", "2001:db8:1:3::7"), 7);
    assert_int_equal(daily_limit(rules, QUOTA_IP, "", "", "::1"), 9);
    assert_int_equal(daily_limit(rules, QUOTA_IP, "", "", ""), 0);
    assert_int_equal(daily_limit(rules, QUOTA_GLOBAL, "", "", ""), 8);
    assert_int_equal(daily_limit(NULL, QUOTA_GLOBAL, "", "", ""), 0);
    rules_free(rules);
}

TEST(a_subject_has_a_limit_for_each_unit_and_window) {
    static const char *const units[] = {"recipients", "messages", "bytes"};
    static const char *const windows[] = {"minute", "hour", "day", "week", "month"};
    char values[15][32];
    struct rule_row rows[16];
    for (uint64_t i = 0; i < 15; i++) {
        (void)snprintf(values[i], sizeof values[i], "%u %s/%s", 100 + (unsigned)i, units[i / 5],
                       windows[i % 5]);
        rows[i] = row_of(i + 1, RULE_QUOTA, "user *", values[i]);
    }
    rows[15] = row_of(16, RULE_QUOTA, "user *", "9 bytes/week"); /* the last given counts */
    struct rules *rules = rules_of(rows, 16);
    const struct quota_subject subject = subject_of("a", "", "");
    for (unsigned unit = 0; unit < QUOTA_UNITS; unit++) {
        struct quota_limits limits;
        assert_true(
            rules_quota_limits(rules, QUOTA_USER, (enum quota_unit)unit, &subject, NOW_S, &limits));
        assert_int_equal(limits.defaults, 31);
        for (unsigned window = 0; window < QUOTA_WINDOWS; window++) {
            const bool twice = unit == QUOTA_BYTES && window == QUOTA_WEEK;
            assert_int_equal(limits.ids[window], twice ? 16 : unit * 5 + window + 1);
            assert_int_equal(limits.limits[window], twice ? 9 : 100 + unit * 5 + window);
        }
    }
    assert_int_equal(rules_count(rules, RULE_QUOTA), 16);
    rules_free(rules);
}

TEST(rows_that_are_no_rules_are_left_out) {
    const struct rule_row rows[] = {
        row_of(1, RULE_QUOTA, "user a@b.example", "plenty"),
        row_of(0, RULE_QUOTA, "user a@b.example", "1/day"),
        row_of(2, RULE_RESTRICTION, "alice", ""),
        row_of(3, RULE_RESTRICTION, "c@b.example", "*@x.example"),
        row_of(4, RULE_NONE, "c@b.example", ""),
        row_of(5, RULE_IDENTITY, "c", "x@b.example\ny@b.example"),
        row_of(6, RULE_IDENTITY, "d", ""),
    };
    struct rules *rules = rules_of(rows, 7);
    assert_int_equal(rules_count(rules, RULE_QUOTA), 0);
    assert_int_equal(rules_count(rules, RULE_RESTRICTION), 1);
    assert_int_equal(rules_count(rules, RULE_IDENTITY), 1);
    assert_int_equal(rules_count(rules, RULE_NONE), 0);
    assert_int_equal(rules_count(NULL, RULE_IDENTITY), 0);
    assert_int_equal(rules_quota_pairs(rules), 0);
    assert_true(rules_bytes(rules) > 100);
    assert_int_equal(rules_bytes(NULL), 0);
    assert_answer(rules_restriction(NULL, STR("a"), STR("b"), STR("c"), 0), RULE_SILENT, 0);
    assert_answer(rules_identity(NULL, STR("a"), STR("b"), 0), RULE_SILENT, 0);
    rules_free(rules);
    rules_free(NULL);
}

TEST(without_any_rule_nothing_is_said) {
    struct rules *rules = rules_of(NULL, 0);
    assert_int_equal(daily_limit(rules, QUOTA_GLOBAL, "", "", ""), 0);
    assert_answer(rules_restriction(rules, STR("a@b.c"), STR("a@b.c"), STR("c"), 0), RULE_SILENT,
                  0);
    assert_answer(rules_identity(rules, STR("a@b.c"), STR("b@b.c"), 0), RULE_SILENT, 0);
    rules_free(rules);
}

TEST(an_answer_of_an_identity_names_its_rule) {
    struct rule_row rows[] = {
        row_of(7, RULE_IDENTITY, "a@b.example", "x@c.example"),
        row_of(8, RULE_IDENTITY, "a+y@b.example", "*@d.example"),
        row_of(9, RULE_RESTRICTION, "a@b.example", "*@e.example"),
    };
    struct rules *rules = rules_of(rows, 3);
    const struct str user = STR("a@b.example");
    const struct str other = STR("a+y@b.example");
    assert_answer(rules_identity(rules, user, STR("x@c.example"), 0), RULE_ALLOWS, 7);
    assert_answer(rules_identity(rules, user, STR("x+1@c.example"), 0), RULE_ALLOWS, 7);
    assert_answer(rules_identity(rules, user, STR("q@d.example"), 0), RULE_REFUSES, 7);
    assert_answer(rules_identity(rules, user, STR("q@e.example"), 0), RULE_REFUSES, 7);
    assert_answer(rules_identity(rules, other, STR("q@d.example"), 0), RULE_ALLOWS, 8);
    assert_answer(rules_identity(rules, other, STR("x@c.example"), 0), RULE_ALLOWS, 7);
    assert_answer(rules_identity(rules, other, STR("z@c.example"), 0), RULE_REFUSES, 8);
    assert_answer(rules_identity(rules, STR("a"), STR("x@c.example"), 0), RULE_SILENT, 0);
    assert_answer(rules_identity(rules, STR("z@b.example"), STR("x@c.example"), 0), RULE_SILENT, 0);
    assert_true(
        str_equal(rules_identity(rules, user, STR("x@c.example"), 0).subject, STR("a@b.example")));
    rules_free(rules);
    rows[0].expires_s = NOW_S;
    rules = rules_of(rows, 3);
    assert_answer(rules_identity(rules, user, STR("x@c.example"), NOW_S - 1), RULE_ALLOWS, 7);
    assert_answer(rules_identity(rules, user, STR("x@c.example"), NOW_S), RULE_SILENT, 0);
    rules_free(rules);
}

TEST(the_null_sender_can_be_restricted_and_is_not_nobody) {
    const struct rule_row row = row_of(1, RULE_RESTRICTION, "<>", "a@b.example");
    struct rules *rules = rules_of(&row, 1);
    const struct str none = STR("");
    assert_answer(rules_restriction(rules, none, none, STR("a@b.example"), 0), RULE_ALLOWS, 1);
    assert_answer(rules_restriction(rules, none, none, STR("c@b.example"), 0), RULE_REFUSES, 1);
    assert_answer(rules_restriction(rules, STR("u"), none, STR("c@b.example"), 0), RULE_REFUSES, 1);
    assert_answer(rules_restriction(rules, none, STR("u"), STR("c@b.example"), 0), RULE_SILENT, 0);
    assert_answer(rules_restriction(rules, none, STR("@x"), STR("c@b.example"), 0), RULE_SILENT, 0);
    rules_free(rules);
}

TEST(names_of_one_letter_are_names) {
    const struct rule_row rows[] = {
        {.id = 1, .kind = RULE_RESTRICTION, .subject = STR("a@b"), .value = STR("*@c\nd@e\n*@*.f")},
        {.id = 2, .kind = RULE_RESTRICTION, .subject = STR("*@h"), .value = STR("x@c")},
        {.id = 3, .kind = RULE_RESTRICTION, .subject = STR("*@*.j"), .value = STR("x@c")}};
    struct rules *rules = rules_of(rows, 3);
    const struct str a = STR("a@b");
    assert_answer(rules_restriction(rules, a, a, STR("x@c"), 0), RULE_ALLOWS, 1);
    assert_answer(rules_restriction(rules, a, a, STR("d@e"), 0), RULE_ALLOWS, 1);
    assert_answer(rules_restriction(rules, a, a, STR("x@g.f"), 0), RULE_ALLOWS, 1);
    assert_answer(rules_restriction(rules, a, a, STR("x@d"), 0), RULE_REFUSES, 1);
    const struct str h = STR("y@h");
    assert_answer(rules_restriction(rules, h, h, STR("x@d"), 0), RULE_REFUSES, 2);
    const struct str k = STR("y@k.j");
    assert_answer(rules_restriction(rules, k, k, STR("x@d"), 0), RULE_REFUSES, 3);
    rules_free(rules);
}

TEST(only_a_user_without_a_domain_is_of_each_local_domain) {
    const struct rule_row row = {
        .id = 1, .kind = RULE_RESTRICTION, .subject = STR("*@b.example"), .value = STR("x@c")};
    const struct str domains[] = {STR("b.example")};
    const struct str none = STR("");
    struct rules *rules = rules_of(&row, 1);
    const struct str to = STR("x@d");
    assert_answer(rules_restriction_at(rules, domains, 1, STR("u"), none, to, 0), RULE_REFUSES, 1);
    assert_answer(rules_restriction_at(rules, domains, 1, none, none, to, 0), RULE_SILENT, 0);
    assert_answer(rules_restriction_at(rules, domains, 1, STR("u@e"), none, to, 0), RULE_SILENT, 0);
    rules_free(rules);
}

TEST(an_identity_may_list_an_extension) {
    const struct rule_row row = {
        .id = 1, .kind = RULE_IDENTITY, .subject = STR("u"), .value = STR("a+b@c.example")};
    struct rules *rules = rules_of(&row, 1);
    assert_answer(rules_identity(rules, STR("u"), STR("a+b@c.example"), 0), RULE_ALLOWS, 1);
    assert_answer(rules_identity(rules, STR("u"), STR("a@c.example"), 0), RULE_REFUSES, 1);
    rules_free(rules);
}

TEST(whichever_request_for_memory_is_refused_nothing_is_kept) {
    const struct rule_row rows[] = {
        row_of(1, RULE_QUOTA, "user a@b.example", "1/day"),
        row_of(2, RULE_RESTRICTION, "c@b.example", "*@x.example"),
    };
    struct rules *rules = NULL;
    size_t granted = 0;
    for (; rules == NULL; granted++) {
        size_t budget = granted;
        const struct list_memory memory = world_memory(&budget);
        assert_true(granted < 10);
        rules = rules_build(&memory, rows, 2);
    }
    assert_int_equal(granted, 3); /* It took two, and there was one try with none. */
    rules_free(rules);
}
