/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "policy/auto_blacklist.h"
#include "policy/decision_explain.h"
#include "policy/ip_reputation.h"
#include "policy/policy_run.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

enum { HOUR_S = 3600 };

/* Out of the box, with SPF alone and on. */
static struct world *spf_world(void) {
    struct world *world = world_new(1000);
    world_enable(world, POLICY_SPF);
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
    world->settings.spf = (struct spf_settings){
        .on = {[SPF_FAIL] = SPF_ACTION_REJECT},
        .helo_fail = SPF_ACTION_REJECT,
        .add_header = true,
        .explanation = true,
        .text = STR("SPF check failed for {client_address} ({rule})"),
    };
    world->request.instance = STR("4f.1");
    return world;
}

static void set_fact(char *field, uint16_t *length, const char *value) {
    *length = (uint16_t)strlen(value);
    memcpy(field, value, *length);
}

static void set_spf(struct world *world, enum spf_result result, const char *mechanism,
                    const char *problem) {
    struct facts *facts = &world->facts;
    facts->status[FACT_SPF] = FACT_KNOWN;
    facts->spf_result = (uint8_t)result;
    facts->spf_helo_result = SPF_NONE;
    set_fact(facts->spf_domain, &facts->spf_domain_length, "example.org");
    set_fact(facts->spf_mechanism, &facts->spf_mechanism_length, mechanism);
    set_fact(facts->spf_problem, &facts->spf_problem_length, problem);
}

static void assert_rule(const struct world *world, const char *expected) {
    char room[RULE_MAX + 1];
    (void)snprintf(room, sizeof room, "%.*s", (int)world->decision.rule_length,
                   world->decision.rule);
    assert_string_equal(room, expected);
}

static const struct decision_step *step_of(const struct world *world, enum policy_id policy) {
    for (size_t i = 0; i < world->decision.step_count; i++) {
        if (world->decision.steps[i].policy == policy) {
            return &world->decision.steps[i];
        }
    }
    fail_msg("policy %d has no step", (int)policy);
    return NULL;
}

TEST(spf_is_asked_for_when_the_policy_is_on_and_the_client_has_an_address) {
    struct world *world = spf_world();
    assert_int_equal(world_ask(world)->facts_wanted, 1u << FACT_SPF);
    world->facts.status[FACT_SPF] = FACT_UNASKED;
    world->request.client_address = (struct ip_address){{0}};
    assert_int_equal(world_ask(world)->facts_wanted, 0);
    assert_string_equal(world_reply(world), "DUNNO");
    world_set_client(world, "192.0.2.1", "mail.example.org");
    world->request.sasl_username = STR("bob@example.net"); /* our own user */
    assert_int_equal(world_ask(world)->facts_wanted, 0);
    world->request.sasl_username = STR("");
    world->settings.policies[POLICY_SPF].enabled = false;
    assert_int_equal(world_ask(world)->facts_wanted, 0);
    world_free(world);
}

