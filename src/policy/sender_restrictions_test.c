/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/decision_explain.h"
#include "policy/explain_parts.h"
#include "policy/policy_run.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* sender_restrictions and sender_identity, as Postfix asks about mail of our own users. */

static struct world *world_with(enum policy_id policy) {
    struct world *world = world_new(100);
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
    world_enable(world, policy);
    world_set_client(world, "203.0.113.7", "unknown");
    return world;
}

static void set_login(struct world *world, const char *user) {
    world->request.sasl_username = str_from(user);
}

static void trust(struct world *world) {
    static struct ip_prefix networks[1];
    bool host_bits = false;
    assert_true(ip_prefix_parse(STR("203.0.113.0/24"), &networks[0], &host_bits));
    world->settings.trusted_networks = networks;
    world->settings.trusted_network_count = 1;
}

/* What is answered when `user` sends as `sender` to `recipient`. */
static enum reason asked(struct world *world, const char *user, const char *sender,
                         const char *recipient) {
    set_login(world, user);
    world_set_mail(world, sender, recipient);
    const struct decision *decision = world_send(world);
    assert_int_equal(decision->effect_count, 0);
    assert_int_equal(decision->verdict == VERDICT_REJECT, decision->reason != REASON_NONE);
    return decision->reason;
}

static const char *rule_named(const struct world *world) {
    static char rule[RULE_MAX + 1];
    (void)snprintf(rule, sizeof rule, "%.*s", (int)world->decision.rule_length,
                   world->decision.rule);
    return rule;
}

/* How the step of `policy` is told of in explain: the one read it made. */
static const char *explained(const struct world *world) {
    static char room[256];
    struct text out = {.data = room, .size = sizeof room - 1};
    const struct decision *decision = &world->decision;
    const struct read *rule = NULL;
    for (size_t i = 0; i < decision->read_count; i++) {
        rule = decision->reads[i].kind == READ_RULE ? &decision->reads[i] : rule;
    }
    if (rule == NULL) {
        return "nothing";
    }
    text_add(&out, str_from(decision_read_name(rule)));
    text_add(&out, STR(": "));
    decision_explain_read(decision, rule, (uint32_t)world->now_s, &out);
    return text_zero(&out);
}

/* --- restrictions -------------------------------------------------------------------------------
 */

TEST(a_restricted_user_reaches_whom_its_restriction_lists_and_nobody_else) {
    struct world *world = world_with(POLICY_SENDER_RESTRICTIONS);
    world_add_rule(world, RULE_RESTRICTION, "alice@corp.example",
                   "bob@partner.example\n*@corp.example\n*@*.branch.example\n"
                   "all-staff@lists.example");
    static const struct {
        const char *recipient;
        bool allowed;
    } rows[] = {
        {"bob@partner.example", true},
        {"BOB@Partner.Example", true},
        {"eve@partner.example", false},
        {"bob+x@partner.example", false},
        {"anybody@corp.example", true},
        {"x@sub.corp.example", false},
        {"x@a.branch.example", true},
        {"x@b.a.branch.example", true},
        {"x@branch.example", false},
        {"all-staff@lists.example", true},
        {"root", false},
        {"x@corp.example.evil.example", false},
        {"x@corp.example@evil.org", false},
        {"x@evilcorp.example", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].recipient);
        const enum reason reason =
            asked(world, "alice@corp.example", "alice@corp.example", rows[i].recipient);
        assert_int_equal(reason, rows[i].allowed ? REASON_NONE : REASON_RESTRICTION_RECIPIENT);
        assert_string_equal(explained(world),
                            rows[i].allowed
                                ? "restriction: rule 1 lets this sender write to this recipient"
                                : "restriction: rule 1 lists whom this sender may write to, and "
                                  "not this recipient");
    }
    assert_int_equal(asked(world, "carol@corp.example", "carol@corp.example", "x@y.example"),
                     REASON_NONE);
    assert_string_equal(explained(world), "nothing");
    world_free(world);
}

