/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rbl.h"

#include <stdio.h>
#include <string.h>

#include "policy/auto_blacklist.h"
#include "policy/decision_explain.h"
#include "policy/ip_reputation.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

static char long_name[100];

enum { ZEN = 1, BARRACUDA = 2, SBL = 3, SPAMCOP = 5, OWN = DNSBL_OWN_FIRST };

/* A stranger with a public address, and lists that are on: ZEN 1, Barracuda 1, SBL 1 (a part of
 * ZEN), SpamCop 2 (IPv4 alone), an own one 3. */
static struct world *world_of_lists(void) {
    static const struct rbl_list_settings lists[] = {
        {.number = ZEN, .weight = 1, .has_ipv6 = true, .name = {"Spamhaus ZEN", 12}},
        {.number = BARRACUDA, .weight = 1, .name = {"Barracuda", 9}},
        {.number = SBL, .weight = 1, .covered_by = ZEN, .name = {"Spamhaus SBL", 12}},
        {.number = SPAMCOP, .weight = 2, .name = {"SpamCop", 7}},
        {.number = OWN, .weight = 3, .has_ipv6 = true, .name = {"Ours", 4}},
    };
    struct world *world = world_new(1000);
    struct rbl_settings *rbl = &world->settings.rbl;
    world_enable(world, POLICY_RBL);
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
    memcpy(rbl->lists, lists, sizeof lists);
    rbl->list_count = sizeof lists / sizeof lists[0];
    rbl->threshold = 1;
    world_set_client(world, "198.41.0.4", "unknown");
    return world;
}

/* "list:status", and code 127.0.0.(2 + list) where it is listed. */
static void set_answers(struct world *world, const uint8_t *answers, size_t count) {
    struct facts *facts = &world->facts;
    facts->status[FACT_RBL] = FACT_KNOWN;
    facts->rbl_count = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        facts->rbl[i] = (struct rbl_answer){.list = answers[2 * i], .status = answers[2 * i + 1]};
        if (answers[2 * i + 1] == DNSBL_LISTED) {
            const unsigned char code[4] = {127, 0, 0, (unsigned char)(2 + answers[2 * i])};
            memcpy(facts->rbl[i].code, code, 4);
        }
    }
}
#define ANSWERS(world, ...)                                                                        \
    do {                                                                                           \
        static const uint8_t answers_[][2] = {__VA_ARGS__};                                        \
        set_answers(world, &answers_[0][0], sizeof answers_ / sizeof answers_[0]);                 \
    } while (0)

static const struct decision_step *step_of(const struct world *world) {
    for (size_t i = 0; i < world->decision.step_count; i++) {
        if (world->decision.steps[i].policy == POLICY_RBL) {
            return &world->decision.steps[i];
        }
    }
    return NULL;
}

static void assert_rule(const struct world *world, const char *expected) {
    char bytes[RULE_MAX + 1];
    struct text rule = TEXT_OVER(bytes);
    text_add(&rule, (struct str){world->decision.rule, world->decision.rule_length});
    assert_string_equal(text_zero(&rule), expected);
}

TEST(rbl_refuses_whom_a_list_names) {
    struct world *world = world_of_lists();
    ANSWERS(world, {ZEN, DNSBL_LISTED}, {BARRACUDA, DNSBL_NOT_LISTED}, {SBL, DNSBL_NOT_LISTED},
            {SPAMCOP, DNSBL_NOT_LISTED}, {OWN, DNSBL_NOT_LISTED});
    const struct decision *decision = world_send(world);
    assert_int_equal(decision->verdict, VERDICT_REJECT);
    assert_int_equal(decision->policy, POLICY_RBL);
    assert_int_equal(decision->reason, REASON_RBL_LISTED);
    assert_rule(world, "Spamhaus ZEN: 127.0.0.3");
    world->settings.rbl.text = STR("Client host {client_address} is listed in {rule}");
    world->request.instance = STR("other");
    (void)world_send(world);
    assert_string_equal(world_reply(world),
                        "REJECT 5.7.1 Client host 198.41.0.4 is listed in Spamhaus ZEN: 127.0.0.3");
    world_free(world);
}

TEST(rbl_lets_in_whom_no_list_names) {
    struct world *world = world_of_lists();
    ANSWERS(world, {ZEN, DNSBL_NOT_LISTED}, {BARRACUDA, DNSBL_NOT_LISTED});
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_int_equal(step_of(world)->verdict, VERDICT_NONE);
    assert_false(step_of(world)->skipped);
    world_free(world);
}

