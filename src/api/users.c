/* SPDX-License-Identifier: Apache-2.0 */
#include "api/users.h"

#include <errno.h>
#include <string.h>

#include "api/api_row.h"

#define USER_COLUMNS                                                                               \
    "SELECT id, name, role, disabled, totp_on, must_change_password, created_ns, last_login_ns,"   \
    " revision, password FROM users "
enum { COLUMN_PASSWORD = 9 };

const char *user_name_problem(struct str name) {
    static const char *const sentence =
        "A user's name is 1 to 63 of the characters a-z 0-9 . _ - @, and begins with a letter or a "
        "digit.";
    if (name.length == 0 || name.length > USER_NAME_MAX) {
        return sentence;
    }
    for (size_t i = 0; i < name.length; i++) {
        const char c = name.data[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && (i == 0 || (c != '.' && c != '_' && c != '-' && c != '@'))) {
            return sentence;
        }
    }
    return NULL;
}

/* --- reading --- */

static void read_user(sqlite3_stmt *statement, struct user *ret_user) {
    *ret_user = (struct user){
        .id = sqlite3_column_int64(statement, 0),
        .role = (enum api_role)sqlite3_column_int(statement, 2),
        .disabled = sqlite3_column_int(statement, 3) != 0,
        .totp = sqlite3_column_int(statement, 4) != 0,
        .must_change_password = sqlite3_column_int(statement, 5) != 0,
        .created_ns = sqlite3_column_int64(statement, 6),
        .last_login_ns = sqlite3_column_int64(statement, 7),
        .revision = sqlite3_column_int64(statement, 8),
    };
    row_copy(statement, 1, ret_user->name, sizeof ret_user->name);
}

/* By name where `name` has data, else by id. ret_hash may be NULL. */
static int read_on(sqlite3 *connection, struct str name, int64_t id, struct user *ret_user,
                   char *ret_hash) {
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection,
                                  name.data != NULL ? USER_COLUMNS "WHERE name = ?1"
                                                    : USER_COLUMNS "WHERE id = ?1",
                                  &statement);
    if (result == 0) {
        if (name.data != NULL) {
            database_bind_text(statement, 1, name);
        } else {
            (void)sqlite3_bind_int64(statement, 1, id);
        }
        const int code = sqlite3_step(statement);
        result = code == SQLITE_DONE ? -ENOENT : database_errno(code);
        if (code == SQLITE_ROW) {
            read_user(statement, ret_user);
            if (ret_hash != NULL) {
                row_copy(statement, COLUMN_PASSWORD, ret_hash, PASSWORD_HASH_MAX);
            }
        }
    }
    (void)sqlite3_finalize(statement);
    return result;
}

/* The empty name is nobody's, and must not be taken for "by id". */
static struct str named(struct str name) {
    return name.data != NULL ? name : STR("");
}

int users_find(struct api_db *db, struct str name, struct user *ret_user) {
    sqlite3 *connection = api_db_lock(db);
    const int result = read_on(connection, named(name), 0, ret_user, NULL);
    api_db_unlock(db);
    return result;
}

int users_get(struct api_db *db, int64_t id, struct user *ret_user) {
    sqlite3 *connection = api_db_lock(db);
    const int result = read_on(connection, (struct str){0}, id, ret_user, NULL);
    api_db_unlock(db);
    return result;
}

int users_each(struct api_db *db, struct str after_name, user_visit *visit, void *context) {
    sqlite3 *connection = api_db_lock(db);
    sqlite3_stmt *statement = NULL;
    int result =
        database_prepare(connection, USER_COLUMNS "WHERE name > ?1 ORDER BY name", &statement);
    database_bind_text(statement, 1, after_name);
    for (bool more = result == 0; more;) {
        const int code = sqlite3_step(statement);
        struct user user;
        result = database_errno(code);
        more = code == SQLITE_ROW;
        if (more) {
            read_user(statement, &user);
            more = visit(context, &user);
        }
    }
    (void)sqlite3_finalize(statement);
    api_db_unlock(db);
    return result;
}

/* --- creating --- */

static int insert(sqlite3 *connection, struct str name, enum api_role role, const char *hash,
                  bool must_change_password, int64_t now_ns) {
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection,
                                  "INSERT INTO users (name, role, password, must_change_password,"
                                  " created_ns) VALUES (?1, ?2, ?3, ?4, ?5)",
                                  &statement);
    if (result == 0) {
        database_bind_text(statement, 1, name);
        (void)sqlite3_bind_int64(statement, 2, (int64_t)role);
        database_bind_text(statement, 3, str_from(hash));
        (void)sqlite3_bind_int64(statement, 4, must_change_password);
        (void)sqlite3_bind_int64(statement, 5, now_ns);
        const int code = sqlite3_step(statement);
        result = (code & 0xff) == SQLITE_CONSTRAINT ? -EEXIST : database_errno(code);
    }
    (void)sqlite3_finalize(statement);
    return result;
}

