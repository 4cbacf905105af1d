/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns_cache.h"

#include <stdio.h>

#include "base/clock.h"
#include "net/dns.h"
#include "testing/test.h"

enum { MIB = 1 << 20 };

static struct dns_wire_name name_of(const char *text) {
    struct dns_wire_name name;
    assert_true(dns_name_parse(str_from(text), &name));
    return name;
}

static void add(struct dns_cache *cache, const char *text, enum dns_status status, uint32_t ttl_s,
                int64_t now_ns) {
    const struct dns_wire_name name = name_of(text);
    struct dns_reply *reply = dns_reply_of(status);
    assert_non_null(reply);
    reply->answer.ttl_s = ttl_s;
    dns_cache_add(cache, &name, DNS_A, dns_cache_hash(cache, &name, DNS_A), reply, now_ns);
    dns_reply_release(reply);
}

/* The seconds left; -1: not there. */
static int64_t left(struct dns_cache *cache, const char *text, enum dns_type type, int64_t now_ns) {
    const struct dns_wire_name name = name_of(text);
    uint32_t ttl_s = 0;
    return dns_cache_find(cache, &name, type, dns_cache_hash(cache, &name, type), now_ns, &ttl_s) !=
                   NULL
               ? (int64_t)ttl_s
               : -1;
}

static int64_t s(double seconds) {
    return (int64_t)(seconds * NS_PER_S);
}

TEST(an_answer_is_kept_for_its_time_and_counted_down) {
    static const struct {
        const char *label;
        enum dns_status status;
        uint32_t ttl_s;
        int64_t kept_s; /* 0: not at all */
        int64_t first;
    } rows[] = {
        {"found", DNS_FOUND, 60, 60, 60},
        {"no data", DNS_NO_DATA, 60, 60, 60},
        {"no name", DNS_NO_NAME, 7, 7, 7},
        {"0 is a second", DNS_FOUND, 0, 1, 0},
        {"the most", DNS_FOUND, DNS_TTL_MAX_S, DNS_TTL_MAX_S, DNS_TTL_MAX_S},
        {"more than that", DNS_FOUND, UINT32_MAX, DNS_TTL_MAX_S, DNS_TTL_MAX_S},
        {"failed", DNS_FAILED, 0, DNS_FAILED_TTL_S, 0},
        {"timed out", DNS_TIMED_OUT, 0, DNS_FAILED_TTL_S, 0},
        {"unavailable", DNS_UNAVAILABLE, 100, 0, 0},
    };
    const int64_t start = s(1000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        struct dns_cache *cache = dns_cache_new(MIB, 1);
        add(cache, "a.example", rows[i].status, rows[i].ttl_s, start);
        const int64_t end = start + rows[i].kept_s * NS_PER_S;
        assert_int_equal(left(cache, "a.example", DNS_A, start),
                         rows[i].kept_s > 0 ? rows[i].first : -1);
        if (rows[i].kept_s > 0) {
            assert_int_equal(left(cache, "a.example", DNS_A, end - 1), rows[i].first > 0);
            assert_int_equal(dns_cache_counts(cache).entries, 1);
        }
        assert_int_equal(left(cache, "a.example", DNS_A, end), -1);
        assert_int_equal(dns_cache_counts(cache).entries, 0);
        assert_int_equal(dns_cache_counts(cache).bytes, 0);
        assert_int_equal(dns_cache_counts(cache).evicted, 0);
        dns_cache_free(cache);
    }
}

TEST(an_answer_is_found_by_name_in_any_case_and_by_type) {
    struct dns_cache *cache = dns_cache_new(MIB, 1);
    add(cache, "A.Example", DNS_FOUND, 60, 0);
    assert_int_equal(left(cache, "a.EXAMPLE", DNS_A, s(10.5)), 50);
    assert_int_equal(left(cache, "a.example", DNS_AAAA, 0), -1);
    assert_int_equal(left(cache, "b.example", DNS_A, 0), -1);
    assert_int_equal(left(cache, "a.example.a", DNS_A, 0), -1);
    dns_cache_free(cache);
}

