/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/list_index.h"

/* Inside of a list index, shared by the builder and the look-up.
 *
 *   filter ──► slots: open addressing, a power of two, ──► rows ──► text pool
 *              at most three quarters full
 *
 * Every entry, whatever its kind, is found by one exact key: (subject, kind, bits, text). A
 * look-up makes the keys that could match in the order in which they count (a network once for each
 * prefix length that occurs in the list), fetches what the filter has of them from memory all at
 * once, and takes the first row that applies. So expiry, direction, the delta and removed ids need
 * no special structure: a row that does not apply is passed over. */

/* What the text is compared with. EMAIL and DOMAIN entries speak of the same sender. */
enum list_subject {
    LIST_SUBJECT_SENDER = 0,
    LIST_SUBJECT_ADDRESS,
    LIST_SUBJECT_RECIPIENT,
    LIST_SUBJECT_CLIENT,
    LIST_SUBJECTS,
};

/* Without the list: one look tells for all lists that none has it. */
struct list_key {
    enum list_subject subject;
    enum pattern_kind kind;
    uint8_t bits;    /* of a network */
    struct str text; /* of a network its 16 bytes */
};

struct list_row {
    uint64_t id;
    uint32_t expires_s;
    uint32_t text_at; /* in the pool */
    uint16_t text_length;
    uint8_t list;
    uint8_t type;
    uint8_t kind;
    uint8_t bits;
    uint8_t direction;
    uint8_t require;
};

struct list_slot {
    uint32_t tag; /* upper half of the key's hash */
    uint32_t row; /* its number + 1; 0: empty */
};

/* Which prefix lengths occur: a bit each, 0 to 128. */
struct list_lengths {
    uint64_t words[3];
};

/* Most keys asked about are in no list, and the filter says so from an eighth of the memory of the
 * slots, which stays near the processor: two bits of one word for each key, a word for each
 * LIST_FILTER_SLOTS slots. */
enum { LIST_FILTER_SLOTS = 8 };

struct list_index {
    struct list_memory memory;
    uint64_t *filter; /* slot_count / LIST_FILTER_SLOTS words */
    struct list_slot *slots;
    struct list_row *rows;
    char *pool;
    size_t slot_count; /* a power of two */
    size_t row_count;
    size_t row_size; /* rows allocated */
    size_t pool_length;
    size_t pool_size;
    size_t counts[LISTS];
    uint32_t present[LISTS];               /* bit list_present_bit() */
    struct list_lengths lengths_v4[LISTS]; /* of ::ffff:0:0/96 and below it */
    struct list_lengths lengths_v6[LISTS]; /* of all others */
};

static inline enum list_subject list_subject_of(enum pattern_type type) {
    switch (type) {
    case PATTERN_IP:
        return LIST_SUBJECT_ADDRESS;
    case PATTERN_RECIPIENT:
        return LIST_SUBJECT_RECIPIENT;
    case PATTERN_CLIENT:
        return LIST_SUBJECT_CLIENT;
    case PATTERN_EMAIL:
    case PATTERN_DOMAIN:
    case PATTERN_TYPES:
        break;
    }
    return LIST_SUBJECT_SENDER;
}

static inline uint32_t list_present_bit(enum list_subject subject, enum pattern_kind kind) {
    return UINT32_C(1) << ((unsigned)subject * 5 + (unsigned)kind);
}

static inline uint64_t list_filter_bits(uint64_t hash) {
    return UINT64_C(1) << (hash >> 58) | UINT64_C(1) << (hash >> 52 & 63);
}

static inline uint64_t *list_filter_word(const struct list_index *index, uint64_t hash) {
    return &index->filter[(hash >> 20) & (index->slot_count / LIST_FILTER_SLOTS - 1)];
}

uint64_t list_key_hash(const struct list_key *key);
/* Of whichever list. */
bool list_row_has_key(const struct list_index *index, const struct list_row *row,
                      const struct list_key *key);
