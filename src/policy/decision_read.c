/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_run.h"

#include <string.h>

#include "base/check.h"
#include "policy/decision_ahead.h"

struct str decision_value(struct str value) {
    return str_slice(value, 0, DECISION_VALUE_MAX);
}

static struct str filled(const struct text *text) {
    return (struct str){text->data, text->length};
}

/* Data NULL: it was not made ahead. */
static struct str made_ahead(const struct decision_ahead *ahead, struct ahead_name name) {
    return name.known ? (struct str){ahead->names + name.start, name.length}
                      : (struct str){NULL, 0};
}

struct str policy_run_sender(struct policy_run *run) {
    const struct decision_ahead *ahead = run->source->ahead;
    if (run->sender.data == NULL && ahead != NULL) {
        run->sender = made_ahead(ahead, ahead->sender);
    }
    if (run->sender.data == NULL) {
        struct text out = TEXT_OVER(run->sender_room);
        mail_address_normalise(decision_value(run->request->sender), &out);
        run->sender = filled(&out);
    }
    return run->sender;
}

struct str policy_run_recipient(struct policy_run *run) {
    const struct decision_ahead *ahead = run->source->ahead;
    if (run->recipient.data == NULL && ahead != NULL) {
        run->recipient = made_ahead(ahead, ahead->recipient);
    }
    if (run->recipient.data == NULL) {
        struct text out = TEXT_OVER(run->recipient_room);
        mail_address_normalise(decision_value(run->request->recipient), &out);
        run->recipient = filled(&out);
    }
    return run->recipient;
}

void decision_client_name(const struct policy_request *request, struct text *out) {
    const struct str name = decision_value(request->client_name);
    /* What Postfix says when the name does not lead back to the address. */
    if (!str_equal_nocase(name, STR("unknown"))) {
        mail_domain_normalise(name, out);
    }
}

struct str policy_run_client_name(struct policy_run *run) {
    if (run->client_name.data == NULL) {
        struct text out = TEXT_OVER(run->client_name_room);
        decision_client_name(run->request, &out);
        run->client_name = filled(&out);
    }
    return run->client_name;
}

struct str policy_run_identity(struct policy_run *run) {
    const struct decision_ahead *ahead = run->source->ahead;
    if (run->identity.data == NULL && ahead != NULL) {
        run->identity = made_ahead(ahead, ahead->identity);
    }
    if (run->identity.data == NULL) {
        struct text out = TEXT_OVER(run->identity_room);
        mail_recipient_normalise_for_greylisting(
            decision_value(decision_identity(run->settings, run->request)), &out);
        run->identity = filled(&out);
    }
    return run->identity;
}

struct hash128 policy_run_network_key(struct policy_run *run) {
    if (!run->network_key_known) {
        const struct decision_ahead *ahead = run->source->ahead;
        run->network_key =
            ahead != NULL && ahead->network_known
                ? ahead->network
                : state_network_key(&run->source->state->key, run->request->client_address);
        run->network_key_known = true;
    }
    return run->network_key;
}

struct hash128 decision_once_key(const struct sip_key *key, const struct policy_request *request,
                                 struct str what, struct str which) {
    const struct str parts[] = {request->policy_client, decision_value(request->instance), what,
                                which};
    return state_key(key, STATE_ONCE, parts, sizeof parts / sizeof parts[0]);
}

struct hash128 policy_run_once_key(const struct policy_run *run, struct str what,
                                   struct str which) {
    return decision_once_key(&run->source->state->key, run->request, what, which);
}

/* A service of Postfix is told by its host and port. */
static struct hash128 make_end_of_data_key(const struct policy_run *run) {
    char room[8];
    struct text port = TEXT_OVER(room);
    text_add_u64(&port, run->request->server_port);
    const struct str parts[] = {STR("end of data"), run->request->policy_client, text_str(&port)};
    return state_key(&run->source->state->key, STATE_ONCE, parts, sizeof parts / sizeof parts[0]);
}

static struct hash128 end_of_data_key(const struct policy_run *run) {
    struct decision_memo *memo = run->source->memo;
    const struct str client = run->request->policy_client;
    if (memo == NULL) {
        return make_end_of_data_key(run);
    }
    CHECK(client.length <= sizeof memo->policy_client);
    if (!memo->known || memo->server_port != run->request->server_port ||
        !str_equal((struct str){memo->policy_client, memo->policy_client_length}, client)) {
        memo->end_of_data = make_end_of_data_key(run);
        memo->server_port = run->request->server_port;
        memo->policy_client_length = (uint8_t)client.length;
        if (client.length > 0) {
            memcpy(memo->policy_client, client.data, client.length);
        }
        memo->known = true;
    }
    return memo->end_of_data;
}

