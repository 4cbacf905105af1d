/* SPDX-License-Identifier: Apache-2.0 */
/* What is fetched before a decision is what the decision asks for. That decisions are the same with
 * and without it is checked by each test that uses the world (world_fixture.c). */
#include "policy/decision_ahead.h"

#include <string.h>

#include "policy/quota_parts.h"
#include "policy/trust_run.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

enum known { LISTS_KNOWN = 1, NETWORK = 2, HOSTS = 4, ACCEPTED = 8, QUOTAS = 16, ALL = 31 };

/* Everything that looks at strangers is on; one limit, one list entry. */
static struct world *world_of_all(void) {
    struct world *world = world_new(1000);
    world_enable(world, POLICY_AUTO_BLACKLIST);
    world_enable(world, POLICY_IP_REPUTATION);
    world_enable(world, POLICY_QUOTAS);
    world->settings.quotas.end_of_data_hook = END_OF_DATA_AUTO;
    world_add_rule(world, RULE_QUOTA, "user *", "1000 recipients/day");
    (void)world_add(world, LIST_ALLOW, PATTERN_IP, "203.0.113.9");
    world_set_mail(world, "Ann@Example.ORG", "Bob+X@Example.com");
    world->request.instance = STR("1.1.1");
    (void)world_ask(world); /* builds the lists */
    return world;
}

static struct decision_ahead look(const struct world *world) {
    const struct decision_source source = {
        .state = &world->state, .lists = &world->lists, .rules = world->rules};
    struct decision_ahead ahead = {.lists_known = true,
                                   .network_known = true,
                                   .hosts_known = true,
                                   .accepted_known = true,
                                   .quotas_known = true};
    decision_look_ahead(&world->settings, &source, &world->request, &world->facts, &ahead);
    return ahead;
}

static unsigned known_of(const struct world *world) {
    const struct decision_ahead ahead = look(world);
    return (ahead.lists_known ? LISTS_KNOWN : 0U) | (ahead.network_known ? NETWORK : 0U) |
           (ahead.hosts_known ? HOSTS : 0U) | (ahead.accepted_known ? ACCEPTED : 0U) |
           (ahead.quotas_known ? QUOTAS : 0U);
}

static void assert_same_key(struct hash128 a, struct hash128 b) {
    assert_memory_equal(&a, &b, sizeof a);
}

TEST(a_strangers_keys_are_those_of_his_decision) {
    struct world *world = world_of_all();
    const struct sip_key *key = &world->state.key;
    const struct policy_request *request = &world->request;
    const struct decision_ahead ahead = look(world);
    struct greylist_keys hosts;
    greylist_keys(key, &world->settings.greylisting, request, &world->facts, &hosts);
    assert_int_equal(known_of(world), ALL);
    assert_same_key(ahead.network, state_network_key(key, request->client_address));
    assert_same_key(ahead.accepted, trust_accepted_key(key, request));
    assert_same_key(ahead.message, quota_message_key(key, request));
    assert_same_key(ahead.outcome, quota_outcome_key(key, request, STR("bob+x@example.com")));
    assert_int_equal(ahead.hosts.count, hosts.count);
    assert_true(ahead.hosts.has_sender);
    assert_same_key(ahead.hosts.correspondent, hosts.correspondent);
    assert_same_key(ahead.hosts.key[0], hosts.key[0]);
    assert_same_key(ahead.hosts.client_key[0], hosts.client_key[0]);
    assert_false(list_view_may_hit(&world->lists, &ahead.lists));
    world_free(world);
}

static void assert_usage(const struct world *world, enum quota_scope scope, enum quota_unit unit,
                         const struct quota_subject *subject) {
    const struct decision_ahead ahead = look(world);
    assert_int_equal(ahead.usage_known & quota_pair_bit(scope, unit), quota_pair_bit(scope, unit));
    assert_same_key(ahead.usage[quota_pair_number(scope, unit)],
                    quota_key(&world->state.key, scope, unit, subject));
}

