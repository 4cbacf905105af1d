/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/state.h"

#include <string.h>

#include "base/byte_block.h"
#include "base/check.h"
#include "base/prefetch.h"

/* A group has a tag byte per slot, so that a look-up reads one cache line of them and then, as a
 * rule, the one slot that matches. A tag is 0 for an empty slot, else TAG_USED | 7 bits of the key.
 */
enum { TAG_USED = 0x80 };

_Static_assert(sizeof(struct state_entry) == 24, "entries are stored as they are in memory");
_Static_assert(sizeof(struct greylist_entry) == 48, "entries are stored as they are in memory");
_Static_assert(sizeof(struct greylist_client_entry) == 64, "entries are stored as they are");
_Static_assert(sizeof(struct quota_entry) == 1184, "entries are stored as they are in memory");
_Static_assert(sizeof(struct message_entry) == 64, "entries are stored as they are in memory");
_Static_assert(sizeof(struct once_entry) == 48, "entries are stored as they are in memory");
_Static_assert(sizeof(struct reputation_entry) == 64, "entries are stored as they are in memory");
_Static_assert(sizeof(struct blacklist_entry) == 64, "entries are stored as they are in memory");
_Static_assert(sizeof(struct offence_entry) == 168, "entries are stored as they are in memory");
_Static_assert(sizeof(struct quota_digest) == 64, "digests are recorded as they are in memory");
_Static_assert(sizeof(struct offence_digest) == 16, "digests are recorded as they are in memory");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "snapshots and records hold entries raw");

static const struct {
    const char *name;
    size_t entry_bytes;
    size_t digest_bytes; /* 0: the entry itself is recorded */
} table_info[STATE_TABLES] = {
    [STATE_GREYLIST] = {"greylist", sizeof(struct greylist_entry), 0},
    [STATE_GREYLIST_CLIENT] = {"greylist_client", sizeof(struct greylist_client_entry), 0},
    [STATE_QUOTA] = {"quota", sizeof(struct quota_entry), sizeof(struct quota_digest)},
    [STATE_MESSAGE] = {"message", sizeof(struct message_entry), 0},
    [STATE_ONCE] = {"once", sizeof(struct once_entry), 0},
    [STATE_CORRESPONDENT] = {"correspondent", sizeof(struct once_entry), 0},
    [STATE_REPUTATION] = {"reputation", sizeof(struct reputation_entry), 0},
    [STATE_BLACKLIST] = {"auto_blacklist", sizeof(struct blacklist_entry), 0},
    [STATE_OFFENCE] = {"offence", sizeof(struct offence_entry), sizeof(struct offence_digest)},
};

const char *state_table_name(enum state_table_id table) {
    CHECK(table < STATE_TABLES);
    return table_info[table].name;
}

size_t state_entry_bytes(enum state_table_id table) {
    CHECK(table < STATE_TABLES);
    return table_info[table].entry_bytes;
}

bool state_has_digest(enum state_table_id table) {
    CHECK(table < STATE_TABLES);
    return table_info[table].digest_bytes > 0;
}

size_t state_recorded_bytes(enum state_table_id table) {
    const size_t bytes =
        state_has_digest(table) ? table_info[table].digest_bytes : table_info[table].entry_bytes;
    CHECK(bytes <= STATE_ENTRY_MAX);
    return bytes;
}

struct state_network state_network_of(struct ip_address address) {
    const bool is_v4 = ip_address_is_v4(address);
    struct state_network network = {.is_v4 = is_v4};
    for (unsigned i = is_v4 ? 12 : 0; i < (is_v4 ? 16u : 8u); i++) {
        network.bits = network.bits << 8 | address.bytes[i];
    }
    return network;
}

static struct hash128 never_zero(struct hash128 hash) {
    if (hash.high == 0 && hash.low == 0) {
        hash.low = 1;
    }
    return hash;
}

