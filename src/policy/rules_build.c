/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "mail/mail_address.h"
#include "policy/rules_rows.h"

/* Twice over the rows: once to measure, once to fill one block that is exactly large enough. */

/* Room for one row in canonical form. */
struct scratch {
    char subject_room[RULE_SUBJECT_MAX];
    char value_room[RULE_VALUE_MAX];
    struct str subject;
    struct str value;
};

static bool make_canonical(const struct rule_row *row, struct scratch *scratch) {
    char sentence[256];
    struct text problem = TEXT_OVER(sentence);
    struct text subject = TEXT_OVER(scratch->subject_room);
    struct text value = TEXT_OVER(scratch->value_room);
    if (rule_check(row, &subject, &value, &problem) != NULL) {
        return false;
    }
    scratch->subject = text_str(&subject);
    scratch->value = text_str(&value);
    return true;
}

struct needs {
    size_t entries;
    size_t slots_used;
    size_t line_slots;
    size_t pool;
};

/* A table at most half full, of which one slot is always empty. */
static size_t slots_for(size_t used) {
    size_t count = 2;
    while (count < 2 * used) {
        count *= 2;
    }
    return count;
}

enum { NETWORK_BYTES = 16 };

static unsigned count_lines(struct str value) {
    struct str line;
    unsigned number = 0;
    while (rule_next_line(&value, &line, &number)) {
    }
    return number;
}

static void measure(const struct rule_row *row, const struct scratch *scratch,
                    struct needs *needs) {
    needs->entries++;
    needs->slots_used += row->kind == RULE_RESTRICTION ? 2 : 1;
    needs->pool += scratch->subject.length + row->text.length + NETWORK_BYTES;
    if (row->kind != RULE_QUOTA && scratch->value.length > 0) {
        const unsigned lines = count_lines(scratch->value);
        needs->line_slots += slots_for(lines);
        needs->pool += scratch->value.length + lines * sizeof(struct rule_line);
    }
}

static uint32_t keep(struct rules *rules, struct str text) {
    const size_t at = rules->pool_length;
    if (text.length > 0) {
        memcpy(rules->pool + at, text.data, text.length);
    }
    rules->pool_length += text.length;
    return (uint32_t)at;
}

static void enter(struct rule_slot *slots, size_t slot_count, uint64_t hash, uint32_t number) {
    size_t at = hash & (slot_count - 1);
    while (slots[at].number != 0) {
        at = (at + 1) & (slot_count - 1);
    }
    slots[at] = (struct rule_slot){(uint32_t)(hash >> 32), number};
}

/* The pattern that a canonical line or sender is. */
static enum rule_line_kind split_pattern(struct str text, struct str *ret_text) {
    if (str_starts(text, STR("*@*."))) {
        *ret_text = str_slice(text, 4, text.length);
        return RULE_LINE_BELOW;
    }
    if (str_starts(text, STR("*@"))) {
        *ret_text = str_slice(text, 2, text.length);
        return RULE_LINE_DOMAIN;
    }
    *ret_text = str_equal(text, STR("<>")) ? str_slice(text, 0, 0) : text;
    return RULE_LINE_ADDRESS;
}

static enum rule_key sender_key(struct str subject, struct str *ret_text) {
    static const enum rule_key keys[] = {
        [RULE_LINE_ADDRESS] = RULE_KEY_SENDER_ADDRESS,
        [RULE_LINE_DOMAIN] = RULE_KEY_SENDER_DOMAIN,
        [RULE_LINE_BELOW] = RULE_KEY_SENDER_BELOW,
    };
    const enum rule_line_kind kind = split_pattern(subject, ret_text);
    if (kind == RULE_LINE_ADDRESS && str_ends(subject, STR("@*"))) {
        *ret_text = str_slice(subject, 0, subject.length - 2);
        return RULE_KEY_SENDER_LOCAL_PART;
    }
    return keys[kind];
}

static enum rule_key quota_key(const struct quota_rule *rule, struct str *ret_text) {
    const bool all = str_equal(rule->name, STR("*"));
    *ret_text = all ? str_slice(rule->name, 0, 0) : rule->name;
    switch (rule->scope) {
    case QUOTA_USER:
        if (str_starts(rule->name, STR("*@"))) {
            *ret_text = str_slice(rule->name, 2, rule->name.length);
            return RULE_KEY_USER_DOMAIN;
        }
        return all ? RULE_KEY_USER_ALL : RULE_KEY_USER;
    case QUOTA_DOMAIN:
        return RULE_KEY_DOMAIN;
    case QUOTA_IP:
        return all ? RULE_KEY_IP_ALL : RULE_KEY_IP;
    case QUOTA_GLOBAL:
    case QUOTA_SCOPES:
        break;
    }
    return RULE_KEY_GLOBAL;
}

static void add_lines(struct rules *rules, struct rule_entry *entry, struct str value) {
    struct str line;
    struct str text;
    unsigned number = 0;
    if (value.length == 0) {
        return;
    }
    entry->line_slots_at = (uint32_t)rules->line_slot_count;
    entry->line_slot_count = (uint32_t)slots_for(count_lines(value));
    rules->line_slot_count += entry->line_slot_count;
    while (rule_next_line(&value, &line, &number)) {
        const enum rule_line_kind kind = split_pattern(line, &text);
        const struct rule_line head = {(uint16_t)text.length, (uint16_t)kind};
        const uint32_t at = keep(rules, (struct str){(const char *)&head, sizeof head});
        (void)keep(rules, text);
        enter(rules->line_slots + entry->line_slots_at, entry->line_slot_count,
              rule_line_hash(kind, text), at);
    }
}

