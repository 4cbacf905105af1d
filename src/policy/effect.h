/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/state.h"

/* An effect names one table and one key and carries all it needs. effect_apply() reads no clock
 * and no settings and touches only that entry; effects commute (DESIGN 1), so that nodes may
 * exchange them in any order. Numbers are part of the journal's format: append, never renumber. */

enum effect_kind {
    EFFECT_NONE = 0,
    /* A greylist key was seen. An entry dead at time_s is replaced; a live one merges: first = min,
     * passed = the smaller that is not 0, last = max, expires = max, attempts + 1 (+0 when
     * `quiet`), sequence of the larger time. A first contact at or before forgotten_s is ignored. */
    EFFECT_GREYLIST_SEEN = 1,
    /* A key of this client passed after a real retry: fingerprint joins the set; a dead entry is
     * replaced. fingerprint 0: only last and expires move (a use of a trusted client). */
    EFFECT_GREYLIST_CLIENT_SEEN = 2,
    /* An administrator's forget: the entry becomes empty of history at time_s (last-writer-wins). */
    EFFECT_GREYLIST_FORGOTTEN = 3,
    EFFECT_GREYLIST_CLIENT_FORGOTTEN = 4,
    EFFECT_KINDS,
};

struct effect {
    enum effect_kind kind;
    struct hash128 key;
    uint32_t time_s;    /* Decision time of the event. */
    uint32_t expires_s; /* Of the entry after this effect. */
    uint32_t first_s;
    uint32_t passed_s;
    uint32_t fingerprint;
};

enum { EFFECTS_MAX = 16, EFFECT_BYTES = 40 };

enum state_table_id effect_table(enum effect_kind kind);
/* `sequence` is that of the journal record that bears the effect. */
void effect_apply(struct state *state, const struct effect *effect, uint64_t sequence);

/* Packed form in journal records: EFFECT_BYTES bytes, little-endian, kind first. decode is false
 * for a kind this release does not know (kept and counted by the caller). */
void effect_encode(const struct effect *effect, unsigned char out[EFFECT_BYTES]);
bool effect_decode(const unsigned char in[EFFECT_BYTES], struct effect *ret_effect);
