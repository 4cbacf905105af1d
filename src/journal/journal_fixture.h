/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "journal/journal.h"

/* A journal in the test's folder, and records whose content follows from their number, so that a
 * reader's every byte can be checked. For tests only; failures end the test. */

struct fixture {
    char folder[128];
    char ring[128];
    struct journal_options options; /* small: 1 MiB ring, 64 KiB segments, sync at every pass */
    struct journal *journal;
};

/* A folder of its own below test_folder(); nothing is opened yet. */
void fixture_init(struct fixture *fixture, const char *name);
void fixture_open(struct fixture *fixture);
void fixture_start(struct fixture *fixture);
void fixture_close(struct fixture *fixture);
/* Commits one record (RECORD_EFFECTS) of a length and content given by its sequence, which is
 * returned; 0 when the ring was full (then it is skipped). */
uint64_t fixture_append(struct fixture *fixture);
uint64_t fixture_append_many(struct fixture *fixture, size_t count);
/* True when the record is exactly what fixture_append wrote under its number. */
bool fixture_record_right(const struct journal_record *record);
/* Runs `live` with the fixture in a child process that ends by SIGKILL when `live` returns. */
void fixture_killed(struct fixture *fixture, void (*live)(struct fixture *fixture));

/* All records with numbers above `after`: RECORD_EFFECTS must be right and ascending, others are
 * counted apart. */
struct fixture_reading {
    uint64_t records; /* RECORD_EFFECTS */
    uint64_t first;   /* their numbers */
    uint64_t last;
    uint64_t gaps;   /* RECORD_GAP */
    uint64_t missed; /* sum of what they tell */
    uint64_t runs;   /* RECORD_RUN */
    uint64_t damaged;
    int64_t time_ns; /* of the last */
};
struct fixture_reading fixture_read(const char *folder, const char *ring, uint64_t after,
                                    uint64_t limit);
