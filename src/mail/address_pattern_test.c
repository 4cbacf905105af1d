/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/address_pattern.h"

#include <stdio.h>
#include <string.h>

#include "testing/test.h"

static void format(const struct address_pattern *pattern, char text[512]) {
    struct text out = {.data = text, .size = 512};
    address_pattern_format(pattern, &out);
    (void)text_zero(&out);
    assert_false(out.truncated);
}

TEST(address_pattern_reads_what_a_list_may_say) {
    static const struct {
        enum pattern_type type;
        const char *text;
        enum pattern_kind kind;
        const char *content; /* `text` of the pattern; of a prefix its canonical form */
        const char *canonical;
    } rows[] = {
        /* clang-format off */
        {PATTERN_EMAIL, "A@Example.com", PATTERN_KIND_ADDRESS, "a@example.com", "a@example.com"},
        {PATTERN_EMAIL, " a@example.com.\t", PATTERN_KIND_ADDRESS, "a@example.com", "a@example.com"},
        {PATTERN_EMAIL, "a@B\xc3\xbc" "cher.example", PATTERN_KIND_ADDRESS, "a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
        {PATTERN_EMAIL, "\xc3\xa4@example.com", PATTERN_KIND_ADDRESS, "\xc3\xa4@example.com", "\xc3\xa4@example.com"},
        {PATTERN_EMAIL, "a\xc2\xa0@example.com", PATTERN_KIND_ADDRESS, "a\xc2\xa0@example.com", "a\xc2\xa0@example.com"},
        {PATTERN_EMAIL, "\"a b@c\"@example.com", PATTERN_KIND_ADDRESS, "\"a b@c\"@example.com", "\"a b@c\"@example.com"},
        {PATTERN_EMAIL, "!/#$%&'+-=~|`{}?^_@example.com", PATTERN_KIND_ADDRESS, "!/#$%&'+-=~|`{}?^_@example.com", "!/#$%&'+-=~|`{}?^_@example.com"},
        {PATTERN_EMAIL, "a@[192.0.2.1]", PATTERN_KIND_ADDRESS, "a@[192.0.2.1]", "a@[192.0.2.1]"},
        {PATTERN_EMAIL, "a@[IPv6:2001:DB8::1]", PATTERN_KIND_ADDRESS, "a@[ipv6:2001:db8::1]", "a@[ipv6:2001:db8::1]"},
        {PATTERN_EMAIL, "<>", PATTERN_KIND_ADDRESS, "", "<>"},
        {PATTERN_EMAIL, "User@*", PATTERN_KIND_LOCAL_PART, "user", "user@*"},
        {PATTERN_EMAIL, "\"A@\xc3\x84.\"@*", PATTERN_KIND_LOCAL_PART, "\"a@\xc3\x84.\"", "\"a@\xc3\x84.\"@*"},
        {PATTERN_EMAIL, "*@Example.com", PATTERN_KIND_EXACT_DOMAIN, "example.com", "*@example.com"},
        {PATTERN_EMAIL, "*@[192.0.2.1]", PATTERN_KIND_EXACT_DOMAIN, "[192.0.2.1]", "*@[192.0.2.1]"},
        {PATTERN_EMAIL, "*@*.Example.com", PATTERN_KIND_SUBDOMAINS, "example.com", "*@*.example.com"},
        {PATTERN_DOMAIN, "Example.com", PATTERN_KIND_EXACT_DOMAIN, "example.com", "example.com"},
        {PATTERN_DOMAIN, "localhost", PATTERN_KIND_EXACT_DOMAIN, "localhost", "localhost"},
        {PATTERN_DOMAIN, "_x-1.example", PATTERN_KIND_EXACT_DOMAIN, "_x-1.example", "_x-1.example"},
        {PATTERN_DOMAIN, "3.2.192.in-addr.arpa.", PATTERN_KIND_EXACT_DOMAIN, "3.2.192.in-addr.arpa", "3.2.192.in-addr.arpa"},
        {PATTERN_DOMAIN, "Zebra.az", PATTERN_KIND_EXACT_DOMAIN, "zebra.az", "zebra.az"},
        {PATTERN_DOMAIN, "a.x9", PATTERN_KIND_EXACT_DOMAIN, "a.x9", "a.x9"},
        {PATTERN_DOMAIN, "a.9x9", PATTERN_KIND_EXACT_DOMAIN, "a.9x9", "a.9x9"},
        {PATTERN_EMAIL, "a@[IPv6:::1]", PATTERN_KIND_ADDRESS, "a@[ipv6:::1]", "a@[ipv6:::1]"},
        {PATTERN_DOMAIN, "a.1-x", PATTERN_KIND_EXACT_DOMAIN, "a.1-x", "a.1-x"},
        {PATTERN_DOMAIN, "*.Example.com", PATTERN_KIND_SUBDOMAINS, "example.com", "*.example.com"},
        {PATTERN_DOMAIN, "*.\xe3\x81\xbf\xe3\x82\x93\xe3\x81\x82", PATTERN_KIND_SUBDOMAINS, "xn--l8jtg9b", "*.xn--l8jtg9b"},
        {PATTERN_IP, "192.0.2.1", PATTERN_KIND_PREFIX, "192.0.2.1", "192.0.2.1"},
        {PATTERN_IP, "192.0.2.0/24", PATTERN_KIND_PREFIX, "192.0.2.0/24", "192.0.2.0/24"},
        {PATTERN_IP, "2001:DB8:0::/32", PATTERN_KIND_PREFIX, "2001:db8::/32", "2001:db8::/32"},
        {PATTERN_RECIPIENT, "Abuse@*", PATTERN_KIND_LOCAL_PART, "abuse", "abuse@*"},
        {PATTERN_RECIPIENT, "a@example.com", PATTERN_KIND_ADDRESS, "a@example.com", "a@example.com"},
        {PATTERN_RECIPIENT, "*@example.com", PATTERN_KIND_EXACT_DOMAIN, "example.com", "*@example.com"},
        {PATTERN_RECIPIENT, "*@*.example.com", PATTERN_KIND_SUBDOMAINS, "example.com", "*@*.example.com"},
        {PATTERN_CLIENT, "Mail.example.com", PATTERN_KIND_EXACT_DOMAIN, "mail.example.com", "mail.example.com"},
        {PATTERN_CLIENT, "*.example.com", PATTERN_KIND_SUBDOMAINS, "example.com", "*.example.com"},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address_pattern pattern;
        struct address_pattern again;
        char sentence[256];
        char text[512];
        struct text problem = TEXT_OVER(sentence);
        test_case(rows[i].text);
        memset(&pattern, 0x55, sizeof pattern);
        assert_null(
            address_pattern_parse(rows[i].type, str_from(rows[i].text), &pattern, &problem));
        assert_int_equal(problem.length, 0);
        assert_int_equal(pattern.type, rows[i].type);
        assert_int_equal(pattern.kind, rows[i].kind);
        if (pattern.kind == PATTERN_KIND_PREFIX) {
            struct text out = TEXT_OVER(text);
            ip_prefix_format(pattern.prefix, &out);
            assert_string_equal(text_zero(&out), rows[i].content);
            assert_int_equal(pattern.text_length, 0);
        } else {
            assert_true(str_equal((struct str){pattern.text, pattern.text_length},
                                  str_from(rows[i].content)));
            assert_int_equal(pattern.text[pattern.text_length],
                             0); /* patterns are compared whole */
        }
        format(&pattern, text);
        assert_string_equal(text, rows[i].canonical);
        assert_null(address_pattern_parse(rows[i].type, str_from(text), &again, &problem));
        assert_int_equal(again.kind, pattern.kind);
        assert_int_equal(again.text_length, pattern.text_length);
        assert_memory_equal(again.text, pattern.text, sizeof pattern.text);
        assert_int_equal(again.prefix.bits, pattern.prefix.bits);
        assert_true(ip_address_equal(again.prefix.address, pattern.prefix.address));
    }
}

#define A10  "aaaaaaaaaa"
#define A60  A10 A10 A10 A10 A10 A10
#define A240 A60 A60 A60 A60

TEST(address_pattern_teaches) {
    static const struct {
        enum pattern_type type;
        const char *text;
        const char *problem; /* How the sentence starts after the quoted text. */
    } rows[] = {
        /* clang-format off */
        {PATTERN_EMAIL, "", "\"\" is empty; write an address"},
        {PATTERN_IP, " \t", "\"\" is empty; write an address"},
        {PATTERN_EMAIL, "example.com", "\"example.com\" has no @; write user@example.com, *@example.com or user@*"},
        {PATTERN_EMAIL, "@example.com", "\"@example.com\" lacks a local part before the @; for any sender of a domain write *@example.com"},
        {PATTERN_EMAIL, "a@", "\"a@\" lacks a domain; write one"},
        {PATTERN_EMAIL, "a@b@example.com", "\"a@b@example.com\" has more than one @"},
        {PATTERN_EMAIL, "<a@example.com>", "\"<a@example.com>\" stands in < and >; write the address without"},
        {PATTERN_EMAIL, "a>@example.com", "\"a>@example.com\" stands in"},
        {PATTERN_EMAIL, "a@example.com, b@example.com", "\"a@example.com, b@example.com\" holds a blank, comma or semicolon"},
        {PATTERN_EMAIL, "a;b@example.com", "\"a;b@example.com\" holds a blank, comma"},
        {PATTERN_EMAIL, "a b@example.com", "\"a b@example.com\" holds a blank"},
        {PATTERN_EMAIL, "\"a b@example.com", "\"\\x22a b@example.com\" holds a blank"},
        {PATTERN_EMAIL, "a b\"@example.com", "\"a b\\x22@example.com\" holds a blank"},
        {PATTERN_EMAIL, "a\nb@example.com", "\"a\\x0ab@example.com\" holds a control character"},
        {PATTERN_EMAIL, "a\x7f@example.com", "\"a\\x7f@example.com\" holds a control character"},
        {PATTERN_EMAIL, "a\xc2\x9b@example.com", "\"a\\xc2\\x9b@example.com\" holds a control character"},
        {PATTERN_EMAIL, "a\xff@example.com", "\"a\\xff@example.com\" is not valid UTF-8"},
        {PATTERN_EMAIL, "a@ex\xff.com", "\"a@ex\\xff.com\" has a character that no domain has"},
        {PATTERN_EMAIL, "a@exa mple.com", "\"a@exa mple.com\" has a character that no domain has"},
        {PATTERN_EMAIL, "\"a@b\"", "\"\\x22a@b\\x22\" "},
        {PATTERN_EMAIL, "bob*@example.com", "\"bob*@example.com\" has a * within its local part"},
        {PATTERN_EMAIL, "a@*.example.com", "\"a@*.example.com\" has both a local part and *. in its domain; write user@* or *@*.example.com"},
        {PATTERN_EMAIL, "a@ex*.com", "\"a@ex*.com\" has a * in a wrong place"},
        {PATTERN_EMAIL, "*@*", "\"*@*\" would be everybody"},
        {PATTERN_EMAIL, "*@", "\"*@\" lacks a domain"},
        {PATTERN_EMAIL, "*@*.", "\"*@*.\" lacks a domain"},
        {PATTERN_EMAIL, "*@*.[192.0.2.1]", "\"*@*.[192.0.2.1]\" has a character"},
        {PATTERN_EMAIL, "a@[192.0.2]", "\"a@[192.0.2]\" has a character"},
        {PATTERN_EMAIL, "a@[ipv6:x]", "\"a@[ipv6:x]\" has a character"},
        {PATTERN_EMAIL, "a@[192.0.2.1", "\"a@[192.0.2.1\" has a character"},
        {PATTERN_EMAIL, "a@192.0.2.1", "\"a@192.0.2.1\" ends in a number"},
        {PATTERN_EMAIL, A240 A60 "@example.com", "\"" A60 "aaaaaaaaaaaa...\" has a local part of more than 255 bytes"},
        {PATTERN_RECIPIENT, "<>", "\"<>\" is the null sender, which is no recipient"},
        {PATTERN_DOMAIN, "a@example.com", "\"a@example.com\" is an address; use type email"},
        {PATTERN_DOMAIN, "<>", "\"<>\" is an address; use type email"},
        {PATTERN_DOMAIN, "192.0.2.1", "\"192.0.2.1\" is an IP address or network; use type ip"},
        {PATTERN_CLIENT, "10.0.0.1/8", "\"10.0.0.1/8\" is an IP address or network; use type ip"},
        {PATTERN_DOMAIN, "a.09", "\"a.09\" ends in a number as an address does"},
        {PATTERN_DOMAIN, "192.0.2", "\"192.0.2\" ends in a number as an address does"},
        {PATTERN_DOMAIN, ".example.com", "\".example.com\" has a dot too many in its domain; write example.com, or *.example.com"},
        {PATTERN_DOMAIN, "a..b", "\"a..b\" has a dot too many"},
        {PATTERN_DOMAIN, ".", "\".\" lacks a domain"},
        {PATTERN_DOMAIN, "*", "\"*\" would be every domain; write example.com or *.example.com"},
        {PATTERN_DOMAIN, "*.", "\"*.\" lacks a domain"},
        {PATTERN_DOMAIN, "*.*.com", "\"*.*.com\" has a * in a wrong place"},
        {PATTERN_DOMAIN, "mail*.example.com", "\"mail*.example.com\" has a * in a wrong place"},
        {PATTERN_DOMAIN, "/^mail/", "\"/^mail/\" has a character that no domain has"},
        {PATTERN_DOMAIN, "a{b", "\"a{b\" has a character that no domain has"},
        {PATTERN_DOMAIN, A60 "aaaa.com", "\"" A60 "aaaa.com\" has more than 63 bytes between two dots"},
        {PATTERN_IP, "10.0.0.1/8", "\"10.0.0.1/8\" has bits set after /8; write 10.0.0.0/8"},
        {PATTERN_IP, "2001:db8::1/32", "\"2001:db8::1/32\" has bits set after /32; write 2001:db8::/32"},
        {PATTERN_IP, "192.0.2.0/33", "\"192.0.2.0/33\" has a wrong length after the /; write a number from 0 to 32"},
        {PATTERN_IP, "192.0.2.0/255.255.255.0", "\"192.0.2.0/255.255.255.0\" has a wrong length after the /"},
        {PATTERN_IP, "::/129", "\"::/129\" has a wrong length after the /; write a number from 0 to 128"},
        {PATTERN_IP, "[::1]", "\"[::1]\" stands in brackets; write the address without them"},
        {PATTERN_IP, "192.0.2", "\"192.0.2\" is no IP address or network; write 192.0.2.1, 192.0.2.0/24"},
        {PATTERN_IP, "example.com", "\"example.com\" is no IP address"},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct address_pattern pattern;
        struct address_pattern before;
        char sentence[256];
        struct text problem = TEXT_OVER(sentence);
        test_case(rows[i].text);
        memset(&pattern, 0x55, sizeof pattern);
        memcpy(&before, &pattern, sizeof before);
        const char *said =
            address_pattern_parse(rows[i].type, str_from(rows[i].text), &pattern, &problem);
        assert_non_null(said);
        assert_ptr_equal(said, sentence);
        assert_false(problem.truncated);
        assert_int_equal(strlen(said), problem.length);
        if (strncmp(said, rows[i].problem, strlen(rows[i].problem)) != 0) {
            assert_string_equal(said, rows[i].problem);
        }
        assert_memory_equal(&pattern, &before, sizeof pattern);
    }
}

static const char *problem_of(enum pattern_type type, const char *text, char sentence[256]) {
    struct address_pattern pattern;
    struct text problem = {.data = sentence, .size = 256};
    return address_pattern_parse(type, str_from(text), &pattern, &problem);
}

TEST(address_pattern_lengths_to_the_byte) {
    char text[512];
    char sentence[256];
    /* 63 bytes between two dots, 253 of a domain, 255 of a local part, 320 of an address. */
    (void)snprintf(text, sizeof text, "%saaa.com", A60);
    assert_null(problem_of(PATTERN_DOMAIN, text, sentence));
    (void)snprintf(text, sizeof text, "%s.%s.%s.%s.%.9s", A60, A60, A60, A60, A10);
    assert_int_equal(strlen(text), 253);
    assert_null(problem_of(PATTERN_DOMAIN, text, sentence));
    (void)snprintf(text, sizeof text, "%s.%s.%s.%s.%s", A60, A60, A60, A60, A10);
    assert_non_null(strstr(problem_of(PATTERN_DOMAIN, text, sentence), "more than 253 bytes"));
    (void)snprintf(text, sizeof text, "%s%s%.5s@*", A240, A10, A10);
    assert_null(problem_of(PATTERN_EMAIL, text, sentence));
    (void)snprintf(text, sizeof text, "%s%s%.6s@*", A240, A10, A10);
    assert_non_null(strstr(problem_of(PATTERN_EMAIL, text, sentence), "more than 255 bytes"));
    (void)snprintf(text, sizeof text, "%s@%s.%.18s", A240, A60, A60);
    assert_int_equal(strlen(text), 320);
    assert_null(problem_of(PATTERN_EMAIL, text, sentence));
    (void)snprintf(text, sizeof text, "%s@%s.%.19s", A240, A60, A60);
    assert_non_null(strstr(problem_of(PATTERN_EMAIL, text, sentence), "longer than 320 bytes"));
}

TEST(address_pattern_guesses_the_type) {
    static const struct {
        const char *text;
        enum pattern_type type;
    } rows[] = {
        {"a@example.com", PATTERN_EMAIL},   {"*@example.com", PATTERN_EMAIL},
        {"user@*", PATTERN_EMAIL},          {" <> ", PATTERN_EMAIL},
        {"a/b@example.com", PATTERN_EMAIL}, {"a@[IPv6:::1]", PATTERN_EMAIL},
        {"example.com", PATTERN_DOMAIN},    {"*.example.com", PATTERN_DOMAIN},
        {"192.0.2", PATTERN_DOMAIN},        {"", PATTERN_DOMAIN},
        {"192.0.2.1", PATTERN_IP},          {" 192.0.2.0/24 ", PATTERN_IP},
        {"10.0.0.1/8", PATTERN_IP},         {"192.0.2.0/33", PATTERN_IP},
        {"2001:db8::", PATTERN_IP},         {"2001:db8::x", PATTERN_IP},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].text);
        assert_int_equal(address_pattern_guess(str_from(rows[i].text)), rows[i].type);
    }
}