enum { END_OF_DATA_TTL_S = 35 * 86400, END_OF_DATA_REFRESH_S = 86400 };

bool policy_run_sees_end_of_data(struct policy_run *run) {
    switch (run->settings->quotas.end_of_data_hook) {
    case END_OF_DATA_ON:
        return true;
    case END_OF_DATA_OFF:
        return false;
    case END_OF_DATA_AUTO:
        break;
    }
    const struct once_entry *seen = decision_read_entry(run, STATE_ONCE, end_of_data_key(run));
    return seen != NULL && seen->head.expires_s > run->now_s;
}

void policy_run_note_end_of_data(struct policy_run *run) {
    const struct hash128 key = end_of_data_key(run);
    const struct once_entry *seen = decision_read_entry(run, STATE_ONCE, key);
    if (seen != NULL && seen->head.expires_s > run->now_s &&
        run->now_s - seen->head.last_used_s < END_OF_DATA_REFRESH_S) {
        return;
    }
    decision_add_effect(run, (struct effect){
                                 .kind = EFFECT_ONCE,
                                 .key = key,
                                 .time_s = run->now_s,
                                 .expires_s = run->now_s + END_OF_DATA_TTL_S,
                             });
}

bool policy_run_fact(struct policy_run *run, enum fact_id fact) {
    enum fact_status *status = &run->facts->status[fact];
    run->decision->facts_asked |= UINT32_C(1) << fact;
    if (*status == FACT_UNASKED || *status == FACT_WANTED) {
        *status = FACT_WANTED;
        run->decision->facts_wanted |= UINT32_C(1) << fact;
    }
    return *status == FACT_KNOWN;
}

bool policy_run_spf_pass(struct policy_run *run) {
    const struct facts *facts = run->facts;
    if (facts->status[FACT_SPF] != FACT_KNOWN || facts->spf_result != SPF_PASS) {
        return false;
    }
    const struct str sender = policy_run_sender(run);
    const size_t at = str_find_last(sender, '@');
    return at != SIZE_MAX && str_equal(str_slice(sender, at + 1, sender.length),
                                       (struct str){facts->spf_domain, facts->spf_domain_length});
}

size_t list_match_slot(uint8_t source) {
    if ((source & LIST_READ_ADDRESS_ONLY) != 0) {
        return LISTS;
    }
    CHECK(source < LISTS);
    return source;
}

static uint64_t fingerprint_bit(uint64_t fingerprint) {
    return UINT64_C(1) << (fingerprint & 63);
}

static struct read *new_read(struct policy_run *run, uint8_t source, uint64_t fingerprint) {
    struct decision *decision = run->decision;
    CHECK(decision->read_count < READS_MAX);
    struct read *read = &decision->reads[decision->read_count++];
    read->policy = (uint8_t)run->policy;
    read->source = source;
    read->fingerprint = fingerprint;
    run->fingerprints |= fingerprint_bit(fingerprint);
    return read;
}

/* Entries, lists and rules count their sources each for themselves. */
enum read_class { READ_CLASS_ENTRY = 0, READ_CLASS_LIST, READ_CLASS_RULE };

static enum read_class class_of(enum read_kind kind) {
    switch (kind) {
    case READ_LIST_ABSENT:
    case READ_LIST:
        return READ_CLASS_LIST;
    case READ_RULE:
        return READ_CLASS_RULE;
    case READ_ENTRY_ABSENT:
    case READ_ENTRY:
        break;
    }
    return READ_CLASS_ENTRY;
}

static const struct read *find_read(const struct decision *decision, enum read_class class,
                                    uint8_t source, uint64_t fingerprint) {
    for (size_t i = 0; i < decision->read_count; i++) {
        const struct read *read = &decision->reads[i];
        /* The fingerprint tells nearly all others apart. */
        if (read->fingerprint == fingerprint && read->source == source &&
            class_of(read->kind) == class) {
            return read;
        }
    }
    return NULL;
}

/* The same read in the record that is run again, or NULL when it did not read that. */
static const struct read *recorded_read(const struct policy_run *run, enum read_class class,
                                        uint8_t source, uint64_t fingerprint) {
    const struct read *read = find_read(run->source->recorded, class, source, fingerprint);
    if (read == NULL && run->source->ret_unknown != NULL) {
        *run->source->ret_unknown = true;
    }
    return read;
}

