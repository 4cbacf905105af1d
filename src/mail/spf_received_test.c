/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mail/spf.h"
#include "testing/test.h"

static struct spf_received received_of(enum spf_result result) {
    struct spf_received received = {
        .result = result,
        .helo_name = STR("c.example"),
        .sender = STR("a@b.example"),
        .receiver = STR("gate.example"),
        .mechanism = STR("ip4:192.0.2.0/24"),
    };
    assert_true(ip_address_parse(STR("192.0.2.1"), &received.client_address));
    return received;
}

static const char *format(const struct spf_received *received, size_t size) {
    static char room[2048];
    struct text out = {.data = room, .size = size};
    spf_received_format(received, &out);
    assert_true(out.length <= size);
    room[out.length] = '\0';
    return room;
}

TEST(received_spf_tells_what_was_checked_and_why) {
    static const struct {
        enum spf_result result;
        const char *comment;
    } rows[] = {
        {SPF_NONE, "none (gate.example: domain of a@b.example has no SPF record that could name "
                   "192.0.2.1) "},
        {SPF_PASS, "pass (gate.example: domain of a@b.example designates 192.0.2.1 as permitted "
                   "sender) "},
        {SPF_FAIL, "fail (gate.example: domain of a@b.example does not designate 192.0.2.1 as "
                   "permitted sender) "},
        {SPF_SOFTFAIL, "softfail (gate.example: domain of a@b.example probably does not designate "
                       "192.0.2.1 as permitted sender) "},
        {SPF_NEUTRAL, "neutral (gate.example: domain of a@b.example neither permits nor denies "
                      "192.0.2.1) "},
        {SPF_TEMPERROR, "temperror (gate.example: domain of a@b.example could not be asked about "
                        "192.0.2.1 in time) "},
        {SPF_PERMERROR, "permerror (gate.example: domain of a@b.example has a wrong SPF record, "
                        "asked about 192.0.2.1) "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct spf_received received = received_of(rows[i].result);
        const char *field = format(&received, 1024);
        test_case(spf_result_name(rows[i].result));
        assert_int_equal(strncmp(field, rows[i].comment, strlen(rows[i].comment)), 0);
        assert_string_equal(field + strlen(rows[i].comment),
                            "client-ip=192.0.2.1; envelope-from=\"a@b.example\"; helo=c.example; "
                            "identity=mailfrom; receiver=gate.example; "
                            "mechanism=\"ip4:192.0.2.0/24\";");
    }
}

TEST(received_spf_of_a_null_sender_an_ipv6_client_and_an_error) {
    struct spf_received received = received_of(SPF_PERMERROR);
    received.is_helo = true;
    received.sender = STR("");
    received.receiver = STR("");
    received.mechanism = STR("");
    received.problem = STR("two records");
    assert_true(ip_address_parse(STR("2001:db8::1"), &received.client_address));
    assert_string_equal(format(&received, 1024),
                        "permerror (unknown: domain of c.example has a wrong SPF record, asked "
                        "about 2001:db8::1) client-ip=\"2001:db8::1\"; envelope-from=\"<>\"; "
                        "helo=c.example; identity=helo; receiver=unknown; mechanism=default; "
                        "problem=\"two records\";");
}

TEST(received_spf_quotes_and_replaces_what_could_break_it) {
    struct spf_received received = received_of(SPF_FAIL);
    received.sender = STR("\"a\\\r\nX: 1\x00\x7f\xc3\xa9\"@b.example");
    received.helo_name = STR("x)\n(y\\");
    received.receiver = STR("a..b");
    assert_string_equal(
        format(&received, 1024),
        "fail (a..b: domain of \"a\\\\??X: 1????\"@b.example does not designate 192.0.2.1 as "
        "permitted sender) client-ip=192.0.2.1; "
        "envelope-from=\"\\\"a\\\\??X: 1????\\\"@b.example\"; helo=\"x)?(y\\\\\"; "
        "identity=mailfrom; receiver=\"a..b\"; mechanism=\"ip4:192.0.2.0/24\";");
    received.is_helo = true; /* parentheses in a comment */
    assert_non_null(strstr(format(&received, 1024), "domain of x\\)?\\(y\\\\ does not"));
}

/* At every length: whole pairs, balanced quotes and parentheses. */
TEST(received_spf_stays_well_formed_at_any_length) {
    char local[600];
    struct spf_received received = received_of(SPF_TEMPERROR);
    memset(local, '"', sizeof local);
    received.problem = STR("x.example: (no answer)");
    for (size_t sender = 0; sender < sizeof local; sender += 7) {
        received.sender = (struct str){local, sender};
        for (size_t size = SPF_RECEIVED_MIN; size < 700; size += 11) {
            const char *field = format(&received, size);
            unsigned quotes = 0;
            int depth = 0;
            for (const char *c = field; *c != '\0'; c++) {
                if (*c == '\\') {
                    c++;
                } else if (*c == '"' && depth == 0) {
                    quotes++;
                } else if (quotes % 2 == 0) {
                    depth += *c == '(' ? 1 : *c == ')' ? -1 : 0;
                }
            }
            assert_int_equal(quotes % 2, 0);
            assert_int_equal(depth, 0);
            assert_non_null(strstr(field, "client-ip=192.0.2.1;"));
            assert_int_equal(field[strlen(field) - 1], ';');
        }
    }
}

TEST(received_spf_quotes_what_is_no_dot_atom) {
    struct spf_received received = received_of(SPF_PASS);
    received.sender = STR("z");
    received.helo_name = STR("a.");
    received.receiver = STR("g");
    received.mechanism = STR("a");
    received.problem = STR("x");
    assert_string_equal(strstr(format(&received, 1024), "envelope-from"),
                        "envelope-from=z; helo=\"a.\"; identity=mailfrom; receiver=g; "
                        "mechanism=a; problem=x;");
}

TEST(received_spf_keeps_what_just_fits) {
    struct spf_received received = received_of(SPF_PASS);
    const size_t whole = strlen(format(&received, 1024));
    assert_int_equal(strlen(format(&received, whole)), whole);
    assert_true(strlen(format(&received, whole - 1)) < whole - 1);
    /* 400 bytes of a pair: blank, name, =, value, ; */
    char name[394];
    memset(name, 'h', sizeof name);
    received.helo_name = (struct str){name, 393};
    assert_non_null(strstr(format(&received, 1024), " helo="));
    received.helo_name.length = 394;
    assert_null(strstr(format(&received, 1024), " helo="));
}
