/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/rbl_health.h"

#include <string.h>

#include "testing/test.h"

#define SECOND_NS INT64_C(1000000000)

static const unsigned char none[4] = {0};
static const unsigned char listing[4] = {127, 0, 0, 2};
static const unsigned char refused[4] = {127, 255, 255, 254};

static struct rbl_health health_at(int64_t now_ns) {
    struct rbl_health health;
    memset(&health, 0xff, sizeof health);
    rbl_health_init(&health, now_ns);
    return health;
}

static struct rbl_probe probe_of(enum dnsbl_status must, enum dnsbl_status must_not) {
    return (struct rbl_probe){.family_count = 1,
                              .must_list = {{.status = must}},
                              .must_not_list = {{.status = must_not}}};
}

static bool probe(struct rbl_health *health, enum dnsbl_status must, enum dnsbl_status must_not,
                  int64_t now_ns) {
    const struct rbl_probe both = probe_of(must, must_not);
    return rbl_health_probed(health, &both, now_ns);
}

static bool answer(struct rbl_health *health, enum dnsbl_status status, int64_t now_ns) {
    return rbl_health_answer(health, status, status == DNSBL_LISTED ? listing : none, 2000, now_ns);
}

TEST(rbl_health_is_new_and_due_for_a_probe) {
    const struct rbl_health health = health_at(7);
    assert_int_equal(health.state, RBL_HEALTH_NEW);
    assert_int_equal(health.next_probe_ns, 7);
    assert_int_equal(health.since_boot_ns, 7);
    assert_int_equal(health.asked, 0);
}

TEST(rbl_health_good_probe_takes_in_for_an_hour) {
    struct rbl_health health = health_at(0);
    assert_true(probe(&health, DNSBL_LISTED, DNSBL_NOT_LISTED, 5));
    assert_int_equal(health.state, RBL_HEALTH_IN);
    assert_int_equal(health.why, RBL_WHY_NONE);
    assert_int_equal(health.next_probe_ns, 5 + 3600 * SECOND_NS);
    assert_int_equal(health.since_boot_ns, 5);
    assert_false(probe(&health, DNSBL_LISTED, DNSBL_NOT_LISTED, 3600 * SECOND_NS)); /* no news */
    assert_int_equal(health.since_boot_ns, 5);
}

