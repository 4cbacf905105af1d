/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/spf_results.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "testing/test.h"

static const int64_t now_ns = 1000 * (int64_t)NS_PER_S;
static const int64_t later_ns = 1060 * (int64_t)NS_PER_S; /* a minute later */

static struct spf_results *results;

static void set_up(void) {
    results = spf_results_new(42);
    assert_non_null(results);
}

static struct spf_results_query query_of(const char *helo_name, const char *sender_domain) {
    struct spf_results_query query = {.helo_name = str_from(helo_name),
                                      .sender_domain = str_from(sender_domain)};
    assert_true(ip_address_parse(STR("192.0.2.1"), &query.client_address));
    return query;
}

static void set(char *out, uint16_t *ret_length, const char *value) {
    *ret_length = (uint16_t)strlen(value);
    memcpy(out, value, *ret_length);
}

static struct facts facts_of(const char *domain, const char *mechanism, const char *problem) {
    struct facts facts = {.spf_result = SPF_FAIL, .spf_helo_result = SPF_SOFTFAIL};
    set(facts.spf_domain, &facts.spf_domain_length, domain);
    set(facts.spf_mechanism, &facts.spf_mechanism_length, mechanism);
    set(facts.spf_problem, &facts.spf_problem_length, problem);
    return facts;
}

static void keep(const struct spf_results_query *query, int64_t holds_until_ns) {
    const struct facts facts = facts_of("a.example", "-all", "go away");
    spf_results_keep(results, query, now_ns, holds_until_ns, &facts);
}

static bool knows(const struct spf_results_query *query, int64_t at_ns) {
    struct facts facts = {.status = {FACT_UNASKED}};
    const bool known = spf_results_find(results, query, at_ns, &facts);
    assert_int_equal(facts.status[FACT_SPF], known ? FACT_KNOWN : FACT_UNASKED);
    return known;
}

TEST(spf_result_is_the_same_for_the_next_message) {
    const struct spf_results_query query = query_of("mx.example", "a.example");
    struct facts facts = {.status = {FACT_UNASKED}};
    set_up();
    assert_false(spf_results_find(results, &query, now_ns, &facts));
    keep(&query, later_ns);
    assert_true(spf_results_find(results, &query, now_ns, &facts));
    assert_int_equal(facts.status[FACT_SPF], FACT_KNOWN);
    assert_int_equal(facts.spf_result, SPF_FAIL);
    assert_int_equal(facts.spf_helo_result, SPF_SOFTFAIL);
    assert_int_equal(facts.spf_domain_length, 9);
    assert_memory_equal(facts.spf_domain, "a.example", 9);
    assert_int_equal(facts.spf_mechanism_length, 4);
    assert_memory_equal(facts.spf_mechanism, "-all", 4);
    assert_int_equal(facts.spf_problem_length, 7);
    assert_memory_equal(facts.spf_problem, "go away", 7);
    assert_int_equal(spf_results_counts(results).found, 1);
    spf_results_free(results);
}

TEST(spf_result_ends_with_the_answers_it_was_made_of) {
    const struct spf_results_query query = query_of("mx.example", "a.example");
    set_up();
    keep(&query, later_ns);
    assert_true(knows(&query, later_ns - 1));
    assert_false(knows(&query, later_ns));
    keep(&query, now_ns); /* a time to live of nothing */
    assert_false(knows(&query, later_ns));
    keep(&query, INT64_MAX); /* no answer was needed */
    assert_true(knows(&query, now_ns + SPF_RESULT_HOLDS_MAX_S * (int64_t)NS_PER_S - 1));
    assert_false(knows(&query, now_ns + SPF_RESULT_HOLDS_MAX_S * (int64_t)NS_PER_S));
    spf_results_free(results);
}

TEST(spf_result_is_of_one_client_helo_name_domain_and_way_of_asking) {
    struct spf_results_query others[8];
    const struct spf_results_query query = query_of("mx.example", "a.example");
    for (size_t i = 0; i < 8; i++) {
        others[i] = query;
    }
    assert_true(ip_address_parse(STR("192.0.2.2"), &others[0].client_address));
    others[1].helo_name = STR("mx.exampl");
    others[2].sender_domain = STR("b.example");
    others[3].null_sender = true;
    others[4].checks_helo = true;
    others[5].explains = true;
    others[6] = query_of("mx.examplea", ".example"); /* the same bytes, parted elsewhere */
    others[7] = query_of("mx.examplea.example", "");
    set_up();
    keep(&query, later_ns);
    for (size_t i = 0; i < 8; i++) {
        assert_false(knows(&others[i], now_ns));
        keep(&others[i], later_ns);
        assert_true(knows(&others[i], now_ns));
    }
    assert_true(knows(&query, now_ns));
    spf_results_free(results);
}

