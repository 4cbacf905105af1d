/* SPDX-License-Identifier: Apache-2.0 */
#include "api/web_sessions.h"

#include <errno.h>

#include "api/api_row.h"

#define NS_IN_S INT64_C(1000000000)

void web_session_csrf(const struct secret *secret, struct text *out) {
    secret_derive(secret, "seczim csrf", out);
}

bool web_session_csrf_right(const struct secret *secret, struct str given) {
    char buffer[SECRET_TEXT_LENGTH];
    struct text right = TEXT_OVER(buffer);
    web_session_csrf(secret, &right);
    return secret_text_equal(given, text_str(&right));
}

/* --- which are alive --- */

/* In SQL: ?2 used after, ?3 created after, ?4 created before. */
#define ALIVE " s.last_used_ns > ?2 AND s.created_ns > ?3 AND s.created_ns < ?4 "

static void bind_alive(sqlite3_stmt *statement, int64_t now_ns) {
    (void)sqlite3_bind_int64(statement, 2, now_ns - WEB_SESSION_IDLE_S * NS_IN_S);
    (void)sqlite3_bind_int64(statement, 3, now_ns - WEB_SESSION_S * NS_IN_S);
    (void)sqlite3_bind_int64(statement, 4, now_ns + WEB_SESSION_AHEAD_S * NS_IN_S);
}

#define SESSION_COLUMNS                                                                            \
    "SELECT s.id, s.user_id, s.created_ns, s.last_used_ns, s.address, s.user_agent"                \
    " FROM sessions s JOIN users u ON u.id = s.user_id "

static void read_session(sqlite3_stmt *statement, struct web_session *ret_session) {
    *ret_session = (struct web_session){
        .id = sqlite3_column_int64(statement, 0),
        .user_id = sqlite3_column_int64(statement, 1),
        .created_ns = sqlite3_column_int64(statement, 2),
        .last_used_ns = sqlite3_column_int64(statement, 3),
    };
    row_copy(statement, 4, ret_session->address, sizeof ret_session->address);
    row_copy(statement, 5, ret_session->user_agent, sizeof ret_session->user_agent);
}

/* --- begin --- */

static int insert(sqlite3 *connection, int64_t user_id, struct str address, struct str user_agent,
                  int64_t now_ns, const struct secret *secret) {
    const struct secret_hash hash = secret_hash(secret);
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection,
                                  "INSERT INTO sessions (secret_hash, user_id, created_ns,"
                                  " last_used_ns, address, user_agent)"
                                  " VALUES (?1, ?2, ?3, ?3, ?4, ?5)",
                                  &statement);
    if (result == 0) {
        (void)sqlite3_bind_blob(statement, 1, hash.bytes, sizeof hash.bytes, SQLITE_STATIC);
        (void)sqlite3_bind_int64(statement, 2, user_id);
        (void)sqlite3_bind_int64(statement, 3, now_ns);
        database_bind_text(statement, 4, str_slice(address, 0, WEB_SESSION_ADDRESS_MAX - 1));
        database_bind_text(statement, 5, str_slice(user_agent, 0, WEB_SESSION_USER_AGENT_MAX - 1));
        const int code = sqlite3_step(statement);
        result = (code & 0xff) == SQLITE_CONSTRAINT ? -ENOENT : database_errno(code);
    }
    (void)sqlite3_finalize(statement);
    return result;
}

/* All but the newest WEB_SESSIONS_PER_USER_MAX by use. */
static int end_surplus(sqlite3 *connection, int64_t user_id) {
    return row_set_number(connection,
                          "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE "
                          "user_id = ?1 ORDER BY last_used_ns DESC, id DESC LIMIT -1 OFFSET ?2)",
                          user_id, WEB_SESSIONS_PER_USER_MAX);
}

/* Rows of ended sessions, whoever's they were: each login sweeps. */
static int clean(sqlite3 *connection, int64_t now_ns) {
    sqlite3_stmt *statement = NULL;
    int result =
        database_prepare(connection, "DELETE FROM sessions AS s WHERE NOT (" ALIVE ")", &statement);
    if (result == 0) {
        bind_alive(statement, now_ns);
        result = database_step(statement);
    }
    (void)sqlite3_finalize(statement);
    return result;
}

