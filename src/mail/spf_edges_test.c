/* SPDX-License-Identifier: Apache-2.0 */
/* Short names, odd names, and what an explanation may tell. */
#include <string.h>

#include "mail/spf_fixture.h"
#include "mail/spf_machine.h"
#include "testing/test.h"

static struct spf_verdict check(struct zone_map *map, const char *sender) {
    struct spf_query query = {.helo_name = STR("helo.example"),
                              .sender = str_from(sender),
                              .receiver = STR("gate.example"),
                              .wall_s = 1700000000,
                              .explain = true};
    assert_true(ip_address_parse(STR("192.0.2.1"), &query.client_address));
    return zone_map_check(map, &query, NULL, NULL);
}

TEST(spf_results_beyond_the_last_have_no_name) {
    assert_string_equal(spf_result_name(SPF_RESULTS), "unknown");
    assert_string_equal(spf_result_name((enum spf_result)(SPF_RESULTS - 1)), "permerror");
}

TEST(spf_names_of_one_letter_and_of_none_are_kept) {
    struct spf_name name = {.bytes = "y", .length = 1};
    spf_name_set(&name, STR("x"));
    assert_int_equal(name.length, 1);
    assert_int_equal(name.bytes[0], 'x');
    spf_name_set(&name, (struct str){NULL, 0});
    assert_int_equal(name.length, 0);
}

TEST(spf_asks_about_plain_names_alone) {
    static const struct {
        const char *sender;
        bool asks;
    } rows[] = {{"a@z.example", true},
                {"a@example.z", true},
                {"a@!z.example", false},
                {"a@z.exam!ple", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zone_map map = {.count = 0};
        test_case(rows[i].sender);
        assert_int_equal(check(&map, rows[i].sender).result, SPF_NONE);
        assert_int_equal(map.questions, rows[i].asks ? 1 : 0);
    }
}

TEST(spf_asks_nothing_about_a_name_that_is_too_long) {
    char sender[400] = "a@";
    for (size_t i = 2; i < 300; i++) {
        sender[i] = i % 50 == 0 ? '.' : 'x';
    }
    struct zone_map map = {.count = 0};
    assert_int_equal(check(&map, sender).result, SPF_NONE);
    assert_int_equal(map.questions, 0);
}

TEST(spf_explanations_tell_receiver_and_time) {
    static const struct zone_record zone[] = {
        {"a.example", "TXT", "v=spf1 -all exp=e.example", 0},
        {"e.example", "TXT", "%{r} %{t} %{d}", 0},
        {"b.example", "TXT", "v=spf1 -all exp=f.example", 0},
        {"f.example", "TXT", "%{d} alone", 0},
    };
    struct zone_map map = {.records = zone, .count = 4};
    struct spf_verdict verdict = check(&map, "x@a.example");
    assert_int_equal(verdict.explanation_length, 33);
    assert_memory_equal(verdict.explanation, "gate.example 1700000000 a.example", 33);
    assert_true(verdict.personal);
    verdict = check(&map, "x@b.example");
    assert_false(verdict.personal);
}

TEST(spf_a_long_domain_is_told_by_its_first_eighty_letters) {
    char domain[100];
    for (size_t length = 80; length <= 81; length++) {
        for (size_t i = 0; i < length; i++) {
            domain[i] = i % 40 == 20 ? '.' : 'x';
        }
        domain[length] = '\0';
        const struct zone_record zone[] = {{domain, "TXT", "v=spf1", 0},
                                           {domain, "TXT", "v=spf1", 0}};
        struct zone_map map = {.records = zone, .count = 2};
        char sender[128];
        struct text out = TEXT_OVER(sender);
        text_add(&out, STR("x@"));
        text_add(&out, str_from(domain));
        const struct spf_verdict verdict = check(&map, text_zero(&out));
        assert_int_equal(verdict.result, SPF_PERMERROR);
        const char *const rest = length == 80 ? " has" : "... has";
        assert_memory_equal(verdict.problem, domain, 80);
        assert_memory_equal(verdict.problem + 80, rest, length == 80 ? 4 : 7);
    }
}

TEST(spf_traces_addresses_exchangers_and_problems) {
    static const struct zone_record zone[] = {
        {"a.example", "TXT", "0123456789abcdef", 0},
        {"a.example", "TXT", "v=spf1 a:x..y a mx include:nobody.example -all", 0},
        {"a.example", "AAAA", "2001:db8::7", 0},
        {"a.example", "MX", "m.", 0},
    };
    static struct spf_trace_lines lines;
    struct zone_map map = {.records = zone, .count = sizeof zone / sizeof zone[0]};
    struct spf_query query = {.helo_name = STR("h.example"), .sender = STR("x@a.example")};
    assert_true(ip_address_parse(STR("2001:db8::1"), &query.client_address));
    assert_int_equal(zone_map_check(&map, &query, spf_trace_collect, &lines).result, SPF_PERMERROR);
    static const char *const said[] = {
        "answer: 0123456789abcdef, v=spf1",
        "0 a:x..y does not match\n",
        "asks AAAA a.example (look-up 2 of 10)\n0 answer: 2001:db8::7\n",
        "asks MX a.example (look-up 3 of 10)\n0 answer: m",
        "result of nobody.example: permerror: nobody.example has no SPF record",
    };
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        if (strstr(lines.text, said[i]) == NULL) {
            fail_msg("\"%s\" is not in:\n%s", said[i], lines.text);
        }
    }
}