int users_create(struct api_db *db, struct password_hasher *hasher, struct str name,
                 enum api_role role, struct str password, bool must_change_password, int64_t now_ns,
                 struct user *ret_user) {
    char hash[PASSWORD_HASH_MAX];
    int result = password_hash(hasher, password, hash);
    if (result < 0) {
        return result;
    }
    sqlite3 *connection = api_db_begin(db, &result);
    if (connection == NULL) {
        return result;
    }
    int64_t count = 0;
    result = database_number(connection, "SELECT count(*) FROM users", 0, &count);
    if (result == 0 && count >= USERS_MAX) {
        result = -EDQUOT;
    }
    if (result == 0) {
        result = insert(connection, name, role, hash, must_change_password, now_ns);
    }
    if (result == 0) {
        result = read_on(connection, name, 0, ret_user, NULL);
    }
    return api_db_end(db, result);
}

/* --- what an administrator changes --- */

/* Whether somebody can still administrate after the changes of this transaction. */
static int check_administrator(sqlite3 *connection) {
    int64_t administrators = 0;
    const int result =
        database_number(connection, "SELECT count(*) FROM users WHERE role = 3 AND disabled = 0", 0,
                        &administrators);
    return result < 0 ? result : administrators == 0 ? -EPERM : 0;
}

static int end_sessions(sqlite3 *connection, int64_t id, int64_t but_session_id) {
    return row_set_number(connection, "DELETE FROM sessions WHERE user_id = ?1 AND id <> ?2", id,
                          but_session_id);
}

static int set_password_on(sqlite3 *connection, int64_t id, const char *hash, bool must_change,
                           int64_t session_id) {
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection,
                                  "UPDATE users SET password = ?2, must_change_password = ?3,"
                                  " revision = revision + 1 WHERE id = ?1",
                                  &statement);
    if (result == 0) {
        (void)sqlite3_bind_int64(statement, 1, id);
        database_bind_text(statement, 2, str_from(hash));
        (void)sqlite3_bind_int64(statement, 3, must_change);
        result = database_step(statement);
    }
    (void)sqlite3_finalize(statement);
    return result < 0 ? result : end_sessions(connection, id, session_id);
}

/* --- the first user --- */

bool user_first_password_expired(const struct user *user, int64_t now_ns) {
    const int64_t day_ns = INT64_C(86400) * 1000000000;
    return user->must_change_password && user->revision == 1 &&
           now_ns - user->created_ns > USER_FIRST_PASSWORD_DAYS * day_ns;
}

static bool take_user(void *context, const struct user *user) {
    *(struct user *)context = *user;
    return false;
}

/* As if the account were made now. */
static int begin_anew(struct api_db *db, struct password_hasher *hasher, const struct user *user,
                      const char *password, int64_t now_ns) {
    char hash[PASSWORD_HASH_MAX];
    int result = password_hash(hasher, str_from(password), hash);
    sqlite3 *connection = result < 0 ? NULL : api_db_begin(db, &result);
    if (connection == NULL) {
        return result;
    }
    result = set_password_on(connection, user->id, hash, true, 0);
    if (result == 0) {
        result = row_set_number(connection,
                                "UPDATE users SET created_ns = ?2, revision = 1 WHERE id = ?1",
                                user->id, now_ns);
    }
    return api_db_end(db, result);
}

int users_make_first(struct api_db *db, struct password_hasher *hasher, int64_t now_ns,
                     char ret_password[PASSWORD_ONE_TIME_MAX]) {
    int64_t count = 0;
    struct user user = {0};
    sqlite3 *connection = api_db_lock(db);
    int result = database_number(connection, "SELECT count(*) FROM users", 0, &count);
    api_db_unlock(db);
    if (result == 0 && count == 1) {
        result = users_each(db, STR(""), take_user, &user);
    }
    if (result < 0 || (count > 0 && !user_first_password_expired(&user, now_ns))) {
        return result;
    }
    char password[PASSWORD_ONE_TIME_MAX];
    password_one_time(password);
    result = count == 1 ? begin_anew(db, hasher, &user, password, now_ns)
                        : users_create(db, hasher, STR("admin"), API_ROLE_ADMIN, str_from(password),
                                       true, now_ns, &user);
    if (result < 0) {
        return result == -EEXIST ? 0 : result;
    }
    memcpy(ret_password, password, sizeof password);
    return 1;
}

static int totp_off_on(sqlite3 *connection, int64_t id) {
    return row_set_number(connection,
                          "UPDATE users SET totp_secret = NULL, totp_on = 0,"
                          " revision = revision + 1 WHERE id = ?1",
                          id, 0);
}