/* Fills what only a limit has. `name` is inside the scratch, `network` is room for its bytes. */
static struct str set_limit(struct rules *rules, struct rule_entry *entry,
                            const struct scratch *scratch, struct ip_address *network) {
    struct quota_rule quota;
    struct str text;
    const bool parsed = quota_rule_parse(scratch->subject, scratch->value, &quota);
    CHECK(parsed);
    entry->key = (uint8_t)quota_key(&quota, &text);
    entry->unit = (uint8_t)quota.unit;
    entry->window = (uint8_t)quota.window;
    entry->limit = quota.limit;
    rules->pairs |= quota_pair_bit(quota.scope, quota.unit);
    if (rule_is_of_all((enum rule_key)entry->key)) {
        uint32_t *last = &rules->of_all[quota.scope][quota.unit][quota.window];
        entry->older = *last;
        *last = (uint32_t)rules->entry_count;
    }
    if (entry->key == RULE_KEY_IP) {
        const bool is_network = rule_parse_network(quota.name, network);
        CHECK(is_network);
        text = (struct str){(const char *)network->bytes, NETWORK_BYTES};
    }
    return text;
}

static void enter_entry(struct rules *rules, enum rule_key key, unsigned unit, struct str text,
                        size_t number) {
    enter(rules->entry_slots, rules->entry_slot_count, rule_entry_hash(key, unit, text),
          (uint32_t)number + 1);
    rules->present |= UINT32_C(1) << key;
}

/* What is looked up, inside the scratch; `network` is room for the bytes of one. */
static struct str set_key(struct rules *rules, struct rule_entry *entry, enum rule_kind kind,
                          const struct scratch *scratch, struct ip_address *network) {
    struct str key = scratch->subject;
    if (kind == RULE_QUOTA) {
        return set_limit(rules, entry, scratch, network);
    }
    entry->key = (uint8_t)(kind == RULE_RESTRICTION ? sender_key(scratch->subject, &key)
                                                    : RULE_KEY_IDENTITY);
    return key;
}

static void add_row(struct rules *rules, const struct rule_row *row,
                    const struct scratch *scratch) {
    const size_t number = rules->entry_count++;
    struct rule_entry *entry = &rules->entries[number];
    struct ip_address network;
    *entry = (struct rule_entry){
        .id = (uint32_t)row->id,
        .expires_s = row->expires_s,
        .subject_at = keep(rules, scratch->subject),
        .subject_length = (uint16_t)scratch->subject.length,
        .text_length = (uint8_t)row->text.length,
    };
    (void)keep(rules, row->text);
    const struct str key = set_key(rules, entry, row->kind, scratch, &network);
    entry->key_length = (uint16_t)key.length;
    entry->key_at = entry->key == RULE_KEY_IP
                        ? keep(rules, key)
                        : entry->subject_at + (uint32_t)(key.data - scratch->subject.data);
    enter_entry(rules, (enum rule_key)entry->key, entry->unit, key, number);
    if (entry->key == RULE_KEY_SENDER_ADDRESS) {
        const struct str local = str_slice(key, 0, str_find_last(key, '@'));
        enter_entry(rules, RULE_KEY_SENDER_NAME, 0, local, number);
    }
    rules->counts[row->kind]++;
    if (row->kind != RULE_QUOTA) {
        add_lines(rules, entry, scratch->value);
    }
}

/* One block: the head, then each array at a multiple of 16 bytes. */
static size_t place(size_t *end, size_t bytes) {
    const size_t at = (*end + 15) / 16 * 16;
    *end = at + bytes;
    return at;
}

static struct rules *new_rules(const struct list_memory *memory, const struct needs *needs) {
    const size_t entry_slots = slots_for(needs->slots_used);
    size_t end = sizeof(struct rules);
    const size_t entries_at = place(&end, needs->entries * sizeof(struct rule_entry));
    const size_t entry_slots_at = place(&end, entry_slots * sizeof(struct rule_slot));
    const size_t line_slots_at = place(&end, needs->line_slots * sizeof(struct rule_slot));
    const size_t pool_at = place(&end, needs->pool + 1);
    if (needs->pool >= UINT32_MAX || needs->line_slots > UINT32_MAX) {
        return NULL;
    }
    unsigned char *block = memory->allocate(memory->context, end);
    if (block == NULL) {
        return NULL;
    }
    struct rules *rules = (void *)block;
    rules->memory = *memory;
    rules->entries = (void *)(block + entries_at);
    rules->entry_slots = (void *)(block + entry_slots_at);
    rules->line_slots = (void *)(block + line_slots_at);
    rules->pool = (void *)(block + pool_at);
    rules->entry_slot_count = entry_slots;
    /* 0 is no place of a line. */
    rules->pool_length = 1;
    rules->bytes = end;
    return rules;
}

struct rules *rules_build(const struct list_memory *memory, const struct rule_row *rows,
                          size_t count) {
    struct needs needs = {.entries = 0};
    struct scratch *scratch = memory->allocate(memory->context, sizeof *scratch);
    if (scratch == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (make_canonical(&rows[i], scratch)) {
            measure(&rows[i], scratch, &needs);
        }
    }
    struct rules *rules = new_rules(memory, &needs);
    for (size_t i = 0; rules != NULL && i < count; i++) {
        if (make_canonical(&rows[i], scratch)) {
            add_row(rules, &rows[i], scratch);
        }
    }
    memory->release(memory->context, scratch);
    return rules;
}