TEST(an_account_is_stopped_by_an_empty_list_whatever_its_domain_may) {
    struct world *world = world_with(POLICY_SENDER_RESTRICTIONS);
    world_add_rule(world, RULE_RESTRICTION, "*@corp.example", "*@corp.example");
    assert_int_equal(asked(world, "alice@corp.example", "alice@corp.example", "b@corp.example"),
                     REASON_NONE);
    world_add_rule(world, RULE_RESTRICTION, "alice@corp.example", "");
    assert_int_equal(asked(world, "alice@corp.example", "alice@corp.example", "b@corp.example"),
                     REASON_RESTRICTION_NOTHING);
    assert_string_equal(rule_named(world), "restriction:2 alice@corp.example");
    assert_string_equal(explained(world), "restriction: rule 2 lets this sender write to nobody");
    /* As herself by extension, as somebody else, as nobody: it is her login. */
    assert_int_equal(asked(world, "alice@corp.example", "", "b@corp.example"),
                     REASON_RESTRICTION_NOTHING);
    assert_int_equal(asked(world, "alice@corp.example", "carol@corp.example", "b@corp.example"),
                     REASON_RESTRICTION_NOTHING);
    assert_int_equal(asked(world, "Alice+x@Corp.Example.", "z@other.example", "b@corp.example"),
                     REASON_RESTRICTION_NOTHING);
    /* Nor may others use her address. */
    assert_int_equal(asked(world, "carol@corp.example", "ALICE+y@corp.example", "b@corp.example"),
                     REASON_RESTRICTION_NOTHING);
    assert_int_equal(asked(world, "carol@corp.example", "carol@corp.example", "b@corp.example"),
                     REASON_NONE);
    world_free(world);
}

TEST(a_domain_may_send_nothing_but_for_the_users_that_have_a_list) {
    struct world *world = world_with(POLICY_SENDER_RESTRICTIONS);
    world_add_rule(world, RULE_RESTRICTION, "*@corp.example", "");
    world_add_rule(world, RULE_RESTRICTION, "boss@corp.example", "*@partner.example");
    assert_int_equal(asked(world, "alice@corp.example", "alice@corp.example", "b@partner.example"),
                     REASON_RESTRICTION_NOTHING);
    assert_string_equal(rule_named(world), "restriction:1 *@corp.example");
    assert_int_equal(asked(world, "boss@corp.example", "boss@corp.example", "b@partner.example"),
                     REASON_NONE);
    assert_int_equal(asked(world, "boss@corp.example", "boss@corp.example", "b@other.example"),
                     REASON_RESTRICTION_RECIPIENT);
    assert_string_equal(rule_named(world), "restriction:2 boss@corp.example");
    world_free(world);
}

TEST(a_user_without_a_domain_is_restricted_as_its_address_and_as_its_domains) {
    const struct str domains[] = {STR("corp.example"), STR("shop.example")};
    struct world *world = world_with(POLICY_SENDER_RESTRICTIONS);
    world_add_rule(world, RULE_RESTRICTION, "alice@corp.example", "a@x.example");
    world_add_rule(world, RULE_RESTRICTION, "root@*", "b@x.example");
    world_add_rule(world, RULE_RESTRICTION, "*@shop.example", "c@x.example");
    world_add_rule(world, RULE_RESTRICTION, "*@*.example", "d@x.example");
    static const char *const users[] = {"alice", "Alice+x", "root", "carol"};
    static const char *const recipients[] = {"a@x.example", "b@x.example", "c@x.example",
                                             "d@x.example"};
    static const bool restricted[2][4] = {{true, true, true, false}, {true, true, true, true}};
    static const bool allowed[2][4][4] = {
        {{true, false, false, false},
         {true, false, false, false},
         {false, true, false, false},
         {true, true, true, true}},
        {{true, false, true, true},
         {true, false, true, true},
         {false, true, true, true},
         {false, false, true, true}},
    };
    for (size_t known = 0; known < 2; known++) {
        world->settings.local_domains = domains;
        world->settings.local_domain_count = 2 * known;
        for (size_t u = 0; u < 4; u++) {
            for (size_t r = 0; r < 4; r++) {
                test_case(users[u]);
                const enum reason reason = asked(world, users[u], "x@elsewhere.org", recipients[r]);
                assert_int_equal(reason == REASON_NONE, allowed[known][u][r]);
                assert_int_equal(strcmp(explained(world), "nothing") != 0, restricted[known][u]);
            }
        }
    }
    world_free(world);
}

