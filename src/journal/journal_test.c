/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "journal/journal_fixture.h"
#include "journal/segment.h"
#include "testing/test.h"

static const int64_t patience_ns = INT64_C(20) * NS_PER_S;

TEST(records_come_back_as_they_were_written) {
    struct fixture f;
    fixture_init(&f, "plain");
    fixture_start(&f);
    const uint64_t last = fixture_append_many(&f, 1000);
    assert_int_equal(journal_sync(f.journal, patience_ns), 0);
    assert_int_equal(journal_synced(f.journal), last);

    const struct fixture_reading all = fixture_read(f.folder, NULL, 0, UINT64_MAX);
    assert_int_equal(all.runs, 1);
    assert_int_equal(all.records, 1000);
    assert_int_equal(all.last, last);
    assert_int_equal(all.damaged, 0);
    assert_int_equal(all.gaps, 0);
    fixture_close(&f);
    assert_int_equal(fixture_read(f.folder, NULL, 0, UINT64_MAX).records, 1000);
}

TEST(a_reader_begins_after_a_number_and_stops_at_a_limit) {
    struct fixture f;
    fixture_init(&f, "limits");
    fixture_start(&f);
    const uint64_t first = fixture_append(&f);
    (void)fixture_append_many(&f, 899);
    assert_int_equal(journal_sync(f.journal, patience_ns), 0);

    const struct fixture_reading part = fixture_read(f.folder, NULL, first + 99, first + 499);
    assert_int_equal(part.first, first + 100);
    assert_int_equal(part.last, first + 499);
    assert_int_equal(part.records, 400);
    assert_int_equal(fixture_read(f.folder, NULL, first + 899, UINT64_MAX).records, 0);
    fixture_close(&f);
}

TEST(a_reader_continues_where_it_was) {
    struct fixture f;
    struct journal_reader *reader = NULL;
    struct journal_record record;
    char sentence[256];
    struct text problem = TEXT_OVER(sentence);
    fixture_init(&f, "follow");
    fixture_start(&f);
    assert_int_equal(journal_sync(f.journal, patience_ns), 0);
    assert_int_equal(journal_reader_open(f.folder, NULL, 0, &reader, &problem), 0);
    assert_int_equal(journal_reader_next(reader, UINT64_MAX, &record), 1);
    assert_int_equal(record.type, RECORD_RUN);
    for (int round = 0; round < 50; round++) {
        const uint64_t last = fixture_append_many(&f, 37);
        assert_int_equal(journal_reader_next(reader, last - 37, &record), 0);
        assert_int_equal(journal_sync(f.journal, patience_ns), 0);
        for (uint64_t sequence = last - 36; sequence <= last; sequence++) {
            assert_int_equal(journal_reader_next(reader, journal_synced(f.journal), &record), 1);
            assert_int_equal(record.sequence, sequence);
            assert_true(fixture_record_right(&record));
        }
        assert_int_equal(journal_reader_next(reader, UINT64_MAX, &record), 0);
    }
    struct journal_stats stats;
    journal_stats(f.journal, &stats);
    assert_true(stats.segments > 5);
    journal_reader_close(reader);
    fixture_close(&f);
}

TEST(what_was_synced_before_the_call_is_found_though_the_reader_read_ahead) {
    struct fixture f;
    struct journal_reader *reader = NULL;
    struct journal_record record;
    char sentence[256];
    struct text problem = TEXT_OVER(sentence);
    fixture_init(&f, "ahead");
    fixture_start(&f);
    (void)fixture_append_many(&f, 2);
    assert_int_equal(journal_sync(f.journal, patience_ns), 0);
    assert_int_equal(journal_reader_open(f.folder, NULL, 0, &reader, &problem), 0);
    assert_int_equal(journal_reader_next(reader, UINT64_MAX, &record), 1);
    const uint64_t last = fixture_append_many(&f, 10);
    assert_int_equal(journal_sync(f.journal, patience_ns), 0);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(journal_reader_next(reader, UINT64_MAX, &record), 1);
    }
    assert_int_equal(record.sequence, last);
    assert_int_equal(journal_reader_next(reader, UINT64_MAX, &record), 0);
    journal_reader_close(reader);
    fixture_close(&f);
}

