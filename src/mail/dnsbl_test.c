/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/dnsbl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing/test.h"

static struct ip_address address_of(const char *text) {
    struct ip_address address;
    assert_true(ip_address_parse(str_from(text), &address));
    return address;
}

static const char *name_of(const char *address, const char *key, const char *zone) {
    static char bytes[400];
    struct text out = {.data = bytes, .size = sizeof bytes - 1};
    return dnsbl_name(address_of(address), str_from(key), str_from(zone), &out) ? text_zero(&out)
                                                                                : NULL;
}

static struct dnsbl_codes codes_of(const char *text) {
    struct dnsbl_codes codes;
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    test_case(text);
    assert_true(dnsbl_codes_parse(str_from(text), &codes, &problem));
    assert_int_equal(problem.length, 0);
    return codes;
}

/* Judges an answer of the A records in `text`, blanks between them. */
static enum dnsbl_status judge(const char *text, const char *codes, unsigned char ret_code[4]) {
    unsigned char bytes[8][4];
    struct str items[8];
    struct dns_answer answer = {.status = DNS_FOUND, .items = items};
    struct str rest = str_from(text);
    while (rest.length > 0) {
        const size_t blank = str_find(rest, ' ');
        struct ip_address address;
        assert_true(ip_address_parse(str_slice(rest, 0, blank), &address));
        memcpy(bytes[answer.count], address.bytes + 12, 4);
        items[answer.count] = (struct str){(const char *)bytes[answer.count], 4};
        answer.count++;
        rest = blank == SIZE_MAX ? STR("") : str_slice(rest, blank + 1, rest.length);
    }
    const struct dnsbl_codes parsed = codes_of(codes);
    return dnsbl_judge(&answer, &parsed, ret_code);
}

static void assert_code(const unsigned char code[4], const char *expected) {
    char shown[32];
    (void)snprintf(shown, sizeof shown, "%u.%u.%u.%u", code[0], code[1], code[2], code[3]);
    assert_string_equal(shown, expected);
}

TEST(dnsbl_known_lists_are_the_twelve_of_the_specification) {
    static const struct {
        const char *word;
        const char *zone;
        enum dnsbl_preset preset;
    } rows[DNSBL_KNOWN] = {
        {"spamhaus_zen", "zen.spamhaus.org", DNSBL_RECOMMENDED},
        {"barracuda", "b.barracudacentral.org", DNSBL_RECOMMENDED},
        {"spamhaus_sbl", "sbl.spamhaus.org", DNSBL_NO_PRESET},
        {"spamhaus_xbl", "xbl.spamhaus.org", DNSBL_NO_PRESET},
        {"spamcop", "bl.spamcop.net", DNSBL_ADDITIONAL},
        {"sorbs", "dnsbl.sorbs.net", DNSBL_NO_PRESET},
        {"uceprotect_1", "dnsbl-1.uceprotect.net", DNSBL_MAXIMUM},
        {"uceprotect_2", "dnsbl-2.uceprotect.net", DNSBL_MAXIMUM},
        {"uceprotect_3", "dnsbl-3.uceprotect.net", DNSBL_NO_PRESET},
        {"invaluement", "dnsbl.invaluement.com", DNSBL_MAXIMUM},
        {"psbl", "psbl.surriel.com", DNSBL_ADDITIONAL},
        {"mailspike", "bl.mailspike.net", DNSBL_ADDITIONAL},
    };
    for (size_t i = 0; i < DNSBL_KNOWN; i++) {
        const struct dnsbl_info *info = &dnsbl_lists[i];
        test_case(rows[i].word);
        assert_string_equal(info->word, rows[i].word);
        assert_string_equal(info->zone, rows[i].zone);
        assert_int_equal(info->preset, rows[i].preset);
        assert_int_equal(info->number, i + 1); /* part of the journal's format */
        assert_ptr_equal(dnsbl_find(str_from(rows[i].word)), info);
        assert_ptr_equal(dnsbl_of_number((unsigned)i + 1), info);
        assert_true(dnsbl_zone_valid(str_from(info->zone)));
        assert_true(dnsbl_zone_valid(str_from(info->keyed_zone)));
        assert_true(info->covered_by == NULL || dnsbl_find(str_from(info->covered_by)) != NULL);
        assert_int_equal(info->retired, strcmp(info->word, "sorbs") == 0);
        assert_true(str_printable_length(str_from(info->description)) == strlen(info->description));
        (void)codes_of(info->codes);
    }
    assert_null(dnsbl_find(STR("spamhaus")));
    assert_null(dnsbl_of_number(0));
    assert_null(dnsbl_of_number(DNSBL_KNOWN + 1));
    assert_string_equal(dnsbl_find(STR("spamhaus_sbl"))->covered_by, "spamhaus_zen");
    assert_string_equal(dnsbl_find(STR("spamhaus_xbl"))->covered_by, "spamhaus_zen");
}