TEST(address_pattern_types_have_names) {
    static const char *const names[] = {"email", "domain", "ip", "recipient", "client"};
    for (unsigned i = 0; i < PATTERN_TYPES; i++) {
        enum pattern_type type = PATTERN_TYPES;
        assert_string_equal(pattern_type_name((enum pattern_type)i), names[i]);
        assert_true(pattern_type_parse(str_from(names[i]), &type));
        assert_int_equal(type, i);
    }
    enum pattern_type type = PATTERN_CLIENT;
    assert_true(pattern_type_parse(STR("IP"), &type));
    assert_int_equal(type, PATTERN_IP);
    assert_false(pattern_type_parse(STR("mail"), &type));
    assert_false(pattern_type_parse((struct str){NULL, 0}, &type));
    assert_int_equal(type, PATTERN_IP);
}

TEST(address_literals_have_both_brackets) {
    static const char *const texts[] = {"*@[192.0.2.10", "*@192.0.2.10]", "a@[192.0.2.10",
                                        "a@[192.0.2.1]0"};
    char sentence[256];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        test_case(texts[i]);
        assert_non_null(problem_of(PATTERN_EMAIL, texts[i], sentence));
    }
}

/* Importers put the number of the line before it. */
TEST(address_pattern_adds_its_sentence_to_what_is_written) {
    static const struct {
        enum pattern_type type;
        const char *text, *expected;
    } rows[] = {
        {PATTERN_DOMAIN, "*", "\"*\" would be every domain; write example.com or *.example.com"},
        {PATTERN_IP, "192.0.2.1/24", "\"192.0.2.1/24\" has bits set after /24; write 192.0.2.0/24"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char sentence[256];
        struct text problem = TEXT_OVER(sentence);
        struct address_pattern pattern;
        text_add(&problem, STR("line 7: "));
        const char *said =
            address_pattern_parse(rows[i].type, str_from(rows[i].text), &pattern, &problem);
        assert_string_equal(said, rows[i].expected);
        assert_memory_equal(sentence, "line 7: ", 8);
    }
}
