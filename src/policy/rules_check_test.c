/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/rules_rows.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* What people write as rules; rules_test.c looks rules up. */

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
        {"ip ::1", "ip ::/64"},
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

TEST(a_limit_that_is_none_is_explained) {
    static const char *const rows[][2] = {
        {"", "\"\" does not begin with an amount; write 500 recipients/day, 20 messages/minute or "
             "2GiB bytes/month"},
        {"-5/day", "\"-5/day\" does not begin with an amount; write 500 recipients/day, 20 "
                   "messages/minute or 2GiB bytes/month"},
        {"many/day", "\"many/day\" does not begin with an amount; write 500 recipients/day, 20 "
                     "messages/minute or 2GiB bytes/month"},
        {"1.5GiB/day", "\"1.5GiB/day\" is no limit; write 500 recipients/day, 20 messages/minute "
                       "or 2GiB bytes/month"},
        {"500", "\"500\" lacks a window; write /minute, /hour, /day, /week or /month after it"},
        {"500 recipients", "\"500 recipients\" lacks a window; write /minute, /hour, /day, /week "
                           "or /month after it"},
        {"500 mails/day", "\"500 mails/day\" has an unknown unit; write recipients, messages or "
                          "bytes (of bytes also KiB, MiB, GiB or TiB), such as 2GiB bytes/month"},
        {"5 mailz/day",
         "\"5 mailz/day\" has an unknown unit; write recipients, messages or bytes (of bytes also "
         "KiB, MiB, GiB or TiB), such as 2GiB bytes/month"},
        {"5 m/day",
         "\"5 m/day\" has an unknown unit; write recipients, messages or bytes (of bytes "
         "also KiB, MiB, GiB or TiB), such as 2GiB bytes/month"},
        {"5/5", "\"5/5\" has an unknown window; write /minute, /hour, /day, /week or /month"},
        {"5KB/day", "\"5KB/day\" has an unknown unit; write recipients, messages or bytes (of "
                    "bytes also KiB, MiB, GiB or TiB), such as 2GiB bytes/month"},
        {"5 recipientss/day", "\"5 recipientss/day\" has an unknown unit; write recipients, "
                              "messages or bytes (of bytes also KiB, MiB, GiB or TiB), such as "
                              "2GiB bytes/month"},
        {"5 recipient\x01/day", "\"5 recipient\\x01/day\" is no limit; write 500 recipients/day, "
                                "20 messages/minute or 2GiB bytes/month"},
        {"2MiB recipients/day",
         "\"2MiB recipients/day\" counts recipients or messages in KiB, MiB, GiB or TiB, which are "
         "for bytes; write the number itself, such as 500 recipients/day"},
        {"5/", "\"5/\" has an unknown window; write /minute, /hour, /day, /week or /month"},
        {"5/year", "\"5/year\" has an unknown window; write /minute, /hour, /day, /week or /month"},
        {"5 per hr", "\"5 per hr\" has an unknown window; write /minute, /hour, /day, /week or "
                     "/month"},
        {"5/day or so", "\"5/day or so\" goes on after its window; write one limit a rule"},
        {"5/day, 2/hour", "\"5/day, 2/hour\" goes on after its window; write one limit a rule"},
        {"1125899906842625/day", "\"1125899906842625/day\" is more than can be counted; write at "
                                 "most 1125899906842624 (1PiB)"},
        {"18446744073709551616 bytes/day", "\"18446744073709551616 bytes/day\" is more than can be "
                                           "counted; write at most 1125899906842624 (1PiB)"},
        {"1025TiB/day", "\"1025TiB/day\" is more than can be counted; write at most "
                        "1125899906842624 (1PiB)"},
        {"2PiB/day", "\"2PiB/day\" is more than can be counted; write at most 1125899906842624 "
                     "(1PiB)"},
        {"18014398509481985KiB/day", "\"18014398509481985KiB/day\" is more than can be counted; "
                                     "write at most 1125899906842624 (1PiB)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i][0]);
        struct quota_rule rule = {.limit = 77};
        assert_refused(RULE_QUOTA, "global", rows[i][0], rows[i][1]);
        assert_false(quota_rule_parse(STR("global"), str_from(rows[i][0]), &rule));
        assert_int_equal(rule.limit, 77);
    }
}

#define WHOM                                                                                       \
    " is not whom a limit is for; write user ADDRESS, user *@DOMAIN, user *, domain DOMAIN, ip "   \
    "ADDRESS, ip * or global"
#define NO_USER                                                                                    \
    " is no user; write user@example.com, a name as the user logs in with, *@example.com for "     \
    "each user of a domain, or * for each user"
#define NO_CLIENT                                                                                  \
    " is not the address of one client; write 192.0.2.1 or 2001:db8::1 (its /64 counts), or * "    \
    "for "                                                                                         \
    "a limit that each client has"
#define OTHER_NAME                                                                                 \
    " is charged to another name, because what follows a + does not count; write the address "     \
    "without it"

TEST(a_subject_that_nobody_is_charged_as_is_explained) {
    static const char *const rows[][2] = {
        {"", "\"\"" WHOM},
        {"user", "\"user\"" WHOM},
        {"ip ", "\"ip\"" WHOM},
        {"users *", "\"users *\"" WHOM},
        {"user*", "\"user*\"" WHOM},
        {"user@example.com", "\"user@example.com\"" WHOM},
        {"global x", "\"global x\"" WHOM},
        {"sender a@x.example", "\"sender a@x.example\"" WHOM},
        {"user a b", "\"a b\"" NO_USER},
        {"user *a@x.example", "\"*a@x.example\"" NO_USER},
        {"user a@*", "\"a@*\"" NO_USER},
        {"user @", "\"@\"" NO_USER},
        {"user <>", "\"<>\"" NO_USER},
        {"user a\xff", "\"a\\xff\"" NO_USER},
        {"user *@*", "\"*@*\" is no pattern of users; write *@example.com for each user of a "
                     "domain"},
        {"user *@*.example", "\"*@*.example\" is no pattern of users; write *@example.com for each "
                             "user of a domain"},
        {"user a+x@y.example", "\"a+x@y.example\"" OTHER_NAME},
        {"user a+x", "\"a+x\"" OTHER_NAME},
        {"domain *.x.example",
         "\"*.x.example\" is no domain; write example.com, each domain in a rule of its own"},
        {"domain *", "\"*\" is no domain; write example.com, each domain in a rule of its own"},
        {"domain a@x.example",
         "\"a@x.example\" is no domain; write example.com, each domain in a rule of its own"},
        {"ip 192.0.2.0/24", "\"192.0.2.0/24\"" NO_CLIENT},
        {"ip 192.0.2.256", "\"192.0.2.256\"" NO_CLIENT},
        {"ip 2001:db8::/48", "\"2001:db8::/48\"" NO_CLIENT},
        {"ip 2001:db8::/65", "\"2001:db8::/65\"" NO_CLIENT},
        {"ip ::", "\"::\"" NO_CLIENT},
        {"ip mail.example.com", "\"mail.example.com\"" NO_CLIENT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_refused(RULE_QUOTA, rows[i][0], "1/day", rows[i][1]);
    }
}

TEST(a_restriction_or_identity_that_is_none_is_explained) {
    static const struct {
        enum rule_kind kind;
        const char *subject;
        const char *value;
        const char *sentence;
    } rows[] = {
        {RULE_RESTRICTION, "", "", "\"\" is empty; write an address, a domain or a network"},
        {RULE_RESTRICTION, "192.0.2.1", "",
         "\"192.0.2.1\" is an address of a machine; write user@example.com, *@example.com or "
         "*@*.example.com"},
        {RULE_RESTRICTION, "alice", "",
         "\"alice\" has neither @ nor dot; write user@example.com, or *@example.com for all of a "
         "domain"},
        {RULE_RESTRICTION, "*@*", "",
         "\"*@*\" would be everybody; write user@*, *@example.com or *@*.example.com"},
        {RULE_RESTRICTION, "a@x.example", "b@y.example\n\nz@*",
         "line 3: \"z@*\" names no domain; write user@example.com or *@example.com"},
        {RULE_RESTRICTION, "a@x.example", "<>",
         "\"<>\" is the null sender, which is no recipient; write user@example.com"},
        {RULE_RESTRICTION, "a@x.example", "bob",
         "\"bob\" has neither @ nor dot; write user@example.com, or *@example.com for all of a "
         "domain"},
        {RULE_RESTRICTION, "a@x.example", " 10.0.0.0/8\n",
         "line 1: \"10.0.0.0/8\" is an address of a machine; write user@example.com, "
         "*@example.com or *@*.example.com"},
        {RULE_RESTRICTION, "a@x.example", "b@y.example, c@y.example",
         "\"b@y.example, c@y.example\" holds a blank, comma or semicolon; write one address, a "
         "list entry each"},
        {RULE_IDENTITY, "", "a@x.example",
         "\"\" is no user; write the name that the user logs in with, such as user@example.com or "
         "user"},
        {RULE_IDENTITY, "*@x.example", "a@x.example",
         "\"*@x.example\" is no user; write the name that the user logs in with, such as "
         "user@example.com or user"},
        {RULE_IDENTITY, "<>", "a@x.example",
         "\"<>\" is no user; write the name that the user logs in with, such as user@example.com "
         "or user"},
        {RULE_IDENTITY, "alice", "",
         "\"\" lists no sender; write those that the user may send as, a line each"},
        {RULE_IDENTITY, "alice", "*@*.x.example",
         "\"*@*.x.example\" names domains that are not yet known; write each as *@example.com"},
        {RULE_IDENTITY, "alice", "<>",
         "\"<>\" need not be listed: every user may send with a null sender"},
        {RULE_IDENTITY, "alice", "root@*",
         "\"root@*\" names no domain; write user@example.com or *@example.com"},
        {RULE_NONE, "alice", "",
         "\"alice\" is the subject of a rule of no kind; write quota, restriction or identity"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_refused(rows[i].kind, rows[i].subject, rows[i].value, rows[i].sentence);
    }
}

TEST(number_and_text_of_a_rule_are_looked_at_too) {
    static char text[RULE_TEXT_MAX + 1];
    memset(text, 'x', sizeof text);
    struct rule_row row = {
        .id = UINT32_MAX, .kind = RULE_RESTRICTION, .subject = STR("a@x.example")};
    row.text = (struct str){text, RULE_TEXT_MAX};
    assert_true(check_row(&row)->right);
    row.text.length++;
    assert_string_equal(check_row(&row)->sentence,
                        "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                        "xx...\" is too long a text; write at most 240 bytes");
    row.text = STR("Ask {who}");
    assert_false(check_row(&row)->right);
    assert_non_null(strstr(check_row(&row)->sentence, "\"{who}\" is no placeholder"));
    row.text = STR("");
    row.id = (uint64_t)UINT32_MAX + 1;
    assert_string_equal(check_row(&row)->sentence, "\"a@x.example\" has a number that no rule can "
                                                   "have; write none, it is given");
    row.id = 0;
    assert_false(check_row(&row)->right);
    row = (struct rule_row){.id = 1,
                            .kind = RULE_QUOTA,
                            .subject = STR("global"),
                            .value = STR("1/day"),
                            .text = STR("Stop")};
    assert_string_equal(
        check_row(&row)->sentence,
        "\"Stop\" is a text of its own, which only a restriction has; leave it out");
    row.text = STR("");
    assert_true(check_row(&row)->right);
}

/* Lines "NNNN@x.example" from `first` on, so many, ended by newlines; lives until the next call. */
static struct str numbered_lines(unsigned first, unsigned count) {
    static char room[RULE_VALUE_MAX * 2];
    size_t length = 0;
    for (unsigned i = 0; i < count; i++) {
        length +=
            (size_t)snprintf(room + length, sizeof room - length, "%04u@x.example\n", first + i);
    }
    return (struct str){room, length};
}

TEST(a_list_has_at_most_so_many_lines) {
    const char *too_long = "\"0000@x.example\" begins a list that is too long; write at most 2000 "
                           "lines and 65536 bytes, or name whole domains as *@example.com";
    struct rule_row row = {.id = 1, .kind = RULE_RESTRICTION, .subject = STR("a@x.example")};
    row.value = numbered_lines(0, RULE_VALUE_LINES_MAX);
    const struct checked *checked = check_row(&row);
    assert_true(checked->right);
    assert_int_equal(strlen(checked->value), row.value.length - 1);
    assert_memory_equal(checked->value, row.value.data, row.value.length - 1);
    row.value = numbered_lines(0, RULE_VALUE_LINES_MAX + 1);
    assert_string_equal(check_row(&row)->sentence, too_long);
    /* A line that was there before is no line. */
    char *twice = (char *)(uintptr_t)row.value.data;
    memcpy(twice + (size_t)15 * RULE_VALUE_LINES_MAX, twice, 15);
    assert_true(check_row(&row)->right);
}

TEST(a_list_has_at_most_so_many_bytes) {
    static char value[RULE_VALUE_MAX + 2];
    size_t length = 0;
    for (unsigned i = 0; i < 256; i++) {
        /* 256 bytes each, with the newline. */
        length +=
            (size_t)snprintf(value + length, sizeof value - length, "%0243u@x.example.x\n", i);
    }
    assert_int_equal(length, RULE_VALUE_MAX);
    struct rule_row row = {.id = 1, .kind = RULE_RESTRICTION, .subject = STR("a@x.example")};
    row.value = (struct str){value, length};
    assert_true(check_row(&row)->right);
    value[length - 1] = 'e';
    assert_true(check_row(&row)->right);
    assert_int_equal(strlen(check_row(&row)->value), RULE_VALUE_MAX);
    value[length] = 'y';
    row.value.length++;
    assert_false(check_row(&row)->right);
    assert_non_null(strstr(check_row(&row)->sentence, " begins a list that is too long; "));
}

TEST(a_limit_is_taken_apart_for_listings) {
    struct quota_rule rule;
    assert_true(quota_rule_parse(STR("user *@x.example"), STR("2GiB bytes/month"), &rule));
    assert_int_equal(rule.scope, QUOTA_USER);
    assert_true(str_equal(rule.name, STR("*@x.example")));
    assert_int_equal(rule.limit, UINT64_C(2) << 30);
    assert_int_equal(rule.unit, QUOTA_BYTES);
    assert_int_equal(rule.window, QUOTA_MONTH);
    assert_true(quota_rule_parse(STR("global"), STR("0 messages/minute"), &rule));
    assert_int_equal(rule.scope, QUOTA_GLOBAL);
    assert_int_equal(rule.name.length, 0);
    assert_int_equal(rule.limit, 0);
    assert_int_equal(rule.unit, QUOTA_MESSAGES);
    assert_int_equal(rule.window, QUOTA_MINUTE);
    /* Not a byte beyond the value is looked at. */
    assert_true(quota_rule_parse(STR("global"), (struct str){"7/dayz", 5}, &rule));
    assert_int_equal(rule.limit, 7);
    assert_false(quota_rule_parse(STR("alice@x.example"), STR("1 messages/day"), &rule));
    assert_false(quota_rule_parse(STR("user alice@x.example"), STR("*@y.example"), &rule));
}

TEST(names_are_those_of_rules) {
    static const char *const kinds[] = {"none", "quota", "restriction", "identity"};
    static const char *const scopes[] = {"user", "domain", "ip", "global"};
    static const char *const units[] = {"recipients", "messages", "bytes"};
    static const char *const windows[] = {"minute", "hour", "day", "week", "month"};
    for (unsigned i = 0; i < RULE_KINDS; i++) {
        assert_string_equal(rule_kind_name((enum rule_kind)i), kinds[i]);
    }
    for (unsigned i = 0; i < QUOTA_SCOPES; i++) {
        assert_string_equal(quota_scope_name((enum quota_scope)i), scopes[i]);
    }
    for (unsigned i = 0; i < QUOTA_UNITS; i++) {
        assert_string_equal(quota_unit_name((enum quota_unit)i), units[i]);
    }
    for (unsigned i = 0; i < QUOTA_WINDOWS; i++) {
        assert_string_equal(quota_window_name((enum quota_window)i), windows[i]);
    }
}

TEST(one_letter_is_no_sender) {
    assert_refused(RULE_RESTRICTION, "a@b.example", "x",
                   "\"x\" has neither @ nor dot; write user@example.com, or *@example.com for all "
                   "of a domain");
}

TEST(a_sentence_follows_what_was_said_before) {
    static const struct rule_row rows[] = {
        {.id = 1, .kind = RULE_IDENTITY, .subject = {"a b", 3}, .value = {"a@b.example", 11}},
        {.id = 1, .kind = RULE_IDENTITY, .subject = {"a", 1}, .value = {"a@b.example\nx", 13}}};
    for (size_t i = 0; i < 2; i++) {
        char subject_room[RULE_SUBJECT_MAX];
        char value_room[512];
        char room[256];
        struct text subject = TEXT_OVER(subject_room);
        struct text value = TEXT_OVER(value_room);
        struct text problem = TEXT_OVER(room);
        text_add(&problem, STR("said: "));
        assert_ptr_equal(rule_check(&rows[i], &subject, &value, &problem), room + 6);
        const char *const begin = i == 0 ? "said: \"a b\" is no user" : "said: line 2: \"x\" has";
        assert_int_equal(strncmp(room, begin, strlen(begin)), 0);
    }
}

TEST(a_user_has_no_blanks_around) {
    char room[RULE_SUBJECT_MAX];
    struct text out = TEXT_OVER(room);
    assert_true(rule_check_user(STR("bob"), &out));
    assert_false(rule_check_user(STR(" bob"), &out));
    assert_false(rule_check_user(STR("bob "), &out));
}

TEST(an_amount_ends_where_it_ends) {
    static const char written[] = {'5', '/', 'd', 'a', 'y'};
    char *exact = malloc(sizeof written); /* so that one byte more is noticed */
    assert_non_null(exact);
    memcpy(exact, written, sizeof written);
    const struct rule_row row = {
        .id = 1, .kind = RULE_QUOTA, .subject = STR("user a"), .value = {exact, sizeof written}};
    assert_true(check_row(&row)->right);
    assert_string_equal(check_row(&row)->value, "5 recipients/day");
    free(exact);
    assert_false(check(RULE_QUOTA, "user a", "5KiB messages/day")->right);
    assert_refused(RULE_QUOTA, "user a", "5 z/day",
                   "\"5 z/day\" has an unknown unit; write recipients, messages or bytes (of bytes "
                   "also KiB, MiB, GiB or TiB), such as 2GiB bytes/month");
}

TEST(an_ipv6_limit_is_of_its_64) {
    assert_canonical(RULE_QUOTA, "ip 2001:db8::8000:0:0:1", "5/day", "ip 2001:db8::/64",
                     "5 recipients/day");
}
