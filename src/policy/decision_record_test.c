/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision_record.h"

#include <string.h>

#include "policy/decision_record_fixture.h"
#include "policy/record_values.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

static void assert_same_request(const struct policy_request *a, const struct policy_request *b) {
    assert_int_equal(a->state, b->state);
    assert_memory_equal(&a->client_address, &b->client_address, sizeof a->client_address);
    assert_same_str(a->client_address_text, b->client_address_text);
    assert_same_str(a->client_name, b->client_name);
    assert_same_str(a->reverse_client_name, b->reverse_client_name);
    assert_same_str(a->server_address, b->server_address);
    assert_same_str(a->helo_name, b->helo_name);
    assert_same_str(a->sender, b->sender);
    assert_same_str(a->recipient, b->recipient);
    assert_same_str(a->queue_id, b->queue_id);
    assert_same_str(a->instance, b->instance);
    assert_same_str(a->sasl_method, b->sasl_method);
    assert_same_str(a->sasl_username, b->sasl_username);
    assert_same_str(a->sasl_sender, b->sasl_sender);
    assert_same_str(a->encryption_protocol, b->encryption_protocol);
    assert_same_str(a->ccert_subject, b->ccert_subject);
    assert_same_str(a->policy_context, b->policy_context);
    assert_same_str(a->policy_client, b->policy_client);
    assert_true(a->size == b->size);
    assert_int_equal(a->recipient_count, b->recipient_count);
    assert_int_equal(a->server_port, b->server_port);
}

TEST(a_record_gives_back_what_was_put_in) {
    static const char *const clients[] = {"192.0.2.1", "2001:db8::1", NULL};
    for (size_t i = 0; i < 3; i++) {
        struct world *world = world_new(100);
        fill_request(world);
        if (clients[i] != NULL) {
            world_set_client(world, clients[i], "mail.example.org");
        } else {
            world->request.client_address = (struct ip_address){{0}};
        }
        world->facts.status[FACT_SPF] = FACT_KNOWN;
        world->facts.spf_result = SPF_PASS;
        world->facts.spf_domain_length = 256;
        memset(world->facts.spf_domain, 'd', 256);
        (void)world_send(world);
        const size_t length = encode(world);
        assert_true(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
        assert_same_request(&world->request, &record.request);
        assert_same_decision(&world->decision, &record.decision);
        assert_same_str(record.identity, STR("alice"));
        assert_int_equal(record.generation, 77);
        assert_true(record.wall_ns == -5);
        assert_int_equal(record.duration_us, 123);
        assert_int_equal(record.cut_values, 0);
        assert_int_equal(record.facts.status[FACT_SPF], FACT_KNOWN);
        assert_int_equal(record.facts.spf_result, SPF_PASS);
        assert_int_equal(record.facts.spf_domain_length, 256);
        assert_memory_equal(record.facts.spf_domain, world->facts.spf_domain, 256);
        world_free(world);
    }
}

TEST(an_ordinary_record_is_small) {
    struct world *world = world_new(100);
    world->request.instance = STR("7a8b.65f1c2d3.9e8f7.0");
    world->request.server_address = STR("203.0.113.25");
    (void)world_send(world);
    assert_in_range(world->record_length, 100, 340);
    world->now_s += 300;
    (void)world_send(world);
    assert_in_range(world->record_length, 100, 420);
    world_free(world);
}

TEST(acceptance_needs_no_words) {
    struct world *world = world_new(100);
    world->request = (struct policy_request){.state = PROTOCOL_STATE_DATA};
    (void)world_send(world);
    assert_in_range(world->record_length, 20, 40);
    assert_true(decision_record_decode(body, encode(world), DECISION_RECORD_VERSION, &record));
    assert_memory_equal(record.decision.reply, "DUNNO", 5);
    assert_int_equal(record.decision.reply_length, 5);
    world_free(world);
}

static void set_all_values(struct policy_request *request, struct str value) {
    struct str *const all[] = {&request->sender,
                               &request->recipient,
                               &request->helo_name,
                               &request->client_name,
                               &request->sasl_username,
                               &request->client_address_text,
                               &request->instance,
                               &request->queue_id,
                               &request->reverse_client_name,
                               &request->server_address,
                               &request->sasl_method,
                               &request->sasl_sender,
                               &request->encryption_protocol,
                               &request->ccert_subject,
                               &request->policy_context};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        *all[i] = value;
    }
}

