/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/policy_run.h"
#include "policy/rbl.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* What a cache happens to know changes no decision: with the facts at hand it is the same as when
 * they are asked for, given, and decided on again; and so is which facts count as known, but for
 * one case below. */

static uint32_t bit(enum fact_id fact) {
    return UINT32_C(1) << fact;
}

/* What the world outside would say. */
static struct facts truth(struct dice *dice, const struct world *world) {
    struct facts facts = {.spf_result = (uint8_t)dice_below(dice, SPF_RESULTS),
                          .spf_helo_result = (uint8_t)dice_below(dice, SPF_RESULTS),
                          .spf_domain_length = 11};
    memcpy(facts.spf_domain, "example.org", 11);
    for (size_t i = 0; i < world->settings.rbl.list_count; i++) {
        facts.rbl[facts.rbl_count++] = (struct rbl_answer){
            .list = world->settings.rbl.lists[i].number,
            .status = (uint8_t)(dice_below(dice, 3) == 0 ? DNSBL_LISTED : DNSBL_NOT_LISTED),
            .code = {127, 0, 0, 2}};
    }
    return facts;
}

static void decide_on(const struct world *world, struct facts *facts, struct decision *ret) {
    const struct decision_source source = {
        .state = &world->state, .lists = &world->lists, .rules = world->rules};
    decide(&world->settings, &source, &world->request, facts, world->now_s * INT64_C(1000000000),
           ret);
}

/* Gives what is wanted, as the fetcher does, until it is decided. */
static void decide_and_fetch(const struct world *world, struct facts *facts, struct decision *ret) {
    decide_on(world, facts, ret);
    for (unsigned rounds = 0; ret->facts_wanted != 0; rounds++) {
        assert_true(rounds < FACTS);
        for (unsigned fact = 0; fact < FACTS; fact++) {
            if ((ret->facts_wanted & bit((enum fact_id)fact)) != 0) {
                assert_int_equal(facts->status[fact], FACT_WANTED);
                facts->status[fact] = fact == FACT_GEO ? FACT_UNAVAILABLE : FACT_KNOWN;
            }
        }
        decide_on(world, facts, ret);
    }
}

/* As daemon/fetch.c fills them: everything that may be needed, or nothing. */
static void put_at_hand(const struct world *world, struct facts *facts) {
    const struct policy_settings *settings = &world->settings;
    if (decision_direction(settings, &world->request) != DIRECTION_INBOUND) {
        return;
    }
    facts->at_hand = settings->policies[POLICY_SPF].enabled ? bit(FACT_SPF) : 0;
    facts->at_hand |= rbl_wants_fact(settings, world->request.client_address) ? bit(FACT_RBL) : 0;
    for (unsigned fact = 0; fact < FACTS; fact++) {
        facts->status[fact] =
            (facts->at_hand & bit((enum fact_id)fact)) != 0 ? FACT_KNOWN : FACT_UNASKED;
    }
}

static void shuffle(struct dice *dice, struct world *world) {
    static const char *const clients[] = {"192.0.2.1", "198.18.7.7", "8.8.4.4", "2001:4860::8"};
    static const char *const senders[] = {"", "a@example.org", "b@lists.example"};
    for (unsigned i = 1; i < POLICY_LIMIT; i++) {
        world->settings.policies[i] = (struct policy_common_settings){
            .enabled = dice_below(dice, 5) != 0,
            .priority = dice_below(dice, 8),
            .mode = (enum policy_mode)(dice_below(dice, 4) == 0),
            .on_error = (enum policy_on_error)dice_below(dice, 3),
        };
    }
    world->settings.spf.helo_fail = (enum spf_action)dice_below(dice, 3);
    world->settings.spf.on[SPF_FAIL] = (enum spf_action)dice_below(dice, 3);
    world->settings.rbl.threshold = 1 + dice_below(dice, 2);
    world_set_client(world, clients[dice_below(dice, 4)], "mail.example.org");
    world_set_mail(world, senders[dice_below(dice, 3)], "b@example.net");
    world->request.sasl_username = dice_below(dice, 8) == 0 ? STR("alice") : STR("");
}

static void set_lists(struct dice *dice, struct world *world) {
    static const char *const entries[] = {"a@example.org", "*.example", "8.8.0.0/16", "8.8.4.4"};
    for (size_t i = 0; i < 4; i++) {
        for (unsigned list = 0; list < LIST_REPUTATION_ALLOW; list++) {
            struct list_item item = world_item(
                world, (enum list_id)list, address_pattern_guess(str_from(entries[i])), entries[i]);
            item.require = (enum list_proof)dice_below(dice, 3);
            if (dice_below(dice, 3) == 0) {
                world_add_item(world, item);
            }
        }
    }
    struct rbl_settings *rbl = &world->settings.rbl;
    rbl->lists[0] =
        (struct rbl_list_settings){.number = 1, .name = STR("One"), .weight = 1, .has_ipv6 = true};
    rbl->lists[1] = (struct rbl_list_settings){.number = 2, .name = STR("Two"), .weight = 1};
    rbl->list_count = 2;
}

