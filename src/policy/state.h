/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/sip_hash.h"
#include "base/str.h"

/* The decision state: tables of fixed capacity in memory. Each is an array of groups of 64 slots;
 * the top bits of the key's hash choose the group, and neither probing nor eviction leaves it. So a
 * group is a unit that can be copied, compared and rebuilt by itself (journal/snapshot.h).
 *
 * Only effects (policy/effect.h) change entries. `apply` of the same effects in the same order
 * gives byte-equal groups. The victim in a full group is a pure function of the group and the
 * effect's time: an expired entry, else the oldest last_used_s, else the smallest key. Evicting an
 * unexpired entry is counted in `evicted`.
 *
 * Pure: memory is the caller's (state_table_bytes, state_table_init), nothing is allocated. Not
 * thread safe; the daemon has one lock around decide and apply. */

enum state_table_id { STATE_GREYLIST = 0, STATE_GREYLIST_CLIENT, STATE_TABLES };

enum { STATE_GROUP_SLOTS = 64, STATE_ENTRY_MAX = 64, STATE_FINGERPRINTS_MAX = 7 };

/* Every entry starts with this. All-zero bytes are an empty slot; a key of zero is never used
 * (state_key() maps it to 1). */
struct state_entry {
    struct hash128 key;
    uint32_t last_used_s; /* Unix time of decision time, until 2106. */
    uint32_t expires_s;   /* First second at which the entry counts as absent. */
};

/* One (client network or SPF domain, sender, recipient). 48 bytes. */
struct greylist_entry {
    struct state_entry head;
    uint32_t first_s; /* First contact; 0: an administrator forgot it, and it was not seen since. */
    uint32_t passed_s; /* 0 while waiting; else when it first came back in time. */
    uint32_t epoch_s;  /* See effect.h. */
    uint32_t attempts; /* Attempts seen, saturating. */
    uint64_t sequence; /* Of the last record that touched it: history tells the names. */
};

/* One client network or SPF domain. 64 bytes. */
struct greylist_client_entry {
    struct state_entry head;
    uint64_t sequence;
    uint32_t epoch_s;                              /* See effect.h. */
    uint32_t fingerprints[STATE_FINGERPRINTS_MAX]; /* Of the keys that passed: a set, ascending, the
                                                      smallest ones kept, 0 = none. */
};

struct state_table {
    unsigned char *groups; /* group_count * group_bytes; group: 64 tag bytes, then 64 slots */
    size_t group_count;
    size_t group_bytes;
    size_t entry_bytes;
    uint64_t used;    /* slots not empty (expired ones included) */
    uint64_t evicted; /* unexpired entries evicted since start */
};

struct state {
    struct state_table tables[STATE_TABLES];
    struct sip_key key; /* Of the installation; kept beside the state on disk. */
};

/* Fixed facts of a table: name ("greylist", "greylist_client") and entry size. */
const char *state_table_name(enum state_table_id table);
size_t state_entry_bytes(enum state_table_id table);
/* `capacity` entries get 1.4 times as many slots, so that at capacity about one entry in a
 * thousand is evicted early. 1 <= capacity <= 2^28. */
size_t state_group_count(uint64_t capacity);
size_t state_group_bytes(enum state_table_id table);
/* `zeroed` is group_count * group_bytes of zero bytes, 64-byte aligned; borrowed. */
void state_table_init(struct state_table *table, enum state_table_id id, void *zeroed,
                      size_t group_count);
/* Recounts `used` after groups were loaded from a snapshot. */
void state_table_recount(struct state_table *table);

enum { STATE_KEY_PARTS_MAX = 4, STATE_KEY_PART_MAX = 512 };

/* Keys: SipHash of the table's number and the parts, each preceded by its length (u16). A part of
 * more than STATE_KEY_PART_MAX bytes stands in by its own hash. */
struct hash128 state_key(const struct sip_key *key, enum state_table_id table,
                         const struct str *parts, size_t part_count);
size_t state_group_of(const struct state_table *table, struct hash128 key);

/* NULL when absent. An entry whose expires_s <= now_s is returned too; the policy decides what an
 * expired entry means. Valid until the next apply. */
const void *state_find(const struct state *state, enum state_table_id table, struct hash128 key);
/* For effect_apply() alone: the entry, or a fresh zeroed slot with the key set (evicting if need
 * be). Never NULL. */
void *state_place(struct state *state, enum state_table_id table, struct hash128 key,
                  uint32_t now_s);

/* Brings the group of a key that is about to be looked up nearer to the processor. */
void state_prefetch(const struct state *state, enum state_table_id table, struct hash128 key);

/* Visits the entries of one group; for listings and audits. */
typedef void state_visit(void *context, const void *entry);
void state_visit_group(const struct state_table *table, size_t group, state_visit *visit,
                       void *context);
