/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api_db.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/migrations/api_0001.h"
#include "api/migrations/api_0002.h"
#include "base/check.h"
#include "base/failpoint.h"

struct api_db {
    sqlite3 *connection;
    pthread_mutex_t mutex;
};

static const char *const migrations[] = {api_migration_0001, api_migration_0002};

static const struct database_kind api_kind = {
    .application_id = 0x53654170, /* "SeAp" */
    .migrations = migrations,
    .migration_count = sizeof migrations / sizeof migrations[0],
    .user = "seczim-api",
    .setting = "paths.api_data",
    .if_damaged = "move it away and restore it from a backup (`seczim restore`), or start without "
                  "it: users, tokens and the audit log begin anew with a new first password",
};

int api_db_open(const char *path, struct api_db **ret_db, struct text *problem) {
    struct api_db *db = calloc(1, sizeof *db);
    CHECK(db != NULL);
    int result = database_open(path, &api_kind, &db->connection, problem);
    if (result == 0) {
        result = database_run(db->connection, "PRAGMA foreign_keys=ON");
    }
    if (result < 0) {
        (void)sqlite3_close_v2(db->connection);
        free(db);
        return result;
    }
    CHECK(pthread_mutex_init(&db->mutex, NULL) == 0);
    *ret_db = db;
    return 0;
}

void api_db_close(struct api_db *db) {
    if (db != NULL) {
        (void)sqlite3_close_v2(db->connection);
        (void)pthread_mutex_destroy(&db->mutex);
        free(db);
    }
}

sqlite3 *api_db_lock(struct api_db *db) {
    CHECK(pthread_mutex_lock(&db->mutex) == 0);
    return db->connection;
}

void api_db_unlock(struct api_db *db) {
    CHECK(pthread_mutex_unlock(&db->mutex) == 0);
}

sqlite3 *api_db_begin(struct api_db *db, int *ret_error) {
    sqlite3 *connection = api_db_lock(db);
    *ret_error = database_run(connection, "BEGIN IMMEDIATE");
    if (*ret_error < 0) {
        api_db_unlock(db);
        return NULL;
    }
    return connection;
}

int api_db_end(struct api_db *db, int result) {
    int committed = 0;
    if (result >= 0) {
        failpoint("api.commit");
        committed = database_run(db->connection, "COMMIT");
        failpoint("api.committed");
    }
    if (result < 0 || committed < 0) {
        /* After some errors SQLite has rolled back already; then this one fails, as it should. */
        (void)sqlite3_exec(db->connection, "ROLLBACK", NULL, NULL, NULL);
    }
    api_db_unlock(db);
    return committed < 0 ? committed : result;
}

int api_db_backup(struct api_db *db, const char *path) {
    sqlite3 *connection = api_db_lock(db);
    const int result = database_backup(connection, path);
    api_db_unlock(db);
    return result;
}
