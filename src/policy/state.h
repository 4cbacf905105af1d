/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/ip_address.h"
#include "base/sip_hash.h"
#include "base/str.h"

/* The decision state: tables of fixed capacity in memory. Each is an array of groups of 64 slots;
 * the top bits of the key's hash choose the group, and neither probing nor eviction leaves it. So a
 * group is a unit that can be copied, compared and rebuilt by itself (journal/snapshot.h).
 *
 * Only effects (policy/effect.h) change entries. `apply` of the same effects in the same order
 * gives byte-equal groups. The victim in a full group is a pure function of the group, the new key
 * and the effect's time: of the four slots that the key may take then, an expired entry, else the
 * oldest last_used_s, else the smallest key. Evicting an unexpired entry is counted in `evicted`.
 *
 * Pure: memory is the caller's (state_table_bytes, state_table_init), nothing is allocated. Not
 * thread safe; the daemon has one lock around decide and apply. */

enum state_table_id {
    STATE_GREYLIST = 0,
    STATE_GREYLIST_CLIENT,
    STATE_QUOTA,
    STATE_MESSAGE,
    STATE_ONCE,
    STATE_CORRESPONDENT,
    STATE_REPUTATION,
    STATE_BLACKLIST,
    STATE_OFFENCE,
    STATE_TABLES
};

/* STATE_ENTRY_MAX: what a decision's record keeps of an entry. Of a larger one the policy makes a
 * digest (decision_read_digest() in policy_run.h). */
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

/* What one subject (a user, a domain, an address, everybody) has used of one unit (SPEC 4.6).
 * Rings: the slot of bucket b is b % their size; they hold the buckets (newest - size, newest].
 * 1184 bytes. */
enum { QUOTA_RING = 60, QUOTA_RESERVED_RING = 16, QUOTA_CALENDARS = 3 };
struct quota_entry {
    struct state_entry head;
    uint64_t sequence;
    uint32_t epoch_s;         /* Of what is committed; see effect.h. */
    uint32_t newest_second;   /* of `seconds`: Unix time */
    uint32_t newest_minute;   /* of `minutes`: Unix time / 60 */
    uint32_t reserved_minute; /* newest of `reserved` */
    uint64_t seconds[QUOTA_RING];
    uint64_t minutes[QUOTA_RING];
    int64_t reserved[QUOTA_RESERVED_RING]; /* By minute of the reservation. Below 0 only while
                                              effects arrive out of order. */
    struct {
        uint64_t number; /* of the day (since 1970), week, month, in local time; 0: none */
        uint64_t count;
    } calendar[QUOTA_CALENDARS];
};

/* One message of which recipients are reserved, or that is settled, by (Postfix host, instance).
 * 64 bytes. */
enum message_state { MESSAGE_NONE = 0, MESSAGE_OPEN, MESSAGE_ENDED };
struct message_entry {
    struct state_entry head;
    uint64_t sequence;
    uint64_t bytes;      /* reserved: SIZE of MAIL FROM */
    uint32_t minute;     /* of the reservations: all of them stand there (Unix time / 60) */
    uint32_t recipients; /* reserved */
    uint32_t exempt;     /* accepted and not to be charged */
    uint16_t charged;    /* a bit for each (scope, unit) of which was reserved: quota_pair_bit() */
    uint8_t state;       /* enum message_state; the largest counts */
    uint8_t unused;
    uint32_t released; /* of `recipients`, given back: its connection ended before it did */
    uint32_t unused_too;
};

/* Something that happens once: a charge, an answer, a count, an alert; or a correspondent. The key
 * says what. 48 bytes. */
struct once_entry {
    struct state_entry head;
    uint64_t sequence;
    uint64_t value; /* the largest counts */
    uint32_t times; /* saturating */
    uint32_t unused;
};

/* A client address, IPv6 by /64, as these tables name it: state_network_of(). */
struct state_network {
    uint64_t bits; /* v4: the address; v6: its upper half */
    bool is_v4;
};

/* The score of one network (SPEC 4.9). 64 bytes. Of two changes the one with the larger revision
 * counts, then the lower score: so nodes that exchange effects agree. head.last_used_s is the last
 * activity. */
struct reputation_entry {
    struct state_entry head;
    uint64_t sequence;
    uint64_t network;
    uint32_t revision;
    uint32_t accepted; /* sums, saturating */
    uint32_t rejected;
    uint32_t deferred;
    uint8_t score; /* 0 to 100 */
    uint8_t is_v4;
    uint8_t forgotten; /* reset by an administrator, and not seen since */
    uint8_t unused[5];
};

