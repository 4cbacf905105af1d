/* SPDX-License-Identifier: Apache-2.0 */
#include "store/config_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/config_connection.h"
#include "store/migrations/config_0001.h"

enum {
    APPLICATION_ID = 0x5365635a,         /* "SecZ", in bytes 68 to 71 of the file */
    BUSY_TIMEOUT_MS = 5000,              /* a person's sqlite3 may hold the lock */
    CHECKED_BYTES_MAX = 8 * 1024 * 1024, /* a larger file is not read through at start */
};

static const char *const migrations[] = {config_migration_0001};
static const int64_t newest_schema = sizeof migrations / sizeof migrations[0];

/* --- small things ------------------------------------------------------------------------------
 */

int config_errno(int sqlite_code) {
    switch (sqlite_code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return -EACCES;
    case SQLITE_CANTOPEN:
        return -ENOENT;
    default:
        return -EIO;
    }
}

int config_run(struct config_db *db, const char *sql) {
    return config_errno(sqlite3_exec(db->connection, sql, NULL, NULL, NULL));
}

int config_prepare(struct config_db *db, const char *sql, sqlite3_stmt **ret_statement) {
    *ret_statement = NULL;
    return config_errno(sqlite3_prepare_v2(db->connection, sql, -1, ret_statement, NULL));
}

int config_step(sqlite3_stmt *statement) {
    const int result = config_errno(sqlite3_step(statement));
    (void)sqlite3_reset(statement);
    return result;
}

int config_number(struct config_db *db, const char *sql, int64_t otherwise, int64_t *ret_number) {
    sqlite3_stmt *statement = NULL;
    int result = config_prepare(db, sql, &statement);
    if (result == 0) {
        const int code = sqlite3_step(statement);
        result = config_errno(code);
        *ret_number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : otherwise;
    }
    (void)sqlite3_finalize(statement);
    return result;
}

void config_bind_text(sqlite3_stmt *statement, int index, struct str text) {
    (void)sqlite3_bind_text64(statement, index, text.data != NULL ? text.data : "", text.length,
                              SQLITE_STATIC, SQLITE_UTF8);
}

struct str config_column_text(sqlite3_stmt *statement, int index) {
    const char *data = (const char *)sqlite3_column_text(statement, index);
    return (struct str){data, (size_t)sqlite3_column_bytes(statement, index)};
}

/* --- opening -----------------------------------------------------------------------------------
 */

/* `config.db PATH SENTENCE`; returns `result`. */
static int say(struct text *problem, const char *path, const char *sentence, int result) {
    text_add_escaped(problem, str_from(path));
    text_add_byte(problem, ' ');
    text_add(problem, str_from(sentence));
    return result;
}

static int say_damaged(struct text *problem, const char *path) {
    return say(problem, path,
               "is damaged: move it away and restore it from a backup (`seczim restore`), or start "
               "without it and import settings and lists again",
               -EUCLEAN);
}

static int say_not_writable(struct text *problem, const char *path, int result) {
    return say(problem, path,
               "cannot be written: its folder must be writable by the user of the service, for the "
               "files that SQLite keeps beside it, and the disk not mounted read-only",
               result);
}

static int say_errno(struct text *problem, const char *path, const char *what, int result) {
    text_add_escaped(problem, str_from(path));
    text_add_byte(problem, ' ');
    text_add(problem, str_from(what));
    text_add(problem, STR(": "));
    text_add(problem, str_from(strerror(-result)));
    return result;
}

/* Creates the file for its owner alone (SQLite gives its WAL the same permissions), or checks what
 * is there, so that the usual mistakes have a sentence of their own. */
static int prepare_file(const char *path, struct text *problem) {
    const int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)close(fd);
        return 0;
    }
    const int error = errno;
    struct stat status;
    if (error == ENOENT || error == ENOTDIR) {
        return say(problem, path,
                   "cannot be made because its folder does not exist: create the folder, owned by "
                   "the user of the service, or set paths.data",
                   -error);
    }
    if (error != EEXIST) {
        return say_errno(problem, path, "cannot be made", -error);
    }
    if (stat(path, &status) != 0) {
        return say_errno(problem, path, "cannot be looked at", -errno);
    }
    if (!S_ISREG(status.st_mode)) {
        return say(problem, path, "is not a file: move it away, or set paths.data", -EISDIR);
    }
    if (access(path, R_OK | W_OK) != 0) {
        return say(problem, path,
                   "cannot be read and written by the user of the service: correct its owner and "
                   "permissions (chown seczim, chmod 600)",
                   -EACCES);
    }
    return 0;
}

/* A database of another program, or of a newer release, is left alone. */
static int check_identity(struct config_db *db, const char *path, int64_t *ret_schema,
                          struct text *problem) {
    int64_t application = 0;
    int64_t tables = 0;
    int result = config_number(db, "PRAGMA application_id", 0, &application);
    if (result == 0) {
        result = config_number(db, "PRAGMA user_version", 0, ret_schema);
    }
    if (result == 0) {
        result = config_number(db, "SELECT count(*) FROM sqlite_schema", 0, &tables);
    }
    if (result == -EUCLEAN) {
        return say_damaged(problem, path);
    }
    if (result == -ENOENT ||
        result == -EROFS) { /* a WAL database is read through files beside it */
        return say_not_writable(problem, path, result);
    }
    if (result < 0) {
        return say_errno(problem, path, "cannot be read", result);
    }
    if (application != APPLICATION_ID && (application != 0 || tables > 0)) {
        return say(problem, path,
                   "is the database of another program: move it away, or set paths.data",
                   -EMEDIUMTYPE);
    }
    if (*ret_schema > newest_schema) {
        text_add_escaped(problem, str_from(path));
        text_add(problem, STR(" was written by a newer release (schema "));
        text_add_u64(problem, (uint64_t)*ret_schema);
        text_add(problem, STR(", this one knows up to "));
        text_add_u64(problem, (uint64_t)newest_schema);
        text_add(problem, STR("): install that release, or restore the backup made before it"));
        return -EPROTONOSUPPORT;
    }
    return 0;
}

