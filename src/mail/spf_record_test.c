/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/spf_record.h"

#include <stdlib.h>
#include <string.h>

#include "testing/test.h"

static const char *problem_of(const char *record) {
    static char room[160];
    struct text problem = TEXT_OVER(room);
    return spf_record_valid(str_from(record), &problem) ? "" : text_zero(&problem);
}

TEST(spf_records_are_told_from_other_texts) {
    assert_true(spf_is_record(STR("v=spf1")));
    assert_true(spf_is_record(STR("V=SPF1 -all")));
    assert_true(spf_is_record(STR("v=spf1 ")));
    assert_false(spf_is_record(STR("v=spf10")));
    assert_false(spf_is_record(STR("v=spf1\t-all")));
    assert_false(spf_is_record(STR("v=spf")));
    assert_false(spf_is_record(STR(" v=spf1")));
    assert_false(spf_is_record(STR("")));
}

TEST(spf_terms_say_what_they_are) {
    static const struct {
        enum spf_term_kind kind;
        enum spf_result result;
        const char *text;
        const char *domain;
        uint8_t bits_v4;
        uint8_t bits_v6;
    } expected[] = {
        {SPF_TERM_A, SPF_PASS, "a", "", 32, 128},
        {SPF_TERM_A, SPF_FAIL, "-A/24", "", 24, 128},
        {SPF_TERM_MX, SPF_SOFTFAIL, "~mx//64", "", 32, 64},
        {SPF_TERM_A, SPF_NEUTRAL, "?a:b/c.example/0//0", "b/c.example", 0, 0},
        {SPF_TERM_INCLUDE, SPF_PASS, "+include:x.example", "x.example", 32, 128},
        {SPF_TERM_EXISTS, SPF_PASS, "exists:%{i}.x.example", "%{i}.x.example", 32, 128},
        {SPF_TERM_PTR, SPF_PASS, "ptr", "", 32, 128},
        {SPF_TERM_UNKNOWN, SPF_NONE, "x-y_z.1=%{d}/:", "%{d}/:", 32, 128},
        {SPF_TERM_EXP, SPF_NONE, "exp=e.example", "e.example", 32, 128},
        {SPF_TERM_REDIRECT, SPF_NONE, "redirect=r.example", "r.example", 32, 128},
        {SPF_TERM_ALL, SPF_FAIL, "-all", "", 32, 128},
    };
    const struct str record =
        STR("v=spf1  a -A/24 ~mx//64 ?a:b/c.example/0//0 +include:x.example exists:%{i}.x.example "
            "ptr x-y_z.1=%{d}/: exp=e.example redirect=r.example -all  ");
    struct spf_term term;
    size_t at = 0;
    char room[160];
    struct text problem = TEXT_OVER(room);
    assert_true(spf_record_valid(record, &problem));
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        test_case(expected[i].text);
        assert_true(spf_record_next(record, &at, &term));
        assert_int_equal(term.kind, expected[i].kind);
        assert_int_equal(term.result, expected[i].result);
        assert_true(str_equal(term.text, str_from(expected[i].text)));
        assert_true(str_equal(term.domain, str_from(expected[i].domain)));
        assert_int_equal(term.bits_v4, expected[i].bits_v4);
        assert_int_equal(term.bits_v6, expected[i].bits_v6);
    }
    assert_false(spf_record_next(record, &at, &term));
    assert_true(spf_record_find(record, SPF_TERM_EXP, &term));
    assert_true(str_equal(term.domain, STR("e.example")));
}

TEST(spf_networks_are_masked) {
    struct spf_term term;
    size_t at = 0;
    const struct str record = STR("v=spf1 ip4:192.0.2.99/24 ip6:2001:DB8::1/32");
    struct ip_address address;
    assert_true(spf_record_next(record, &at, &term));
    assert_int_equal(term.kind, SPF_TERM_IP4);
    assert_int_equal(term.network.bits, 96 + 24);
    assert_true(ip_address_parse(STR("192.0.2.1"), &address));
    assert_true(ip_prefix_contains(term.network, address));
    assert_int_equal(term.network.address.bytes[15], 0);
    assert_true(spf_record_next(record, &at, &term));
    assert_int_equal(term.network.bits, 32);
    assert_true(ip_address_parse(STR("2001:db8:ffff::"), &address));
    assert_true(ip_prefix_contains(term.network, address));
}

