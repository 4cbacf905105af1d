/* SPDX-License-Identifier: Apache-2.0 */
#include "api/tokens.h"

#include <errno.h>
#include <string.h>

#include "api/api_row.h"
#include "base/crc32c.h"

#define NS_IN_S INT64_C(1000000000)

/* --- as text --- */

enum { CHECKSUM_LENGTH = 6 };
static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void format_checksum(const struct secret *secret, char ret_checksum[CHECKSUM_LENGTH]) {
    uint64_t bits = crc32c(0, secret->bytes, sizeof secret->bytes);
    for (unsigned i = CHECKSUM_LENGTH; i-- > 0; bits >>= 6) {
        ret_checksum[i] = base64url[bits & 63];
    }
}

void token_format(const struct secret *secret, struct text *out) {
    char checksum[CHECKSUM_LENGTH];
    format_checksum(secret, checksum);
    text_add(out, STR("szt_"));
    secret_format(secret, out);
    text_add(out, (struct str){checksum, sizeof checksum});
}

bool token_parse(struct str text, struct secret *ret_secret) {
    char checksum[CHECKSUM_LENGTH];
    struct secret secret;
    if (text.length != TOKEN_TEXT_LENGTH || !str_starts(text, STR("szt_")) ||
        !secret_parse(str_slice(text, 4, 4 + SECRET_TEXT_LENGTH), &secret)) {
        return false;
    }
    format_checksum(&secret, checksum);
    if (!str_ends(text, (struct str){checksum, sizeof checksum})) {
        return false;
    }
    *ret_secret = secret;
    return true;
}

/* --- making one --- */

const char *token_problem(const struct token_draft *draft, int64_t now_ns, const char **ret_field) {
    *ret_field = "name";
    if (draft->name.length == 0 || draft->name.length > TOKEN_NAME_MAX ||
        str_trim(draft->name).length != draft->name.length || !row_text_valid(draft->name)) {
        return "A token's name is 1 to 63 bytes of text that says what it is for, such as "
               "\"monitoring\".";
    }
    *ret_field = "scopes";
    if (draft->scopes == 0) {
        return "A token needs at least one scope: read, lists, quotas, restrictions, reputation, "
               "greylist, policies, settings, users, tokens, audit, system.";
    }
    *ret_field = "role";
    if (draft->role > draft->user_role) {
        return "A token cannot have a higher role than its user.";
    }
    *ret_field = "expires";
    if (draft->expires_ns != 0 && draft->expires_ns <= now_ns) {
        return "The token would have expired already: give a time to come, or leave it out for a "
               "token that does not expire.";
    }
    return NULL;
}

static int64_t count_of_user(sqlite3 *connection, int64_t user_id) {
    sqlite3_stmt *statement = NULL;
    int64_t count = -1;
    if (database_prepare(connection, "SELECT count(*) FROM tokens WHERE user_id = ?1",
                         &statement) == 0) {
        (void)sqlite3_bind_int64(statement, 1, user_id);
        count = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    }
    (void)sqlite3_finalize(statement);
    return count;
}

static int insert(sqlite3 *connection, int64_t user_id, const struct token_draft *draft,
                  int64_t now_ns, const struct secret *secret, struct str prefix) {
    char scopes_buffer[API_SCOPES_COUNT * 16];
    struct text scopes = TEXT_OVER(scopes_buffer);
    api_scopes_format(draft->scopes, &scopes);
    const enum api_role role = draft->role == API_ROLE_NONE ? draft->user_role : draft->role;
    const struct secret_hash hash = secret_hash(secret);
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection,
                                  "INSERT INTO tokens (secret_hash, prefix, name, user_id, role,"
                                  " scopes, created_ns, expires_ns)"
                                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                                  &statement);
    if (result == 0) {
        (void)sqlite3_bind_blob(statement, 1, hash.bytes, sizeof hash.bytes, SQLITE_STATIC);
        database_bind_text(statement, 2, prefix);
        database_bind_text(statement, 3, draft->name);
        (void)sqlite3_bind_int64(statement, 4, user_id);
        (void)sqlite3_bind_int64(statement, 5, (int64_t)role);
        database_bind_text(statement, 6, text_str(&scopes));
        (void)sqlite3_bind_int64(statement, 7, now_ns);
        (void)sqlite3_bind_int64(statement, 8, draft->expires_ns);
        const int code = sqlite3_step(statement);
        result = (code & 0xff) == SQLITE_CONSTRAINT ? -ENOENT : database_errno(code);
    }
    (void)sqlite3_finalize(statement);
    return result;
}

/* --- reading --- */

#define TOKEN_COLUMNS                                                                              \
    "SELECT t.id, t.name, t.prefix, u.name, t.user_id, min(t.role, u.role), t.scopes,"             \
    " t.created_ns, t.expires_ns, t.last_used_ns, u.disabled"                                      \
    " FROM tokens t JOIN users u ON u.id = t.user_id "

