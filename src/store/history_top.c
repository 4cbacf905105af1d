/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/record_bytes.h"

enum { FIRST_KEYS = 64, FIRST_BYTES = 4096, TOTALS_SMALL = 4096 };

/* A key and its counts. */
struct entry {
    uint64_t hash;
    uint64_t counts[HISTORY_TOP_LISTS];
    uint64_t known; /* of what merged parts may have left out, what they cannot have of this key */
    uint32_t at;    /* in `bytes`: the key, then the label */
    uint16_t key_length;
    uint16_t label_length;
};

struct history_top {
    size_t keys_max;
    struct entry *entries;
    size_t count;
    size_t size;
    uint32_t *slots;   /* entry + 1; 0: empty */
    size_t slot_count; /* a power of two, more than `count` */
    char *bytes;
    size_t byte_count;
    size_t byte_size;
    uint64_t missed; /* by forgetting: any count may be too low by this */
    uint64_t
        left_out[HISTORY_TOP_LISTS]; /* of merged lists: a key not among them may have so much */
};

struct history_top *history_top_new(size_t keys_max) {
    struct history_top *top = calloc(1, sizeof *top);
    if (top == NULL) {
        return NULL;
    }
    top->keys_max = keys_max;
    top->size = FIRST_KEYS;
    top->slot_count = 2 * (size_t)FIRST_KEYS;
    top->byte_size = FIRST_BYTES;
    top->entries = malloc(top->size * sizeof *top->entries);
    top->slots = calloc(top->slot_count, sizeof *top->slots);
    top->bytes = malloc(top->byte_size);
    if (top->entries == NULL || top->slots == NULL || top->bytes == NULL) {
        history_top_free(top);
        return NULL;
    }
    return top;
}

void history_top_free(struct history_top *top) {
    if (top == NULL) {
        return;
    }
    free(top->entries);
    free(top->slots);
    free(top->bytes);
    free(top);
}

void history_top_clear(struct history_top *top) {
    top->count = 0;
    top->byte_count = 0;
    top->missed = 0;
    memset(top->left_out, 0, sizeof top->left_out);
    memset(top->slots, 0, top->slot_count * sizeof *top->slots);
}

size_t history_top_keys(const struct history_top *top) {
    return top->count;
}

/* Fixed, because sketches and lists of all files must agree. */
static const struct sip_key hash_key = {"seczim history 1"};

void history_key_make(struct history_key *key, struct str text) {
    key->length = text.length < sizeof key->bytes ? text.length : sizeof key->bytes;
    for (size_t i = 0; i < key->length; i++) {
        key->bytes[i] = ascii_lower(text.data[i]);
    }
    key->hash = sip_hash(&hash_key, key->bytes, key->length).high;
}

/* --- the table --- */

static struct str entry_key(const struct history_top *top, const struct entry *entry) {
    return (struct str){top->bytes + entry->at, entry->key_length};
}

static struct str entry_label(const struct history_top *top, const struct entry *entry) {
    return (struct str){top->bytes + entry->at + entry->key_length, entry->label_length};
}

static void place(struct history_top *top, uint64_t hash, size_t index) {
    size_t slot = (size_t)hash & (top->slot_count - 1);
    while (top->slots[slot] != 0) {
        slot = (slot + 1) & (top->slot_count - 1);
    }
    top->slots[slot] = (uint32_t)(index + 1);
}

static void place_all(struct history_top *top) {
    memset(top->slots, 0, top->slot_count * sizeof *top->slots);
    for (size_t i = 0; i < top->count; i++) {
        place(top, top->entries[i].hash, i);
    }
}

static struct entry *find(const struct history_top *top, const struct history_key *key) {
    size_t slot = (size_t)key->hash & (top->slot_count - 1);
    for (; top->slots[slot] != 0; slot = (slot + 1) & (top->slot_count - 1)) {
        struct entry *entry = &top->entries[top->slots[slot] - 1];
        if (entry->hash == key->hash && entry->key_length == key->length &&
            memcmp(top->bytes + entry->at, key->bytes, key->length) == 0) {
            return entry;
        }
    }
    return NULL;
}

static int grow_entries(struct history_top *top) {
    struct entry *entries = realloc(top->entries, top->size * 2 * sizeof *entries);
    if (entries == NULL) {
        return -ENOMEM;
    }
    top->entries = entries;
    uint32_t *slots = realloc(top->slots, top->slot_count * 2 * sizeof *slots);
    if (slots == NULL) {
        return -ENOMEM;
    }
    top->slots = slots;
    top->size *= 2;
    top->slot_count *= 2;
    place_all(top);
    return 0;
}

static int grow_bytes(struct history_top *top, size_t more) {
    size_t size = top->byte_size;
    while (size < top->byte_count + more) {
        size *= 2;
    }
    char *bytes = size > UINT32_MAX ? NULL : realloc(top->bytes, size);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    top->bytes = bytes;
    top->byte_size = size;
    return 0;
}

/* --- forgetting --- */

