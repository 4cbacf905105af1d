/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api_db.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api_fixture.h"

static int run_sql(const char *path, const char *sql) {
    sqlite3 *connection = NULL;
    assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
    const int code = sqlite3_exec(connection, sql, NULL, NULL, NULL);
    (void)sqlite3_close(connection);
    return code;
}

static int64_t ask(struct api_db *db, const char *sql) {
    int64_t number = -1;
    sqlite3 *connection = api_db_lock(db);
    assert_int_equal(database_number(connection, sql, -1, &number), 0);
    api_db_unlock(db);
    return number;
}

TEST(a_new_database_is_for_its_owner_alone_and_syncs_what_it_says) {
    struct api_db *db = test_db("new");
    struct stat status;
    assert_int_equal(stat(test_db_path("new"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    char wal[160];
    (void)snprintf(wal, sizeof wal, "%s-wal", test_db_path("new"));
    assert_int_equal(stat(wal, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(ask(db, "PRAGMA synchronous"), 2);
    assert_int_equal(ask(db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(ask(db, "PRAGMA user_version"), 2);
    assert_int_equal(ask(db, "SELECT count(*) FROM users"), 0);
    api_db_close(db);
}

TEST(what_is_committed_is_there_after_opening_again_and_what_is_rolled_back_is_not) {
    int error = 0;
    struct api_db *db = test_db("again");
    sqlite3 *connection = api_db_begin(db, &error);
    assert_non_null(connection);
    assert_int_equal(database_run(connection,
                                  "INSERT INTO users (name, role, password, must_change_password,"
                                  " created_ns) VALUES ('kept', 3, 'x', 0, 0)"),
                     0);
    assert_int_equal(api_db_end(db, 0), 0);
    connection = api_db_begin(db, &error);
    assert_int_equal(database_run(connection, "DELETE FROM users"), 0);
    assert_int_equal(api_db_end(db, -EPERM), -EPERM);
    api_db_close(db);
    db = test_db("again");
    assert_int_equal(ask(db, "SELECT count(*) FROM users WHERE name = 'kept'"), 1);
    api_db_close(db);
}

TEST(a_newer_schema_and_a_strangers_file_are_refused_with_a_sentence) {
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    struct api_db *db = test_db("newer");
    api_db_close(db);
    db = NULL;
    assert_int_equal(run_sql(test_db_path("newer"), "PRAGMA user_version = 99"), SQLITE_OK);
    assert_int_equal(api_db_open(test_db_path("newer"), &db, &problem), -EPROTONOSUPPORT);
    assert_null(db);
    assert_non_null(strstr(text_zero(&problem), "newer release (schema 99"));

    problem = TEXT_OVER(sentence);
    assert_int_equal(run_sql(test_db_path("stranger"), "CREATE TABLE cats (name TEXT)"), SQLITE_OK);
    assert_int_equal(api_db_open(test_db_path("stranger"), &db, &problem), -EMEDIUMTYPE);
    assert_non_null(strstr(text_zero(&problem), "set paths.api_data"));

    problem = TEXT_OVER(sentence);
    FILE *file = fopen(test_db_path("damaged"), "w");
    assert_non_null(file);
    for (int i = 0; i < 4096; i++) {
        (void)fputc('x', file);
    }
    (void)fclose(file);
    assert_int_equal(api_db_open(test_db_path("damaged"), &db, &problem), -EUCLEAN);
    assert_non_null(strstr(text_zero(&problem), "users, tokens and the audit log begin anew"));

    problem = TEXT_OVER(sentence);
    assert_int_equal(api_db_open("/no/such/folder/api.db", &db, &problem), -ENOENT);
    assert_non_null(strstr(text_zero(&problem), "set paths.api_data"));
}

TEST(a_backup_is_a_database_of_its_own) {
    struct api_db *db = test_db("source");
    char path[160];
    (void)snprintf(path, sizeof path, "%s/copy.db", test_folder());
    assert_int_equal(api_db_backup(db, path), 0);
    assert_int_equal(api_db_backup(db, path), -EEXIST);
    api_db_close(db);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    db = test_db("copy");
    assert_int_equal(ask(db, "PRAGMA user_version"), 2);
    api_db_close(db);
}

/* --- threads --- */

enum { THREADS = 4, ROUNDS = 25 };

static void *add_rows(void *context) {
    struct api_db *db = context;
    for (int i = 0; i < ROUNDS; i++) {
        int error = 0;
        int64_t count = 0;
        sqlite3 *connection = api_db_begin(db, &error);
        if (connection == NULL) {
            return db;
        }
        int result = database_number(connection, "SELECT count(*) FROM tokens", 0, &count);
        char sql[256];
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO tokens (secret_hash, prefix, name, user_id, role, scopes,"
                       " created_ns, expires_ns) VALUES (x'%04x', '', 'n%d', 1, 1, '', 0, 0)",
                       (unsigned)count, (int)count);
        result = result == 0 ? database_run(connection, sql) : result;
        if (api_db_end(db, result) < 0) {
            return db;
        }
    }
    return NULL;
}

TEST(threads_take_turns) {
    pthread_t threads[THREADS];
    struct api_db *db = test_db("threads");
    struct password_hasher *hasher = test_hasher();
    assert_int_equal(test_user(db, hasher, "owner", API_ROLE_ADMIN).id, 1);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add_rows, db), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(ask(db, "SELECT count(DISTINCT name) FROM tokens"), THREADS * ROUNDS);
    password_hasher_free(hasher);
    api_db_close(db);
}
