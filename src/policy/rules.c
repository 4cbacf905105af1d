/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rules_rows.h"

#include "base/check.h"

const char *rule_kind_name(enum rule_kind kind) {
    static const char *const names[RULE_KINDS] = {
        [RULE_NONE] = "none",
        [RULE_QUOTA] = "quota",
        [RULE_RESTRICTION] = "restriction",
        [RULE_IDENTITY] = "identity",
    };
    CHECK(kind < RULE_KINDS);
    return names[kind];
}

size_t rules_count(const struct rules *rules, enum rule_kind kind) {
    CHECK(kind < RULE_KINDS);
    return rules != NULL ? rules->counts[kind] : 0;
}

size_t rules_bytes(const struct rules *rules) {
    return rules != NULL ? rules->bytes : 0;
}

void rules_free(struct rules *rules) {
    if (rules != NULL) {
        const struct list_memory memory = rules->memory;
        memory.release(memory.context, rules);
    }
}

struct rule_search rule_search_begin(const struct rules *rules, enum rule_key key, unsigned unit,
                                     struct str text) {
    const uint64_t hash = rule_entry_hash(key, unit, text);
    return (struct rule_search){
        .rules = rules,
        .key = key,
        .unit = unit,
        .text = text,
        .hash = hash,
        .at = hash & (rules->entry_slot_count - 1),
    };
}

static bool has_key(const struct rule_search *search, const struct rule_entry *entry) {
    enum rule_key key = (enum rule_key)entry->key;
    struct str text = {search->rules->pool + entry->key_at, entry->key_length};
    if (search->key == RULE_KEY_SENDER_NAME && key == RULE_KEY_SENDER_ADDRESS) {
        key = RULE_KEY_SENDER_NAME;
        text = str_slice(text, 0, str_find_last(text, '@'));
    }
    return key == search->key && entry->unit == search->unit && str_equal(text, search->text);
}

const struct rule_entry *rule_search_next(struct rule_search *search) {
    const struct rules *rules = search->rules;
    for (;;) {
        const struct rule_slot slot = rules->entry_slots[search->at];
        if (slot.number == 0) {
            return NULL;
        }
        search->at = (search->at + 1) & (rules->entry_slot_count - 1);
        if (slot.tag == (uint32_t)(search->hash >> 32)) {
            const struct rule_entry *entry = &rules->entries[slot.number - 1];
            if (has_key(search, entry)) {
                return entry;
            }
        }
    }
}