TEST(each_result_has_its_own_action) {
    static const struct {
        enum spf_result result;
        enum reason reason;
        const char *rule;
    } rows[] = {
        {SPF_NONE, REASON_SPF_NONE, "example.org: -all"},
        {SPF_FAIL, REASON_SPF_FAIL, "example.org: -all"},
        {SPF_SOFTFAIL, REASON_SPF_SOFTFAIL, "example.org: -all"},
        {SPF_NEUTRAL, REASON_SPF_NEUTRAL, "example.org: -all"},
        {SPF_TEMPERROR, REASON_SPF_TEMPERROR, "x.example: no answer"},
        {SPF_PERMERROR, REASON_SPF_PERMERROR, "x.example: no answer"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const bool is_error = rows[i].result == SPF_TEMPERROR || rows[i].result == SPF_PERMERROR;
        struct world *world = spf_world();
        test_case(spf_result_name(rows[i].result));
        memset(world->settings.spf.on, 0, sizeof world->settings.spf.on);
        set_spf(world, rows[i].result, "-all", is_error ? "x.example: no answer" : "");
        assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
        assert_int_equal(world->decision.reason, REASON_NONE);
        world->settings.spf.on[rows[i].result] = SPF_ACTION_DEFER;
        assert_int_equal(world_send(world)->verdict, VERDICT_DEFER);
        assert_int_equal(world->decision.reason, rows[i].reason);
        assert_int_equal(world->decision.policy, POLICY_SPF);
        assert_rule(world, rows[i].rule);
        world->settings.spf.on[rows[i].result] = SPF_ACTION_REJECT;
        assert_int_equal(world_send(world)->verdict, VERDICT_REJECT);
        assert_int_equal(world->decision.reason, rows[i].reason);
        world_free(world);
    }
}

TEST(a_fail_is_refused_and_told_which_record_decided) {
    struct world *world = spf_world();
    set_spf(world, SPF_FAIL, "-all", "");
    assert_int_equal(world_send(world)->reason, REASON_SPF_FAIL);
    assert_string_equal(world_reply(world),
                        "REJECT 5.7.1 SPF check failed for 192.0.2.1 (example.org: -all)");
    set_spf(world, SPF_FAIL, "", ""); /* cannot be, but would be told so */
    (void)world_send(world);
    assert_rule(world, "example.org: default");
    world_free(world);
}

TEST(a_pass_is_never_refused_and_is_the_reason_when_nobody_objects) {
    struct world *world = spf_world();
    world->settings.spf.on[SPF_PASS] = SPF_ACTION_REJECT;
    set_spf(world, SPF_PASS, "ip4:192.0.2.0/24", "");
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_int_equal(world->decision.reason, REASON_SPF_PASSED);
    assert_rule(world, "example.org: ip4:192.0.2.0/24");
    world_free(world);
}

TEST(what_the_domain_explains_is_told_to_whom_it_refuses) {
    struct world *world = spf_world();
    set_spf(world, SPF_FAIL, "-all", "See {rule} of http://example.org/why?i=192.0.2.1");
    (void)world_send(world);
    assert_string_equal(world_reply(world), "REJECT 5.7.1 SPF: the owner of the domain explains: "
                                            "See {rule} of http://example.org/why?i=192.0.2.1");
    world->settings.spf.explanation = false;
    (void)world_send(world);
    assert_string_equal(world_reply(world),
                        "REJECT 5.7.1 SPF check failed for 192.0.2.1 (example.org: -all)");
    world_free(world);
}

TEST(an_explanation_of_braces_is_cut_between_two_of_them) {
    struct world *world = spf_world();
    char words[SPF_EXPLANATION_MAX + 1];
    memset(words, '{', SPF_EXPLANATION_MAX);
    words[SPF_EXPLANATION_MAX] = '\0';
    set_spf(world, SPF_FAIL, "-all", words);
    (void)world_send(world);
    const char *braces = strchr(world_reply(world), '{');
    assert_non_null(braces);
    assert_int_equal(strspn(braces, "{"), (RULE_TEXT_MAX - strlen("SPF: the owner of the domain "
                                                                  "explains: ")) /
                                              2);
    assert_int_equal(braces[strspn(braces, "{")], '\0');
    memset(words, '#', SPF_EXPLANATION_MAX);
    set_spf(world, SPF_FAIL, "-all", words);
    (void)world_send(world);
    const char *plain = strchr(world_reply(world), '#');
    assert_non_null(plain);
    assert_int_equal(strspn(plain, "#"),
                     RULE_TEXT_MAX - strlen("SPF: the owner of the domain explains: ") - 1);
    world_free(world);
}

TEST(a_name_that_its_owner_denies_to_the_client_is_refused_at_helo) {
    struct world *world = spf_world();
    world->request.helo_name = STR("Mail.Example.COM");
    set_spf(world, SPF_PASS, "mx", "");
    world->facts.spf_helo_result = SPF_FAIL;
    assert_int_equal(world_send(world)->verdict, VERDICT_REJECT);
    assert_int_equal(world->decision.reason, REASON_SPF_HELO_FAIL);
    assert_rule(world, "mail.example.com: HELO name");
    world->facts.spf_helo_result = SPF_SOFTFAIL; /* a fail alone counts */
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    world->facts.spf_helo_result = SPF_FAIL;
    world->settings.spf.helo_fail = SPF_ACTION_DEFER;
    assert_int_equal(world_send(world)->verdict, VERDICT_DEFER);
    world->settings.spf.helo_fail = SPF_ACTION_ACCEPT;
    assert_int_equal(world_send(world)->reason, REASON_SPF_PASSED);
    world->settings.spf.helo_fail = SPF_ACTION_DEFER; /* the sender's domain comes first */
    set_spf(world, SPF_FAIL, "-all", "");
    world->facts.spf_helo_result = SPF_FAIL;
    assert_int_equal(world_send(world)->reason, REASON_SPF_FAIL);
    world_free(world);
}

TEST(without_an_answer_it_is_a_temperror) {
    struct world *world = spf_world();
    world->facts.status[FACT_SPF] = FACT_UNAVAILABLE;
    world->facts.spf_result = SPF_FAIL; /* not known, so it says nothing */
    world->facts.spf_helo_result = SPF_FAIL;
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    world->settings.spf.on[SPF_TEMPERROR] = SPF_ACTION_DEFER;
    world->settings.policies[POLICY_SPF].on_error = POLICY_ON_ERROR_REJECT; /* has no say */
    assert_int_equal(world_send(world)->verdict, VERDICT_DEFER);
    assert_int_equal(world->decision.reason, REASON_SPF_TEMPERROR);
    assert_rule(world, "the DNS could not be asked");
    world_free(world);
}

TEST(an_error_is_told_by_its_problem_or_by_its_name) {
    struct world *world = spf_world();
    world->settings.spf.on[SPF_PERMERROR] = SPF_ACTION_REJECT;
    set_spf(world, SPF_PERMERROR, "", "");
    (void)world_send(world);
    assert_rule(world, "example.org: permerror");
    set_spf(world, SPF_PERMERROR, "", "?");
    (void)world_send(world);
    assert_rule(world, "?");
    world_free(world);
}

TEST(the_record_that_decided_is_named_however_short) {
    static const struct {
        const char *domain;
        const char *mechanism;
        const char *rule;
    } rows[] = {
        {"example.org", "a", "example.org: a"},
        {"example.org", "", "example.org: default"},
        {"x", "-all", "x: -all"},
        {"", "-all", "no domain: -all"},
    };
    struct world *world = spf_world();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct facts *facts = &world->facts;
        set_spf(world, SPF_FAIL, rows[i].mechanism, "");
        set_fact(facts->spf_domain, &facts->spf_domain_length, rows[i].domain);
        (void)world_send(world);
        assert_rule(world, rows[i].rule);
    }
    world_free(world);
}

