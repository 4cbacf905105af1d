/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision_explain.h"

#include <string.h>

#include "policy/world_fixture.h"
#include "testing/test.h"

enum { NOW_S = 1700000000 };

static char room[512];

static const char *read_text(const struct decision *decision, const struct read *read) {
    struct text out = TEXT_OVER(room);
    decision_explain_read(decision, read, NOW_S, &out);
    return text_zero(&out);
}

static const char *entry_text(const struct greylist_entry *entry) {
    struct read read = {.kind = READ_ENTRY, .source = STATE_GREYLIST};
    memcpy(read.entry, entry, sizeof *entry);
    return read_text(NULL, &read);
}

static const char *client_text(const struct greylist_client_entry *entry) {
    struct read read = {.kind = READ_ENTRY, .source = STATE_GREYLIST_CLIENT};
    memcpy(read.entry, entry, sizeof *entry);
    return read_text(NULL, &read);
}

static const char *effect_text(struct effect effect) {
    struct text out = TEXT_OVER(room);
    decision_explain_effect(&effect, NOW_S, &out);
    return text_zero(&out);
}

TEST(everything_that_is_read_has_a_name) {
    const struct read reads[] = {
        {.kind = READ_ENTRY, .source = STATE_GREYLIST},
        {.kind = READ_ENTRY_ABSENT, .source = STATE_GREYLIST_CLIENT},
        {.kind = READ_LIST, .source = LIST_ALLOW},
        {.kind = READ_LIST_ABSENT, .source = LIST_BLOCK},
        {.kind = READ_LIST_ABSENT, .source = LIST_GREYLIST_EXEMPT},
        {.kind = READ_LIST, .source = LIST_BLOCK | LIST_READ_ADDRESS_ONLY},
    };
    static const char *const names[] = {"greylist entry",      "greylist client",
                                        "allow list",          "block list",
                                        "greylist exemptions", "block list, addresses alone"};
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(decision_read_name(&reads[i]), names[i]);
    }
}

TEST(a_greylist_entry_tells_its_times) {
    struct greylist_entry entry = {.head.last_used_s = NOW_S - 20,
                                   .head.expires_s = NOW_S + 48 * 3600 - 120,
                                   .first_s = NOW_S - 120,
                                   .attempts = 2};
    assert_string_equal(entry_text(&entry), "first seen 120 s ago, waiting, last seen 20 s ago, "
                                            "attempts 2, expires in 1 days 23 h");
    entry.passed_s = NOW_S;
    entry.first_s = NOW_S - 600;
    entry.head.expires_s = NOW_S - 599;
    assert_string_equal(entry_text(&entry),
                        "first seen 10 min ago, came back in time now, last seen 20 s ago, "
                        "attempts 2, expired 599 s ago");
    entry.first_s = 0;
    entry.head.last_used_s = NOW_S - 3600 - 59;
    entry.head.expires_s = NOW_S + 3661;
    assert_string_equal(entry_text(&entry),
                        "forgotten by an administrator, last seen 1 h ago, attempts 2, "
                        "expires in 1 h 1 min");
}

TEST(a_client_tells_how_many_keys_passed) {
    struct greylist_client_entry entry = {.head.last_used_s = NOW_S - 605,
                                          .head.expires_s = NOW_S + 35 * 86400,
                                          .fingerprints = {4, 5, 6}};
    assert_string_equal(client_text(&entry),
                        "3 different keys passed, last used 10 min 5 s ago, expires in 35 days");
    entry.head.expires_s = NOW_S;
    assert_string_equal(client_text(&entry), "last used 10 min 5 s ago, expired now");
}

TEST(what_happened_once_tells_when) {
    const struct once_entry entry = {.head.last_used_s = NOW_S - 20};
    struct read read = {.kind = READ_ENTRY, .source = STATE_ONCE};
    memcpy(read.entry, &entry, sizeof entry);
    assert_string_equal(read_text(NULL, &read), "last 20 s ago");
    read.source = STATE_CORRESPONDENT;
    assert_string_equal(read_text(NULL, &read), "last 20 s ago");
    const struct effect effect = {.kind = EFFECT_ONCE, .expires_s = NOW_S + 60};
    assert_string_equal(effect_text(effect), "noted, expires in 60 s");
}

TEST(absence_and_lists_are_told) {
    static struct decision decision;
    const struct read no_entry = {.kind = READ_ENTRY_ABSENT, .source = STATE_GREYLIST};
    const struct read no_match = {.kind = READ_LIST_ABSENT, .source = LIST_BLOCK};
    const struct read match = {.kind = READ_LIST, .source = LIST_ALLOW};
    assert_string_equal(read_text(&decision, &no_entry), "none");
    assert_string_equal(read_text(&decision, &no_match), "no entry matches");
    struct list_match *of_allow = &decision.list_matches[list_match_slot(LIST_ALLOW)];
    of_allow->entry_id = 17;
    memcpy(of_allow->text, "*@a\n", 4);
    of_allow->text_length = 4;
    assert_string_equal(read_text(&decision, &match), "entry 17 matches: *@a\\x0a");
    of_allow->require = LIST_PROOF_SPF;
    assert_string_equal(read_text(&decision, &match), "entry 17 matches: *@a\\x0a, proven by spf");
}

