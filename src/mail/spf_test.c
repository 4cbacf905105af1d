/* SPDX-License-Identifier: Apache-2.0 */
/* What the suite of RFC 7208 (spf_suite_test.c) does not reach. */
#include "mail/spf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/spf_fixture.h"
#include "testing/test.h"

static struct spf_query query_of(const char *client, const char *sender, const char *helo) {
    struct spf_query query = {
        .helo_name = str_from(helo),
        .sender = str_from(sender),
        .receiver = STR("gate.example"),
        .wall_s = 1700000000,
        .explain = true,
    };
    assert_true(ip_address_parse(str_from(client), &query.client_address));
    return query;
}

static struct spf_verdict check(const struct zone_record *records, size_t count, const char *client,
                                const char *sender) {
    struct zone_map map = {.records = records, .count = count};
    const struct spf_query query = query_of(client, sender, "helo.example");
    return zone_map_check(&map, &query, NULL, NULL);
}
#define CHECK_ZONE(records, client, sender)                                                        \
    check(records, sizeof(records) / sizeof(records)[0], client, sender)

static const char *shown(const char *bytes, uint16_t length) {
    static char room[512];
    (void)snprintf(room, sizeof room, "%.*s", (int)length, bytes);
    return room;
}
#define MECHANISM(verdict)   shown((verdict).mechanism, (verdict).mechanism_length)
#define DOMAIN(verdict)      shown((verdict).domain, (verdict).domain_length)
#define PROBLEM(verdict)     shown((verdict).problem, (verdict).problem_length)
#define EXPLANATION(verdict) shown((verdict).explanation, (verdict).explanation_length)