TEST(rbl_wants_the_fact_of_strangers_alone) {
    static const struct {
        const char *client;
        bool wanted;
    } rows[] = {
        {"198.41.0.4", true}, {"2a00:1450::1", true}, {"10.1.2.3", false},
        {"127.0.0.1", false}, {"192.0.2.1", false},   {"fe80::1", false},
        {"9.9.9.8", false},   {"9.9.9.16", true},     {"9.9.9.15", false},
    };
    static const struct ip_prefix exempt[] = {
        {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 9, 9, 9, 8}}, 96 + 29}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *world = world_of_lists();
        world->settings.rbl.exempt_networks = exempt;
        world->settings.rbl.exempt_network_count = 1;
        world_set_client(world, rows[i].client, "unknown");
        test_case(rows[i].client);
        const uint32_t wanted = world_ask(world)->facts_wanted;
        assert_int_equal(wanted, rows[i].wanted ? 1u << FACT_RBL : 0);
        world_free(world);
    }
}

TEST(rbl_wants_nothing_when_no_list_is_asked) {
    struct world *world = world_of_lists();
    world->settings.rbl.list_count = 0;
    assert_int_equal(world_ask(world)->facts_wanted, 0);
    /* Lists that know IPv4 alone are not asked about IPv6. */
    world->settings.rbl.lists[0] = world->settings.rbl.lists[1];
    world->settings.rbl.list_count = 1;
    assert_int_equal(world_ask(world)->facts_wanted, 1u << FACT_RBL);
    world->facts.status[FACT_RBL] = FACT_UNASKED;
    world_set_client(world, "2a00:1450::1", "unknown");
    assert_int_equal(world_ask(world)->facts_wanted, 0);
    world_free(world);
}

TEST(rbl_asks_nobody_about_users_and_trusted_networks) {
    struct world *world = world_of_lists();
    world->request.sasl_username = STR("bob@example.com");
    assert_int_equal(world_ask(world)->facts_wanted, 0);
    assert_true(step_of(world)->skipped);
    world_free(world);
}

