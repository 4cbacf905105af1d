/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sqlite3.h>

#include "store/config_db.h"

/* Inside of config_db: the connection and what its files share. */

struct config_db {
    sqlite3 *connection;
};

/* What SQLite says as a negative errno; 0 for SQLITE_OK, SQLITE_ROW and SQLITE_DONE. */
int config_errno(int sqlite_code);
/* Statements without results. */
MUST_USE int config_run(struct config_db *db, const char *sql);
/* *ret_statement is NULL on failure, which every sqlite3 function below takes. */
MUST_USE int config_prepare(struct config_db *db, const char *sql, sqlite3_stmt **ret_statement);
/* Steps a statement that gives no rows and resets it. */
MUST_USE int config_step(sqlite3_stmt *statement);
/* A first column of a first row, else `otherwise`. */
MUST_USE int config_number(struct config_db *db, const char *sql, int64_t otherwise,
                           int64_t *ret_number);
/* The bytes must live until the statement is reset; NULL data is the empty text. */
void config_bind_text(sqlite3_stmt *statement, int index, struct str text);
/* Valid until the next step. */
struct str config_column_text(sqlite3_stmt *statement, int index);

/* A change: begin, then any number of statements under *ret_version, then end. `result` negative or
 * `changed` false rolls back and keeps the version. */
MUST_USE int config_change_begin(struct config_db *db, const char *author, int64_t wall_ns,
                                 uint64_t *ret_version);
MUST_USE int config_change_end(struct config_db *db, int result, bool changed);
/* One row of the change log. */
MUST_USE int config_log_change(struct config_db *db, uint64_t version, struct str subject,
                               struct str before, struct str after);
