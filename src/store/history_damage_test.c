/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "store/history_test_rows.h"

static void overwrite(const char *folder, const char *name, off_t offset, size_t length) {
    char path[512];
    char rubbish[4096];
    memset(rubbish, 0xa5, sizeof rubbish);
    assert_true(length <= sizeof rubbish);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, rubbish, length, offset), length);
    (void)close(fd);
}

TEST(a_damaged_newest_file_is_set_aside_and_recording_goes_on_from_the_one_before) {
    const char *folder = test_folder();
    struct history_file files[8];
    struct history_writer *writer = open_writer(folder, 2);
    for (uint64_t sequence = 1; sequence <= 5; sequence++) {
        add_plain(writer, sequence, MARCH_1_NS);
    }
    assert_int_equal(history_writer_commit(writer, 5), 0);
    history_writer_settle(writer);
    history_writer_close(writer);
    assert_int_equal(files_in(folder, files, 8), 3);
    overwrite(folder, files[2].name, 0, 4096);
    writer = open_writer(folder, 2);
    assert_int_equal(history_writer_position(writer), 4);
    assert_true(exists(folder, files[2].name, ".damaged"));
    add_plain(writer, 5, MARCH_1_NS);
    add_plain(writer, 6, MARCH_1_NS);
    assert_int_equal(history_writer_commit(writer, 6), 0);
    const struct history_query query = everything();
    const struct found found = find(folder, &query);
    assert_int_equal(found.count, 6);
    history_writer_close(writer);
}

TEST(a_damaged_file_that_cannot_be_set_aside_is_an_error_and_no_endless_loop) {
    const char *folder = test_folder();
    struct history_file files[8];
    struct history_writer *writer = open_writer(folder, 100);
    add_plain(writer, 1, MARCH_1_NS);
    assert_int_equal(history_writer_commit(writer, 1), 0);
    history_writer_close(writer);
    assert_int_equal(files_in(folder, files, 8), 1);
    overwrite(folder, files[0].name, 0, 4096);
    char in_the_way[600];
    (void)snprintf(in_the_way, sizeof in_the_way, "%s/%s.damaged", folder, files[0].name);
    assert_int_equal(mkdir(in_the_way, 0700), 0);
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    const struct history_options options = {.folder = folder, .rows_per_file_max = 100};
    assert_int_equal(history_writer_open(&options, &writer, &problem), -EISDIR);
    assert_non_null(strstr(text_zero(&problem), files[0].name));
    assert_non_null(strstr(text_zero(&problem), ".damaged"));
    assert_int_equal(rmdir(in_the_way), 0);
    writer = open_writer(folder, 100);
    assert_int_equal(history_writer_position(writer), 0);
    history_writer_close(writer);
}

TEST(a_file_found_damaged_while_its_indexes_are_built_is_set_aside) {
    const char *folder = test_folder();
    struct history_file files[8];
    struct history_writer *writer = open_writer(folder, 1000);
    for (uint64_t sequence = 1; sequence <= 1000; sequence++) {
        add_plain(writer, sequence, MARCH_1_NS);
    }
    assert_int_equal(history_writer_commit(writer, 1000), 0);
    history_writer_close(writer);
    assert_int_equal(files_in(folder, files, 8), 1);
    overwrite(folder, files[0].name, 8 * 8192, 4096);
    overwrite(folder, files[0].name, 12 * 8192, 4096);
    writer = open_writer(folder, 1000);
    add_plain(writer, 1001, MARCH_1_NS);
    assert_int_equal(history_writer_commit(writer, 1001), 0);
    history_writer_settle(writer);
    assert_true(exists(folder, files[0].name, ".damaged"));
    const struct history_query query = everything();
    assert_int_equal(find(folder, &query).count, 1);
    assert_int_equal(history_writer_position(writer), 1001);
    /* It goes with its day, as if it were whole. */
    assert_int_equal(history_writer_expire(writer, MARCH_1_NS + 3 * DAY_NS - 1, 2 * 86400), 0);
    assert_true(exists(folder, files[0].name, ".damaged"));
    assert_int_equal(history_writer_expire(writer, MARCH_1_NS + 3 * DAY_NS, 2 * 86400), 0);
    assert_false(exists(folder, files[0].name, ".damaged"));
    history_writer_close(writer);
}

TEST(a_reader_passes_over_a_damaged_file_and_says_so) {
    const char *folder = test_folder();
    struct history_file files[8];
    struct history_reader *reader = NULL;
    struct found found = {0};
    struct history_writer *writer = open_writer(folder, 2);
    for (uint64_t sequence = 1; sequence <= 5; sequence++) {
        add_plain(writer, sequence, MARCH_1_NS);
    }
    assert_int_equal(history_writer_commit(writer, 5), 0);
    history_writer_settle(writer);
    assert_int_equal(files_in(folder, files, 8), 3);
    overwrite(folder, files[1].name, 0, 4096);
    assert_int_equal(history_reader_open(folder, &reader), 0);
    const struct history_query query = everything();
    assert_int_equal(history_reader_find(reader, &query, collect, &found), 0);
    assert_int_equal(found.count, 3);
    assert_int_equal(found.sequences[2], 1);
    assert_int_equal(history_reader_damaged(reader), 1);
    history_reader_close(reader);
    history_writer_close(writer);
}

TEST(names_that_are_not_history_files_are_left_alone) {
    const char *folder = test_folder();
    static const char *const names[] = {"0000000000000001-2026-03-01.db.damaged", "1-2026-03-01.db",
                                        "000000000000000G-2026-03-01.db", "readme",
                                        "0000000000000001-2026-3-1.db"};
    struct history_file files[8];
    char path[512];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        (void)close(fd);
    }
    assert_int_equal(files_in(folder, files, 8), 0);
    struct history_writer *writer = open_writer(folder, 2);
    assert_int_equal(history_writer_position(writer), 0);
    history_writer_close(writer);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_true(exists(folder, names[i], ""));
    }
}

TEST(a_file_of_a_newer_release_is_refused_and_kept) {
    const char *folder = test_folder();
    struct history_file files[8];
    sqlite3 *db = NULL;
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    struct history_writer *writer = open_writer(folder, 2);
    add_plain(writer, 1, MARCH_1_NS);
    assert_int_equal(history_writer_commit(writer, 1), 0);
    history_writer_close(writer);
    assert_int_equal(files_in(folder, files, 8), 1);
    assert_int_equal(history_file_open(folder, &files[0], HISTORY_WRITE, &db), 0);
    assert_int_equal(history_file_exec(db, "PRAGMA user_version = 3"), 0);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    const struct history_options options = {.folder = folder, .rows_per_file_max = 2};
    assert_int_equal(history_writer_open(&options, &writer, &problem), -EPROTONOSUPPORT);
    assert_non_null(strstr(text_zero(&problem), "newer release"));
    assert_true(exists(folder, files[0].name, ""));
}
