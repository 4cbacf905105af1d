/* SPDX-License-Identifier: Apache-2.0 */
/* The n-th operation on a file fails, for every n: nothing that was committed is lost. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "journal/failing_files.h"
#include "journal/journal_fixture.h"
#include "journal/ring.h"
#include "testing/test.h"

enum { BATCHES = 6, PER_BATCH = 60, OPERATIONS_MAX = 400 };
static const int64_t patience_ns = INT64_C(20) * NS_PER_S;

/* Appends and syncs in batches. Whether a sync works does not matter: the ring has it all. */
static uint64_t work(struct fixture *files) {
    uint64_t count = 0;
    int synced = 0;
    for (int i = 0; i < BATCHES; i++) {
        (void)fixture_append_many(files, PER_BATCH);
        count += PER_BATCH;
        synced += journal_sync(files->journal, 5 * NS_PER_MS) == 0;
    }
    assert_true(synced <= BATCHES);
    return count;
}

static bool once(int at, int error) {
    struct fixture files;
    struct failing failing;
    char name[32];
    (void)snprintf(name, sizeof name, "once-%d-%d", error, at);
    test_case(name);
    fixture_init(&files, name);
    failing_init(&failing, at, error, false);
    files.options.files = &failing.operations;
    files.options.folder = files.folder;
    files.options.ring_path = files.ring;
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    if (journal_open(&files.options, &files.journal, &problem) != 0) {
        assert_true(problem.length > 0);
        return true;
    }
    assert_int_equal(journal_start(files.journal, 1, 2), 0);
    const uint64_t count = work(&files);
    assert_int_equal(journal_sync(files.journal, patience_ns), 0);
    const uint64_t synced = journal_synced(files.journal);
    assert_int_equal(synced, journal_next_sequence(files.journal) - 1);
    const struct fixture_reading live = fixture_read(files.folder, NULL, 0, synced);
    assert_int_equal(live.records, count);
    assert_int_equal(live.missed, 0);
    fixture_close(&files);
    assert_int_equal(fixture_read(files.folder, NULL, 0, UINT64_MAX).records, count);
    return failing.failed > 0;
}

TEST(a_disk_that_is_full_once_at_any_operation_loses_nothing) {
    int at = 0;
    while (once(at, ENOSPC)) {
        at++;
        assert_true(at < OPERATIONS_MAX);
    }
    assert_true(at > 30);
}

TEST(a_disk_that_fails_once_at_any_operation_loses_nothing) {
    int at = 0;
    while (once(at, EIO)) {
        at += 3;
        assert_true(at < OPERATIONS_MAX);
    }
}

TEST(a_disk_that_fails_for_good_leaves_the_rest_in_the_ring) {
    for (int at = 0; at < 60; at += 5) {
        struct fixture files;
        struct failing failing;
        char name[32];
        (void)snprintf(name, sizeof name, "for-good-%d", at);
        test_case(name);
        fixture_init(&files, name);
        fixture_start(&files);
        failing_init(&failing, INT32_MAX, EIO, true);
        fixture_close(&files);

        files.options.files = &failing.operations;
        fixture_start(&files);
        atomic_store(&failing.left, at);
        const uint64_t count = work(&files);
        fixture_close(&files);

        /* A new process, another disk. */
        files.options.files = NULL;
        fixture_open(&files);
        const struct fixture_reading reading = fixture_read(files.folder, NULL, 0, UINT64_MAX);
        assert_int_equal(reading.records, count);
        assert_int_equal(reading.missed, 0);
        fixture_close(&files);
    }
}

TEST(after_a_failed_sync_a_gap_record_begins_the_next_segment_and_a_snapshot_is_wanted) {
    struct fixture files;
    struct failing failing;
    struct journal_stats stats;
    fixture_init(&files, "gap");
    failing_init(&failing, INT32_MAX, EIO, false);
    files.options.files = &failing.operations;
    fixture_start(&files);
    (void)fixture_append_many(&files, 10);
    assert_int_equal(journal_sync(files.journal, patience_ns), 0);
    assert_false(journal_wants_snapshot(files.journal));

    /* Sync the next write fails: the write, then the sync, whatever is prepared in between. */
    while (atomic_load(&failing.failed) == 0) {
        atomic_store(&failing.left, 1);
        (void)fixture_append_many(&files, 10);
        assert_int_equal(journal_sync(files.journal, patience_ns), 0);
    }
    journal_stats(files.journal, &stats);
    assert_true(stats.gaps >= 1);
    assert_true(stats.write_errors >= 1);
    assert_int_equal(stats.last_error, 0);
    assert_true(journal_wants_snapshot(files.journal));
    const uint64_t last = journal_synced(files.journal);
    fixture_close(&files);

    /* Who reads all needs no gap; who lost the segment before it is told. */
    const struct fixture_reading all = fixture_read(files.folder, NULL, 0, UINT64_MAX);
    assert_int_equal(all.gaps, 0);
    assert_int_equal(all.last, last);
}

