/* SPDX-License-Identifier: Apache-2.0 */
#include "api/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_fixture.h"
#include "api/audit_row.h"

static const struct audit_entry sample = {
    .user = {"anna", 4},
    .via = {"session", 7},
    .address = {"192.0.2.1", 9},
    .action = {"changeSettings", 14},
    .method = {"PUT", 3},
    .path = {"/api/v1/settings/items", 22},
    .request_id = {"r-1", 3},
    .before = {"{\"a\":1}", 7},
};

/* One line a row: "ID USER ACTION STATE STATUS BEFORE AFTER;" */
struct told {
    char text[2048];
    size_t left;
};

static bool tell(void *context, const struct audit_row *row) {
    struct told *told = context;
    const size_t length = strlen(told->text);
    (void)snprintf(told->text + length, sizeof told->text - length, "%d %.*s %.*s %d %u %.*s>%.*s;",
                   (int)row->id, STR_ARGS(row->entry.user), STR_ARGS(row->entry.action),
                   (int)row->state, row->status, STR_ARGS(row->entry.before), STR_ARGS(row->after));
    return --told->left > 0;
}

static const char *tell_all(struct api_db *db, const struct audit_query *query) {
    static struct told told;
    told = (struct told){.left = 99};
    assert_int_equal(audit_each(db, query, tell, &told), 0);
    return told.text;
}

static const struct audit_query everything = {.since_ns = INT64_MIN};

static struct audit_verdict verify(struct api_db *db) {
    struct audit_verdict verdict;
    memset(&verdict, 0xff, sizeof verdict);
    assert_int_equal(audit_verify(db, &verdict), 0);
    return verdict;
}

static int64_t begin(struct api_db *db, int64_t now_ns) {
    int64_t id = 0;
    assert_int_equal(audit_begin(db, &sample, now_ns, &id), 0);
    return id;
}

TEST(a_change_is_told_before_it_is_made_and_completed_after) {
    struct api_db *db = test_db("change");
    const int64_t id = begin(db, TEST_NOW_NS);
    assert_int_equal(id, 1);
    assert_string_equal(tell_all(db, &everything), "1 anna changeSettings 0 0 {\"a\":1}>;");
    assert_int_equal(audit_end(db, id, 200, STR("{\"a\":2}"), TEST_NOW_NS + 1), 0);
    assert_string_equal(tell_all(db, &everything),
                        "1 anna changeSettings 1 200 {\"a\":1}>{\"a\":2};");
    assert_int_equal(audit_end(db, id, 500, STR(""), TEST_NOW_NS + 2), -EALREADY);
    assert_int_equal(audit_end(db, 2, 200, STR(""), TEST_NOW_NS + 2), -ENOENT); /* an end */
    assert_int_equal(audit_end(db, 77, 200, STR(""), TEST_NOW_NS + 2), -ENOENT);
    assert_string_equal(tell_all(db, &everything),
                        "1 anna changeSettings 1 200 {\"a\":1}>{\"a\":2};");
    assert_int_equal(verify(db).rows, 2);
    api_db_close(db);
}

TEST(all_that_was_said_is_read_back) {
    struct api_db *db = test_db("fields");
    (void)begin(db, TEST_NOW_NS);
    sqlite3 *connection = api_db_lock(db);
    sqlite3_stmt *statement = NULL;
    assert_int_equal(database_prepare(connection,
                                      "SELECT count(*) FROM audit WHERE kind = 1 AND begin_id IS"
                                      " NULL AND user = 'anna' AND via = 'session' AND address ="
                                      " '192.0.2.1' AND action = 'changeSettings' AND method ="
                                      " 'PUT' AND path = '/api/v1/settings/items' AND request_id ="
                                      " 'r-1' AND before = '{\"a\":1}' AND after = '' AND status ="
                                      " 0 AND length(hash) = 32 AND time_ns = ?1",
                                      &statement),
                     0);
    (void)sqlite3_bind_int64(statement, 1, TEST_NOW_NS);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(statement, 0), 1);
    (void)sqlite3_finalize(statement);
    api_db_unlock(db);
    api_db_close(db);
}