TEST(facts_at_hand_change_no_decision) {
    static struct decision asked;
    static struct decision at_hand;
    struct dice dice = {7};
    unsigned once = 0;
    unsigned spared = 0;
    unsigned seen[REASON_LIMIT] = {0};
    for (unsigned worlds = 0; worlds < 20; worlds++) {
        struct world *world = world_new(100);
        set_lists(&dice, world);
        (void)world_ask(world);
        for (unsigned i = 0; i < 500; i++) {
            shuffle(&dice, world);
            struct facts fetched = truth(&dice, world);
            struct facts ready = fetched;
            decide_and_fetch(world, &fetched, &asked);
            put_at_hand(world, &ready);
            const uint32_t bits = ready.at_hand;
            decide_and_fetch(world, &ready, &at_hand);
            assert_same_decision(&asked, &at_hand);
            assert_int_equal(asked.header_length, at_hand.header_length);
            assert_memory_equal(asked.header, at_hand.header, asked.header_length);
            assert_int_equal(ready.at_hand, 0);
            /* Lists that refuse need not wait for what an entry of a later policy requires. */
            if (asked.reason != REASON_RBL_LISTED) {
                assert_memory_equal(fetched.status, ready.status, sizeof fetched.status);
            }
            once += bits != 0 && ready.status[FACT_SPF] == FACT_UNASKED &&
                    ready.status[FACT_RBL] == FACT_UNASKED;
            spared += bits != 0 && (ready.status[FACT_SPF] == FACT_KNOWN ||
                                    ready.status[FACT_RBL] == FACT_KNOWN);
            seen[asked.reason]++;
        }
        world_free(world);
    }
    assert_true(once > 100); /* were at hand and not needed */
    assert_true(spared > 1000);
    assert_true(seen[REASON_ACL_ALLOWED] > 0 && seen[REASON_ACL_BLOCKED] > 0);
    assert_true(seen[REASON_RBL_LISTED] > 0 && seen[REASON_SPF_HELO_FAIL] > 0);
    assert_true(seen[REASON_GREYLIST_EXEMPT] > 0);
}

/* The one decision is made without asking, and says which facts it needed. */
TEST(facts_at_hand_are_not_asked_for) {
    struct world *world = world_new(100);
    world_enable(world, POLICY_SPF);
    world_set_client(world, "8.8.4.4", "mail.example.org");
    world->facts.status[FACT_SPF] = FACT_KNOWN;
    world->facts.at_hand = bit(FACT_SPF);
    const struct decision *decision = world_ask(world);
    assert_int_equal(decision->facts_wanted, 0);
    assert_int_equal(decision->facts_asked, bit(FACT_SPF));
    assert_int_equal(world->facts.status[FACT_SPF], FACT_KNOWN);

    (void)world_add(world, LIST_ALLOW, PATTERN_IP, "8.8.4.4");
    world->facts.at_hand = bit(FACT_SPF);
    decision = world_ask(world);
    assert_int_equal(decision->reason, REASON_ACL_ALLOWED);
    assert_int_equal(decision->facts_asked, 0);
    assert_int_equal(world->facts.status[FACT_SPF], FACT_UNASKED);
    world_free(world);
}

/* An entry that hangs on SPF needs it: nobody has to be asked. */
TEST(facts_at_hand_prove_what_an_entry_requires) {
    static const enum list_id lists[] = {LIST_ALLOW, LIST_BLOCK, LIST_GREYLIST_EXEMPT};
    static const enum reason reasons[] = {REASON_ACL_ALLOWED, REASON_ACL_BLOCKED,
                                          REASON_GREYLIST_EXEMPT};
    for (size_t i = 0; i < 3; i++) {
        struct world *world = world_new(100);
        struct list_item item = world_item(world, lists[i], PATTERN_DOMAIN, "example.org");
        item.require = LIST_PROOF_SPF;
        world_add_item(world, item);
        world_set_mail(world, "a@example.org", "b@example.net");
        world->facts.status[FACT_SPF] = FACT_KNOWN;
        world->facts.at_hand = bit(FACT_SPF);
        world->facts.spf_result = SPF_PASS;
        world->facts.spf_domain_length = 11;
        memcpy(world->facts.spf_domain, "example.org", 11);
        const struct decision *decision = world_ask(world);
        assert_int_equal(decision->facts_wanted, 0);
        assert_int_equal(decision->reason, reasons[i]);
        assert_int_equal(decision->facts_asked, bit(FACT_SPF));
        world_free(world);
    }
}

/* One round of questions is enough: who is asked first does not matter, and a policy in shadow that
 * would refuse does not end the asking, as it does not end the decision. */
TEST(facts_are_all_wanted_at_once) {
    struct world *world = world_new(100);
    struct dice dice = {1};
    struct policy_common_settings *policies = world->settings.policies;
    set_lists(&dice, world);
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "9.9.9.9");
    policies[POLICY_ACL_BLOCK].enabled = false;
    world_enable(world, POLICY_RBL);
    world_enable(world, POLICY_SPF);
    world_set_client(world, "9.9.9.9", "mail.example.org");
    world_set_mail(world, "a@example.net", "b@example.net");
    assert_int_equal(world_ask(world)->facts_wanted, bit(FACT_SPF) | bit(FACT_RBL));
    assert_int_equal(world->decision.facts_asked, bit(FACT_SPF) | bit(FACT_RBL));

    world->facts.status[FACT_SPF] = FACT_UNASKED;
    world->facts.status[FACT_RBL] = FACT_UNASKED;
    policies[POLICY_ACL_BLOCK].enabled = true;
    policies[POLICY_ACL_BLOCK].mode = POLICY_MODE_SHADOW;
    policies[POLICY_ACL_BLOCK].priority =
        (policies[POLICY_RBL].priority + policies[POLICY_SPF].priority) / 2;
    assert_int_equal(world_ask(world)->facts_wanted, bit(FACT_SPF) | bit(FACT_RBL));

    world->facts.status[FACT_SPF] = FACT_UNASKED;
    world->facts.status[FACT_RBL] = FACT_UNASKED;
    policies[POLICY_ACL_BLOCK].mode = POLICY_MODE_ENFORCE;
    assert_int_equal(world_ask(world)->facts_wanted, bit(FACT_RBL)); /* It would decide then. */
    world_free(world);
}
