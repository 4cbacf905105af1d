/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "settings/settings.h"
#include "testing/test.h"

/* The generation that `yaml` makes alone, or NULL with the problem. */
static struct settings *build(const char *yaml, struct setting_problem *problem) {
    struct settings_builder *builder = settings_builder_new();
    struct settings *settings = NULL;
    if (settings_builder_read_yaml(builder, str_from(yaml), problem)) {
        settings = settings_builder_finish(builder, 1, problem);
    }
    settings_builder_free(builder);
    return settings;
}

static struct settings *build_well(const char *yaml) {
    struct setting_problem problem = {0};
    struct settings *settings = build(yaml, &problem);
    test_case(problem.text);
    assert_non_null(settings);
    return settings;
}

static void assert_text(struct str got, const char *expected) {
    char shown[1024];
    struct text out = TEXT_OVER(shown);
    text_add(&out, got);
    assert_string_equal(text_zero(&out), expected);
}

TEST(settings_rbl_asks_zen_and_barracuda_out_of_the_box) {
    struct settings *settings = build_well("");
    const struct rbl_settings *rbl = &settings->policy.rbl;
    assert_int_equal(rbl->threshold, 1);
    assert_int_equal(rbl->list_count, 2);
    assert_int_equal(rbl->lists[0].number, 1);
    assert_text(rbl->lists[0].name, "Spamhaus ZEN");
    assert_text(rbl->lists[0].zone, "zen.spamhaus.org");
    assert_int_equal(rbl->lists[0].weight, 1);
    assert_int_equal(rbl->lists[0].key.length, 0);
    assert_int_equal(rbl->lists[0].codes.count, 1);
    assert_int_equal(rbl->lists[0].codes.ranges[0].from, 0x7f000002);
    assert_int_equal(rbl->lists[0].codes.ranges[0].to, 0x7f00000b);
    assert_true(rbl->lists[0].has_ipv6);
    assert_int_equal(rbl->lists[1].number, 2);
    assert_text(rbl->lists[1].zone, "b.barracudacentral.org");
    assert_false(rbl->lists[1].has_ipv6);
    assert_int_equal(rbl->exempt_network_count, 0);
    assert_text(rbl->text, "Client host {client_address} is listed in {rule}");
    settings_free(settings);
}

TEST(settings_rbl_has_known_and_own_lists_by_number) {
    struct settings *settings =
        build_well("rbl:\n"
                   "  threshold: 3\n"
                   "  exempt_networks: [198.41.0.0/24]\n"
                   "  own_lists:\n"
                   "    - BL.Example.COM. weight=7 codes=127.0.0.3,127.0.0.5-127.0.0.9 ipv6=no "
                   "name=Our own list\n"
                   "    - plain.example\n"
                   "    - \"dq.feed.example  name=Feed = paid\"\n"
                   "  own_keys: [dq.feed.example abc123]\n"
                   "  spamhaus_zen: {enabled: no}\n"
                   "  mailspike: {enabled: yes, weight: 2, codes: \"\"}\n"
                   "  spamhaus_sbl: {enabled: yes, key: sub5cr1ber}\n");
    const struct rbl_settings *rbl = &settings->policy.rbl;
    assert_int_equal(rbl->threshold, 3);
    assert_int_equal(rbl->list_count, 6);
    static const uint8_t numbers[] = {2, 3, 12, 101, 102, 103};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(rbl->lists[i].number, numbers[i]);
    }
    assert_text(rbl->lists[1].zone, "sbl.dq.spamhaus.net"); /* subscribers ask another zone */
    assert_text(rbl->lists[1].key, "sub5cr1ber");
    assert_int_equal(rbl->lists[1].covered_by, 0); /* ZEN is off */
    assert_int_equal(rbl->lists[2].weight, 2);
    assert_int_equal(rbl->lists[2].codes.count, 0);
    assert_text(rbl->lists[3].zone, "bl.example.com");
    assert_text(rbl->lists[3].name, "Our own list");
    assert_int_equal(rbl->lists[3].weight, 7);
    assert_int_equal(rbl->lists[3].codes.count, 2);
    assert_int_equal(rbl->lists[3].codes.ranges[1].to, 0x7f000009);
    assert_false(rbl->lists[3].has_ipv6);
    assert_text(rbl->lists[4].name, "plain.example");
    assert_int_equal(rbl->lists[4].weight, 1);
    assert_int_equal(rbl->lists[4].key.length, 0);
    assert_true(rbl->lists[4].has_ipv6);
    assert_text(rbl->lists[5].name, "Feed = paid");
    assert_text(rbl->lists[5].key, "abc123");
    assert_int_equal(rbl->exempt_network_count, 1);
    settings_free(settings);
}