TEST(usage_is_looked_for_of_whom_there_may_be_a_limit_on) {
    struct world *world = world_of_all();
    world_add_rule(world, RULE_QUOTA, "user *", "1000 messages/hour");
    world_add_rule(world, RULE_QUOTA, "domain example.org", "1000 recipients/day");
    world_add_rule(world, RULE_QUOTA, "ip *", "1000 recipients/day");
    world_add_rule(world, RULE_QUOTA, "global", "1GiB bytes/day");
    const struct quota_subject stranger = {.address = world->request.client_address};
    assert_int_equal(look(world).usage_known, quota_pair_bit(QUOTA_IP, QUOTA_RECIPIENTS) |
                                                  quota_pair_bit(QUOTA_GLOBAL, QUOTA_BYTES));
    assert_usage(world, QUOTA_IP, QUOTA_RECIPIENTS, &stranger);
    assert_usage(world, QUOTA_GLOBAL, QUOTA_BYTES, &stranger);
    world->request.sasl_username = STR("Ann+x@Example.org");
    const struct quota_subject ann =
        quota_subject_of_user(STR("ann@example.org"), world->request.client_address);
    assert_int_equal(look(world).usage_known, rules_quota_pairs(world->rules));
    assert_usage(world, QUOTA_USER, QUOTA_RECIPIENTS, &ann);
    assert_usage(world, QUOTA_USER, QUOTA_MESSAGES, &ann);
    assert_usage(world, QUOTA_DOMAIN, QUOTA_RECIPIENTS, &ann);
    assert_usage(world, QUOTA_IP, QUOTA_RECIPIENTS, &ann);
    world_free(world);
}

TEST(keys_of_everybody_are_made_once) {
    struct world *world = world_of_all();
    struct decision_memo memo = {0};
    world_add_rule(world, RULE_QUOTA, "global", "1GiB bytes/day");
    world_add_rule(world, RULE_QUOTA, "global", "1000 messages/day");
    const struct decision_source source = {
        .state = &world->state, .lists = &world->lists, .rules = world->rules, .memo = &memo};
    struct decision_ahead ahead;
    decision_look_ahead(&world->settings, &source, &world->request, &world->facts, &ahead);
    assert_int_equal(memo.global_known, 1U << QUOTA_BYTES | 1U << QUOTA_MESSAGES);
    const struct hash128 kept = {1, 2};
    memo.global[QUOTA_BYTES] = kept;
    decision_look_ahead(&world->settings, &source, &world->request, &world->facts, &ahead);
    assert_same_key(ahead.usage[quota_pair_number(QUOTA_GLOBAL, QUOTA_BYTES)], kept);
    assert_same_key(ahead.usage[quota_pair_number(QUOTA_GLOBAL, QUOTA_MESSAGES)],
                    memo.global[QUOTA_MESSAGES]);
    world_free(world);
}

static void assert_name(const struct decision_ahead *ahead, struct ahead_name name,
                        const char *expected) {
    assert_true(name.known);
    assert_int_equal(name.length, strlen(expected));
    assert_memory_equal(ahead->names + name.start, expected, strlen(expected));
}

TEST(names_that_are_normalised_ahead_are_kept_where_there_is_room) {
    struct world *world = world_of_all();
    world->request.sasl_username = STR("Ann+x@Example.org");
    struct decision_ahead ahead = look(world);
    assert_name(&ahead, ahead.sender, "ann@example.org");
    assert_name(&ahead, ahead.recipient, "bob+x@example.com");
    assert_name(&ahead, ahead.identity, "ann@example.org");

    char fits[AHEAD_NAMES_BYTES + 1];
    const size_t others = ahead.recipient.length + ahead.identity.length;
    memset(fits, 'A', sizeof fits);
    world->request.sender = (struct str){fits, AHEAD_NAMES_BYTES - others};
    ahead = look(world);
    assert_true(ahead.sender.known);
    assert_int_equal(ahead.sender.length, AHEAD_NAMES_BYTES - others);
    assert_true(ahead.identity.known);
    assert_int_equal(ahead.names_used, AHEAD_NAMES_BYTES);

    /* One byte more, and the one that comes last is made when it is needed, and is the same. */
    world->request.sender = (struct str){fits, AHEAD_NAMES_BYTES - others + 1};
    ahead = look(world);
    assert_false(ahead.identity.known);
    const struct quota_subject ann =
        quota_subject_of_user(STR("ann@example.org"), world->request.client_address);
    assert_usage(world, QUOTA_USER, QUOTA_RECIPIENTS, &ann);
    world_free(world);
}

