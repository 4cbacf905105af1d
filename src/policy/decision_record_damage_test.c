/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision_record.h"

#include <stdlib.h>
#include <string.h>

#include "policy/decision_record_fixture.h"
#include "policy/record_values.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* Records that are cut short, damaged or of another release. */

/* Encoding writes what it is given. */
static bool decodes(const struct world *world) {
    const size_t length = encode(world);
    return decision_record_decode(body, length, DECISION_RECORD_VERSION, &record);
}

TEST(events_and_rules_out_of_range_are_refused) {
    struct world *world = world_new(10);
    (void)world_send(world);
    world->decision.event_count = 1;
    struct decision_event *event = &world->decision.events[0];
    uint8_t *const fields[] = {&event->scope, &event->unit, &event->window};
    static const uint8_t limits[] = {QUOTA_SCOPES, QUOTA_UNITS, QUOTA_WINDOWS};
    for (size_t i = 0; i < 3; i++) {
        *event = (struct decision_event){.reason = REASON_QUOTA_NEAR_LIMIT};
        *fields[i] = (uint8_t)(limits[i] - 1);
        assert_true(decodes(world));
        *fields[i] = limits[i];
        assert_false(decodes(world));
    }
    world->decision.event_count = 0;
    world->decision.read_count = 1;
    world->decision.reads[0] = (struct read){.kind = READ_RULE, .source = RULE_KINDS - 1};
    assert_true(decodes(world));
    world->decision.reads[0].source = RULE_KINDS;
    assert_false(decodes(world));
    world_free(world);
}

TEST(facts_out_of_range_are_refused) {
    struct world *world = world_new(10);
    struct facts *facts = &world->facts;
    (void)world_send(world);
    facts->status[FACT_SPF] = FACT_KNOWN;
    facts->status[FACT_RBL] = FACT_KNOWN;
    facts->rbl_count = DNSBL_LISTS_MAX;
    uint8_t *const fields[] = {&facts->spf_result, &facts->spf_helo_result, &facts->rbl[0].status};
    static const uint8_t limits[] = {SPF_RESULTS, SPF_RESULTS, DNSBL_STATUSES};
    for (size_t i = 0; i < 3; i++) {
        *fields[i] = (uint8_t)(limits[i] - 1);
        assert_true(decodes(world));
        *fields[i] = limits[i];
        assert_false(decodes(world));
        *fields[i] = 0;
    }
    world_free(world);
}

TEST(nothing_of_the_record_before_stays) {
    struct world *world = world_new(10);
    (void)world_send(world);
    memset(&record, 0xff, sizeof record);
    assert_true(decodes(world));
    assert_int_equal(record.facts.at_hand, 0);
    assert_int_equal(record.facts.spf_result, SPF_NONE);
    assert_int_equal(record.facts.spf_helo_result, SPF_NONE);
    assert_int_equal(record.facts.spf_domain_length, 0);
    assert_int_equal(record.facts.spf_mechanism_length, 0);
    assert_int_equal(record.facts.spf_problem_length, 0);
    assert_int_equal(record.facts.rbl_count, 0);
    assert_int_equal(record.facts.geo_asn, 0);
    assert_int_equal(record.decision.facts_asked, 0);
    assert_int_equal(record.decision.facts_wanted, 0);
    world_free(world);
}

TEST(another_version_is_not_guessed_at) {
    struct world *world = world_new(100);
    (void)world_send(world);
    const size_t length = encode(world);
    assert_false(decision_record_decode(body, length, 0, &record));
    assert_false(decision_record_decode(body, length, 1, &record));
    assert_false(decision_record_decode(body, length, 2, &record));
    assert_false(decision_record_decode(body, length, 4, &record));
    world_free(world);
}