TEST(settings_rbl_can_ask_every_list_at_once) {
    char yaml[4096];
    struct text out = TEXT_OVER(yaml);
    text_add(&out, STR("rbl:\n  own_lists:\n"));
    for (unsigned i = 0; i < DNSBL_OWN_MAX; i++) {
        text_add(&out, STR("    - bl"));
        text_add_u64(&out, i);
        text_add(&out, STR(".example\n"));
    }
    for (size_t i = 0; i < DNSBL_KNOWN; i++) {
        text_add(&out, STR("  "));
        text_add(&out, str_from(dnsbl_lists[i].word));
        text_add(&out, STR(": {enabled: yes}\n"));
    }
    struct settings *settings = build_well(text_zero(&out));
    const struct rbl_settings *rbl = &settings->policy.rbl;
    assert_int_equal(rbl->list_count, DNSBL_LISTS_MAX);
    for (size_t i = 1; i < rbl->list_count; i++) {
        assert_true(rbl->lists[i - 1].number < rbl->lists[i].number);
    }
    /* SBL and XBL have no data that ZEN does not have. */
    assert_int_equal(rbl->lists[2].covered_by, 1);
    assert_int_equal(rbl->lists[3].covered_by, 1);
    assert_int_equal(rbl->lists[0].covered_by, 0);
    assert_int_equal(rbl->lists[4].covered_by, 0);
    assert_int_equal(rbl->lists[DNSBL_LISTS_MAX - 1].number, DNSBL_OWN_FIRST + DNSBL_OWN_MAX - 1);
    settings_free(settings);
}

