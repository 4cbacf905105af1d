/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <string.h>

#include "mail/mail_address.h"
#include "policy/rules.h"

/* Inside of the rules: checked by rules_check.c and rules_quota.c, built by rules_build.c, looked
 * up by rules_quota.c and rules_sender.c.
 *
 *   key (kind of subject, its text) ──► entry slots ──► entries ──► text pool
 *   line (its kind, its text) ──► the entry's own line slots ──────►
 *
 * Slot tables are open addressing, powers of two, at most half full, probed one by one: what was
 * entered first is found first, and several entries may have one key. The lines of one entry have a
 * table of their own, so that asking for an address, its domain and the domains above it touches
 * memory once. All of it is one block of memory. */

enum rule_key {
    RULE_KEY_USER = 0,    /* an address, or a name without "@" */
    RULE_KEY_USER_DOMAIN, /* user *@D */
    RULE_KEY_USER_ALL,    /* user * */
    RULE_KEY_DOMAIN,
    RULE_KEY_IP, /* 16 bytes: the address, or the first of its /64 */
    RULE_KEY_IP_ALL,
    RULE_KEY_GLOBAL,
    RULE_KEY_SENDER_ADDRESS,
    RULE_KEY_SENDER_NAME, /* the same, by its local part alone: for users without "@" */
    RULE_KEY_SENDER_LOCAL_PART,
    RULE_KEY_SENDER_DOMAIN,
    RULE_KEY_SENDER_BELOW,
    RULE_KEY_IDENTITY,
    RULE_KEYS
};
enum rule_line_kind { RULE_LINE_ADDRESS = 0, RULE_LINE_DOMAIN, RULE_LINE_BELOW };

struct rule_entry {
    uint64_t limit; /* of a quota */
    uint32_t id;
    uint32_t expires_s;
    uint32_t subject_at; /* in the pool; the rule's own text follows it */
    uint32_t key_at;     /* in the pool */
    union {
        uint32_t line_slots_at;
        uint32_t older; /* of a limit that is everybody's, the next in rules->of_all; 0: none */
    };
    uint32_t line_slot_count; /* 0: no lines; else a power of two */
    uint16_t subject_length;
    uint16_t key_length;
    uint8_t text_length;
    uint8_t key; /* enum rule_key */
    uint8_t unit;
    uint8_t window;
};
_Static_assert(sizeof(struct rule_entry) == 40, "a hundred thousand rules are meant to be small");
_Static_assert(RULE_TEXT_MAX <= UINT8_MAX && RULE_SUBJECT_MAX <= UINT16_MAX, "fit their fields");

/* "user *", "ip *" and "global": whose key has no text. */
static inline bool rule_is_of_all(enum rule_key key) {
    return key == RULE_KEY_USER_ALL || key == RULE_KEY_IP_ALL || key == RULE_KEY_GLOBAL;
}

struct rule_slot {
    uint32_t tag;    /* upper half of the hash */
    uint32_t number; /* of the entry, + 1; where the line's text is in the pool; 0: empty */
};

/* In the pool before the text of a line. */
struct rule_line {
    uint16_t length;
    uint16_t kind; /* enum rule_line_kind */
};

struct rules {
    struct list_memory memory;
    struct rule_entry *entries;
    struct rule_slot *entry_slots;
    struct rule_slot *line_slots;
    char *pool;
    size_t entry_count;
    size_t entry_slot_count;
    size_t line_slot_count; /* given out so far */
    size_t pool_length;
    size_t bytes;
    size_t counts[RULE_KINDS];
    uint32_t present; /* bit per enum rule_key */
    uint16_t pairs;   /* quota_pair_bit() of those with a limit */
    /* Limits that are everybody's are found without looking for them: the number of the entry that
     * was given last, + 1; 0: none. */
    uint32_t of_all[QUOTA_SCOPES][QUOTA_UNITS][QUOTA_WINDOWS];
};

static inline uint64_t rule_mix(uint64_t a, uint64_t b) {
    const __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Not keyed: only the administrator chooses what is in a rule, so nobody can make chains long.
 * `salt` tells apart what the text is. */
static inline uint64_t rule_hash(uint64_t salt, struct str text) {
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
    const uint64_t other = UINT64_C(0xd1b54a32d192ed03);
    uint64_t hash = rule_mix(odd ^ text.length, other ^ salt);
    for (; text.length >= 8; text.data += 8, text.length -= 8) {
        uint64_t word;
        memcpy(&word, text.data, sizeof word);
        hash = rule_mix(hash ^ word, odd);
    }
    if (text.length > 0) {
        uint64_t word = 0;
        memcpy(&word, text.data, text.length);
        hash = rule_mix(hash ^ word, other);
    }
    return rule_mix(hash, odd);
}

/* Of a quota's subject the unit is part of the key, so that no chain is longer than the windows. */
static inline uint64_t rule_entry_hash(enum rule_key key, unsigned unit, struct str text) {
    return rule_hash((uint64_t)key << 8 | unit, text);
}

static inline uint64_t rule_line_hash(enum rule_line_kind kind, struct str text) {
    return rule_hash((uint64_t)kind, text);
}

static inline bool rule_has_expired(const struct rule_entry *entry, uint32_t now_s) {
    return entry->expires_s != 0 && entry->expires_s <= now_s;
}

/* Looks through the entries of one key: the next one from slot *at on, or NULL. */
struct rule_search {
    const struct rules *rules;
    enum rule_key key;
    unsigned unit;
    struct str text;
    uint64_t hash;
    size_t at;
};
struct rule_search rule_search_begin(const struct rules *rules, enum rule_key key, unsigned unit,
                                     struct str text);
const struct rule_entry *rule_search_next(struct rule_search *search);

/* "alice+news@example.com" as "alice@example.com"; one that begins with "+" has no extension. */
struct str rule_without_extension(struct str address, char room[MAIL_ADDRESS_MAX]);

/* Takes the next line that is not blank off the start of `rest`, trimmed. `number` counts all. */
bool rule_next_line(struct str *rest, struct str *ret_line, unsigned *number);

/* `"what was found" ` and the rest of the sentence; never NULL. */
const char *rule_say(struct text *problem, struct str found, const char *rest);
/* Appends the normalised name of a user (an address, or a name without "@") and returns true;
 * false: it is none. */
bool rule_check_user(struct str name, struct text *out);
/* rules_quota.c: NULL, or a sentence. */
const char *rule_check_quota_subject(struct str subject, struct text *ret_subject,
                                     struct text *problem);
const char *rule_check_quota_value(struct str value, struct text *ret_value, struct text *problem);
/* The network that a canonical "ip" limit names. */
bool rule_parse_network(struct str name, struct ip_address *ret_address);