static uint64_t total(const struct entry *entry) {
    uint64_t sum = 0;
    for (unsigned list = 0; list < HISTORY_TOP_LISTS; list++) {
        sum += entry->counts[list];
    }
    return sum;
}

/* The total that at least half of the keys do not exceed. Larger ones than TOTALS_SMALL are not
 * told apart: so many keys with more cannot come about in a file of history. */
static uint64_t lower_half(const struct history_top *top) {
    uint32_t keys_of[TOTALS_SMALL + 1] = {0};
    for (size_t i = 0; i < top->count; i++) {
        const uint64_t sum = total(&top->entries[i]);
        keys_of[sum < TOTALS_SMALL ? sum : TOTALS_SMALL]++;
    }
    size_t keys = 0;
    uint64_t sum = 0;
    while (sum < TOTALS_SMALL && (keys += keys_of[sum]) < top->count / 2) {
        sum++;
    }
    if (sum < TOTALS_SMALL) {
        return sum;
    }
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < top->count; i++) {
        const uint64_t one = total(&top->entries[i]);
        lowest = one < lowest ? one : lowest;
    }
    return lowest;
}

static void forget(struct history_top *top) {
    const uint64_t threshold = lower_half(top);
    size_t kept = 0;
    size_t byte_count = 0;
    for (size_t i = 0; i < top->count; i++) {
        struct entry entry = top->entries[i];
        if (total(&entry) <= threshold) {
            continue;
        }
        /* Entries stand in the order of their bytes, so nothing is written over before it moved. */
        const size_t length = (size_t)entry.key_length + entry.label_length;
        memmove(top->bytes + byte_count, top->bytes + entry.at, length);
        entry.at = (uint32_t)byte_count;
        byte_count += length;
        top->entries[kept++] = entry;
    }
    top->count = kept;
    top->byte_count = byte_count;
    top->missed += threshold;
    place_all(top);
}

/* --- adding --- */

static int insert(struct history_top *top, const struct history_key *key, struct str label,
                  struct entry **ret_entry) {
    int result = 0;
    label = str_slice(label, 0, HISTORY_TOP_KEY_MAX);
    if (top->keys_max != 0 && top->count == top->keys_max) {
        forget(top);
    }
    if (top->count == top->size) {
        result = grow_entries(top);
    }
    if (result == 0 && top->byte_size - top->byte_count < key->length + label.length) {
        result = grow_bytes(top, key->length + label.length);
    }
    if (result < 0) {
        return result;
    }
    struct entry *entry = &top->entries[top->count];
    *entry = (struct entry){.hash = key->hash,
                            .at = (uint32_t)top->byte_count,
                            .key_length = (uint16_t)key->length,
                            .label_length = (uint16_t)label.length};
    memcpy(top->bytes + top->byte_count, key->bytes, key->length);
    if (label.length > 0) {
        memcpy(top->bytes + top->byte_count + key->length, label.data, label.length);
    }
    top->byte_count += key->length + label.length;
    place(top, key->hash, top->count);
    top->count++;
    *ret_entry = entry;
    return 0;
}

static int find_or_insert(struct history_top *top, const struct history_key *key, struct str label,
                          struct entry **ret_entry) {
    *ret_entry = find(top, key);
    return *ret_entry != NULL ? 0 : insert(top, key, label, ret_entry);
}

int history_top_add(struct history_top *top, const struct history_key *key, struct str label,
                    unsigned list, uint64_t count) {
    struct entry *entry = NULL;
    const int result = find_or_insert(top, key, label, &entry);
    if (result == 0) {
        entry->counts[list] += count;
    }
    return result;
}

static void key_of(struct history_key *key, struct str text, uint64_t hash) {
    key->length = text.length;
    memcpy(key->bytes, text.data, text.length);
    key->hash = hash;
}

/* What the other table has forgotten, any key may have had in each list. */
int history_top_merge(struct history_top *top, const struct history_top *other) {
    for (unsigned list = 0; list < HISTORY_TOP_LISTS; list++) {
        top->left_out[list] += other->left_out[list] + other->missed;
    }
    for (size_t i = 0; i < other->count; i++) {
        const struct entry *from = &other->entries[i];
        struct history_key key;
        struct entry *entry = NULL;
        key_of(&key, entry_key(other, from), from->hash);
        const int result = find_or_insert(top, &key, entry_label(other, from), &entry);
        if (result < 0) {
            return result;
        }
        entry->known += from->known;
        for (unsigned list = 0; list < HISTORY_TOP_LISTS; list++) {
            entry->counts[list] += from->counts[list];
        }
    }
    return 0;
}

/* --- lists as bytes ---
 *
 * varint: what a key that is not in the list may have; varint: what one that is may have more than
 * is said; then for each key varint count, varint length and the key, varint length and the label.
 */

struct ranked {
    uint64_t count;
    uint32_t index;
};

static int by_count(const void *a, const void *b) {
    const struct ranked *left = a;
    const struct ranked *right = b;
    if (left->count != right->count) {
        return left->count > right->count ? -1 : 1;
    }
    return left->index < right->index ? -1 : left->index > right->index;
}

