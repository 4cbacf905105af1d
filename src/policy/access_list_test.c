/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "policy/world_fixture.h"
#include "testing/test.h"

static void assert_allowed(struct world *world) {
    const struct decision *decision = world_send(world);
    assert_int_equal(decision->verdict, VERDICT_ACCEPT);
    assert_int_equal(decision->policy, POLICY_ACL_ALLOW);
    assert_int_equal(decision->reason, REASON_ACL_ALLOWED);
    assert_string_equal(world_reply(world), "DUNNO");
    assert_int_equal(decision->effect_count, 0);
}

static void assert_blocked(struct world *world) {
    const struct decision *decision = world_send(world);
    assert_int_equal(decision->verdict, VERDICT_REJECT);
    assert_int_equal(decision->policy, POLICY_ACL_BLOCK);
    assert_int_equal(decision->reason, REASON_ACL_BLOCKED);
    assert_string_equal(world_reply(world), "REJECT 5.7.1 Access denied");
    assert_int_equal(decision->effect_count, 0);
}

static void assert_unlisted(struct world *world) {
    assert_int_equal(world_send(world)->policy, POLICY_GREYLISTING);
}

TEST(an_allowed_sender_bypasses_and_a_blocked_one_is_refused) {
    struct world *world = world_new(100);
    (void)world_add(world, LIST_ALLOW, PATTERN_DOMAIN, "friend.example");
    (void)world_add(world, LIST_BLOCK, PATTERN_EMAIL, "*@*.spam.example");
    world_set_mail(world, "A@Friend.Example", "b@example.net");
    assert_allowed(world);
    assert_int_equal(world->decision.rule_length, strlen("allow:1 friend.example"));
    assert_memory_equal(world->decision.rule, "allow:1 friend.example",
                        world->decision.rule_length);
    world_set_mail(world, "x@a.spam.example", "b@example.net");
    assert_blocked(world);
    assert_int_equal(world->decision.rule_length, strlen("block:2 *@*.spam.example"));
    assert_memory_equal(world->decision.rule, "block:2 *@*.spam.example",
                        world->decision.rule_length);
    world_set_mail(world, "x@spam.example", "b@example.net");
    assert_unlisted(world);
    world_free(world);
}

TEST(the_block_text_is_the_administrators) {
    struct world *world = world_new(100);
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
    world->settings.access_list.block_text = STR("{client_address} is not welcome ({rule})");
    (void)world_send(world);
    assert_string_equal(world_reply(world),
                        "REJECT 5.7.1 192.0.2.1 is not welcome (block:1 192.0.2.1)");
    world_free(world);
}

