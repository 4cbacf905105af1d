/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/world_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "policy/decision_ahead.h"
#include "testing/test.h"

enum { START_S = 1700000000 };

static void *allocate(void *context, size_t bytes) {
    size_t *budget = context;
    if (budget != NULL) {
        if (*budget == 0) {
            return NULL;
        }
        (*budget)--;
    }
    return calloc(1, bytes);
}

static void release(void *context, void *memory) {
    (void)context;
    free(memory);
}

struct list_memory world_memory(size_t *budget) {
    return (struct list_memory){.context = budget, .allocate = allocate, .release = release};
}

struct world *world_new(uint64_t capacity) {
    static const struct ip_prefix no_networks[1];
    struct world *world = calloc(1, sizeof *world);
    CHECK(world != NULL);
    const size_t groups = state_group_count(capacity);
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        const size_t bytes = groups * state_group_bytes((enum state_table_id)i);
        void *memory = aligned_alloc(64, bytes);
        CHECK(memory != NULL);
        memset(memory, 0, bytes);
        state_table_init(&world->state.tables[i], (enum state_table_id)i, memory, groups);
    }
    memcpy(world->state.key.bytes, "sixteen letters.", 16);
    for (unsigned i = 1; i < POLICY_LIMIT; i++) {
        world->settings.policies[i] =
            (struct policy_common_settings){.priority = policy_info(i)->priority};
    }
    world_enable(world, POLICY_ACL_ALLOW);
    world_enable(world, POLICY_ACL_BLOCK);
    world_enable(world, POLICY_GREYLISTING);
    world->settings.greylisting = (struct greylisting_settings){
        .defer_time_s = 300,
        .retry_window_s = 48 * 3600,
        .known_ttl_s = 35 * 86400,
        .client_passes = 5,
        .client_ttl_s = 35 * 86400,
        .ipv4_prefix_bits = 24,
        .ipv6_prefix_bits = 64,
    };
    world->settings.trusted_networks = no_networks;
    world->now_s = START_S;
    world->next_id = 1;
    world->request = (struct policy_request){
        .state = PROTOCOL_STATE_RCPT,
        .helo_name = STR("mail.example.org"),
    };
    world_set_client(world, "192.0.2.1", "mail.example.org");
    world_set_mail(world, "a@example.org", "b@example.net");
    return world;
}

void world_enable(struct world *world, enum policy_id policy) {
    world->settings.policies[policy].enabled = true;
}

void world_add_rule(struct world *world, enum rule_kind kind, const char *subject,
                    const char *value) {
    CHECK(world->rule_count < WORLD_RULES_MAX);
    world->rule_rows[world->rule_count] = (struct rule_row){
        .id = world->rule_count + 1,
        .kind = kind,
        .subject = str_from(subject),
        .value = str_from(value),
    };
    world->rule_count++;
    world_set_rules(world);
}

void world_set_rules(struct world *world) {
    const struct list_memory memory = world_memory(NULL);
    rules_free(world->rules);
    world->rules = rules_build(&memory, world->rule_rows, world->rule_count);
    CHECK(world->rules != NULL);
}

void world_free(struct world *world) {
    rules_free(world->rules);
    if (world->builder != NULL) {
        list_index_free(list_builder_finish(world->builder));
    }
    list_index_free((struct list_index *)(uintptr_t)world->lists.base);
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        free(world->state.tables[i].groups);
    }
    free(world);
}

struct list_item world_item(struct world *world, enum list_id list, enum pattern_type type,
                            const char *pattern) {
    char room[256];
    struct text problem = TEXT_OVER(room);
    struct list_item item = {.id = world->next_id++, .list = list};
    const char *found = address_pattern_parse(type, str_from(pattern), &item.pattern, &problem);
    if (found != NULL) {
        fail_msg("pattern %s: %s", pattern, found);
    }
    return item;
}