/* What the live state has, or of a replay the simulated one. */
static bool fetch_live(const struct policy_run *run, enum state_table_id table, struct hash128 key,
                       decision_digest *digest, void *ret_entry) {
    const void *entry = state_find(run->source->state, table, key);
    if (entry == NULL) {
        return false;
    }
    if (digest != NULL) {
        digest(entry, run->now_s, ret_entry);
    } else {
        memcpy(ret_entry, entry, state_entry_bytes(table));
    }
    return true;
}

/* Fills the noted entry; false: absent. */
static bool fetch_entry(const struct policy_run *run, enum state_table_id table, struct hash128 key,
                        decision_digest *digest, void *ret_entry) {
    const struct decision_source *source = run->source;
    if (source->recorded == NULL) {
        return fetch_live(run, table, key, digest, ret_entry);
    }
    if ((source->live_first & 1u << table) != 0 && fetch_live(run, table, key, digest, ret_entry)) {
        return true;
    }
    const struct read *recorded =
        source->live_absent_entries
            ? find_read(source->recorded, READ_CLASS_ENTRY, (uint8_t)table, key.low)
            : recorded_read(run, READ_CLASS_ENTRY, (uint8_t)table, key.low);
    if (recorded == NULL) {
        return source->live_absent_entries && fetch_live(run, table, key, digest, ret_entry);
    }
    if (recorded->kind == READ_ENTRY) {
        memcpy(ret_entry, recorded->entry, state_recorded_bytes(table));
    }
    return recorded->kind == READ_ENTRY;
}

static const void *read_entry(struct policy_run *run, enum state_table_id table, struct hash128 key,
                              decision_digest *digest) {
    CHECK(state_has_digest(table) == (digest != NULL));
    /* As a rule it is the first time: then no earlier read is looked at. */
    const struct read *before =
        (run->fingerprints & fingerprint_bit(key.low)) != 0
            ? find_read(run->decision, READ_CLASS_ENTRY, (uint8_t)table, key.low)
            : NULL;
    if (before != NULL) {
        return before->kind == READ_ENTRY ? before->entry : NULL;
    }
    struct read *read = new_read(run, (uint8_t)table, key.low);
    const bool found = fetch_entry(run, table, key, digest, read->entry);
    read->kind = found ? READ_ENTRY : READ_ENTRY_ABSENT;
    return found ? read->entry : NULL;
}

const void *decision_read_entry(struct policy_run *run, enum state_table_id table,
                                struct hash128 key) {
    return read_entry(run, table, key, NULL);
}

const void *decision_read_digest(struct policy_run *run, enum state_table_id table,
                                 struct hash128 key, decision_digest *digest) {
    return read_entry(run, table, key, digest);
}

/* --- rules --------------------------------------------------------------------------------------
 */

void policy_run_name_rule(struct policy_run *run, enum rule_kind kind, uint32_t id,
                          struct str subject, struct str text) {
    struct text name = TEXT_OVER(run->rule_name_room);
    text_add(&name, str_from(rule_kind_name(kind)));
    text_add_byte(&name, ':');
    text_add_u64(&name, id);
    text_add_byte(&name, ' ');
    text_add(&name, subject);
    run->rule_name = filled(&name);
    struct text own = TEXT_OVER(run->rule_text_room);
    text_add(&own, text);
    run->rule_text = filled(&own);
}

bool policy_run_rules_live(const struct policy_run *run) {
    return run->source->recorded == NULL || run->source->live_rules;
}

const void *decision_read_rule(struct policy_run *run, enum rule_kind kind, uint64_t fingerprint,
                               decision_find_rule *find, const void *query) {
    const struct decision_source *source = run->source;
    const void *answer = NULL;
    unsigned char found[STATE_ENTRY_MAX] = {0};
    run->rule_name = (struct str){NULL, 0};
    run->rule_text = (struct str){NULL, 0};
    if (policy_run_rules_live(run)) {
        if (source->rules != NULL && find(run, query, found)) {
            answer = found;
        }
    } else {
        /* Texts are kept only of the rule that decided: nobody asks for those of another. */
        const struct decision *recorded = source->recorded;
        const struct read *read = find_read(recorded, READ_CLASS_RULE, (uint8_t)kind, fingerprint);
        answer = read != NULL ? read->entry : NULL;
        run->rule_name = (struct str){recorded->rule, recorded->rule_length};
        run->rule_text = (struct str){recorded->text, recorded->text_length};
    }
    if (answer == NULL) {
        return NULL;
    }
    struct read *read = new_read(run, (uint8_t)kind, fingerprint);
    read->kind = READ_RULE;
    memcpy(read->entry, answer, sizeof read->entry);
    return read->entry;
}

