/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "store/history_file.h"
#include "store/history_summary.h"

/* Documented in docs/internals/history-format.md: change both, and raise HISTORY_FORMAT when an
 * older release could not read the result. */

enum { APPLICATION_ID = 0x5343485a, BUSY_TIMEOUT_MS = 5000 }; /* "SCHZ" */

static const char schema[] =
    "CREATE TABLE session (sequence INTEGER PRIMARY KEY, time INTEGER NOT NULL,"
    " decision_time INTEGER NOT NULL, direction INTEGER NOT NULL, verdict INTEGER NOT NULL,"
    " policy INTEGER NOT NULL, reason INTEGER NOT NULL, client BLOB NOT NULL,"
    " client_address TEXT NOT NULL COLLATE NOCASE, client_name TEXT NOT NULL COLLATE NOCASE,"
    " helo TEXT NOT NULL COLLATE NOCASE, sender TEXT NOT NULL COLLATE NOCASE,"
    " recipient TEXT NOT NULL COLLATE NOCASE, identity TEXT NOT NULL COLLATE NOCASE,"
    " instance TEXT NOT NULL COLLATE NOCASE, queue_id TEXT NOT NULL COLLATE NOCASE,"
    " rule TEXT NOT NULL COLLATE NOCASE, reply TEXT NOT NULL, shadow TEXT NOT NULL,"
    " size INTEGER NOT NULL, generation INTEGER NOT NULL, duration_us INTEGER NOT NULL,"
    " count INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 4,"
    " recipients INTEGER NOT NULL DEFAULT 0, country TEXT NOT NULL DEFAULT '' COLLATE NOCASE,"
    " asn INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE record (sequence INTEGER PRIMARY KEY, version INTEGER NOT NULL,"
    " body BLOB NOT NULL);"
    "CREATE TABLE minute (minute INTEGER NOT NULL, direction INTEGER NOT NULL,"
    " verdict INTEGER NOT NULL, policy INTEGER NOT NULL, reason INTEGER NOT NULL,"
    " shadow INTEGER NOT NULL, count INTEGER NOT NULL,"
    " PRIMARY KEY (minute, direction, verdict, policy, reason, shadow)) WITHOUT ROWID;"
    "CREATE TABLE span (minute INTEGER PRIMARY KEY, first INTEGER NOT NULL,"
    " last INTEGER NOT NULL);"
    "CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL,"
    " closed INTEGER NOT NULL, rows INTEGER NOT NULL, time_min INTEGER NOT NULL,"
    " time_max INTEGER NOT NULL);";

static const char indexes[] =
    "CREATE INDEX session_client ON session (client);"
    "CREATE INDEX session_client_name ON session (client_name);"
    "CREATE INDEX session_helo ON session (helo);"
    "CREATE INDEX session_sender ON session (sender);"
    "CREATE INDEX session_recipient ON session (recipient);"
    "CREATE INDEX session_identity ON session (identity) WHERE identity <> '';"
    "CREATE INDEX session_instance ON session (instance) WHERE instance <> '';"
    "CREATE INDEX session_queue_id ON session (queue_id) WHERE queue_id <> '';"
    "CREATE INDEX session_rule ON session (rule) WHERE rule <> '';"
    "CREATE INDEX session_verdict ON session (verdict);"
    "CREATE INDEX session_policy ON session (policy);"
    "CREATE INDEX session_reason ON session (reason);"
    "CREATE INDEX session_country ON session (country) WHERE country <> '';"
    "CREATE INDEX session_asn ON session (asn) WHERE asn <> 0;"
    "CREATE VIRTUAL TABLE words USING fts5 (client_address, client_name, helo, sender, recipient,"
    " identity, rule, reply, content = 'session', content_rowid = 'sequence', tokenize = 'ascii');"
    "INSERT INTO words (words) VALUES ('rebuild');"
    "UPDATE meta SET closed = 1;";

int history_file_error(int result) {
    switch (result & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_INTERRUPT:
        return -EINTR;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_CANTOPEN:
        return -ENOENT;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return -EACCES;
    default:
        return -EIO;
    }
}

int history_file_exec(sqlite3 *db, const char *sql) {
    return history_file_error(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

void history_file_roll_back(sqlite3 *db) {
    if (sqlite3_get_autocommit(db) == 0) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
}

int history_file_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement) {
    return history_file_error(
        sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_statement, NULL));
}

