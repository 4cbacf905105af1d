/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision_record.h"

#include "policy/record_bytes.h"
#include "policy/record_values.h"

/* Reads `count` packed effects; those of unknown kinds are left out. */
static size_t get_effects(struct record_reader *in, size_t count, struct effect *ret_effects) {
    size_t known = 0;
    for (size_t i = 0; i < count && !in->failed; i++) {
        const unsigned char *bytes = get_bytes(in, EFFECT_BYTES);
        known += bytes != NULL && effect_decode(bytes, &ret_effects[known]);
    }
    return known;
}

static struct ip_address get_address(struct record_reader *in) {
    struct ip_address address = {{0}};
    switch (get_u8(in, 16)) {
    case 0:
        break;
    case 4:
        address.bytes[10] = 0xff;
        address.bytes[11] = 0xff;
        get_value(in, address.bytes + 12, 4);
        break;
    case 16:
        get_value(in, address.bytes, 16);
        break;
    default:
        in->failed = true;
    }
    return address;
}

static void get_request_numbers(struct record_reader *in, struct policy_request *request) {
    request->state = (enum protocol_state)get_u8(in, PROTOCOL_STATE_ENDED);
    request->size = get_varint(in, UINT64_MAX);
    request->recipient_count = (uint32_t)get_varint(in, UINT32_MAX);
    request->server_port = (uint16_t)get_varint(in, UINT16_MAX);
    request->client_address = get_address(in);
}

static uint16_t get_text(struct record_reader *in, char *out, size_t size) {
    const struct str text = get_str(in, size);
    if (text.length > 0) {
        memcpy(out, text.data, text.length);
    }
    return (uint16_t)text.length;
}

static void get_spf(struct record_reader *in, struct facts *facts) {
    facts->spf_result = (uint8_t)get_u8(in, SPF_RESULTS - 1);
    facts->spf_helo_result = (uint8_t)get_u8(in, SPF_RESULTS - 1);
    facts->spf_domain_length = get_text(in, facts->spf_domain, sizeof facts->spf_domain);
    facts->spf_mechanism_length = get_text(in, facts->spf_mechanism, sizeof facts->spf_mechanism);
    facts->spf_problem_length = get_text(in, facts->spf_problem, sizeof facts->spf_problem);
}

static void get_rbl(struct record_reader *in, struct facts *facts) {
    facts->rbl_count = (uint8_t)get_u8(in, DNSBL_LISTS_MAX);
    for (size_t i = 0; i < facts->rbl_count && !in->failed; i++) {
        facts->rbl[i].list = (uint8_t)get_u8(in, UINT8_MAX);
        facts->rbl[i].status = (uint8_t)get_u8(in, DNSBL_STATUSES - 1);
        get_value(in, facts->rbl[i].code, sizeof facts->rbl[i].code);
    }
}

static void get_facts(struct record_reader *in, struct facts *facts) {
    const unsigned bits = get_u8(in, 0x3f);
    facts->at_hand = 0;
    facts->spf_result = SPF_NONE;
    facts->spf_helo_result = SPF_NONE;
    facts->spf_domain_length = 0;
    facts->spf_mechanism_length = 0;
    facts->spf_problem_length = 0;
    facts->rbl_count = 0;
    facts->geo_asn = 0;
    for (unsigned fact = 0; fact < FACTS; fact++) {
        facts->status[fact] = (enum fact_status)(bits >> 2 * fact & 3);
    }
    if (facts->status[FACT_SPF] == FACT_KNOWN) {
        get_spf(in, facts);
    }
    if (facts->status[FACT_RBL] == FACT_KNOWN) {
        get_rbl(in, facts);
    }
    if (facts->status[FACT_GEO] == FACT_KNOWN) {
        get_value(in, facts->geo_country, sizeof facts->geo_country);
        facts->geo_asn = (uint32_t)get_varint(in, UINT32_MAX);
    }
}