TEST(effects_are_told) {
    struct effect effect = {
        .kind = EFFECT_GREYLIST_SEEN, .first_s = NOW_S - 300, .expires_s = NOW_S + 60};
    assert_string_equal(decision_effect_name(&effect), "greylist entry");
    assert_string_equal(effect_text(effect), "noted as first seen 300 s ago, expires in 60 s");
    effect.passed_s = NOW_S;
    assert_string_equal(effect_text(effect),
                        "noted as first seen 300 s ago, passed now, expires in 60 s");
    effect.kind = EFFECT_GREYLIST_FORGOTTEN;
    assert_string_equal(effect_text(effect), "forgotten, expires in 60 s");
    effect.kind = EFFECT_GREYLIST_CLIENT_FORGOTTEN;
    assert_string_equal(effect_text(effect), "forgotten, expires in 60 s");
    assert_string_equal(decision_effect_name(&effect), "greylist client");
    effect.kind = EFFECT_GREYLIST_CLIENT_SEEN;
    effect.network = 0; /* the times stood in the place of the fingerprint */
    assert_string_equal(effect_text(effect), "used while trusted, expires in 60 s");
    effect.fingerprint = 5;
    assert_string_equal(effect_text(effect), "one more key of it passed, expires in 60 s");
}

TEST(durations_change_their_unit_where_it_begins) {
    static const struct {
        uint32_t seconds;
        const char *expected;
    } rows[] = {
        {599, "forgotten, expires in 599 s"},        {600, "forgotten, expires in 10 min"},
        {3599, "forgotten, expires in 59 min 59 s"}, {3600, "forgotten, expires in 1 h"},
        {7200, "forgotten, expires in 2 h"},         {86399, "forgotten, expires in 23 h 59 min"},
        {86400, "forgotten, expires in 1 days"},     {172800, "forgotten, expires in 2 days"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(effect_text((struct effect){.kind = EFFECT_GREYLIST_FORGOTTEN,
                                                        .expires_s = NOW_S + rows[i].seconds}),
                            rows[i].expected);
    }
}

TEST(an_entry_is_expired_in_the_second_it_expires_in) {
    const struct greylist_entry entry = {.head.last_used_s = NOW_S, .head.expires_s = NOW_S};
    assert_string_equal(entry_text(&entry), "forgotten by an administrator, last seen now, "
                                            "attempts 0, expired now");
}

/* --- reputation and blocks ---------------------------------------------------------------------
 */

static const char *trust_text(enum state_table_id table, const void *entry, size_t bytes) {
    struct read read = {.kind = READ_ENTRY, .source = (uint8_t)table};
    memcpy(read.entry, entry, bytes);
    return read_text(NULL, &read);
}

TEST(a_score_tells_when_it_was_and_how_it_came_about) {
    struct reputation_entry entry = {.head.last_used_s = NOW_S - 7200,
                                     .head.expires_s = NOW_S + 86400,
                                     .score = 45,
                                     .accepted = 3,
                                     .rejected = 1,
                                     .deferred = 2};
    assert_string_equal(trust_text(STATE_REPUTATION, &entry, sizeof entry),
                        "score 45 when last seen 2 h ago, accepted 3, rejected 1, deferred 2, "
                        "expires in 1 days");
    entry.head.expires_s = NOW_S;
    entry.forgotten = 1;
    assert_string_equal(trust_text(STATE_REPUTATION, &entry, sizeof entry),
                        "reset by an administrator, accepted 3, rejected 1, deferred 2, "
                        "expired now");
}

TEST(a_block_tells_why_and_until_when) {
    struct blacklist_entry entry = {.head.expires_s = NOW_S + 40 * 86400,
                                    .since_s = NOW_S - 7200,
                                    .until_s = NOW_S + 86400,
                                    .trigger = BLACKLIST_REJECTIONS,
                                    .offences = 1};
    assert_string_equal(trust_text(STATE_BLACKLIST, &entry, sizeof entry),
                        "blocked because of rejections, since 2 h ago, until in 1 days");
    entry.offences = 2;
    entry.until_s = NOW_S - 60;
    assert_string_equal(trust_text(STATE_BLACKLIST, &entry, sizeof entry),
                        "was blocked because of rejections, block number 2, since 2 h ago, until "
                        "60 s ago");
    entry.offences = 0;
    entry.trigger = BLACKLIST_BY_HAND;
    entry.until_s = UINT32_MAX;
    assert_string_equal(trust_text(STATE_BLACKLIST, &entry, sizeof entry),
                        "blocked by hand, since 2 h ago, for good");
    entry.until_s = 0;
    assert_string_equal(trust_text(STATE_BLACKLIST, &entry, sizeof entry), "released 2 h ago");
}

TEST(counted_causes_tell_their_window) {
    struct offence_digest digest = {.width_s = 60, .count = 7, .present = 1};
    assert_string_equal(trust_text(STATE_OFFENCE, &digest, sizeof digest), "7 in the last 1 h");
    digest.width_s = 0;
    assert_string_equal(trust_text(STATE_OFFENCE, &digest, sizeof digest),
                        "none since they were cleared");
}

TEST(what_happens_to_scores_and_blocks_is_told) {
    static const struct {
        enum effect_kind kind;
        uint8_t flags;
        uint8_t detail;
        const char *name;
        const char *expected;
    } rows[] = {
        {EFFECT_REPUTATION_CHANGED, EFFECT_OUTCOME_ACCEPTED | EFFECT_IS_V4, 51, "reputation",
         "accepted: score 51, expires in 60 s"},
        {EFFECT_REPUTATION_CHANGED, EFFECT_OUTCOME_REJECTED, 45, "reputation",
         "rejected: score 45, expires in 60 s"},
        {EFFECT_REPUTATION_CHANGED, EFFECT_OUTCOME_DEFERRED, 48, "reputation",
         "deferred: score 48, expires in 60 s"},
        {EFFECT_REPUTATION_CHANGED, 0, 48, "reputation", "changed: score 48, expires in 60 s"},
        {EFFECT_REPUTATION_CHANGED, EFFECT_RESET, 50, "reputation", "reset, expires in 60 s"},
        {EFFECT_BLACKLIST_CHANGED, 0, 0x11, "automatic blacklist",
         "blocked because of rejections, expires in 60 s"},
        {EFFECT_BLACKLIST_CHANGED, 0, 0x32, "automatic blacklist",
         "blocked because of rbl_hits, block number 3, expires in 60 s"},
        {EFFECT_BLACKLIST_CHANGED, EFFECT_PERMANENT, 0, "automatic blacklist",
         "blocked for good by hand, expires in 60 s"},
        {EFFECT_BLACKLIST_CHANGED, EFFECT_RELEASED, 1, "automatic blacklist",
         "released, expires in 60 s"},
        {EFFECT_OFFENCE_COUNTED, 0, 0, "offences", "one more counted, expires in 60 s"},
        {EFFECT_OFFENCE_FORGOTTEN, 0, 0, "offences", "cleared, expires in 60 s"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct effect effect = {.kind = rows[i].kind,
                                      .flags = rows[i].flags,
                                      .detail = rows[i].detail,
                                      .time_s = NOW_S,
                                      .expires_s = NOW_S + 60};
        assert_string_equal(decision_effect_name(&effect), rows[i].name);
        assert_string_equal(effect_text(effect), rows[i].expected);
    }
}

TEST(spf_is_told_with_what_there_is_of_it) {
    struct world *world = world_new(10);
    struct facts *facts = &world->facts;
    const char *what = NULL;
    bool found = false;
    facts->status[FACT_SPF] = FACT_KNOWN;
    facts->spf_result = SPF_NEUTRAL;
    facts->spf_helo_result = SPF_FAIL;
    struct text out = TEXT_OVER(room);
    assert_true(decision_explain_fact(&world->settings, facts, POLICY_SPF, 0, &what, &found, &out));
    assert_string_equal(text_zero(&out), "neutral");
    assert_string_equal(what, "SPF of the sender");
    assert_false(found);
    memcpy(facts->spf_domain, "d", 1);
    memcpy(facts->spf_mechanism, "a", 1);
    memcpy(facts->spf_problem, "x", 1);
    facts->spf_domain_length = 1;
    facts->spf_mechanism_length = 1;
    facts->spf_problem_length = 1;
    out.length = 0;
    assert_true(decision_explain_fact(&world->settings, facts, POLICY_SPF, 0, &what, &found, &out));
    assert_string_equal(text_zero(&out), "neutral for d, by a; the domain explains: x");
    out.length = 0;
    assert_true(decision_explain_fact(&world->settings, facts, POLICY_SPF, 1, &what, &found, &out));
    assert_string_equal(text_zero(&out), "fail");
    assert_string_equal(what, "SPF of the HELO name");
    assert_true(found);
    assert_false(
        decision_explain_fact(&world->settings, facts, POLICY_SPF, 2, &what, &found, &out));
    world_free(world);
}