TEST(a_sender_that_postfix_completes_is_restricted_too) {
    struct world *world = world_with(POLICY_SENDER_RESTRICTIONS);
    trust(world);
    world_add_rule(world, RULE_RESTRICTION, "alice@corp.example", "");
    assert_int_equal(asked(world, "", "alice", "b@x.example"), REASON_RESTRICTION_NOTHING);
    assert_int_equal(asked(world, "", "alice+x@corp.example", "b@x.example"),
                     REASON_RESTRICTION_NOTHING);
    assert_int_equal(asked(world, "", "bob", "b@x.example"), REASON_NONE);
    assert_int_equal(asked(world, "", "", "b@x.example"), REASON_NONE);
    world_free(world);
}

TEST(strangers_are_not_restricted_by_a_sender_they_claim) {
    struct world *world = world_with(POLICY_SENDER_RESTRICTIONS);
    world_add_rule(world, RULE_RESTRICTION, "alice@corp.example", "");
    assert_int_equal(asked(world, "", "alice@corp.example", "b@x.example"), REASON_NONE);
    trust(world);
    assert_int_equal(asked(world, "", "alice@corp.example", "b@x.example"),
                     REASON_RESTRICTION_NOTHING);
    world_free(world);
}

TEST(a_restriction_ends_when_it_expires) {
    struct world *world = world_with(POLICY_SENDER_RESTRICTIONS);
    world_add_rule(world, RULE_RESTRICTION, "alice@corp.example", "");
    world->rule_rows[0].expires_s = (uint32_t)world->now_s + 1;
    world_set_rules(world);
    assert_int_equal(asked(world, "alice@corp.example", "", "b@x.example"),
                     REASON_RESTRICTION_NOTHING);
    world->now_s++;
    assert_int_equal(asked(world, "alice@corp.example", "", "b@x.example"), REASON_NONE);
    world_free(world);
}

TEST(the_refusal_has_the_text_of_the_rule_else_of_the_setting_else_the_default) {
    struct world *world = world_with(POLICY_SENDER_RESTRICTIONS);
    world_add_rule(world, RULE_RESTRICTION, "alice@corp.example", "*@corp.example");
    (void)asked(world, "alice@corp.example", "alice@corp.example", "b@x.example");
    const char *reply = world_reply(world);
    assert_int_equal(strncmp(reply, "REJECT 5.7.1 ", 13), 0);
    assert_true(strlen(reply) > 20);
    world->settings.sender_restrictions.text = STR("{recipient}: not from {sender} ({rule})");
    (void)asked(world, "alice@corp.example", "alice@corp.example", "b@x.example");
    assert_string_equal(world_reply(world), "REJECT 5.7.1 b@x.example: not from "
                                            "alice@corp.example (restriction:1 "
                                            "alice@corp.example)");
    world->rule_rows[0].text = STR("Call 4711 before you write to {recipient}");
    world_set_rules(world);
    (void)asked(world, "alice@corp.example", "alice@corp.example", "b@x.example");
    assert_string_equal(world_reply(world), "REJECT 5.7.1 Call 4711 before you write to "
                                            "b@x.example");
    world_free(world);
}

TEST(a_restriction_in_shadow_refuses_nothing_and_is_told) {
    struct world *world = world_with(POLICY_SENDER_RESTRICTIONS);
    world_add_rule(world, RULE_RESTRICTION, "alice@corp.example", "");
    world->settings.policies[POLICY_SENDER_RESTRICTIONS].mode = POLICY_MODE_SHADOW;
    assert_int_equal(asked(world, "alice@corp.example", "", "b@x.example"), REASON_NONE);
    bool told = false;
    for (size_t i = 0; i < world->decision.step_count; i++) {
        const struct decision_step *step = &world->decision.steps[i];
        told =
            told || (step->policy == POLICY_SENDER_RESTRICTIONS && !step->skipped &&
                     step->verdict == VERDICT_REJECT && step->reason == REASON_RESTRICTION_NOTHING);
    }
    assert_true(told);
    world_free(world);
}