/* --- the header --------------------------------------------------------------------------------
 */

static bool has_header(const struct world *world) {
    return strncmp(world_reply(world), "PREPEND Received-SPF: ", 22) == 0;
}

TEST(a_message_gets_one_header_however_many_recipients_it_has) {
    struct world *world = spf_world();
    set_spf(world, SPF_PASS, "ip4:192.0.2.0/24", "");
    world->settings.spf.receiver = STR("mx.example.net");
    (void)world_send(world);
    assert_string_equal(
        world_reply(world),
        "PREPEND Received-SPF: pass (mx.example.net: domain of a@example.org designates 192.0.2.1 "
        "as permitted sender) client-ip=192.0.2.1; envelope-from=\"a@example.org\"; "
        "helo=mail.example.org; identity=mailfrom; receiver=mx.example.net; "
        "mechanism=\"ip4:192.0.2.0/24\";");
    world_set_mail(world, "a@example.org", "c@example.net");
    (void)world_send(world);
    assert_string_equal(world_reply(world), "DUNNO");
    world->request.instance = STR("4f.2"); /* the next message */
    (void)world_send(world);
    assert_true(has_header(world));
    world->now_s += HOUR_S - 1;
    world->request.instance = STR("4f.1"); /* the same, or a number used again an hour later */
    (void)world_send(world);
    assert_false(has_header(world));
    world->now_s += 1;
    (void)world_send(world);
    assert_true(has_header(world));
    world_free(world);
}