struct hash128 state_network_key(const struct sip_key *key, struct ip_address address) {
    const struct state_network network = state_network_of(address);
    unsigned char bytes[sizeof network.bits + 1];
    memcpy(bytes, &network.bits, sizeof network.bits);
    bytes[sizeof network.bits] = network.is_v4 ? 4 : 6;
    return never_zero(sip_hash(key, bytes, sizeof bytes));
}

struct ip_address state_network_address(uint64_t bits, bool is_v4) {
    struct ip_address address = {{0}};
    if (is_v4) {
        address.bytes[10] = 0xff;
        address.bytes[11] = 0xff;
    }
    for (unsigned i = is_v4 ? 16 : 8; bits != 0 && i > 0; bits >>= 8) {
        address.bytes[--i] = (unsigned char)(bits & 0xff);
    }
    return address;
}

size_t state_group_count(uint64_t capacity) {
    CHECK(capacity >= 1 && capacity <= UINT64_C(1) << 28);
    const uint64_t slots = (capacity * 14 + 9) / 10;
    return (size_t)((slots + STATE_GROUP_SLOTS - 1) / STATE_GROUP_SLOTS);
}

size_t state_group_bytes(enum state_table_id table) {
    return STATE_GROUP_SLOTS * (1 + state_entry_bytes(table));
}

void state_table_init(struct state_table *table, enum state_table_id id, void *zeroed,
                      size_t group_count) {
    CHECK(zeroed != NULL && group_count > 0);
    *table = (struct state_table){
        .groups = zeroed,
        .slots = (unsigned char *)zeroed + group_count * STATE_GROUP_SLOTS,
        .group_count = group_count,
        .group_bytes = state_group_bytes(id),
        .entry_bytes = state_entry_bytes(id),
    };
}

static unsigned char *tags_of(const struct state_table *table, size_t group) {
    return table->groups + group * STATE_GROUP_SLOTS;
}

static void *slot_at(const struct state_table *table, size_t group, unsigned slot) {
    return table->slots + (group * STATE_GROUP_SLOTS + slot) * table->entry_bytes;
}

void state_copy_groups(const struct state_table *table, size_t first, size_t count,
                       unsigned char *ret_groups) {
    const size_t slots_bytes = table->group_bytes - STATE_GROUP_SLOTS;
    CHECK(first <= table->group_count && count <= table->group_count - first);
    for (size_t i = 0; i < count; i++) {
        unsigned char *group = ret_groups + i * table->group_bytes;
        memcpy(group, tags_of(table, first + i), STATE_GROUP_SLOTS);
        memcpy(group + STATE_GROUP_SLOTS, slot_at(table, first + i, 0), slots_bytes);
    }
}

void state_put_group(struct state_table *table, size_t group, const unsigned char *bytes) {
    CHECK(group < table->group_count);
    memcpy(tags_of(table, group), bytes, STATE_GROUP_SLOTS);
    memcpy(slot_at(table, group, 0), bytes + STATE_GROUP_SLOTS,
           table->group_bytes - STATE_GROUP_SLOTS);
}

void state_table_recount(struct state_table *table) {
    table->used = 0;
    for (size_t group = 0; group < table->group_count; group++) {
        const unsigned char *tags = tags_of(table, group);
        for (unsigned slot = 0; slot < STATE_GROUP_SLOTS; slot++) {
            table->used += tags[slot] != 0;
        }
    }
}