TEST(a_full_disk_fills_the_ring_then_skips_and_catches_up_when_there_is_space) {
    struct fixture files;
    struct failing failing;
    struct journal_stats stats;
    fixture_init(&files, "space");
    failing_init(&failing, INT32_MAX, ENOSPC, true);
    files.options.files = &failing.operations;
    fixture_start(&files);
    assert_int_equal(journal_sync(files.journal, patience_ns), 0);
    atomic_store(&failing.left, 0);
    uint64_t committed = 0;
    uint64_t skipped = 0;
    while (skipped < 100) {
        const bool done = fixture_append(&files) != 0;
        committed += done;
        skipped += !done;
    }
    journal_stats(files.journal, &stats);
    assert_int_equal(stats.records_skipped, 100);
    assert_true(stats.ring_used_bytes > stats.ring_bytes - DECISION_RECORD_MAX - 4096);

    atomic_store(&failing.left, INT32_MAX);
    assert_int_equal(journal_sync(files.journal, patience_ns), 0);
    committed += fixture_append(&files) != 0;
    assert_int_equal(journal_sync(files.journal, patience_ns), 0);
    const struct fixture_reading all = fixture_read(files.folder, NULL, 0, UINT64_MAX);
    assert_int_equal(all.records, committed);
    assert_int_equal(all.missed, 100);
    fixture_close(&files);
}

TEST(when_the_next_segment_cannot_be_prepared_the_current_one_goes_on_at_once) {
    struct fixture files;
    struct failing failing;
    struct journal_stats stats;
    fixture_init(&files, "next");
    files.options.segment_bytes = 1 << 20;
    failing_init(&failing, INT32_MAX, ENOSPC, false);
    files.options.files = &failing.operations;
    fixture_start(&files);
    assert_int_equal(journal_sync(files.journal, patience_ns), 0);
    atomic_store(&failing.no_new_files, true);
    for (int i = 0; i < 50; i++) {
        (void)fixture_append(&files);
        /* Far less than the second after which preparing is tried again. */
        assert_int_equal(journal_sync(files.journal, 500 * NS_PER_MS), 0);
    }
    journal_stats(files.journal, &stats);
    assert_int_equal(stats.write_errors, 0);
    fixture_close(&files);
    assert_int_equal(fixture_read(files.folder, NULL, 0, UINT64_MAX).records, 50);
}

/* --- a segment that is given up ------------------------------------------------------------------
 */

static const char *watched_ring;
static _Atomic unsigned cut;
static _Atomic unsigned cut_too_early;
static _Atomic unsigned syncs_to_fail;

/* What a segment loses by being cut off must be the ring's to write again by then. */
static int watch_truncate(void *context, int fd, uint64_t length) {
    struct ring ring;
    (void)context;
    if (ring_map(watched_ring, &ring) == 0) {
        cut++;
        cut_too_early += ring_moved(&ring) != ring_synced(&ring);
        ring_close(&ring);
    }
    return file_operations_real.truncate(NULL, fd, length);
}

static int fail_syncs(void *context, int fd) {
    (void)context;
    if (syncs_to_fail > 0) {
        syncs_to_fail--;
        return -EIO;
    }
    return file_operations_real.sync_data(NULL, fd);
}

static size_t count_segments(const char *folder) {
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    size_t count = 0;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        count += strstr(entry->d_name, ".journal") != NULL;
    }
    (void)closedir(directory);
    return count;
}