TEST(a_newer_answer_takes_the_place_of_the_older) {
    struct dns_cache *cache = dns_cache_new(MIB, 1);
    add(cache, "a.example", DNS_FOUND, 60, 0);
    const uint64_t bytes = dns_cache_counts(cache).bytes;
    add(cache, "a.example", DNS_NO_NAME, 10, 0);
    assert_int_equal(left(cache, "a.example", DNS_A, 0), 10);
    assert_int_equal(dns_cache_counts(cache).entries, 1);
    assert_int_equal(dns_cache_counts(cache).bytes, bytes);
    add(cache, "a.example", DNS_UNAVAILABLE, 10, 0);
    assert_int_equal(left(cache, "a.example", DNS_A, 0), -1);
    dns_cache_free(cache);
}

TEST(the_least_recently_used_gives_way_and_only_what_still_held_counts_as_evicted) {
    struct dns_cache *cache = dns_cache_new(MIB, 1);
    add(cache, "n0.example", DNS_FOUND, 60, 0);
    const uint64_t each = dns_cache_counts(cache).bytes;
    assert_true(each > sizeof(struct dns_reply));
    dns_cache_free(cache);

    cache = dns_cache_new((int64_t)each * 3, 1);
    add(cache, "n0.example", DNS_FOUND, 60, 0);
    add(cache, "n1.example", DNS_FOUND, 60, 0);
    add(cache, "n2.example", DNS_FOUND, 60, 0);
    assert_int_equal(left(cache, "n0.example", DNS_A, 0), 60); /* used again */
    add(cache, "n3.example", DNS_FOUND, 600, 0);
    assert_int_equal(left(cache, "n1.example", DNS_A, 0), -1);
    assert_int_equal(left(cache, "n0.example", DNS_A, 0), 60);
    assert_int_equal(left(cache, "n2.example", DNS_A, 0), 60);
    assert_int_equal(left(cache, "n3.example", DNS_A, 0), 600);
    assert_int_equal(dns_cache_counts(cache).evicted, 1);
    assert_int_equal(dns_cache_counts(cache).bytes, each * 3);
    add(cache, "n4.example", DNS_FOUND, 60, s(60)); /* n0 has expired */
    assert_int_equal(dns_cache_counts(cache).evicted, 1);
    assert_int_equal(dns_cache_counts(cache).entries, 3);
    dns_cache_free(cache);
}

TEST(what_does_not_fit_at_all_pushes_nothing_out) {
    struct dns_cache *cache = dns_cache_new(1, 1);
    add(cache, "a.example", DNS_FOUND, 60, 0);
    assert_int_equal(left(cache, "a.example", DNS_A, 0), -1);
    assert_int_equal(dns_cache_counts(cache).evicted, 0);
    dns_cache_free(cache);
    dns_cache_free(NULL);
}

TEST(a_reply_lives_on_with_who_holds_it) {
    struct dns_cache *cache = dns_cache_new(MIB, 1);
    const struct dns_wire_name name = name_of("a.example");
    add(cache, "a.example", DNS_FOUND, 60, 0);
    uint32_t ttl_s = 0;
    struct dns_reply *reply = dns_reply_hold(
        dns_cache_find(cache, &name, DNS_A, dns_cache_hash(cache, &name, DNS_A), 0, &ttl_s));
    dns_cache_free(cache);
    assert_int_equal(reply->answer.status, DNS_FOUND);
    assert_int_equal(reply->references, 1);
    dns_reply_release(reply);
}

TEST(thousands_of_entries_are_found_each_and_the_bytes_add_up_to_nothing_in_the_end) {
    enum { COUNT = 5000 };
    struct dns_cache *cache = dns_cache_new(4 * MIB, 77);
    char text[32];
    for (uint32_t i = 0; i < COUNT; i++) {
        (void)snprintf(text, sizeof text, "n%u.example", i);
        add(cache, text, DNS_FOUND, 1 + i, 0);
    }
    assert_int_equal(dns_cache_counts(cache).entries, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        (void)snprintf(text, sizeof text, "n%u.example", i);
        assert_int_equal(left(cache, text, DNS_A, 0), 1 + i);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        (void)snprintf(text, sizeof text, "n%u.example", i);
        assert_int_equal(left(cache, text, DNS_A, s(COUNT)), -1);
    }
    assert_int_equal(dns_cache_counts(cache).bytes, 0);
    dns_cache_free(cache);
}
