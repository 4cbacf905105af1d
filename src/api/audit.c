/* SPDX-License-Identifier: Apache-2.0 */
#include "api/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/audit_row.h"
#include "base/failpoint.h"

/* --- adding --- */

/* Says in the text itself that it was cut, and hands over how to free it. */
static struct str shortened(struct str state, char **ret_owned) {
    static const char mark[] = "... (cut)";
    *ret_owned = NULL;
    if (state.length <= AUDIT_STATE_MAX) {
        return state;
    }
    char *copy = malloc(AUDIT_STATE_MAX);
    CHECK(copy != NULL);
    size_t kept = AUDIT_STATE_MAX - (sizeof mark - 1);
    while (kept > 0 && ((unsigned char)state.data[kept] & 0xc0) == 0x80) {
        kept--; /* not within a character */
    }
    memcpy(copy, state.data, kept);
    memcpy(copy + kept, mark, sizeof mark - 1);
    *ret_owned = copy;
    return (struct str){copy, kept + sizeof mark - 1};
}

static int add(struct api_db *db, struct audit_stored *row) {
    char *before;
    char *after;
    int result;
    sqlite3 *connection = api_db_begin(db, &result);
    if (connection == NULL) {
        return result;
    }
    row->entry.before = shortened(row->entry.before, &before);
    row->after = shortened(row->after, &after);
    result = api_db_end(db, audit_row_add(connection, row));
    free(before);
    free(after);
    return result;
}

int audit_begin(struct api_db *db, const struct audit_entry *entry, int64_t now_ns,
                int64_t *ret_id) {
    struct audit_stored row = {.kind = AUDIT_BEGIN, .time_ns = now_ns, .entry = *entry};
    const int result = add(db, &row);
    if (result == 0) {
        *ret_id = row.id;
    }
    return result;
}

int audit_note(struct api_db *db, const struct audit_entry *entry, unsigned status,
               struct str after, int64_t now_ns) {
    struct audit_stored row = {
        .kind = AUDIT_NOTE, .time_ns = now_ns, .entry = *entry, .after = after, .status = status};
    return add(db, &row);
}

/* -ENOENT: `id` is no begin. */
static int check_begin(sqlite3 *connection, int64_t id) {
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection, "SELECT kind FROM audit WHERE id = ?1", &statement);
    if (result == 0) {
        (void)sqlite3_bind_int64(statement, 1, id);
        const int code = sqlite3_step(statement);
        const bool begin =
            code == SQLITE_ROW && sqlite3_column_int(statement, 0) == (int)AUDIT_BEGIN;
        result = database_errno(code) < 0 ? database_errno(code) : begin ? 0 : -ENOENT;
    }
    (void)sqlite3_finalize(statement);
    return result;
}

int audit_end(struct api_db *db, int64_t id, unsigned status, struct str after, int64_t now_ns) {
    struct audit_stored row = {
        .kind = AUDIT_END, .begin_id = id, .time_ns = now_ns, .status = status};
    char *owned;
    int result;
    failpoint("api.audit-end");
    sqlite3 *connection = api_db_begin(db, &result);
    if (connection == NULL) {
        return result;
    }
    row.after = shortened(after, &owned);
    result = check_begin(connection, id);
    if (result == 0) {
        result = audit_row_add(connection, &row);
    }
    result = api_db_end(db, result);
    free(owned);
    return result == -EEXIST ? -EALREADY : result;
}

/* A begin without an end after `after_id`, or 0. */
static int next_unfinished(sqlite3 *connection, int64_t after_id, int64_t *ret_id) {
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection,
                                  "SELECT b.id FROM audit b WHERE b.kind = 1 AND b.id > ?1 AND"
                                  " NOT EXISTS (SELECT 1 FROM audit e WHERE e.begin_id = b.id)"
                                  " ORDER BY b.id LIMIT 1",
                                  &statement);
    if (result == 0) {
        (void)sqlite3_bind_int64(statement, 1, after_id);
        const int code = sqlite3_step(statement);
        result = database_errno(code);
        *ret_id = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    }
    (void)sqlite3_finalize(statement);
    return result;
}

