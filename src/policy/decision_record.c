/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision_record.h"

#include "base/check.h"
#include "policy/record_bytes.h"
#include "policy/record_values.h"

/* Whatever a record holds has room: the most that each part may take, in its order. */
enum {
    VARINT_U32_MAX = 5,
    HEAD_AND_NUMBERS_MAX =
        RECORD_HEAD_BYTES + 1 + 4 * VARINT_U32_MAX + 16 + 1 + VARINT_MAX + 2 * VARINT_U32_MAX + 17,
    FACTS_BYTES_MAX = 1 + 2 + 3 * VARINT_MAX + 256 + SPF_MECHANISM_MAX + SPF_EXPLANATION_MAX + 1 +
                      6 * DNSBL_LISTS_MAX + 2 + VARINT_MAX,
    STEP_BYTES_MAX = 2 + VARINT_U32_MAX,
    READ_BYTES_MAX = 3 + 8 + STATE_ENTRY_MAX,
    MATCH_BYTES_MAX = 3 + VARINT_MAX + 4 + 2 + PATTERN_TEXT_MAX,
    /* Of two sources only networks match: LIST_REPUTATION_ALLOW, and the block list when it is
       asked about the address alone. These are no longer than an entry. */
    TEXT_MATCHES_MAX = LIST_MATCHES_MAX - 2,
    READS_BYTES_MAX =
        (READS_MAX - TEXT_MATCHES_MAX) * READ_BYTES_MAX + TEXT_MATCHES_MAX * MATCH_BYTES_MAX,
    EVENT_BYTES_MAX = 2 * VARINT_U32_MAX + 3 + 2 * VARINT_MAX,
    TEXTS_MAX = 2 + RULE_TEXT_MAX + 1 + POLICY_CLIENT_MAX,
    VALUES_MAX =
        4 + 4 + (RECORD_VALUES - 2) * (2 + DECISION_VALUE_MAX) + 2 + RULE_MAX + 2 + REPLY_MAX,
};
_Static_assert((int)MATCH_BYTES_MAX - (int)PATTERN_TEXT_MAX + (int)IP_PREFIX_TEXT_MAX <=
                   (int)READ_BYTES_MAX,
               "the match of a network takes no more than an entry");
_Static_assert(HEAD_AND_NUMBERS_MAX + EFFECTS_MAX * EFFECT_BYTES + FACTS_BYTES_MAX +
                       STEPS_MAX * STEP_BYTES_MAX + READS_BYTES_MAX + 1 +
                       EVENTS_MAX * EVENT_BYTES_MAX + TEXTS_MAX + VALUES_MAX <=
                   DECISION_RECORD_MAX,
               "every record fits");

static void put_head(struct record_writer *out, const struct decision *decision) {
    put_u8(out, (unsigned)decision->effect_count);
    put_u8(out, (unsigned)decision->read_count);
    put_u8(out, (unsigned)decision->step_count);
    put_u8(out, decision->direction == DIRECTION_OUTBOUND ? RECORD_FLAG_OUTBOUND : 0u);
}

static void put_effects(struct record_writer *out, const struct effect *effects, size_t count) {
    for (size_t i = 0; i < count; i++) {
        effect_encode(&effects[i], out->at);
        out->at += EFFECT_BYTES;
    }
}

static void put_address(struct record_writer *out, struct ip_address address) {
    if (ip_address_is_none(address)) {
        put_u8(out, 0);
    } else if (ip_address_is_v4(address)) {
        put_u8(out, 4);
        put_bytes(out, address.bytes + 12, 4);
    } else {
        put_u8(out, 16);
        put_bytes(out, address.bytes, 16);
    }
}

static void put_request_numbers(struct record_writer *out, const struct policy_request *request) {
    put_u8(out, request->state);
    put_varint(out, request->size);
    put_varint(out, request->recipient_count);
    put_varint(out, request->server_port);
    put_address(out, request->client_address);
}

static void put_spf(struct record_writer *out, const struct facts *facts) {
    put_u8(out, facts->spf_result);
    put_u8(out, facts->spf_helo_result);
    put_str(out, (struct str){facts->spf_domain, facts->spf_domain_length});
    put_str(out, (struct str){facts->spf_mechanism, facts->spf_mechanism_length});
    put_str(out, (struct str){facts->spf_problem, facts->spf_problem_length});
}