/* All entries of a world stand in its base, which can only be built once. */
void world_add_item(struct world *world, struct list_item item) {
    const struct list_memory memory = world_memory(NULL);
    if (world->builder == NULL) {
        CHECK(world->lists.base == NULL);
        world->builder = list_builder_new(&memory, 4);
    }
    CHECK(list_builder_add(world->builder, &item));
}

uint64_t world_add(struct world *world, enum list_id list, enum pattern_type type,
                   const char *pattern) {
    const struct list_item item = world_item(world, list, type, pattern);
    world_add_item(world, item);
    return item.id;
}

struct ip_address world_address(const char *text) {
    struct ip_address address = {{0}};
    CHECK(ip_address_parse(str_from(text), &address));
    return address;
}

void world_set_client(struct world *world, const char *address, const char *name) {
    world->request.client_address = world_address(address);
    world->request.client_address_text = str_from(address);
    world->request.client_name = str_from(name);
    world->request.reverse_client_name = str_from(name);
}

void world_set_mail(struct world *world, const char *sender, const char *recipient) {
    world->request.sender = str_from(sender);
    world->request.recipient = str_from(recipient);
}

void world_set_place(struct world *world, const char *country, uint32_t asn) {
    world->facts.status[FACT_GEO] = FACT_KNOWN;
    memset(world->facts.geo_country, 0, sizeof world->facts.geo_country);
    memcpy(world->facts.geo_country, country, strlen(country));
    world->facts.geo_asn = asn;
}

static void assert_same_effects(const struct decision *a, const struct decision *b) {
    assert_int_equal(a->effect_count, b->effect_count);
    for (size_t i = 0; i < a->effect_count; i++) {
        unsigned char packed_a[EFFECT_BYTES];
        unsigned char packed_b[EFFECT_BYTES];
        effect_encode(&a->effects[i], packed_a);
        effect_encode(&b->effects[i], packed_b);
        assert_memory_equal(packed_a, packed_b, EFFECT_BYTES);
    }
}

void assert_same_decision(const struct decision *a, const struct decision *b) {
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->policy, b->policy);
    assert_int_equal(a->reason, b->reason);
    assert_int_equal(a->direction, b->direction);
    assert_int_equal(a->facts_wanted, b->facts_wanted);
    assert_int_equal(a->retry_in_s, b->retry_in_s);
    assert_int_equal(a->rule_length, b->rule_length);
    assert_memory_equal(a->rule, b->rule, a->rule_length);
    assert_int_equal(a->reply_length, b->reply_length);
    assert_memory_equal(a->reply, b->reply, a->reply_length);
    assert_int_equal(a->step_count, b->step_count);
    for (size_t i = 0; i < a->step_count; i++) {
        assert_int_equal(a->steps[i].policy, b->steps[i].policy);
        assert_int_equal(a->steps[i].mode, b->steps[i].mode);
        assert_int_equal(a->steps[i].verdict, b->steps[i].verdict);
        assert_int_equal(a->steps[i].reason, b->steps[i].reason);
        assert_int_equal(a->steps[i].skipped, b->steps[i].skipped);
    }
    assert_same_effects(a, b);
    assert_int_equal(a->text_length, b->text_length);
    assert_memory_equal(a->text, b->text, a->text_length);
    assert_int_equal(a->event_count, b->event_count);
    for (size_t i = 0; i < a->event_count; i++) {
        assert_int_equal(a->events[i].reason, b->events[i].reason);
        assert_int_equal(a->events[i].rule_id, b->events[i].rule_id);
        assert_int_equal(a->events[i].used, b->events[i].used);
        assert_int_equal(a->events[i].limit, b->events[i].limit);
    }
    assert_int_equal(a->read_count, b->read_count);
    for (size_t i = 0; i < a->read_count; i++) {
        assert_int_equal(a->reads[i].kind, b->reads[i].kind);
        assert_int_equal(a->reads[i].policy, b->reads[i].policy);
        assert_int_equal(a->reads[i].source, b->reads[i].source);
        assert_int_equal(a->reads[i].fingerprint, b->reads[i].fingerprint);
    }
}

