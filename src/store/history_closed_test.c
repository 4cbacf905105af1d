/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/history_file.h"
#include "store/history_test_rows.h"

/* What other processes may do with history: read closed files, and never be in the way. */

enum { READERS = 4711 };

static bool may_change_group(void) {
    return geteuid() == 0;
}

static struct history_writer *open_shared(const char *folder, uint64_t rows, gid_t readers) {
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    struct history_writer *writer = NULL;
    const struct history_options options = {
        .folder = folder, .rows_per_file_max = rows, .readers = readers};
    assert_int_equal(history_writer_open(&options, &writer, &problem), 0);
    return writer;
}

static void add_rows(struct history_writer *writer, uint64_t first, uint64_t last, int64_t day) {
    for (uint64_t sequence = first; sequence <= last; sequence++) {
        struct sample sample;
        sample_init(&sample, sequence, MARCH_1_NS + day * DAY_NS);
        assert_int_equal(history_writer_add(writer, &sample.record), 0);
    }
    assert_int_equal(history_writer_commit(writer, last), 0);
}

static struct found find_closed(const char *folder) {
    struct history_reader *reader = NULL;
    struct found found = {0};
    const struct history_query query = everything();
    assert_int_equal(history_reader_open_closed(folder, &reader), 0);
    assert_int_equal(history_reader_find(reader, &query, collect, &found), 0);
    assert_int_equal(history_reader_damaged(reader), 0);
    history_reader_close(reader);
    return found;
}

static struct stat look_at(const char *folder, const char *name) {
    char path[512];
    struct stat found;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(stat(path, &found), 0);
    return found;
}

static size_t files_of(const char *folder, struct history_file *ret_files, size_t max) {
    struct history_file *files = NULL;
    size_t count = 0;
    assert_int_equal(history_file_list(folder, &files, &count), 0);
    assert_true(count <= max);
    memcpy(ret_files, files, count * sizeof *files);
    free(files);
    return count;
}

TEST(a_reader_of_closed_files_sees_neither_the_open_one_nor_one_that_is_not_finished) {
    const char *folder = test_folder();
    struct history_writer *writer = open_writer(folder, 10);
    add_rows(writer, 1, 7, 0);
    assert_int_equal(find_closed(folder).count, 0);
    add_rows(writer, 8, 25, 0);
    history_writer_settle(writer);
    const struct found found = find_closed(folder);
    assert_int_equal(found.count, 20);
    assert_int_equal(found.sequences[0], 20);
    assert_int_equal(found.sequences[19], 1);
    history_writer_close(writer);
    assert_int_equal(find_closed(folder).count, 20);

    /* Finished but for its journal mode. */
    struct history_file files[4];
    sqlite3 *db = NULL;
    assert_int_equal(files_of(folder, files, 4), 3);
    assert_int_equal(history_file_open(folder, &files[1], HISTORY_WRITE, &db), 0);
    assert_int_equal(history_file_exec(db, "PRAGMA journal_mode = WAL"), 0);
    assert_int_equal(find_closed(folder).count, 10);
    (void)sqlite3_close(db);

    /* In the mode of a closed file and not finished. */
    assert_int_equal(history_file_open(folder, &files[1], HISTORY_WRITE, &db), 0);
    assert_int_equal(
        history_file_exec(db, "PRAGMA journal_mode = DELETE; UPDATE meta SET closed = 0"), 0);
    (void)sqlite3_close(db);
    assert_int_equal(find_closed(folder).count, 10);
}

/* Long enough for the closer to finish a file of ten rows many times over. */
enum { LOOKS = 40, LOOK_MS = 5 };

static void assert_closed_stay(const char *folder, size_t rows) {
    for (int i = 0; i < LOOKS; i++) {
        assert_int_equal(find_closed(folder).count, rows);
        (void)poll(NULL, 0, LOOK_MS);
    }
}

