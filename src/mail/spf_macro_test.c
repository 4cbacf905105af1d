/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/spf_macro.h"

#include <stdlib.h>
#include <string.h>

#include "testing/test.h"

/* The values of RFC 7208 7.4. */
static struct spf_macro_values values_of(const char *client) {
    struct spf_macro_values values = {
        .local = STR("strong-bad"),
        .origin = STR("email.example.com"),
        .domain = STR("email.example.com"),
        .helo = STR("helo.example"),
        .wall_s = 1700000000,
    };
    assert_true(ip_address_parse(str_from(client), &values.client_address));
    return values;
}

static const char *expand(const char *text, enum spf_macro_place place, const char *client) {
    static char room[2048];
    struct text out = TEXT_OVER(room);
    const struct spf_macro_values values = values_of(client);
    spf_macro_expand(str_from(text), place, &values, &out);
    return text_zero(&out);
}

struct row {
    const char *text;
    const char *expanded;
};

TEST(spf_macros_expand_as_the_rfc_shows) {
    static const struct row rows[] = {
        {"%{s}", "strong-bad@email.example.com"},
        {"%{o}", "email.example.com"},
        {"%{d}", "email.example.com"},
        {"%{d4}", "email.example.com"},
        {"%{d3}", "email.example.com"},
        {"%{d2}", "example.com"},
        {"%{d1}", "com"},
        {"%{dr}", "com.example.email"},
        {"%{d2r}", "example.email"},
        {"%{l}", "strong-bad"},
        {"%{l-}", "strong.bad"},
        {"%{lr}", "strong-bad"},
        {"%{lr-}", "bad.strong"},
        {"%{l1r-}", "strong"},
        {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
        {"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
        {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
        {"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"},
        {"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
        {"%{d999999999999999999999999}", "email.example.com"},
        {"%{h}", "helo.example"},
        {"%{p}", "unknown"},
        {"%{S}", "strong-bad%40email.example.com"},
        {"%%%_%-", "% %20"},
        {"%{l.-ao}", NULL}, /* a delimiter that is none */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].text);
        if (rows[i].expanded == NULL) {
            assert_non_null(spf_macro_problem(str_from(rows[i].text), SPF_MACRO_IN_RECORD));
        } else {
            assert_null(spf_macro_problem(str_from(rows[i].text), SPF_MACRO_IN_RECORD));
            assert_string_equal(expand(rows[i].text, SPF_MACRO_IN_RECORD, "192.0.2.3"),
                                rows[i].expanded);
        }
    }
}

TEST(spf_macros_of_an_ipv6_client) {
    assert_string_equal(expand("%{ir}.%{v}._spf.%{d2}", SPF_MACRO_IN_RECORD, "2001:db8::cb01"),
                        "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf."
                        "example.com");
    assert_string_equal(expand("%{i2} %{c}", SPF_MACRO_IN_EXPLANATION, "2001:db8::cb01"),
                        "0.1 2001:db8::cb01");
    assert_string_equal(expand("%{i} %{v}", SPF_MACRO_IN_EXPLANATION, "::ffff:192.0.2.3"),
                        "192.0.2.3 in-"
                        "addr");
}

TEST(spf_macros_of_explanations) {
    assert_non_null(spf_macro_problem(STR("%{c} a"), SPF_MACRO_IN_RECORD));
    assert_non_null(spf_macro_problem(STR("a b"), SPF_MACRO_IN_RECORD));
    assert_non_null(spf_macro_problem(STR("a\nb"), SPF_MACRO_IN_EXPLANATION));
    assert_non_null(spf_macro_problem(STR("caf\xc3\xa9"), SPF_MACRO_IN_EXPLANATION));
    assert_string_equal(expand("%{c} to %{r} at %{t}", SPF_MACRO_IN_EXPLANATION, "192.0.2.3"),
                        "192.0.2.3 to unknown at 1700000000");
}

TEST(spf_transformers_on_values_full_of_delimiters) {
    static const struct row rows[] = {
        {"%{l}", "a..b.-c."}, {"%{lr}", ".-c.b..a"},   {"%{l1}", ""},         {"%{l2}", "-c."},
        {"%{l1r}", "a"},      {"%{l2r}", ".a"},        {"%{l-}", "a..b..c."}, {"%{l1-}", "c."},
        {"%{l1r-}", "a..b."}, {"%{lr.-}", ".c..b..a"}, {"%{L,}", "a..b.-c."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char room[64];
        struct text out = TEXT_OVER(room);
        struct spf_macro_values values = values_of("192.0.2.3");
        values.local = STR("a..b.-c.");
        test_case(rows[i].text);
        spf_macro_expand(str_from(rows[i].text), SPF_MACRO_IN_RECORD, &values, &out);
        assert_string_equal(text_zero(&out), rows[i].expanded);
        values.local = STR("");
        out.length = 0;
        spf_macro_expand(str_from(rows[i].text), SPF_MACRO_IN_RECORD, &values, &out);
        assert_int_equal(out.length, 0);
    }
}

static bool name_of(const char *spec, struct spf_macro_values *values, char room[static 256]) {
    struct text out = {.data = room, .size = DNS_NAME_MAX};
    const bool askable = spf_macro_expand_name(str_from(spec), values, &out);
    assert_true(out.length <= DNS_NAME_MAX);
    room[out.length] = '\0';
    return askable;
}

TEST(spf_names_that_are_too_long_lose_labels_at_the_left) {
    char room[256];
    struct spf_macro_values values = values_of("192.0.2.3");
    char local[SPF_VALUE_MAX];
    /* 253 bytes fit whole, with a last dot too. */
    memset(local, 'x', sizeof local);
    for (size_t i = 3; i < sizeof local; i += 4) {
        local[i] = '.';
    }
    values.local = (struct str){local, 253 - 12};
    assert_true(name_of("%{l}.example.com", &values, room));
    assert_int_equal(strlen(room), 253);
    assert_true(name_of("%{l}.example.com.", &values, room));
    assert_int_equal(strlen(room), 253);
    /* One more byte costs the first label. */
    assert_true(name_of("y%{l}.example.com", &values, room));
    assert_int_equal(strlen(room), 253 - 4);
    assert_int_equal(strncmp(room, "xxx.xxx.", 8), 0);
    assert_true(name_of("y%{l}.example.com.", &values, room));
    assert_int_equal(strlen(room), 253 - 4);
    values.local = (struct str){local, sizeof local - 1};
    assert_true(
        name_of("%{l}.%{l}.%{l}.%{l}.%{l}.%{l}.%{l}.%{l}.%{l}.%{l}.example.com", &values, room));
    assert_true(strlen(room) > 249 && str_ends(str_from(room), STR(".xxx.example.com")));
}

TEST(spf_names_that_cannot_be_asked_about) {
    char room[256];
    struct spf_macro_values values = values_of("192.0.2.3");
    char local[SPF_VALUE_MAX * 2];
    memset(local, 'x', sizeof local);
    values.local = (struct str){local, 63};
    assert_true(name_of("%{l}.example.com", &values, room));
    values.local = (struct str){local, 64};
    assert_false(name_of("%{l}.example.com", &values, room));
    values.local = (struct str){local, sizeof local}; /* one label that is all there is */
    assert_false(name_of("%{l}%{l}%{l}%{l}%{l}%{l}", &values, room));
    values.local = STR("caf\xc3\xa9");
    assert_false(name_of("%{l}.example.com", &values, room));
    assert_true(name_of("%{L}.example.com", &values, room)); /* %XX is ASCII */
    values.local = STR("a\\");                               /* must not turn a no into an error */
    assert_false(name_of("%{l}.example.com", &values, room));
    values.local = STR("");
    assert_false(name_of("%{l}.example.com", &values, room));
    assert_false(name_of("a..example.com", &values, room));
    assert_false(name_of("%{l}", &values, room));
    values.helo = STR("a\nb");
    assert_false(name_of("%{h}.example.com", &values, room));
}

/* A literal and a value longer than all rooms, in any mixture, at every length. */
TEST(spf_names_keep_their_end_however_long_what_stands_before) {
    char *spec = malloc(8192);
    char room[256];
    struct spf_macro_values values = values_of("192.0.2.3");
    char local[SPF_VALUE_MAX + 9];
    assert_non_null(spec);
    memset(local, '.', sizeof local); /* each byte as %XX, and all parts empty */
    memset(local, '/', sizeof local - 2);
    values.local = (struct str){local, sizeof local};
    for (size_t literal = 0; literal < 4000; literal += 37) {
        struct text out = {.data = spec, .size = 8191};
        for (size_t i = 0; i < literal; i++) {
            text_add_byte(&out, i % 9 == 8 ? '.' : 'k');
        }
        text_add(&out, STR("%{L/}%{S}.tail.example"));
        (void)text_zero(&out);
        assert_true(name_of(spec, &values, room) || strlen(room) == 0 ||
                    str_ends(str_from(room), STR(".tail.example")));
        assert_true(str_ends(str_from(room), STR("tail.example")));
    }
    free(spec);
}

TEST(spf_macros_of_the_longest_values_are_whole) {
    static char full[SPF_VALUE_MAX];
    static char room[4096];
    struct text out = TEXT_OVER(room);
    struct spf_macro_values values = values_of("192.0.2.3");
    values.local = (struct str){full, sizeof full};
    values.origin = values.local;
    memset(full, '.', sizeof full);
    static const char *const texts[] = {"%{s}", "%{s1025}"};
    for (size_t i = 0; i < 2; i++) { /* parted by all its dots */
        out.length = 0;
        spf_macro_expand(str_from(texts[i]), SPF_MACRO_IN_RECORD, &values, &out);
        assert_int_equal(out.length, 2 * SPF_VALUE_MAX + 1);
    }
    memset(full, '/', sizeof full);
    out.length = 0;
    spf_macro_expand(STR("%{S}"), SPF_MACRO_IN_RECORD, &values, &out);
    assert_int_equal(out.length, 3 * (2 * SPF_VALUE_MAX + 1)); /* each byte as %XX */
}

TEST(spf_macros_of_small_values_and_of_many_parts) {
    static const struct row rows[] = {
        {"%{l10}", "c.d.e.f.g.h.i.j.k.l"}, {"%{r}", "g"}, {"%{t}", "1"}, {"%{h-}", "a}b.c"}};
    char room[64];
    struct spf_macro_values values = values_of("192.0.2.3");
    values.local = STR("a.b.c.d.e.f.g.h.i.j.k.l");
    values.receiver = STR("g");
    values.helo = STR("a}b-c");
    values.wall_s = 1;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct text out = TEXT_OVER(room);
        spf_macro_expand(str_from(rows[i].text), SPF_MACRO_IN_EXPLANATION, &values, &out);
        assert_string_equal(text_zero(&out), rows[i].expanded);
    }
    values.wall_s = -5;
    struct text out = TEXT_OVER(room);
    spf_macro_expand(STR("%{t}"), SPF_MACRO_IN_EXPLANATION, &values, &out);
    assert_string_equal(text_zero(&out), "0");
}

TEST(spf_texts_are_not_read_beyond_their_end) {
    char room[64];
    struct text out = TEXT_OVER(room);
    const struct spf_macro_values values = values_of("192.0.2.3");
    char *exact = malloc(4); /* so that one byte more is noticed */
    assert_non_null(exact);
    memcpy(exact, "%{l}", 4);
    spf_macro_expand((struct str){exact, 4}, SPF_MACRO_IN_RECORD, &values, &out);
    assert_string_equal(text_zero(&out), "strong-bad");
    free(exact);
}

TEST(spf_domains_have_a_last_label_of_letters) {
    assert_null(spf_domain_spec_problem(STR("x.c")));
    assert_null(spf_domain_spec_problem(STR(".b")));
    assert_non_null(spf_domain_spec_problem(STR("x.!om")));
    assert_non_null(spf_domain_spec_problem(STR("x.c!m")));
}

TEST(spf_names_are_asked_about_when_every_label_fits) {
    char room[256];
    char name[DNS_NAME_MAX + 1];
    struct spf_macro_values values = values_of("192.0.2.3");
    memset(name, 'x', sizeof name);
    for (size_t i = 3; i < sizeof name; i += 4) {
        name[i] = '.';
    }
    assert_true(spf_name_is_askable(STR("x")));
    assert_false(spf_name_is_askable(STR("x.")));
    assert_false(spf_name_is_askable(STR("")));
    assert_true(spf_name_is_askable((struct str){name, DNS_NAME_MAX}));
    assert_false(spf_name_is_askable((struct str){name, DNS_NAME_MAX + 1}));
    assert_false(name_of("a%b.example", &values, room));
    /* What fits behind a dot stays whole. */
    values.local = (struct str){name, DNS_NAME_MAX - 12};
    assert_true(name_of("y.%{l}.example.com", &values, room));
    assert_int_equal(strlen(room), DNS_NAME_MAX);
}

TEST(spf_names_are_made_of_texts_as_long_as_a_record) {
    static char text[4097];
    char room[256];
    struct text out = {.data = room, .size = DNS_NAME_MAX};
    const struct spf_macro_values values = values_of("192.0.2.3");
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = i % 4 == 3 ? '.' : 'x';
    }
    assert_true(spf_macro_expand_name((struct str){text, 4095}, &values, &out));
    out.length = 0;
    assert_true(spf_macro_expand_name((struct str){text, 4096}, &values, &out));
    out.length = 0;
    assert_false(spf_macro_expand_name((struct str){text, 4097}, &values, &out));
}
