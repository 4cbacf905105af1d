/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_run.h"

#include <string.h>

#include "base/check.h"

struct str decision_value(struct str value) {
    return str_slice(value, 0, DECISION_VALUE_MAX);
}

static struct str filled(const struct text *text) {
    return (struct str){text->data, text->length};
}

struct str policy_run_sender(struct policy_run *run) {
    if (run->sender.data == NULL) {
        struct text out = TEXT_OVER(run->sender_room);
        mail_address_normalise(decision_value(run->request->sender), &out);
        run->sender = filled(&out);
    }
    return run->sender;
}

struct str policy_run_recipient(struct policy_run *run) {
    if (run->recipient.data == NULL) {
        struct text out = TEXT_OVER(run->recipient_room);
        mail_address_normalise(decision_value(run->request->recipient), &out);
        run->recipient = filled(&out);
    }
    return run->recipient;
}

struct str policy_run_client_name(struct policy_run *run) {
    if (run->client_name.data == NULL) {
        struct text out = TEXT_OVER(run->client_name_room);
        const struct str name = decision_value(run->request->client_name);
        /* What Postfix says when the name does not lead back to the address. */
        if (!str_equal_nocase(name, STR("unknown"))) {
            mail_domain_normalise(name, &out);
        }
        run->client_name = filled(&out);
    }
    return run->client_name;
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

static struct read *new_read(struct policy_run *run, uint8_t source, uint64_t fingerprint) {
    struct decision *decision = run->decision;
    CHECK(decision->read_count < READS_MAX);
    struct read *read = &decision->reads[decision->read_count++];
    read->policy = (uint8_t)run->policy;
    read->source = source;
    read->fingerprint = fingerprint;
    return read;
}

/* The same read in the record that is run again, or NULL when it did not read that. */
static const struct read *recorded_read(const struct policy_run *run, bool of_list, uint8_t source,
                                        uint64_t fingerprint) {
    const struct decision *recorded = run->source->recorded;
    for (size_t i = 0; i < recorded->read_count; i++) {
        const struct read *read = &recorded->reads[i];
        const bool is_list = read->kind == READ_LIST || read->kind == READ_LIST_ABSENT;
        if (is_list == of_list && read->source == source && read->fingerprint == fingerprint) {
            return read;
        }
    }
    if (run->source->ret_unknown != NULL) {
        *run->source->ret_unknown = true;
    }
    return NULL;
}

const void *decision_read_entry(struct policy_run *run, enum state_table_id table,
                                struct hash128 key) {
    struct read *read = new_read(run, (uint8_t)table, key.low);
    const void *entry = NULL;
    if (run->source->recorded == NULL) {
        entry = state_find(run->source->state, table, key);
    } else {
        const struct read *recorded = recorded_read(run, false, (uint8_t)table, key.low);
        if (recorded != NULL && recorded->kind == READ_ENTRY) {
            entry = recorded->entry;
        }
    }
    if (entry == NULL) {
        read->kind = READ_ENTRY_ABSENT;
        return NULL;
    }
    read->kind = READ_ENTRY;
    memcpy(read->entry, entry, state_entry_bytes(table));
    return read->entry;
}

static bool lists_hit(struct policy_run *run, enum list_id list) {
    const struct list_view *view = run->source->lists;
    if (!run->lists_asked) {
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
        run->list_hits = list_view_hits(view, &query);
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
    if (run->source->recorded == NULL) {
        found = find_live(run, list, part, spf_pass, match);
    } else {
        const struct read *recorded = recorded_read(run, true, source, 0);
        found = recorded != NULL && recorded->kind == READ_LIST;
        if (found) {
            *match = run->source->recorded->list_matches[slot];
        }
    }
    read->kind = found ? READ_LIST : READ_LIST_ABSENT;
    return found ? match : NULL;
}

void decision_add_effect(struct policy_run *run, struct effect effect) {
    struct decision *decision = run->decision;
    CHECK(decision->effect_count < EFFECTS_MAX);
    decision->effects[decision->effect_count++] = effect;
}