struct hash128 state_key(const struct sip_key *key, enum state_table_id table,
                         const struct str *parts, size_t part_count) {
    CHECK(table < STATE_TABLES && part_count <= STATE_KEY_PARTS_MAX);
    unsigned char bytes[1 + STATE_KEY_PARTS_MAX * (2 + STATE_KEY_PART_MAX)];
    size_t length = 0;
    bytes[length++] = (unsigned char)table;
    for (size_t i = 0; i < part_count; i++) {
        /* Above the limit the length says 0xffff, so that no short part equals a long one. */
        const bool whole = parts[i].length <= STATE_KEY_PART_MAX;
        const unsigned stated = whole ? (unsigned)parts[i].length : 0xffffu;
        bytes[length++] = (unsigned char)(stated & 0xff);
        bytes[length++] = (unsigned char)(stated >> 8);
        if (!whole) {
            const struct hash128 hash = sip_hash(key, parts[i].data, parts[i].length);
            memcpy(bytes + length, &hash, sizeof hash);
            length += sizeof hash;
        } else if (parts[i].length > 0) {
            memcpy(bytes + length, parts[i].data, parts[i].length);
            length += parts[i].length;
        }
    }
    return never_zero(sip_hash(key, bytes, length));
}

size_t state_group_of(const struct state_table *table, struct hash128 key) {
    return (size_t)(((__uint128_t)key.high * table->group_count) >> 64);
}

static bool key_equal(struct hash128 a, struct hash128 b) {
    return ((a.high ^ b.high) | (a.low ^ b.low)) == 0;
}

static unsigned char tag_of(struct hash128 key) {
    return (unsigned char)(TAG_USED | (key.low & 0x7f));
}

/* Bit i: the tag of slot i. */
static uint64_t slots_with(const struct state_table *table, size_t group, unsigned char tag) {
    const char *const tags = (const char *)tags_of(table, group);
    uint64_t slots = 0;
    for (unsigned first = 0; first < STATE_GROUP_SLOTS; first += BYTE_BLOCK) {
        const byte_block some = byte_block_load(tags + first);
        slots |= (uint64_t)byte_block_mask(some == (signed char)tag) << first;
    }
    return slots;
}

static struct state_entry *find_in_group(const struct state_table *table, size_t group,
                                         struct hash128 key) {
    for (uint64_t left = slots_with(table, group, tag_of(key)); left != 0; left &= left - 1) {
        struct state_entry *entry = slot_at(table, group, (unsigned)__builtin_ctzll(left));
        if (key_equal(entry->key, key)) {
            return entry;
        }
    }
    return NULL;
}

void state_prefetch(const struct state *state, enum state_table_id table, struct hash128 key) {
    const struct state_table *in = &state->tables[table];
    prefetch(tags_of(in, state_group_of(in, key)));
}

const void *state_find(const struct state *state, enum state_table_id table, struct hash128 key) {
    const struct state_table *in = &state->tables[table];
    return find_in_group(in, state_group_of(in, key), key);
}

/* Which entry goes first, smallest first: those that have expired, then the longest unused. */
static uint64_t rank_of(const struct state_entry *entry, uint32_t now_s) {
    return (uint64_t)(entry->expires_s > now_s) << 32 | entry->last_used_s;
}

static bool key_less(struct hash128 a, struct hash128 b) {
    return a.high != b.high ? a.high < b.high : a.low < b.low;
}

/* A new key gets one of a few neighbours, on which it falls by bits that are not the tag's: the
 * next empty slot from there on, and in a full group the one of them that goes first. */
enum { WINDOW = 4 };
static unsigned window_of(struct hash128 key) {
    return (unsigned)(key.low >> 7) % (STATE_GROUP_SLOTS / WINDOW) * WINDOW;
}

/* The smallest rank, of equal ones the smallest key. All ranks are read before any is judged: none
 * is near as a rule, and so the waits overlap. */
static unsigned victim_slot(const struct state_table *table, size_t group, struct hash128 key,
                            uint32_t now_s) {
    const unsigned first = window_of(key);
    uint64_t ranks[WINDOW];
    for (unsigned i = 0; i < WINDOW; i++) {
        ranks[i] = rank_of(slot_at(table, group, first + i), now_s);
    }
    unsigned victim = 0;
    for (unsigned i = 1; i < WINDOW; i++) {
        const struct state_entry *entry = slot_at(table, group, first + i);
        const struct state_entry *best = slot_at(table, group, first + victim);
        if (ranks[i] < ranks[victim] ||
            (ranks[i] == ranks[victim] && key_less(entry->key, best->key))) {
            victim = i;
        }
    }
    return first + victim;
}