/* The first column of the first row as text; "" when there is none. */
static int query_text(sqlite3 *db, const char *sql, char *out, size_t size) {
    sqlite3_stmt *statement = NULL;
    int result = history_file_prepare(db, sql, &statement);
    if (result < 0) {
        return result;
    }
    out[0] = '\0';
    const int step = sqlite3_step(statement);
    if (step == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(statement, 0);
        (void)snprintf(out, size, "%s", text != NULL ? (const char *)text : "");
    }
    (void)sqlite3_finalize(statement);
    return history_file_error(step);
}

int history_schema_create(const char *path, uint64_t position) {
    char sql[512];
    sqlite3 *db = NULL;
    int result = history_file_error(
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
    if (result == 0) {
        (void)snprintf(sql, sizeof sql,
                       "PRAGMA page_size = 8192; PRAGMA application_id = %d;"
                       "PRAGMA user_version = %d; PRAGMA synchronous = FULL; BEGIN;",
                       APPLICATION_ID, HISTORY_FORMAT);
        result = history_file_exec(db, sql);
    }
    if (result == 0) {
        result = history_file_exec(db, schema);
    }
    if (result == 0) {
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO meta VALUES (1, %" PRIu64 ", 0, 0, %" PRId64 ", 0);"
                       "COMMIT; PRAGMA journal_mode = WAL;",
                       position, INT64_MAX);
        result = history_file_exec(db, sql);
    }
    const int closed = sqlite3_close(db);
    return result < 0 ? result : history_file_error(closed);
}

static int check_format(sqlite3 *db) {
    char application[32];
    char format[32];
    uint64_t number = 0;
    int result = query_text(db, "PRAGMA application_id", application, sizeof application);
    if (result == 0) {
        result = query_text(db, "PRAGMA user_version", format, sizeof format);
    }
    if (result < 0) {
        return result;
    }
    if (!str_parse_u64(str_from(application), UINT32_MAX, &number) || number != APPLICATION_ID) {
        return -EUCLEAN;
    }
    if (!str_parse_u64(str_from(format), UINT32_MAX, &number) || number == 0) {
        return -EUCLEAN;
    }
    return number > HISTORY_FORMAT ? -EPROTONOSUPPORT : 0;
}

static bool finds(sqlite3 *db, const char *sql) {
    char name[16];
    return query_text(db, sql, name, sizeof name) == 0 && name[0] != '\0';
}

bool history_file_has_state(sqlite3 *db) {
    return finds(db, "SELECT name FROM pragma_table_info('session') WHERE name = 'recipients'");
}

bool history_file_has_place(sqlite3 *db) {
    return finds(db, "SELECT name FROM pragma_table_info('session') WHERE name = 'asn'");
}

/* A file that a release before began, and this one goes on with. */
static int add_columns(sqlite3 *db) {
    int result = 0;
    if (history_file_has_place(db)) {
        return 0;
    }
    result = history_file_exec(db, "BEGIN IMMEDIATE;");
    if (result == 0 && !history_file_has_state(db)) {
        result = history_file_exec(
            db, "ALTER TABLE session ADD COLUMN state INTEGER NOT NULL DEFAULT 4;"
                "ALTER TABLE session ADD COLUMN recipients INTEGER NOT NULL DEFAULT 0;");
    }
    if (result == 0) {
        result = history_file_exec(db, "ALTER TABLE session ADD COLUMN country TEXT NOT NULL"
                                       " DEFAULT '' COLLATE NOCASE;"
                                       "ALTER TABLE session ADD COLUMN asn INTEGER NOT NULL"
                                       " DEFAULT 0; PRAGMA user_version = 2; COMMIT;");
    }
    if (result < 0) {
        history_file_roll_back(db);
    }
    return result;
}

/* By the header of the file, before SQLite looks at what stands beside it: a file that is written
 * or has not got its last change is in WAL mode (SQLite's file format, 1.3: byte 18 is 2). */
static int check_unwritten(const char *path) {
    enum { WRITE_VERSION_AT = 18, ROLLBACK_JOURNAL = 1 };
    unsigned char version = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return -ENOENT;
    }
    const bool unwritten =
        pread(fd, &version, 1, WRITE_VERSION_AT) == 1 && version == ROLLBACK_JOURNAL;
    (void)close(fd);
    return unwritten ? 0 : -ENOENT;
}

static int check_closed(sqlite3 *db) {
    struct history_meta meta;
    const int result = history_file_meta(db, &meta);
    return result < 0 || meta.closed ? result : -ENOENT;
}

/* "unix-none" is SQLite's own, and takes no locks: those of a reader elsewhere would hold back the
 * daemon when it sets about an old file again. With it a file cannot be read through a WAL, and one
 * with a journal beside it is refused. */