TEST(rbl_health_bad_probe_takes_out_and_says_why) {
    static const struct {
        enum dnsbl_status must;
        enum dnsbl_status must_not;
        enum rbl_health_why why;
        const char *said;
    } rows[] = {
        {DNSBL_NOT_LISTED, DNSBL_NOT_LISTED, RBL_WHY_EMPTY, "127.0.0.2"},
        {DNSBL_LISTED, DNSBL_LISTED, RBL_WHY_LISTS_WORLD, "127.0.0.1"},
        {DNSBL_NOT_LISTED, DNSBL_LISTED, RBL_WHY_LISTS_WORLD, "127.0.0.1"},
        {DNSBL_FAILED, DNSBL_NOT_LISTED, RBL_WHY_FAILED, "errors"},
        {DNSBL_LISTED, DNSBL_FAILED, RBL_WHY_FAILED, "errors"},
        {DNSBL_TIMED_OUT, DNSBL_NOT_LISTED, RBL_WHY_TIMED_OUT, "in time"},
        {DNSBL_LISTED, DNSBL_TIMED_OUT, RBL_WHY_TIMED_OUT, "in time"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rbl_health health = health_at(0);
        char bytes[512];
        struct text out = TEXT_OVER(bytes);
        test_case(rows[i].said);
        assert_true(probe(&health, rows[i].must, rows[i].must_not, 9));
        assert_int_equal(health.state, RBL_HEALTH_OUT);
        assert_int_equal(health.why, rows[i].why);
        assert_int_equal(health.since_boot_ns, 9);
        assert_int_equal(health.times_out, 1);
        rbl_health_explain(&health, &out);
        assert_non_null(strstr(text_zero(&out), rows[i].said));
        assert_null(strstr(bytes, "listed")); /* that word is for clients */
        assert_string_not_equal(rbl_health_why_name(health.why), "");
    }
}

TEST(rbl_health_error_codes_are_told) {
    struct rbl_health health = health_at(0);
    struct rbl_probe both = probe_of(DNSBL_FAILED, DNSBL_NOT_LISTED);
    memcpy(both.must_list[0].code, refused, 4);
    assert_true(rbl_health_probed(&health, &both, 1));
    assert_int_equal(health.why, RBL_WHY_ERROR_CODE);
    char bytes[512];
    struct text out = TEXT_OVER(bytes);
    rbl_health_explain(&health, &out);
    assert_string_equal(text_zero(&out),
                        "it answers 127.255.255.254, which is no listing but an error: the query "
                        "came through a public resolver, which the list refuses. Let dns.servers "
                        "name a resolver of your own");
    assert_true(probe(&health, DNSBL_LISTED, DNSBL_NOT_LISTED, 2));
    assert_memory_equal(health.code, none, 4);
}

TEST(rbl_health_an_answer_of_a_resolver_that_lies_is_no_matter_of_a_key) {
    struct rbl_health health = health_at(0);
    struct rbl_probe lies = probe_of(DNSBL_FAILED, DNSBL_FAILED);
    const unsigned char portal[4] = {203, 0, 113, 255};
    memcpy(lies.must_list[0].code, portal, 4);
    assert_true(rbl_health_probed(&health, &lies, 1));
    char bytes[512];
    struct text out = TEXT_OVER(bytes);
    rbl_health_explain(&health, &out);
    assert_non_null(strstr(text_zero(&out), "it answers 203.0.113.255, which is no listing"));
    assert_non_null(strstr(bytes,
                           "the resolver answers for names that do not exist. Let dns.servers "
                           "name a resolver of your own"));
}

TEST(rbl_health_probes_sooner_after_a_failure_and_waits_longer_each_time) {
    static const int64_t pauses_s[] = {30, 60, 120, 240, 480, 900, 900, 900};
    struct rbl_health health = health_at(0);
    int64_t now_ns = 0;
    for (size_t i = 0; i < sizeof pauses_s / sizeof pauses_s[0]; i++) {
        assert_int_equal(probe(&health, DNSBL_TIMED_OUT, DNSBL_TIMED_OUT, now_ns), i == 0);
        assert_int_equal(health.next_probe_ns, now_ns + pauses_s[i] * SECOND_NS);
        now_ns = health.next_probe_ns;
    }
    assert_int_equal(health.since_boot_ns, 0); /* out all the time */
    assert_int_equal(health.times_out, 1);
    assert_true(probe(&health, DNSBL_LISTED, DNSBL_NOT_LISTED, now_ns));
    assert_int_equal(health.state, RBL_HEALTH_IN);
    assert_true(probe(&health, DNSBL_TIMED_OUT, DNSBL_TIMED_OUT, now_ns));
    assert_int_equal(health.next_probe_ns, now_ns + 30 * SECOND_NS); /* from the start again */
    assert_int_equal(health.times_out, 2);
}

TEST(rbl_health_takes_out_after_a_run_of_bad_answers) {
    static const enum dnsbl_status bad[] = {DNSBL_TIMED_OUT, DNSBL_FAILED};
    for (size_t i = 0; i < 2; i++) {
        struct rbl_health health = health_at(0);
        (void)probe(&health, DNSBL_LISTED, DNSBL_NOT_LISTED, 1);
        for (unsigned n = 1; n < RBL_BAD_RUN; n++) {
            assert_false(answer(&health, bad[i], 2));
        }
        assert_int_equal(health.state, RBL_HEALTH_IN);
        assert_false(answer(&health, DNSBL_NOT_LISTED, 3)); /* a good one ends the run */
        for (unsigned n = 1; n < RBL_BAD_RUN; n++) {
            assert_false(answer(&health, bad[i], 4));
        }
        assert_true(answer(&health, bad[i], 5));
        assert_int_equal(health.state, RBL_HEALTH_OUT);
        assert_int_equal(health.why, i == 0 ? RBL_WHY_TIMED_OUT : RBL_WHY_FAILED);
        assert_int_equal(health.since_boot_ns, 5);
        assert_int_equal(health.next_probe_ns, 5 + 30 * SECOND_NS);
    }
}

TEST(rbl_health_of_a_list_that_is_out_no_answer_changes_anything_but_counts) {
    struct rbl_health health = health_at(0);
    (void)probe(&health, DNSBL_LISTED, DNSBL_LISTED, 1);
    for (unsigned n = 0; n < 2 * RBL_BAD_RUN; n++) {
        assert_false(answer(&health, DNSBL_TIMED_OUT, 2));
    }
    assert_false(answer(&health, DNSBL_NOT_LISTED, 3));
    assert_int_equal(health.state, RBL_HEALTH_OUT);
    assert_int_equal(health.why, RBL_WHY_LISTS_WORLD);
    assert_int_equal(health.times_out, 1);
    assert_int_equal(health.asked, 2 * RBL_BAD_RUN + 1);
}

TEST(rbl_health_of_a_new_list_ends_with_a_run_of_bad_answers_too) {
    struct rbl_health health = health_at(0);
    for (unsigned n = 1; n < RBL_BAD_RUN; n++) {
        assert_false(answer(&health, DNSBL_FAILED, 1));
    }
    assert_true(rbl_health_answer(&health, DNSBL_FAILED, refused, 5, 1));
    assert_int_equal(health.why, RBL_WHY_ERROR_CODE);
    assert_memory_equal(health.code, refused, 4);
}

TEST(rbl_health_that_names_everybody_is_probed_at_once) {
    struct rbl_health health = health_at(0);
    (void)probe(&health, DNSBL_LISTED, DNSBL_NOT_LISTED, 0);
    const int64_t now_ns = 60 * SECOND_NS;
    for (unsigned n = 1; n < 20; n++) {
        assert_false(answer(&health, DNSBL_LISTED, now_ns));
    }
    assert_false(answer(&health, DNSBL_NOT_LISTED, now_ns));
    for (unsigned n = 1; n < 20; n++) {
        assert_false(answer(&health, DNSBL_LISTED, now_ns));
    }
    assert_int_equal(health.next_probe_ns, 3600 * SECOND_NS);
    assert_false(answer(&health, DNSBL_LISTED, now_ns));
    assert_int_equal(health.next_probe_ns, now_ns);
    /* Not again within a minute. */
    (void)probe(&health, DNSBL_LISTED, DNSBL_NOT_LISTED, now_ns);
    for (unsigned n = 0; n < 40; n++) {
        assert_false(answer(&health, DNSBL_LISTED, now_ns + 60 * SECOND_NS - 1));
    }
    assert_int_equal(health.next_probe_ns, now_ns + 3600 * SECOND_NS);
}

TEST(rbl_health_of_two_families_needs_one_that_works_and_none_that_fails) {
    static const struct {
        enum dnsbl_status must[2];
        enum dnsbl_status must_not[2];
        enum rbl_health_state state;
    } rows[] = {
        {{DNSBL_LISTED, DNSBL_LISTED}, {DNSBL_NOT_LISTED, DNSBL_NOT_LISTED}, RBL_HEALTH_IN},
        {{DNSBL_LISTED, DNSBL_NOT_LISTED}, {DNSBL_NOT_LISTED, DNSBL_NOT_LISTED}, RBL_HEALTH_IN},
        {{DNSBL_NOT_LISTED, DNSBL_LISTED}, {DNSBL_NOT_LISTED, DNSBL_NOT_LISTED}, RBL_HEALTH_IN},
        {{DNSBL_NOT_LISTED, DNSBL_NOT_LISTED},
         {DNSBL_NOT_LISTED, DNSBL_NOT_LISTED},
         RBL_HEALTH_OUT},
        {{DNSBL_LISTED, DNSBL_LISTED}, {DNSBL_NOT_LISTED, DNSBL_LISTED}, RBL_HEALTH_OUT},
        {{DNSBL_LISTED, DNSBL_TIMED_OUT}, {DNSBL_NOT_LISTED, DNSBL_NOT_LISTED}, RBL_HEALTH_OUT},
        {{DNSBL_LISTED, DNSBL_LISTED}, {DNSBL_NOT_LISTED, DNSBL_FAILED}, RBL_HEALTH_OUT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rbl_health health = health_at(0);
        struct rbl_probe both = {.family_count = 2};
        for (size_t f = 0; f < 2; f++) {
            both.must_list[f].status = rows[i].must[f];
            both.must_not_list[f].status = rows[i].must_not[f];
        }
        assert_true(rbl_health_probed(&health, &both, 1));
        assert_int_equal(health.state, rows[i].state);
    }
}

TEST(rbl_health_counts_what_was_answered) {
    struct rbl_health health = health_at(0);
    (void)rbl_health_answer(&health, DNSBL_LISTED, listing, 800, 1);
    (void)rbl_health_answer(&health, DNSBL_NOT_LISTED, none, 1600, 1);
    (void)rbl_health_answer(&health, DNSBL_FAILED, none, -1, 1);
    (void)rbl_health_answer(&health, DNSBL_TIMED_OUT, none, -1, 1);
    assert_false(rbl_health_answer(&health, DNSBL_OUT, none, 9, 1)); /* was not asked */
    assert_int_equal(health.asked, 4);
    assert_int_equal(health.listed, 1);
    assert_int_equal(health.not_listed, 1);
    assert_int_equal(health.failed, 1);
    assert_int_equal(health.timed_out, 1);
    assert_int_equal(health.latency_us, 1600);
    assert_int_equal(health.latency_mean_us, 900);
}
