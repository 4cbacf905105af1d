/* SPDX-License-Identifier: Apache-2.0 */
#include "store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int database_errno(int sqlite_code) {
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

int database_run(sqlite3 *connection, const char *sql) {
    return database_errno(sqlite3_exec(connection, sql, NULL, NULL, NULL));
}

int database_prepare(sqlite3 *connection, const char *sql, sqlite3_stmt **ret_statement) {
    *ret_statement = NULL;
    return database_errno(sqlite3_prepare_v2(connection, sql, -1, ret_statement, NULL));
}

int database_step(sqlite3_stmt *statement) {
    const int result = database_errno(sqlite3_step(statement));
    (void)sqlite3_reset(statement);
    return result;
}

int database_number(sqlite3 *connection, const char *sql, int64_t otherwise, int64_t *ret_number) {
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection, sql, &statement);
    if (result == 0) {
        const int code = sqlite3_step(statement);
        result = database_errno(code);
        *ret_number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : otherwise;
    }
    (void)sqlite3_finalize(statement);
    return result;
}

void database_bind_text(sqlite3_stmt *statement, int index, struct str text) {
    (void)sqlite3_bind_text64(statement, index, text.data != NULL ? text.data : "", text.length,
                              SQLITE_STATIC, SQLITE_UTF8);
}

struct str database_column_text(sqlite3_stmt *statement, int index) {
    const char *data = (const char *)sqlite3_column_text(statement, index);
    return (struct str){data, (size_t)sqlite3_column_bytes(statement, index)};
}

/* --- opening --- */

enum {
    BUSY_TIMEOUT_MS = 5000,              /* a person's sqlite3 may hold the lock */
    CHECKED_BYTES_MAX = 8 * 1024 * 1024, /* a larger file is not read through at start */
    SENTENCE_MAX = 512,
};

struct opening {
    const char *path;
    const struct database_kind *kind;
    sqlite3 *connection;
    struct text *problem;
};

/* `PATH SENTENCE`; returns `result`. */
__attribute__((format(printf, 3, 4))) static int say(const struct opening *opening, int result,
                                                     const char *format, ...) {
    char sentence[SENTENCE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    text_add_escaped(opening->problem, str_from(opening->path));
    text_add_byte(opening->problem, ' ');
    text_add(opening->problem, str_from(sentence));
    return result;
}

static int say_damaged(const struct opening *opening) {
    return say(opening, -EUCLEAN, "is damaged: %s", opening->kind->if_damaged);
}

static int say_not_writable(const struct opening *opening, int result) {
    return say(opening, result,
               "cannot be written: its folder must be writable by the user of the service, for the "
               "files that SQLite keeps beside it, and the disk not mounted read-only");
}

static int say_errno(const struct opening *opening, const char *what, int result) {
    return say(opening, result, "%s: %s", what, strerror(-result));
}

/* Creates the file for its owner alone (SQLite gives its WAL the same permissions), or checks what
 * is there, so that the usual mistakes have a sentence of their own. */
static int prepare_file(const struct opening *opening) {
    const int fd = open(opening->path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)close(fd);
        return 0;
    }
    const int error = errno;
    struct stat status;
    if (error == ENOENT || error == ENOTDIR) {
        return say(opening, -error,
                   "cannot be made because its folder does not exist: create the folder, owned by "
                   "the user of the service, or set %s",
                   opening->kind->setting);
    }
    if (error != EEXIST) {
        return say_errno(opening, "cannot be made", -error);
    }
    if (stat(opening->path, &status) != 0) {
        return say_errno(opening, "cannot be looked at", -errno);
    }
    if (!S_ISREG(status.st_mode)) {
        return say(opening, -EISDIR, "is not a file: move it away, or set %s",
                   opening->kind->setting);
    }
    if (access(opening->path, R_OK | W_OK) != 0) {
        return say(opening, -EACCES,
                   "cannot be read and written by the user of the service: correct its owner and "
                   "permissions (chown %s, chmod 600)",
                   opening->kind->user);
    }
    return 0;
}

