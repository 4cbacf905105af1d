/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/quotas.h"

#include "policy/quotas_fixture.h"
#include "testing/test.h"

/* --- where the end of a message is not told ----------------------------------------------------
 */

TEST(without_the_hook_at_the_end_a_recipient_counts_when_it_is_accepted) {
    struct world *world = bobs_world();
    world->settings.quotas.end_of_data_hook = END_OF_DATA_OFF;
    add_limit(world, "user bob@example.com", "3 recipients/day");
    add_limit(world, "user bob@example.com", "2 messages/day");
    add_limit(world, "user bob@example.com", "9000 bytes/day");
    world->request.size = 4000;
    assert_int_equal(offer_many(world, "1", 2), 2);
    assert_day(world, 2, 0);
    assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_MESSAGES, QUOTA_DAY).used, 1);
    assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_BYTES, QUOTA_DAY).used, 4000);
    assert_int_equal(offer_many(world, "1", 2), 2); /* repeated */
    broken_off(world, "1");
    assert_day(world, 2, 0);
    assert_int_equal(offer_many(world, "2", 2), 1);
    assert_day(world, 3, 0);
    assert_int_equal(usage_of(world, QUOTA_USER, QUOTA_MESSAGES, QUOTA_DAY).used, 2);
    world_free(world);
}

TEST(the_hook_at_the_end_is_known_from_its_first_request_on) {
    struct world *world = bobs_world();
    world->settings.quotas.end_of_data_hook = END_OF_DATA_AUTO;
    add_limit(world, "user bob@example.com", "9 recipients/day");
    assert_int_equal(offer_many(world, "1", 2), 2);
    assert_day(world, 2, 0); /* nobody knows yet */
    sent(world, "1", 2);
    assert_day(world, 2, 0); /* not twice */
    assert_int_equal(offer_many(world, "2", 2), 2);
    assert_day(world, 2, 2);
    sent(world, "2", 2);
    assert_day(world, 4, 0);
    world->request.server_port = 587; /* another service */
    assert_int_equal(offer_many(world, "3", 1), 1);
    assert_day(world, 5, 0);
    world->request.server_port = 0; /* the first one again */
    assert_int_equal(offer_many(world, "3b", 1), 1);
    assert_day(world, 5, 1);
    broken_off(world, "3b");
    /* The same, but of another host. */
    world->request.policy_client = STR("192.0.2.25");
    assert_int_equal(offer_many(world, "4", 1), 1);
    assert_day(world, 6, 0);
    world->request.policy_client = STR("192.0.2.26"); /* as long a name */
    assert_int_equal(offer_many(world, "5", 1), 1);
    assert_day(world, 7, 0);
    sent(world, "5", 1); /* ... which has the hook */
    world->request.policy_client = STR("192.0.2.25");
    assert_int_equal(offer_many(world, "6", 1), 1);
    assert_day(world, 8, 0);
    world->request.policy_client = STR(""); /* a host without a name, which has it too */
    assert_int_equal(offer_many(world, "6b", 1), 1);
    assert_day(world, 8, 1);
    broken_off(world, "6b");
    world->request.policy_client = STR("192.0.2.26");
    assert_int_equal(offer_many(world, "7", 1), 1);
    assert_day(world, 8, 1);
    world_free(world);
}

TEST(the_hook_at_the_end_is_forgotten_after_35_days) {
    struct world *world = bobs_world();
    world->settings.quotas.end_of_data_hook = END_OF_DATA_AUTO;
    add_limit(world, "user bob@example.com", "9 recipients/day");
    assert_int_equal(offer_many(world, "1", 1), 1);
    sent(world, "1", 1);
    world->now_s += 35 * 86400 - 1;
    assert_int_equal(offer_many(world, "2", 1), 1);
    assert_day(world, 0, 1); /* reserved: an end is expected */
    world->now_s += 1;
    assert_int_equal(offer_many(world, "3", 1), 1);
    assert_day(world, 1, 1);
    world_free(world);
}

TEST(a_message_goes_on_as_it_began) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "9 recipients/day");
    assert_int_equal(offer_many(world, "1", 1), 1);
    world->settings.quotas.end_of_data_hook = END_OF_DATA_OFF;
    assert_int_equal(offer_many(world, "1", 2), 2);
    assert_day(world, 0, 2);
    assert_int_equal(offer_many(world, "2", 1), 1);
    assert_day(world, 1, 2);
    world->settings.quotas.end_of_data_hook = END_OF_DATA_ON;
    assert_int_equal(offer_many(world, "2", 2), 2);
    assert_day(world, 2, 2);
    sent(world, "2", 2);
    sent(world, "1", 2);
    assert_day(world, 4, 0);
    world_free(world);
}