static int open_closed(const char *path, sqlite3 **ret_db) {
    sqlite3 *db = NULL;
    int result = check_unwritten(path);
    if (result < 0) {
        return result;
    }
    result = history_file_error(
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, "unix-none"));
    if (result == 0) {
        result = check_format(db);
    }
    if (result == 0) {
        result = check_closed(db);
    }
    if (result == 0) {
        result = history_file_exec(db, "PRAGMA cache_size = -8192; PRAGMA query_only = 1;");
    }
    if (result < 0) {
        (void)sqlite3_close(db);
        return result == -EACCES ? -ENOENT : result;
    }
    *ret_db = db;
    return 0;
}

int history_schema_open(const char *path, enum history_access access, sqlite3 **ret_db) {
    sqlite3 *db = NULL;
    if (access == HISTORY_READ_CLOSED) {
        return open_closed(path, ret_db);
    }
    /* A reader too, because a file that a killed process left can only be recovered (its journal
     * rolled back) by a connection that may write; query_only keeps it from anything else. */
    int result = history_file_error(
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
    if (result == 0) {
        (void)sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
        result = check_format(db);
    }
    if (result == 0 && access == HISTORY_READ) {
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        result = history_file_exec(db, "PRAGMA cache_size = -8192; PRAGMA query_only = 1;");
    } else if (result == 0) {
        result = add_columns(db);
    }
    if (result < 0) {
        (void)sqlite3_close(db);
        return result;
    }
    *ret_db = db;
    return 0;
}

int history_file_meta(sqlite3 *db, struct history_meta *ret_meta) {
    sqlite3_stmt *statement = NULL;
    const int result = history_file_prepare(
        db, "SELECT position, closed, time_min, time_max, rows FROM meta WHERE id = 1", &statement);
    if (result < 0) {
        /* "no such table" is a generic error: a file without meta is none of ours. */
        return result == -EIO && sqlite3_errcode(db) == SQLITE_ERROR ? -EUCLEAN : result;
    }
    const int step = sqlite3_step(statement);
    if (step == SQLITE_ROW) {
        *ret_meta = (struct history_meta){
            .position = (uint64_t)sqlite3_column_int64(statement, 0),
            .closed = sqlite3_column_int(statement, 1) != 0,
            .time_min_ns = sqlite3_column_int64(statement, 2),
            .time_max_ns = sqlite3_column_int64(statement, 3),
            .rows = (uint64_t)sqlite3_column_int64(statement, 4),
        };
    }
    (void)sqlite3_finalize(statement);
    return step == SQLITE_DONE ? -EUCLEAN : history_file_error(step);
}

bool history_file_has_words(sqlite3 *db) {
    return finds(db, "SELECT name FROM sqlite_schema WHERE name = 'words'");
}

bool history_file_has_summary(sqlite3 *db) {
    return finds(db, "SELECT name FROM sqlite_schema WHERE name = 'part'");
}

/* Once in the life of a file, in the background: every page is read and checked. */
static int check_whole(sqlite3 *db) {
    char answer[64];
    const int result = query_text(db, "PRAGMA quick_check(1)", answer, sizeof answer);
    if (result < 0) {
        return result;
    }
    return strcmp(answer, "ok") == 0 ? 0 : -EUCLEAN;
}

/* What makes searches and statistics quick, in one transaction. A file that has its indexes was
 * checked when it got them. */
static int build(sqlite3 *db, bool with_indexes) {
    int result = with_indexes ? check_whole(db) : 0;
    if (result == 0) {
        result = history_file_exec(db, "PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;"
                                       "PRAGMA wal_autocheckpoint = 0; BEGIN IMMEDIATE;");
    }
    failpoint("recorder.file-close");
    if (result == 0 && with_indexes) {
        result = history_file_exec(db, indexes);
    }
    if (result == 0) {
        result = history_summary_write(db);
    }
    if (result == 0) {
        result = history_file_exec(db, "COMMIT");
    }
    if (result < 0) {
        history_file_roll_back(db);
    }
    return result;
}

int history_file_finish(sqlite3 *db) {
    struct history_meta meta;
    char mode[16];
    int result = history_file_meta(db, &meta);
    if (result == 0 && (!meta.closed || !history_file_has_summary(db))) {
        result = build(db, !meta.closed);
    }
    if (result < 0) {
        return result;
    }
    failpoint("recorder.file-close");
    (void)sqlite3_busy_timeout(db, 100); /* The caller tries again; a reader must not wait long. */
    result = query_text(db, "PRAGMA journal_mode = DELETE", mode, sizeof mode);
    (void)sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    if (result < 0) {
        return result;
    }
    return strcmp(mode, "delete") == 0 ? 0 : -EBUSY;
}
