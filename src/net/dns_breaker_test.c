/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns_breaker.h"

#include <stdio.h>

#include "base/clock.h"
#include "testing/test.h"

static const struct dns_breaker_rule rule = {
    .failures_max = 3,
    .silence_ns = 10 * (int64_t)NS_PER_S,
    .window_ns = 30 * (int64_t)NS_PER_S,
    .retry_min_ns = 5 * (int64_t)NS_PER_S,
    .retry_max_ns = 15 * (int64_t)NS_PER_S,
};

static int64_t s(int64_t seconds) {
    return seconds * NS_PER_S;
}

static struct dns_wire_name name_of(const char *text) {
    struct dns_wire_name name;
    assert_true(dns_name_parse(str_from(text), &name));
    return name;
}

TEST(so_many_failures_in_a_row_open_a_breaker_and_a_success_begins_anew) {
    struct dns_breaker breaker = {0};
    assert_false(dns_breaker_failed(&breaker, &rule, s(1)));
    assert_false(dns_breaker_failed(&breaker, &rule, s(1)));
    dns_breaker_answered(&breaker);
    assert_false(dns_breaker_failed(&breaker, &rule, s(2)));
    assert_false(dns_breaker_failed(&breaker, &rule, s(2)));
    assert_true(dns_breaker_may_ask(&breaker, s(2)));
    assert_true(dns_breaker_failed(&breaker, &rule, s(2)));
    assert_false(dns_breaker_may_ask(&breaker, s(2)));
    assert_false(dns_breaker_failed(&breaker, &rule, s(2))); /* it is open already */
    dns_breaker_answered(&breaker);
    assert_true(dns_breaker_may_ask(&breaker, s(2)));
}

TEST(two_failures_far_apart_open_it_too_but_not_when_they_have_nothing_to_do_with_each_other) {
    static const struct {
        int64_t apart_ns;
        bool opens;
    } rows[] = {{10 * (int64_t)NS_PER_S - 1, false},
                {10 * (int64_t)NS_PER_S, true},
                {30 * (int64_t)NS_PER_S, true},
                {30 * (int64_t)NS_PER_S + 1, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_breaker breaker = {0};
        assert_false(dns_breaker_failed(&breaker, &rule, s(1)));
        assert_int_equal(dns_breaker_failed(&breaker, &rule, s(1) + rows[i].apart_ns),
                         rows[i].opens);
    }
}

TEST(an_open_breaker_lets_one_question_through_after_longer_and_longer) {
    struct dns_breaker breaker = {0};
    for (int i = 0; i < 3; i++) {
        (void)dns_breaker_failed(&breaker, &rule, s(100));
    }
    assert_false(dns_breaker_may_ask(&breaker, s(105) - 1));
    assert_true(dns_breaker_may_ask(&breaker, s(105)));
    assert_false(dns_breaker_may_ask(&breaker, s(105)));     /* one */
    assert_false(dns_breaker_may_ask(&breaker, s(110) - 1)); /* nobody told what became of it */
    assert_true(dns_breaker_may_ask(&breaker, s(110)));
    assert_false(dns_breaker_failed(&breaker, &rule, s(111)));
    assert_false(dns_breaker_may_ask(&breaker, s(121) - 1)); /* ten seconds now */
    assert_true(dns_breaker_may_ask(&breaker, s(121)));
    (void)dns_breaker_failed(&breaker, &rule, s(122));
    assert_false(dns_breaker_may_ask(&breaker, s(137) - 1)); /* fifteen, and no more */
    assert_true(dns_breaker_may_ask(&breaker, s(137)));
    (void)dns_breaker_failed(&breaker, &rule, s(138));
    assert_true(dns_breaker_may_ask(&breaker, s(153)));
    dns_breaker_answered(&breaker);
    assert_true(dns_breaker_may_ask(&breaker, s(153)));
    assert_false(dns_breaker_failed(&breaker, &rule, s(153)));
}

/* Silence from `s(0)`: a question every `pause_s`, each known to have failed 2 s later. */
static int64_t opens_after_s(int64_t pause_s) {
    struct dns_zones *zones = dns_zones_new(1);
    int64_t opened = -1;
    for (int64_t at = 0; opened < 0 && at < 100; at += pause_s) {
        char text[64];
        (void)snprintf(text, sizeof text, "n%lld.zen.example.org", (long long)at);
        const struct dns_wire_name name = name_of(text);
        assert_true(dns_zones_may_ask(zones, &name, s(at)));
        if (dns_zones_failed(zones, &name, s(at + 2))) {
            opened = at + 2;
        }
    }
    dns_zones_free(zones);
    return opened;
}

TEST(the_breaker_of_a_silent_zone_is_open_within_20_s_at_any_rate) {
    assert_int_equal(opens_after_s(1), 6);
    assert_int_equal(opens_after_s(2), 10);
    assert_int_equal(opens_after_s(3), 11);
    assert_int_equal(opens_after_s(8), 10);
    assert_int_equal(opens_after_s(15), 17);
    assert_int_equal(opens_after_s(18), 20);
}

static void fail_five(struct dns_zones *zones, const char *text) {
    const struct dns_wire_name name = name_of(text);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(dns_zones_failed(zones, &name, s(1)), i == 4);
    }
}

