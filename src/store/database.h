/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sqlite3.h>

#include "base/check.h"
#include "base/str.h"

/* What the databases of our own have in common (config.db, api.db): opening with all that may be
 * wrong with the file, each with its sentence, migrations, and short forms of SQLite's calls. WAL,
 * synchronous=FULL; the file is readable by its owner alone. One thread at a time for a
 * connection: the caller's lock. */

struct database_kind {
    int application_id;            /* in bytes 68 to 71 of the file */
    const char *const *migrations; /* SQL; number i leads from schema i to i + 1 */
    int64_t migration_count;
    const char *user;       /* of the service, for sentences */
    const char *setting;    /* that says where the file is */
    const char *if_damaged; /* what to do then: "move it away and ..." */
};

/* Opens or creates and brings to the newest schema, each step one transaction. Negative errno with
 * a sentence in `problem`; -EUCLEAN: damaged; -EPROTONOSUPPORT: written by a newer release. */
MUST_USE int database_open(const char *path, const struct database_kind *kind,
                           sqlite3 **ret_connection, struct text *problem);

/* VACUUM INTO `path` (must not exist), readable by its owner alone, synced with its folder. */
MUST_USE int database_backup(sqlite3 *connection, const char *path);

/* What SQLite says as a negative errno; 0 for SQLITE_OK, SQLITE_ROW and SQLITE_DONE. */
int database_errno(int sqlite_code);
/* Statements without results. */
MUST_USE int database_run(sqlite3 *connection, const char *sql);
/* *ret_statement is NULL on failure, which every sqlite3 function and those below take. */
MUST_USE int database_prepare(sqlite3 *connection, const char *sql, sqlite3_stmt **ret_statement);
/* Steps a statement that gives no rows and resets it. */
MUST_USE int database_step(sqlite3_stmt *statement);
/* A first column of a first row, else `otherwise`. */
MUST_USE int database_number(sqlite3 *connection, const char *sql, int64_t otherwise,
                             int64_t *ret_number);
/* The bytes must live until the statement is reset; NULL data is the empty text. */
void database_bind_text(sqlite3_stmt *statement, int index, struct str text);
/* Valid until the next step. */
struct str database_column_text(sqlite3_stmt *statement, int index);
