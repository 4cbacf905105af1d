/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "api/api_row.h"
#include "api/users.h"
#include "base/random.h"

/* Codes of a user: the secret, whether they are asked for, and which was the newest taken. */

#define NS_IN_S INT64_C(1000000000)

struct codes {
    struct totp_secret secret;
    bool on;
    int64_t last_step;
};

/* -ENOENT: no secret, or no such user. */
static int read_codes(sqlite3 *connection, int64_t id, struct codes *ret_codes) {
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(
        connection, "SELECT totp_secret, totp_on, totp_step FROM users WHERE id = ?1", &statement);
    if (result == 0) {
        (void)sqlite3_bind_int64(statement, 1, id);
        const int code = sqlite3_step(statement);
        result = code == SQLITE_DONE ? -ENOENT : database_errno(code);
        const void *secret = code == SQLITE_ROW ? sqlite3_column_blob(statement, 0) : NULL;
        if (result == 0 && (secret == NULL ||
                            sqlite3_column_bytes(statement, 0) != sizeof ret_codes->secret.bytes)) {
            result = -ENOENT;
        }
        if (result == 0) {
            memcpy(ret_codes->secret.bytes, secret, sizeof ret_codes->secret.bytes);
            ret_codes->on = sqlite3_column_int(statement, 1) != 0;
            ret_codes->last_step = sqlite3_column_int64(statement, 2);
        }
    }
    (void)sqlite3_finalize(statement);
    return result;
}

static int set_step(sqlite3 *connection, int64_t id, int64_t step) {
    return row_set_number(connection, "UPDATE users SET totp_step = ?2 WHERE id = ?1", id, step);
}

int users_take_code(struct api_db *db, int64_t id, struct str code, int64_t now_ns) {
    struct codes codes;
    int64_t step = 0;
    int result;
    sqlite3 *connection = api_db_begin(db, &result);
    if (connection == NULL) {
        return result;
    }
    result = read_codes(connection, id, &codes);
    if (result == -ENOENT ||
        (result == 0 && (!codes.on || !totp_check(&codes.secret, code, now_ns / NS_IN_S,
                                                  codes.last_step, &step)))) {
        result = -EACCES;
    }
    if (result == 0) {
        result = set_step(connection, id, step);
    }
    return api_db_end(db, result);
}

int users_totp_begin(struct api_db *db, int64_t id, struct totp_secret *ret_secret) {
    struct codes codes;
    struct totp_secret secret;
    random_bytes(secret.bytes, sizeof secret.bytes);
    int result;
    sqlite3 *connection = api_db_begin(db, &result);
    if (connection == NULL) {
        return result;
    }
    result = read_codes(connection, id, &codes);
    result = result == -ENOENT ? 0 : result < 0 ? result : codes.on ? -EEXIST : 0;
    sqlite3_stmt *statement = NULL;
    if (result == 0) {
        result = database_prepare(connection,
                                  "UPDATE users SET totp_secret = ?2, totp_step = 0 WHERE id = ?1",
                                  &statement);
    }
    if (result == 0) {
        (void)sqlite3_bind_int64(statement, 1, id);
        (void)sqlite3_bind_blob(statement, 2, secret.bytes, sizeof secret.bytes, SQLITE_STATIC);
        result = database_step(statement);
    }
    (void)sqlite3_finalize(statement);
    result = api_db_end(db, result);
    if (result == 0) {
        *ret_secret = secret;
    }
    return result;
}

int users_totp_on(struct api_db *db, int64_t id, struct str code, int64_t now_ns) {
    struct codes codes;
    int64_t step = 0;
    int result;
    sqlite3 *connection = api_db_begin(db, &result);
    if (connection == NULL) {
        return result;
    }
    result = read_codes(connection, id, &codes);
    if (result == 0 && !totp_check(&codes.secret, code, now_ns / NS_IN_S, codes.last_step, &step)) {
        result = -EACCES;
    }
    if (result == 0) {
        result = set_step(connection, id, step);
    }
    if (result == 0) {
        result = row_set_number(
            connection, "UPDATE users SET totp_on = 1, revision = revision + 1 WHERE id = ?1", id,
            0);
    }
    return api_db_end(db, result);
}

int users_totp_off(struct api_db *db, int64_t id) {
    sqlite3 *connection = api_db_lock(db);
    const int result = row_set_number(connection,
                                      "UPDATE users SET totp_secret = NULL, totp_on = 0,"
                                      " revision = revision + 1 WHERE id = ?1",
                                      id, 0);
    api_db_unlock(db);
    return result;
}