int audit_mark_cut_off(struct api_db *db, int64_t now_ns, size_t *ret_count) {
    size_t count = 0;
    int result;
    sqlite3 *connection = api_db_begin(db, &result);
    if (connection == NULL) {
        return result;
    }
    int64_t id = 0;
    result = next_unfinished(connection, 0, &id);
    while (result == 0 && id != 0) {
        struct audit_stored row = {.kind = AUDIT_CUT, .begin_id = id, .time_ns = now_ns};
        result = audit_row_add(connection, &row);
        count++;
        if (result == 0) {
            result = next_unfinished(connection, id, &id);
        }
    }
    result = api_db_end(db, result);
    if (result == 0) {
        *ret_count = count;
    }
    return result;
}

/* --- reading --- */

static int find_end(sqlite3_stmt *statement, struct audit_row *row) {
    (void)sqlite3_reset(statement);
    (void)sqlite3_bind_int64(statement, 1, row->id);
    const int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        row->state =
            sqlite3_column_int(statement, 0) == (int)AUDIT_END ? AUDIT_ENDED : AUDIT_CUT_OFF;
        row->status = (unsigned)sqlite3_column_int64(statement, 1);
        row->after = database_column_text(statement, 2);
    }
    return database_errno(code);
}

static int prepare_query(sqlite3 *connection, const struct audit_query *query,
                         sqlite3_stmt **ret_statement) {
    const int64_t before_id = query->before_id > 0 ? query->before_id : INT64_MAX;
    const int64_t until_ns = query->until_ns > 0 ? query->until_ns : INT64_MAX;
    /* Three texts, so that the indexes by user and by action are used where they help. */
    const int result = database_prepare(
        connection,
        query->user.length > 0 ? "SELECT " AUDIT_COLUMNS
                                 " FROM audit WHERE begin_id IS NULL AND id < ?1 AND time_ns >= ?2"
                                 " AND time_ns < ?3 AND user = ?4 AND (?5 = '' OR action = ?5)"
                                 " ORDER BY id DESC"
        : query->action.length > 0
            ? "SELECT " AUDIT_COLUMNS
              " FROM audit WHERE begin_id IS NULL AND id < ?1 AND time_ns >= ?2"
              " AND time_ns < ?3 AND (?4 = '' OR user = ?4) AND action = ?5"
              " ORDER BY id DESC"
            : "SELECT " AUDIT_COLUMNS
              " FROM audit WHERE begin_id IS NULL AND id < ?1 AND time_ns >= ?2"
              " AND time_ns < ?3 ORDER BY id DESC",
        ret_statement);
    (void)sqlite3_bind_int64(*ret_statement, 1, before_id);
    (void)sqlite3_bind_int64(*ret_statement, 2, query->since_ns);
    (void)sqlite3_bind_int64(*ret_statement, 3, until_ns);
    database_bind_text(*ret_statement, 4, query->user);
    database_bind_text(*ret_statement, 5, query->action);
    return result;
}

int audit_each(struct api_db *db, const struct audit_query *query, audit_visit *visit,
               void *context) {
    sqlite3 *connection = api_db_lock(db);
    sqlite3_stmt *statement = NULL;
    sqlite3_stmt *ends = NULL;
    int result = prepare_query(connection, query, &statement);
    if (result == 0) {
        result = database_prepare(
            connection, "SELECT kind, status, after FROM audit WHERE begin_id = ?1", &ends);
    }
    for (bool more = result == 0; more && result == 0;) {
        const int code = sqlite3_step(statement);
        result = database_errno(code);
        if (code != SQLITE_ROW) {
            break;
        }
        struct audit_stored stored;
        struct audit_hash hash;
        (void)audit_row_read(statement, &stored, &hash);
        struct audit_row row = {.id = stored.id,
                                .time_ns = stored.time_ns,
                                .state = AUDIT_ENDED,
                                .status = stored.status,
                                .entry = stored.entry,
                                .after = stored.after};
        if (stored.kind == AUDIT_BEGIN) {
            row.state = AUDIT_UNDER_WAY;
            result = find_end(ends, &row);
        }
        more = result == 0 && visit(context, &row);
    }
    (void)sqlite3_finalize(ends);
    (void)sqlite3_finalize(statement);
    api_db_unlock(db);
    return result;
}