TEST(names_share_a_breaker_when_they_share_a_zone) {
    static const struct {
        const char *dead, *other;
        bool shared;
    } rows[] = {
        {"2.0.0.127.zen.spamhaus.org", "3.0.0.127.zen.spamhaus.org", true},
        {"2.0.0.127.zen.spamhaus.org", "zen.spamhaus.org", true},
        {"2.0.0.127.zen.spamhaus.org", "2.0.0.127.sbl.spamhaus.org", false},
        {"2.0.0.127.zen.spamhaus.org", "spamhaus.org", false},
        {"evil.co.uk", "good.co.uk", false},
        {"a.evil.co.uk", "b.evil.co.uk", true},
        {"example.org", "example.org", true},
        {"org", "example.org", false},
        {"1.2.0.192.in-addr.arpa", "9.2.0.192.in-addr.arpa", true},
        {"1.2.0.192.in-addr.arpa", "1.3.0.192.in-addr.arpa", false},
        {"1.in-addr.arpa.example", "2.in-addr.arpa.example", true},
        {"0.0.0.0.1.2.3.4.5.6.7.8.9.a.b.c.ip6.arpa", "1.0.0.0.1.2.3.4.5.6.7.8.9.a.b.c.ip6.arpa",
         true},
        {"0.0.0.0.1.2.3.4.5.6.7.8.9.a.b.c.ip6.arpa", "0.0.0.0.2.2.3.4.5.6.7.8.9.a.b.c.ip6.arpa",
         false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].other);
        struct dns_zones *zones = dns_zones_new(1);
        const struct dns_wire_name other = name_of(rows[i].other);
        fail_five(zones, rows[i].dead);
        assert_int_equal(dns_zones_may_ask(zones, &other, s(2)), !rows[i].shared);
        dns_zones_answered(zones, &other);
        const struct dns_wire_name dead = name_of(rows[i].dead);
        assert_int_equal(dns_zones_may_ask(zones, &dead, s(2)), rows[i].shared);
        dns_zones_clear(zones);
        assert_true(dns_zones_may_ask(zones, &dead, s(2)));
        dns_zones_free(zones);
    }
}

TEST(the_table_of_zones_is_bounded_and_counts_what_it_forgets) {
    struct dns_zones *zones = dns_zones_new(1);
    fail_five(zones, "first.example.org");
    for (int i = 0; i < 3 * DNS_ZONES_MAX; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "n%d.example.org", i);
        const struct dns_wire_name name = name_of(text);
        assert_false(dns_zones_failed(zones, &name, s(2)));
    }
    assert_true(dns_zones_evicted(zones) >= 2 * DNS_ZONES_MAX);
    const struct dns_wire_name first = name_of("first.example.org");
    assert_true(dns_zones_may_ask(zones, &first, s(2)));
    fail_five(zones, "last.example.org"); /* all at one time: a row is not cut by its own set */
    dns_zones_free(zones);
    dns_zones_free(NULL);
}