TEST(spf_takes_the_first_name_below_the_domain) {
    static const struct zone_record zone[] = {
        {"a.example", "TXT", "v=spf1 -all exp=e.example", 0},
        {"e.example", "TXT", "%{p}", 0},
        {"1.2.0.192.in-addr.arpa", "PTR", "other.example", 0},
        {"1.2.0.192.in-addr.arpa", "PTR", "one.a.example", 0},
        {"1.2.0.192.in-addr.arpa", "PTR", "two.a.example", 0},
        {"other.example", "A", "192.0.2.1", 0},
        {"one.a.example", "A", "192.0.2.1", 0},
        {"two.a.example", "A", "192.0.2.1", 0},
    };
    struct zone_map map = {.records = zone, .count = sizeof zone / sizeof zone[0]};
    const struct spf_verdict verdict = check(&map, "x@a.example");
    assert_int_equal(verdict.explanation_length, 13);
    assert_memory_equal(verdict.explanation, "one.a.example", 13);
}

static struct str explained(const char *text, const char *sender) {
    static struct spf_verdict verdict;
    const struct zone_record zone[] = {
        {"a.example", "TXT", "v=spf1 -all exp=e.example", 0},
        {"e.example", "TXT", text, 0},
        {"b.example", "TXT", "v=spf1 -all exp=x..y", 0},
    };
    struct zone_map map = {.records = zone, .count = 3};
    verdict = check(&map, sender);
    assert_int_equal(verdict.result, SPF_FAIL);
    return (struct str){verdict.explanation, verdict.explanation_length};
}

TEST(spf_explanations_of_one_letter_of_odd_letters_and_of_none) {
    assert_true(str_equal(explained("x", "l@a.example"), STR("x")));
    assert_true(str_equal(explained("%{l}", "\r\x7f~@a.example"), STR("??~")));
    assert_true(str_equal(explained("x", "l@b.example"), STR("")));
}

TEST(spf_networks_of_addresses_have_their_length_and_terms_of_one_letter_are_told) {
    static const struct zone_record zone[] = {
        {"a.example", "TXT", "v=spf1 a/24 -all", 0},
        {"a.example", "A", "192.0.2.200", 0},
        {"b.example", "TXT", "v=spf1 a -all", 0},
        {"b.example", "A", "192.0.2.1", 0},
    };
    struct zone_map map = {.records = zone, .count = 4};
    assert_int_equal(check(&map, "x@a.example").result, SPF_PASS);
    const struct spf_verdict verdict = check(&map, "x@b.example");
    assert_int_equal(verdict.result, SPF_PASS);
    assert_int_equal(verdict.mechanism_length, 1);
    assert_int_equal(verdict.mechanism[0], 'a');
}

TEST(spf_addresses_of_another_length_are_none) {
    static const struct zone_record zone[] = {
        {"a.example", "TXT", "v=spf1 a//0 -all", 0},
        {"a.example", "AAAA", "abcde", 0},
        {"a.example", "A", "abcde", 0},
    };
    static const char *const clients[] = {"2001:db8::1", "192.0.2.1"};
    for (size_t i = 0; i < 2; i++) {
        struct zone_map map = {.records = zone, .count = 3};
        struct spf_query query = {.sender = STR("x@a.example")};
        struct spf_trace_lines lines = {.length = 0};
        test_case(clients[i]);
        assert_true(ip_address_parse(str_from(clients[i]), &query.client_address));
        assert_int_equal(zone_map_check(&map, &query, spf_trace_collect, &lines).result, SPF_FAIL);
        assert_non_null(strstr(lines.text, "answer: abcde\n"));
    }
}