/* Policies and reasons of a newer release keep their numbers. */
static void get_steps(struct record_reader *in, struct decision *decision) {
    for (size_t i = 0; i < decision->step_count && !in->failed; i++) {
        const unsigned policy = get_u8(in, UINT8_MAX);
        const unsigned bits = get_u8(in, RECORD_STEP_ALL);
        decision->steps[i] = (struct decision_step){
            .policy = (enum policy_id)policy,
            .mode = (bits & RECORD_STEP_SHADOW) != 0 ? POLICY_MODE_SHADOW : POLICY_MODE_ENFORCE,
            .verdict = (enum verdict)(bits & RECORD_STEP_VERDICT),
            .skipped = (bits & RECORD_STEP_SKIPPED) != 0,
            .reason = (enum reason)get_varint(in, UINT16_MAX),
        };
    }
}

static void get_match(struct record_reader *in, struct list_match *match) {
    match->entry_id = get_varint(in, UINT64_MAX);
    match->type = (enum pattern_type)get_u8(in, PATTERN_TYPES - 1);
    match->kind = (enum pattern_kind)get_u8(in, PATTERN_KIND_PREFIX);
    match->prefix_bits = (uint8_t)get_u8(in, 128);
    match->require = (enum list_proof)get_u8(in, LIST_PROOF_SPF);
    const struct str text = get_str(in, sizeof match->text);
    if (text.length > 0) {
        memcpy(match->text, text.data, text.length);
    }
    match->text_length = (uint16_t)text.length;
}

static void get_entry(struct record_reader *in, struct read *read) {
    if (read->source >= STATE_TABLES) {
        in->failed = true;
        return;
    }
    const enum state_table_id table = (enum state_table_id)read->source;
    if (read->kind == READ_ENTRY && state_has_digest(table)) {
        get_value(in, &read->fingerprint, sizeof read->fingerprint);
        get_value(in, read->entry, state_recorded_bytes(table));
    } else if (read->kind == READ_ENTRY) {
        struct state_entry head = {.last_used_s = 0};
        get_value(in, read->entry, state_recorded_bytes(table));
        if (!in->failed) {
            memcpy(&head, read->entry, sizeof head);
        }
        read->fingerprint = head.key.low;
    } else {
        get_value(in, &read->fingerprint, sizeof read->fingerprint);
    }
}

/* `*slots_seen` has a bit for each list_match_slot() that was read: there is one match for each. */
static void get_list_read(struct record_reader *in, struct read *read, struct decision *decision,
                          unsigned *slots_seen) {
    const unsigned list = read->source & ~(unsigned)LIST_READ_ADDRESS_ONLY;
    if (list >= LISTS) {
        in->failed = true;
        return;
    }
    const size_t slot = list_match_slot(read->source);
    in->failed = in->failed || (*slots_seen & 1u << slot) != 0;
    *slots_seen |= 1u << slot;
    if (read->kind == READ_LIST) {
        get_match(in, &decision->list_matches[slot]);
    }
}

static void get_rule(struct record_reader *in, struct read *read) {
    in->failed = in->failed || read->source >= RULE_KINDS;
    get_value(in, &read->fingerprint, sizeof read->fingerprint);
    get_value(in, read->entry, sizeof read->entry);
}

static void get_events(struct record_reader *in, struct decision *decision) {
    decision->event_count = get_u8(in, EVENTS_MAX);
    for (size_t i = 0; i < decision->event_count && !in->failed; i++) {
        struct decision_event *event = &decision->events[i];
        event->reason = (enum reason)get_varint(in, UINT16_MAX);
        event->rule_id = (uint32_t)get_varint(in, UINT32_MAX);
        event->scope = (uint8_t)get_u8(in, QUOTA_SCOPES - 1);
        event->unit = (uint8_t)get_u8(in, QUOTA_UNITS - 1);
        event->window = (uint8_t)get_u8(in, QUOTA_WINDOWS - 1);
        event->used = get_varint(in, UINT64_MAX);
        event->limit = get_varint(in, UINT64_MAX);
    }
}

