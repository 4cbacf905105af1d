/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "journal/journal_fixture.h"
#include "journal/snapshot.h"
#include "policy/decision_record.h"

/* A small daemon without sockets: state, journal and random effects that it applies and journals.
 * For tests only; failures end the test. */

struct world {
    struct fixture files;
    struct state *state; /* in shared memory: what a killed child had can be looked at */
    uint64_t random;     /* xorshift; never 0 */
};

/* `capacity` of both tables; the state is empty. */
void world_init(struct world *world, const char *name, uint64_t capacity, uint64_t seed);
void world_done(struct world *world);
struct state *world_state_new(uint64_t capacity);
void world_state_free(struct state *state);
uint64_t world_random(struct world *world, uint64_t below);
/* One random effect: journaled as a RECORD_EFFECTS, then applied. */
void world_step(struct world *world);
/* Loads the snapshot and replays the journal (not opened for writing by us) into an empty state. */
struct world_recovery {
    bool had_snapshot;
    uint64_t damaged;         /* chunks */
    uint64_t damaged_records; /* of the journal */
    uint64_t lowest;
    uint64_t replayed; /* effects applied */
};
struct world_recovery world_recover(const struct world *world, struct state *state);
/* Fails the test unless all groups are equal byte for byte. */
void world_assert_equal(const struct state *a, const struct state *b);
/* The same entries, wherever they stand. */
void world_assert_same_entries(const struct state *a, const struct state *b);