/* `empty` has a bit for each empty slot, one at least. */
static unsigned empty_slot(uint64_t empty, struct hash128 key) {
    const uint64_t near = empty >> window_of(key) << window_of(key);
    return (unsigned)__builtin_ctzll(near != 0 ? near : empty);
}

enum { LINE = 64, LARGE_ENTRY = 4 * LINE };

static void prefetch_slot(const struct state_table *table, size_t group, unsigned slot) {
    const char *const entry = slot_at(table, group, slot);
    for (size_t at = 0; at < table->entry_bytes; at += LINE) {
        prefetch(entry + at);
    }
    prefetch(entry + table->entry_bytes - 1);
}

static void prefetch_victims(const struct state_table *table, size_t group, struct hash128 key) {
    const unsigned first = window_of(key);
    for (unsigned i = 0; i < WINDOW; i++) {
        const struct state_entry *entry = slot_at(table, group, first + i);
        prefetch(&entry->last_used_s);
    }
}

void state_prefetch_entry(const struct state *state, enum state_table_id table,
                          struct hash128 key) {
    const struct state_table *in = &state->tables[table];
    const size_t group = state_group_of(in, key);
    for (uint64_t left = slots_with(in, group, tag_of(key)); left != 0; left &= left - 1) {
        const unsigned slot = (unsigned)__builtin_ctzll(left);
        if (in->entry_bytes > LARGE_ENTRY) {
            prefetch(slot_at(in, group, slot)); /* As a rule it has another key. */
        } else {
            prefetch_slot(in, group, slot);
        }
    }
}

void state_prefetch_whole(const struct state *state, enum state_table_id table,
                          struct hash128 key) {
    const struct state_table *in = &state->tables[table];
    const char *const entry = (const char *)find_in_group(in, state_group_of(in, key), key);
    for (size_t at = LINE; entry != NULL && at < in->entry_bytes; at += LINE) {
        prefetch(entry + at);
    }
}

void state_prefetch_place(const struct state *state, enum state_table_id table,
                          struct hash128 key) {
    const struct state_table *in = &state->tables[table];
    const size_t group = state_group_of(in, key);
    if (find_in_group(in, group, key) != NULL) {
        return;
    }
    const uint64_t empty = slots_with(in, group, 0);
    if (empty != 0) {
        prefetch_slot(in, group, empty_slot(empty, key));
    } else {
        prefetch_victims(in, group, key);
    }
}

void *state_place(struct state *state, enum state_table_id table, struct hash128 key,
                  uint32_t now_s) {
    struct state_table *in = &state->tables[table];
    const size_t group = state_group_of(in, key);
    struct state_entry *entry = find_in_group(in, group, key);
    if (entry != NULL) {
        return entry;
    }
    const uint64_t empty = slots_with(in, group, 0);
    unsigned slot;
    if (empty != 0) {
        slot = empty_slot(empty, key);
        in->used++;
    } else {
        slot = victim_slot(in, group, key, now_s);
        const struct state_entry *victim = slot_at(in, group, slot);
        in->evicted += victim->expires_s > now_s;
        prefetch_slot(in, group, slot);
    }
    tags_of(in, group)[slot] = tag_of(key);
    entry = slot_at(in, group, slot);
    memset(entry, 0, in->entry_bytes);
    entry->key = key;
    return entry;
}

void state_visit_group(const struct state_table *table, size_t group, state_visit *visit,
                       void *context) {
    CHECK(group < table->group_count);
    const unsigned char *tags = tags_of(table, group);
    for (unsigned slot = 0; slot < STATE_GROUP_SLOTS; slot++) {
        if (tags[slot] != 0) {
            visit(context, slot_at(table, group, slot));
        }
    }
}