/* An address of `length` bytes: `start`, letters, `end`. */
static const char *long_address(const char *start, const char *end, size_t length) {
    static char room[1024];
    assert_true(length < sizeof room);
    memset(room, 'x', length);
    memcpy(room, start, strlen(start));
    memcpy(room + length - strlen(end), end, strlen(end));
    room[length] = '\0';
    return room;
}

TEST(a_recipient_that_postfix_routes_elsewhere_is_in_no_list) {
    struct world *world = world_with(POLICY_SENDER_RESTRICTIONS);
    world_add_rule(world, RULE_RESTRICTION, "bob@b.example", "*@company.example");
    static const char *const routed[] = {"victim%far.example@company.example",
                                         "far.example!victim@company.example",
                                         "\"victim@far.example\"@company.example"};
    assert_int_equal(asked(world, "bob@b.example", "bob@b.example", "x@company.example"),
                     REASON_NONE);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(asked(world, "bob@b.example", "bob@b.example", routed[i]),
                         REASON_RESTRICTION_RECIPIENT);
    }
    world_free(world);
}

TEST(an_overlong_recipient_cannot_hide_its_domain) {
    struct world *world = world_with(POLICY_SENDER_RESTRICTIONS);
    world_add_rule(world, RULE_RESTRICTION, "alice@corp.example", "*@corp.example");
    char recipient[1024];
    /* Its first 512 bytes end in @corp.example. */
    (void)snprintf(recipient, sizeof recipient, "%s.evil.example",
                   long_address("", "@corp.example", DECISION_VALUE_MAX));
    assert_int_equal(asked(world, "alice@corp.example", "", recipient),
                     REASON_RESTRICTION_RECIPIENT);
    assert_int_equal(asked(world, "alice@corp.example", "",
                           long_address("", "@corp.example", DECISION_VALUE_MAX)),
                     REASON_RESTRICTION_RECIPIENT);
    assert_int_equal(asked(world, "alice@corp.example", "",
                           long_address("", "@corp.example", DECISION_VALUE_MAX - 1)),
                     REASON_NONE);
    world_free(world);
}

TEST(a_recipient_that_grows_too_long_as_a_labels_cannot_hide_its_domain) {
    struct world *world = world_with(POLICY_SENDER_RESTRICTIONS);
    world_add_rule(world, RULE_RESTRICTION, "alice@corp.example", "*@*.corp.example");
    /* 256 bytes of local part and @, 80 of A-labels, the rest of the room to its end; then more. */
    char recipient[DECISION_VALUE_MAX];
    char filler[256];
    memset(filler, 'x', sizeof filler);
    char labels[64] = "";
    for (int i = 0; i < 10; i++) {
        (void)strcat(labels, "\xc3\xbc.");
    }
    const int rest = ADDRESS_ROOM - 256 - 80 - (int)strlen(".corp.example");
    for (int more = 0; more < 2; more++) {
        (void)snprintf(recipient, sizeof recipient, "%.255s@%s%.*s.corp.example%s", filler, labels,
                       rest - 1 + more, filler, more == 1 ? ".evil.example" : "");
        assert_true(strlen(recipient) < DECISION_VALUE_MAX - 1);
        assert_int_equal(asked(world, "alice@corp.example", "", recipient),
                         more == 1 ? REASON_RESTRICTION_RECIPIENT : REASON_NONE);
    }
    world_free(world);
}

/* --- identity -----------------------------------------------------------------------------------
 */