TEST(exempt_recipients_begin_a_message_without_the_hook_too) {
    const struct str domains[] = {STR("example.com")};
    struct world *world = bobs_world();
    world->settings.local_domains = domains;
    world->settings.local_domain_count = 1;
    world->settings.quotas.exempt_local = true;
    world->settings.quotas.end_of_data_hook = END_OF_DATA_OFF;
    add_limit(world, "user bob@example.com", "9 recipients/day");
    assert_int_equal(offer(world, "1", "eve@example.com"), VERDICT_NONE);
    assert_int_equal(offer(world, "1", "x@far.example"), VERDICT_NONE);
    assert_day(world, 1, 0);
    sent(world, "1", 2);
    assert_day(world, 1, 0);
    world_free(world);
}

TEST(a_request_without_an_instance_counts_at_once) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "3 recipients/day");
    assert_int_equal(offer_many(world, "", 2), 2);
    assert_day(world, 2, 0);
    assert_int_equal(offer(world, "", "a@example.net"), VERDICT_NONE); /* no way to know it again */
    assert_day(world, 3, 0);
    assert_int_equal(offer(world, "", "a@example.net"), VERDICT_REJECT);
    size_t onces = 0;
    for (size_t i = 0; i < world->decision.read_count; i++) {
        const struct read *read = &world->decision.reads[i];
        onces += read->kind != READ_RULE && read->source == STATE_ONCE;
    }
    assert_int_equal(onces, 1); /* of the alert alone: what was said is not looked for */
    sent(world, "", 4);
    broken_off(world, "");
    assert_day(world, 3, 0);
    world_free(world);
}

/* --- limits that change ------------------------------------------------------------------------
 */

TEST(a_limit_that_comes_in_the_middle_of_a_message_counts_all_of_it) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "9 recipients/day");
    assert_int_equal(offer_many(world, "1", 2), 2);
    add_limit(world, "domain example.com", "9 recipients/day");
    assert_int_equal(offer_many(world, "1", 3), 3);
    assert_int_equal(usage_of(world, QUOTA_DOMAIN, QUOTA_RECIPIENTS, QUOTA_DAY).reserved, 3);
    add_limit(world, "global", "9 messages/day");
    sent(world, "1", 3);
    assert_int_equal(usage_of(world, QUOTA_DOMAIN, QUOTA_RECIPIENTS, QUOTA_DAY).used, 3);
    assert_int_equal(usage_of(world, QUOTA_DOMAIN, QUOTA_RECIPIENTS, QUOTA_DAY).reserved, 0);
    assert_int_equal(usage_of(world, QUOTA_GLOBAL, QUOTA_MESSAGES, QUOTA_DAY).used, 1);
    assert_day(world, 3, 0);
    world_free(world);
}

TEST(a_limit_that_goes_in_the_middle_of_a_message_leaves_no_reservation) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "9 recipients/day");
    add_limit(world, "domain example.com", "9 recipients/day");
    assert_int_equal(offer_many(world, "1", 2), 2);
    world->rule_count = 1;
    world_set_rules(world);
    world->now_s += 60;
    assert_int_equal(offer_many(world, "1", 3), 3); /* what has no limit moves along */
    world->rule_count = 0;
    world_set_rules(world);
    assert_int_equal(offer(world, "1", "z@example.net"), VERDICT_NONE);
    broken_off(world, "1");
    world->rule_count = 2;
    world_set_rules(world);
    assert_int_equal(usage_of(world, QUOTA_DOMAIN, QUOTA_RECIPIENTS, QUOTA_DAY).reserved, 0);
    assert_day(world, 0, 0);
    world_free(world);
}

TEST(a_limit_below_what_is_used_refuses_the_next_and_leaves_the_rest) {
    struct world *world = bobs_world();
    add_limit(world, "user bob@example.com", "9 recipients/day");
    add_limit(world, "user bob@example.com", "9 messages/day");
    assert_int_equal(offer_many(world, "1", 4), 4);
    set_value(world, 0, "2 recipients/day");
    assert_int_equal(offer(world, "1", "z@example.net"), VERDICT_REJECT);
    set_value(world, 0, "9 recipients/day");
    set_value(world, 1, "0 messages/day");
    assert_int_equal(offer(world, "1", "y@example.net"), VERDICT_NONE); /* it is under way */
    assert_int_equal(offer(world, "2", "y@example.net"), VERDICT_REJECT);
    sent(world, "1", 5);
    assert_day(world, 5, 0);
    world_free(world);
}
