/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision_record.h"

#include <string.h>

#include "policy/decision_record_fixture.h"
#include "policy/policy_run.h"
#include "policy/record_values.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* A decision is made again from its record, whatever the settings and the request. */

static void shuffle_settings(struct dice *dice, struct world *world) {
    for (unsigned i = 1; i < POLICY_LIMIT; i++) {
        world->settings.policies[i] = (struct policy_common_settings){
            .enabled = dice_below(dice, 8) != 0,
            .priority = dice_below(dice, 4),
            .mode = (enum policy_mode)(dice_below(dice, 4) == 0),
            .on_error = (enum policy_on_error)dice_below(dice, 3),
        };
    }
    struct greylisting_settings *greylisting = &world->settings.greylisting;
    greylisting->defer_time_s = 1 + dice_below(dice, 300);
    greylisting->retry_window_s = 400 + dice_below(dice, 3000);
    greylisting->client_passes = dice_below(dice, 4);
    greylisting->only_suspicious = dice_below(dice, 4) == 0;
    greylisting->learning = dice_below(dice, 5) == 0;
    greylisting->ipv4_prefix_bits = 24 + dice_below(dice, 9);
}

static void shuffle_request(struct dice *dice, struct world *world) {
    static const char *const clients[] = {"192.0.2.1", "192.0.2.200", "10.1.2.3", "2001:db8::7"};
    static const char *const names[] = {"unknown", "mail.example.org", "dsl.example.net", ""};
    static const char *const senders[] = {"", "a@example.org", "verp-1234=x@lists.example", "local",
                                          "\xff\x01@\xc3\xa4.example"};
    static const char *const recipients[] = {"b@example.net", "c+x@example.net", "postmaster"};
    world_set_client(world, clients[dice_below(dice, 4)], names[dice_below(dice, 4)]);
    world_set_mail(world, senders[dice_below(dice, 5)], recipients[dice_below(dice, 3)]);
    world->request.sasl_username = dice_below(dice, 6) == 0 ? STR("alice") : STR("");
    world->request.helo_name = dice_below(dice, 2) == 0 ? STR("mail.example.org") : STR("[x]");
    world->facts.status[FACT_SPF] =
        (enum fact_status)(dice_below(dice, 2) == 0 ? FACT_KNOWN : FACT_UNAVAILABLE);
    world->facts.spf_result = (uint8_t)dice_below(dice, 2);
    world->facts.spf_domain_length = 11;
    memcpy(world->facts.spf_domain, "example.org", 11);
}

/* world_send() encodes, decodes and decides again, and compares: here with everything random. */
TEST(a_recorded_decision_can_be_made_again) {
    struct dice dice = {23};
    unsigned seen[REASON_LIMIT] = {0};
    struct world *world = world_new(500);
    static const char *const entries[] = {"a@example.org", "*.example", "10.0.0.0/8",
                                          "2001:db8::/32"};
    for (size_t i = 0; i < 4; i++) {
        for (unsigned list = 0; list < LIST_REPUTATION_ALLOW; list++) {
            if (dice_below(&dice, 2) == 0) {
                struct list_item item =
                    world_item(world, (enum list_id)list,
                               address_pattern_guess(str_from(entries[i])), entries[i]);
                item.direction = (enum list_direction)dice_below(&dice, 3);
                item.require = (enum list_proof)dice_below(&dice, 3);
                world_add_item(world, item);
            }
        }
    }
    (void)world_add(world, LIST_REPUTATION_ALLOW, PATTERN_IP, entries[3]);
    for (int i = 0; i < 5000; i++) {
        if (i % 10 == 0) {
            shuffle_settings(&dice, world);
        }
        shuffle_request(&dice, world);
        world->now_s += dice_below(&dice, 400);
        seen[world_send(world)->reason]++;
    }
    for (unsigned i = 0; i < REASON_FACT_UNAVAILABLE; i++) {
        if (seen[i] == 0) {
            fail_msg("never saw %s", reason_info(i)->word);
        }
    }
    assert_int_not_equal(seen[REASON_GREYLIST_ADDRESS_ALLOWED], 0);
    world_free(world);
}

/* Of the record `world->decision`, with what a replay takes from the live side. */
static enum reason reason_again(struct world *world, struct decision_source source) {
    static struct decision again;
    const struct decision recorded = world->decision;
    source.state = &world->state;
    source.recorded = &recorded;
    decide(&world->settings, &source, &world->request, &world->facts,
           world->now_s * INT64_C(1000000000), &again);
    return again.reason;
}

TEST(what_a_replay_has_made_itself_comes_before_the_record) {
    struct world *world = world_new(100);
    assert_int_equal(world_send(world)->reason, REASON_GREYLIST_FIRST_CONTACT);
    world->now_s += world->settings.greylisting.defer_time_s;
    assert_int_equal(reason_again(world, (struct decision_source){0}),
                     REASON_GREYLIST_FIRST_CONTACT);
    assert_int_equal(
        reason_again(world, (struct decision_source){.live_first = 1u << STATE_GREYLIST_CLIENT}),
        REASON_GREYLIST_FIRST_CONTACT);
    assert_int_equal(
        reason_again(world, (struct decision_source){.live_first = 1u << STATE_GREYLIST}),
        REASON_GREYLIST_RETRIED);
    world_free(world);
}

TEST(a_replay_of_proposed_rules_reads_them_and_not_the_record) {
    struct world *world = world_new(100);
    world_enable(world, POLICY_QUOTAS);
    world->request.sasl_username = STR("bob@example.com");
    world_add_rule(world, RULE_QUOTA, "user bob@example.com", "9 recipients/day");
    assert_int_not_equal(world_send(world)->reason, REASON_QUOTA_EXCEEDED);
    world->rule_rows[0].value = STR("0 recipients/day");
    world_set_rules(world);
    assert_int_not_equal(reason_again(world, (struct decision_source){.rules = world->rules}),
                         REASON_QUOTA_EXCEEDED);
    assert_int_equal(
        reason_again(world, (struct decision_source){.rules = world->rules, .live_rules = true}),
        REASON_QUOTA_EXCEEDED);
    world_free(world);
}

TEST(events_beyond_the_last_that_has_room_are_dropped) {
    static struct decision decision;
    struct policy_run run = {.decision = &decision};
    for (uint32_t i = 0; i < EVENTS_MAX + 1; i++) {
        decision_add_event(&run, (struct decision_event){.rule_id = i});
    }
    assert_int_equal(decision.event_count, EVENTS_MAX);
    assert_int_equal(decision.events[EVENTS_MAX - 1].rule_id, EVENTS_MAX - 1);
}