/* True when the look ahead has found that no list speaks of the request. */
static bool no_list_hits(const struct policy_run *run) {
    const struct decision_ahead *ahead = run->source->ahead;
    return ahead != NULL && ahead->lists_known &&
           !list_view_may_hit(run->source->lists, &ahead->lists);
}

/* As decision_look_ahead() asks. */
static unsigned find_list_hits(struct policy_run *run) {
    const struct list_view *view = run->source->lists;
    struct list_query query = {
        .sender = policy_run_sender(run),
        .client_address = run->request->client_address,
    };
    if (list_view_reads(view, PATTERN_RECIPIENT)) {
        query.recipient = policy_run_recipient(run);
    }
    if (list_view_reads(view, PATTERN_CLIENT)) {
        query.client_name = policy_run_client_name(run);
    }
    return list_view_hits(view, &query);
}

static bool lists_hit(struct policy_run *run, enum list_id list) {
    if (!run->lists_asked) {
        run->list_hits = no_list_hits(run) ? 0 : find_list_hits(run);
        run->lists_asked = true;
    }
    return (run->list_hits & 1u << list) != 0;
}

static bool find_live(struct policy_run *run, enum list_id list, enum list_part part, bool spf_pass,
                      struct list_match *ret_match) {
    const struct list_view *view = run->source->lists;
    if (view == NULL || !list_view_has(view, list) || !lists_hit(run, list)) {
        return false;
    }
    struct list_query query = {
        .client_address = run->request->client_address,
        .client_name = policy_run_client_name(run),
        .direction = run->decision->direction,
        .now_s = run->now_s,
        .spf_pass = spf_pass,
    };
    if (part == LIST_PART_ALL) {
        query.sender = policy_run_sender(run);
    }
    if (list == LIST_GREYLIST_EXEMPT) {
        query.recipient = policy_run_recipient(run);
    }
    return list_find(view, list, &query, ret_match);
}

const struct list_match *decision_read_list(struct policy_run *run, enum list_id list,
                                            enum list_part part, bool spf_pass) {
    const uint8_t source =
        (uint8_t)(part == LIST_PART_ADDRESS ? (unsigned)list | LIST_READ_ADDRESS_ONLY
                                            : (unsigned)list);
    const size_t slot = list_match_slot(source);
    struct list_match *match = &run->decision->list_matches[slot];
    struct read *read = new_read(run, source, 0);
    bool found = false;
    if (run->source->recorded == NULL || run->source->live_lists) {
        found = find_live(run, list, part, spf_pass, match);
    } else {
        const struct read *recorded = recorded_read(run, READ_CLASS_LIST, source, 0);
        found = recorded != NULL && recorded->kind == READ_LIST;
        if (found) {
            *match = run->source->recorded->list_matches[slot];
        }
    }
    read->kind = found ? READ_LIST : READ_LIST_ABSENT;
    return found ? match : NULL;
}

const struct list_match *decision_read_reputation_allow(struct policy_run *run) {
    const struct decision_source *source = run->source;
    const enum list_id list = LIST_REPUTATION_ALLOW;
    struct list_match *match = &run->decision->list_matches[list_match_slot(list)];
    bool found;
    if (source->recorded == NULL || source->live_lists) {
        found = find_live(run, list, LIST_PART_ADDRESS, false, match);
    } else {
        const struct read *recorded = find_read(source->recorded, READ_CLASS_LIST, list, 0);
        found = recorded != NULL && recorded->kind == READ_LIST;
        if (found) {
            *match = source->recorded->list_matches[list_match_slot(list)];
        }
    }
    if (!found) {
        return NULL;
    }
    new_read(run, list, 0)->kind = READ_LIST;
    return match;
}

void decision_add_effect(struct policy_run *run, struct effect effect) {
    struct decision *decision = run->decision;
    CHECK(decision->effect_count < EFFECTS_MAX);
    decision->effects[decision->effect_count++] = effect;
}

void decision_add_event(struct policy_run *run, struct decision_event event) {
    struct decision *decision = run->decision;
    if (decision->event_count < EVENTS_MAX) {
        decision->events[decision->event_count++] = event;
    }
}