TEST(rbl_adds_weights_up_to_the_threshold) {
    static const struct {
        uint8_t answers[3][2];
        int64_t threshold;
        enum verdict verdict;
    } rows[] = {
        {{{ZEN, DNSBL_LISTED}, {BARRACUDA, DNSBL_NOT_LISTED}, {SPAMCOP, DNSBL_NOT_LISTED}},
         1,
         VERDICT_REJECT},
        {{{ZEN, DNSBL_LISTED}, {BARRACUDA, DNSBL_NOT_LISTED}, {SPAMCOP, DNSBL_NOT_LISTED}},
         2,
         VERDICT_NONE},
        {{{ZEN, DNSBL_LISTED}, {BARRACUDA, DNSBL_LISTED}, {SPAMCOP, DNSBL_NOT_LISTED}},
         2,
         VERDICT_REJECT},
        {{{ZEN, DNSBL_LISTED}, {BARRACUDA, DNSBL_LISTED}, {SPAMCOP, DNSBL_LISTED}},
         4,
         VERDICT_REJECT},
        {{{ZEN, DNSBL_LISTED}, {BARRACUDA, DNSBL_LISTED}, {SPAMCOP, DNSBL_LISTED}},
         5,
         VERDICT_NONE},
        {{{ZEN, DNSBL_FAILED}, {BARRACUDA, DNSBL_LISTED}, {SPAMCOP, DNSBL_TIMED_OUT}},
         1,
         VERDICT_REJECT},
        {{{ZEN, DNSBL_FAILED}, {BARRACUDA, DNSBL_OUT}, {SPAMCOP, DNSBL_NOT_LISTED}},
         1,
         VERDICT_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *world = world_of_lists();
        world->settings.rbl.threshold = rows[i].threshold;
        set_answers(world, &rows[i].answers[0][0], 3);
        assert_int_equal(world_send(world)->verdict, rows[i].verdict);
        world_free(world);
    }
}

TEST(rbl_counts_shared_data_once) {
    static const struct {
        uint8_t answers[2][2];
        enum verdict verdict;
        const char *rule;
    } rows[] = {
        {{{ZEN, DNSBL_LISTED}, {SBL, DNSBL_LISTED}}, VERDICT_NONE, ""},
        {{{ZEN, DNSBL_NOT_LISTED}, {SBL, DNSBL_LISTED}}, VERDICT_NONE, ""},
        /* The wider list is out: what the other says is all there is. */
        {{{ZEN, DNSBL_OUT}, {SBL, DNSBL_LISTED}}, VERDICT_NONE, ""},
        {{{BARRACUDA, DNSBL_LISTED}, {SBL, DNSBL_LISTED}},
         VERDICT_REJECT,
         "Barracuda: 127.0.0.4, Spamhaus SBL: 127.0.0.5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *world = world_of_lists();
        world->settings.rbl.threshold = 2;
        set_answers(world, &rows[i].answers[0][0], 2);
        assert_int_equal(world_send(world)->verdict, rows[i].verdict);
        assert_rule(world, rows[i].rule);
        world->settings.rbl.threshold = 1;
        world->request.instance = STR("other");
        const bool counts = i != 1;
        assert_int_equal(world_send(world)->verdict, counts ? VERDICT_REJECT : VERDICT_NONE);
        world_free(world);
    }
}

TEST(rbl_ignores_lists_that_the_settings_no_longer_have) {
    struct world *world = world_of_lists();
    ANSWERS(world, {ZEN, DNSBL_NOT_LISTED}, {12, DNSBL_LISTED}, {OWN + 1, DNSBL_LISTED});
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_int_equal(step_of(world)->reason, REASON_NONE);
    world->settings.rbl.list_count = 1; /* Barracuda is the next one */
    world->request.instance = STR("after");
    ANSWERS(world, {ZEN, DNSBL_NOT_LISTED}, {BARRACUDA, DNSBL_LISTED});
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    world_free(world);
}

TEST(rbl_on_error_decides_only_when_no_list_answered) {
    struct world *world = world_of_lists();
    struct policy_common_settings *common = &world->settings.policies[POLICY_RBL];
    common->on_error = POLICY_ON_ERROR_DEFER;
    ANSWERS(world, {ZEN, DNSBL_TIMED_OUT}, {BARRACUDA, DNSBL_NOT_LISTED}, {OWN, DNSBL_FAILED});
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    ANSWERS(world, {ZEN, DNSBL_TIMED_OUT}, {BARRACUDA, DNSBL_OUT}, {OWN, DNSBL_FAILED});
    const struct decision *decision = world_send(world);
    assert_int_equal(decision->verdict, VERDICT_DEFER);
    assert_int_equal(decision->reason, REASON_FACT_UNAVAILABLE);
    /* An answer of a list that is off is none. */
    ANSWERS(world, {ZEN, DNSBL_TIMED_OUT}, {12, DNSBL_LISTED});
    assert_int_equal(world_send(world)->verdict, VERDICT_DEFER);
    world->facts.status[FACT_RBL] = FACT_UNAVAILABLE;
    assert_int_equal(world_send(world)->verdict, VERDICT_DEFER);
    common->on_error = POLICY_ON_ERROR_ACCEPT;
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    world_free(world);
}

/* What the rule says of `count` lists with names of `length`, all of which name the client. */
static void expect_names(size_t length, unsigned count, struct text *out) {
    const int shown = length < 96 ? (int)length : 96;
    bool more = false;
    for (unsigned i = 0; i < count; i++) {
        char hit[160];
        const int bytes = snprintf(hit, sizeof hit, "%s%.*s: 127.0.0.%u", i > 0 ? ", " : "", shown,
                                   long_name, 2 + OWN + i);
        if (out->length + (size_t)bytes + strlen(", ...") <= RULE_MAX) {
            text_add(out, (struct str){hit, (size_t)bytes});
        } else {
            text_add(out, more ? STR("") : STR(", ..."));
            more = true;
        }
    }
}

TEST(rbl_rule_names_as_many_lists_as_fit) {
    memset(long_name, 'n', sizeof long_name);
    struct world *world = world_of_lists();
    struct rbl_settings *rbl = &world->settings.rbl;
    uint8_t answers[DNSBL_LISTS_MAX][2];
    rbl->list_count = DNSBL_LISTS_MAX;
    rbl->threshold = DNSBL_LISTS_MAX; /* all of them count */
    for (size_t length = 1; length <= sizeof long_name; length++) {
        for (unsigned i = 0; i < DNSBL_LISTS_MAX; i++) {
            rbl->lists[i] = (struct rbl_list_settings){
                .number = (uint8_t)(OWN + i), .weight = 1, .name = {long_name, length}};
            answers[i][0] = (uint8_t)(OWN + i);
            answers[i][1] = DNSBL_LISTED;
        }
        set_answers(world, &answers[0][0], DNSBL_LISTS_MAX);
        char room[RULE_MAX + 8];
        struct text expected = TEXT_OVER(room);
        expect_names(length, DNSBL_LISTS_MAX, &expected);
        const struct decision *decision = world_send(world);
        assert_int_equal(decision->verdict, VERDICT_REJECT);
        assert_rule(world, text_zero(&expected));
    }
    world_free(world);
}

/* --- hits ------------------------------------------------------------------------------------- */

static uint32_t hits_of(const struct world *world) {
    const struct offence_entry *entry =
        state_find(&world->state, STATE_OFFENCE,
                   blacklist_offence_key(&world->state.key, world->request.client_address,
                                         BLACKLIST_RBL_HITS));
    return blacklist_offence_count(entry, (uint32_t)world->now_s);
}

static void send_instance(struct world *world, unsigned number) {
    static char bytes[16];
    struct text instance = TEXT_OVER(bytes);
    text_add(&instance, STR("i"));
    text_add_u64(&instance, number);
    world->request.instance = text_str(&instance);
    (void)world_send(world);
}

static struct world *world_of_hits(void) {
    struct world *world = world_of_lists();
    world_enable(world, POLICY_AUTO_BLACKLIST);
    world->settings.auto_blacklist.rules[BLACKLIST_RBL_HITS] = (struct blacklist_rule_settings){
        .enabled = true, .threshold = 10, .window_s = 86400, .duration_s = 7 * 86400};
    ANSWERS(world, {ZEN, DNSBL_LISTED}, {BARRACUDA, DNSBL_LISTED});
    return world;
}

TEST(rbl_hits_count_once_for_each_message) {
    struct world *world = world_of_hits();
    send_instance(world, 1);
    assert_int_equal(hits_of(world), 1); /* two lists are one hit */
    world_set_mail(world, "a@sender.example", "other@example.com");
    send_instance(world, 1); /* another recipient of the same message */
    assert_int_equal(hits_of(world), 1);
    send_instance(world, 2);
    assert_int_equal(hits_of(world), 2);
    world_free(world);
}

TEST(rbl_ten_hits_in_a_day_block_for_a_week) {
    struct world *world = world_of_hits();
    for (unsigned i = 1; i <= 10; i++) {
        const struct blacklist_entry *entry =
            state_find(&world->state, STATE_BLACKLIST,
                       blacklist_key(&world->state.key, world->request.client_address));
        assert_false(blacklist_standing(entry, (uint32_t)world->now_s).blocked);
        send_instance(world, i);
        assert_int_equal(world->decision.policy, POLICY_RBL);
    }
    const struct blacklist_entry *entry =
        state_find(&world->state, STATE_BLACKLIST,
                   blacklist_key(&world->state.key, world->request.client_address));
    const struct blacklist_standing standing = blacklist_standing(entry, (uint32_t)world->now_s);
    assert_true(standing.blocked);
    assert_int_equal(standing.trigger, BLACKLIST_RBL_HITS);
    assert_int_equal(standing.until_s, world->now_s + 7 * 86400);
    world->facts.status[FACT_RBL] = FACT_UNASKED; /* Not even asked about any more. */
    send_instance(world, 11);
    assert_int_equal(world->decision.policy, POLICY_AUTO_BLACKLIST);
    world_free(world);
}

TEST(rbl_hits_below_the_threshold_count_and_refuse_nothing) {
    struct world *world = world_of_hits();
    world->settings.rbl.threshold = 3;
    send_instance(world, 1);
    assert_int_equal(world->decision.verdict, VERDICT_NONE);
    assert_int_equal(hits_of(world), 1);
    ANSWERS(world, {ZEN, DNSBL_LISTED}); /* the least weight */
    send_instance(world, 2);
    assert_int_equal(hits_of(world), 2);
    world_free(world);
}

TEST(rbl_in_shadow_counts_no_hits) {
    struct world *world = world_of_hits();
    world->settings.policies[POLICY_RBL].mode = POLICY_MODE_SHADOW;
    send_instance(world, 1);
    assert_int_equal(world->decision.verdict, VERDICT_NONE);
    assert_int_equal(step_of(world)->verdict, VERDICT_REJECT);
    assert_int_equal(hits_of(world), 0);
    world_free(world);
}

TEST(rbl_unlisted_clients_have_no_hits) {
    struct world *world = world_of_hits();
    ANSWERS(world, {ZEN, DNSBL_NOT_LISTED}, {BARRACUDA, DNSBL_TIMED_OUT});
    send_instance(world, 1);
    assert_int_equal(hits_of(world), 0);
    world_free(world);
}

TEST(rbl_refusal_costs_reputation_once_for_each_message) {
    struct world *world = world_of_hits();
    world_enable(world, POLICY_IP_REPUTATION);
    for (unsigned i = 0; i < 3; i++) {
        send_instance(world, 1);
    }
    const struct reputation_entry *entry =
        state_find(&world->state, STATE_REPUTATION,
                   reputation_key(&world->state.key, world->request.client_address));
    const struct reputation_standing standing =
        reputation_standing(&world->settings.ip_reputation, entry, (uint32_t)world->now_s);
    assert_true(standing.known);
    assert_int_equal(standing.rejected, 1);
    world_free(world);
}

/* --- words ------------------------------------------------------------------------------------ */

TEST(rbl_answers_are_explained) {
    static const struct {
        struct rbl_answer answer;
        bool found;
        const char *said;
    } rows[] = {
        {{ZEN, DNSBL_LISTED, {127, 0, 0, 4}},
         true,
         "Spamhaus ZEN: listed, 127.0.0.4, weight 1 of 1"},
        {{SPAMCOP, DNSBL_NOT_LISTED, {0}}, false, "SpamCop: not listed"},
        {{OWN, DNSBL_TIMED_OUT, {0}}, false, "Ours: timed out"},
        {{BARRACUDA, DNSBL_FAILED, {127, 255, 255, 254}},
         false,
         "Barracuda: failed, 127.255.255.254, the query came through a public resolver, which the "
         "list refuses"},
        {{BARRACUDA, DNSBL_OUT, {0}},
         false,
         "Barracuda: out of use until it recovers, so not asked"},
        {{12, DNSBL_LISTED, {127, 0, 0, 2}},
         true,
         "Mailspike: listed, 127.0.0.2, which counts nothing: the list is off"},
        {{OWN + 4, DNSBL_NOT_LISTED, {0}}, false, "own list 5: not listed"},
        {{77, 99, {0}}, false, "own list 0: ?"},
    };
    struct world *world = world_of_lists();
    const char *what = NULL;
    bool found = false;
    char bytes[256];
    struct text out = TEXT_OVER(bytes);
    world->facts.status[FACT_RBL] = FACT_KNOWN;
    world->facts.rbl_count = sizeof rows / sizeof rows[0];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world->facts.rbl[i] = rows[i].answer;
        out = TEXT_OVER(bytes);
        assert_true(decision_explain_fact(&world->settings, &world->facts, POLICY_RBL, i, &what,
                                          &found, &out));
        assert_string_equal(text_zero(&out), rows[i].said);
        assert_string_equal(what, "block list");
        assert_int_equal(found, rows[i].found);
    }
    assert_false(decision_explain_fact(&world->settings, &world->facts, POLICY_RBL,
                                       world->facts.rbl_count, &what, &found, &out));
    world->settings.rbl.list_count = 1; /* Barracuda is off, and the own one */
    out = TEXT_OVER(bytes);
    rbl_explain(&world->settings.rbl, &(struct rbl_answer){BARRACUDA, DNSBL_LISTED, {127, 0, 0, 2}},
                &out);
    assert_string_equal(text_zero(&out),
                        "Barracuda: listed, 127.0.0.2, which counts nothing: the list is off");
    out = TEXT_OVER(bytes);
    rbl_explain(&world->settings.rbl, &(struct rbl_answer){OWN, DNSBL_NOT_LISTED, {0}}, &out);
    assert_string_equal(text_zero(&out), "own list 1: not listed");
    assert_false(
        decision_explain_fact(&world->settings, &world->facts, POLICY_GEO, 0, &what, &found, &out));
    world->facts.status[FACT_RBL] = FACT_UNAVAILABLE;
    assert_false(
        decision_explain_fact(&world->settings, &world->facts, POLICY_RBL, 0, &what, &found, &out));
    world_free(world);
}
