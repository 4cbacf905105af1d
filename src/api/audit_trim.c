/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "api/audit.h"
#include "api/audit_row.h"

/* Rows that are old enough go, oldest first. What is left still shows that it was not changed: the
 * hash on which it goes on is kept, and said in a row of its own. */

enum { REMOVED_AT_A_TIME = 5000 };

/* The newest row to remove: before it all are older than `before_ns`, and after it at least one is
 * left, which holds the end of the chain. 0: none. */
static int find_last(sqlite3 *connection, int64_t before_ns, int64_t start_id, int64_t *ret_id) {
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(
        connection,
        "SELECT min(coalesce((SELECT id FROM audit WHERE time_ns >= ?1 ORDER BY id LIMIT 1),"
        " max(id)), ?2 + ?3 + 1) - 1 FROM audit",
        &statement);
    if (result == 0) {
        (void)sqlite3_bind_int64(statement, 1, before_ns);
        (void)sqlite3_bind_int64(statement, 2, start_id);
        (void)sqlite3_bind_int64(statement, 3, REMOVED_AT_A_TIME);
        const int code = sqlite3_step(statement);
        result = database_errno(code);
        *ret_id = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    }
    (void)sqlite3_finalize(statement);
    return result;
}

static int move_start(sqlite3 *connection, int64_t id) {
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection,
                                  "INSERT OR REPLACE INTO audit_start (one, id, hash)"
                                  " SELECT 1, id, hash FROM audit WHERE id = ?1",
                                  &statement);
    if (result == 0) {
        (void)sqlite3_bind_int64(statement, 1, id);
        result = database_step(statement);
    }
    (void)sqlite3_finalize(statement);
    return result < 0 || sqlite3_changes(connection) == 1 ? result : -EUCLEAN;
}

static int remove_until(sqlite3 *connection, int64_t id) {
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection, "DELETE FROM audit WHERE id <= ?1", &statement);
    if (result == 0) {
        (void)sqlite3_bind_int64(statement, 1, id);
        result = database_step(statement);
    }
    (void)sqlite3_finalize(statement);
    return result;
}

static int note(sqlite3 *connection, const struct audit_start *start, int64_t now_ns) {
    char bytes[AUDIT_START_TEXT_MAX];
    struct text after = TEXT_OVER(bytes);
    audit_start_format(start, &after);
    struct audit_stored row = {
        .kind = AUDIT_NOTE,
        .time_ns = now_ns,
        .entry = {.user = STR("seczim-api"),
                  .via = STR("nobody"),
                  .action = STR(AUDIT_TRIM_ACTION)},
        .after = text_str(&after),
        .status = 200,
    };
    return audit_row_add(connection, &row);
}

int audit_trim(struct api_db *db, int64_t before_ns, int64_t now_ns, bool *ret_more) {
    int result;
    int64_t last_id = 0;
    struct audit_start start = {0};
    *ret_more = false;
    sqlite3 *connection = api_db_begin(db, &result);
    if (connection == NULL) {
        return result;
    }
    result = audit_start_read(connection, &start);
    const int64_t old_id = start.id;
    if (result == 0) {
        result = find_last(connection, before_ns, old_id, &last_id);
    }
    if (result < 0 || last_id <= old_id) {
        return api_db_end(db, result);
    }
    result = move_start(connection, last_id);
    if (result == 0) {
        result = audit_start_read(connection, &start);
    }
    if (result == 0) {
        result = remove_until(connection, last_id);
    }
    if (result == 0) {
        result = note(connection, &start, now_ns);
    }
    result = api_db_end(db, result);
    *ret_more = result == 0 && last_id - old_id == REMOVED_AT_A_TIME;
    return result;
}
