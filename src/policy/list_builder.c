/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/list_rows.h"

#include <string.h>

#include "base/check.h"

enum { ROWS_MIN = 16 };

/* `index` stands first: finishing hands the builder's memory on as the index. */
struct list_builder {
    struct list_index index;
    bool out_of_memory;
};

_Static_assert(sizeof(struct list_row) == 24, "a million entries are meant to be small");
_Static_assert(LIST_SUBJECTS * 5 <= 32, "list_present_bit");

static uint64_t mix(uint64_t a, uint64_t b) {
    const __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Not keyed: only the administrator chooses what is in a list, so nobody can make chains long. */
uint64_t list_key_hash(const struct list_key *key) {
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
    const uint64_t salt = UINT64_C(0xd1b54a32d192ed03);
    uint64_t hash = mix(odd ^ key->text.length, salt ^ ((uint64_t)key->subject << 16 |
                                                        (uint64_t)key->kind << 8 | key->bits));
    const char *at = key->text.data;
    size_t left = key->text.length;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        hash = mix(hash ^ word, odd);
    }
    if (left > 0) {
        uint64_t word = 0;
        memcpy(&word, at, left);
        hash = mix(hash ^ word, salt);
    }
    return mix(hash, odd);
}

bool list_row_has_key(const struct list_index *index, const struct list_row *row,
                      const struct list_key *key) {
    return row->kind == key->kind && row->bits == key->bits &&
           row->text_length == key->text.length &&
           list_subject_of((enum pattern_type)row->type) == key->subject &&
           (key->text.length == 0 ||
            memcmp(index->pool + row->text_at, key->text.data, key->text.length) == 0);
}

/* Gives `*array` room for `needed` elements, keeping the first `used`. */
static bool reserve(const struct list_memory *memory, void **array, size_t element_bytes,
                    size_t used, size_t *size, size_t needed) {
    if (needed <= *size) {
        return true;
    }
    size_t larger = *size < ROWS_MIN ? ROWS_MIN : *size;
    while (larger < needed) {
        larger *= 2;
    }
    void *fresh = memory->allocate(memory->context, larger * element_bytes);
    if (fresh == NULL) {
        return false;
    }
    if (*array != NULL) {
        memcpy(fresh, *array, used * element_bytes);
        memory->release(memory->context, *array);
    }
    *array = fresh;
    *size = larger;
    return true;
}

static struct list_key key_of_row(const struct list_index *index, const struct list_row *row) {
    return (struct list_key){
        .subject = list_subject_of((enum pattern_type)row->type),
        .kind = (enum pattern_kind)row->kind,
        .bits = row->bits,
        .text = {index->pool + row->text_at, row->text_length},
    };
}

static void enter(struct list_index *index, uint64_t hash, size_t row) {
    *list_filter_word(index, hash) |= list_filter_bits(hash);
    size_t at = hash & (index->slot_count - 1);
    while (index->slots[at].row != 0) {
        at = (at + 1) & (index->slot_count - 1);
    }
    index->slots[at] = (struct list_slot){(uint32_t)(hash >> 32), (uint32_t)row + 1};
}

static void release_all(const struct list_memory *memory, void *const *parts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (parts[i] != NULL) {
            memory->release(memory->context, parts[i]);
        }
    }
}

static bool make_slots(struct list_index *index, size_t rows) {
    size_t count = ROWS_MIN;
    while (count / 4 * 3 < rows) {
        count *= 2;
    }
    if (count <= index->slot_count) {
        return true;
    }
    const struct list_memory *memory = &index->memory;
    struct list_slot *fresh = memory->allocate(memory->context, count * sizeof *fresh);
    uint64_t *filter =
        memory->allocate(memory->context, count / LIST_FILTER_SLOTS * sizeof *filter);
    if (fresh == NULL || filter == NULL) {
        release_all(memory, (void *const[]){fresh, filter}, 2);
        return false;
    }
    release_all(memory, (void *const[]){index->slots, index->filter}, 2);
    index->filter = filter;
    index->slots = fresh;
    index->slot_count = count;
    for (size_t i = 0; i < index->row_count; i++) {
        const struct list_key key = key_of_row(index, &index->rows[i]);
        enter(index, list_key_hash(&key), i);
    }
    return true;
}

static bool reserve_row(struct list_index *index, size_t rows, size_t pool) {
    void *all_rows = index->rows;
    void *all_text = index->pool;
    if (rows > LIST_ITEMS_MAX || pool > UINT32_MAX) {
        return false;
    }
    const bool fits =
        reserve(&index->memory, &all_rows, sizeof(struct list_row), index->row_count,
                &index->row_size, rows) &&
        reserve(&index->memory, &all_text, 1, index->pool_length, &index->pool_size, pool);
    index->rows = all_rows;
    index->pool = all_text;
    return fits && make_slots(index, rows);
}