TEST(spf_result_with_long_texts_is_evaluated_again) {
    const struct spf_results_query query = query_of("mx.example", "a.example");
    char text[SPF_RESULT_TEXT_MAX + 1] = {0};
    memset(text, 'x', SPF_RESULT_TEXT_MAX - 10);
    struct facts facts = facts_of("abcdefghi", "a", text);
    set_up();
    spf_results_keep(results, &query, now_ns, later_ns, &facts);
    assert_true(knows(&query, now_ns));
    assert_true(spf_results_find(results, &query, now_ns, &facts));
    assert_int_equal(facts.spf_problem_length, SPF_RESULT_TEXT_MAX - 10);
    assert_memory_equal(facts.spf_problem, text, SPF_RESULT_TEXT_MAX - 10);

    const struct spf_results_query other = query_of("mx.example", "b.example");
    facts = facts_of("abcdefghi", "ab", text);
    spf_results_keep(results, &other, now_ns, later_ns, &facts);
    assert_false(knows(&other, now_ns));
    spf_results_free(results);
}

static struct spf_results_query numbered(unsigned number) {
    static char name[32];
    (void)snprintf(name, sizeof name, "d%u.example", number);
    return query_of("mx.example", name);
}

/* Many more than there is room for: those that are used stay, whenever they end, and each that goes
 * is counted. */
TEST(spf_results_that_are_used_outlast_those_that_are_not) {
    enum { USED = 100, PASSING = 4 * SPF_RESULTS_KEPT_MAX, EVERY = 64 };
    const struct facts facts = facts_of("a.example", "-all", "");
    int64_t at_ns = now_ns;
    size_t known = 0;
    set_up();
    for (unsigned i = 0; i < USED; i++) {
        const struct spf_results_query query = numbered(i);
        keep(&query, later_ns);
    }
    for (unsigned i = 0; i < PASSING; i++) {
        const struct spf_results_query query = numbered(USED + i);
        at_ns++;
        spf_results_keep(results, &query, at_ns, later_ns + 1, &facts);
        for (unsigned k = 0; i % EVERY == 0 && k < USED; k++) {
            const struct spf_results_query used = numbered(k);
            known += knows(&used, at_ns);
        }
    }
    assert_int_equal(known, USED * (PASSING / EVERY));
    known = USED;
    for (unsigned i = 0; i < PASSING; i++) {
        const struct spf_results_query query = numbered(USED + i);
        known += knows(&query, at_ns);
    }
    assert_int_equal(spf_results_counts(results).evicted, USED + PASSING - known);
    assert_true(known <= SPF_RESULTS_KEPT_MAX && known > SPF_RESULTS_KEPT_MAX / 10 * 9);
    spf_results_free(results);
}

/* What has ended takes no room, and its going is no loss. */
TEST(spf_results_that_have_ended_make_room) {
    set_up();
    for (unsigned i = 0; i < 2 * SPF_RESULTS_KEPT_MAX; i++) {
        const struct spf_results_query query = numbered(i);
        keep(&query, later_ns);
    }
    const uint64_t evicted = spf_results_counts(results).evicted;
    const struct facts facts = facts_of("a.example", "-all", "");
    for (unsigned i = 0; i < 100; i++) {
        const struct spf_results_query query = numbered(1000000 + i);
        spf_results_keep(results, &query, later_ns, later_ns + NS_PER_S, &facts);
        assert_true(knows(&query, later_ns));
    }
    assert_int_equal(spf_results_counts(results).evicted, evicted);
    spf_results_free(results);
}

/* The same again is no loss either. */
TEST(spf_result_takes_the_place_of_its_own_older_one) {
    const struct spf_results_query query = query_of("mx.example", "a.example");
    set_up();
    keep(&query, later_ns);
    keep(&query, later_ns + 1);
    assert_true(knows(&query, later_ns));
    assert_int_equal(spf_results_counts(results).evicted, 0);
    spf_results_free(results);
}
