/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "store/config_connection.h"
#include "store/migrations/config_0001.h"
#include "store/migrations/config_0002.h"
#include "store/migrations/config_0003.h"

static const char *const migrations[] = {config_migration_0001, config_migration_0002,
                                         config_migration_0003};

static const struct database_kind config_kind = {
    .application_id = 0x5365635a, /* "SecZ" */
    .migrations = migrations,
    .migration_count = sizeof migrations / sizeof migrations[0],
    .user = "seczim",
    .setting = "paths.data",
    .if_damaged = "move it away and restore it from a backup (`seczim restore`), or start without "
                  "it and import settings and lists again",
};

int config_db_open(const char *path, struct config_db **ret_db, struct text *problem) {
    struct config_db *db = calloc(1, sizeof *db);
    CHECK(db != NULL);
    const int result = database_open(path, &config_kind, &db->connection, problem);
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