static void get_reads(struct record_reader *in, struct decision *decision) {
    unsigned slots_seen = 0;
    for (size_t i = 0; i < decision->read_count && !in->failed; i++) {
        struct read *read = &decision->reads[i];
        const unsigned kind = get_u8(in, READ_RULE);
        read->policy = (uint8_t)get_u8(in, UINT8_MAX);
        read->source = (uint8_t)get_u8(in, UINT8_MAX);
        read->fingerprint = 0;
        if (kind < READ_ENTRY_ABSENT) {
            in->failed = true;
            return;
        }
        read->kind = (enum read_kind)kind;
        if (kind == READ_ENTRY || kind == READ_ENTRY_ABSENT) {
            get_entry(in, read);
        } else if (kind == READ_RULE) {
            get_rule(in, read);
        } else {
            get_list_read(in, read, decision, &slots_seen);
        }
    }
}

static size_t keep(char *room, size_t size, struct str value) {
    const size_t length = value.length < size ? value.length : size;
    if (length > 0) {
        memcpy(room, value.data, length);
    }
    return length;
}

static void spread_values(const struct str values[RECORD_VALUES], struct decision_record *record) {
    struct policy_request *request = &record->request;
    struct decision *decision = &record->decision;
    const struct str reply = values[RECORD_VALUE_REPLY];
    request->sender = values[RECORD_VALUE_SENDER];
    request->recipient = values[RECORD_VALUE_RECIPIENT];
    request->helo_name = values[RECORD_VALUE_HELO_NAME];
    request->client_name = values[RECORD_VALUE_CLIENT_NAME];
    request->sasl_username = values[RECORD_VALUE_SASL_USERNAME];
    record->identity = values[RECORD_VALUE_IDENTITY];
    request->client_address_text = values[RECORD_VALUE_CLIENT_ADDRESS_TEXT];
    request->instance = values[RECORD_VALUE_INSTANCE];
    request->queue_id = values[RECORD_VALUE_QUEUE_ID];
    request->reverse_client_name = values[RECORD_VALUE_REVERSE_CLIENT_NAME];
    request->server_address = values[RECORD_VALUE_SERVER_ADDRESS];
    request->sasl_method = values[RECORD_VALUE_SASL_METHOD];
    request->sasl_sender = values[RECORD_VALUE_SASL_SENDER];
    request->encryption_protocol = values[RECORD_VALUE_ENCRYPTION_PROTOCOL];
    request->ccert_subject = values[RECORD_VALUE_CCERT_SUBJECT];
    request->policy_context = values[RECORD_VALUE_POLICY_CONTEXT];
    decision->rule_length =
        (uint16_t)keep(decision->rule, sizeof decision->rule, values[RECORD_VALUE_RULE]);
    decision->reply_length = (uint16_t)keep(decision->reply, sizeof decision->reply,
                                            reply.length > 0 ? reply : RECORD_DUNNO);
}

static void get_values(struct record_reader *in, bool has_cut, struct decision_record *record) {
    struct str values[RECORD_VALUES];
    uint32_t present = 0;
    record->cut_values = 0;
    get_value(in, &present, sizeof present);
    if (has_cut) {
        get_value(in, &record->cut_values, sizeof record->cut_values);
    }
    in->failed = in->failed || present >> RECORD_VALUES != 0;
    for (unsigned i = 0; i < RECORD_VALUES; i++) {
        values[i] =
            (present >> i & 1) != 0 ? get_str(in, DECISION_VALUE_MAX) : (struct str){NULL, 0};
    }
    if (!in->failed) {
        spread_values(values, record);
    }
}

