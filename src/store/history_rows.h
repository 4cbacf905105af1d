/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sqlite3.h>

#include "store/history.h"

/* The rows of one open history file: prepared inserts, and what is gathered in memory during a
 * transaction and written once at its end (statistics, spans, counts of folded rows). Internal to
 * the writer; one thread. */

enum {
    HISTORY_MINUTES_MAX = 4096, /* different (minute, direction, ...) per transaction, power of 2 */
    HISTORY_FOLDS_MAX = 4096    /* refusals remembered for folding, power of 2 */
};

struct history_rows;
MUST_USE int history_rows_new(sqlite3 *db, struct history_rows **ret_rows);
void history_rows_free(struct history_rows *rows);
/* All three count the decision in the statistics, but the end of a message, which is none. */
MUST_USE int history_rows_add(struct history_rows *rows, const struct history_record *record);
MUST_USE int history_rows_fold(struct history_rows *rows, const struct history_record *record,
                               bool *ret_folded);
MUST_USE int history_rows_count(struct history_rows *rows, const struct history_record *record);
/* Writes what is gathered; before COMMIT. */
MUST_USE int history_rows_flush(struct history_rows *rows);
/* Forgets what is gathered, and rows that may be folded into: after a rollback. */
void history_rows_discard(struct history_rows *rows);
