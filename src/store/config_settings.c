/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "settings/settings.h"
#include "store/config_connection.h"

/* Settings of config.db: a row for each value with the versions between which it was in force. */

enum { FROM_DATABASE = 0, FROM_FILE = 1, SUBJECT_MAX = 128 };

static int visit_rows(sqlite3_stmt *statement, config_setting_visit *visit, void *context) {
    for (;;) {
        const int code = sqlite3_step(statement);
        if (code != SQLITE_ROW) {
            return config_errno(code);
        }
        visit(context, config_column_text(statement, 0), config_column_text(statement, 1));
    }
}

int config_db_each_setting(struct config_db *db, config_setting_visit *visit, void *context) {
    sqlite3_stmt *statement = NULL;
    int result = config_prepare(db,
                                "SELECT key, value FROM setting_values"
                                " WHERE removed_version IS NULL AND from_file = 0 ORDER BY key",
                                &statement);
    if (result == 0) {
        result = visit_rows(statement, visit, context);
    }
    (void)sqlite3_finalize(statement);
    return result;
}

int config_db_settings_at(struct config_db *db, uint64_t version, config_setting_visit *visit,
                          void *context) {
    if (version > INT64_MAX) {
        return -ENOENT;
    }
    sqlite3_stmt *statement = NULL;
    int result = config_prepare(db, "SELECT 1 FROM versions WHERE version = ?1", &statement);
    (void)sqlite3_bind_int64(statement, 1, (int64_t)version);
    const bool known = result == 0 && sqlite3_step(statement) == SQLITE_ROW;
    (void)sqlite3_finalize(statement);
    if (result < 0 || !known) {
        return result < 0 ? result : -ENOENT;
    }
    /* A key of the file hides the same key of the database: max(from_file) picks the row. */
    result = config_prepare(db,
                            "SELECT key, value, max(from_file) FROM setting_values"
                            " WHERE created_version <= ?1"
                            " AND (removed_version IS NULL OR removed_version > ?1)"
                            " GROUP BY key ORDER BY key",
                            &statement);
    (void)sqlite3_bind_int64(statement, 1, (int64_t)version);
    if (result == 0) {
        result = visit_rows(statement, visit, context);
    }
    (void)sqlite3_finalize(statement);
    return result;
}

/* --- changes -------------------------------------------------------------------------------- */

/* The statements of one change of settings. */
struct setting_change {
    struct config_db *db;
    uint64_t version;
    int from_file;
    size_t changed;
    sqlite3_stmt *find;
    sqlite3_stmt *remove;
    sqlite3_stmt *add;
};

static int change_prepare(struct setting_change *change) {
    int result = config_prepare(change->db,
                                "SELECT value FROM setting_values WHERE from_file = ?1"
                                " AND key = ?2 AND removed_version IS NULL",
                                &change->find);
    if (result == 0) {
        result = config_prepare(change->db,
                                "UPDATE setting_values SET removed_version = ?3"
                                " WHERE from_file = ?1 AND key = ?2 AND removed_version IS NULL",
                                &change->remove);
    }
    if (result == 0) {
        /* The same key twice in one change: the last value counts. */
        result = config_prepare(change->db,
                                "INSERT OR REPLACE INTO setting_values"
                                " (from_file, key, value, created_version) VALUES (?1, ?2, ?4, ?3)",
                                &change->add);
    }
    return result;
}

static void change_done(struct setting_change *change) {
    (void)sqlite3_finalize(change->find);
    (void)sqlite3_finalize(change->remove);
    (void)sqlite3_finalize(change->add);
}

static int run_for_key(struct setting_change *change, sqlite3_stmt *statement, struct str key,
                       struct str value) {
    (void)sqlite3_bind_int(statement, 1, change->from_file);
    config_bind_text(statement, 2, key);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)change->version);
    if (statement == change->add) {
        config_bind_text(statement, 4, value);
    }
    return config_step(statement);
}