TEST(dnsbl_presets_have_words) {
    enum dnsbl_preset preset = DNSBL_NO_PRESET;
    assert_true(dnsbl_preset_find(STR("recommended"), &preset));
    assert_int_equal(preset, DNSBL_RECOMMENDED);
    assert_true(dnsbl_preset_find(STR("maximum"), &preset));
    assert_int_equal(preset, DNSBL_MAXIMUM);
    assert_false(dnsbl_preset_find(STR("all"), &preset));
    assert_int_equal(preset, DNSBL_MAXIMUM); /* untouched */
}

TEST(dnsbl_names_are_those_of_the_rfc) {
    assert_string_equal(name_of("181.111.252.219", "", "zen.spamhaus.org"),
                        "219.252.111.181.zen.spamhaus.org");
    assert_string_equal(name_of("127.0.0.2", "s3cret", "zen.dq.spamhaus.net"),
                        "2.0.0.127.s3cret.zen.dq.spamhaus.net");
    /* RFC 5782 2.4 */
    assert_string_equal(
        name_of("2001:db8:1:2:3:4:567:89ab", "", "ugly.example.com"),
        "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example.com");
}

TEST(dnsbl_names_that_do_not_fit_are_refused) {
    char zone[260];
    /* "1.0.0.10." is nine bytes: 244 fit, 245 do not. */
    memset(zone, 'a', sizeof zone);
    for (size_t i = 40; i < sizeof zone; i += 41) {
        zone[i] = '.';
    }
    zone[244] = '\0';
    assert_non_null(name_of("10.0.0.1", "", zone));
    assert_int_equal(strlen(name_of("10.0.0.1", "", zone)), DNS_NAME_MAX);
    zone[244] = 'a';
    zone[245] = '\0';
    assert_null(name_of("10.0.0.1", "", zone));
    /* A label of 63 is a key, one of 64 is none. */
    char key[65];
    memset(key, 'k', sizeof key);
    key[63] = '\0';
    assert_non_null(name_of("10.0.0.1", key, "zone.example"));
    key[63] = 'k';
    key[64] = '\0';
    assert_null(name_of("10.0.0.1", key, "zone.example"));
    /* A place that is too small. */
    char small[20];
    struct text out = TEXT_OVER(small);
    assert_false(dnsbl_name(address_of("192.0.2.99"), STR(""), STR("zen.spamhaus.org"), &out));
}

TEST(dnsbl_test_points_are_those_of_the_rfc) {
    char bytes[300];
    struct text out = {.data = bytes, .size = sizeof bytes - 1};
    assert_true(dnsbl_test_name(false, 2, STR(""), STR("zone.example"), &out));
    assert_string_equal(text_zero(&out), "2.0.0.127.zone.example");
    out.length = 0;
    assert_true(dnsbl_test_name(false, 1, STR("key"), STR("zone.example"), &out));
    assert_string_equal(text_zero(&out), "1.0.0.127.key.zone.example");
    out.length = 0;
    assert_true(dnsbl_test_name(true, 2, STR(""), STR("zone.example"), &out));
    assert_string_equal(text_zero(&out), "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
                                         "0.0.0.0.zone.example");
}