TEST(a_user_sends_as_itself_and_as_what_is_listed) {
    static const struct {
        const char *user;
        const char *sender;
        bool owned;
    } rows[] = {
        {"alice@corp.example", "alice@corp.example", true},
        {"alice@corp.example", "ALICE@Corp.Example", true},
        {"Alice@Corp.Example", "alice+news@corp.example", true},
        {"alice+phone@corp.example", "alice@corp.example", true},
        {"alice+phone@corp.example", "alice+news@corp.example", true},
        {"alice@corp.example", "", true},
        {"alice@corp.example", "sales@corp.example", true},
        {"alice@corp.example", "sales+q@corp.example", true},
        {"alice+x@corp.example", "sales+q@corp.example", true},
        {"alice@corp.example", "anybody@alias.example", true},
        {"alice@corp.example", "anybody@x.alias.example", false},
        {"alice@corp.example", "boss@corp.example", false},
        {"alice@corp.example", "alice@other.example", false},
        {"alice@corp.example", "alice", false},
        {"alice@corp.example", "+alice@corp.example", false},
        {"alice@corp.example", "alice-x@corp.example", false},
        {"alice@corp.example", "SRS0=aaaa=bb=corp.example=alice@evil.example", false},
        {"alice@corp.example", "alice+@corp.example", true},
        {"u", "u", true},
        {"bob@corp.example", "sales@corp.example", false},
        {"bob@corp.example", "alice@corp.example", false},
        {"+x@corp.example", "+y@corp.example", false},
        {"alice", "alice@corp.example", true},
        {"alice", "alice+x@SHOP.example", true},
        {"alice", "alice", true},
        {"alice", "alice+x", true},
        {"alice", "alice@evil.example", false},
        {"alice", "alice@x.corp.example", false},
        {"alice", "bob@corp.example", false},
        {"alice", "sales@corp.example", false},
        {"carol", "info@shop.example", true},
    };
    const struct str domains[] = {STR("a.example"), STR("corp.example"), STR("shop.example")};
    struct world *world = world_with(POLICY_SENDER_IDENTITY);
    world->settings.local_domains = domains;
    world->settings.local_domain_count = 3;
    world_add_rule(world, RULE_IDENTITY, "alice@corp.example",
                   "sales@corp.example\n*@alias.example");
    world_add_rule(world, RULE_IDENTITY, "carol", "info@shop.example");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char label[160];
        (void)snprintf(label, sizeof label, "%s as %s", rows[i].user, rows[i].sender);
        test_case(label);
        assert_int_equal(asked(world, rows[i].user, rows[i].sender, "b@x.example"),
                         rows[i].owned ? REASON_NONE : REASON_IDENTITY_NOT_OWNED);
    }
    world_free(world);
}

TEST(each_local_domain_is_known_and_none_beside_them) {
    enum { DOMAINS = 9 };
    char names[DOMAINS][16];
    struct str domains[DOMAINS];
    struct world *world = world_with(POLICY_SENDER_IDENTITY);
    for (size_t i = 0; i < DOMAINS; i++) {
        domains[i].data = names[i];
        domains[i].length =
            (size_t)snprintf(names[i], sizeof names[i], "%c.example", 'b' + 2 * (int)i);
    }
    world->settings.local_domains = domains;
    for (size_t count = 1; count <= DOMAINS; count++) {
        world->settings.local_domain_count = count;
        for (size_t i = 0; i < DOMAINS + 1; i++) {
            char sender[32];
            (void)snprintf(sender, sizeof sender, "alice@%c.example", 'b' + 2 * (int)i);
            assert_int_equal(asked(world, "alice", sender, "b@x.example"),
                             i < count ? REASON_NONE : REASON_IDENTITY_NOT_OWNED);
            sender[6]--;
            assert_int_equal(asked(world, "alice", sender, "b@x.example"),
                             REASON_IDENTITY_NOT_OWNED);
        }
    }
    /* As long as none is set a name is taken to be local everywhere. */
    world->settings.local_domain_count = 0;
    assert_int_equal(asked(world, "alice", "alice@anywhere.example", "b@x.example"), REASON_NONE);
    assert_int_equal(asked(world, "alice", "alice@x", "b@x.example"), REASON_NONE);
    assert_int_equal(asked(world, "alice", "alice@", "b@x.example"), REASON_IDENTITY_NOT_OWNED);
    assert_int_equal(asked(world, "alice", "bob@anywhere.example", "b@x.example"),
                     REASON_IDENTITY_NOT_OWNED);
    world_free(world);
}