/* `hash` NULL: the password stays. */
static int change_on(sqlite3 *connection, const struct user *user, const struct user_change *change,
                     const char *hash) {
    int result = 0;
    if (change->set_role && change->role != user->role) {
        result = row_set_number(connection,
                                "UPDATE users SET role = ?2, revision = revision + 1 WHERE id = ?1",
                                user->id, (int64_t)change->role);
    }
    if (result == 0 && change->set_disabled && change->disabled != user->disabled) {
        result = row_set_number(
            connection, "UPDATE users SET disabled = ?2, revision = revision + 1 WHERE id = ?1",
            user->id, change->disabled);
        if (result == 0 && change->disabled) {
            result = end_sessions(connection, user->id, 0);
        }
    }
    if (result == 0 && change->totp_off && user->totp) {
        result = totp_off_on(connection, user->id);
    }
    if (result == 0 && hash != NULL) {
        result = set_password_on(connection, user->id, hash, true, 0);
    }
    return result < 0 ? result : check_administrator(connection);
}

int users_change(struct api_db *db, struct password_hasher *hasher, struct str name,
                 const struct user_change *change, struct user *ret_user) {
    char hash[PASSWORD_HASH_MAX];
    const bool new_password = change->password.data != NULL;
    int result = new_password ? password_hash(hasher, change->password, hash) : 0;
    if (result < 0) {
        return result;
    }
    sqlite3 *connection = api_db_begin(db, &result);
    if (connection == NULL) {
        return result;
    }
    struct user user;
    result = read_on(connection, named(name), 0, &user, NULL);
    if (result == 0 && change->if_revision != 0 && change->if_revision != user.revision) {
        result = -ESTALE;
    }
    if (result == 0) {
        result = change_on(connection, &user, change, new_password ? hash : NULL);
    }
    if (result == 0) {
        result = read_on(connection, named(name), 0, ret_user, NULL);
    }
    return api_db_end(db, result);
}

int users_delete(struct api_db *db, struct str name) {
    struct user user;
    int result;
    sqlite3 *connection = api_db_begin(db, &result);
    if (connection == NULL) {
        return result;
    }
    result = read_on(connection, named(name), 0, &user, NULL);
    if (result == 0) {
        result = row_set_number(connection, "DELETE FROM users WHERE id = ?1", user.id, 0);
    }
    if (result == 0) {
        result = check_administrator(connection);
    }
    return api_db_end(db, result);
}

/* --- passwords --- */

/* The same password, hashed at today's cost; failing at it harms nobody. */
static void renew_hash(struct api_db *db, struct password_hasher *hasher, int64_t id,
                       const char *old_hash, struct str password) {
    char hash[PASSWORD_HASH_MAX];
    if (password_hash(hasher, password, hash) < 0) {
        return;
    }
    sqlite3 *connection = api_db_lock(db);
    sqlite3_stmt *statement = NULL;
    if (database_prepare(connection,
                         "UPDATE users SET password = ?2 WHERE id = ?1 AND password = ?3",
                         &statement) == 0) {
        (void)sqlite3_bind_int64(statement, 1, id);
        database_bind_text(statement, 2, str_from(hash));
        database_bind_text(statement, 3, str_from(old_hash));
        const int ignored = database_step(statement);
        (void)ignored;
    }
    (void)sqlite3_finalize(statement);
    api_db_unlock(db);
}

int users_check_password(struct api_db *db, struct password_hasher *hasher, struct str name,
                         struct str password, struct user *ret_user) {
    struct user user;
    char hash[PASSWORD_HASH_MAX];
    sqlite3 *connection = api_db_lock(db);
    const int found = read_on(connection, named(name), 0, &user, hash);
    api_db_unlock(db);
    if (found < 0 && found != -ENOENT) {
        return found;
    }
    bool renew = false;
    const bool right = password_verify(hasher, found == 0 ? hash : NULL, password, &renew);
    if (!right || user.disabled) {
        return -EACCES;
    }
    if (renew) {
        renew_hash(db, hasher, user.id, hash, password);
    }
    *ret_user = user;
    return 0;
}

int users_set_password(struct api_db *db, struct password_hasher *hasher, int64_t id,
                       struct str password, int64_t session_id) {
    char hash[PASSWORD_HASH_MAX];
    int result = password_hash(hasher, password, hash);
    if (result < 0) {
        return result;
    }
    sqlite3 *connection = api_db_begin(db, &result);
    if (connection == NULL) {
        return result;
    }
    return api_db_end(db, set_password_on(connection, id, hash, false, session_id));
}

int users_note_login(struct api_db *db, int64_t id, int64_t now_ns) {
    sqlite3 *connection = api_db_lock(db);
    const int result =
        row_set_number(connection, "UPDATE users SET last_login_ns = ?2 WHERE id = ?1", id, now_ns);
    api_db_unlock(db);
    return result;
}