TEST(long_values_are_cut_and_marked) {
    struct world *world = world_new(100);
    static char bytes[40000];
    memset(bytes, 'x', sizeof bytes);
    const struct str giant = {bytes, sizeof bytes};
    struct policy_request *request = &world->request;
    set_all_values(request, giant);
    world->settings.access_list.block_text = STR("{sender}");
    struct list_item item = world_item(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
    item.direction = LIST_BOTH_DIRECTIONS;
    world_add_item(world, item);
    (void)world_send(world); /* decides again from the record: what was read was kept */
    const size_t length =
        decision_record_encode(request, giant, &world->facts, 1, 1, 1, &world->decision, body);
    assert_true(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
    assert_int_equal(record.request.sender.length, DECISION_VALUE_MAX);
    assert_int_equal(record.request.policy_context.length, DECISION_VALUE_MAX);
    assert_int_equal(record.identity.length, DECISION_VALUE_MAX);
    const uint32_t uncut = 1u << RECORD_VALUE_RULE | 1u << RECORD_VALUE_REPLY;
    assert_int_equal(record.cut_values, ((1u << RECORD_VALUES) - 1) & ~uncut);
    request->sender = (struct str){bytes, DECISION_VALUE_MAX};
    request->recipient = (struct str){bytes, DECISION_VALUE_MAX + 1};
    assert_true(decision_record_decode(body, encode(world), DECISION_RECORD_VERSION, &record));
    assert_int_equal(record.cut_values & 1u << RECORD_VALUE_SENDER, 0);
    assert_int_not_equal(record.cut_values & 1u << RECORD_VALUE_RECIPIENT, 0);
    set_all_values(request, STR("")); /* Cut by a byte alone, and nothing else as long. */
    request->sender = (struct str){bytes, DECISION_VALUE_MAX + 1};
    world->decision.rule_length = 0;
    world->decision.reply_length = 0;
    const size_t one =
        decision_record_encode(request, STR(""), &world->facts, 1, 1, 1, &world->decision, body);
    assert_true(decision_record_decode(body, one, DECISION_RECORD_VERSION, &record));
    assert_int_equal(record.request.sender.length, DECISION_VALUE_MAX);
    assert_int_equal(record.cut_values, 1u << RECORD_VALUE_SENDER);
    world_free(world);
}

/* As much as a decision may read, in the longest form. */
static void fill_reads(struct decision *decision) {
    static const uint8_t lists[LIST_MATCHES_MAX] = {LIST_ALLOW, LIST_BLOCK, LIST_GREYLIST_EXEMPT,
                                                    LIST_BLOCK | LIST_READ_ADDRESS_ONLY,
                                                    LIST_REPUTATION_ALLOW};
    for (size_t i = 0; i < LIST_MATCHES_MAX; i++) {
        struct list_match *match = &decision->list_matches[list_match_slot(lists[i])];
        const bool networks_alone = i >= 3;
        *match = (struct list_match){.entry_id = UINT64_MAX,
                                     .text_length =
                                         networks_alone ? IP_PREFIX_TEXT_MAX : PATTERN_TEXT_MAX};
        decision->reads[i] = (struct read){.kind = READ_LIST, .source = lists[i]};
    }
    for (size_t i = LIST_MATCHES_MAX; i < READS_MAX; i++) {
        decision->reads[i] =
            (struct read){.kind = READ_RULE, .source = RULE_QUOTA, .fingerprint = i};
        memset(decision->reads[i].entry, 'r', sizeof decision->reads[i].entry);
    }
    decision->read_count = READS_MAX;
}

static void fill_decision(struct decision *decision) {
    fill_reads(decision);
    for (size_t i = 0; i < EFFECTS_MAX; i++) {
        decision->effects[i] = (struct effect){
            .kind = EFFECT_ONCE, .key = {i, 1}, .time_s = 1, .expires_s = 2, .amount = INT64_MAX};
    }
    decision->effect_count = EFFECTS_MAX;
    for (size_t i = 0; i < EVENTS_MAX; i++) {
        decision->events[i] = (struct decision_event){.reason = (enum reason)UINT16_MAX,
                                                      .rule_id = UINT32_MAX,
                                                      .scope = QUOTA_GLOBAL,
                                                      .unit = QUOTA_BYTES,
                                                      .window = QUOTA_MONTH,
                                                      .used = UINT64_MAX,
                                                      .limit = UINT64_MAX};
    }
    decision->event_count = EVENTS_MAX;
    for (size_t i = 0; i < STEPS_MAX; i++) {
        decision->steps[i].reason = (enum reason)UINT16_MAX;
        decision->steps[i].verdict = VERDICT_REJECT;
        decision->steps[i].policy = (enum policy_id)UINT8_MAX;
    }
    decision->step_count = STEPS_MAX;
    decision->policy = (enum policy_id)UINT16_MAX;
    decision->reason = (enum reason)UINT16_MAX;
    decision->retry_in_s = UINT32_MAX;
    decision->rule_length = RULE_MAX;
    decision->reply_length = REPLY_MAX;
    decision->text_length = RULE_TEXT_MAX;
}

static void fill_facts(struct facts *facts) {
    *facts = (struct facts){
        .status = {FACT_KNOWN, FACT_KNOWN, FACT_KNOWN},
        .spf_result = SPF_PERMERROR,
        .spf_helo_result = SPF_FAIL,
        .spf_domain_length = sizeof facts->spf_domain,
        .spf_mechanism_length = sizeof facts->spf_mechanism,
        .spf_problem_length = sizeof facts->spf_problem,
        .rbl_count = DNSBL_LISTS_MAX,
        .geo_country = {'D', 'E'},
        .geo_asn = UINT32_MAX,
    };
    memset(facts->spf_domain, 'd', sizeof facts->spf_domain);
    memset(facts->spf_mechanism, 'm', sizeof facts->spf_mechanism);
    memset(facts->spf_problem, 'p', sizeof facts->spf_problem);
    for (size_t i = 0; i < DNSBL_LISTS_MAX; i++) {
        facts->rbl[i] = (struct rbl_answer){.list = (uint8_t)(i + 1),
                                            .status = (uint8_t)(i % DNSBL_STATUSES),
                                            .code = {127, 0, 0, (uint8_t)i}};
    }
}

static void assert_same_facts(const struct facts *a, const struct facts *b) {
    assert_memory_equal(a->status, b->status, sizeof a->status);
    assert_int_equal(a->spf_result, b->spf_result);
    assert_int_equal(a->spf_helo_result, b->spf_helo_result);
    assert_int_equal(a->spf_domain_length, b->spf_domain_length);
    assert_memory_equal(a->spf_domain, b->spf_domain, a->spf_domain_length);
    assert_int_equal(a->spf_mechanism_length, b->spf_mechanism_length);
    assert_memory_equal(a->spf_mechanism, b->spf_mechanism, a->spf_mechanism_length);
    assert_int_equal(a->spf_problem_length, b->spf_problem_length);
    assert_memory_equal(a->spf_problem, b->spf_problem, a->spf_problem_length);
    assert_int_equal(a->rbl_count, b->rbl_count);
    assert_memory_equal(a->rbl, b->rbl, a->rbl_count * sizeof a->rbl[0]);
    assert_memory_equal(a->geo_country, b->geo_country, sizeof a->geo_country);
    assert_int_equal(a->geo_asn, b->geo_asn);
}

TEST(the_largest_record_is_kept_whole) {
    struct world *world = world_new(10);
    static char bytes[DECISION_VALUE_MAX];
    memset(bytes, 'x', sizeof bytes);
    const struct str whole = {bytes, sizeof bytes};
    fill_request(world);
    (void)world_send(world);
    fill_decision(&world->decision);
    set_all_values(&world->request, whole);
    world_set_client(world, "2001:db8::1", "");
    world->request.client_address_text = whole;
    world->request.client_name = whole;
    world->request.reverse_client_name = whole;
    fill_facts(&world->facts);
    const size_t length = decision_record_encode(&world->request, whole, &world->facts, UINT64_MAX,
                                                 INT64_MIN, UINT32_MAX, &world->decision, body);
    assert_in_range(length, DECISION_RECORD_MAX - 900, DECISION_RECORD_MAX);
    assert_true(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
    assert_int_equal(record.cut_values, 0);
    assert_same_request(&world->request, &record.request);
    assert_same_decision(&world->decision, &record.decision);
    assert_same_facts(&world->facts, &record.facts);
    world_free(world);
}

/* A digest has no key of its own: it stands beside it. */
TEST(entries_digests_rules_and_events_are_kept) {
    struct world *world = world_new(10);
    (void)world_send(world);
    struct decision *decision = &world->decision;
    const struct reputation_entry entry = {.head.key = {7, 8}, .score = 55};
    const struct offence_digest digest = {.width_s = 60, .count = 3, .present = 1};
    const struct quota_limits limits = {.ids = {1, 0, 3}, .limits = {10, 0, UINT64_MAX}};
    decision->reads[0] = (struct read){
        .kind = READ_ENTRY, .policy = 5, .source = STATE_REPUTATION, .fingerprint = 8};
    memcpy(decision->reads[0].entry, &entry, sizeof entry);
    decision->reads[1] = (struct read){
        .kind = READ_ENTRY, .policy = 4, .source = STATE_OFFENCE, .fingerprint = UINT64_MAX};
    memcpy(decision->reads[1].entry, &digest, sizeof digest);
    decision->reads[2] =
        (struct read){.kind = READ_RULE, .policy = 8, .source = RULE_QUOTA, .fingerprint = 99};
    memcpy(decision->reads[2].entry, &limits, sizeof limits);
    decision->read_count = 3;
    decision->events[0] = (struct decision_event){.reason = REASON_QUOTA_NEAR_LIMIT,
                                                  .rule_id = 17,
                                                  .scope = QUOTA_GLOBAL,
                                                  .unit = QUOTA_BYTES,
                                                  .window = QUOTA_MONTH,
                                                  .used = 1,
                                                  .limit = UINT64_MAX};
    decision->event_count = 1;
    memcpy(decision->text, "its own words", 13);
    decision->text_length = 13;
    const size_t length = encode(world);
    memset(&record, 0x55, sizeof record);
    assert_true(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
    assert_same_decision(decision, &record.decision);
    const struct read *reads = record.decision.reads;
    assert_memory_equal(reads[0].entry, &entry, sizeof entry);
    assert_memory_equal(reads[1].entry, &digest, sizeof digest);
    assert_memory_equal(reads[2].entry, &limits, sizeof limits);
    assert_int_equal(record.decision.events[0].scope, QUOTA_GLOBAL);
    assert_int_equal(record.decision.events[0].unit, QUOTA_BYTES);
    assert_int_equal(record.decision.events[0].window, QUOTA_MONTH);
    for (size_t i = 0; i < length; i++) {
        assert_false(decision_record_decode(body, i, DECISION_RECORD_VERSION, &record));
    }
    world_free(world);
}

TEST(nothing_is_left_of_what_stood_in_the_room_of_a_record) {
    struct world *world = world_new(10);
    (void)world_send(world);
    const size_t length = encode(world);
    memset(&record, 0x55, sizeof record);
    assert_true(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
    assert_int_equal(record.facts.spf_result, 0);
    assert_int_equal(record.facts.spf_domain_length, 0);
    assert_int_equal(record.cut_values, 0);
    assert_int_equal(record.decision.facts_wanted, 0);
    world_free(world);
}

TEST(texts_of_one_byte_are_kept) {
    struct world *world = world_new(10);
    (void)world_add(world, LIST_BLOCK, PATTERN_DOMAIN, "x");
    world_set_mail(world, "a@x", "b@example.net");
    world->facts.status[FACT_SPF] = FACT_KNOWN;
    world->facts.spf_domain_length = 1;
    world->facts.spf_domain[0] = 'x';
    (void)world_send(world);
    world->decision.rule_length = 1;
    world->decision.rule[0] = 'r';
    world->decision.reply_length = 1;
    world->decision.reply[0] = 's';
    const size_t length = encode(world);
    memset(&record, 0x55, sizeof record);
    assert_true(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
    const struct list_match *match = &record.decision.list_matches[list_match_slot(LIST_BLOCK)];
    assert_int_equal(match->text_length, 1);
    assert_int_equal(match->text[0], 'x');
    assert_int_equal(record.facts.spf_domain_length, 1);
    assert_int_equal(record.facts.spf_domain[0], 'x');
    assert_int_equal(record.decision.rule_length, 1);
    assert_int_equal(record.decision.rule[0], 'r');
    assert_int_equal(record.decision.reply_length, 1);
    assert_int_equal(record.decision.reply[0], 's');
    world_free(world);
}

/* A record whose byte was changed is refused or is another record: no byte means nothing. */
TEST(no_byte_is_ignored) {
    struct world *world = world_new(10);
    fill_request(world);
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
    (void)world_send(world);
    world->request.client_address = (struct ip_address){{0}};
    const size_t length = encode(world);
    assert_int_equal(world->decision.effect_count, 0);
    static unsigned char changed[DECISION_RECORD_MAX];
    static unsigned char again[DECISION_RECORD_MAX];
    for (size_t at = 0; at < length; at++) {
        for (unsigned mask = 1; mask < 256; mask++) {
            memcpy(changed, body, length);
            changed[at] = (unsigned char)(changed[at] ^ mask);
            if (decision_record_decode(changed, length, DECISION_RECORD_VERSION, &record)) {
                const size_t again_length = decision_record_encode(
                    &record.request, record.identity, &record.facts, record.generation,
                    record.wall_ns, record.duration_us, &record.decision, again);
                if (again_length == length && memcmp(again, body, length) == 0) {
                    fail_msg("byte %zu may be %u", at, (unsigned)changed[at]);
                }
            }
        }
    }
    world_free(world);
}
