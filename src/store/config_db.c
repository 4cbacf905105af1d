/* SPDX-License-Identifier: Apache-2.0 */
#include "store/config_db.h"

#include "store/config_connection.h"

/* --- versions and the change log ------------------------------------------------------------ */

uint64_t config_db_version(struct config_db *db) {
    int64_t version = 0;
    if (config_number(db, "SELECT max(version) FROM versions", 0, &version) < 0) {
        return 0;
    }
    return (uint64_t)version;
}

int config_change_begin(struct config_db *db, const char *author, int64_t wall_ns,
                        uint64_t *ret_version) {
    int result = config_run(db, "BEGIN IMMEDIATE");
    if (result < 0) {
        return result;
    }
    sqlite3_stmt *statement = NULL;
    result = config_prepare(db,
                            "INSERT INTO versions (version, wall_ns, author)"
                            " SELECT max(version) + 1, ?1, ?2 FROM versions",
                            &statement);
    (void)sqlite3_bind_int64(statement, 1, wall_ns);
    config_bind_text(statement, 2, str_from(author));
    if (result == 0) {
        result = config_step(statement);
    }
    (void)sqlite3_finalize(statement);
    if (result < 0) {
        return config_change_end(db, result, false);
    }
    *ret_version = (uint64_t)sqlite3_last_insert_rowid(db->connection);
    return 0;
}

int config_change_end(struct config_db *db, int result, bool changed) {
    if (result == 0 && changed) {
        result = config_run(db, "COMMIT");
        if (result == 0) {
            return 0;
        }
    }
    /* After some errors SQLite has rolled back already; then this one fails, and that is right. */
    (void)sqlite3_exec(db->connection, "ROLLBACK", NULL, NULL, NULL);
    return result;
}

int config_log_change(struct config_db *db, uint64_t version, struct str subject, struct str before,
                      struct str after) {
    sqlite3_stmt *statement = NULL;
    int result = config_prepare(db,
                                "INSERT INTO changes (version, subject, before, after)"
                                " VALUES (?1, ?2, ?3, ?4)",
                                &statement);
    if (result == 0) {
        (void)sqlite3_bind_int64(statement, 1, (int64_t)version);
        config_bind_text(statement, 2, subject);
        config_bind_text(statement, 3, before);
        config_bind_text(statement, 4, after);
        result = config_step(statement);
    }
    (void)sqlite3_finalize(statement);
    return result;
}

int config_db_changes(struct config_db *db, uint64_t before_version, size_t limit,
                      config_change_visit *visit, void *context) {
    sqlite3_stmt *statement = NULL;
    int result =
        config_prepare(db,
                       "SELECT c.version, v.wall_ns, v.author, c.subject, c.before, c.after"
                       " FROM changes c JOIN versions v ON v.version = c.version"
                       " WHERE c.version < ?1 ORDER BY c.version DESC, c.id",
                       &statement);
    const bool from_the_top = before_version == 0 || before_version > INT64_MAX;
    (void)sqlite3_bind_int64(statement, 1, from_the_top ? INT64_MAX : (int64_t)before_version);
    uint64_t last_version = 0;
    size_t shown = 0;
    for (bool more = true; result == 0 && more;) {
        const int code = sqlite3_step(statement);
        result = config_errno(code);
        if (code != SQLITE_ROW) {
            break;
        }
        const struct config_change change = {
            .version = (uint64_t)sqlite3_column_int64(statement, 0),
            .wall_ns = sqlite3_column_int64(statement, 1),
            .author = config_column_text(statement, 2),
            .subject = config_column_text(statement, 3),
            .before = config_column_text(statement, 4),
            .after = config_column_text(statement, 5),
        };
        /* A version is told whole, so that its number can be the cursor. */
        more = (shown < limit || change.version == last_version) && visit(context, &change);
        last_version = change.version;
        shown++;
    }
    (void)sqlite3_finalize(statement);
    return result;
}

int config_db_backup(struct config_db *db, const char *path) {
    return database_backup(db->connection, path);
}