static void assert_only_whole_is_read(const struct world *world) {
    const size_t length = encode(world);
    for (size_t i = 0; i < length; i++) {
        /* A copy of just these bytes, so that reading on is caught. */
        unsigned char *part = malloc(i + 1);
        memcpy(part, body, i);
        assert_false(decision_record_decode(part, i, DECISION_RECORD_VERSION, &record));
        free(part);
    }
    assert_false(decision_record_decode(body, length + 1, DECISION_RECORD_VERSION, &record));
    assert_true(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
}

TEST(a_record_cut_short_or_too_long_is_refused) {
    struct world *world = world_new(100);
    (void)world_add(world, LIST_BLOCK, PATTERN_EMAIL, "z@example.org");
    world->facts.status[FACT_SPF] = FACT_KNOWN;
    fill_request(world);
    (void)world_send(world);
    world->now_s += 300;
    (void)world_send(world); /* reads an entry */
    assert_only_whole_is_read(world);
    world_set_mail(world, "z@example.org", "b@example.net");
    (void)world_send(world); /* reads a list */
    assert_only_whole_is_read(world);
    world_free(world);
}

/* Encoding what was decoded gives the same bytes again. */
static bool is_stable(const unsigned char *bytes, size_t length) {
    static struct decision_record again;
    unsigned char second[DECISION_RECORD_MAX];
    unsigned char third[DECISION_RECORD_MAX];
    if (!decision_record_decode(bytes, length, DECISION_RECORD_VERSION, &record)) {
        return true;
    }
    const size_t second_length =
        decision_record_encode(&record.request, record.identity, &record.facts, record.generation,
                               record.wall_ns, record.duration_us, &record.decision, second);
    if (!decision_record_decode(second, second_length, DECISION_RECORD_VERSION, &again)) {
        return false;
    }
    const size_t third_length =
        decision_record_encode(&again.request, again.identity, &again.facts, again.generation,
                               again.wall_ns, again.duration_us, &again.decision, third);
    return second_length == third_length && memcmp(second, third, third_length) == 0;
}

TEST(damaged_bytes_are_refused_or_make_another_record_but_nothing_else) {
    struct world *world = world_new(100);
    struct dice dice = {17};
    (void)world_add(world, LIST_BLOCK, PATTERN_EMAIL, "z@example.org");
    fill_request(world);
    (void)world_send(world);
    world->now_s += 300;
    (void)world_send(world);
    world_set_mail(world, "z@example.org", "b@example.net");
    (void)world_send(world);
    const size_t length = encode(world);
    unsigned char damaged[DECISION_RECORD_MAX];
    unsigned accepted = 0;
    for (int round = 0; round < 20000; round++) {
        memcpy(damaged, body, length);
        for (uint32_t i = 0; i <= dice_below(&dice, 3); i++) {
            damaged[dice_below(&dice, (uint32_t)length)] ^=
                (unsigned char)(1u << dice_below(&dice, 8));
        }
        assert_true(is_stable(damaged, length));
        accepted += decision_record_decode(damaged, length, DECISION_RECORD_VERSION, &record);
    }
    assert_in_range(accepted, 1000, 19000);
    world_free(world);
}

TEST(each_number_out_of_range_is_refused) {
    struct world *world = world_new(100);
    (void)world_send(world);
    const size_t length = encode(world);
    for (size_t i = 0; i < 3; i++) { /* counts */
        const unsigned char before = body[i];
        body[i] = 0xff;
        assert_false(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
        body[i] = before;
    }
    body[3] = 4; /* an unknown flag */
    assert_false(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
    world_free(world);
}

TEST(a_read_of_an_unknown_table_or_list_is_refused) {
    static const struct {
        enum read_kind kind;
        uint8_t source;
        bool known;
    } rows[] = {
        {READ_ENTRY_ABSENT, STATE_GREYLIST_CLIENT, true},
        {READ_ENTRY_ABSENT, STATE_TABLES, false},
        {READ_LIST_ABSENT, LIST_GREYLIST_EXEMPT, true},
        {READ_LIST_ABSENT, LISTS, false},
        {READ_LIST_ABSENT, LISTS | LIST_READ_ADDRESS_ONLY, false},
    };
    struct world *world = world_new(100);
    (void)world_send(world);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world->decision.read_count = 1;
        world->decision.reads[0] = (struct read){.kind = rows[i].kind, .source = rows[i].source};
        assert_int_equal(
            decision_record_decode(body, encode(world), DECISION_RECORD_VERSION, &record),
            rows[i].known);
    }
    world_free(world);
}

TEST(a_list_is_read_once) {
    struct world *world = world_new(100);
    (void)world_send(world);
    world->decision.read_count = 2;
    world->decision.reads[0] = (struct read){.kind = READ_LIST_ABSENT, .source = LIST_BLOCK};
    world->decision.reads[1] =
        (struct read){.kind = READ_LIST_ABSENT, .source = LIST_BLOCK | LIST_READ_ADDRESS_ONLY};
    assert_true(decision_record_decode(body, encode(world), DECISION_RECORD_VERSION, &record));
    world->decision.reads[1].source = LIST_BLOCK;
    assert_false(decision_record_decode(body, encode(world), DECISION_RECORD_VERSION, &record));
    world_free(world);
}

TEST(values_of_no_known_meaning_are_refused) {
    struct world *world = world_new(100);
    (void)world_send(world);
    world->decision.verdict = VERDICT_REJECT;
    assert_true(decision_record_decode(body, encode(world), DECISION_RECORD_VERSION, &record));
    world->decision.verdict = VERDICTS;
    assert_false(decision_record_decode(body, encode(world), DECISION_RECORD_VERSION, &record));
    world->decision.verdict = VERDICT_NONE;
    world->request.state = PROTOCOL_STATE_ENDED;
    assert_true(decision_record_decode(body, encode(world), DECISION_RECORD_VERSION, &record));
    /* The state stands behind the head, the effect, four numbers, two times and the duration. */
    const size_t at = RECORD_HEAD_BYTES + EFFECT_BYTES + 1 + 1 + 1 + 2 + 8 + 8 + 1;
    const size_t length = encode(world);
    assert_int_equal(body[at], PROTOCOL_STATE_ENDED);
    body[at]++;
    assert_false(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
    world_free(world);
}

TEST(a_read_with_values_out_of_range_is_refused) {
    struct world *world = world_new(10);
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
    (void)world_send(world);
    struct list_match *match = &world->decision.list_matches[list_match_slot(LIST_BLOCK)];
    assert_true(decodes(world));
    match->type = (enum pattern_type)(PATTERN_TYPES - 1);
    match->prefix_bits = 128;
    assert_true(decodes(world));
    match->type = PATTERN_TYPES;
    assert_false(decodes(world));
    match->type = PATTERN_IP;
    match->prefix_bits = 129;
    assert_false(decodes(world));
    world_free(world);
}

/* A read of an unknown kind or table would have no bytes of its own. */
TEST(an_unknown_read_is_refused_even_if_all_else_fits) {
    struct world *world = world_new(10);
    (void)world_send(world);
    const struct read *last = &world->decision.reads[world->decision.read_count - 1];
    assert_int_equal(last->kind, READ_ENTRY_ABSENT);
    const size_t length = encode(world);
    unsigned char *value = memmem(body, length, &last->fingerprint, sizeof last->fingerprint);
    for (unsigned char *next = value; next != NULL;) { /* the last place: effects name keys too */
        value = next;
        next = memmem(value + 1, length - (size_t)(value + 1 - body), &last->fingerprint,
                      sizeof last->fingerprint);
    }
    assert_non_null(value);
    assert_int_equal(value[-3], READ_ENTRY_ABSENT);
    assert_int_equal(value[-1], STATE_GREYLIST);
    assert_true(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
    memmove(value, value + 8, length - 8 - (size_t)(value - body));
    value[-1] = STATE_TABLES;
    assert_false(decision_record_decode(body, length - 8, DECISION_RECORD_VERSION, &record));
    value[-1] = STATE_GREYLIST;
    value[-3] = 0;
    assert_false(decision_record_decode(body, length - 8, DECISION_RECORD_VERSION, &record));
    world_free(world);
}
