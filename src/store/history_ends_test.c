/* SPDX-License-Identifier: Apache-2.0 */
#include <sqlite3.h>
#include <stdio.h>

#include "store/history_file.h"
#include "store/history_test_rows.h"

/* The ends of messages beside the rows of their recipients. */

static void add(struct history_writer *writer, uint64_t sequence, bool is_end) {
    struct sample sample;
    sample_init(&sample, sequence, MARCH_1_NS + (int64_t)sequence * NS_PER_S);
    if (is_end) {
        sample.decision.request.state = PROTOCOL_STATE_END_OF_MESSAGE;
        sample.decision.request.queue_id = STR("4ABC");
        sample.decision.request.recipient_count = 3;
        sample.decision.request.size = 99999;
    }
    assert_int_equal(history_writer_add(writer, &sample.record), 0);
    assert_int_equal(history_writer_commit(writer, sequence), 0);
}

static size_t count(const char *folder, enum history_states states) {
    struct history_query query = everything();
    query.states = states;
    return find(folder, &query).count;
}

static bool check_end(void *context, const struct history_row *row) {
    assert_true(row->is_end);
    assert_int_equal(row->recipients, 3);
    assert_int_equal(row->size, 99999);
    assert_true(str_equal(row->queue_id, STR("4ABC")));
    *(bool *)context = true;
    return true;
}

static bool check_recipient(void *context, const struct history_row *row) {
    assert_false(row->is_end);
    assert_int_equal(row->recipients, 0);
    assert_int_equal(row->size, 1234);
    *(bool *)context = true;
    return true;
}

static void check_both(const char *folder, uint64_t recipient, uint64_t end) {
    struct history_reader *reader = NULL;
    bool seen = false;
    assert_int_equal(history_reader_open(folder, &reader), 0);
    assert_int_equal(history_reader_get(reader, recipient, check_recipient, &seen), 0);
    assert_true(seen);
    seen = false;
    assert_int_equal(history_reader_get(reader, end, check_end, &seen), 0);
    assert_true(seen);
    history_reader_close(reader);
}

static void sum_counts(void *context, const struct history_minute *minute) {
    *(uint64_t *)context += minute->count;
}

static uint64_t counted(const char *folder) {
    struct history_reader *reader = NULL;
    uint64_t sum = 0;
    const int64_t start_s = MARCH_1_NS / NS_PER_S;
    assert_int_equal(history_reader_open(folder, &reader), 0);
    assert_int_equal(history_reader_minutes(reader, start_s, start_s + 3600, sum_counts, &sum), 0);
    history_reader_close(reader);
    return sum;
}

TEST(the_end_of_a_message_is_a_row_that_only_those_see_who_ask_and_nobody_counts) {
    const char *folder = test_folder();
    struct history_writer *writer = open_writer(folder, 4);
    add(writer, 1, false);
    add(writer, 2, false);
    add(writer, 3, true);
    add(writer, 4, false);
    add(writer, 5, true); /* the next file */
    history_writer_settle(writer);
    assert_int_equal(count(folder, HISTORY_RECIPIENTS), 3);
    assert_int_equal(count(folder, HISTORY_ENDS), 2);
    assert_int_equal(count(folder, HISTORY_ALL), 5);
    struct history_query query = everything();
    query.verdict = VERDICT_ACCEPT;
    assert_int_equal(find(folder, &query).count, 3);
    check_both(folder, 2, 3); /* the closed file */
    check_both(folder, 4, 5); /* and the open one */
    assert_int_equal(counted(folder), 3);
    history_writer_close(writer);
}

/* Takes the columns out again, as the release before made its files. */
static void make_old(const char *folder) {
    struct history_file *files = NULL;
    size_t file_count = 0;
    assert_int_equal(history_file_list(folder, &files, &file_count), 0);
    for (size_t i = 0; i < file_count; i++) {
        char path[512];
        sqlite3 *db = NULL;
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db,
                                      "DROP INDEX IF EXISTS session_country;"
                                      "DROP INDEX IF EXISTS session_asn;"
                                      "DROP TABLE IF EXISTS part; DROP TABLE IF EXISTS top;"
                                      "DROP TABLE IF EXISTS hour;"
                                      "ALTER TABLE session DROP COLUMN country;"
                                      "ALTER TABLE session DROP COLUMN asn;"
                                      "ALTER TABLE session DROP COLUMN state;"
                                      "ALTER TABLE session DROP COLUMN recipients;"
                                      "PRAGMA user_version = 1",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
    }
    free(files);
}

TEST(files_of_a_release_without_ends_are_read_and_the_newest_is_gone_on_with) {
    const char *folder = test_folder();
    struct history_writer *writer = open_writer(folder, 2);
    add(writer, 1, false);
    add(writer, 2, false);
    add(writer, 3, false);
    history_writer_settle(writer);
    history_writer_close(writer);
    make_old(folder);
    assert_int_equal(count(folder, HISTORY_RECIPIENTS), 3);
    assert_int_equal(count(folder, HISTORY_ENDS), 0);
    assert_int_equal(count(folder, HISTORY_ALL), 3);
    writer = open_writer(folder, 2);
    add(writer, 4, true);
    check_both(folder, 3, 4);
    check_both(folder, 1, 4);
    assert_int_equal(count(folder, HISTORY_RECIPIENTS), 3);
    assert_int_equal(count(folder, HISTORY_ENDS), 1);
    history_writer_close(writer);
}