/* Which list wins, for one client and one sender. */
TEST(allow_wins_but_of_addresses_the_longest_prefix) {
    static const struct {
        const char *label;
        const char *allow;
        const char *block;
        bool blocked;
    } rows[] = {
        {"same sender on both", "a@example.org", "a@example.org", false},
        {"same domain on both", "example.org", "example.org", false},
        {"sender allowed, its domain blocked", "a@example.org", "example.org", false},
        {"domain allowed, the sender blocked", "example.org", "a@example.org", false},
        {"sender allowed, address blocked", "a@example.org", "10.1.2.3", false},
        {"network allowed, sender blocked", "10.0.0.0/8", "a@example.org", false},
        {"network allowed, address blocked", "10.0.0.0/8", "10.1.2.3", true},
        {"network allowed, smaller one blocked", "10.0.0.0/8", "10.1.0.0/16", true},
        {"one bit longer", "10.0.0.0/15", "10.1.0.0/16", true},
        {"equal length", "10.1.0.0/16", "10.1.0.0/16", false},
        {"address allowed, network blocked", "10.1.2.3", "10.0.0.0/8", false},
        {"blocked network elsewhere", "10.0.0.0/8", "10.9.0.0/16", false},
        {"only blocked", "192.0.2.0/24", "10.0.0.0/8", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        struct world *world = world_new(100);
        world_set_client(world, "10.1.2.3", "mail.example.org");
        (void)world_add(world, LIST_ALLOW, address_pattern_guess(str_from(rows[i].allow)),
                        rows[i].allow);
        (void)world_add(world, LIST_BLOCK, address_pattern_guess(str_from(rows[i].block)),
                        rows[i].block);
        if (rows[i].blocked) {
            assert_blocked(world);
        } else {
            assert_allowed(world);
        }
        world_free(world);
    }
}

TEST(a_sender_and_a_network_allowed_stand_together) {
    /* The longer block hides the allowed network, but not the allowed sender. */
    struct world *world = world_new(100);
    (void)world_add(world, LIST_ALLOW, PATTERN_IP, "192.0.0.0/16");
    (void)world_add(world, LIST_ALLOW, PATTERN_EMAIL, "a@example.org");
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
    assert_allowed(world);
    world_set_mail(world, "b@example.org", "b@example.net");
    assert_blocked(world);
    world_free(world);
}

TEST(a_block_list_that_has_no_say_takes_nothing_away) {
    for (int how = 0; how < 2; how++) {
        struct world *world = world_new(100);
        (void)world_add(world, LIST_ALLOW, PATTERN_IP, "192.0.2.0/24");
        (void)world_add(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
        if (how == 0) {
            world->settings.policies[POLICY_ACL_BLOCK].enabled = false;
        } else {
            world->settings.policies[POLICY_ACL_BLOCK].mode = POLICY_MODE_SHADOW;
        }
        assert_allowed(world);
        world_free(world);
    }
}

TEST(an_entry_is_for_inbound_mail_unless_it_says_so) {
    struct world *world = world_new(100);
    struct list_item out = world_item(world, LIST_BLOCK, PATTERN_EMAIL, "out@example.org");
    out.direction = LIST_OUTBOUND;
    world_add_item(world, out);
    struct list_item both = world_item(world, LIST_BLOCK, PATTERN_EMAIL, "both@example.org");
    both.direction = LIST_BOTH_DIRECTIONS;
    world_add_item(world, both);
    (void)world_add(world, LIST_BLOCK, PATTERN_EMAIL, "in@example.org");
    static const char *const senders[] = {"in@example.org", "out@example.org", "both@example.org"};
    static const bool inbound[] = {true, false, true};
    static const bool outbound[] = {false, true, true};
    for (size_t i = 0; i < 3; i++) {
        world_set_mail(world, senders[i], "b@example.net");
        world->request.sasl_username = STR("");
        assert_int_equal(world_ask(world)->verdict == VERDICT_REJECT, inbound[i]);
        world->request.sasl_username = STR("alice");
        assert_int_equal(world_ask(world)->verdict == VERDICT_REJECT, outbound[i]);
    }
    world_free(world);
}

TEST(an_entry_expires) {
    struct world *world = world_new(100);
    struct list_item item = world_item(world, LIST_ALLOW, PATTERN_DOMAIN, "example.org");
    item.expires_s = (uint32_t)world->now_s + 1;
    world_add_item(world, item);
    assert_allowed(world);
    world->now_s++;
    assert_unlisted(world);
    world_free(world);
}

TEST(a_forged_sender_does_not_pass_where_a_name_is_required) {
    struct world *world = world_new(100);
    struct list_item item = world_item(world, LIST_ALLOW, PATTERN_DOMAIN, "example.org");
    item.require = LIST_PROOF_FCRDNS;
    world_add_item(world, item);
    world->request.client_name = STR("MAIL.example.org");
    assert_allowed(world);
    world->request.client_name = STR("mail.example.net");
    assert_unlisted(world);
    world->request.client_name = STR("unknown");
    assert_unlisted(world);
    world_free(world);
}

static struct world *world_that_requires_spf(void) {
    struct world *world = world_new(100);
    struct list_item item = world_item(world, LIST_ALLOW, PATTERN_DOMAIN, "example.org");
    item.require = LIST_PROOF_SPF;
    world_add_item(world, item);
    return world;
}

TEST(spf_is_asked_for_only_where_it_decides) {
    struct world *world = world_that_requires_spf();
    world_set_mail(world, "a@example.net", "b@example.net");
    assert_unlisted(world);
    assert_int_equal(world->facts.status[FACT_SPF], FACT_UNASKED);
    world_set_mail(world, "a@example.org", "b@example.net");
    assert_int_equal(world_ask(world)->facts_wanted, 1u << FACT_SPF);
    assert_int_equal(world->facts.status[FACT_SPF], FACT_WANTED);
    assert_int_equal(world_ask(world)->facts_wanted, 1u << FACT_SPF); /* still */
    world_free(world);
}

TEST(an_entry_that_requires_spf_holds_for_a_pass_of_that_domain) {
    static const struct {
        const char *label;
        enum fact_status status;
        uint8_t result;
        const char *domain;
        bool allowed;
    } rows[] = {
        {"pass", FACT_KNOWN, SPF_PASS, "example.org", true},
        {"pass of another domain", FACT_KNOWN, SPF_PASS, "example.net", false},
        {"fail", FACT_KNOWN, 0, "example.org", false},
        {"unavailable: not proven", FACT_UNAVAILABLE, SPF_PASS, "example.org", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        struct world *world = world_that_requires_spf();
        world->facts.status[FACT_SPF] = rows[i].status;
        world->facts.spf_result = rows[i].result;
        world->facts.spf_domain_length = (uint16_t)strlen(rows[i].domain);
        memcpy(world->facts.spf_domain, rows[i].domain, strlen(rows[i].domain));
        if (rows[i].allowed) {
            assert_allowed(world);
        } else {
            assert_unlisted(world);
        }
        world_free(world);
    }
}

TEST(a_block_entry_can_require_spf_too) {
    for (int longer = 0; longer < 2; longer++) {
        struct world *world = world_new(100);
        struct list_item item =
            world_item(world, LIST_BLOCK, PATTERN_IP, longer == 1 ? "192.0.2.1" : "192.0.0.0/16");
        item.require = LIST_PROOF_SPF;
        world_add_item(world, item);
        (void)world_add(world, LIST_ALLOW, PATTERN_IP, "192.0.2.0/24");
        if (longer == 0) {
            assert_allowed(world); /* A shorter prefix decides nothing, so nothing is asked. */
            assert_int_equal(world->facts.status[FACT_SPF], FACT_UNASKED);
        } else {
            assert_int_equal(world_ask(world)->facts_wanted, 1u << FACT_SPF);
            assert_int_equal(world->facts.status[FACT_SPF], FACT_WANTED);
            world->facts.status[FACT_SPF] = FACT_UNAVAILABLE;
            assert_allowed(world);
        }
        world_free(world);
    }
}

TEST(a_sender_blocked_only_when_spf_proves_it) {
    struct world *world = world_new(100);
    struct list_item item = world_item(world, LIST_BLOCK, PATTERN_DOMAIN, "example.org");
    item.require = LIST_PROOF_SPF;
    world_add_item(world, item);
    assert_int_equal(world_ask(world)->facts_wanted, 1u << FACT_SPF);
    world->facts.status[FACT_SPF] = FACT_UNAVAILABLE;
    assert_unlisted(world);
    world_free(world);
}

TEST(a_longer_blocked_network_that_hangs_on_spf_is_asked_about_even_if_the_sender_is_blocked) {
    static const char *const senders[] = {"a@example.org", "example.org", "*.org"};
    for (size_t i = 0; i < sizeof senders / sizeof senders[0]; i++) {
        struct world *world = world_new(10);
        (void)world_add(world, LIST_ALLOW, PATTERN_IP, "192.0.2.0/24");
        (void)world_add(world, LIST_BLOCK, address_pattern_guess(str_from(senders[i])), senders[i]);
        struct list_item item = world_item(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
        item.require = LIST_PROOF_SPF;
        world_add_item(world, item);
        assert_int_equal(world_ask(world)->facts_wanted, 1u << FACT_SPF);
        world->facts.status[FACT_SPF] = FACT_UNAVAILABLE;
        assert_int_equal(world_ask(world)->verdict, VERDICT_ACCEPT);
        world_free(world);
    }
}

TEST(a_null_sender_proves_no_domain) {
    struct world *world = world_that_requires_spf();
    world_set_mail(world, "", "b@example.net");
    world->facts.status[FACT_SPF] = FACT_KNOWN;
    world->facts.spf_result = SPF_PASS;
    assert_unlisted(world);
    world_free(world);
}

/* Random lists: a sender or network on the allow list is never refused, unless it is an address
 * for which the block list has a longer prefix. */
TEST(allow_wins) {
    struct dice dice = {3};
    static const char *const patterns[] = {"u@a.example", "*@a.example", "a.example", "*.example",
                                           "10.0.0.0/8",  "10.1.0.0/16", "10.1.1.1",  "v@*"};
    for (int round = 0; round < 200; round++) {
        struct world *world = world_new(50);
        bool listed[2][8];
        for (size_t i = 0; i < 8; i++) {
            for (unsigned list = 0; list < 2; list++) {
                listed[list][i] = dice_below(&dice, 4) == 0;
                if (listed[list][i]) {
                    (void)world_add(world, (enum list_id)list,
                                    address_pattern_guess(str_from(patterns[i])), patterns[i]);
                }
            }
        }
        /* u@a.example from 10.1.1.1 meets every pattern but v@*. */
        world_set_mail(world, "u@a.example", "b@example.net");
        world_set_client(world, "10.1.1.1", "mail.example.org");
        const bool sender[2] = {listed[0][0] || listed[0][1] || listed[0][2] || listed[0][3],
                                listed[1][0] || listed[1][1] || listed[1][2] || listed[1][3]};
        int prefix[2] = {0, 0};
        for (unsigned list = 0; list < 2; list++) {
            for (int i = 4; i < 7; i++) {
                prefix[list] = listed[list][i] ? i : prefix[list];
            }
        }
        const enum verdict expected = sender[0] || (prefix[0] > 0 && prefix[0] >= prefix[1])
                                          ? VERDICT_ACCEPT
                                      : sender[1] || prefix[1] > 0 ? VERDICT_REJECT
                                                                   : VERDICT_DEFER;
        assert_int_equal(world_ask(world)->verdict, expected);
        world_free(world);
    }
}
