/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "base/sip_hash.h"
#include "base/str.h"

/* Who had the most decisions: counts by key, for one dimension (senders, clients, ...), kept apart
 * by direction and outcome. With `keys_max` the memory is bounded: when there are as many keys, the
 * lower half of them is forgotten (Misra and Gries, Manku and Motwani), and `missed` says by how
 * much a count may be too low since.
 *
 * An encoded list is the highest keys of one direction and outcome. Merging lists of several parts
 * of history adds up the counts; for each key it also adds up how much the parts may have left out,
 * so that every count of an answer comes with its own bound: the truth is between `count` and
 * `count + missing`. Internal to store/; one thread at a time. */

enum history_outcome { HISTORY_ACCEPTED = 0, HISTORY_DEFERRED, HISTORY_REJECTED, HISTORY_OUTCOMES };
enum {
    HISTORY_TOP_LISTS = 2 * HISTORY_OUTCOMES,
    HISTORY_TOP_KEY_MAX = 320 /* bytes; a longer key is cut, and counts with its like */
};
/* Direction and outcome as one number below HISTORY_TOP_LISTS. */
static inline unsigned history_top_list(unsigned direction, enum history_outcome outcome) {
    return (direction != 0 ? HISTORY_OUTCOMES : 0u) + (unsigned)outcome;
}

struct history_top;
/* keys_max 0: no bound. NULL: out of memory. */
struct history_top *history_top_new(size_t keys_max);
void history_top_free(struct history_top *top);
/* Empty again, with the memory kept. */
void history_top_clear(struct history_top *top);
size_t history_top_keys(const struct history_top *top);

/* Keys and their hash are without regard to the case of ASCII letters; lower case is kept. */
struct history_key {
    char bytes[HISTORY_TOP_KEY_MAX];
    size_t length;
    uint64_t hash;
};
void history_key_make(struct history_key *key, struct str text);
/* `label`: what else is known of the key, for people; the first that is not empty stays. Negative
 * errno: out of memory. */
MUST_USE int history_top_add(struct history_top *top, const struct history_key *key,
                             struct str label, unsigned list, uint64_t count);
/* Everything of `other`. */
MUST_USE int history_top_merge(struct history_top *top, const struct history_top *other);

/* The highest `keep` keys of a list; *ret_bytes is the caller's, by free(); NULL with length 0 when
 * the list is empty and nothing was forgotten. */
MUST_USE int history_top_encode(const struct history_top *top, unsigned list, size_t keep,
                                unsigned char **ret_bytes, size_t *ret_length);
/* -EUCLEAN when the bytes are no list; what was read before stays added. */
MUST_USE int history_top_merge_encoded(struct history_top *top, unsigned list,
                                       const unsigned char *bytes, size_t length);

struct history_top_item {
    struct str key; /* as long as the table is not changed */
    struct str label;
    uint64_t counts[HISTORY_OUTCOMES];
    uint64_t count; /* their sum */
    uint64_t missing;
};
/* The highest by `count`, over the lists whose bit is set in `lists` (merge no encoded lists but
 * those: `missing` counts on it); equal ones by key. Returns how many. */
size_t history_top_highest(const struct history_top *top, unsigned lists,
                           struct history_top_item *ret_items, size_t max);