TEST(files_wait_while_recording_is_behind_but_not_for_who_waits_for_them) {
    const char *folder = test_folder();
    struct history_writer *writer = open_writer(folder, 10);
    history_writer_rest(writer, true);
    add_rows(writer, 1, 25, 0);
    assert_closed_stay(folder, 0);
    history_writer_settle(writer);
    assert_int_equal(find_closed(folder).count, 20);

    add_rows(writer, 26, 35, 0);
    assert_closed_stay(folder, 20);
    history_writer_rest(writer, false);
    while (find_closed(folder).count < 30) {
        (void)poll(NULL, 0, LOOK_MS);
    }

    /* A stop ends the rest and begins no file. */
    history_writer_rest(writer, true);
    add_rows(writer, 36, 45, 0);
    history_writer_close(writer);
    assert_int_equal(find_closed(folder).count, 30);
}

TEST(one_decision_and_statistics_come_of_closed_files_too) {
    const char *folder = test_folder();
    struct history_reader *reader = NULL;
    struct history_writer *writer = open_writer(folder, 2);
    struct found found = {0};
    add_rows(writer, 1, 5, 0);
    history_writer_settle(writer);
    assert_int_equal(history_reader_open_closed(folder, &reader), 0);
    assert_int_equal(history_reader_get(reader, 4, collect, &found), 0);
    assert_int_equal(found.sequences[0], 4);
    assert_int_equal(history_reader_get(reader, 5, collect, &found), -ENOENT);
    struct history_query query = everything();
    query.text = STR("alice");
    found.count = 0;
    assert_int_equal(history_reader_find(reader, &query, collect, &found), 0);
    assert_int_equal(found.count, 4);
    history_reader_close(reader);
    history_writer_close(writer);
}

/* A process that has a closed file open, in the middle of reading, until it is told to end. */
struct holder {
    pid_t pid;
    int tell;
    int told;
};

static void hold(const char *folder, const struct history_file *file, int told, int tell) {
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    char byte = 0;
    int seen = 0;
    if (history_file_open(folder, file, HISTORY_READ_CLOSED, &db) != 0 ||
        history_file_prepare(db, "SELECT sequence FROM session", &rows) != 0 ||
        sqlite3_step(rows) != SQLITE_ROW || write(tell, "r", 1) != 1 || read(told, &byte, 1) != 1) {
        _exit(99);
    }
    for (seen = 1; sqlite3_step(rows) == SQLITE_ROW; seen++) {
    }
    _exit(seen);
}

static struct holder hold_open(const char *folder, const struct history_file *file) {
    int to[2];
    int from[2];
    char byte = 0;
    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        (void)close(to[1]);
        (void)close(from[0]);
        hold(folder, file, to[0], from[1]);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    assert_int_equal(read(from[0], &byte, 1), 1);
    return (struct holder){pid, to[1], from[0]};
}

