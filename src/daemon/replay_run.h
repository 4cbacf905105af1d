/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/replay_judge.h"

/* One replay from beginning to end: history is read in the order of time on the calling thread, and
 * judged by it and a second one, of the same priority (replay_judge.h). */

enum {
    /* So many rows are read at a time, some tens of milliseconds: then the history file is let go,
     * so that the recorder can checkpoint it and retention can remove it. */
    REPLAY_ROWS_AT_A_TIME = 20000,
};
/* The most that one replay reads; what is beyond is told (`complete`). */
#define REPLAY_DECISIONS_MAX UINT64_C(100000000)
struct replay_progress {
    struct replay_totals totals;
    int64_t first_ns; /* wall clock of the first row, and of the last so far; 0: none yet */
    int64_t last_ns;
    uint64_t damaged_files; /* that could not be read */
    bool complete;          /* all there is between the times was read */
};

struct replay_run_options {
    const char *history_folder;
    int64_t from_ns; /* wall clock */
    int64_t to_ns;   /* exclusive */
    uint64_t decisions_max;
    struct replay_judge_options judge;
    /* Read by each row: true ends the run with -ECANCELED. */
    const atomic_bool *stop;
    /* Told after each REPLAY_ROWS_AT_A_TIME; may be NULL. */
    void (*tell)(void *context, const struct replay_progress *progress);
    /* Told the second thread, and NULL before it is gone; may be NULL. */
    void (*helper)(void *context, const pthread_t *thread);
    void *context;
};

/* The report is the caller's, and there also when the run was cancelled: of what was judged until
 * then. */
MUST_USE int replay_run(const struct replay_run_options *options,
                        struct replay_progress *ret_progress, struct replay_report **ret_report);