TEST(the_null_sender_is_nobodys_correspondent) {
    struct world *world = world_of_all();
    world->request.sender = STR("");
    assert_false(look(world).hosts.has_sender);
    world->request.sender = STR("a");
    assert_true(look(world).hosts.has_sender);
    world_free(world);
}

static void end_message(struct world *world) {
    world->request.state = PROTOCOL_STATE_END_OF_MESSAGE;
}
static void forget_lists(struct world *world) {
    world->lists.base = NULL;
}
static void forget_instance(struct world *world) {
    world->request.instance = STR("");
}
static void shorten_instance(struct world *world) {
    world->request.instance = STR("1");
}
static void forget_address(struct world *world) {
    world->request.client_address = (struct ip_address){0};
}
static void log_in(struct world *world) {
    world->request.sasl_username = STR("ann@example.org");
}
static void drop_limits(struct world *world) {
    world->rule_count = 0;
    world_set_rules(world);
}
static void quotas_off(struct world *world) {
    world->settings.policies[POLICY_QUOTAS].enabled = false;
}
static void reputation_off(struct world *world) {
    world->settings.policies[POLICY_IP_REPUTATION].enabled = false;
}
static void blacklist_off(struct world *world) {
    world->settings.policies[POLICY_AUTO_BLACKLIST].enabled = false;
}
static void both_off(struct world *world) {
    reputation_off(world);
    blacklist_off(world);
}
static void greylisting_off(struct world *world) {
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
}
static void hook_on(struct world *world) {
    world->settings.quotas.end_of_data_hook = END_OF_DATA_ON;
}
static void hook_off(struct world *world) {
    world->settings.quotas.end_of_data_hook = END_OF_DATA_OFF;
}
static void spf_on(struct world *world) {
    world_enable(world, POLICY_SPF);
}
static void spf_known(struct world *world) {
    spf_on(world);
    world->facts.status[FACT_SPF] = FACT_KNOWN;
}

TEST(nothing_is_fetched_that_nobody_will_ask_for) {
    static const struct {
        void (*change)(struct world *world);
        unsigned known;
    } cases[] = {
        {end_message, 0},
        {forget_lists, ALL & ~LISTS_KNOWN},
        {forget_instance, LISTS_KNOWN | NETWORK | HOSTS},
        {shorten_instance, ALL},
        {forget_address, LISTS_KNOWN | QUOTAS},
        {log_in, LISTS_KNOWN | QUOTAS},
        {drop_limits, ALL & ~QUOTAS},
        {quotas_off, ALL & ~QUOTAS},
        {reputation_off, ALL & ~ACCEPTED},
        {blacklist_off, ALL},
        {both_off, ALL & ~(ACCEPTED | NETWORK)},
        {greylisting_off, ALL & ~HOSTS},
        {hook_on, ALL & ~ACCEPTED},
        {hook_off, ALL},
        {spf_on, ALL & ~HOSTS},
        {spf_known, ALL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world *world = world_of_all();
        const struct list_index *base = world->lists.base;
        cases[i].change(world);
        assert_int_equal(known_of(world), cases[i].known);
        world->lists.base = base;
        world_free(world);
    }
}

TEST(without_lists_rules_and_limits_it_looks_for_the_rest) {
    struct world *world = world_of_all();
    const struct decision_source source = {.state = &world->state, .rules = world->rules};
    struct decision_ahead ahead;
    decision_look_ahead(&world->settings, &source, &world->request, &world->facts, &ahead);
    assert_false(ahead.lists_known);
    assert_true(ahead.network_known);
    world_free(world);
}
