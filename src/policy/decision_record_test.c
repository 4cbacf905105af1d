/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/record_values.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

static unsigned char body[DECISION_RECORD_MAX];
static struct decision_record record;

static size_t encode(const struct world *world) {
    return decision_record_encode(&world->request, STR("alice"), &world->facts, 77, -5, 123,
                                  &world->decision, body);
}

static void fill_request(struct world *world) {
    struct policy_request *request = &world->request;
    request->reverse_client_name = STR("reverse.example.org");
    request->server_address = STR("203.0.113.25");
    request->queue_id = STR("4F9D195432C");
    request->instance = STR("123.456.7");
    request->sasl_method = STR("plain");
    request->sasl_sender = STR("c@example.org");
    request->encryption_protocol = STR("TLSv1.3");
    request->ccert_subject = STR("Some Subject");
    request->policy_context = STR("submission");
    request->policy_client = STR("2001:0db8:0000:0000:0000:0000:192.100.200.250.");
    request->size = UINT64_MAX;
    request->recipient_count = UINT32_MAX;
    request->server_port = 65535;
}

static void assert_same_str(struct str a, struct str b) {
    assert_int_equal(a.length, b.length);
    if (a.length > 0) {
        assert_memory_equal(a.data, b.data, a.length);
    }
}

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