static void read_token(sqlite3_stmt *statement, struct token *ret_token) {
    *ret_token = (struct token){
        .id = sqlite3_column_int64(statement, 0),
        .user_id = sqlite3_column_int64(statement, 4),
        .role = (enum api_role)sqlite3_column_int(statement, 5),
        .created_ns = sqlite3_column_int64(statement, 7),
        .expires_ns = sqlite3_column_int64(statement, 8),
        .last_used_ns = sqlite3_column_int64(statement, 9),
    };
    row_copy(statement, 1, ret_token->name, sizeof ret_token->name);
    row_copy(statement, 2, ret_token->prefix, sizeof ret_token->prefix);
    row_copy(statement, 3, ret_token->user, sizeof ret_token->user);
    /* A scope that this release does not know gives no right. */
    struct str scopes = database_column_text(statement, 6);
    if (!api_scopes_parse(scopes, &ret_token->scopes)) {
        ret_token->scopes = 0;
    }
}

static int get_on(sqlite3 *connection, int64_t id, struct token *ret_token) {
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection, TOKEN_COLUMNS "WHERE t.id = ?1", &statement);
    if (result == 0) {
        (void)sqlite3_bind_int64(statement, 1, id);
        const int code = sqlite3_step(statement);
        result = code == SQLITE_DONE ? -ENOENT : database_errno(code);
        if (code == SQLITE_ROW) {
            read_token(statement, ret_token);
        }
    }
    (void)sqlite3_finalize(statement);
    return result;
}

int tokens_get(struct api_db *db, int64_t id, struct token *ret_token) {
    sqlite3 *connection = api_db_lock(db);
    const int result = get_on(connection, id, ret_token);
    api_db_unlock(db);
    return result;
}

int tokens_create(struct api_db *db, int64_t user_id, const struct token_draft *draft,
                  int64_t now_ns, struct token *ret_token, struct text *text) {
    struct secret secret;
    char buffer[TOKEN_TEXT_LENGTH];
    struct text whole = TEXT_OVER(buffer);
    secret_make(&secret);
    token_format(&secret, &whole);
    int result;
    sqlite3 *connection = api_db_begin(db, &result);
    if (connection == NULL) {
        return result;
    }
    const int64_t count = count_of_user(connection, user_id);
    result = count < 0 ? -EIO : count >= TOKENS_PER_USER_MAX ? -EDQUOT : 0;
    if (result == 0) {
        result = insert(connection, user_id, draft, now_ns, &secret,
                        str_slice(text_str(&whole), 0, TOKEN_PREFIX_LENGTH));
    }
    if (result == 0) {
        result = get_on(connection, sqlite3_last_insert_rowid(connection), ret_token);
    }
    result = api_db_end(db, result);
    if (result == 0) {
        text_add(text, text_str(&whole));
    }
    return result;
}

static int find_on(sqlite3 *connection, const struct secret *secret, int64_t now_ns,
                   struct token *ret_token) {
    const struct secret_hash hash = secret_hash(secret);
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection,
                                  TOKEN_COLUMNS "WHERE t.secret_hash = ?1 AND u.disabled = 0"
                                                " AND (t.expires_ns = 0 OR t.expires_ns > ?2)",
                                  &statement);
    if (result == 0) {
        (void)sqlite3_bind_blob(statement, 1, hash.bytes, sizeof hash.bytes, SQLITE_STATIC);
        (void)sqlite3_bind_int64(statement, 2, now_ns);
        const int code = sqlite3_step(statement);
        result = code == SQLITE_DONE ? -ENOENT : database_errno(code);
        if (code == SQLITE_ROW) {
            read_token(statement, ret_token);
        }
    }
    (void)sqlite3_finalize(statement);
    return result;
}

int tokens_find(struct api_db *db, const struct secret *secret, int64_t now_ns,
                struct token *ret_token) {
    sqlite3 *connection = api_db_lock(db);
    const int result = find_on(connection, secret, now_ns, ret_token);
    const bool note =
        result == 0 && (now_ns < ret_token->last_used_ns ||
                        now_ns - ret_token->last_used_ns >= TOKEN_USED_EVERY_S * NS_IN_S);
    if (note) {
        /* A full disk must not keep anybody out. */
        row_try_number(connection, "UPDATE tokens SET last_used_ns = ?2 WHERE id = ?1",
                       ret_token->id, now_ns);
    }
    api_db_unlock(db);
    return result;
}

int tokens_each(struct api_db *db, int64_t user_id, int64_t before_id, token_visit *visit,
                void *context) {
    sqlite3 *connection = api_db_lock(db);
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection,
                                  TOKEN_COLUMNS "WHERE (?1 = 0 OR t.user_id = ?1)"
                                                " AND (?2 = 0 OR t.id < ?2) ORDER BY t.id DESC",
                                  &statement);
    (void)sqlite3_bind_int64(statement, 1, user_id);
    (void)sqlite3_bind_int64(statement, 2, before_id);
    for (bool more = result == 0; more;) {
        const int code = sqlite3_step(statement);
        struct token token;
        result = database_errno(code);
        more = code == SQLITE_ROW;
        if (more) {
            read_token(statement, &token);
            more = visit(context, &token);
        }
    }
    (void)sqlite3_finalize(statement);
    api_db_unlock(db);
    return result;
}

int tokens_delete(struct api_db *db, int64_t id) {
    sqlite3 *connection = api_db_lock(db);
    int result = row_set_number(connection, "DELETE FROM tokens WHERE id = ?1", id, 0);
    if (result == 0 && sqlite3_changes(connection) == 0) {
        result = -ENOENT;
    }
    api_db_unlock(db);
    return result;
}