TEST(spf_tells_which_domain_was_checked_and_which_term_decided) {
    static const struct zone_record zone[] = {
        {"a.example", "TXT", "v=spf1 include:i.example ?exists:x.example ~all", 0},
        {"i.example", "TXT", "v=spf1 ip4:192.0.2.0/24 -all", 0},
        {"r.example", "TXT", "v=spf1 ip4:192.0.2.9 redirect=%{l}.s.example", 0},
        {"b.s.example", "TXT", "v=spf1 redirect=T.example", 0},
        {"T.example", "TXT", "v=spf1 a:none.example -ip4:198.51.100.1 -all", 0},
        {"e.example", "TXT", "v=spf1", 0},
        {"q.example", "TXT", "v=spf1 redirect=e.example", 0},
    };
    static const struct {
        const char *client;
        const char *sender;
        enum spf_result result;
        const char *domain;
        const char *mechanism;
    } rows[] = {
        {"192.0.2.1", "b@A.Example.", SPF_PASS, "a.example", "include:i.example"},
        {"198.51.100.1", "b@a.example", SPF_SOFTFAIL, "a.example", "~all"},
        {"192.0.2.9", "b@r.example", SPF_PASS, "r.example", "ip4:192.0.2.9"},
        {"198.51.100.1", "b@r.example", SPF_FAIL, "r.example",
         "redirect=T.example -ip4:198.51.100.1"},
        {"198.51.100.2", "b@r.example", SPF_FAIL, "r.example", "redirect=T.example -all"},
        {"192.0.2.1", "b@e.example", SPF_NEUTRAL, "e.example", ""},
        {"192.0.2.1", "b@q.example", SPF_NEUTRAL, "q.example", "redirect=e.example"},
        {"192.0.2.1", "b@nobody.example", SPF_NONE, "nobody.example", ""},
        {"192.0.2.1", "b", SPF_NONE, "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct spf_verdict verdict = CHECK_ZONE(zone, rows[i].client, rows[i].sender);
        test_case(rows[i].sender);
        assert_int_equal(verdict.result, rows[i].result);
        assert_string_equal(DOMAIN(verdict), rows[i].domain);
        assert_string_equal(MECHANISM(verdict), rows[i].mechanism);
    }
}

TEST(spf_says_what_is_wrong_and_where) {
    static const struct zone_record zone[] = {
        {"two.example", "TXT", "v=spf1 -all", 0},
        {"two.example", "TXT", "v=spf1", 0},
        {"syntax.example", "TXT", "v=spf1 include:bad.example -all", 0},
        {"bad.example", "TXT", "v=spf1 ip4:1.2.3 -all", 0},
        {"lacks.example", "TXT", "v=spf1 include:nobody.example -all", 0},
        {"odd.example", "TXT", "v=spf1 include:a..b.example -all", 0},
        {"oddr.example", "TXT", "v=spf1 redirect=a..b.example", 0},
        {"dead.example", "TIMEOUT", "", 0},
        {"broken.example", "TXT", "v=spf1 a:broken2.example -all", 0},
        {"broken2.example", "FAILED", "", 0},
        {"loop.example", "TXT", "v=spf1 include:loop.example -all", 0},
        {"void.example", "TXT", "v=spf1 a:v1.example mx:v2.example exists:v3.example -all", 0},
    };
    static const struct {
        const char *sender;
        enum spf_result result;
        const char *problem;
        const char *mechanism;
    } rows[] = {
        {"b@two.example", SPF_PERMERROR,
         "two.example has more than one SPF record; it may have one", ""},
        {"b@syntax.example", SPF_PERMERROR, "bad.example: \"ip4:1.2.3\" has no IPv4 address",
         "include:bad.example"},
        {"b@lacks.example", SPF_PERMERROR,
         "nobody.example has no SPF record, and another record names it", "include:nobody.example"},
        {"b@odd.example", SPF_PERMERROR, "a..b.example is no domain name, and an include names it",
         "include:a..b.example"},
        {"b@oddr.example", SPF_PERMERROR, "a..b.example is no domain name, and a redirect names it",
         ""},
        {"b@dead.example", SPF_TEMPERROR, "dead.example: the DNS gave no answer, or an error", ""},
        {"b@broken.example", SPF_TEMPERROR, "broken2.example: the DNS gave no answer, or an error",
         "a:broken2.example"},
        {"b@loop.example", SPF_PERMERROR,
         "loop.example: more than 10 terms ask the DNS (RFC 7208 4.6.4)", "include:loop.example"},
        {"b@void.example", SPF_PERMERROR,
         "v3.example: more than 2 look-ups without a record (RFC 7208 4.6.4)", "exists:v3.example"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct spf_verdict verdict = CHECK_ZONE(zone, "192.0.2.1", rows[i].sender);
        test_case(rows[i].sender);
        assert_int_equal(verdict.result, rows[i].result);
        assert_string_equal(PROBLEM(verdict), rows[i].problem);
        assert_string_equal(MECHANISM(verdict), rows[i].mechanism);
    }
}

/* The client has an address without names and, by IPv6, hosts of mx have none of its kind: with
 * neither may it turn somebody's fail into an error. */
TEST(spf_void_look_ups_that_the_client_chooses_do_not_count) {
    static const struct zone_record zone[] = {
        {"a.example", "TXT",
         "v=spf1 "
         "ptr mx mx:m.example "
         "ptr:x.example a:v1.example a:v2.example "
         "-all",
         0},
        {"a.example", "MX", "mx1.example", 0},
        {"a.example", "MX", "mx2.example", 0},
        {"m.example", "MX", "mx2.example", 0},
        {"mx1.example", "A", "192.0.2.7", 0},
        {"mx2.example", "A", "192.0.2.8", 0},
    };
    const struct spf_verdict verdict = CHECK_ZONE(zone, "2001:db8::1", "b@a.example");
    assert_int_equal(verdict.result, SPF_FAIL);
    assert_int_equal(verdict.void_lookups, 2);
    assert_int_equal(verdict.lookups, 6);
    assert_int_equal(CHECK_ZONE(zone, "192.0.2.8", "b@a.example").result, SPF_PASS);
}

TEST(spf_ten_exchangers_are_looked_at_eleven_are_too_many) {
    struct zone_record zone[40] = {{"a.example", "TXT", "v=spf1 mx -all", 0}};
    char hosts[11][32];
    size_t count = 1;
    for (size_t i = 0; i < 11; i++) {
        (void)snprintf(hosts[i], sizeof hosts[i], "mx%zu.example", i);
        zone[count++] = (struct zone_record){hosts[i], "A", "192.0.2.1", 0};
    }
    zone[count - 1].data = "198.51.100.10"; /* of mx10 */
    zone[count - 2].data = "198.51.100.9";  /* of mx9 */
    for (size_t i = 0; i < 10; i++) {
        zone[count++] = (struct zone_record){"a.example", "MX", hosts[i], 0};
    }
    assert_int_equal(check(zone, count, "198.51.100.9", "b@a.example").result, SPF_PASS);
    assert_int_equal(check(zone, count, "198.51.100.10", "b@a.example").result, SPF_FAIL);
    zone[count++] = (struct zone_record){"a.example", "MX", hosts[10], 0};
    const struct spf_verdict verdict = check(zone, count, "192.0.2.1", "b@a.example");
    assert_int_equal(verdict.result, SPF_PERMERROR);
    assert_string_equal(PROBLEM(verdict),
                        "a.example has more than 10 mail exchangers (RFC 7208 4.6.4)");
}

TEST(spf_names_of_the_client_are_asked_for_once) {
    static const struct zone_record zone[] = {
        {"a.example", "TXT",
         "v=spf1 exists:%{p}.no.example exists:%{p}.no2.example "
         "ptr:q.example "
         "ptr -all",
         0},
        {"1.2.0.192.in-addr.arpa", "PTR", "dead.example", 0},
        {"1.2.0.192.in-addr.arpa", "PTR", "forged.a.example", 0},
        {"1.2.0.192.in-addr.arpa", "PTR", "b..c.example", 0},
        {"1.2.0.192.in-addr.arpa", "PTR", "Host.A.example", 0},
        {"dead.example", "TIMEOUT", "", 0},
        {"forged.a.example", "A", "198.51.100.1", 0},
        {"host.a.example", "A", "198.51.100.1", 0},
        {"host.a.example", "A", "192.0.2.1", 0},
    };
    struct zone_map map = {.records = zone, .count = sizeof zone / sizeof zone[0]};
    const struct spf_query query = query_of("192.0.2.1", "b@a.example", "h.example");
    const struct spf_verdict verdict = zone_map_check(&map, &query, NULL, NULL);
    assert_int_equal(verdict.result, SPF_PASS);
    assert_string_equal(MECHANISM(verdict), "ptr");
    assert_int_equal(map.questions, 1 + 1 + 3 + 2); /* record, PTR, three names, two exists */
}

TEST(spf_null_senders_and_helo_names) {
    static const struct zone_record zone[] = {
        {"mail.example.com", "TXT", "v=spf1 -all exp=e.example", 0},
        {"e.example", "TXT", "%{s} %{h} %{d}", 0},
    };
    struct zone_map map = {.records = zone, .count = 2};
    struct spf_query query = query_of("192.0.2.1", "", "Mail.Example.com");
    struct spf_verdict verdict = zone_map_check(&map, &query, NULL, NULL);
    assert_int_equal(verdict.result, SPF_FAIL);
    assert_string_equal(DOMAIN(verdict), "mail.example.com");
    assert_string_equal(EXPLANATION(verdict),
                        "postmaster@Mail.Example.com Mail.Example.com Mail.Example.com");
    static const char *const none[] = {"",          "localhost",   "[192.0.2.1]",
                                       "192.0.2.1", "a b.example", "x..example",
                                       ".example",  "a.example.."};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        test_case(none[i]);
        map.questions = 0;
        query.helo_name = str_from(none[i]);
        verdict = zone_map_check(&map, &query, NULL, NULL);
        assert_int_equal(verdict.result, SPF_NONE);
        assert_int_equal(map.questions, 0);
    }
}

TEST(spf_domains_in_utf_8_are_asked_about_as_a_labels) {
    static const struct zone_record zone[] = {
        {"xn--bcher-kva.example", "TXT", "v=spf1 exists:%{l}.x.example ip4:192.0.2.1 -all", 0},
    };
    const struct spf_verdict verdict = CHECK_ZONE(zone, "192.0.2.1",
                                                  "j\xc3\xbcrg@b\xc3\xbc"
                                                  "cher.example");
    assert_int_equal(verdict.result, SPF_PASS);
    assert_string_equal(DOMAIN(verdict), "xn--bcher-kva.example");
    assert_string_equal(MECHANISM(verdict), "ip4:192.0.2.1"); /* the local part matches nothing */
}

TEST(spf_explanations_are_printable_ascii_of_limited_length) {
    char text[4200];
    struct zone_record zone[] = {
        {"a.example", "TXT", "v=spf1 -all exp=e.example", 0},
        {"e.example", "TXT", "for %{l}", 0},
    };
    assert_string_equal(EXPLANATION(CHECK_ZONE(zone, "192.0.2.1", "x\r\n\xc3\xa9@a.example")),
                        "for x????");
    zone[1].data = "caf\xc3\xa9";
    assert_string_equal(EXPLANATION(CHECK_ZONE(zone, "192.0.2.1", "x@a.example")), "");
    memset(text, 'y', sizeof text);
    text[4096] = '\0';
    zone[1].data = text;
    assert_int_equal(CHECK_ZONE(zone, "192.0.2.1", "x@a.example").explanation_length,
                     SPF_EXPLANATION_MAX);
    text[4096] = 'y';
    text[4097] = '\0';
    const struct spf_verdict verdict = CHECK_ZONE(zone, "192.0.2.1", "x@a.example");
    assert_int_equal(verdict.result, SPF_FAIL);
    assert_int_equal(verdict.explanation_length, 0);
}

TEST(spf_records_of_the_greatest_length) {
    char text[SPF_RECORD_MAX + 2];
    struct zone_record zone[] = {{"a.example", "TXT", text, 0}};
    memset(text, ' ', sizeof text);
    memcpy(text, "v=spf1", 6);
    memcpy(text + SPF_RECORD_MAX - 4, "-all", 4);
    text[SPF_RECORD_MAX] = '\0';
    assert_int_equal(CHECK_ZONE(zone, "192.0.2.1", "x@a.example").result, SPF_FAIL);
    text[SPF_RECORD_MAX] = ' ';
    text[SPF_RECORD_MAX + 1] = '\0';
    const struct spf_verdict verdict = CHECK_ZONE(zone, "192.0.2.1", "x@a.example");
    assert_int_equal(verdict.result, SPF_PERMERROR);
    assert_string_equal(PROBLEM(verdict), "a.example: its SPF record is longer than 4096 bytes");
}

TEST(spf_without_explain_asks_for_no_explanation) {
    static const struct zone_record zone[] = {
        {"a.example", "TXT", "v=spf1 -all exp=e.example", 0},
        {"e.example", "TXT", "no", 0},
    };
    struct zone_map map = {.records = zone, .count = 2};
    struct spf_query query = query_of("192.0.2.1", "x@a.example", "h.example");
    query.explain = false;
    const struct spf_verdict verdict = zone_map_check(&map, &query, NULL, NULL);
    assert_int_equal(verdict.result, SPF_FAIL);
    assert_int_equal(verdict.explanation_length, 0);
    assert_int_equal(map.questions, 1);
}

/* Ten look-ups deep: each record includes the next, and the last may not ask any more. */
TEST(spf_includes_as_deep_as_the_limit) {
    char owners[11][16];
    char records[11][48];
    struct zone_record zone[11];
    for (size_t i = 0; i < 11; i++) {
        (void)snprintf(owners[i], sizeof owners[i], "d%zu.example", i);
        (void)snprintf(records[i], sizeof records[i],
                       i < 10 ? "v=spf1 include:d%zu.example" : "v=spf1 ip4:192.0.2.1", i + 1);
        zone[i] = (struct zone_record){owners[i], "TXT", records[i], 0};
    }
    const struct spf_verdict verdict = CHECK_ZONE(zone, "192.0.2.1", "x@d0.example");
    assert_int_equal(verdict.result, SPF_PASS);
    assert_int_equal(verdict.lookups, SPF_LOOKUPS_MAX);
    assert_string_equal(MECHANISM(verdict), "include:d1.example");
    (void)snprintf(records[10], sizeof records[10], "v=spf1 a");
    assert_int_equal(CHECK_ZONE(zone, "192.0.2.1", "x@d0.example").result, SPF_PERMERROR);
}

/* --- the trace --------------------------------------------------------------------------------
 */

TEST(spf_traces_what_it_does_line_by_line) {
    static const struct zone_record zone[] = {
        {"a.example", "TXT", "other \x01\"text\"", 0},
        {"a.example", "TXT", "v=spf1 ip4:198.51.100.1 include:i.example mx -all", 0},
        {"i.example", "TXT", "v=spf1 a ~all", 0},
        {"i.example", "A", "192.0.2.7", 0},
        {"i.example", "A", "192.0.2.8", 0},
    };
    static struct spf_trace_lines lines;
    struct zone_map map = {.records = zone, .count = sizeof zone / sizeof zone[0]};
    const struct spf_query query = query_of("192.0.2.1", "x@a.example", "h.example");
    (void)zone_map_check(&map, &query, spf_trace_collect, &lines);
    assert_string_equal(
        lines.text,
        "0 asks TXT a.example (look-up 0 of 10)\n"
        "0 answer: other \\x01\\x22text\\x22, v=spf1 ip4:198.51.100.1 include:i.example mx -all\n"
        "0 record of a.example: v=spf1 ip4:198.51.100.1 include:i.example mx -all\n"
        "0 ip4:198.51.100.1 does not match\n"
        "1 asks TXT i.example (look-up 1 of 10)\n"
        "1 answer: v=spf1 a ~all\n"
        "1 record of i.example: v=spf1 a ~all\n"
        "1 asks A i.example (look-up 2 of 10)\n"
        "1 answer: 192.0.2.7, 192.0.2.8\n"
        "1 a does not match\n"
        "1 ~all matches: softfail\n"
        "1 result of i.example: softfail\n"
        "0 include:i.example does not match\n"
        "0 asks MX a.example (look-up 3 of 10)\n"
        "0 answer: no record of this type\n"
        "0 mx does not match\n"
        "0 -all matches: fail\n"
        "0 result of a.example: fail\n");
}

/* --- any answer ------------------------------------------------------------------------------- */

static uint64_t next_number(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Records made of whole terms, or of pieces of them and noise; addresses, names. */
static size_t write_item(uint64_t *dice, enum dns_type type, char *room, size_t size) {
    static const char *const terms[] = {" a",
                                        " ?mx//0",
                                        " PTR",
                                        " -all",
                                        " ~all",
                                        " ?all",
                                        " include:i.example",
                                        " exists:%{p}.x.example",
                                        " redirect=r.%{d2}",
                                        " exp=e%{L}.example",
                                        " -a:%{l1r+-}.y.example/33",
                                        " x=%{s}"};
    static const char *const pieces[] = {
        " ", "a", "mx", "%{S}", "//0",  "/33", "%{ir}",   ".example", "%",    "\x80",
        ":", "=", "..", "%{c}", " all", "-",   "v=spf1 ", "%{d2r}",   "ip4:", "1.2.3.4/8"};
    struct text out = {.data = room, .size = size};
    const bool whole = next_number(dice) % 4 != 0;
    if (next_number(dice) % 4 == 0) { /* the length that the type asks for, or nearly */
        const size_t length = (type == DNS_A ? 4 : 16) + (size_t)(next_number(dice) % 3) - 1;
        for (size_t i = 0; i < length; i++) {
            text_add_byte(&out, (char)next_number(dice));
        }
        return out.length;
    }
    text_add(&out, type == DNS_MX ? STR("\x01\x02") : STR(""));
    if (type != DNS_TXT) {
        text_add(&out, whole ? STR("host.a.example") : STR("a..b\x80"));
        return out.length;
    }
    text_add(&out, STR("v=spf1 "));
    for (size_t count = (size_t)(next_number(dice) % 6); count > 0; count--) {
        const uint64_t chosen = next_number(dice);
        text_add(&out, str_from(whole ? terms[chosen % (sizeof terms / sizeof terms[0])]
                                      : pieces[chosen % (sizeof pieces / sizeof pieces[0])]));
    }
    return out.length;
}

static void assert_bounded(const struct spf_verdict *verdict) {
    assert_in_range(verdict->result, SPF_NONE, SPF_PERMERROR);
    assert_true(verdict->lookups <= SPF_LOOKUPS_MAX);
    assert_true(verdict->void_lookups <= SPF_VOID_LOOKUPS_MAX + 1);
    assert_true(verdict->domain_length <= DNS_NAME_MAX);
    assert_true(verdict->mechanism_length <= SPF_MECHANISM_MAX);
    assert_true(verdict->explanation_length <= SPF_EXPLANATION_MAX);
    assert_true(verdict->problem_length <= SPF_PROBLEM_MAX);
    const bool is_error = verdict->result == SPF_TEMPERROR || verdict->result == SPF_PERMERROR;
    assert_int_equal(verdict->problem_length > 0, is_error);
}

TEST(spf_any_answers_end_within_the_limits) {
    enum { ITEMS = 12, ITEM_BYTES = 300, ROUNDS = 3000 };
    static char rooms[ITEMS][ITEM_BYTES];
    struct str items[ITEMS];
    unsigned results[SPF_RESULTS] = {0};
    uint64_t dice = 88172645463325252u;
    void *memory = malloc(spf_bytes());
    assert_non_null(memory);
    for (unsigned round = 0; round < ROUNDS; round++) {
        static struct spf_trace_lines lines;
        struct spf_verdict verdict;
        struct dns_question question;
        const struct spf_query query = query_of(round % 2 != 0 ? "192.0.2.1" : "2001:db8::1",
                                                "a.b+c-d@a.example", "h.example");
        memset(memory, (int)round, spf_bytes());
        struct spf *spf =
            spf_start(memory, &query, round % 4 == 0 ? spf_trace_collect : NULL, &lines);
        for (unsigned questions = 0; spf_step(spf, &question, &verdict); questions++) {
            assert_true(questions < SPF_QUESTIONS_MAX);
            assert_in_range(question.name.length, 1, DNS_NAME_MAX);
            struct dns_answer answer = {.status = DNS_FOUND, .items = items};
            if (next_number(&dice) % 8 == 0) {
                answer.status = (enum dns_status)(1 + next_number(&dice) % DNS_UNAVAILABLE);
            }
            answer.count = answer.status == DNS_FOUND ? 1 : 0;
            if (next_number(&dice) % 16 == 0 && answer.count > 0) {
                answer.count = ITEMS;
            }
            for (size_t i = 0; i < answer.count; i++) {
                items[i] =
                    (struct str){rooms[i], write_item(&dice, question.type, rooms[i], ITEM_BYTES)};
            }
            spf_answer(spf, &answer);
            lines.length = 0;
        }
        assert_bounded(&verdict);
        results[verdict.result]++;
    }
    free(memory);
    for (unsigned i = 0; i < SPF_RESULTS; i++) {
        test_case(spf_result_name((enum spf_result)i));
        assert_true(results[i] > 0);
    }
}

/* The most that one evaluation can ask: ten mx of ten hosts, the client's names, an explanation. */
TEST(spf_asks_no_more_than_the_limit_says) {
    enum { HOSTS = 10 };
    static char record[SPF_RECORD_MAX];
    struct zone_record zone[60];
    char hosts[HOSTS][32];
    size_t count = 0;
    (void)snprintf(record, sizeof record,
                   "v=spf1 mx mx mx mx mx mx mx mx mx "
                   "ptr:no.example -all exp=e.example");
    zone[count++] = (struct zone_record){"a.example", "TXT", record, 0};
    zone[count++] = (struct zone_record){"e.example", "TXT", "no", 0};
    for (size_t i = 0; i < HOSTS; i++) {
        (void)snprintf(hosts[i], sizeof hosts[i], "h%zu.example", i);
        zone[count++] = (struct zone_record){"a.example", "MX", hosts[i], 0};
        zone[count++] = (struct zone_record){"1.2.0.192.in-addr.arpa", "PTR", hosts[i], 0};
        zone[count++] = (struct zone_record){hosts[i], "A", "198.51.100.1", 0};
    }
    struct zone_map map = {.records = zone, .count = count};
    const struct spf_query query = query_of("192.0.2.1", "x@a.example", "h.example");
    const struct spf_verdict verdict = zone_map_check(&map, &query, NULL, NULL);
    assert_int_equal(verdict.result, SPF_FAIL);
    assert_int_equal(verdict.lookups, SPF_LOOKUPS_MAX);
    assert_int_equal(map.questions, 1 + 9 * (1 + HOSTS) + 1 + HOSTS + 1);
    assert_true(map.questions <= SPF_QUESTIONS_MAX);
}