TEST(a_run_number_that_cannot_be_read_is_an_error) {
    struct fixture files;
    char path[200];
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    fixture_init(&files, "run");
    fixture_start(&files);
    fixture_close(&files);
    (void)snprintf(path, sizeof path, "%s/run", files.folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    files.options.folder = files.folder;
    files.options.ring_path = files.ring;
    assert_int_equal(journal_open(&files.options, &files.journal, &problem), -EINVAL);
    assert_non_null(strstr(text_zero(&problem), "number of the last run"));
    assert_int_equal(unlink(path), 0);
    fixture_open(&files);
    fixture_close(&files);
}

TEST(every_start_takes_a_new_run) {
    struct fixture f;
    fixture_init(&f, "runs");
    for (uint64_t run = 1; run <= 3; run++) {
        fixture_start(&f);
        assert_int_equal(fixture_append(&f), (run << JOURNAL_RUN_SHIFT) + 2);
        fixture_close(&f);
    }
    const struct fixture_reading all = fixture_read(f.folder, NULL, 0, UINT64_MAX);
    assert_int_equal(all.runs, 3);
    assert_int_equal(all.records, 3);

    /* The file is a number that people can read, and its loss brings no number back. */
    char path[160];
    (void)snprintf(path, sizeof path, "%s/run", f.folder);
    assert_int_equal(unlink(path), 0);
    fixture_open(&f);
    assert_int_equal(journal_next_sequence(f.journal), (UINT64_C(4) << JOURNAL_RUN_SHIFT) + 1);
    fixture_close(&f);
}

TEST(two_processes_cannot_write_one_journal) {
    struct fixture f;
    struct journal *second = NULL;
    char sentence[256];
    struct text problem = TEXT_OVER(sentence);
    fixture_init(&f, "lock");
    fixture_start(&f);
    assert_int_equal(journal_open(&f.options, &second, &problem), -EWOULDBLOCK);
    assert_true(str_starts(text_str(&problem), STR("another process writes the journal in ")));
    assert_null(second);
    fixture_close(&f);
    fixture_start(&f);
    fixture_close(&f);
}

static void live_without_thread(struct fixture *f) {
    fixture_open(f);
    (void)fixture_append_many(f, 500);
}

TEST(what_was_committed_survives_a_kill_before_the_thread_saw_it) {
    struct fixture f;
    fixture_init(&f, "killed");
    for (uint64_t start = 1; start <= 4; start++) {
        fixture_killed(&f, live_without_thread);
        fixture_open(&f);
        /* Before any thread runs: recovery itself has put it on disk. */
        const struct fixture_reading all = fixture_read(f.folder, NULL, 0, UINT64_MAX);
        assert_int_equal(all.records, 500 * start);
        assert_int_equal(all.damaged, 0);
        assert_int_equal(journal_last_time_ns(f.journal), 500);
        assert_int_equal(journal_synced(f.journal), all.last);
        fixture_close(&f);
    }
}

static void live_with_thread(struct fixture *f) {
    fixture_start(f);
    (void)fixture_append_many(f, 700);
}

TEST(a_kill_while_the_thread_moves_loses_and_doubles_nothing) {
    struct fixture f;
    fixture_init(&f, "moving");
    for (uint64_t start = 1; start <= 10; start++) {
        fixture_killed(&f, live_with_thread);
        fixture_open(&f);
        const struct fixture_reading all = fixture_read(f.folder, f.ring, 0, UINT64_MAX);
        assert_int_equal(all.records, 700 * start);
        assert_int_equal(all.runs, start);
        assert_int_equal(all.damaged, 0);
        fixture_close(&f);
    }
}

TEST(a_full_ring_skips_and_a_gap_tells_how_many) {
    struct fixture f;
    struct journal_stats stats;
    fixture_init(&f, "full");
    fixture_open(&f);
    uint64_t committed = 0;
    while (fixture_append(&f) != 0) {
        committed++;
    }
    for (int i = 0; i < 9; i++) {
        assert_int_equal(fixture_append(&f), 0);
    }
    assert_true(committed > 1000);
    assert_false(journal_wants_snapshot(f.journal));

    assert_int_equal(journal_start(f.journal, 5, 5), 0); /* skips RUN: the eleventh */
    assert_int_equal(journal_sync(f.journal, patience_ns), 0);
    const uint64_t next = fixture_append(&f);
    assert_int_equal(next & 0xffffffffff, 1 + committed + 11);
    assert_true(journal_wants_snapshot(f.journal));
    assert_false(journal_wants_snapshot(f.journal));
    assert_int_equal(journal_sync(f.journal, patience_ns), 0);

    const struct fixture_reading all = fixture_read(f.folder, NULL, 0, UINT64_MAX);
    assert_int_equal(all.records, committed + 1);
    assert_int_equal(all.gaps, 1);
    assert_int_equal(all.missed, 11);
    journal_stats(f.journal, &stats);
    assert_int_equal(stats.records_skipped, 11);
    assert_int_equal(stats.gaps, 1);
    fixture_close(&f);
}

TEST(a_gap_is_told_when_there_is_room_though_no_other_event_comes) {
    struct fixture f;
    struct journal_stats stats;
    fixture_init(&f, "full-idle");
    fixture_open(&f);
    assert_true(journal_tell_gap(f.journal)); /* nothing to tell */
    while (fixture_append(&f) != 0) {
    }
    assert_false(journal_tell_gap(f.journal)); /* no room yet */
    assert_int_equal(journal_start(f.journal, 5, 5), 0);
    assert_int_equal(journal_sync(f.journal, patience_ns), 0);
    assert_false(journal_wants_snapshot(f.journal));

    assert_true(journal_tell_gap(f.journal));
    assert_true(journal_wants_snapshot(f.journal));
    assert_int_equal(journal_sync(f.journal, patience_ns), 0);
    journal_stats(f.journal, &stats);
    assert_int_equal(stats.synced_sequence, stats.next_sequence - 1);
    assert_true(journal_tell_gap(f.journal)); /* only once */
    journal_stats(f.journal, &stats);
    assert_int_equal(stats.gaps, 1);
    assert_int_equal(fixture_read(f.folder, NULL, 0, UINT64_MAX).missed, 2);
    fixture_close(&f);
}

TEST(a_gap_at_the_very_end_is_told_when_the_journal_closes) {
    struct fixture f;
    fixture_init(&f, "full-end");
    fixture_open(&f);
    while (fixture_append(&f) != 0) {
    }
    fixture_close(&f);
    assert_int_equal(fixture_read(f.folder, NULL, 0, UINT64_MAX).missed, 1);
}

TEST(released_segments_are_deleted_whole_and_never_the_last) {
    struct fixture f;
    struct journal_stats before;
    struct journal_stats after;
    fixture_init(&f, "release");
    fixture_start(&f);
    const uint64_t last = fixture_append_many(&f, 1500);
    assert_int_equal(journal_sync(f.journal, patience_ns), 0);
    journal_stats(f.journal, &before);
    journal_release(f.journal, last - 700);
    journal_stats(f.journal, &after);
    assert_true(after.segments < before.segments && after.segments > 1);
    const struct fixture_reading rest = fixture_read(f.folder, NULL, 0, UINT64_MAX);
    assert_true(rest.first <= last - 699);
    assert_int_equal(rest.last, last);
    assert_int_equal(rest.records, last - rest.first + 1);

    journal_release(f.journal, UINT64_MAX - 1);
    journal_stats(f.journal, &after);
    assert_int_equal(after.segments, 1);
    fixture_close(&f);
}

TEST(strict_tells_each_worker_when_its_record_is_on_disk) {
    struct fixture f;
    fixture_init(&f, "strict");
    f.options.durability = JOURNAL_STRICT;
    f.options.sync_interval_ns = INT64_C(3600) * NS_PER_S;
    fixture_start(&f);
    const int fd = journal_synced_fd(f.journal, 3);
    assert_int_equal(journal_synced_fd(f.journal, 3), fd);
    for (int i = 0; i < 20; i++) {
        const uint64_t sequence = fixture_append(&f);
        if (journal_wants_wake(f.journal)) {
            journal_wake(f.journal);
        }
        while (journal_synced(f.journal) < sequence) {
            struct pollfd wait = {.fd = fd, .events = POLLIN};
            uint64_t count;
            assert_int_equal(poll(&wait, 1, 20000), 1);
            assert_int_equal(read(fd, &count, sizeof count), sizeof count);
        }
        assert_int_equal(journal_synced(f.journal), sequence);
    }
    fixture_close(&f);
}

TEST(relaxed_wants_a_wake_only_when_a_quarter_of_the_ring_is_used) {
    struct fixture f;
    fixture_init(&f, "wake");
    fixture_open(&f);
    struct journal_stats stats;
    do {
        assert_false(journal_wants_wake(f.journal));
        assert_true(fixture_append(&f) != 0);
        journal_stats(f.journal, &stats);
    } while (stats.ring_used_bytes <= stats.ring_bytes / 4);
    assert_true(journal_wants_wake(f.journal));
    fixture_close(&f);
}

TEST(a_reader_sees_in_the_ring_what_is_in_no_segment_yet) {
    struct fixture f;
    fixture_init(&f, "beyond");
    fixture_open(&f);
    (void)fixture_append_many(&f, 40);
    assert_int_equal(fixture_read(f.folder, NULL, 0, UINT64_MAX).records, 0);
    assert_int_equal(fixture_read(f.folder, f.ring, 0, UINT64_MAX).records, 40);
    fixture_close(&f);
}

TEST(the_ring_of_another_installation_is_set_aside) {
    struct fixture ours;
    struct fixture theirs;
    struct stat status;
    char aside[160];
    fixture_init(&theirs, "theirs");
    fixture_killed(&theirs, live_without_thread);
    fixture_init(&ours, "ours");
    (void)snprintf(ours.ring, sizeof ours.ring, "%s", theirs.ring);
    fixture_open(&ours);
    assert_int_equal(fixture_read(ours.folder, ours.ring, 0, UINT64_MAX).records, 0);
    (void)snprintf(aside, sizeof aside, "%s.set-aside", ours.ring);
    assert_int_equal(stat(aside, &status), 0);
    fixture_close(&ours);

    /* Put back, it gives its owner everything. */
    assert_int_equal(rename(aside, theirs.ring), 0);
    fixture_open(&theirs);
    assert_int_equal(fixture_read(theirs.folder, NULL, 0, UINT64_MAX).records, 500);
    fixture_close(&theirs);
}

TEST(a_ring_of_another_size_is_emptied_and_made_anew) {
    struct fixture f;
    struct journal_stats stats;
    fixture_init(&f, "resize");
    fixture_killed(&f, live_without_thread);
    f.options.ring_bytes = 2 << 20;
    fixture_open(&f);
    journal_stats(f.journal, &stats);
    assert_int_equal(stats.ring_bytes, 2 << 20);
    assert_int_equal(fixture_read(f.folder, NULL, 0, UINT64_MAX).records, 500);
    fixture_close(&f);
}

TEST(starts_that_never_wrote_leave_no_segments_behind) {
    struct fixture f;
    struct journal_stats stats;
    fixture_init(&f, "starts");
    for (int i = 0; i < 20; i++) {
        fixture_open(&f);
        journal_stats(f.journal, &stats);
        assert_true(stats.segments <= 1);
        fixture_close(&f);
    }
}

/* --- the next segment ---------------------------------------------------------------------------
 */

static _Atomic unsigned zeroed;

static int count_zeroes(void *context, int fd, const void *bytes, size_t length, uint64_t offset) {
    (void)context;
    zeroed += length == SEGMENT_STEP_BYTES;
    return file_operations_real.write_at(NULL, fd, bytes, length, offset);
}

/* Cheaper syncs are worth writing everything twice only where answers wait for them. */
TEST(the_next_segment_is_filled_with_zeroes_where_answers_wait_for_the_disk) {
    for (int strict = 0; strict < 2; strict++) {
        struct fixture files;
        struct file_operations operations = file_operations_real;
        operations.write_at = count_zeroes;
        fixture_init(&files, strict == 1 ? "zeroed" : "allocated");
        files.options.files = &operations;
        files.options.segment_bytes = 4 << 20;
        zeroed = 0;
        fixture_start(&files);
        journal_set_durability(files.journal, strict == 1 ? JOURNAL_STRICT : JOURNAL_RELAXED);
        /* Each sync is a pass of the thread at least, and each pass a step. */
        for (unsigned i = 0; i < 50; i++) {
            (void)fixture_append(&files);
            assert_int_equal(journal_sync(files.journal, patience_ns), 0);
        }
        assert_int_equal(zeroed, strict == 1 ? 4 : 0);
        fixture_close(&files);
    }
}
