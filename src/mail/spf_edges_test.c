/* SPDX-License-Identifier: Apache-2.0 */
/* Short names, odd names, and what an explanation may tell. */
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