struct list_builder *list_builder_new(const struct list_memory *memory, size_t expected_items) {
    struct list_builder *builder = memory->allocate(memory->context, sizeof *builder);
    if (builder == NULL) {
        return NULL;
    }
    builder->index.memory = *memory;
    const size_t text_guess = 20;
    if (!reserve_row(&builder->index, expected_items, expected_items * text_guess)) {
        builder->out_of_memory = true;
        (void)list_builder_finish(builder);
        return NULL;
    }
    return builder;
}

/* The row that says the same: of the same list and type too. */
static struct list_row *find_same(struct list_index *index, const struct list_key *key,
                                  uint64_t hash, const struct list_item *item) {
    for (size_t at = hash & (index->slot_count - 1); index->slots[at].row != 0;
         at = (at + 1) & (index->slot_count - 1)) {
        if (index->slots[at].tag == (uint32_t)(hash >> 32)) {
            struct list_row *row = &index->rows[index->slots[at].row - 1];
            if (row->list == item->list && row->type == item->pattern.type &&
                list_row_has_key(index, row, key)) {
                return row;
            }
        }
    }
    return NULL;
}

static void note_length(struct list_index *index, enum list_id list, struct ip_prefix prefix) {
    const bool v4 = prefix.bits >= 96 && ip_address_is_v4(prefix.address);
    struct list_lengths *lengths = v4 ? &index->lengths_v4[list] : &index->lengths_v6[list];
    lengths->words[prefix.bits / 64] |= UINT64_C(1) << (prefix.bits % 64);
}

static void add_row(struct list_index *index, const struct list_item *item,
                    const struct list_key *key, uint64_t hash) {
    if (key->text.length > 0) {
        memcpy(index->pool + index->pool_length, key->text.data, key->text.length);
    }
    index->rows[index->row_count] = (struct list_row){
        .text_at = (uint32_t)index->pool_length,
        .text_length = (uint16_t)key->text.length,
        .list = (uint8_t)item->list,
        .type = (uint8_t)item->pattern.type,
        .kind = (uint8_t)item->pattern.kind,
        .bits = key->bits,
    };
    index->pool_length += key->text.length;
    enter(index, hash, index->row_count);
    index->row_count++;
    index->counts[item->list]++;
    index->present[item->list] |= list_present_bit(key->subject, key->kind);
    if (key->subject == LIST_SUBJECT_ADDRESS) {
        note_length(index, item->list, item->pattern.prefix);
    }
}

bool list_builder_add(struct list_builder *builder, const struct list_item *item) {
    CHECK(item->list < LISTS && item->id != 0);
    struct list_index *index = &builder->index;
    const struct address_pattern *pattern = &item->pattern;
    const bool network = pattern->kind == PATTERN_KIND_PREFIX;
    const struct list_key key = {
        .subject = list_subject_of(pattern->type),
        .kind = pattern->kind,
        .bits = network ? pattern->prefix.bits : 0,
        .text = network ? (struct str){(const char *)pattern->prefix.address.bytes, 16}
                        : (struct str){pattern->text, pattern->text_length},
    };
    if (builder->out_of_memory ||
        !reserve_row(index, index->row_count + 1, index->pool_length + key.text.length)) {
        builder->out_of_memory = true;
        return false;
    }
    const uint64_t hash = list_key_hash(&key);
    struct list_row *row = find_same(index, &key, hash, item);
    if (row == NULL) {
        add_row(index, item, &key, hash);
        row = &index->rows[index->row_count - 1];
    }
    row->id = item->id;
    row->expires_s = item->expires_s;
    row->direction = (uint8_t)item->direction;
    row->require = (uint8_t)item->require;
    return true;
}

struct list_index *list_builder_finish(struct list_builder *builder) {
    /* The builder's memory becomes the index. */
    struct list_index *index = &builder->index;
    if (builder->out_of_memory) {
        list_index_free(index);
        return NULL;
    }
    return index;
}

void list_index_free(struct list_index *index) {
    if (index == NULL) {
        return;
    }
    const struct list_memory memory = index->memory;
    release_all(&memory,
                (void *const[]){index->filter, index->slots, index->rows, index->pool, index}, 5);
}

size_t list_index_count(const struct list_index *index) {
    return index != NULL ? index->row_count : 0;
}

size_t list_index_count_of(const struct list_index *index, enum list_id list) {
    CHECK(list < LISTS);
    return index != NULL ? index->counts[list] : 0;
}

size_t list_index_bytes(const struct list_index *index) {
    if (index == NULL) {
        return 0;
    }
    return sizeof *index + index->slot_count * sizeof(struct list_slot) +
           index->slot_count / LIST_FILTER_SLOTS * sizeof(uint64_t) +
           index->row_size * sizeof(struct list_row) + index->pool_size;
}