TEST(a_segment_that_is_given_up_is_cut_when_the_ring_has_its_records_and_removed_when_empty) {
    struct fixture files;
    struct journal_stats stats;
    struct file_operations operations = file_operations_real;
    operations.truncate = watch_truncate;
    operations.sync_data = fail_syncs;
    fixture_init(&files, "given-up");
    files.options.files = &operations;
    fixture_start(&files);
    watched_ring = files.ring;
    (void)fixture_append_many(&files, 10);
    assert_int_equal(journal_sync(files.journal, patience_ns), 0);
    cut = 0;
    cut_too_early = 0;

    syncs_to_fail = 6;
    (void)fixture_append_many(&files, 10);
    assert_int_equal(journal_sync(files.journal, patience_ns), 0);
    journal_stats(files.journal, &stats);
    assert_true(stats.gaps >= 3); /* Some of the syncs were those of segments prepared. */
    assert_true(cut >= 3);
    assert_int_equal(cut_too_early, 0);
    assert_int_equal(count_segments(files.folder), 2);
    assert_int_equal(stats.segments, 2);
    fixture_close(&files);
    const struct fixture_reading all = fixture_read(files.folder, NULL, 0, UINT64_MAX);
    assert_int_equal(all.records, 20);
    assert_int_equal(all.missed, 0);
}

/* Everything up to the last number synced; returns how many records of the test. */
static uint64_t read_on(struct journal_reader *reader, struct fixture *files, uint64_t *last) {
    struct journal_record record;
    uint64_t seen = 0;
    int found;
    while ((found = journal_reader_next(reader, journal_synced(files->journal), &record)) == 1) {
        assert_true(record.sequence > *last || record.type == RECORD_GAP);
        *last = record.sequence;
        seen += record.type == RECORD_EFFECTS;
    }
    assert_int_equal(found, 0);
    return seen;
}

/* A reader that stands in a segment that is removed goes on in the next. */
TEST(a_reader_passes_a_segment_that_was_removed) {
    enum { ROUNDS = 8, PER_ROUND = 5 };
    struct fixture files;
    struct file_operations operations = file_operations_real;
    operations.sync_data = fail_syncs;
    fixture_init(&files, "passed");
    files.options.files = &operations;
    fixture_start(&files);
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    struct journal_reader *reader;
    assert_int_equal(journal_reader_open(files.folder, NULL, 0, &reader, &problem), 0);
    uint64_t seen = 0;
    uint64_t last = 0;
    for (int i = 0; i < ROUNDS; i++) {
        syncs_to_fail = i % 2 == 0 ? 4 : 0;
        (void)fixture_append_many(&files, PER_ROUND);
        /* Between the failures it enters segments that will go. */
        while (journal_sync(files.journal, NS_PER_MS) != 0) {
            seen += read_on(reader, &files, &last);
        }
        seen += read_on(reader, &files, &last);
    }
    assert_int_equal(seen, ROUNDS * PER_ROUND);
    journal_reader_close(reader);
    fixture_close(&files);
}

/* --- the page cache ----------------------------------------------------------------------------
 */

enum { DESCRIPTORS_WATCHED = 64 };
static _Atomic bool dirty[DESCRIPTORS_WATCHED];
static _Atomic unsigned uncached;
static _Atomic unsigned uncached_dirty;

static int watch_write(void *context, int fd, const void *bytes, size_t length, uint64_t offset) {
    (void)context;
    assert_true(fd < DESCRIPTORS_WATCHED);
    dirty[fd] = true;
    return file_operations_real.write_at(NULL, fd, bytes, length, offset);
}

static int watch_sync(void *context, int fd) {
    (void)context;
    const int result = file_operations_real.sync_data(NULL, fd);
    if (result == 0) {
        dirty[fd] = false;
    }
    return result;
}

/* The kernel keeps what is not on disk yet: then the hint would do nothing. */
static void watch_uncache(void *context, int fd) {
    (void)context;
    uncached++;
    uncached_dirty += dirty[fd];
    file_operations_real.uncache(NULL, fd);
}

TEST(each_closed_segment_leaves_the_page_cache_when_all_of_it_is_on_disk) {
    enum { RECORDS = 1500 };
    struct fixture files;
    struct journal_stats stats;
    struct file_operations operations = file_operations_real;
    operations.write_at = watch_write;
    operations.sync_data = watch_sync;
    operations.uncache = watch_uncache;
    fixture_init(&files, "uncached");
    files.options.files = &operations;
    fixture_start(&files);
    for (unsigned i = 0; i < RECORDS; i++) {
        (void)fixture_append(&files);
        if (i % 100 == 0) {
            assert_int_equal(journal_sync(files.journal, patience_ns), 0);
        }
    }
    assert_int_equal(journal_sync(files.journal, patience_ns), 0);
    journal_stats(files.journal, &stats);
    assert_true(stats.segments > 3);
    fixture_close(&files);
    assert_int_equal(uncached, stats.segments);
    assert_int_equal(uncached_dirty, 0);
}