TEST(identity_is_asked_of_logins_alone) {
    struct world *world = world_with(POLICY_SENDER_IDENTITY);
    trust(world);
    assert_int_equal(asked(world, "", "anybody@corp.example", "b@x.example"), REASON_NONE);
    assert_int_equal(asked(world, "alice@corp.example", "anybody@corp.example", "b@x.example"),
                     REASON_IDENTITY_NOT_OWNED);
    world_free(world);
}

TEST(a_refused_identity_names_the_rule_that_lists_others) {
    struct world *world = world_with(POLICY_SENDER_IDENTITY);
    world->settings.sender_identity.text = STR("{sender} is not yours ({rule})");
    assert_int_equal(asked(world, "alice@corp.example", "x@corp.example", "b@x.example"),
                     REASON_IDENTITY_NOT_OWNED);
    assert_string_equal(world_reply(world), "REJECT 5.7.1 x@corp.example is not yours ()");
    assert_string_equal(explained(world), "nothing");
    world_add_rule(world, RULE_IDENTITY, "alice@corp.example", "y@corp.example");
    assert_int_equal(asked(world, "alice@corp.example", "x@corp.example", "b@x.example"),
                     REASON_IDENTITY_NOT_OWNED);
    assert_string_equal(world_reply(world), "REJECT 5.7.1 x@corp.example is not yours "
                                            "(identity:1 alice@corp.example)");
    assert_string_equal(explained(world),
                        "identity: rule 1 lists whom this user may send as, and not this sender");
    assert_int_equal(asked(world, "alice@corp.example", "y@corp.example", "b@x.example"),
                     REASON_NONE);
    assert_string_equal(explained(world), "identity: rule 1 lets this user send as this sender");
    world_free(world);
}

TEST(an_overlong_sender_is_nobodys_own) {
    struct world *world = world_with(POLICY_SENDER_IDENTITY);
    world_add_rule(world, RULE_IDENTITY, "alice", "*@corp.example");
    char sender[1024];
    /* What stands in the first 512 bytes would be alice's by extension, and by the rule. */
    (void)snprintf(sender, sizeof sender, "%s@evil.example",
                   long_address("alice+", "", DECISION_VALUE_MAX));
    assert_int_equal(asked(world, "alice", sender, "b@x.example"), REASON_IDENTITY_NOT_OWNED);
    (void)snprintf(sender, sizeof sender, "%s.evil.example",
                   long_address("", "@corp.example", DECISION_VALUE_MAX));
    assert_int_equal(asked(world, "alice", sender, "b@x.example"), REASON_IDENTITY_NOT_OWNED);
    assert_int_equal(asked(world, "alice",
                           long_address("", "@corp.example", DECISION_VALUE_MAX - 1),
                           "b@x.example"),
                     REASON_NONE);
    /* Nor is a login so long known to be anybody's. */
    char user[1024];
    (void)snprintf(user, sizeof user, "%s", long_address("alice+", "@x.example", 600));
    assert_int_equal(asked(world, user, "alice@x.example", "b@x.example"),
                     REASON_IDENTITY_NOT_OWNED);
    assert_int_equal(asked(world, user, "@x.example", "b@x.example"), REASON_IDENTITY_NOT_OWNED);
    world_free(world);
}

TEST(what_a_damaged_record_says_is_told_without_harm) {
    struct read read = {.kind = READ_RULE, .source = RULE_RESTRICTION};
    const uint32_t words[] = {77, 5};
    memcpy(read.entry, words, sizeof words);
    char room[64];
    struct text out = TEXT_OVER(room);
    explain_sender_rule(&read, &out);
    assert_string_equal(text_zero(&out), "rule 5 has no say");
}