TEST(spf_mistakes_are_told_with_the_term_they_are_in) {
    static const struct {
        const char *record;
        const char *problem;
    } rows[] = {
        {"v=spf1 a:museum -all", "\"a:museum\" has a domain of one label; write it in full"},
        {"v=spf1 a:x.123", "\"a:x.123\" has a domain with a wrong last label"},
        {"v=spf1 a:x.-com", "\"a:x.-com\" has a domain with a wrong last label"},
        {"v=spf1 a:x.com-", "\"a:x.com-\" has a domain with a wrong last label"},
        {"v=spf1 a:x..", "\"a:x..\" has a domain with a wrong last label"},
        {"v=spf1 a:x.e_x", "\"a:x.e_x\" has a domain with a wrong last label"},
        {"v=spf1 a:%{d}x", "\"a:%{d}x\" has a domain of one label; write it in full"},
        {"v=spf1 include", "\"include\" lacks a domain"},
        {"v=spf1 include:", "\"include:\" lacks a domain"},
        {"v=spf1 exp=", "\"exp=\" lacks a domain"},
        {"v=spf1 redirect=a.example redirect=b.example",
         "\"redirect=b.example\" is the second of its kind; one is allowed"},
        {"v=spf1 ip4:192.0.2.0/33", "\"ip4:192.0.2.0/33\" has a wrong length of a network"},
        {"v=spf1 ip4:192.0.2.0/024", "\"ip4:192.0.2.0/024\" has a wrong length of a network"},
        {"v=spf1 ip6:::1/999999999999999999999", "\"ip6:::1/999999999999999999999\" has a wrong "
                                                 "length of a network"},
        {"v=spf1 ip4:192.0.2.0/01", "\"ip4:192.0.2.0/01\" has a wrong length of a network"},
        {"v=spf1 ip6:::1/129", "\"ip6:::1/129\" has a wrong length of a network"},
        {"v=spf1 a/33", "\"a/33\" has a wrong length of a network"},
        {"v=spf1 a//129", "\"a//129\" has a wrong length of a network"},
        {"v=spf1 a:24", "\"a:24\" has a domain of one label; write it in full"},
        {"v=spf1 a(b=x", "\"a(b=x\" is no modifier: its name has a character that is not allowed"},
        {"v=spf1 ip4:::1", "\"ip4:::1\" has no IPv4 address"},
        {"v=spf1 ip6:192.0.2.1", "\"ip6:192.0.2.1\" has no IPv6 address"},
        {"v=spf1 ip4/24", "\"ip4/24\" lacks an address"},
        {"v=spf1 a/24/64", "\"a/24/64\" has a wrong length of a network"},
        {"v=spf1 all:x.example", "\"all:x.example\" has something behind the name that does not "
                                 "belong there"},
        {"v=spf1 "
         "ptr/24",
         "\"ptr/24\" has something behind the name that does not belong there"},
        {"v=spf1 moo", "\"moo\" is no mechanism that SPF knows"},
        {"v=spf1 -", "\"-\" is no mechanism that SPF knows"},
        {"v=spf1 --all", "\"--all\" is no mechanism that SPF knows"},
        {"v=spf1 1a=x", "\"1a=x\" is no modifier: its name has a character that is not allowed"},
        {"v=spf1 =x", "\"=x\" is no modifier: its name has a character that is not allowed"},
        {"v=spf1 -exp=x.example", "\"-exp=x.example\" is no modifier: its name has a character "
                                  "that is not allowed"},
        {"v=spf1 exists:%{q}", "\"exists:%{q}\" has a macro with an unknown letter"},
        {"v=spf1 exists:%{}", "\"exists:%{}\" has a macro with an unknown letter"},
        {"v=spf1 exists:%{c}", "\"exists:%{c}\" has a macro that only an explanation may have "
                               "(%{c}, %{r}, %{t})"},
        {"v=spf1 exists:%{d", "\"exists:%{d\" has a macro without a closing }"},
        {"v=spf1 exists:%{d0}", "\"exists:%{d0}\" has a macro that keeps 0 parts; the least is 1"},
        {"v=spf1 exists:%{dr2}", "\"exists:%{dr2}\" has a macro with an unknown delimiter"},
        {"v=spf1 exists:%", "\"exists:%\" has a % that starts no macro; a % itself is written %%"},
        {"v=spf1 a:x\x80.example", "\"a:x\\x80.example\" has a byte that is not printable ASCII"},
        {"v=spf1 m=a\x7f", "\"m=a\\x7f\" has a byte that is not printable ASCII"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].record);
        assert_string_equal(problem_of(rows[i].record), rows[i].problem);
    }
    assert_string_equal(problem_of("v=spf1 x=%%%_%- a:%%.%{o} exists:%{L10R-+=}"), "");
    assert_string_equal(
        problem_of("v=spf1 a/32//128 ip4:192.0.2.1/32 ip6:::1/128 ip4:0.0.0.0/0 ip6:::/0"), "");
    assert_string_equal(problem_of("v=spf1 a9=x z-=x a.b_c=x"), "");
}

TEST(spf_modifiers_may_have_any_digit_and_terms_are_shown_to_sixty_letters) {
    assert_string_equal(problem_of("v=spf1 a0=x a9=x -all"), "");
    char record[80] = "v=spf1 ";
    memset(record + 7, 'x', 61);
    record[7 + 60] = '\0';
    assert_int_equal(strncmp(problem_of(record) + 61, "\" is", 4), 0);
    record[7 + 60] = 'x';
    record[7 + 61] = '\0';
    assert_int_equal(strncmp(problem_of(record) + 61, "...\" is", 7), 0);
}

TEST(spf_records_are_not_read_beyond_their_end) {
    static const char *const records[] = {"v=spf1 all",   "v=spf1 all ",  "v=spf1 x=ab",
                                          "v=spf1 x=%",   "v=spf1 a:%{l", "v=spf1 a:%{l1",
                                          "v=spf1 a:%{lr"};
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        const size_t length = strlen(records[i]);
        char *exact = malloc(length); /* so that one byte more is noticed */
        assert_non_null(exact);
        memcpy(exact, records[i], length);
        char room[160];
        struct text problem = TEXT_OVER(room);
        assert_int_equal(spf_record_valid((struct str){exact, length}, &problem), i < 3);
        free(exact);
    }
}