TEST(what_a_start_finds_unfinished_is_marked_once) {
    struct api_db *db = test_db("cut");
    size_t count = 99;
    assert_int_equal(audit_mark_cut_off(db, TEST_NOW_NS, &count), 0);
    assert_int_equal(count, 0);
    const int64_t first = begin(db, TEST_NOW_NS);
    const int64_t second = begin(db, TEST_NOW_NS);
    const int64_t third = begin(db, TEST_NOW_NS);
    assert_int_equal(audit_end(db, second, 204, STR(""), TEST_NOW_NS), 0);
    api_db_close(db);
    db = test_db("cut");
    assert_int_equal(audit_mark_cut_off(db, TEST_NOW_NS + 5, &count), 0);
    assert_int_equal(count, 2);
    assert_string_equal(tell_all(db, &everything),
                        "3 anna changeSettings 2 0 {\"a\":1}>;2 anna changeSettings 1 204 "
                        "{\"a\":1}>;1 anna changeSettings 2 0 {\"a\":1}>;");
    assert_int_equal(audit_mark_cut_off(db, TEST_NOW_NS + 6, &count), 0);
    assert_int_equal(count, 0);
    /* What was marked cannot end any more. */
    assert_int_equal(audit_end(db, first, 200, STR(""), TEST_NOW_NS), -EALREADY);
    assert_int_equal(audit_end(db, third, 200, STR(""), TEST_NOW_NS), -EALREADY);
    const struct audit_verdict verdict = verify(db);
    assert_true(verdict.rows == 6 && verdict.broken_id == 0);
    api_db_close(db);
}

TEST(the_log_is_searched_newest_first_by_who_what_and_when) {
    struct api_db *db = test_db("query");
    static const struct {
        const char *user;
        const char *action;
        int64_t at_s;
    } notes[] = {
        {"anna", "login", 0}, {"otto", "login", 10}, {"anna", "logout", 20}, {"anna", "login", 30}};
    for (size_t i = 0; i < 4; i++) {
        const struct audit_entry entry = {.user = str_from(notes[i].user),
                                          .action = str_from(notes[i].action)};
        assert_int_equal(audit_note(db, &entry, 200, STR(""), TEST_NOW_NS + notes[i].at_s * TEST_S),
                         0);
    }
    assert_string_equal(tell_all(db, &everything),
                        "4 anna login 1 200 >;3 anna logout 1 200 >;2 otto login 1 200 >;1 anna "
                        "login 1 200 >;");
    struct audit_query query = everything;
    query.user = STR("anna");
    assert_string_equal(tell_all(db, &query),
                        "4 anna login 1 200 >;3 anna logout 1 200 >;1 anna login 1 200 >;");
    query.action = STR("login");
    assert_string_equal(tell_all(db, &query), "4 anna login 1 200 >;1 anna login 1 200 >;");
    query.before_id = 4;
    assert_string_equal(tell_all(db, &query), "1 anna login 1 200 >;");
    query = everything;
    query.action = STR("login");
    assert_string_equal(tell_all(db, &query),
                        "4 anna login 1 200 >;2 otto login 1 200 >;1 anna login 1 200 >;");
    query = everything;
    query.since_ns = TEST_NOW_NS + 10 * TEST_S;
    query.until_ns = TEST_NOW_NS + 30 * TEST_S;
    assert_string_equal(tell_all(db, &query), "3 anna logout 1 200 >;2 otto login 1 200 >;");
    query.user = STR("' OR 1=1 --");
    assert_string_equal(tell_all(db, &query), "");
    struct told one = {.left = 1};
    assert_int_equal(audit_each(db, &everything, tell, &one), 0);
    assert_string_equal(one.text, "4 anna login 1 200 >;");
    api_db_close(db);
}

/* --- the chain --- */

static void fill(struct api_db *db) {
    const int64_t first = begin(db, TEST_NOW_NS);
    assert_int_equal(audit_note(db, &sample, 401, STR("x"), TEST_NOW_NS), 0);
    assert_int_equal(audit_end(db, first, 200, STR("{\"a\":2}"), TEST_NOW_NS), 0);
    const int64_t second = begin(db, TEST_NOW_NS);
    assert_int_equal(audit_end(db, second, 200, STR(""), TEST_NOW_NS), 0);
}

