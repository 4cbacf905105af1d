/* SPDX-License-Identifier: Apache-2.0 */
#include "api/audit_row.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

/* --- the chain --- */

static void feed_number(crypto_generichash_state *state, int64_t number) {
    uint8_t bytes[8];
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)((uint64_t)number >> (8 * i));
    }
    CHECK(crypto_generichash_update(state, bytes, sizeof bytes) == 0);
}

/* With its length before it, so that no two rows feed the same bytes. */
static void feed_text(crypto_generichash_state *state, struct str text) {
    feed_number(state, (int64_t)text.length);
    if (text.length > 0) {
        CHECK(crypto_generichash_update(state, (const uint8_t *)text.data, text.length) == 0);
    }
}

struct audit_hash audit_row_hash(const struct audit_hash *previous,
                                 const struct audit_stored *row) {
    struct audit_hash hash;
    crypto_generichash_state state;
    CHECK(crypto_generichash_init(&state, NULL, 0, sizeof hash.bytes) == 0);
    CHECK(crypto_generichash_update(&state, previous->bytes, sizeof previous->bytes) == 0);
    feed_number(&state, row->id);
    feed_number(&state, (int64_t)row->kind);
    feed_number(&state, row->begin_id);
    feed_number(&state, row->time_ns);
    feed_text(&state, row->entry.user);
    feed_text(&state, row->entry.via);
    feed_text(&state, row->entry.address);
    feed_text(&state, row->entry.action);
    feed_text(&state, row->entry.method);
    feed_text(&state, row->entry.path);
    feed_text(&state, row->entry.request_id);
    feed_text(&state, row->entry.before);
    feed_text(&state, row->after);
    feed_number(&state, (int64_t)row->status);
    CHECK(crypto_generichash_final(&state, hash.bytes, sizeof hash.bytes) == 0);
    return hash;
}

/* --- reading --- */

bool audit_row_read(sqlite3_stmt *statement, struct audit_stored *ret_row,
                    struct audit_hash *ret_hash) {
    *ret_row = (struct audit_stored){
        .id = sqlite3_column_int64(statement, 0),
        .kind = (enum audit_kind)sqlite3_column_int(statement, 1),
        .begin_id = sqlite3_column_int64(statement, 2),
        .time_ns = sqlite3_column_int64(statement, 3),
        .entry =
            {
                .user = database_column_text(statement, 4),
                .via = database_column_text(statement, 5),
                .address = database_column_text(statement, 6),
                .action = database_column_text(statement, 7),
                .method = database_column_text(statement, 8),
                .path = database_column_text(statement, 9),
                .request_id = database_column_text(statement, 10),
                .before = database_column_text(statement, 11),
            },
        .after = database_column_text(statement, 12),
        .status = (unsigned)sqlite3_column_int64(statement, 13),
    };
    const void *hash = sqlite3_column_blob(statement, 14);
    if (hash == NULL || sqlite3_column_bytes(statement, 14) != sizeof ret_hash->bytes) {
        return false;
    }
    memcpy(ret_hash->bytes, hash, sizeof ret_hash->bytes);
    return true;
}

/* --- adding --- */

/* Number and hash of the row that `sql` gives; zeros when it gives none. */
static int read_link(sqlite3 *connection, const char *sql, int64_t *ret_id,
                     struct audit_hash *ret_hash) {
    sqlite3_stmt *statement = NULL;
    *ret_id = 0;
    memset(ret_hash, 0, sizeof *ret_hash);
    int result = database_prepare(connection, sql, &statement);
    if (result == 0) {
        const int code = sqlite3_step(statement);
        result = database_errno(code);
        const void *hash = code == SQLITE_ROW ? sqlite3_column_blob(statement, 1) : NULL;
        if (hash != NULL && sqlite3_column_bytes(statement, 1) == sizeof ret_hash->bytes) {
            memcpy(ret_hash->bytes, hash, sizeof ret_hash->bytes);
        }
        if (code == SQLITE_ROW) {
            *ret_id = sqlite3_column_int64(statement, 0);
        }
    }
    (void)sqlite3_finalize(statement);
    return result;
}