TEST(a_message_with_a_number_of_one_digit_gets_one_header_too) {
    struct world *world = spf_world();
    set_spf(world, SPF_PASS, "mx", "");
    world->request.instance = STR("7");
    (void)world_send(world);
    assert_true(has_header(world));
    world_set_mail(world, "a@example.org", "c@example.net");
    (void)world_send(world);
    assert_false(has_header(world));
    world_free(world);
}

TEST(the_header_tells_what_is_wrong_of_errors_alone) {
    static const struct {
        enum spf_result result;
        enum fact_status status;
        bool told;
    } rows[] = {
        {SPF_PERMERROR, FACT_KNOWN, true},
        {SPF_TEMPERROR, FACT_KNOWN, true},
        {SPF_PASS, FACT_KNOWN, false},
        {SPF_PERMERROR, FACT_UNAVAILABLE, false},
    };
    struct world *world = spf_world();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_spf(world, rows[i].result, "", "two records");
        world->facts.status[FACT_SPF] = rows[i].status;
        world->request.instance = (struct str){&"abcd"[i], 1};
        (void)world_send(world);
        assert_true(has_header(world));
        assert_true((strstr(world_reply(world), "two records") != NULL) == rows[i].told);
        assert_non_null(strstr(world_reply(world), "identity=mailfrom"));
    }
    world_set_mail(world, "", "b@example.net");
    world->request.instance = STR("null");
    (void)world_send(world);
    assert_non_null(strstr(world_reply(world), "identity=helo"));
    world_free(world);
}

TEST(the_header_waits_for_a_recipient_that_is_let_in) {
    struct world *world = spf_world();
    world->settings.policies[POLICY_GREYLISTING].enabled = true;
    set_spf(world, SPF_SOFTFAIL, "~all", "");
    assert_int_equal(world_send(world)->verdict, VERDICT_DEFER); /* greylisted */
    assert_null(strstr(world_reply(world), "Received-SPF"));
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
    world_set_mail(world, "a@example.org", "c@example.net");
    (void)world_send(world);
    assert_true(has_header(world));
    assert_non_null(strstr(world_reply(world), "softfail ("));
    world_free(world);
}

TEST(no_header_is_added_in_shadow_when_switched_off_or_when_spf_is_off) {
    struct world *world = spf_world();
    set_spf(world, SPF_PASS, "mx", "");
    world->settings.policies[POLICY_SPF].mode = POLICY_MODE_SHADOW;
    (void)world_send(world);
    assert_string_equal(world_reply(world), "DUNNO");
    world->settings.policies[POLICY_SPF].mode = POLICY_MODE_ENFORCE;
    world->settings.spf.add_header = false;
    (void)world_send(world);
    assert_string_equal(world_reply(world), "DUNNO");
    world->settings.spf.add_header = true;
    world->settings.policies[POLICY_SPF].enabled = false; /* the fact is there for others */
    (void)world_send(world);
    assert_string_equal(world_reply(world), "DUNNO");
    world->settings.policies[POLICY_SPF].enabled = true; /* nothing of that was counted */
    (void)world_send(world);
    assert_true(has_header(world));
    world_free(world);
}

TEST(a_header_cannot_be_broken_by_what_strangers_send) {
    struct world *world = spf_world();
    world_set_mail(world, "\"a\r\nX-Evil: 1\t\x7f\xc3\xa9\\\"@example.org", "b@example.net");
    world->request.helo_name = STR("evil)\n(\"helo");
    set_spf(world, SPF_PERMERROR, "a:x\n", "wrong\r\nX-Evil: 2");
    (void)world_send(world);
    assert_true(has_header(world));
    for (const char *c = world_reply(world); *c != '\0'; c++) {
        assert_true(*c >= ' ' && *c < 0x7f);
    }
    assert_int_equal(world->decision.header_length + strlen("PREPEND "),
                     world->decision.reply_length);
    assert_true(world->decision.header_length <= HEADER_MAX);
    world_free(world);
}