static size_t rank(const struct history_top *top, unsigned list, struct ranked *ranked) {
    size_t count = 0;
    for (size_t i = 0; i < top->count; i++) {
        if (top->entries[i].counts[list] > 0) {
            ranked[count++] = (struct ranked){top->entries[i].counts[list], (uint32_t)i};
        }
    }
    qsort(ranked, count, sizeof *ranked, by_count);
    return count;
}

static void put_entry(struct record_writer *out, const struct history_top *top,
                      const struct ranked *one) {
    const struct entry *entry = &top->entries[one->index];
    put_varint(out, one->count);
    put_str(out, entry_key(top, entry));
    put_str(out, entry_label(top, entry));
}

static int encode(const struct history_top *top, const struct ranked *ranked, size_t count,
                  size_t keep, unsigned char **ret_bytes, size_t *ret_length) {
    const uint64_t next = count > keep ? ranked[keep].count : 0;
    const size_t kept = count > keep ? keep : count;
    size_t room = 2 * (size_t)VARINT_MAX;
    for (size_t i = 0; i < kept; i++) {
        const struct entry *entry = &top->entries[ranked[i].index];
        room += 3 * (size_t)VARINT_MAX + entry->key_length + entry->label_length;
    }
    unsigned char *bytes = malloc(room);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    struct record_writer out = {bytes};
    put_varint(&out, next + top->missed);
    put_varint(&out, top->missed);
    for (size_t i = 0; i < kept; i++) {
        put_entry(&out, top, &ranked[i]);
    }
    *ret_bytes = bytes;
    *ret_length = (size_t)(out.at - bytes);
    return 0;
}

int history_top_encode(const struct history_top *top, unsigned list, size_t keep,
                       unsigned char **ret_bytes, size_t *ret_length) {
    struct ranked *ranked = malloc((top->count + 1) * sizeof *ranked);
    int result = 0;
    *ret_bytes = NULL;
    *ret_length = 0;
    if (ranked == NULL) {
        return -ENOMEM;
    }
    const size_t count = rank(top, list, ranked);
    if (count > 0 || top->missed > 0) {
        result = encode(top, ranked, count, keep, ret_bytes, ret_length);
    }
    free(ranked);
    return result;
}

static int merge_entry(struct history_top *top, unsigned list, uint64_t known,
                       struct record_reader *in) {
    const uint64_t count = get_varint(in, INT64_MAX);
    const struct str text = get_str(in, HISTORY_TOP_KEY_MAX);
    const struct str label = get_str(in, HISTORY_TOP_KEY_MAX);
    struct history_key key;
    struct entry *entry = NULL;
    if (in->failed) {
        return -EUCLEAN;
    }
    history_key_make(&key, text);
    const int result = find_or_insert(top, &key, label, &entry);
    if (result == 0) {
        entry->counts[list] += count;
        entry->known += known;
    }
    return result;
}

int history_top_merge_encoded(struct history_top *top, unsigned list, const unsigned char *bytes,
                              size_t length) {
    struct record_reader in = {.at = bytes, .end = bytes + length};
    if (length == 0) {
        return 0;
    }
    const uint64_t not_listed = get_varint(&in, INT64_MAX);
    const uint64_t listed = get_varint(&in, not_listed);
    int result = in.failed ? -EUCLEAN : 0;
    top->left_out[list] += not_listed;
    while (result == 0 && in.at < in.end) {
        result = merge_entry(top, list, not_listed - listed, &in);
    }
    return result;
}

/* --- answers --- */

static bool higher(const struct history_top_item *a, const struct history_top_item *b) {
    return a->count != b->count ? a->count > b->count : str_compare(a->key, b->key) < 0;
}

static struct history_top_item item_of(const struct history_top *top, const struct entry *entry,
                                       unsigned lists, uint64_t left_out) {
    struct history_top_item item = {.key = entry_key(top, entry), .label = entry_label(top, entry)};
    for (unsigned list = 0; list < HISTORY_TOP_LISTS; list++) {
        if (lists >> list & 1) {
            item.counts[list % HISTORY_OUTCOMES] += entry->counts[list];
            item.count += entry->counts[list];
        }
    }
    item.missing = left_out > entry->known ? left_out - entry->known : 0;
    return item;
}

size_t history_top_highest(const struct history_top *top, unsigned lists,
                           struct history_top_item *ret_items, size_t max) {
    uint64_t left_out = top->missed;
    size_t count = 0;
    for (unsigned list = 0; list < HISTORY_TOP_LISTS; list++) {
        left_out += lists >> list & 1 ? top->left_out[list] : 0;
    }
    for (size_t i = 0; i < top->count && max > 0; i++) {
        const struct history_top_item item = item_of(top, &top->entries[i], lists, left_out);
        if (item.count == 0 || (count == max && !higher(&item, &ret_items[max - 1]))) {
            continue;
        }
        size_t at = count < max ? count++ : max - 1;
        for (; at > 0 && higher(&item, &ret_items[at - 1]); at--) {
            ret_items[at] = ret_items[at - 1];
        }
        ret_items[at] = item;
    }
    return count;
}