/* As somebody who can write the file: without the triggers. */
static void tamper(const char *name, const char *sql) {
    sqlite3 *connection = NULL;
    assert_int_equal(sqlite3_open(test_db_path(name), &connection), SQLITE_OK);
    assert_int_equal(sqlite3_exec(connection,
                                  "DROP TRIGGER audit_is_not_changed;"
                                  "DROP TRIGGER audit_is_not_removed;",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(connection, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(connection);
}

TEST(every_tampering_is_found_at_its_row) {
    static const struct {
        const char *sql;
        int64_t broken_id;
    } rows[] = {
        {"SELECT 1", 0},
        {"UPDATE audit SET user = 'otto' WHERE id = 1", 1},
        {"UPDATE audit SET via = 'token' WHERE id = 2", 2},
        {"UPDATE audit SET address = '' WHERE id = 2", 2},
        {"UPDATE audit SET action = 'x' WHERE id = 4", 4},
        {"UPDATE audit SET method = 'GET' WHERE id = 4", 4},
        {"UPDATE audit SET path = '/' WHERE id = 4", 4},
        {"UPDATE audit SET request_id = '' WHERE id = 4", 4},
        {"UPDATE audit SET before = '{\"a\":2}' WHERE id = 1", 1},
        {"UPDATE audit SET after = '' WHERE id = 3", 3},
        {"UPDATE audit SET status = 500 WHERE id = 3", 3},
        {"UPDATE audit SET status = 500 WHERE id = 5", 5},
        {"UPDATE audit SET time_ns = time_ns + 1 WHERE id = 1", 1},
        {"UPDATE audit SET kind = 3 WHERE id = 3", 3},
        {"UPDATE audit SET begin_id = 2 WHERE id = 3", 3},
        {"UPDATE audit SET hash = zeroblob(32) WHERE id = 2", 2},
        {"UPDATE audit SET hash = x'00' WHERE id = 5", 5},
        /* A byte moved from one column to its neighbour. */
        {"UPDATE audit SET user = 'ann', via = 'asession' WHERE id = 1", 1},
        {"DELETE FROM audit WHERE id = 2", 3},
        {"DELETE FROM audit WHERE id = 1", 2},
        {"UPDATE audit SET id = 99 WHERE id = 5", 99},
        {"DELETE FROM audit WHERE id = 4; UPDATE audit SET id = 4 WHERE id = 5", 4},
        {"INSERT INTO audit SELECT 6, 4, NULL, time_ns, user, via, address, action, method, path,"
         " request_id, before, after, status, hash FROM audit WHERE id = 2",
         6},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "tampered-%zu", i);
        test_case(rows[i].sql);
        struct api_db *db = test_db(name);
        fill(db);
        api_db_close(db);
        tamper(name, rows[i].sql);
        db = test_db(name);
        const struct audit_verdict verdict = verify(db);
        assert_int_equal(verdict.broken_id, rows[i].broken_id);
        if (rows[i].broken_id == 0) {
            assert_int_equal(verdict.rows, 5);
        }
        api_db_close(db);
    }
}

TEST(the_database_itself_refuses_to_change_or_remove_a_row) {
    struct api_db *db = test_db("append");
    fill(db);
    sqlite3 *connection = api_db_lock(db);
    assert_true(database_run(connection, "UPDATE audit SET user = 'otto'") < 0);
    assert_true(database_run(connection, "DELETE FROM audit") < 0);
    api_db_unlock(db);
    assert_int_equal(verify(db).rows, 5);
    api_db_close(db);
}

TEST(the_newest_hash_changes_with_every_row_and_names_a_log_that_lost_its_end) {
    struct api_db *db = test_db("newest");
    const struct audit_verdict empty = verify(db);
    const uint8_t zeros[AUDIT_HASH_BYTES] = {0};
    assert_true(empty.rows == 0 && empty.broken_id == 0);
    assert_memory_equal(empty.newest, zeros, sizeof zeros);
    fill(db);
    const struct audit_verdict full = verify(db);
    api_db_close(db);
    tamper("newest", "DELETE FROM audit WHERE id = 5");
    db = test_db("newest");
    const struct audit_verdict cut = verify(db);
    assert_true(cut.broken_id == 0 && cut.rows == 4);
    assert_memory_not_equal(cut.newest, full.newest, sizeof full.newest);
    api_db_close(db);
}

TEST(a_chain_longer_than_one_piece_is_verified_whole) {
    struct api_db *db = test_db("long");
    sqlite3 *connection = api_db_lock(db);
    assert_int_equal(database_run(connection, "PRAGMA synchronous=OFF"), 0);
    api_db_unlock(db);
    for (int i = 0; i < 2003; i++) {
        assert_int_equal(audit_note(db, &sample, 200, STR(""), TEST_NOW_NS + i), 0);
    }
    const struct audit_verdict verdict = verify(db);
    assert_true(verdict.rows == 2003 && verdict.broken_id == 0);
    api_db_close(db);
}

/* --- limits --- */

static bool keep_after(void *context, const struct audit_row *row) {
    struct text *kept = context;
    text_add(kept, row->after);
    return false;
}

TEST(a_state_too_long_is_cut_and_says_so) {
    enum { LONG = AUDIT_STATE_MAX + 100 };
    struct api_db *db = test_db("long-state");
    char *long_state = malloc(LONG);
    char *buffer = malloc(LONG);
    assert_true(long_state != NULL && buffer != NULL);
    for (size_t i = 0; i < LONG; i++) {
        long_state[i] = "\xc3\xa4"[i % 2]; /* a character of two bytes */
    }
    const int64_t id = begin(db, TEST_NOW_NS);
    assert_int_equal(audit_end(db, id, 200, (struct str){long_state, LONG}, TEST_NOW_NS), 0);
    struct text kept = {.data = buffer, .size = LONG};
    assert_int_equal(audit_each(db, &everything, keep_after, &kept), 0);
    assert_true(kept.length <= AUDIT_STATE_MAX && kept.length > AUDIT_STATE_MAX - 4);
    assert_true(str_ends(text_str(&kept), STR("\xa4... (cut)")));
    assert_int_equal(verify(db).broken_id, 0);

    kept.length = 0;
    assert_int_equal(
        audit_note(db, &sample, 200, (struct str){long_state, AUDIT_STATE_MAX}, TEST_NOW_NS), 0);
    assert_int_equal(audit_each(db, &everything, keep_after, &kept), 0);
    assert_int_equal(kept.length, AUDIT_STATE_MAX);
    assert_memory_equal(kept.data, long_state, AUDIT_STATE_MAX);
    free(buffer);
    free(long_state);
    api_db_close(db);
}

TEST(any_bytes_keep_the_chain_whole) {
    struct api_db *db = test_db("bytes");
    static char long_path[AUDIT_FIELD_MAX + 50];
    (void)memset(long_path, 'p', sizeof long_path);
    const struct audit_entry entry = {
        .user = {"a\0b", 3},
        .via = {"\xff\xfe", 2},
        .path = {long_path, sizeof long_path},
        .before = {"\x01\x80", 2},
    };
    assert_int_equal(audit_note(db, &entry, 200, STR("';DROP TABLE audit;--"), TEST_NOW_NS), 0);
    assert_string_equal(tell_all(db, &everything), "1 a  1 200 \x01\x80>';DROP TABLE audit;--;");
    const struct audit_verdict verdict = verify(db);
    assert_true(verdict.rows == 1 && verdict.broken_id == 0);
    api_db_close(db);
}

/* --- what is too old --- */

static size_t trim(struct api_db *db, int64_t before_ns) {
    size_t calls = 0;
    for (bool more = true; more; calls++) {
        assert_int_equal(audit_trim(db, before_ns, TEST_NOW_NS + 900 * TEST_S, &more), 0);
    }
    return calls;
}

static void run_by_hand(struct api_db *db, const char *sql) {
    assert_int_equal(database_run(api_db_lock(db), sql), 0);
    api_db_unlock(db);
}

TEST(what_is_too_old_goes_and_the_rest_can_still_be_verified) {
    struct api_db *db = test_db("trim");
    assert_int_equal(trim(db, TEST_NOW_NS + 900 * TEST_S), 1); /* Nothing is there. */
    for (int64_t i = 0; i < 10; i++) {
        const int64_t id = begin(db, TEST_NOW_NS + i * TEST_S);
        assert_int_equal(audit_end(db, id, 200, STR("{}"), TEST_NOW_NS + i * TEST_S), 0);
    }
    assert_int_equal(trim(db, TEST_NOW_NS), 1);
    assert_true(verify(db).rows == 20 && verify(db).removed == 0); /* None was old enough. */

    (void)trim(db, TEST_NOW_NS + 4 * TEST_S);
    struct audit_verdict verdict = verify(db);
    assert_int_equal(verdict.broken_id, 0);
    assert_true(verdict.removed == 8 && verdict.rows == 13); /* One tells of it. */
    const char *text = tell_all(db, &everything);
    assert_non_null(strstr(text, "21 seczim-api trimAudit 1 200 >{\"removed\":8,\"hash\":\""));
    assert_non_null(strstr(text, ";9 anna"));
    assert_null(strstr(text, ";7 anna"));

    (void)trim(db, TEST_NOW_NS + 100 * TEST_S); /* All that were made; and again. */
    (void)begin(db, TEST_NOW_NS + 901 * TEST_S);
    verdict = verify(db);
    assert_int_equal(verdict.broken_id, 0);
    assert_true(verdict.removed == 20 && verdict.rows == 3);
    (void)trim(db, TEST_NOW_NS + 9999 * TEST_S); /* The newest always stays. */
    verdict = verify(db);
    assert_true(verdict.broken_id == 0 && verdict.removed == 22 && verdict.rows == 2);
    api_db_close(db);
}

TEST(many_old_rows_go_in_pieces) {
    struct api_db *db = test_db("pieces");
    sqlite3 *connection = api_db_lock(db);
    assert_int_equal(database_run(connection, "BEGIN"), 0);
    for (int64_t i = 0; i < 5003; i++) {
        assert_int_equal(database_run(connection, "SAVEPOINT s"), 0);
        struct audit_stored row = {.kind = AUDIT_NOTE, .time_ns = TEST_NOW_NS, .entry = sample};
        assert_int_equal(audit_row_add(connection, &row), 0);
        assert_int_equal(database_run(connection, "RELEASE s"), 0);
    }
    assert_int_equal(database_run(connection, "COMMIT"), 0);
    api_db_unlock(db);
    assert_int_equal(trim(db, TEST_NOW_NS + TEST_S), 2);
    const struct audit_verdict verdict = verify(db);
    assert_true(verdict.broken_id == 0 && verdict.removed == 5003 && verdict.rows == 2);
    api_db_close(db);
}

TEST(rows_removed_by_hand_are_missed_also_after_some_were_too_old) {
    static const struct {
        const char *name;
        const char *sql;
        int64_t broken_id;
    } rows[] = {
        {"nothing", "SELECT 1", 0},
        {"more rows and a start that fits",
         "UPDATE audit_start SET id = 12, hash = (SELECT hash FROM audit WHERE id = 12);"
         "DELETE FROM audit WHERE id <= 12",
         13},
        {"more rows, and the number alone",
         "UPDATE audit_start SET id = 12; DELETE FROM audit WHERE id <= 12", 13},
        {"the hash", "UPDATE audit_start SET hash = zeroblob(32)", 9},
        {"the start", "DELETE FROM audit_start", 9},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].name);
        char name[16];
        (void)snprintf(name, sizeof name, "hand%zu", i);
        struct api_db *db = test_db(name);
        for (int64_t k = 0; k < 10; k++) {
            const int64_t id = begin(db, TEST_NOW_NS + k * TEST_S);
            assert_int_equal(audit_end(db, id, 200, STR("{}"), TEST_NOW_NS + k * TEST_S), 0);
        }
        (void)trim(db, TEST_NOW_NS + 4 * TEST_S);
        run_by_hand(db, rows[i].sql);
        assert_int_equal(verify(db).broken_id, rows[i].broken_id);
        api_db_close(db);
    }
}
