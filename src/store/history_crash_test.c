/* SPDX-License-Identifier: Apache-2.0 */

/* History over `kill -9` at every named point: a child records and is killed, the next one goes on.
 * Built with the failpoints whatever the build says. */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/history_file.h"
#include "store/history_test_rows.h"

enum {
    LAST = 30,
    ROWS_PER_FILE = 7,
    ROWS_PER_COMMIT = 5,
    SECOND_DAY = 16,
    FILES = 4,
    TRIES_MAX = 400
};

/* In memory where there is such a place: a kill, unlike power loss, leaves what was written, and
 * thousands of syncs would only cost time. Left empty by each test. */
static const char *make_folder(void) {
    static char folder[] = "/dev/shm/seczim-history-XXXXXX";
    (void)snprintf(folder, sizeof folder, "/dev/shm/seczim-history-XXXXXX");
    return mkdtemp(folder) != NULL ? folder : test_folder();
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static void remove_folder(const char *folder) {
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* What the recorder does: go on after the position, commit now and then. Every seventh sequence is
 * no decision and makes no row. */
static void record_all(const char *folder) {
    struct history_writer *writer = open_writer(folder, ROWS_PER_FILE);
    uint64_t sequence = history_writer_position(writer);
    while (sequence < LAST) {
        struct sample sample;
        sequence++;
        sample_init(&sample, sequence, MARCH_1_NS + (sequence >= SECOND_DAY ? DAY_NS : 0));
        if (sequence % 7 != 0) {
            assert_int_equal(history_writer_add(writer, &sample.record), 0);
        }
        if (sequence % ROWS_PER_COMMIT == 0) {
            assert_int_equal(history_writer_commit(writer, sequence), 0);
        }
    }
    history_writer_settle(writer);
    history_writer_close(writer);
}

/* True when the child was killed at the failpoint, false when it came to its end. */
static bool run_child(const char *folder, const char *failpoint) {
    (void)fflush(stdout);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (failpoint != NULL) {
            (void)setenv("SECZIM_FAILPOINT", failpoint, 1);
        }
        record_all(folder);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

static void sum(void *context, const struct history_minute *minute) {
    *(uint64_t *)context += minute->count;
}

static uint64_t expected_rows(uint64_t last) {
    return last - last / 7;
}

/* What is there is a beginning of the series: each row once, none missing, statistics agree. */
static uint64_t check_beginning(const char *folder) {
    struct history_query query = everything();
    struct history_reader *reader = NULL;
    uint64_t counted = 0;
    query.oldest_first = true;
    const struct found found = find(folder, &query);
    uint64_t wanted = 0;
    for (size_t i = 0; i < found.count; i++) {
        wanted += (wanted + 1) % 7 == 0 ? 2 : 1;
        assert_int_equal(found.sequences[i], wanted);
    }
    assert_int_equal(history_reader_open(folder, &reader), 0);
    assert_int_equal(history_reader_minutes(reader, 0, INT64_MAX, sum, &counted), 0);
    history_reader_close(reader);
    assert_int_equal(counted, found.count);
    return found.count;
}

static void check_integrity(const char *folder) {
    struct history_file *files = NULL;
    size_t count = 0;
    assert_int_equal(history_file_list(folder, &files, &count), 0);
    assert_int_equal(count, FILES);
    for (size_t i = 0; i < count; i++) {
        sqlite3 *db = NULL;
        sqlite3_stmt *statement = NULL;
        struct history_meta meta;
        assert_int_equal(history_file_open(folder, &files[i], HISTORY_WRITE, &db), 0);
        assert_int_equal(history_file_prepare(db, "PRAGMA integrity_check", &statement), 0);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
        (void)sqlite3_finalize(statement);
        assert_int_equal(history_file_meta(db, &meta), 0);
        assert_int_equal(meta.closed, i + 1 < count);
        assert_int_equal(history_file_has_words(db), i + 1 < count);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
    }
    free(files);
}

/* Killed at the count-th passing, for every count until the whole run passes fewer times. */
static unsigned kill_at_each(const char *failpoint) {
    unsigned kills = 0;
    for (unsigned count = 1; count <= TRIES_MAX; count++) {
        char armed[64];
        const char *folder = make_folder();
        (void)snprintf(armed, sizeof armed, "%s:%u", failpoint, count);
        test_case(armed);
        const bool killed = run_child(folder, armed);
        const uint64_t rows = check_beginning(folder);
        assert_int_equal(run_child(folder, NULL), false);
        assert_int_equal(check_beginning(folder), expected_rows(LAST));
        check_integrity(folder);
        remove_folder(folder);
        if (!killed) {
            assert_int_equal(rows, expected_rows(LAST));
            return kills;
        }
        kills++;
    }
    fail_msg("the run never came to its end");
    return 0;
}

TEST(every_row_is_there_once_when_killed_at_any_commit) {
    assert_true(kill_at_each("recorder.commit") >= 12);
}

TEST(every_row_is_there_once_when_killed_at_any_change_of_file) {
    assert_true(kill_at_each("recorder.file-change") >= 10);
}

TEST(every_row_is_there_once_when_killed_while_indexes_are_built) {
    assert_true(kill_at_each("recorder.file-close") >= 6);
}

/* The same point again and again in one folder: each life gets some way, none repeats a row. */
TEST(many_lives_in_one_folder_make_one_history) {
    const char *folder = make_folder();
    unsigned kills = 0;
    while (run_child(folder, kills % 2 == 0 ? "recorder.commit:4" : "recorder.file-change:2")) {
        kills++;
        (void)check_beginning(folder);
        assert_true(kills < TRIES_MAX);
    }
    assert_true(kills >= 4);
    assert_int_equal(run_child(folder, NULL), false);
    assert_int_equal(check_beginning(folder), expected_rows(LAST));
    check_integrity(folder);
    remove_folder(folder);
}
