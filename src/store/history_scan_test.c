/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "store/history_file.h"
#include "store/history_test_rows.h"

enum { SCANNED_MAX = 64 };

struct scanned {
    size_t count;
    size_t stop_after; /* 0: never */
    size_t stop_asked;
    uint64_t sequences[SCANNED_MAX];
};

static bool note(void *context, const struct history_scan_row *row) {
    struct scanned *scanned = context;
    char body[32];
    assert_true(scanned->count < SCANNED_MAX);
    (void)snprintf(body, sizeof body, "body %llu", (unsigned long long)row->sequence);
    assert_true(str_equal(row->record, str_from(body)));
    assert_int_equal(row->record_version, 2);
    assert_int_equal(row->count, row->sequence == 4 ? 3 : 1);
    assert_int_equal(row->time_ns, MARCH_1_NS + (int64_t)row->sequence * NS_PER_S);
    assert_int_equal(row->decision_ns, row->time_ns + 5);
    scanned->sequences[scanned->count++] = row->sequence;
    return scanned->count != scanned->stop_after;
}

/* One decision a second from second `first` on, 10 rows a file; of row 4 two more were folded. */
static void fill(const char *folder, uint64_t first, uint64_t last) {
    struct history_writer *writer = open_writer(folder, 10);
    bool folded = false;
    for (uint64_t sequence = first; sequence <= last; sequence++) {
        struct sample sample;
        char body[32];
        sample_init(&sample, sequence, MARCH_1_NS + (int64_t)sequence * NS_PER_S);
        (void)snprintf(body, sizeof body, "body %llu", (unsigned long long)sequence);
        sample.record.body = str_from(body);
        sample.record.version = 2;
        sample.record.time_ns += 5;
        if (sequence >= 4 && sequence <= 6) {
            sample_refuse(&sample, "block:1 *", "REJECT 5.7.1 Access denied");
        }
        assert_int_equal(history_writer_fold(writer, &sample.record, &folded), 0);
        assert_int_equal(folded, sequence == 5 || sequence == 6);
    }
    assert_int_equal(history_writer_commit(writer, last), 0);
    history_writer_settle(writer);
    history_writer_close(writer);
}

static struct scanned scan(const char *folder, const struct history_scan *wanted,
                           size_t stop_after) {
    struct history_reader *reader = NULL;
    struct scanned scanned = {.stop_after = stop_after};
    assert_int_equal(history_reader_open(folder, &reader), 0);
    assert_int_equal(history_reader_scan(reader, wanted, note, &scanned), 0);
    history_reader_close(reader);
    return scanned;
}

TEST(a_scan_visits_every_row_of_every_file_oldest_first) {
    const char *folder = test_folder();
    fill(folder, 1, 35);
    const struct history_scan all = {.limit = SCANNED_MAX};
    const struct scanned scanned = scan(folder, &all, 0);
    assert_int_equal(scanned.count, 33); /* 35 less the two folded ones */
    for (size_t i = 0; i < scanned.count; i++) {
        assert_int_equal(scanned.sequences[i], i < 4 ? i + 1 : i + 3);
    }
}

TEST(a_scan_keeps_to_its_times_and_goes_on_where_it_stopped) {
    const char *folder = test_folder();
    fill(folder, 1, 35);
    struct history_scan part = {
        .since_ns = MARCH_1_NS + INT64_C(9) * NS_PER_S,
        .until_ns = MARCH_1_NS + INT64_C(30) * NS_PER_S,
        .limit = 8,
    };
    uint64_t next = 9;
    struct scanned scanned;
    while ((scanned = scan(folder, &part, 0)).count > 0) {
        assert_true(scanned.count <= 8);
        for (size_t i = 0; i < scanned.count; i++) {
            assert_int_equal(scanned.sequences[i], next++);
        }
        part.after_sequence = scanned.sequences[scanned.count - 1];
    }
    assert_int_equal(next, 30);
    part.after_sequence = 0;
    assert_int_equal(scan(folder, &part, 3).count, 3); /* The visitor had enough. */
}

static bool stop_at_once(void *context) {
    struct scanned *scanned = context;
    scanned->stop_asked++;
    return true;
}

TEST(a_scan_that_is_to_stop_does_so_before_a_row_outside_its_times) {
    const char *folder = test_folder();
    fill(folder, 1, 35);
    const struct history_scan part = {
        .since_ns = MARCH_1_NS + INT64_C(30) * NS_PER_S,
        .limit = 8,
        .stop = stop_at_once,
    };
    const struct scanned scanned = scan(folder, &part, 0);
    assert_int_equal(scanned.count, 0);
    assert_int_equal(scanned.stop_asked, 1);
}

TEST(a_scan_of_no_history_visits_nothing) {
    const struct history_scan all = {.limit = 5};
    assert_int_equal(scan(test_folder(), &all, 0).count, 0);
}

TEST(a_scan_passes_over_a_damaged_file) {
    const char *folder = test_folder();
    struct history_file *files = NULL;
    size_t count = 0;
    char path[512];
    fill(folder, 11, 35);
    assert_int_equal(history_file_list(folder, &files, &count), 0);
    assert_true(count >= 3);
    (void)snprintf(path, sizeof path, "%s/%s", folder, files[1].name);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "no database any more", 20, 0), 20);
    (void)close(fd);

    struct history_reader *reader = NULL;
    struct scanned scanned = {0};
    const struct history_scan all = {.limit = SCANNED_MAX};
    assert_int_equal(history_reader_open(folder, &reader), 0);
    assert_int_equal(history_reader_scan(reader, &all, note, &scanned), 0);
    assert_int_equal(history_reader_damaged(reader), 1);
    history_reader_close(reader);
    assert_true(scanned.count > 0 && scanned.count < 25);
    assert_int_equal(scanned.sequences[scanned.count - 1], 35);
    for (size_t i = 0; i < scanned.count; i++) {
        assert_true(scanned.sequences[i] < files[1].first_sequence ||
                    scanned.sequences[i] >= files[2].first_sequence);
    }
    free(files);
}