/* --- the chain --- */

struct chain {
    struct audit_hash newest;
    int64_t last_id;
    struct str start; /* what the row of audit_trim() says of it */
    bool start_told;
    char start_bytes[AUDIT_START_TEXT_MAX];
    struct audit_verdict verdict;
};

/* Whether the row that `statement` is at goes on with the chain. */
static bool follows(struct chain *chain, sqlite3_stmt *statement) {
    struct audit_stored row;
    struct audit_hash stored;
    const bool readable = audit_row_read(statement, &row, &stored);
    const struct audit_hash computed = audit_row_hash(&chain->newest, &row);
    if (!readable || row.id != chain->last_id + 1 ||
        memcmp(stored.bytes, computed.bytes, sizeof stored.bytes) != 0) {
        chain->verdict.broken_id = row.id;
        return false;
    }
    chain->newest = computed;
    chain->last_id = row.id;
    if (str_equal(row.entry.action, STR(AUDIT_TRIM_ACTION))) {
        /* The newest one counts. */
        chain->start_told = str_equal(row.after, chain->start);
    }
    chain->verdict.rows++;
    return true;
}

enum { VERIFIED_AT_A_TIME = 1000 };

/* 1: there may be more; 0: it was the end, or the chain is broken. */
static int verify_some(sqlite3 *connection, struct chain *chain) {
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(
        connection, "SELECT " AUDIT_COLUMNS " FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2",
        &statement);
    (void)sqlite3_bind_int64(statement, 1, chain->last_id);
    (void)sqlite3_bind_int64(statement, 2, VERIFIED_AT_A_TIME);
    size_t seen = 0;
    while (result == 0) {
        const int code = sqlite3_step(statement);
        result = database_errno(code);
        if (code != SQLITE_ROW || !follows(chain, statement)) {
            break;
        }
        seen++;
    }
    (void)sqlite3_finalize(statement);
    return result < 0 ? result : seen == VERIFIED_AT_A_TIME;
}

/* 1, to go on with verify_some(). */
static int begin_chain(struct api_db *db, struct chain *chain) {
    struct audit_start start;
    sqlite3 *connection = api_db_lock(db);
    const int result = audit_start_read(connection, &start);
    api_db_unlock(db);
    chain->newest = start.hash;
    chain->last_id = start.id;
    chain->verdict.removed = (uint64_t)start.id;
    struct text text = TEXT_OVER(chain->start_bytes);
    audit_start_format(&start, &text);
    chain->start = text_str(&text);
    return result < 0 ? result : 1;
}

int audit_verify(struct api_db *db, struct audit_verdict *ret_verdict) {
    struct chain chain = {0};
    int result = begin_chain(db, &chain);
    while (result > 0) {
        sqlite3 *connection = api_db_lock(db);
        result = verify_some(connection, &chain);
        api_db_unlock(db);
    }
    if (chain.verdict.removed != 0 && !chain.start_told && chain.verdict.broken_id == 0) {
        chain.verdict.broken_id = (int64_t)chain.verdict.removed + 1;
    }
    if (result == 0) {
        memcpy(chain.verdict.newest, chain.newest.bytes, sizeof chain.verdict.newest);
        *ret_verdict = chain.verdict;
    }
    return result;
}