bool decision_record_decode(const unsigned char *body, size_t length, unsigned version,
                            struct decision_record *ret_record) {
    struct record_reader in = {.at = body, .end = body + length};
    struct decision *decision = &ret_record->decision;
    const unsigned effects = get_u8(&in, EFFECTS_MAX);
    decision->read_count = get_u8(&in, READS_MAX);
    decision->step_count = get_u8(&in, STEPS_MAX);
    const unsigned flags = get_u8(&in, RECORD_FLAGS_ALL);
    if (in.failed || version != DECISION_RECORD_VERSION) {
        return false;
    }
    decision->direction =
        (flags & RECORD_FLAG_OUTBOUND) != 0 ? DIRECTION_OUTBOUND : DIRECTION_INBOUND;
    decision->effect_count = get_effects(&in, effects, decision->effects);
    decision->verdict = (enum verdict)get_u8(&in, VERDICTS - 1);
    decision->policy = (enum policy_id)get_varint(&in, UINT16_MAX);
    decision->reason = (enum reason)get_varint(&in, UINT16_MAX);
    decision->retry_in_s = (uint32_t)get_varint(&in, UINT32_MAX);
    decision->facts_wanted = 0;
    decision->facts_asked = 0;
    get_value(&in, &ret_record->generation, sizeof ret_record->generation);
    get_value(&in, &ret_record->wall_ns, sizeof ret_record->wall_ns);
    ret_record->duration_us = (uint32_t)get_varint(&in, UINT32_MAX);
    get_request_numbers(&in, &ret_record->request);
    get_facts(&in, &ret_record->facts);
    get_steps(&in, decision);
    get_reads(&in, decision);
    get_events(&in, decision);
    const struct str text = get_str(&in, sizeof decision->text);
    decision->text_length = (uint16_t)keep(decision->text, sizeof decision->text, text);
    ret_record->request.policy_client = get_str(&in, POLICY_CLIENT_MAX);
    get_values(&in, (flags & RECORD_FLAG_CUT) != 0, ret_record);
    return !in.failed && in.at == in.end;
}

static size_t apply_packed(struct state *state, struct record_reader *in, size_t count,
                           uint64_t sequence, const struct record_filter *filter,
                           uint64_t *ret_unknown) {
    size_t applied = 0;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *bytes = get_bytes(in, EFFECT_BYTES);
        struct effect effect;
        if (bytes == NULL) {
            break;
        }
        if (!effect_decode(bytes, &effect)) {
            (*ret_unknown)++;
            continue;
        }
        const enum state_table_id table = effect_table(effect.kind);
        const size_t group = state_group_of(&state->tables[table], effect.key);
        if (filter == NULL || filter->wanted(filter->context, table, group, sequence)) {
            effect_apply(state, &effect, sequence);
            applied++;
        }
    }
    return applied;
}

size_t record_apply_effects(struct state *state, enum record_type type, unsigned version,
                            const unsigned char *body, size_t length, uint64_t sequence,
                            const struct record_filter *filter, uint64_t *ret_unknown) {
    struct record_reader in = {.at = body, .end = body + length};
    uint16_t count = 0;
    /* The effects of version 1 stand where those of version 2 do. */
    if (version == 0 || version > DECISION_RECORD_VERSION) {
        return 0;
    }
    if (type == RECORD_DECISION) {
        count = (uint16_t)get_u8(&in, EFFECTS_MAX);
        (void)get_bytes(&in, RECORD_HEAD_BYTES - 1);
    } else if (type == RECORD_EFFECTS) {
        get_value(&in, &count, sizeof count);
    }
    return apply_packed(state, &in, count, sequence, filter, ret_unknown);
}

bool effects_record_decode(const unsigned char *body, size_t length, struct effect *ret_effects,
                           size_t *ret_count, struct str *ret_why) {
    struct record_reader in = {.at = body, .end = body + length};
    uint16_t count = 0;
    uint16_t why_length = 0;
    get_value(&in, &count, sizeof count);
    if (count > EFFECTS_MAX) {
        return false;
    }
    *ret_count = get_effects(&in, count, ret_effects);
    get_value(&in, &why_length, sizeof why_length);
    const unsigned char *why = get_bytes(&in, why_length);
    *ret_why = (struct str){(const char *)why, why != NULL ? why_length : 0};
    return !in.failed && in.at == in.end;
}