TEST(settings_rbl_mistakes_are_answered_with_place_and_advice) {
    static const struct {
        const char *yaml;
        const char *said;
    } rows[] = {
        /* clang-format off */
        {"rbl: {threshold: 0}", "1:18: rbl.threshold must be 1 to 10000, not \"0\""},
        {"rbl:\n  spamcop: {weight: 101}", "2:21: rbl.spamcop.weight must be 1 to 100, not \"101\""},
        {"rbl:\n  spamcop: {codes: 127.0.0.2;127.0.0.3}",
         "2:20: rbl.spamcop.codes: \"127.0.0.2;127.0.0.3\" is not a code, a range or a network of codes; write such as 127.0.0.2, 127.0.0.4-127.0.0.7 or 127.0.1.0/24"},
        {"rbl:\n  spamkop: {enabled: yes}",
         "2:3: \"rbl.spamkop\" is not a setting; `seczim setting list` shows all"},
        {"rbl:\n  own_lists: [example]",
         "2:14: rbl.own_lists: \"example\" does not begin with the name of a zone, such as bl.example.com"},
        {"rbl:\n  own_lists: [weight=2]",
         "2:14: rbl.own_lists: \"weight=2\" does not begin with the name of a zone, such as bl.example.com"},
        {"rbl:\n  own_lists: [bl.example weight=0]",
         "2:14: rbl.own_lists: \"bl.example weight=0\" has a weight that is not 1 to 100"},
        {"rbl:\n  own_lists: [bl.example weight=101]",
         "2:14: rbl.own_lists: \"bl.example weight=101\" has a weight that is not 1 to 100"},
        {"rbl:\n  own_lists: [bl.example wieght=1]",
         "2:14: rbl.own_lists: \"bl.example wieght=1\" has a word that is none of weight=N, codes=CODES, ipv6=no and name=NAME"},
        {"rbl:\n  own_lists: [bl.example 3]",
         "2:14: rbl.own_lists: \"bl.example 3\" has a word that is none of weight=N, codes=CODES, ipv6=no and name=NAME"},
        {"rbl:\n  own_lists: [bl.example ipv6=maybe]",
         "2:14: rbl.own_lists: \"bl.example ipv6=maybe\" says neither ipv6=yes nor ipv6=no"},
        {"rbl:\n  own_lists: [bl.example name=]",
         "2:14: rbl.own_lists: \"bl.example name=\" has a name that is not 1 to 60 plain characters"},
        {"rbl:\n  own_lists: [bl.example codes=9.9.9.9]",
         "2:14: rbl.own_lists: \"bl.example codes=9.9.9.9\" \"9.9.9.9\" is outside of 127.0.0.0/8, where no answer is a listing"},
        {"rbl:\n  own_lists: [bl.example, BL.example.]",
         "2:14: rbl.own_lists: \"BL.example.\" stands there twice; take one out"},
        {"rbl:\n  own_lists: [bl.example name=Ours, cl.example name=ours]",
         "2:14: rbl.own_lists: \"cl.example name=ours\" has a name that another list has; give it one of its own"},
        {"rbl:\n  own_lists: [bl.example name=cl.example, cl.example]",
         "2:14: rbl.own_lists: \"cl.example\" has a name that another list has; give it one of its own"},
        {"rbl:\n  own_lists: [bl.example name=spamhaus zen]",
         "2:14: rbl.own_lists: \"bl.example name=spamhaus zen\" has a name that another list has; give it one of its own"},
        {"rbl:\n  own_lists: [psbl.surriel.com]",
         "2:14: rbl.own_lists: \"psbl.surriel.com\" is one of the known lists; switch that on with `seczim rbl enable`, or rbl.NAME.enabled, and take this out"},
        {"rbl:\n  own_keys: [bl.example abc]",
         "2:13: rbl.own_keys: there is no list \"bl.example\" in rbl.own_lists; add it there, or take its key out"},
        {"rbl: {text: \"{list}\"}",
         "1:13: rbl.text: \"{list}\" is no placeholder; allowed are {retry_in} {client_address} {sender} {recipient} {policy} {reason} {rule}; write {{ or }} for a brace"},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct setting_problem problem;
        test_case(rows[i].yaml);
        assert_null(build(rows[i].yaml, &problem));
        char said[1024];
        struct text out = TEXT_OVER(said);
        setting_problem_format(&problem, STR(""), &out);
        assert_string_equal(text_zero(&out) + 1, rows[i].said);
    }
}

