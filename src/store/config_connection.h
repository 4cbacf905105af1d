/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/config_db.h"
#include "store/database.h"

/* Inside of config_db: the connection and what its files share. */

struct config_db {
    sqlite3 *connection;
};

/* The short forms of database.h for this connection. */
static inline int config_errno(int sqlite_code) {
    return database_errno(sqlite_code);
}
static inline int config_run(struct config_db *db, const char *sql) {
    return database_run(db->connection, sql);
}
static inline int config_prepare(struct config_db *db, const char *sql,
                                 sqlite3_stmt **ret_statement) {
    return database_prepare(db->connection, sql, ret_statement);
}
static inline int config_step(sqlite3_stmt *statement) {
    return database_step(statement);
}
static inline int config_number(struct config_db *db, const char *sql, int64_t otherwise,
                                int64_t *ret_number) {
    return database_number(db->connection, sql, otherwise, ret_number);
}
static inline void config_bind_text(sqlite3_stmt *statement, int index, struct str text) {
    database_bind_text(statement, index, text);
}
static inline struct str config_column_text(sqlite3_stmt *statement, int index) {
    return database_column_text(statement, index);
}

/* A change: begin, then any number of statements under *ret_version, then end. `result` negative or
 * `changed` false rolls back and keeps the version. */
MUST_USE int config_change_begin(struct config_db *db, const char *author, int64_t wall_ns,
                                 uint64_t *ret_version);
MUST_USE int config_change_end(struct config_db *db, int result, bool changed);
/* One row of the change log. */
MUST_USE int config_log_change(struct config_db *db, uint64_t version, struct str subject,
                               struct str before, struct str after);
