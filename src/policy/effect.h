/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/state.h"

/* An effect names one table and one key and carries all it needs. effect_apply() reads no clock
 * and no settings and touches only that entry; effects commute (DESIGN 1), so that nodes may
 * exchange them in any order. Numbers are part of the journal's format: append, never renumber.
 *
 * What makes them commute is the epoch: a number that grows each time the history of a key begins
 * anew (after its entry died, or was forgotten). Entry and effect bear one each. An effect of a
 * smaller epoch than the entry's is ignored, one of a larger epoch replaces the entry, one of the
 * same epoch merges into it by minima, maxima and sums. So the entry is always the merge of the
 * effects of the largest epoch, whatever their order. The decision that begins a history anew
 * chooses the epoch (effect_new_epoch()). */

enum effect_kind {
    EFFECT_NONE = 0,
    /* A greylist key was seen. Merge: first = min, passed = the smaller that is not 0, last = max,
     * expires = max, attempts + 1 (+ 0 when `quiet`), sequence of the larger time, then of the
     * larger sequence. */
    EFFECT_GREYLIST_SEEN = 1,
    /* A key of this client passed after a real retry: fingerprint joins the set. fingerprint 0:
     * only last and expires move (a use of a trusted client). */
    EFFECT_GREYLIST_CLIENT_SEEN = 2,
    /* An administrator's forget: the entry becomes empty of history. Its epoch is
     * max(epoch_s, time_s + 1), above that of everything decided until then. */
    EFFECT_GREYLIST_FORGOTTEN = 3,
    EFFECT_GREYLIST_CLIENT_FORGOTTEN = 4,
    /* Reserves (or, below 0, gives back) `amount` in the minute of time_s. Whatever its epoch: a
     * reset takes no reservation away. A minute older than the ring holds is ignored. */
    EFFECT_QUOTA_RESERVED = 5,
    /* Adds `amount` (above 0) to what is used at time_s, in all windows; `zone` gives the local
     * day, week (from Monday) and month. */
    EFFECT_QUOTA_COMMITTED = 6,
    /* An administrator's reset: nothing committed; epoch as of GREYLIST_FORGOTTEN. */
    EFFECT_QUOTA_FORGOTTEN = 7,
    /* A recipient of a message was accepted (EFFECT_EXEMPT: not to be charged). Merge: recipients
     * or exempt + 1, bytes = max of `amount`, minute = that of the largest time_s, charged |=
     * `detail` and the bits of epoch_s, state = max. */
    EFFECT_MESSAGE_CHARGED = 8,
    /* A message was settled: state = ENDED for ever. With EFFECT_RELEASED it is not: `amount`
     * recipients are given back, and what Postfix accepts after all is settled at its end. */
    EFFECT_MESSAGE_ENDED = 9,
    /* Something happened: value = max of `amount`, times + 1, last = max, expires = max. */
    EFFECT_ONCE = 10,
    EFFECT_CORRESPONDENT_SEEN = 11, /* likewise */
    /* A score is `detail` from now on; epoch_s is the revision, `network` whose it is. EFFECT_
     * OUTCOME_* count; EFFECT_RESET: an administrator's. */
    EFFECT_REPUTATION_CHANGED = 12,
    /* Blocked until expires_s, or EFFECT_PERMANENT, or EFFECT_RELEASED; epoch_s is the revision.
     * The low half of `detail` is the trigger, the high half how many blocks by a rule it has had,
     * this one included. The entry is kept BLACKLIST_REMEMBER_S longer, for repeat offenders. */
    EFFECT_BLACKLIST_CHANGED = 13,
    /* One more in the bucket of time_s; buckets are `width_s` wide. */
    EFFECT_OFFENCE_COUNTED = 14,
    EFFECT_OFFENCE_FORGOTTEN = 15,
    EFFECT_KINDS,
};

/* Bits of effect.flags. */
enum {
    EFFECT_EXEMPT = 2,
    EFFECT_IS_V4 = 4,
    EFFECT_RESET = 8,
    EFFECT_PERMANENT = 16,
    EFFECT_RELEASED = 32,
    EFFECT_OUTCOME_ACCEPTED = 64,
    EFFECT_OUTCOME_REJECTED = 128,
    EFFECT_OUTCOME_DEFERRED = 192,
    EFFECT_OUTCOME_MASK = 192,
};
enum { BLACKLIST_REMEMBER_S = 30 * 86400 };

struct effect {
    enum effect_kind kind;
    bool quiet; /* GREYLIST_SEEN: not an attempt (an administrator's pass). */
    /* Counts only when the whole decision accepts: a final refusal or deferral drops it (SPEC 3).
     * Not part of the packed form. */
    bool on_acceptance;
    uint8_t flags;  /* EFFECT_EXEMPT ... */
    uint8_t detail; /* REPUTATION: score; BLACKLIST: trigger and offences; QUOTA_COMMITTED: local
                       time less UTC in quarters of an hour, as int8_t; MESSAGE_CHARGED: low bits of
                       `charged` */
    struct hash128 key;
    uint32_t time_s;    /* Decision time of the event. */
    uint32_t expires_s; /* Of the entry after this effect; above time_s. */
    uint32_t epoch_s;   /* Or revision; MESSAGE_CHARGED: high bits of `charged` */
    union {
        struct {
            uint32_t first_s;  /* GREYLIST_SEEN */
            uint32_t passed_s; /* GREYLIST_SEEN */
        };
        uint32_t fingerprint; /* GREYLIST_CLIENT_SEEN */
        uint32_t width_s;     /* OFFENCE_COUNTED */
        int64_t amount;       /* QUOTA_*, MESSAGE_CHARGED, ONCE */
        uint64_t network;     /* REPUTATION_CHANGED, BLACKLIST_CHANGED */
    };
};

enum { EFFECTS_MAX = 40, EFFECT_BYTES = 40 };

/* Epoch for a history that begins at time_s, where `old_epoch_s` is that of the entry that stood
 * there (0: none). Coarse, so that nodes that meet a new key at about the same time agree. */
uint32_t effect_new_epoch(uint32_t old_epoch_s, uint32_t time_s);

enum state_table_id effect_table(enum effect_kind kind);
/* `sequence` is that of the journal record that bears the effect. */
void effect_apply(struct state *state, const struct effect *effect, uint64_t sequence);

/* Packed form in journal records: EFFECT_BYTES bytes, little-endian: u16 kind, u8 flags (1: quiet),
 * u8 detail, u64 key.high, u64 key.low, u32 time_s, u32 expires_s, u32 epoch_s, 8 bytes of the
 * union. decode is false for a kind this release does not know (kept and
 * counted by the caller). */
void effect_encode(const struct effect *effect, unsigned char out[EFFECT_BYTES]);
bool effect_decode(const unsigned char in[EFFECT_BYTES], struct effect *ret_effect);