void audit_start_format(const struct audit_start *start, struct text *out) {
    char hex[2 * AUDIT_HASH_BYTES + 1];
    (void)sodium_bin2hex(hex, sizeof hex, start->hash.bytes, sizeof start->hash.bytes);
    text_add(out, STR("{\"removed\":"));
    text_add_u64(out, (uint64_t)start->id);
    text_add(out, STR(",\"hash\":\""));
    text_add(out, str_from(hex));
    text_add(out, STR("\"}"));
}

int audit_start_read(sqlite3 *connection, struct audit_start *ret_start) {
    return read_link(connection, "SELECT id, hash FROM audit_start", &ret_start->id,
                     &ret_start->hash);
}

/* Ends at a NUL too: SQLite would read back no more than that, and the hash must be over what can
 * be read. */
static void cut(struct str *text, size_t max) {
    const size_t zero = text->length > 0 ? str_find(*text, '\0') : SIZE_MAX;
    const size_t until = zero < max ? zero : max;
    *text = str_slice(*text, 0, until);
}

static void cut_all(struct audit_stored *row) {
    cut(&row->entry.user, AUDIT_FIELD_MAX);
    cut(&row->entry.via, AUDIT_FIELD_MAX);
    cut(&row->entry.address, AUDIT_FIELD_MAX);
    cut(&row->entry.action, AUDIT_FIELD_MAX);
    cut(&row->entry.method, AUDIT_FIELD_MAX);
    cut(&row->entry.path, AUDIT_FIELD_MAX);
    cut(&row->entry.request_id, AUDIT_FIELD_MAX);
    cut(&row->entry.before, AUDIT_STATE_MAX);
    cut(&row->after, AUDIT_STATE_MAX);
}

static void bind(sqlite3_stmt *statement, const struct audit_stored *row,
                 const struct audit_hash *hash) {
    (void)sqlite3_bind_int64(statement, 1, row->id);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)row->kind);
    if (row->begin_id != 0) {
        (void)sqlite3_bind_int64(statement, 3, row->begin_id);
    }
    (void)sqlite3_bind_int64(statement, 4, row->time_ns);
    database_bind_text(statement, 5, row->entry.user);
    database_bind_text(statement, 6, row->entry.via);
    database_bind_text(statement, 7, row->entry.address);
    database_bind_text(statement, 8, row->entry.action);
    database_bind_text(statement, 9, row->entry.method);
    database_bind_text(statement, 10, row->entry.path);
    database_bind_text(statement, 11, row->entry.request_id);
    database_bind_text(statement, 12, row->entry.before);
    database_bind_text(statement, 13, row->after);
    (void)sqlite3_bind_int64(statement, 14, (int64_t)row->status);
    (void)sqlite3_bind_blob(statement, 15, hash->bytes, sizeof hash->bytes, SQLITE_STATIC);
}

int audit_row_add(sqlite3 *connection, struct audit_stored *row) {
    struct audit_hash previous;
    int result = read_link(connection, "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1",
                           &row->id, &previous);
    row->id++;
    cut_all(row);
    const struct audit_hash hash = audit_row_hash(&previous, row);
    sqlite3_stmt *statement = NULL;
    if (result == 0) {
        result = database_prepare(connection,
                                  "INSERT INTO audit (" AUDIT_COLUMNS ") VALUES (?1, ?2, ?3, ?4,"
                                  " ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
                                  &statement);
    }
    if (result == 0) {
        bind(statement, row, &hash);
        const int code = sqlite3_step(statement);
        result = (code & 0xff) == SQLITE_CONSTRAINT ? -EEXIST : database_errno(code);
    }
    (void)sqlite3_finalize(statement);
    return result;
}