static void put_facts(struct record_writer *out, const struct facts *facts) {
    put_u8(out, (unsigned)facts->status[FACT_SPF] | (unsigned)facts->status[FACT_RBL] << 2 |
                    (unsigned)facts->status[FACT_GEO] << 4);
    if (facts->status[FACT_SPF] == FACT_KNOWN) {
        put_spf(out, facts);
    }
    if (facts->status[FACT_RBL] == FACT_KNOWN) {
        put_u8(out, facts->rbl_count);
        for (size_t i = 0; i < facts->rbl_count; i++) {
            put_u8(out, facts->rbl[i].list);
            put_u8(out, facts->rbl[i].status);
            put_bytes(out, facts->rbl[i].code, sizeof facts->rbl[i].code);
        }
    }
    if (facts->status[FACT_GEO] == FACT_KNOWN) {
        put_bytes(out, facts->geo_country, sizeof facts->geo_country);
        put_varint(out, facts->geo_asn);
    }
}

static void put_steps(struct record_writer *out, const struct decision *decision) {
    for (size_t i = 0; i < decision->step_count; i++) {
        const struct decision_step *step = &decision->steps[i];
        put_u8(out, step->policy);
        put_u8(out, (unsigned)step->verdict | (step->skipped ? RECORD_STEP_SKIPPED : 0u) |
                        (step->mode == POLICY_MODE_SHADOW ? RECORD_STEP_SHADOW : 0u));
        put_varint(out, step->reason);
    }
}

static void put_match(struct record_writer *out, const struct list_match *match) {
    CHECK(match->text_length <= PATTERN_TEXT_MAX);
    put_varint(out, match->entry_id);
    put_u8(out, match->type);
    put_u8(out, match->kind);
    put_u8(out, match->prefix_bits);
    put_u8(out, match->require);
    put_str(out, (struct str){match->text, match->text_length});
}

/* Of an entry the key is part; of a digest not. */
static void put_entry(struct record_writer *out, const struct read *read) {
    const enum state_table_id table = (enum state_table_id)read->source;
    if (state_has_digest(table)) {
        put_bytes(out, &read->fingerprint, sizeof read->fingerprint);
    }
    put_bytes(out, read->entry, state_recorded_bytes(table));
}

static void put_events(struct record_writer *out, const struct decision *decision) {
    put_u8(out, (unsigned)decision->event_count);
    for (size_t i = 0; i < decision->event_count; i++) {
        const struct decision_event *event = &decision->events[i];
        put_varint(out, event->reason);
        put_varint(out, event->rule_id);
        put_u8(out, event->scope);
        put_u8(out, event->unit);
        put_u8(out, event->window);
        put_varint(out, event->used);
        put_varint(out, event->limit);
    }
}

static void put_reads(struct record_writer *out, const struct decision *decision) {
    size_t matches = 0;
    for (size_t i = 0; i < decision->read_count; i++) {
        const struct read *read = &decision->reads[i];
        put_u8(out, read->kind);
        put_u8(out, read->policy);
        put_u8(out, read->source);
        switch (read->kind) {
        case READ_ENTRY:
            put_entry(out, read);
            break;
        case READ_RULE:
            put_bytes(out, &read->fingerprint, sizeof read->fingerprint);
            put_bytes(out, read->entry, sizeof read->entry);
            break;
        case READ_ENTRY_ABSENT:
            put_bytes(out, &read->fingerprint, sizeof read->fingerprint);
            break;
        case READ_LIST:
            CHECK(++matches <= LIST_MATCHES_MAX);
            put_match(out, &decision->list_matches[list_match_slot(read->source)]);
            break;
        case READ_LIST_ABSENT:
            break;
        }
    }
}

static void gather_values(const struct policy_request *request, struct str identity,
                          const struct decision *decision, struct str values[RECORD_VALUES]) {
    const struct str reply = {decision->reply, decision->reply_length};
    values[RECORD_VALUE_SENDER] = request->sender;
    values[RECORD_VALUE_RECIPIENT] = request->recipient;
    values[RECORD_VALUE_HELO_NAME] = request->helo_name;
    values[RECORD_VALUE_CLIENT_NAME] = request->client_name;
    values[RECORD_VALUE_SASL_USERNAME] = request->sasl_username;
    values[RECORD_VALUE_RULE] = (struct str){decision->rule, decision->rule_length};
    values[RECORD_VALUE_REPLY] = str_equal(reply, RECORD_DUNNO) ? (struct str){NULL, 0} : reply;
    values[RECORD_VALUE_IDENTITY] = identity;
    values[RECORD_VALUE_CLIENT_ADDRESS_TEXT] = request->client_address_text;
    values[RECORD_VALUE_INSTANCE] = request->instance;
    values[RECORD_VALUE_QUEUE_ID] = request->queue_id;
    values[RECORD_VALUE_REVERSE_CLIENT_NAME] = request->reverse_client_name;
    values[RECORD_VALUE_SERVER_ADDRESS] = request->server_address;
    values[RECORD_VALUE_SASL_METHOD] = request->sasl_method;
    values[RECORD_VALUE_SASL_SENDER] = request->sasl_sender;
    values[RECORD_VALUE_ENCRYPTION_PROTOCOL] = request->encryption_protocol;
    values[RECORD_VALUE_CCERT_SUBJECT] = request->ccert_subject;
    values[RECORD_VALUE_POLICY_CONTEXT] = request->policy_context;
}