TEST(without_an_instance_each_recipient_gets_the_header) {
    struct world *world = spf_world();
    world->request.instance = STR("");
    set_spf(world, SPF_NONE, "", "");
    (void)world_send(world);
    assert_true(has_header(world));
    assert_int_equal(world->decision.effect_count, 0);
    (void)world_send(world);
    assert_true(has_header(world));
    world_free(world);
}

/* --- what follows for the client ---------------------------------------------------------------
 */

static void watch_failures(struct world *world, int64_t threshold) {
    world_enable(world, POLICY_AUTO_BLACKLIST);
    world->settings.auto_blacklist.rules[BLACKLIST_SPF_FAILURES] = (struct blacklist_rule_settings){
        .enabled = true, .threshold = threshold, .window_s = HOUR_S, .duration_s = 12 * HOUR_S};
}

static bool is_blocked(struct world *world) {
    return world_ask(world)->reason == REASON_AUTO_BLACKLISTED;
}

static void send_message(struct world *world, int number) {
    char instance[16];
    (void)snprintf(instance, sizeof instance, "m%d", number);
    world->request.instance = str_from(instance);
    (void)world_send(world);
    (void)world_send(world); /* a second recipient counts for nothing */
    world->request.instance = STR("next");
}

TEST(fifty_failures_in_an_hour_block_the_client) {
    struct world *world = spf_world();
    watch_failures(world, 50);
    set_spf(world, SPF_FAIL, "-all", "");
    for (int i = 0; i < 49; i++) {
        send_message(world, i);
    }
    assert_false(is_blocked(world));
    send_message(world, 49);
    assert_true(is_blocked(world));
    world->now_s += 12 * HOUR_S;
    assert_false(is_blocked(world));
    world_free(world);
}

TEST(a_failure_that_is_let_in_counts_too_but_nothing_else_does) {
    struct world *world = spf_world();
    watch_failures(world, 1);
    world->settings.spf.on[SPF_FAIL] = SPF_ACTION_ACCEPT;
    world->settings.spf.on[SPF_SOFTFAIL] = SPF_ACTION_REJECT;
    static const enum spf_result others[] = {SPF_NONE,    SPF_PASS,      SPF_SOFTFAIL,
                                             SPF_NEUTRAL, SPF_TEMPERROR, SPF_PERMERROR};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        set_spf(world, others[i], "", "");
        world->facts.spf_helo_result = SPF_FAIL;
        send_message(world, (int)i);
        assert_false(is_blocked(world));
    }
    set_spf(world, SPF_FAIL, "-all", "");
    world->settings.policies[POLICY_SPF].mode = POLICY_MODE_SHADOW; /* never counters of others */
    send_message(world, 10);
    assert_false(is_blocked(world));
    world->settings.policies[POLICY_SPF].mode = POLICY_MODE_ENFORCE;
    send_message(world, 11);
    assert_true(is_blocked(world));
    world_free(world);
}

TEST(a_refusal_by_spf_costs_score_once_and_a_dead_dns_costs_nothing) {
    struct world *world = spf_world();
    world_enable(world, POLICY_IP_REPUTATION);
    world->settings.ip_reputation = (struct ip_reputation_settings){
        .initial_score = 50,
        .max_score = 100,
        .accepted = 1,
        .rejected = 5,
        .deferred = 2,
        .decay_interval_s = HOUR_S,
        .known_ttl_s = HOUR_S,
    };
    const struct hash128 key = reputation_key(&world->state.key, world->request.client_address);
    const struct reputation_entry *entry = NULL;
    world->settings.spf.on[SPF_TEMPERROR] = SPF_ACTION_DEFER;
    set_spf(world, SPF_TEMPERROR, "", "");
    send_message(world, 1);
    assert_null(state_find(&world->state, STATE_REPUTATION, key));
    set_spf(world, SPF_FAIL, "-all", "");
    send_message(world, 2);
    entry = state_find(&world->state, STATE_REPUTATION, key);
    assert_non_null(entry);
    assert_int_equal(entry->score, 45);
    world_free(world);
}