/* Reads a small file through; in a large one damage is found when it is met. */
static int check_pages(struct config_db *db, const char *path, struct text *problem) {
    struct stat status;
    if (stat(path, &status) != 0 || status.st_size > CHECKED_BYTES_MAX) {
        return 0;
    }
    sqlite3_stmt *statement = NULL;
    int result = config_prepare(db, "PRAGMA quick_check(1)", &statement);
    if (result == 0) {
        const int code = sqlite3_step(statement);
        const bool sound =
            code == SQLITE_ROW && str_equal(config_column_text(statement, 0), STR("ok"));
        result = sound ? 0 : -EUCLEAN;
    }
    (void)sqlite3_finalize(statement);
    return result == 0 ? 0 : say_damaged(problem, path);
}

/* One transaction for each step, so that a crash leaves the schema of a whole number. */
static int migrate(struct config_db *db, int64_t schema) {
    int result = 0;
    for (int64_t next = schema; result == 0 && next < newest_schema; next++) {
        char pragmas[128];
        (void)sqlite3_snprintf(sizeof pragmas, pragmas,
                               "PRAGMA application_id=%d; PRAGMA user_version=%lld; COMMIT",
                               APPLICATION_ID, (long long)(next + 1));
        result = config_run(db, "BEGIN IMMEDIATE");
        if (result == 0) {
            result = config_run(db, migrations[next]);
        }
        if (result == 0) {
            result = config_run(db, pragmas);
        }
        if (result < 0) {
            (void)sqlite3_exec(db->connection, "ROLLBACK", NULL, NULL, NULL);
        }
    }
    return result;
}

static int open_checked(struct config_db *db, const char *path, struct text *problem) {
    int result = config_errno(
        sqlite3_open_v2(path, &db->connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
    if (result < 0) {
        return say_errno(problem, path, "cannot be opened", result);
    }
    (void)sqlite3_busy_timeout(db->connection, BUSY_TIMEOUT_MS);
    (void)sqlite3_extended_result_codes(db->connection, 1);
    int64_t schema = 0;
    result = check_identity(db, path, &schema, problem);
    if (result == 0) {
        result = check_pages(db, path, problem);
    }
    if (result < 0) {
        return result;
    }
    result = config_run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                            "PRAGMA trusted_schema=OFF; PRAGMA cache_size=-16384;"
                            "PRAGMA journal_size_limit=67108864");
    if (result == 0) {
        result = migrate(db, schema);
    }
    if (result == -EUCLEAN) {
        return say_damaged(problem, path);
    }
    if (result == -EROFS || result == -ENOENT) {
        return say_not_writable(problem, path, result);
    }
    return result < 0 ? say_errno(problem, path, "cannot be made ready", result) : 0;
}

int config_db_open(const char *path, struct config_db **ret_db, struct text *problem) {
    int result = prepare_file(path, problem);
    if (result < 0) {
        return result;
    }
    struct config_db *db = calloc(1, sizeof *db);
    CHECK(db != NULL);
    result = open_checked(db, path, problem);
    if (result < 0) {
        config_db_close(db);
        return result;
    }
    *ret_db = db;
    return 0;
}

void config_db_close(struct config_db *db) {
    if (db != NULL) {
        (void)sqlite3_close_v2(db->connection);
        free(db);
    }
}

/* --- versions and the change log ----------------------------------------------------------------
 */

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

/* --- backup -------------------------------------------------------------------------------------
 */

static int sync_path(const char *path, int flags) {
    const int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    const int result = fsync(fd) == 0 ? 0 : -errno;
    (void)close(fd);
    return result;
}

static int sync_folder_of(const char *path) {
    char *folder = strdup(path);
    CHECK(folder != NULL);
    char *slash = strrchr(folder, '/');
    if (slash != NULL && slash != folder) {
        *slash = '\0';
    }
    const int result = sync_path(slash == NULL     ? "."
                                 : slash == folder ? "/"
                                                   : folder,
                                 O_RDONLY | O_DIRECTORY);
    free(folder);
    return result;
}

int config_db_backup(struct config_db *db, const char *path) {
    /* VACUUM INTO takes an empty file; made here, it is readable by its owner alone. */
    const int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    (void)close(fd);
    sqlite3_stmt *statement = NULL;
    int result = config_prepare(db, "VACUUM INTO ?1", &statement);
    config_bind_text(statement, 1, str_from(path));
    if (result == 0) {
        result = config_step(statement);
    }
    (void)sqlite3_finalize(statement);
    if (result == 0) {
        result = sync_path(path, O_RDWR);
    }
    if (result == 0) {
        result = sync_folder_of(path);
    }
    if (result < 0) {
        (void)unlink(path);
    }
    return result;
}
