/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/decision.h"

/* The body of a decision's journal record: the request, the facts, the values read, the verdict,
 * the effects. Running decide() on a decoded record gives the recorded verdict again.
 * Format version 2, little-endian, documented in docs/internals/decision-record.md. Pure. */

/* The journal's record types (journal/journal.h). Append, never renumber. */
enum record_type {
    RECORD_NONE = 0,
    RECORD_DECISION = 1,
    RECORD_EFFECTS = 2, /* A command's effects: u16 count, effects, u16 length + text of why. */
    RECORD_GAP = 3,     /* What follows is not continuous: u64 records missed, u32 cause. */
    RECORD_RUN = 4,     /* First record of a run: u64 wall clock ns. */
    RECORD_CLOCK = 5,   /* An administrator accepted the clock: i64 old, i64 new decision time. */
};

enum { DECISION_RECORD_VERSION = 3, DECISION_RECORD_MAX = 17408, EFFECTS_WHY_MAX = 512 };

/* What a decision record holds besides struct decision. Slices of a decoded one point into the
 * record's bytes. */
struct decision_record {
    struct policy_request request;
    struct str identity;
    struct facts facts;
    uint64_t generation;  /* of the settings */
    int64_t wall_ns;      /* wall clock when decided; the record's time is decision time */
    uint32_t duration_us; /* from request complete to answer queued */
    uint32_t cut_values;  /* bit per value that was too long to be kept whole, numbered as in
                             docs/internals/decision-record.md; 0 as a rule */
    struct decision decision;
};

/* Writes at most DECISION_RECORD_MAX bytes and returns how many. Values are cut at
 * DECISION_VALUE_MAX bytes each, which is as much as a policy reads of them, and marked. */
size_t decision_record_encode(const struct policy_request *request, struct str identity,
                              const struct facts *facts, uint64_t generation, int64_t wall_ns,
                              uint32_t duration_us, const struct decision *decision,
                              unsigned char out[DECISION_RECORD_MAX]);
/* False when the bytes are not a whole decision record of a version this release reads. */
bool decision_record_decode(const unsigned char *body, size_t length, unsigned version,
                            struct decision_record *ret_record);
/* Which effects recovery still has to apply: those a snapshot chunk does not hold yet. NULL: all.
 */
struct record_filter {
    void *context;
    bool (*wanted)(void *context, enum state_table_id table, size_t group, uint64_t sequence);
};

/* The effects of a RECORD_DECISION or RECORD_EFFECTS alone, without decoding the rest: for
 * recovery. Returns how many were applied; *ret_unknown counts kinds of a newer release. */
size_t record_apply_effects(struct state *state, enum record_type type, unsigned version,
                            const unsigned char *body, size_t length, uint64_t sequence,
                            const struct record_filter *filter, uint64_t *ret_unknown);

/* RECORD_EFFECTS. At most EFFECTS_MAX effects, text cut at EFFECTS_WHY_MAX bytes. */
size_t effects_record_encode(const struct effect *effects, size_t count, struct str why,
                             unsigned char out[DECISION_RECORD_MAX]);
/* Effects of a kind this release does not know are left out. */
bool effects_record_decode(const unsigned char *body, size_t length, struct effect *ret_effects,
                           size_t *ret_count, struct str *ret_why);