/* --- greylisting -------------------------------------------------------------------------------
 */

TEST(greylisting_waits_for_spf_only_when_that_policy_is_on) {
    struct world *world = spf_world();
    world->settings.policies[POLICY_GREYLISTING].enabled = true;
    world->settings.policies[POLICY_SPF].priority = 100; /* asked after greylisting */
    assert_int_equal(world_ask(world)->facts_wanted, 1u << FACT_SPF);
    assert_true(step_of(world, POLICY_GREYLISTING)->skipped);
    set_spf(world, SPF_PASS, "mx", "");
    (void)world_send(world); /* both keys */
    world_set_client(world, "198.51.100.7", "mail.example.org");
    world->now_s += 300;
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE); /* known by the domain */
    assert_int_equal(step_of(world, POLICY_GREYLISTING)->reason, REASON_GREYLIST_RETRIED);
    world->settings.policies[POLICY_SPF].enabled = false;
    world->facts.status[FACT_SPF] = FACT_UNASKED;
    world_set_client(world, "192.0.2.1", "mail.example.org");
    assert_int_equal(world_ask(world)->facts_wanted, 0);
    assert_int_equal(world->decision.reason, REASON_GREYLIST_RETRIED); /* by network */
    world_free(world);
}

TEST(an_exemption_that_requires_spf_asks_for_it_and_holds_when_it_passes) {
    for (int pass = 0; pass < 2; pass++) {
        struct world *world = world_new(100);
        struct list_item item =
            world_item(world, LIST_GREYLIST_EXEMPT, PATTERN_DOMAIN, "example.org");
        item.require = LIST_PROOF_SPF;
        world_add_item(world, item);
        assert_int_equal(world_ask(world)->facts_wanted, 1u << FACT_SPF);
        set_spf(world, pass != 0 ? SPF_PASS : SPF_SOFTFAIL, "mx", "");
        (void)world_send(world);
        assert_int_equal(world->decision.reason,
                         pass != 0 ? REASON_GREYLIST_EXEMPT : REASON_GREYLIST_FIRST_CONTACT);
        world_set_mail(world, "a@example.com", "b@example.net");
        world->facts.status[FACT_SPF] = FACT_UNASKED; /* of whom the entry does not speak */
        assert_int_equal(world_ask(world)->facts_wanted, 0);
        world_free(world);
    }
}

/* --- explain -----------------------------------------------------------------------------------
 */

static const char *explained(const struct world *world, size_t i, bool *ret_found) {
    static char room[1024];
    struct text out = TEXT_OVER(room);
    const char *what = "";
    if (!decision_explain_fact(&world->settings, &world->facts, POLICY_SPF, i, &what, ret_found,
                               &out)) {
        return NULL;
    }
    assert_int_equal(strncmp(what, "SPF of the ", 11), 0);
    return text_zero(&out);
}

TEST(what_spf_said_is_explained) {
    struct world *world = spf_world();
    bool found = true;
    assert_null(explained(world, 0, &found));
    set_spf(world, SPF_FAIL, "-all", "See\nus");
    assert_string_equal(explained(world, 0, &found),
                        "fail for example.org, by -all; the domain explains: See\\x0aus");
    assert_true(found);
    assert_string_equal(explained(world, 1, &found), "none");
    assert_false(found);
    assert_null(explained(world, 2, &found));
    set_spf(world, SPF_PERMERROR, "", "x: two records");
    assert_string_equal(explained(world, 0, &found), "permerror for example.org; x: two records");
    assert_false(found);
    world->facts.spf_helo_result = SPF_FAIL;
    assert_string_equal(explained(world, 1, &found), "fail");
    assert_true(found);
    world_free(world);
}