int web_sessions_begin(struct api_db *db, int64_t user_id, struct str address,
                       struct str user_agent, int64_t now_ns, struct secret *ret_secret,
                       int64_t *ret_id) {
    struct secret secret;
    secret_make(&secret);
    int result;
    sqlite3 *connection = api_db_begin(db, &result);
    if (connection == NULL) {
        return result;
    }
    result = insert(connection, user_id, address, user_agent, now_ns, &secret);
    const int64_t id = sqlite3_last_insert_rowid(connection);
    if (result == 0) {
        result = end_surplus(connection, user_id);
    }
    if (result == 0) {
        result = clean(connection, now_ns);
    }
    result = api_db_end(db, result);
    if (result == 0) {
        *ret_secret = secret;
        *ret_id = id;
    }
    return result;
}

/* --- find and list --- */

static int find_on(sqlite3 *connection, const struct secret *secret, int64_t now_ns,
                   struct web_session *ret_session) {
    const struct secret_hash hash = secret_hash(secret);
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(
        connection, SESSION_COLUMNS "WHERE s.secret_hash = ?1 AND u.disabled = 0 AND" ALIVE,
        &statement);
    if (result == 0) {
        (void)sqlite3_bind_blob(statement, 1, hash.bytes, sizeof hash.bytes, SQLITE_STATIC);
        bind_alive(statement, now_ns);
        const int code = sqlite3_step(statement);
        result = code == SQLITE_DONE ? -ENOENT : database_errno(code);
        if (code == SQLITE_ROW) {
            read_session(statement, ret_session);
        }
    }
    (void)sqlite3_finalize(statement);
    return result;
}

int web_sessions_find(struct api_db *db, const struct secret *secret, int64_t now_ns,
                      struct web_session *ret_session) {
    sqlite3 *connection = api_db_lock(db);
    const int result = find_on(connection, secret, now_ns, ret_session);
    const bool note =
        result == 0 && now_ns - ret_session->last_used_ns >= WEB_SESSION_USED_EVERY_S * NS_IN_S;
    if (note) {
        /* A full disk ends a session early; it must not refuse this request. */
        row_try_number(connection, "UPDATE sessions SET last_used_ns = ?2 WHERE id = ?1",
                       ret_session->id, now_ns);
    }
    api_db_unlock(db);
    return result;
}

int web_sessions_each(struct api_db *db, int64_t user_id, int64_t now_ns, web_session_visit *visit,
                      void *context) {
    sqlite3 *connection = api_db_lock(db);
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection,
                                  SESSION_COLUMNS "WHERE s.user_id = ?1 AND" ALIVE
                                                  "ORDER BY s.last_used_ns DESC, s.id DESC",
                                  &statement);
    (void)sqlite3_bind_int64(statement, 1, user_id);
    bind_alive(statement, now_ns);
    for (bool more = result == 0; more;) {
        const int code = sqlite3_step(statement);
        struct web_session session;
        result = database_errno(code);
        more = code == SQLITE_ROW;
        if (more) {
            read_session(statement, &session);
            more = visit(context, &session);
        }
    }
    (void)sqlite3_finalize(statement);
    api_db_unlock(db);
    return result;
}

/* --- end --- */

int web_sessions_end(struct api_db *db, int64_t user_id, int64_t id) {
    sqlite3 *connection = api_db_lock(db);
    int result = row_set_number(connection, "DELETE FROM sessions WHERE user_id = ?1 AND id = ?2",
                                user_id, id);
    if (result == 0 && sqlite3_changes(connection) == 0) {
        result = -ENOENT;
    }
    api_db_unlock(db);
    return result;
}

int web_sessions_end_all(struct api_db *db, int64_t user_id, int64_t but_id, size_t *ret_count) {
    sqlite3 *connection = api_db_lock(db);
    const int result = row_set_number(
        connection, "DELETE FROM sessions WHERE user_id = ?1 AND id <> ?2", user_id, but_id);
    if (result == 0 && ret_count != NULL) {
        *ret_count = (size_t)sqlite3_changes(connection);
    }
    api_db_unlock(db);
    return result;
}