TEST(settings_rbl_switched_on_without_sense_is_warned_of) {
    static const struct {
        const char *yaml;
        const char *said[2];
    } rows[] = {
        {"", {NULL}},
        {"rbl: {sorbs: {enabled: yes}}",
         {"rbl.sorbs.enabled: SORBS is on, but the list was closed in June 2024 and answers "
          "nothing; switch it off"}},
        {"rbl: {uceprotect_3: {enabled: yes}}",
         {"rbl.uceprotect_3.enabled: UCEPROTECT Level 3 is on with a weight that refuses mail "
          "alone, but the list names whole providers with all their customers; lower its weight "
          "below rbl.threshold, or switch it off"}},
        {"rbl: {threshold: 2, uceprotect_3: {enabled: yes}}", {NULL}},
        {"rbl: {spamhaus_sbl: {enabled: yes}, sorbs: {enabled: yes}}",
         {"rbl.spamhaus_sbl.enabled: Spamhaus SBL is on beside Spamhaus ZEN, which has the same "
          "data, so it adds nothing; switch it off",
          "rbl.sorbs.enabled: SORBS is on, but the list was closed in June 2024 and answers "
          "nothing; switch it off"}},
        {"rbl: {spamhaus_zen: {enabled: no}, spamhaus_sbl: {enabled: yes}}", {NULL}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct settings *settings = build_well(rows[i].yaml);
        char said[512];
        size_t count = 0;
        test_case(rows[i].yaml);
        for (struct text out = TEXT_OVER(said); settings_warning(settings, count, &out);
             out = TEXT_OVER(said)) {
            assert_true(count < 2 && rows[i].said[count] != NULL);
            assert_string_equal(text_zero(&out), rows[i].said[count]);
            count++;
        }
        assert_true(count == 2 || rows[i].said[count] == NULL);
        settings_free(settings);
    }
}

/* --- secrets ---------------------------------------------------------------------------------- */

#define MARKER "s3cretmarker"

static void assert_hidden(const struct text *out) {
    char bytes[64 * 1024];
    assert_false(out->truncated);
    assert_true(out->length < sizeof bytes);
    memcpy(bytes, out->data, out->length);
    bytes[out->length] = '\0';
    assert_null(strstr(bytes, MARKER));
}

TEST(settings_rbl_keys_are_shown_nowhere) {
    struct settings *settings =
        build_well("rbl:\n"
                   "  own_lists: [a.example, b.example]\n"
                   "  own_keys: [a.example " MARKER "a, b.example " MARKER "b]\n"
                   "  spamhaus_zen: {key: " MARKER "}\n"
                   "  barracuda: {key: " MARKER "}\n");
    assert_text(settings->policy.rbl.lists[0].key, MARKER);
    assert_text(settings->policy.rbl.lists[2].key, MARKER "a");
    for (size_t i = 0; i < settings_count; i++) {
        char bytes[4096];
        struct text out = TEXT_OVER(bytes);
        test_case(settings_table[i].key);
        setting_format(settings, &settings_table[i], &out);
        assert_hidden(&out);
        out.length = 0;
        setting_format_plain(settings, &settings_table[i], &out);
        assert_hidden(&out);
    }
    char bytes[64];
    struct text out = TEXT_OVER(bytes);
    setting_format(settings, setting_find(STR("rbl.spamhaus_zen.key")), &out);
    assert_string_equal(text_zero(&out), "***"); /* set */
    out.length = 0;
    setting_format(settings, setting_find(STR("rbl.spamcop.key")), &out);
    assert_string_equal(text_zero(&out), ""); /* not set */
    out.length = 0;
    setting_format(settings, setting_find(STR("rbl.own_keys")), &out);
    assert_string_equal(text_zero(&out), "***\n***");
    settings_free(settings);
}

TEST(settings_rbl_key_that_is_none_is_refused_without_showing_it) {
    static const struct {
        const char *yaml;
        const char *said;
    } rows[] = {
        {"rbl: {spamcop: {key: " MARKER ".x}}",
         "1:22: rbl.spamcop.key must be a key of at most 63 letters, digits and hyphens: what was "
         "given is not shown here"},
        {"rbl: {spamcop: {key: \"***\"}}",
         "1:22: rbl.spamcop.key must be a key of at most 63 letters, digits and hyphens: \"***\" "
         "stands for the key that is set; leave it out to keep that one"},
        {"rbl: {own_keys: [" MARKER "]}",
         "1:18: rbl.own_keys: an item, which is not shown here, is not the zone of an own list, a "
         "blank and its key of letters, digits and hyphens"},
        {"rbl: {own_keys: [a.example " MARKER "!]}",
         "1:18: rbl.own_keys: an item, which is not shown here, is not the zone of an own list, a "
         "blank and its key of letters, digits and hyphens"},
        {"rbl: {own_keys: [a.example " MARKER "]}",
         "1:17: rbl.own_keys: there is no list \"a.example\" in rbl.own_lists; add it there, or "
         "take its key out"},
        {"rbl: {spamcop: {key: [" MARKER "]}}",
         "1:22: \"rbl.spamcop.key\" has one value, not a list; write it without brackets and "
         "dashes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct setting_problem problem;
        test_case(rows[i].yaml);
        assert_null(build(rows[i].yaml, &problem));
        char said[1024];
        struct text out = TEXT_OVER(said);
        setting_problem_format(&problem, STR(""), &out);
        assert_string_equal(text_zero(&out) + 1, rows[i].said);
        assert_null(strstr(said, MARKER));
    }
}

TEST(settings_rbl_key_that_changes_is_a_difference) {
    struct settings *one = build_well("rbl: {spamcop: {key: one}}");
    struct settings *two = build_well("rbl: {spamcop: {key: two}}");
    const struct setting_info *info = setting_find(STR("rbl.spamcop.key"));
    assert_true(setting_differs(one, two, info));
    assert_false(setting_differs(one, one, info));
    assert_true(setting_is_secret(info));
    assert_string_equal(setting_type_name(info->type), "secret");
    settings_free(one);
    settings_free(two);
}