TEST(dnsbl_keys_and_zones_are_labels) {
    char label[65];
    memset(label, 'x', sizeof label);
    assert_true(dnsbl_key_valid(STR("a")));
    assert_true(dnsbl_key_valid(STR("Ab0-9z")));
    assert_true(dnsbl_key_valid(STR("a-b")));
    assert_true(dnsbl_key_valid((struct str){label, 63}));
    assert_false(dnsbl_key_valid((struct str){label, 64}));
    assert_false(dnsbl_key_valid(STR("")));
    assert_false(dnsbl_key_valid(STR("***")));
    assert_false(dnsbl_key_valid(STR("-a")));
    assert_false(dnsbl_key_valid(STR("a-")));
    assert_false(dnsbl_key_valid(STR("a.b")));
    assert_true(dnsbl_zone_valid(STR("bl.example")));
    assert_true(dnsbl_zone_valid(STR("_b-l.example")));
    assert_false(dnsbl_zone_valid(STR("example")));
    assert_false(dnsbl_zone_valid(STR("bl.Example")));
    assert_false(dnsbl_zone_valid(STR(".example")));
    assert_false(dnsbl_zone_valid(STR("bl..example")));
    assert_false(dnsbl_zone_valid(STR("bl.example.")));
    assert_false(dnsbl_zone_valid(STR("bl.exa mple")));
    assert_false(dnsbl_zone_valid(STR("")));
}

TEST(dnsbl_names_may_be_as_short_and_as_long_as_allowed) {
    char zone[260];
    memset(zone, 'a', sizeof zone);
    for (size_t i = 63; i < sizeof zone; i += 64) {
        zone[i] = '.';
    }
    assert_true(dnsbl_zone_valid((struct str){zone, DNS_NAME_MAX}));
    assert_false(dnsbl_zone_valid((struct str){zone, DNS_NAME_MAX + 1}));
    zone[63] = 'a'; /* a label of 127 */
    assert_false(dnsbl_zone_valid((struct str){zone, DNS_NAME_MAX}));
    assert_true(dnsbl_zone_valid(STR("bl.e")));
    assert_true(dnsbl_key_valid(STR("AZaz09")));
    assert_string_equal(name_of("10.0.0.1", "k", "bl.e"), "1.0.0.10.k.bl.e");
    char bytes[512];
    struct text out = TEXT_OVER(bytes);
    text_add(&out, (struct str){zone, 250}); /* what stands before it does not count */
    assert_true(dnsbl_name(address_of("10.0.0.1"), STR(""), STR("bl.e"), &out));
}

