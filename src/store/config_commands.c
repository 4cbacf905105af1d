/* SPDX-License-Identifier: Apache-2.0 */
#include "store/config_connection.h"

/* Who did what to the state by hand. Not a version: neither settings nor lists change. */

static int insert(struct config_db *db, const struct config_command *command) {
    sqlite3_stmt *statement = NULL;
    int result = config_prepare(db,
                                "INSERT INTO commands (wall_ns, author, subject, what, comment)"
                                " VALUES (?1, ?2, ?3, ?4, ?5)",
                                &statement);
    if (result == 0) {
        (void)sqlite3_bind_int64(statement, 1, command->wall_ns);
        config_bind_text(statement, 2, command->author);
        config_bind_text(statement, 3, command->subject);
        config_bind_text(statement, 4, command->what);
        config_bind_text(statement, 5, command->comment);
        result = config_step(statement);
    }
    (void)sqlite3_finalize(statement);
    return result;
}

static int drop_oldest(struct config_db *db) {
    sqlite3_stmt *statement = NULL;
    int result = config_prepare(
        db, "DELETE FROM commands WHERE id <= (SELECT max(id) FROM commands) - ?1", &statement);
    if (result == 0) {
        (void)sqlite3_bind_int(statement, 1, CONFIG_COMMANDS_MAX);
        result = config_step(statement);
    }
    (void)sqlite3_finalize(statement);
    return result;
}

int config_db_note_command(struct config_db *db, const struct config_command *command) {
    const int result = insert(db, command);
    return result < 0 ? result : drop_oldest(db);
}

int config_db_commands(struct config_db *db, struct str subject, size_t limit,
                       config_command_visit *visit, void *context) {
    sqlite3_stmt *statement = NULL;
    int result = config_prepare(db,
                                "SELECT wall_ns, author, subject, what, comment FROM commands"
                                " WHERE subject = ?1 ORDER BY id DESC LIMIT ?2",
                                &statement);
    config_bind_text(statement, 1, subject);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)limit);
    int code = SQLITE_DONE;
    while (result == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        visit(context, &(struct config_command){
                           .wall_ns = sqlite3_column_int64(statement, 0),
                           .author = config_column_text(statement, 1),
                           .subject = config_column_text(statement, 2),
                           .what = config_column_text(statement, 3),
                           .comment = config_column_text(statement, 4),
                       });
    }
    result = result < 0 ? result : config_errno(code);
    (void)sqlite3_finalize(statement);
    return result;
}