/* A network that is or was blocked (SPEC 4.10). 64 bytes. The larger revision counts, then the
 * later end. */
struct blacklist_entry {
    struct state_entry head;
    uint64_t sequence; /* of the record that blocked or released it */
    uint64_t network;
    uint32_t revision;
    uint32_t since_s;
    uint32_t until_s;  /* 0: released; UINT32_MAX: for good */
    uint32_t offences; /* Blocks by a rule since it was last released, at most 15. */
    uint8_t trigger;   /* enum blacklist_trigger; 0: by hand */
    uint8_t is_v4;
    uint8_t unused[6];
};

/* How often a network gave a rule its cause, in 60 buckets of width_s. 168 bytes. */
enum { OFFENCE_RING = 60 };
struct offence_entry {
    struct state_entry head;
    uint64_t sequence;
    uint32_t epoch_s;
    uint32_t width_s;
    uint32_t newest; /* bucket: Unix time / width_s */
    uint32_t unused;
    uint16_t counts[OFFENCE_RING]; /* saturating */
};

/* What decisions keep of the entries that are larger than STATE_ENTRY_MAX. All zero: absent. */
enum { QUOTA_WINDOWS_MAX = 5 };
struct quota_digest {
    uint32_t epoch_s;
    uint32_t present; /* 1 */
    uint64_t reserved;
    uint64_t committed[QUOTA_WINDOWS_MAX]; /* by enum quota_window: minute and hour as they end now,
                                              day, week and month as below */
    uint16_t numbers[QUOTA_CALENDARS];     /* of the day, week and month that were counted last */
    uint16_t unused;
};
struct offence_digest {
    uint32_t epoch_s;
    uint32_t width_s;
    uint32_t count; /* in the window that ends now */
    uint32_t present;
};

/* The tags of all groups stand together: they are looked at for each key, few as they are, so that
 * a processor's caches can hold them, which the slots are too many for. */
struct state_table {
    unsigned char *groups; /* group_count * group_bytes: 64 tags for each group, then the slots */
    unsigned char *slots;  /* in there: 64 for each group */
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

/* Fixed facts of a table: name ("greylist", "quota" ...) and entry size. */
const char *state_table_name(enum state_table_id table);
size_t state_entry_bytes(enum state_table_id table);
/* Bytes that a decision's record keeps of an entry: of the entry itself, or of its digest. At most
 * STATE_ENTRY_MAX. */
size_t state_recorded_bytes(enum state_table_id table);
bool state_has_digest(enum state_table_id table);

struct state_network state_network_of(struct ip_address address);
/* The key of that network, the same in each table of networks: one hash for all look-ups of a
 * client. */
struct hash128 state_network_key(const struct sip_key *key, struct ip_address address);
/* The address, or the first of the /64. */
struct ip_address state_network_address(uint64_t bits, bool is_v4);
/* `capacity` entries get 1.4 times as many slots, so that at capacity about one entry in a
 * thousand is evicted early. 1 <= capacity <= 2^28. */
size_t state_group_count(uint64_t capacity);
size_t state_group_bytes(enum state_table_id table);
/* `zeroed` is group_count * group_bytes of zero bytes, 64-byte aligned; borrowed. */
void state_table_init(struct state_table *table, enum state_table_id id, void *zeroed,
                      size_t group_count);
/* A group by itself, group_bytes: its 64 tags, then its 64 slots. In a table of one group that is
 * how it stands in memory. first + count <= group_count. */
void state_copy_groups(const struct state_table *table, size_t first, size_t count,
                       unsigned char *ret_groups);
void state_put_group(struct state_table *table, size_t group, const unsigned char *bytes);
/* Recounts `used` after groups were put. */
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

/* Bring nearer to the processor what a look-up of this key will wait for: first the tags of its
 * group; when these are there, the entry, or of a large one its key; when that is there, the rest
 * of it. Asked for several keys before the first of them is looked up, their waits overlap. */
void state_prefetch(const struct state *state, enum state_table_id table, struct hash128 key);
void state_prefetch_entry(const struct state *state, enum state_table_id table, struct hash128 key);
void state_prefetch_whole(const struct state *state, enum state_table_id table, struct hash128 key);
/* The same for state_place(), after a look-up: the slots that a new entry might get. */
void state_prefetch_place(const struct state *state, enum state_table_id table, struct hash128 key);

/* Visits the entries of one group; for listings and audits. */
typedef void state_visit(void *context, const void *entry);
void state_visit_group(const struct state_table *table, size_t group, state_visit *visit,
                       void *context);