TEST(dnsbl_asks_about_public_addresses_alone) {
    /* The first and last address of each special network, and its neighbours. */
    static const struct {
        const char *before; /* public; NULL: its neighbour is special too, or there is none */
        const char *first;
        const char *last;
        const char *after;
    } rows[] = {
        {NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
        {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
        {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
        {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
        {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
        {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
        {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
        {"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
        {"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
        {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
        {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
        {"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
        {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
        {"223.255.255.255", "224.0.0.0", "255.255.255.255", NULL},
        {NULL, "::", "::fffe:ffff:ffff", NULL},
        {"0064:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "64:ff9b::", "64:ff9b::ffff:ffff",
         "64:ff9b::1:0:0"},
        {"64:ff9b:0:ffff:ffff:ffff:ffff:ffff", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
         "64:ff9b:2::"},
        {"ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "100::", "100::ffff:ffff:ffff:ffff",
         "100:0:0:1::"},
        {"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"},
        {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
         "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
        {"2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"},
        {"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"},
        {"5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5f01::"},
        {"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::"},
        {"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fec0::"},
        {"feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].first);
        assert_true(rows[i].before == NULL || dnsbl_is_public(address_of(rows[i].before)));
        assert_true(rows[i].after == NULL || dnsbl_is_public(address_of(rows[i].after)));
        if (strcmp(rows[i].first, "::") != 0) {
            assert_false(dnsbl_is_public(address_of(rows[i].first)));
            assert_false(dnsbl_is_public(address_of(rows[i].last)));
        }
    }
    assert_false(dnsbl_is_public(address_of("::")));
    assert_false(dnsbl_is_public(address_of("::1")));
    assert_false(dnsbl_is_public(address_of("::ffff:ffff")));
    assert_true(dnsbl_is_public(address_of("181.111.252.219")));
    assert_true(dnsbl_is_public(address_of("2a00:1450::1")));
    assert_true(dnsbl_is_public(address_of("::1:0:0")));
}

TEST(dnsbl_codes_are_read_and_written) {
    static const struct {
        const char *text;
        size_t count;
        const char *again;
    } rows[] = {
        {"", 0, ""},
        {"  ", 0, ""},
        {"127.0.0.2", 1, "127.0.0.2"},
        {" 127.0.0.2 , 127.0.0.4 - 127.0.0.7 ", 2, "127.0.0.2,127.0.0.4-127.0.0.7"},
        {"127.0.1.0/24", 1, "127.0.1.0-127.0.1.255"},
        {"127.0.0.0/9", 1, "127.0.0.0-127.127.255.255"},
        {"127.0.0.9/32", 1, "127.0.0.9"},
        {"127.0.0.3-127.0.0.3", 1, "127.0.0.3"},
        {"127.255.254.255", 1, "127.255.254.255"},
        {"127.0.0.0", 1, "127.0.0.0"},
        {"127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.5,127.0.0.6,127.0.0.7,127.0.0.8,"
         "127.0.0.9,127.0.0.10,127.0.0.11,127.0.0.12,127.0.0.13,127.0.0.14,127.0.0.15,127.0.0.16",
         16,
         "127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.5,127.0.0.6,127.0.0.7,127.0.0.8,"
         "127.0.0.9,127.0.0.10,127.0.0.11,127.0.0.12,127.0.0.13,127.0.0.14,127.0.0.15,127.0.0.16"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct dnsbl_codes codes = codes_of(rows[i].text);
        char bytes[512];
        struct text out = TEXT_OVER(bytes);
        assert_int_equal(codes.count, rows[i].count);
        dnsbl_codes_format(&codes, &out);
        assert_string_equal(text_zero(&out), rows[i].again);
        const struct dnsbl_codes again = codes_of(bytes);
        assert_int_equal(again.count, codes.count);
        assert_memory_equal(again.ranges, codes.ranges, codes.count * sizeof codes.ranges[0]);
    }
}

TEST(dnsbl_codes_that_are_none_are_explained) {
    static const struct {
        const char *text;
        const char *said;
    } rows[] = {
        {"2", "\"2\" is not a code, a range or a network of codes; write such as 127.0.0.2, "
              "127.0.0.4-127.0.0.7 or 127.0.1.0/24"},
        {"127.0.0.256", "\"127.0.0.256\" is not a code, a range or a network of codes; write such "
                        "as 127.0.0.2, 127.0.0.4-127.0.0.7 or 127.0.1.0/24"},
        {"::ffff:127.0.0.2", "\"::ffff:127.0.0.2\" is not a code, a range or a network of codes; "
                             "write such as 127.0.0.2, 127.0.0.4-127.0.0.7 or 127.0.1.0/24"},
        {"127.0.0.2/24", "\"127.0.0.2/24\" is not a code, a range or a network of codes; write "
                         "such as 127.0.0.2, 127.0.0.4-127.0.0.7 or 127.0.1.0/24"},
        {"127.0.0.0/33", "\"127.0.0.0/33\" is not a code, a range or a network of codes; write "
                         "such as 127.0.0.2, 127.0.0.4-127.0.0.7 or 127.0.1.0/24"},
        {"127.0.0.5-127.0.0.4", "\"127.0.0.5-127.0.0.4\" ends before it begins; turn it round"},
        {"126.255.255.255",
         "\"126.255.255.255\" is outside of 127.0.0.0/8, where no answer is a listing"},
        {"128.0.0.0", "\"128.0.0.0\" is outside of 127.0.0.0/8, where no answer is a listing"},
        {"0.0.0.0/0", "\"0.0.0.0/0\" is outside of 127.0.0.0/8, where no answer is a listing"},
        {"127.255.255.0", "\"127.255.255.0\" reaches into 127.255.255.0/24, which tells errors of "
                          "the query, never a listing"},
        {"127.0.0.0/8", "\"127.0.0.0/8\" reaches into 127.255.255.0/24, which tells errors of the "
                        "query, never a listing"},
        {"127.0.0.2,", "\"127.0.0.2,\" has a comma without a code; take it out"},
        {",127.0.0.2", "\",127.0.0.2\" has a comma without a code; take it out"},
        {"127.0.0.2,,127.0.0.3", "\"127.0.0.2,,127.0.0.3\" has a comma without a code; take it "
                                 "out"},
        {"127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.5,127.0.0.6,127.0.0.7,127.0.0.8,"
         "127.0.0.9,127.0.0.10,127.0.0.11,127.0.0.12,127.0.0.13,127.0.0.14,127.0.0.15,127.0.0.16,"
         "127.0.0.17",
         "\"127.0.0.17\" is one too many; at most 16 codes and ranges fit"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dnsbl_codes codes = {.count = 7};
        char bytes[512];
        struct text problem = TEXT_OVER(bytes);
        test_case(rows[i].text);
        assert_false(dnsbl_codes_parse(str_from(rows[i].text), &codes, &problem));
        assert_string_equal(text_zero(&problem), rows[i].said);
        assert_int_equal(codes.count, 7); /* untouched */
    }
}

TEST(dnsbl_codes_that_are_none_are_shown_to_forty_letters) {
    static const char digits[] = "1234567890123456789012345678901234567890X";
    for (size_t length = 40; length <= 41; length++) {
        struct dnsbl_codes codes;
        char bytes[512];
        struct text problem = TEXT_OVER(bytes);
        assert_false(dnsbl_codes_parse((struct str){digits, length}, &codes, &problem));
        (void)text_zero(&problem);
        assert_int_equal(strncmp(bytes + 41, length == 40 ? "\" is" : "...\" is", 4), 0);
    }
}

TEST(dnsbl_answers_are_judged) {
    static const struct {
        const char *records;
        const char *codes;
        enum dnsbl_status status;
        const char *code;
    } rows[] = {
        {"127.0.0.2", "", DNSBL_LISTED, "127.0.0.2"},
        {"127.0.0.2", "127.0.0.2-127.0.0.11", DNSBL_LISTED, "127.0.0.2"},
        {"127.0.0.11", "127.0.0.2-127.0.0.11", DNSBL_LISTED, "127.0.0.11"},
        {"127.0.0.12", "127.0.0.2-127.0.0.11", DNSBL_NOT_LISTED, "0.0.0.0"},
        {"127.0.0.1", "127.0.0.2-127.0.0.11", DNSBL_NOT_LISTED, "0.0.0.0"},
        {"127.0.0.1 127.0.0.10", "127.0.0.10-127.0.0.11", DNSBL_LISTED, "127.0.0.10"},
        {"127.0.0.9", "127.0.0.2,127.0.0.4-127.0.0.7", DNSBL_NOT_LISTED, "0.0.0.0"},
        /* The first and last of 127/8, and of the errors in it. */
        {"127.0.0.0", "", DNSBL_LISTED, "127.0.0.0"},
        {"126.255.255.255", "", DNSBL_FAILED, "126.255.255.255"},
        {"127.255.254.255", "", DNSBL_LISTED, "127.255.254.255"},
        {"127.255.255.0", "", DNSBL_FAILED, "127.255.255.0"},
        {"127.255.255.254", "", DNSBL_FAILED, "127.255.255.254"},
        {"127.255.255.255", "", DNSBL_FAILED, "127.255.255.255"},
        {"128.0.0.0", "", DNSBL_FAILED, "128.0.0.0"},
        {"203.0.113.7", "", DNSBL_FAILED, "203.0.113.7"}, /* the domain was sold */
        /* A listing counts beside an error; an error beside what does not count is one. */
        {"127.255.255.254 127.0.0.4", "", DNSBL_LISTED, "127.0.0.4"},
        {"127.0.0.9 127.255.255.252 203.0.113.7", "127.0.0.2", DNSBL_FAILED, "127.255.255.252"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char code[4] = {9, 9, 9, 9};
        const enum dnsbl_status status = judge(rows[i].records, rows[i].codes, code);
        test_case(rows[i].records);
        assert_int_equal(status, rows[i].status);
        assert_code(code, rows[i].code);
    }
}

TEST(dnsbl_codes_beyond_the_count_are_none) {
    const unsigned char listing[] = {127, 0, 0, 9};
    const struct str item = {(const char *)listing, 4};
    const struct dns_answer answer = {.status = DNS_FOUND, .count = 1, .items = &item};
    unsigned char code[4];
    const struct dnsbl_codes codes = {
        .count = 1, .ranges = {{0x7f000002, 0x7f000002}, {0x7f000009, 0x7f000009}}};
    assert_int_equal(dnsbl_judge(&answer, &codes, code), DNSBL_NOT_LISTED);
}

TEST(dnsbl_answers_without_records_are_judged) {
    static const struct {
        enum dns_status dns;
        enum dnsbl_status status;
    } rows[] = {
        {DNS_NO_NAME, DNSBL_NOT_LISTED},  {DNS_NO_DATA, DNSBL_NOT_LISTED},
        {DNS_FAILED, DNSBL_FAILED},       {DNS_UNAVAILABLE, DNSBL_FAILED},
        {DNS_TIMED_OUT, DNSBL_TIMED_OUT},
    };
    const struct dnsbl_codes all = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char code[4] = {9, 9, 9, 9};
        const struct dns_answer answer = {.status = rows[i].dns};
        assert_int_equal(dnsbl_judge(&answer, &all, code), rows[i].status);
        assert_code(code, "0.0.0.0");
        assert_null(dnsbl_error_text(code));
    }
}

TEST(dnsbl_error_codes_have_a_meaning) {
    const unsigned char public_resolver[] = {127, 255, 255, 254};
    const unsigned char too_many[] = {127, 255, 255, 255};
    const unsigned char wrong_name[] = {127, 255, 255, 252};
    const unsigned char other[] = {127, 255, 255, 1};
    const unsigned char foreign[] = {203, 0, 113, 7};
    const unsigned char listing[] = {127, 0, 0, 2};
    const unsigned char near[] = {127, 255, 254, 254};
    const unsigned char beside[] = {127, 254, 255, 254};
    assert_non_null(strstr(dnsbl_error_text(public_resolver), "public resolver"));
    assert_non_null(strstr(dnsbl_error_text(too_many), "too many queries"));
    assert_non_null(strstr(dnsbl_error_text(wrong_name), "written wrongly"));
    assert_non_null(strstr(dnsbl_error_text(other), "refuses"));
    assert_non_null(strstr(dnsbl_error_text(foreign), "another owner"));
    assert_null(dnsbl_error_text(listing));
    assert_null(dnsbl_error_text(near));
    assert_null(dnsbl_error_text(beside));
}

/* Every code of 127/8 beside a boundary, and many others, against a reading of the rule in other
 * words. */
TEST(dnsbl_judges_as_the_rule_says_for_many_codes) {
    const struct dnsbl_codes some = codes_of("127.0.0.2-127.0.0.11,127.0.1.0/24");
    const struct dnsbl_codes all = {0};
    uint32_t dice = 1;
    for (unsigned i = 0; i < 200000; i++) {
        dice = dice * 1664525U + 1013904223U;
        const uint32_t near[] = {0x7f000000, 0x7f000002, 0x7f00000b, 0x7f0000ff, 0x7f000100,
                                 0x7f0001ff, 0x7ffffeff, 0x7fffff00, 0x7fffffff, dice};
        const uint32_t code = near[i % 10] + (dice >> 29) - 4;
        const unsigned char octets[4] = {(unsigned char)(code >> 24), (unsigned char)(code >> 16),
                                         (unsigned char)(code >> 8), (unsigned char)code};
        const struct str item = {(const char *)octets, 4};
        const struct dns_answer answer = {.status = DNS_FOUND, .count = 1, .items = &item};
        unsigned char got[4];
        const bool error = octets[0] != 127 || (octets[1] == 255 && octets[2] == 255);
        const bool named =
            octets[0] == 127 && octets[1] == 0 &&
            (octets[2] == 1 || (octets[2] == 0 && octets[3] >= 2 && octets[3] <= 11));
        assert_int_equal(dnsbl_judge(&answer, &all, got), error ? DNSBL_FAILED : DNSBL_LISTED);
        assert_int_equal(dnsbl_judge(&answer, &some, got), error   ? DNSBL_FAILED
                                                           : named ? DNSBL_LISTED
                                                                   : DNSBL_NOT_LISTED);
    }
}

/* The codes that another program's rules give a meaning: those named in them are listings, the
 * notices to administrators are errors. */
TEST(dnsbl_return_codes_of_others_mean_the_same_here) {
    char path[512];
    char line[1024];
    if (test_data() == NULL) {
        skip();
    }
    (void)snprintf(path, sizeof path, "%s/lists/dnsbl/spamassassin-return-codes.tsv", test_data());
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        skip();
        return;
    }
    unsigned listings = 0;
    unsigned notices = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        char *fields[5] = {line};
        for (size_t i = 1; i < 5 && fields[i - 1] != NULL; i++) {
            fields[i] = strchr(fields[i - 1], '\t');
            if (fields[i] != NULL) {
                *fields[i]++ = '\0';
            }
        }
        /* "127.0.0.2", "^127\.0\.0\.[4567]$", "^127\.0\.0\.1[01]$": the codes it names */
        if (fields[4] == NULL || strstr(fields[2], "127") == NULL) {
            continue;
        }
        char plain[64];
        size_t length = 0;
        for (const char *c = fields[2]; *c != '\0' && length + 1 < sizeof plain; c++) {
            if (strchr("^$\\", *c) == NULL) {
                plain[length++] = *c;
            }
        }
        plain[length] = '\0';
        char *choice = strchr(plain, '[');
        const char *choices = "";
        if (choice != NULL) {
            *choice = '\0';
            choices = choice + 1;
        }
        const bool notice = strstr(fields[4], "ADMINISTRATOR NOTICE") != NULL;
        const char *codes = strcmp(fields[1], "zen.spamhaus.org") == 0
                                ? dnsbl_find(STR("spamhaus_zen"))->codes
                                : "";
        do {
            char record[80];
            unsigned char code[4];
            (void)snprintf(record, sizeof record, "%s%.*s", plain, *choices != '\0', choices);
            test_case(record);
            assert_int_equal(judge(record, codes, code), notice ? DNSBL_FAILED : DNSBL_LISTED);
            assert_int_equal(dnsbl_error_text(code) != NULL, notice);
            listings += !notice;
            notices += notice;
        } while (*choices != '\0' && *++choices != ']');
    }
    (void)fclose(file);
    assert_int_equal(notices, 2);
    assert_true(listings >= 8);
}

TEST(dnsbl_status_has_words) {
    assert_string_equal(dnsbl_status_name(DNSBL_NOT_LISTED), "not listed");
    assert_string_equal(dnsbl_status_name(DNSBL_OUT), "out");
    assert_string_equal(dnsbl_status_name(DNSBL_STATUSES), "?");
    assert_string_equal(dnsbl_status_word(DNSBL_TIMED_OUT), "timed-out");
    assert_string_equal(dnsbl_status_word(DNSBL_STATUSES), "?");
}