/* An entry is read once, however many policies ask for it. */
static void check_reads(const struct decision *decision) {
    for (size_t i = 0; i < decision->read_count; i++) {
        const struct read *read = &decision->reads[i];
        for (size_t j = 0; j < i && (read->kind == READ_ENTRY || read->kind == READ_ENTRY_ABSENT);
             j++) {
            assert_false(decision->reads[j].source == read->source &&
                         decision->reads[j].fingerprint == read->fingerprint &&
                         (decision->reads[j].kind == READ_ENTRY ||
                          decision->reads[j].kind == READ_ENTRY_ABSENT));
        }
    }
}

/* Encodes the decision, decodes it, decides again from the record alone. */
static void check_record(struct world *world) {
    unsigned char body[DECISION_RECORD_MAX];
    static struct decision_record record;
    static struct decision again;
    bool unknown = false;
    const struct str identity = decision_identity(&world->settings, &world->request);
    world->record_length =
        decision_record_encode(&world->request, identity, &world->facts, world->settings.generation,
                               1, 2, &world->decision, body);
    assert_true(
        decision_record_decode(body, world->record_length, DECISION_RECORD_VERSION, &record));
    assert_same_decision(&world->decision, &record.decision);
    /* Of the live state only the hash key may count. */
    const struct state key_alone = {.key = world->state.key};
    const struct decision_source source = {
        .state = &key_alone, .recorded = &record.decision, .ret_unknown = &unknown};
    decide(&world->settings, &source, &record.request, &record.facts,
           world->now_s * INT64_C(1000000000), &again);
    assert_false(unknown);
    assert_same_decision(&world->decision, &again);
}

/* Keys that were made ahead, or for a request before, give the same decision. */
static void check_ahead(struct world *world, const struct decision_source *source) {
    static struct decision again;
    struct decision_source looked = *source;
    struct decision_ahead ahead;
    struct facts facts = world->asked_facts;
    looked.memo = &world->memo;
    decision_look_ahead(&world->settings, &looked, &world->request, &facts, &ahead);
    decision_look_closer(&world->state, &ahead);
    looked.ahead = &ahead;
    decide(&world->settings, &looked, &world->request, &facts, world->now_s * INT64_C(1000000000),
           &again);
    assert_int_equal(world->decision.facts_wanted, again.facts_wanted);
    if (again.facts_wanted == 0) {
        assert_same_decision(&world->decision, &again);
    }
}

const struct decision *world_ask(struct world *world) {
    if (world->builder != NULL) {
        world->lists.base = list_builder_finish(world->builder);
        world->builder = NULL;
    }
    const struct decision_source source = {
        .state = &world->state, .lists = &world->lists, .rules = world->rules};
    world->asked_facts = world->facts;
    decide(&world->settings, &source, &world->request, &world->facts,
           world->now_s * INT64_C(1000000000), &world->decision);
    check_reads(&world->decision);
    check_ahead(world, &source);
    if (world->decision.facts_wanted == 0) {
        check_record(world);
    }
    return &world->decision;
}

const struct decision *world_send(struct world *world) {
    const struct decision *decision = world_ask(world);
    assert_int_equal(decision->facts_wanted, 0);
    decision_apply(&world->state, decision, ++world->sequence);
    return decision;
}

const char *world_reply(const struct world *world) {
    static char reply[REPLY_MAX + 1];
    (void)snprintf(reply, sizeof reply, "%.*s", (int)world->decision.reply_length,
                   world->decision.reply);
    return reply;
}

uint64_t dice_u64(struct dice *dice) {
    dice->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = dice->state;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint32_t dice_below(struct dice *dice, uint32_t limit) {
    return (uint32_t)(dice_u64(dice) % limit);
}