/* How many rows it saw in the end. */
static int let_go(const struct holder *holder) {
    int status = 0;
    assert_int_equal(write(holder->tell, "e", 1), 1);
    assert_int_equal(waitpid(holder->pid, &status, 0), holder->pid);
    (void)close(holder->tell);
    (void)close(holder->told);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(a_reader_elsewhere_is_in_the_way_of_nothing) {
    const char *folder = test_folder();
    struct history_file files[8];
    struct history_writer *writer = open_writer(folder, 10);
    add_rows(writer, 1, 15, 0);
    history_writer_settle(writer);
    assert_int_equal(files_of(folder, files, 8), 2);
    const struct holder holder = hold_open(folder, &files[0]);
    /* The writer goes on, stops, starts, and changes and finishes files. */
    history_writer_close(writer);
    writer = open_writer(folder, 10);
    add_rows(writer, 16, 35, 4);
    history_writer_settle(writer);
    assert_int_equal(find_closed(folder).count, 25);
    /* A file that a reader holds can be worked on again, as after an upgrade. */
    sqlite3 *db = NULL;
    assert_int_equal(history_file_open(folder, &files[0], HISTORY_WRITE, &db), 0);
    (void)sqlite3_busy_timeout(db, 0);
    assert_int_equal(history_file_exec(db, "BEGIN EXCLUSIVE; UPDATE meta SET closed = 1; COMMIT"),
                     0);
    assert_int_equal(history_file_exec(db, "PRAGMA journal_mode = WAL"), 0);
    assert_int_equal(history_file_finish(db), 0);
    (void)sqlite3_close(db);
    /* Retention takes it away; the reader reads on to its end. */
    assert_int_equal(history_writer_expire(writer, MARCH_1_NS + 3 * DAY_NS, 86400), 2);
    assert_int_equal(find_closed(folder).sequences[0], 25);
    assert_int_equal(let_go(&holder), 10);
    history_writer_close(writer);
}

TEST(a_group_may_read_closed_files_and_no_others) {
    const char *folder = test_folder();
    struct history_file files[4];
    if (!may_change_group()) {
        skip();
    }
    struct history_writer *writer = open_shared(folder, 10, READERS);
    add_rows(writer, 1, 15, 0);
    history_writer_settle(writer);
    assert_int_equal(files_of(folder, files, 4), 2);
    const struct stat closed = look_at(folder, files[0].name);
    assert_int_equal(closed.st_mode & 07777, 0640);
    assert_int_equal(closed.st_gid, READERS);
    assert_int_equal(look_at(folder, files[1].name).st_mode & 07777, 0600);
    assert_int_equal(look_at(folder, ".").st_mode & 07777, 0750);
    assert_int_equal(look_at(folder, ".").st_gid, READERS);
    char wal[128];
    (void)snprintf(wal, sizeof wal, "%s-wal", files[1].name);
    assert_int_equal(look_at(folder, wal).st_mode & 07777, 0600);
    history_writer_close(writer);

    /* Taken back at the next start without it, given again with it. */
    writer = open_shared(folder, 10, 0);
    history_writer_settle(writer);
    assert_int_equal(look_at(folder, files[0].name).st_mode & 07777, 0600);
    assert_int_equal(look_at(folder, ".").st_mode & 07777, 0700);
    history_writer_close(writer);
    writer = open_shared(folder, 10, READERS);
    history_writer_settle(writer);
    assert_int_equal(look_at(folder, files[0].name).st_mode & 07777, 0640);
    history_writer_close(writer);
}

/* As a user that is neither the owner nor root, in a process of its own; the number of rows. */
static int rows_seen_as(const char *folder, uid_t user, gid_t group) {
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0) {
        struct history_reader *reader = NULL;
        struct found found = {0};
        const struct history_query query = everything();
        if (setgroups(0, NULL) != 0 || setgid(group) != 0 || setuid(user) != 0 ||
            history_reader_open_closed(folder, &reader) != 0) {
            _exit(99);
        }
        _exit(history_reader_find(reader, &query, collect, &found) == -EACCES ? 98
                                                                              : (int)found.count);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(another_user_of_the_group_reads_closed_files_and_a_stranger_nothing) {
    enum { OTHER = 4712 };
    const char *folder = test_folder();
    if (!may_change_group()) {
        skip();
    }
    struct history_writer *writer = open_shared(folder, 10, READERS);
    add_rows(writer, 1, 25, 0);
    history_writer_settle(writer);
    assert_int_equal(chmod(folder, 0750), 0);
    assert_int_equal(rows_seen_as(folder, OTHER, READERS), 20);
    assert_int_equal(rows_seen_as(folder, OTHER, OTHER), 98);
    history_writer_close(writer);
    writer = open_shared(folder, 10, 0);
    history_writer_settle(writer);
    assert_int_equal(rows_seen_as(folder, OTHER, READERS), 98);
    history_writer_close(writer);
}