/* Encoding writes what it is given. */
static bool decodes(const struct world *world) {
    const size_t length = encode(world);
    return decision_record_decode(body, length, DECISION_RECORD_VERSION, &record);
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

TEST(events_and_rules_out_of_range_are_refused) {
    struct world *world = world_new(10);
    (void)world_send(world);
    world->decision.event_count = 1;
    struct decision_event *event = &world->decision.events[0];
    uint8_t *const fields[] = {&event->scope, &event->unit, &event->window};
    static const uint8_t limits[] = {QUOTA_SCOPES, QUOTA_UNITS, QUOTA_WINDOWS};
    for (size_t i = 0; i < 3; i++) {
        *event = (struct decision_event){.reason = REASON_QUOTA_NEAR_LIMIT};
        *fields[i] = (uint8_t)(limits[i] - 1);
        assert_true(decodes(world));
        *fields[i] = limits[i];
        assert_false(decodes(world));
    }
    world->decision.event_count = 0;
    world->decision.read_count = 1;
    world->decision.reads[0] = (struct read){.kind = READ_RULE, .source = RULE_KINDS - 1};
    assert_true(decodes(world));
    world->decision.reads[0].source = RULE_KINDS;
    assert_false(decodes(world));
    world_free(world);
}

TEST(another_version_is_not_guessed_at) {
    struct world *world = world_new(100);
    (void)world_send(world);
    const size_t length = encode(world);
    assert_false(decision_record_decode(body, length, 0, &record));
    assert_false(decision_record_decode(body, length, 1, &record));
    assert_false(decision_record_decode(body, length, 2, &record));
    assert_false(decision_record_decode(body, length, 4, &record));
    world_free(world);
}

static void assert_only_whole_is_read(const struct world *world) {
    const size_t length = encode(world);
    for (size_t i = 0; i < length; i++) {
        /* A copy of just these bytes, so that reading on is caught. */
        unsigned char *part = malloc(i + 1);
        memcpy(part, body, i);
        assert_false(decision_record_decode(part, i, DECISION_RECORD_VERSION, &record));
        free(part);
    }
    assert_false(decision_record_decode(body, length + 1, DECISION_RECORD_VERSION, &record));
    assert_true(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
}

TEST(a_record_cut_short_or_too_long_is_refused) {
    struct world *world = world_new(100);
    (void)world_add(world, LIST_BLOCK, PATTERN_EMAIL, "z@example.org");
    world->facts.status[FACT_SPF] = FACT_KNOWN;
    fill_request(world);
    (void)world_send(world);
    world->now_s += 300;
    (void)world_send(world); /* reads an entry */
    assert_only_whole_is_read(world);
    world_set_mail(world, "z@example.org", "b@example.net");
    (void)world_send(world); /* reads a list */
    assert_only_whole_is_read(world);
    world_free(world);
}

/* Encoding what was decoded gives the same bytes again. */
static bool is_stable(const unsigned char *bytes, size_t length) {
    static struct decision_record again;
    unsigned char second[DECISION_RECORD_MAX];
    unsigned char third[DECISION_RECORD_MAX];
    if (!decision_record_decode(bytes, length, DECISION_RECORD_VERSION, &record)) {
        return true;
    }
    const size_t second_length =
        decision_record_encode(&record.request, record.identity, &record.facts, record.generation,
                               record.wall_ns, record.duration_us, &record.decision, second);
    if (!decision_record_decode(second, second_length, DECISION_RECORD_VERSION, &again)) {
        return false;
    }
    const size_t third_length =
        decision_record_encode(&again.request, again.identity, &again.facts, again.generation,
                               again.wall_ns, again.duration_us, &again.decision, third);
    return second_length == third_length && memcmp(second, third, third_length) == 0;
}

TEST(damaged_bytes_are_refused_or_make_another_record_but_nothing_else) {
    struct world *world = world_new(100);
    struct dice dice = {17};
    (void)world_add(world, LIST_BLOCK, PATTERN_EMAIL, "z@example.org");
    fill_request(world);
    (void)world_send(world);
    world->now_s += 300;
    (void)world_send(world);
    world_set_mail(world, "z@example.org", "b@example.net");
    (void)world_send(world);
    const size_t length = encode(world);
    unsigned char damaged[DECISION_RECORD_MAX];
    unsigned accepted = 0;
    for (int round = 0; round < 20000; round++) {
        memcpy(damaged, body, length);
        for (uint32_t i = 0; i <= dice_below(&dice, 3); i++) {
            damaged[dice_below(&dice, (uint32_t)length)] ^=
                (unsigned char)(1u << dice_below(&dice, 8));
        }
        assert_true(is_stable(damaged, length));
        accepted += decision_record_decode(damaged, length, DECISION_RECORD_VERSION, &record);
    }
    assert_in_range(accepted, 1000, 19000);
    world_free(world);
}

TEST(each_number_out_of_range_is_refused) {
    struct world *world = world_new(100);
    (void)world_send(world);
    const size_t length = encode(world);
    for (size_t i = 0; i < 3; i++) { /* counts */
        const unsigned char before = body[i];
        body[i] = 0xff;
        assert_false(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
        body[i] = before;
    }
    body[3] = 4; /* an unknown flag */
    assert_false(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
    world_free(world);
}

TEST(a_read_of_an_unknown_table_or_list_is_refused) {
    static const struct {
        enum read_kind kind;
        uint8_t source;
        bool known;
    } rows[] = {
        {READ_ENTRY_ABSENT, STATE_GREYLIST_CLIENT, true},
        {READ_ENTRY_ABSENT, STATE_TABLES, false},
        {READ_LIST_ABSENT, LIST_GREYLIST_EXEMPT, true},
        {READ_LIST_ABSENT, LISTS, false},
        {READ_LIST_ABSENT, LISTS | LIST_READ_ADDRESS_ONLY, false},
    };
    struct world *world = world_new(100);
    (void)world_send(world);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world->decision.read_count = 1;
        world->decision.reads[0] = (struct read){.kind = rows[i].kind, .source = rows[i].source};
        assert_int_equal(
            decision_record_decode(body, encode(world), DECISION_RECORD_VERSION, &record),
            rows[i].known);
    }
    world_free(world);
}

TEST(a_list_is_read_once) {
    struct world *world = world_new(100);
    (void)world_send(world);
    world->decision.read_count = 2;
    world->decision.reads[0] = (struct read){.kind = READ_LIST_ABSENT, .source = LIST_BLOCK};
    world->decision.reads[1] =
        (struct read){.kind = READ_LIST_ABSENT, .source = LIST_BLOCK | LIST_READ_ADDRESS_ONLY};
    assert_true(decision_record_decode(body, encode(world), DECISION_RECORD_VERSION, &record));
    world->decision.reads[1].source = LIST_BLOCK;
    assert_false(decision_record_decode(body, encode(world), DECISION_RECORD_VERSION, &record));
    world_free(world);
}

TEST(values_of_no_known_meaning_are_refused) {
    struct world *world = world_new(100);
    (void)world_send(world);
    world->decision.verdict = VERDICT_REJECT;
    assert_true(decision_record_decode(body, encode(world), DECISION_RECORD_VERSION, &record));
    world->decision.verdict = VERDICTS;
    assert_false(decision_record_decode(body, encode(world), DECISION_RECORD_VERSION, &record));
    world->decision.verdict = VERDICT_NONE;
    world->request.state = PROTOCOL_STATE_ENDED;
    assert_true(decision_record_decode(body, encode(world), DECISION_RECORD_VERSION, &record));
    /* The state stands behind the head, the effect, four numbers, two times and the duration. */
    const size_t at = RECORD_HEAD_BYTES + EFFECT_BYTES + 1 + 1 + 1 + 2 + 8 + 8 + 1;
    const size_t length = encode(world);
    assert_int_equal(body[at], PROTOCOL_STATE_ENDED);
    body[at]++;
    assert_false(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
    world_free(world);
}

/* --- effects -----------------------------------------------------------------------------------
 */

struct filter_log {
    size_t asked;
    enum state_table_id wanted_table;
    uint64_t sequence;
};

static bool want_one_table(void *context, enum state_table_id table, size_t group,
                           uint64_t sequence) {
    struct filter_log *log = context;
    log->asked++;
    log->sequence = sequence;
    assert_true(group < 1000);
    return table == log->wanted_table;
}

static void assert_same_tables(const struct world *a, const struct world *b) {
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        const struct state_table *table = &a->state.tables[i];
        assert_memory_equal(table->groups, b->state.tables[i].groups,
                            table->group_count * table->group_bytes);
    }
}

TEST(recovery_gives_the_same_tables) {
    struct world *live = world_new(1000);
    struct world *recovered = world_new(1000);
    struct dice dice = {8};
    uint64_t unknown = 0;
    char recipient[32];
    for (int i = 0; i < 500; i++) {
        (void)snprintf(recipient, sizeof recipient, "r%d@example.net", (int)dice_below(&dice, 30));
        world_set_mail(live, "a@example.org", recipient);
        live->now_s += dice_below(&dice, 200);
        (void)world_send(live);
        const size_t length = encode(live);
        const size_t applied = record_apply_effects(&recovered->state, RECORD_DECISION, 1, body,
                                                    length, live->sequence, NULL, &unknown);
        assert_int_equal(applied, live->decision.effect_count);
    }
    assert_int_equal(unknown, 0);
    assert_same_tables(live, recovered);
    assert_true(live->state.tables[STATE_GREYLIST_CLIENT].used > 0);
    world_free(live);
    world_free(recovered);
}

static size_t two_effects(void) {
    const struct effect effects[2] = {
        {.kind = EFFECT_GREYLIST_SEEN, .key = {1, 2}, .time_s = 5, .expires_s = 6, .first_s = 5},
        {.kind = EFFECT_GREYLIST_CLIENT_SEEN, .key = {3, 4}, .time_s = 5, .expires_s = 6}};
    return effects_record_encode(effects, 2, STR("alice forgot it"), body);
}

TEST(a_commands_effects_are_kept_with_why) {
    struct effect effects[EFFECTS_MAX];
    size_t count = 0;
    struct str why;
    const size_t length = two_effects();
    assert_true(effects_record_decode(body, length, effects, &count, &why));
    assert_int_equal(count, 2);
    assert_int_equal(effects[0].kind, EFFECT_GREYLIST_SEEN);
    assert_int_equal(effects[1].key.low, 4);
    assert_same_str(why, STR("alice forgot it"));
    for (size_t i = 0; i < length; i++) {
        assert_false(effects_record_decode(body, i, effects, &count, &why));
    }
    body[length] = 0;
    assert_false(effects_record_decode(body, length + 1, effects, &count, &why));
    static char reason[EFFECTS_WHY_MAX + 1];
    memset(reason, 'r', sizeof reason);
    const size_t long_length =
        effects_record_encode(effects, 0, (struct str){reason, sizeof reason}, body);
    assert_true(effects_record_decode(body, long_length, effects, &count, &why));
    assert_int_equal(count, 0);
    assert_int_equal(why.length, EFFECTS_WHY_MAX);
    body[0] = EFFECTS_MAX + 1;
    assert_false(effects_record_decode(body, long_length, effects, &count, &why));
}

TEST(recovery_applies_what_a_snapshot_does_not_hold) {
    struct world *world = world_new(100);
    uint64_t unknown = 0;
    const size_t length = two_effects();
    struct filter_log log = {.wanted_table = STATE_GREYLIST_CLIENT};
    const struct record_filter filter = {.context = &log, .wanted = want_one_table};
    assert_int_equal(
        record_apply_effects(&world->state, RECORD_EFFECTS, 1, body, length, 42, &filter, &unknown),
        1);
    assert_int_equal(log.asked, 2);
    assert_int_equal(log.sequence, 42);
    assert_int_equal(world->state.tables[STATE_GREYLIST].used, 0);
    assert_int_equal(world->state.tables[STATE_GREYLIST_CLIENT].used, 1);
    world_free(world);
}

TEST(effects_of_a_newer_release_are_counted_and_left_out) {
    struct world *world = world_new(100);
    uint64_t unknown = 0;
    size_t count = 9;
    struct str why;
    struct effect effects[EFFECTS_MAX];
    const size_t length = two_effects();
    body[2] = EFFECT_KINDS;
    assert_int_equal(
        record_apply_effects(&world->state, RECORD_EFFECTS, 1, body, length, 42, NULL, &unknown),
        1);
    assert_int_equal(unknown, 1);
    assert_true(effects_record_decode(body, length, effects, &count, &why));
    assert_int_equal(count, 1);
    assert_int_equal(effects[0].kind, EFFECT_GREYLIST_CLIENT_SEEN);
    world_free(world);
}

TEST(records_without_effects_change_nothing) {
    struct world *world = world_new(100);
    uint64_t unknown = 0;
    const size_t length = two_effects();
    struct state *to = &world->state;
    assert_int_equal(record_apply_effects(to, RECORD_RUN, 1, body, length, 1, NULL, &unknown), 0);
    assert_int_equal(record_apply_effects(to, RECORD_GAP, 1, body, length, 1, NULL, &unknown), 0);
    for (unsigned version = 0; version <= DECISION_RECORD_VERSION + 1; version++) {
        const bool known = version >= 1 && version <= DECISION_RECORD_VERSION;
        assert_int_equal(
            record_apply_effects(to, RECORD_EFFECTS, version, body, length, 1, NULL, &unknown),
            known ? 2 : 0);
        memset(to->tables[STATE_GREYLIST].groups, 0, to->tables[STATE_GREYLIST].group_bytes);
        state_table_recount(&to->tables[STATE_GREYLIST]);
    }
    assert_int_equal(record_apply_effects(to, RECORD_EFFECTS, 1, body, 1, 1, NULL, &unknown), 0);
    assert_int_equal(record_apply_effects(to, RECORD_EFFECTS, 1, body, 41, 1, NULL, &unknown), 0);
    assert_int_equal(record_apply_effects(to, RECORD_DECISION, 1, body, 0, 1, NULL, &unknown), 0);
    assert_int_equal(to->tables[STATE_GREYLIST].used, 0);
    assert_int_equal(record_apply_effects(to, RECORD_EFFECTS, 1, body, 42, 1, NULL, &unknown), 1);
    assert_int_equal(unknown, 0);
    world_free(world);
}

/* --- everything at once ------------------------------------------------------------------------
 */

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

TEST(a_read_with_values_out_of_range_is_refused) {
    struct world *world = world_new(10);
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
    (void)world_send(world);
    struct list_match *match = &world->decision.list_matches[list_match_slot(LIST_BLOCK)];
    assert_true(decodes(world));
    match->type = (enum pattern_type)(PATTERN_TYPES - 1);
    match->prefix_bits = 128;
    assert_true(decodes(world));
    match->type = PATTERN_TYPES;
    assert_false(decodes(world));
    match->type = PATTERN_IP;
    match->prefix_bits = 129;
    assert_false(decodes(world));
    world_free(world);
}

/* A read of an unknown kind or table would have no bytes of its own. */
TEST(an_unknown_read_is_refused_even_if_all_else_fits) {
    struct world *world = world_new(10);
    (void)world_send(world);
    const struct read *last = &world->decision.reads[world->decision.read_count - 1];
    assert_int_equal(last->kind, READ_ENTRY_ABSENT);
    const size_t length = encode(world);
    unsigned char *value = memmem(body, length, &last->fingerprint, sizeof last->fingerprint);
    for (unsigned char *next = value; next != NULL;) { /* the last place: effects name keys too */
        value = next;
        next = memmem(value + 1, length - (size_t)(value + 1 - body), &last->fingerprint,
                      sizeof last->fingerprint);
    }
    assert_non_null(value);
    assert_int_equal(value[-3], READ_ENTRY_ABSENT);
    assert_int_equal(value[-1], STATE_GREYLIST);
    assert_true(decision_record_decode(body, length, DECISION_RECORD_VERSION, &record));
    memmove(value, value + 8, length - 8 - (size_t)(value - body));
    value[-1] = STATE_TABLES;
    assert_false(decision_record_decode(body, length - 8, DECISION_RECORD_VERSION, &record));
    value[-1] = STATE_GREYLIST;
    value[-3] = 0;
    assert_false(decision_record_decode(body, length - 8, DECISION_RECORD_VERSION, &record));
    world_free(world);
}

TEST(as_many_effects_as_a_record_may_have) {
    struct effect effects[EFFECTS_MAX];
    for (size_t i = 0; i < EFFECTS_MAX; i++) {
        effects[i] = (struct effect){
            .kind = EFFECT_GREYLIST_SEEN, .key = {1, i}, .time_s = 5, .expires_s = 6};
    }
    const size_t length = effects_record_encode(effects, EFFECTS_MAX, STR(""), body);
    size_t count = 0;
    struct str why;
    assert_true(effects_record_decode(body, length, effects, &count, &why));
    assert_int_equal(count, EFFECTS_MAX);
    assert_int_equal(effects[EFFECTS_MAX - 1].key.low, EFFECTS_MAX - 1);
}
