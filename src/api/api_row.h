/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/database.h"

/* Small things that the tables of api.db share. */

/* A text column with a zero byte behind it; what does not fit is cut. */
void row_copy(sqlite3_stmt *statement, int column, char *ret_text, size_t size);
/* One statement with ?1 = `id` and, where the statement has it, ?2 = `number`. */
MUST_USE int row_set_number(sqlite3 *connection, const char *sql, int64_t id, int64_t number);
/* The same where failing at it must not matter to the caller. */
void row_try_number(sqlite3 *connection, const char *sql, int64_t id, int64_t number);
/* Valid UTF-8 without control characters: what a person may name things. Pure. */
bool row_text_valid(struct str text);
