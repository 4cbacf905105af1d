/* SPDX-License-Identifier: Apache-2.0 */
/* Under which policy a decision tells what it has read after the verdict, and what it tells of a
 * round that only finds out which facts it needs. */
#include "policy/policy_run.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

static struct world *world_of_trust(void) {
    struct world *world = world_new(1000);
    world_enable(world, POLICY_IP_REPUTATION);
    world_enable(world, POLICY_QUOTAS);
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
    world->settings.ip_reputation.accepted = 1;
    world->settings.ip_reputation.max_score = 100;
    world->settings.quotas.end_of_data_hook = END_OF_DATA_OFF;
    world->request.instance = STR("1.1.1");
    world_add_rule(world, RULE_QUOTA, "ip *", "1 recipients/day");
    return world;
}

/* The policy under which the last decision read from the table; POLICY_NONE: it did not. */
static enum policy_id reader_of(const struct world *world, enum state_table_id table) {
    for (size_t i = 0; i < world->decision.read_count; i++) {
        const struct read *read = &world->decision.reads[i];
        if ((read->kind == READ_ENTRY || read->kind == READ_ENTRY_ABSENT) &&
            read->source == table) {
            return (enum policy_id)read->policy;
        }
    }
    return POLICY_NONE;
}

TEST(what_learning_reads_is_told_under_the_policy_that_learns) {
    struct world *world = world_of_trust();
    world->settings.policies[POLICY_QUOTAS].enabled = false;
    /* The last to be asked about the mail; it lets all pass. */
    world_enable(world, POLICY_GREYLISTING);
    world->settings.greylisting.learning = true;
    (void)world_ask(world);
    assert_int_equal(reader_of(world, STATE_ONCE), POLICY_IP_REPUTATION);
    world_free(world);
}

TEST(what_settling_reads_is_told_under_the_policy_that_settles) {
    struct world *world = world_of_trust();
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    world->request.state = PROTOCOL_STATE_END_OF_MESSAGE;
    (void)world_ask(world);
    assert_int_equal(reader_of(world, STATE_MESSAGE), POLICY_QUOTAS);
    world_free(world);
}

TEST(a_round_that_waits_for_facts_tells_no_events) {
    struct world *world = world_of_trust();
    world_enable(world, POLICY_SPF);
    world->settings.policies[POLICY_QUOTAS].priority = 900;
    world->settings.policies[POLICY_SPF].priority = 100;
    assert_int_equal(world_ask(world)->facts_wanted, UINT32_C(1) << FACT_SPF);
    assert_int_equal(world->decision.event_count, 0);
    assert_int_equal(world->decision.effect_count, 0);
    world->facts.status[FACT_SPF] = FACT_KNOWN;
    assert_int_equal(world_ask(world)->facts_wanted, 0);
    assert_int_equal(world->decision.event_count, 1); /* the limit is reached */
    world_free(world);
}
