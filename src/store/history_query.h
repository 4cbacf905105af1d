/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sqlite3.h>

#include "store/history.h"

/* From struct history_query to SQL on one file. The text is put together from constants; every
 * value of the user is bound as a parameter. Internal to the reader. */

/* Prepared and bound. `after` and `before` bound the sequences (exclusive; 0: none), `indexed` says
 * that the file has its indexes and full text, `limit` is what is still wanted. What `query` points
 * to must live until the statement is finalized. -EINVAL: a network that is none. */
MUST_USE int history_query_prepare(sqlite3 *db, const struct history_query *query, uint64_t after,
                                   uint64_t before, bool indexed, size_t limit,
                                   sqlite3_stmt **ret_statement);
/* The row that the statement stands on. */
struct history_row history_query_row(sqlite3_stmt *statement);