/* Values longer than DECISION_VALUE_MAX lose what is beyond. Returns which, bit by bit. */
static uint32_t cut_values(struct str values[RECORD_VALUES]) {
    size_t lengths = 0; /* Not below the longest. */
    for (unsigned i = 0; i < RECORD_VALUES; i++) {
        lengths |= values[i].length;
    }
    uint32_t cut = 0;
    for (unsigned i = 0; lengths > DECISION_VALUE_MAX && i < RECORD_VALUES; i++) {
        cut |= (uint32_t)(values[i].length > DECISION_VALUE_MAX) << i;
        values[i] = str_slice(values[i], 0, DECISION_VALUE_MAX);
    }
    return cut;
}

/* `present` and `cut` stand before the values; the second only if there is something to say.
 * Returns it. */
static uint32_t put_values(struct record_writer *out, struct str values[RECORD_VALUES]) {
    const uint32_t cut = cut_values(values);
    struct record_writer head = *out;
    uint32_t present = 0;
    out->at += sizeof present + (cut != 0 ? sizeof cut : 0);
    for (unsigned i = 0; i < RECORD_VALUES; i++) {
        if (values[i].length > 0) {
            present |= UINT32_C(1) << i;
            put_str(out, values[i]);
        }
    }
    put_bytes(&head, &present, sizeof present);
    if (cut != 0) {
        put_bytes(&head, &cut, sizeof cut);
    }
    return cut;
}

size_t decision_record_encode(const struct policy_request *request, struct str identity,
                              const struct facts *facts, uint64_t generation, int64_t wall_ns,
                              uint32_t duration_us, const struct decision *decision,
                              unsigned char out[DECISION_RECORD_MAX]) {
    /* No byte is checked for its room below: a record of so many parts has it. */
    CHECK(decision->effect_count <= EFFECTS_MAX && decision->read_count <= READS_MAX &&
          decision->step_count <= STEPS_MAX && decision->event_count <= EVENTS_MAX &&
          decision->text_length <= RULE_TEXT_MAX &&
          (facts->status[FACT_SPF] != FACT_KNOWN ||
           (facts->spf_domain_length <= sizeof facts->spf_domain &&
            facts->spf_mechanism_length <= sizeof facts->spf_mechanism &&
            facts->spf_problem_length <= sizeof facts->spf_problem)) &&
          (facts->status[FACT_RBL] != FACT_KNOWN || facts->rbl_count <= DNSBL_LISTS_MAX));
    struct record_writer writer = {.at = out};
    struct str values[RECORD_VALUES];
    put_head(&writer, decision);
    put_effects(&writer, decision->effects, decision->effect_count);
    put_u8(&writer, decision->verdict);
    put_varint(&writer, decision->policy);
    put_varint(&writer, decision->reason);
    put_varint(&writer, decision->retry_in_s);
    put_bytes(&writer, &generation, sizeof generation);
    put_bytes(&writer, &wall_ns, sizeof wall_ns);
    put_varint(&writer, duration_us);
    put_request_numbers(&writer, request);
    put_facts(&writer, facts);
    put_steps(&writer, decision);
    put_reads(&writer, decision);
    put_events(&writer, decision);
    put_str(&writer, (struct str){decision->text, decision->text_length});
    put_str(&writer, str_slice(request->policy_client, 0, POLICY_CLIENT_MAX));
    gather_values(request, identity, decision, values);
    if (put_values(&writer, values) != 0) {
        out[3] |= RECORD_FLAG_CUT;
    }
    return (size_t)(writer.at - out);
}

size_t effects_record_encode(const struct effect *effects, size_t count, struct str why,
                             unsigned char out[DECISION_RECORD_MAX]) {
    CHECK(count <= EFFECTS_MAX);
    struct record_writer writer = {.at = out};
    const struct str kept = str_slice(why, 0, EFFECTS_WHY_MAX);
    const uint16_t numbers[2] = {(uint16_t)count, (uint16_t)kept.length};
    put_bytes(&writer, &numbers[0], 2);
    put_effects(&writer, effects, count);
    put_bytes(&writer, &numbers[1], 2);
    put_bytes(&writer, kept.data, kept.length);
    return (size_t)(writer.at - out);
}
