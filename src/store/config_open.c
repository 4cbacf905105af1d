/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/config_connection.h"
#include "store/migrations/config_0001.h"
#include "store/migrations/config_0002.h"
#include "store/migrations/config_0003.h"

/* Opening config.db: what may be wrong with the file, each with its sentence; then migrations. */

enum {
    APPLICATION_ID = 0x5365635a,         /* "SecZ", in bytes 68 to 71 of the file */
    BUSY_TIMEOUT_MS = 5000,              /* a person's sqlite3 may hold the lock */
    CHECKED_BYTES_MAX = 8 * 1024 * 1024, /* a larger file is not read through at start */
};

static const char *const migrations[] = {config_migration_0001, config_migration_0002,
                                         config_migration_0003};
static const int64_t newest_schema = sizeof migrations / sizeof migrations[0];

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
