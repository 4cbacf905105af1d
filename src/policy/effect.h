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
    EFFECT_KINDS,
};

struct effect {
    enum effect_kind kind;
    bool quiet; /* GREYLIST_SEEN: not an attempt (an administrator's pass). */
    struct hash128 key;
    uint32_t time_s;    /* Decision time of the event. */
    uint32_t expires_s; /* Of the entry after this effect; above time_s. */
    uint32_t epoch_s;
    uint32_t first_s;     /* GREYLIST_SEEN */
    uint32_t passed_s;    /* GREYLIST_SEEN */
    uint32_t fingerprint; /* GREYLIST_CLIENT_SEEN */
};

enum { EFFECTS_MAX = 16, EFFECT_BYTES = 40 };

/* Epoch for a history that begins at time_s, where `old_epoch_s` is that of the entry that stood
 * there (0: none). Coarse, so that nodes that meet a new key at about the same time agree. */
uint32_t effect_new_epoch(uint32_t old_epoch_s, uint32_t time_s);

enum state_table_id effect_table(enum effect_kind kind);
/* `sequence` is that of the journal record that bears the effect. */
void effect_apply(struct state *state, const struct effect *effect, uint64_t sequence);

/* Packed form in journal records: EFFECT_BYTES bytes, little-endian: u16 kind, u8 flags (1: quiet),
 * u8 0, u64 key.high, u64 key.low, u32 time_s, u32 expires_s, u32 epoch_s, u32 first_s or
 * fingerprint, u32 passed_s. decode is false for a kind this release does not know (kept and
 * counted by the caller). */
void effect_encode(const struct effect *effect, unsigned char out[EFFECT_BYTES]);
bool effect_decode(const unsigned char in[EFFECT_BYTES], struct effect *ret_effect);
