/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/database.h"

/* api.db: users, sessions, tokens and the audit log, in SQLite (WAL, synchronous=FULL, mode 0600),
 * owned by seczim-api; read by hand with sqlite3. Migrations are additive and idempotent; a
 * database of a newer schema is refused with a sentence.
 *
 * One connection under one mutex: users.h, tokens.h, web_sessions.h and audit.h take it for the
 * length of a call, so any thread may call them. A call is short (no hashing of passwords, no
 * waiting for others happens under it). */

struct api_db;

/* Opens or creates. Negative errno with a sentence in `problem`. -EUCLEAN: damaged;
 * -EPROTONOSUPPORT: of a newer release. */
MUST_USE int api_db_open(const char *path, struct api_db **ret_db, struct text *problem);
void api_db_close(struct api_db *db);
/* VACUUM INTO `path` (must not exist), readable by its owner alone. */
MUST_USE int api_db_backup(struct api_db *db, const char *path);

/* --- for the files of this folder that hold the tables --- */

/* The connection, until api_db_unlock(). */
sqlite3 *api_db_lock(struct api_db *db);
void api_db_unlock(struct api_db *db);
/* The same around one transaction. api_db_end() commits when `result` is not negative, else rolls
 * back; returns `result`, or why the commit failed. NULL from api_db_begin(): *ret_error says why,
 * and nothing is locked. */
sqlite3 *api_db_begin(struct api_db *db, int *ret_error);
MUST_USE int api_db_end(struct api_db *db, int result);