/* A database of another program, or of a newer release, is left alone. */
static int check_identity(const struct opening *opening, int64_t *ret_schema) {
    sqlite3 *connection = opening->connection;
    int64_t application = 0;
    int64_t tables = 0;
    int result = database_number(connection, "PRAGMA application_id", 0, &application);
    if (result == 0) {
        result = database_number(connection, "PRAGMA user_version", 0, ret_schema);
    }
    if (result == 0) {
        result = database_number(connection, "SELECT count(*) FROM sqlite_schema", 0, &tables);
    }
    if (result == -EUCLEAN) {
        return say_damaged(opening);
    }
    if (result == -ENOENT ||
        result == -EROFS) { /* a WAL database is read through files beside it */
        return say_not_writable(opening, result);
    }
    if (result < 0) {
        return say_errno(opening, "cannot be read", result);
    }
    if (application != opening->kind->application_id && (application != 0 || tables > 0)) {
        return say(opening, -EMEDIUMTYPE,
                   "is the database of another program: move it away, or set %s",
                   opening->kind->setting);
    }
    if (*ret_schema > opening->kind->migration_count) {
        return say(opening, -EPROTONOSUPPORT,
                   "was written by a newer release (schema %lld, this one knows up to %lld): "
                   "install that release, or restore the backup made before it",
                   (long long)*ret_schema, (long long)opening->kind->migration_count);
    }
    return 0;
}

/* Reads a small file through; in a large one damage is found when it is met. */
static int check_pages(const struct opening *opening) {
    struct stat status;
    if (stat(opening->path, &status) != 0 || status.st_size > CHECKED_BYTES_MAX) {
        return 0;
    }
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(opening->connection, "PRAGMA quick_check(1)", &statement);
    if (result == 0) {
        const int code = sqlite3_step(statement);
        result = database_errno(code);
        if (code == SQLITE_ROW && !str_equal(database_column_text(statement, 0), STR("ok"))) {
            result = -EUCLEAN;
        }
    }
    (void)sqlite3_finalize(statement);
    if (result < 0 && result != -EUCLEAN) {
        return say_errno(opening, "cannot be checked", result); /* Busy, perhaps: not damaged. */
    }
    return result == 0 ? 0 : say_damaged(opening);
}

/* One transaction for each step, so that a crash leaves the schema of a whole number. */
static int migrate(const struct opening *opening, int64_t schema) {
    int result = 0;
    for (int64_t next = schema; result == 0 && next < opening->kind->migration_count; next++) {
        char pragmas[128];
        (void)snprintf(pragmas, sizeof pragmas,
                       "PRAGMA application_id=%d; PRAGMA user_version=%lld; COMMIT",
                       opening->kind->application_id, (long long)(next + 1));
        result = database_run(opening->connection, "BEGIN IMMEDIATE");
        if (result == 0) {
            result = database_run(opening->connection, opening->kind->migrations[next]);
        }
        if (result == 0) {
            result = database_run(opening->connection, pragmas);
        }
        if (result < 0) {
            (void)sqlite3_exec(opening->connection, "ROLLBACK", NULL, NULL, NULL);
        }
    }
    return result;
}

static int make_ready(struct opening *opening) {
    int result = database_errno(sqlite3_open_v2(opening->path, &opening->connection,
                                                SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
    if (result < 0) {
        return say_errno(opening, "cannot be opened", result);
    }
    (void)sqlite3_busy_timeout(opening->connection, BUSY_TIMEOUT_MS);
    (void)sqlite3_extended_result_codes(opening->connection, 1);
    int64_t schema = 0;
    result = check_identity(opening, &schema);
    if (result == 0) {
        result = check_pages(opening);
    }
    if (result < 0) {
        return result;
    }
    result =
        database_run(opening->connection, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                          "PRAGMA trusted_schema=OFF; PRAGMA cache_size=-16384;"
                                          "PRAGMA journal_size_limit=67108864");
    if (result == 0) {
        result = migrate(opening, schema);
    }
    if (result == -EUCLEAN) {
        return say_damaged(opening);
    }
    if (result == -EROFS || result == -ENOENT) {
        return say_not_writable(opening, result);
    }
    return result < 0 ? say_errno(opening, "cannot be made ready", result) : 0;
}

int database_open(const char *path, const struct database_kind *kind, sqlite3 **ret_connection,
                  struct text *problem) {
    struct opening opening = {.path = path, .kind = kind, .problem = problem};
    int result = prepare_file(&opening);
    if (result == 0) {
        result = make_ready(&opening);
    }
    if (result < 0) {
        (void)sqlite3_close_v2(opening.connection);
        return result;
    }
    *ret_connection = opening.connection;
    return 0;
}

/* --- backup --- */

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

int database_backup(sqlite3 *connection, const char *path) {
    /* VACUUM INTO takes an empty file; made here, it is readable by its owner alone. */
    const int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    (void)close(fd);
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection, "VACUUM INTO ?1", &statement);
    database_bind_text(statement, 1, str_from(path));
    if (result == 0) {
        result = database_step(statement);
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