/* A secret itself stands in setting_values alone. */
static struct str told(struct str key, struct str value) {
    const struct setting_info *info = setting_find(key);
    return info != NULL && setting_is_secret(info) && value.length > 0 ? STR(SETTING_HIDDEN)
                                                                       : value;
}

static int replace_value(struct setting_change *change, struct str key, struct str before,
                         struct str after) {
    char words[SUBJECT_MAX];
    struct text subject = TEXT_OVER(words);
    text_add(&subject, change->from_file != 0 ? STR("file ") : STR("setting "));
    text_add(&subject, key);
    int result = run_for_key(change, change->remove, key, STR(""));
    if (result == 0 && after.data != NULL) {
        result = run_for_key(change, change->add, key, after);
    }
    if (result == 0) {
        result = config_log_change(change->db, change->version, text_str(&subject),
                                   told(key, before), told(key, after));
    }
    change->changed++;
    return result;
}

static int change_one(struct setting_change *change, const struct config_setting_change *wanted) {
    (void)sqlite3_bind_int(change->find, 1, change->from_file);
    config_bind_text(change->find, 2, wanted->key);
    const int code = sqlite3_step(change->find);
    int result = config_errno(code);
    const bool exists = code == SQLITE_ROW;
    const struct str before = exists ? config_column_text(change->find, 0) : STR("");
    const bool same =
        wanted->value.data == NULL ? !exists : exists && str_equal(before, wanted->value);
    if (result == 0 && !same) {
        result = replace_value(change, wanted->key, before, wanted->value);
    }
    (void)sqlite3_reset(change->find); /* `before` lived until here */
    return result;
}

/* Takes out the file's values that the file no longer has. */
static int remove_missing(struct setting_change *change, const struct config_setting_change *values,
                          size_t count) {
    sqlite3_stmt *noted = NULL;
    int result = config_prepare(change->db,
                                "SELECT key, value FROM setting_values"
                                " WHERE removed_version IS NULL AND from_file = 1 ORDER BY key",
                                &noted);
    while (result == 0) {
        const int code = sqlite3_step(noted);
        result = config_errno(code);
        if (code != SQLITE_ROW) {
            break;
        }
        const struct str key = config_column_text(noted, 0);
        bool present = false;
        for (size_t i = 0; i < count && !present; i++) {
            present = values[i].value.data != NULL && str_equal(values[i].key, key);
        }
        if (!present) {
            result =
                replace_value(change, key, config_column_text(noted, 1), (struct str){NULL, 0});
        }
    }
    (void)sqlite3_finalize(noted);
    return result;
}

static int change_settings(struct config_db *db, const struct config_setting_change *changes,
                           size_t count, const char *author, int64_t wall_ns, int from_file,
                           uint64_t *ret_version) {
    struct setting_change change = {.db = db, .from_file = from_file};
    int result = config_change_begin(db, author, wall_ns, &change.version);
    if (result < 0) {
        return result;
    }
    result = change_prepare(&change);
    for (size_t i = 0; result == 0 && i < count; i++) {
        result = change_one(&change, &changes[i]);
    }
    if (result == 0 && from_file != 0) {
        result = remove_missing(&change, changes, count);
    }
    change_done(&change);
    /* A person's change is a version even when it repeats what is there: the generation built for
     * it already has the number. The file is noted at every start and only counts when it differs.
     */
    const bool keep = from_file == FROM_DATABASE || change.changed > 0;
    result = config_change_end(db, result, keep);
    if (result == 0) {
        *ret_version = keep ? change.version : change.version - 1;
    }
    return result;
}

int config_db_change_settings(struct config_db *db, const struct config_setting_change *changes,
                              size_t count, const char *author, int64_t wall_ns,
                              uint64_t *ret_version) {
    return change_settings(db, changes, count, author, wall_ns, FROM_DATABASE, ret_version);
}

int config_db_note_file(struct config_db *db, const struct config_setting_change *values,
                        size_t count, int64_t wall_ns) {
    uint64_t version = 0;
    return change_settings(db, values, count, "seczim.yaml", wall_ns, FROM_FILE, &version);
}
