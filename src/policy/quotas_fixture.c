/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/quotas_fixture.h"

#include <stdio.h>

#include "policy/quota_parts.h"
#include "testing/test.h"

struct world *bobs_world(void) {
    struct world *world = world_new(1000);
    world_enable(world, POLICY_QUOTAS);
    world->settings.quotas.end_of_data_hook = END_OF_DATA_ON;
    world->request.sasl_username = STR("bob@example.com");
    world_set_client(world, "198.51.100.7", "host.example.org");
    world_set_mail(world, "bob@example.com", "x@example.net");
    world->now_s = MINUTE_BEGIN_S;
    return world;
}

void add_limit(struct world *world, const char *subject, const char *value) {
    world_add_rule(world, RULE_QUOTA, subject, value);
}

void set_value(struct world *world, size_t rule, const char *value) {
    world->rule_rows[rule].value = str_from(value);
    world_set_rules(world);
}

enum verdict offer(struct world *world, const char *instance, const char *recipient) {
    world->request.state = PROTOCOL_STATE_RCPT;
    world->request.instance = str_from(instance);
    world->request.recipient = str_from(recipient);
    world->request.recipient_count = 0;
    return world_send(world)->verdict;
}

unsigned offer_many(struct world *world, const char *instance, unsigned count) {
    static const char names[][16] = {"a@example.net", "b@example.net", "c@example.net",
                                     "d@example.net", "e@example.net", "f@example.net",
                                     "g@example.net", "h@example.net"};
    unsigned accepted = 0;
    for (unsigned i = 0; i < count; i++) {
        accepted += offer(world, instance, names[i]) == VERDICT_NONE;
    }
    return accepted;
}

void settle(struct world *world, enum protocol_state state, const char *instance,
            uint32_t recipients, uint64_t size) {
    const uint64_t declared = world->request.size;
    world->request.state = state;
    world->request.instance = str_from(instance);
    world->request.recipient = recipients == 1 ? world->request.recipient : (struct str){NULL, 0};
    world->request.recipient_count = recipients;
    world->request.size = size;
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_string_equal(world_reply(world), "DUNNO");
    world->request.size = declared;
}

void sent(struct world *world, const char *instance, uint32_t recipients) {
    settle(world, PROTOCOL_STATE_END_OF_MESSAGE, instance, recipients, 1000);
}

void broken_off(struct world *world, const char *instance) {
    settle(world, PROTOCOL_STATE_ENDED, instance, 0, 0);
}

struct quota_subject subject_of_request(const struct world *world) {
    return quota_subject_of_user(world->request.sasl_username, world->request.client_address);
}

struct quota_usage_row usage_of(const struct world *world, enum quota_scope scope,
                                enum quota_unit unit, enum quota_window window) {
    static struct quota_usage usage;
    const struct quota_subject subject = subject_of_request(world);
    quota_usage_read(&world->state, world->rules, &world->settings.zone, &subject,
                     (uint32_t)world->now_s, &usage);
    for (size_t i = 0; i < usage.count; i++) {
        if (usage.rows[i].scope == scope && usage.rows[i].unit == unit &&
            usage.rows[i].window == window) {
            return usage.rows[i];
        }
    }
    fail_msg("no limit");
    return usage.rows[0];
}

void assert_day(const struct world *world, uint64_t used, uint64_t reserved) {
    const struct quota_usage_row row = usage_of(world, QUOTA_USER, QUOTA_RECIPIENTS, QUOTA_DAY);
    assert_int_equal(row.used, used);
    assert_int_equal(row.reserved, reserved);
}

const char *rule_of(const struct world *world) {
    static char rule[RULE_MAX + 1];
    (void)snprintf(rule, sizeof rule, "%.*s", (int)world->decision.rule_length,
                   world->decision.rule);
    return rule;
}
