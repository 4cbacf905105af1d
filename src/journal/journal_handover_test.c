/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "journal/journal_fixture.h"
#include "testing/test.h"

static const int64_t patience_ns = INT64_C(20) * NS_PER_S;

/* The new process: here a second journal over the same files, with the descriptor passed on. */
static void take_over(const struct fixture *old, int lock_fd, struct fixture *next) {
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    *next = *old;
    next->journal = NULL;
    const int result = journal_take_over(&old->options, lock_fd, &next->journal, &problem);
    if (result != 0) {
        fail_msg("journal_take_over: %s", text_zero(&problem));
    }
    assert_int_equal(journal_start(next->journal, 9, 9), 0);
}

static bool locked_for_others(const struct fixture *files) {
    struct journal *third = NULL;
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    return journal_open(&files->options, &third, &problem) == -EWOULDBLOCK;
}

TEST(numbers_and_run_continue_in_the_new_process_and_the_lock_is_never_free) {
    struct fixture old;
    struct fixture next;
    int lock_fd = -1;
    fixture_init(&old, "continue");
    fixture_start(&old);
    uint64_t last = fixture_append_many(&old, 300);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(journal_yield(old.journal, &lock_fd), 0);
        assert_true(locked_for_others(&old));
        take_over(&old, dup(lock_fd), &next);
        fixture_close(&old);
        assert_true(locked_for_others(&next));
        assert_int_equal(journal_next_sequence(next.journal), last + 1);
        last = fixture_append_many(&next, 300);
        old = next;
    }
    assert_int_equal(journal_sync(old.journal, patience_ns), 0);
    fixture_close(&old);
    const struct fixture_reading all = fixture_read(old.folder, NULL, 0, UINT64_MAX);
    assert_int_equal(all.records, 1800);
    assert_int_equal(all.runs, 1);
    assert_int_equal(all.last, last);
    assert_int_equal(all.last - all.first, 1799);
}

TEST(a_reader_in_the_new_process_is_up_to_date_the_moment_the_old_one_yields) {
    struct fixture old;
    struct journal_reader *reader = NULL;
    struct journal_record record;
    char sentence[256];
    struct text problem = TEXT_OVER(sentence);
    int lock_fd = -1;
    uint64_t seen = 0;
    fixture_init(&old, "follower");
    fixture_start(&old);
    assert_int_equal(journal_reader_open(old.folder, old.ring, 0, &reader, &problem), 0);
    for (int i = 0; i < 100; i++) {
        const uint64_t last = fixture_append_many(&old, 29);
        /* Wherever the thread is: in the ring or in a segment, all is there at once, in order. */
        while (journal_reader_next(reader, UINT64_MAX, &record) == 1) {
            seen += record.type == RECORD_EFFECTS && fixture_record_right(&record);
        }
        assert_int_equal(record.sequence, last);
        assert_int_equal(seen, 29 * (uint64_t)(i + 1));
        if (i % 10 == 9) { /* A slow disk would let the ring become full. */
            assert_int_equal(journal_sync(old.journal, patience_ns), 0);
        }
    }
    assert_int_equal(journal_yield(old.journal, &lock_fd), 0);
    assert_int_equal(journal_reader_next(reader, UINT64_MAX, &record), 0);
    assert_int_equal(journal_reader_damaged(reader), 0);
    journal_reader_close(reader);
    assert_int_equal(journal_resume(old.journal), 0);
    fixture_close(&old);
}

TEST(when_the_new_process_fails_the_old_one_goes_on) {
    struct fixture old;
    struct fixture next;
    int lock_fd = -1;
    fixture_init(&old, "resume");
    fixture_start(&old);
    const uint64_t before = fixture_append_many(&old, 100);
    assert_int_equal(journal_yield(old.journal, &lock_fd), 0);
    assert_int_equal(journal_resume(old.journal), 0);
    assert_int_equal(fixture_append(&old), before + 1);

    /* It may even have begun a segment. */
    assert_int_equal(journal_yield(old.journal, &lock_fd), 0);
    take_over(&old, dup(lock_fd), &next);
    fixture_close(&next);
    assert_int_equal(journal_resume(old.journal), 0);
    assert_int_equal(fixture_append(&old), before + 2);
    assert_int_equal(journal_sync(old.journal, patience_ns), 0);
    fixture_close(&old);
    assert_int_equal(fixture_read(old.folder, NULL, 0, UINT64_MAX).records, 102);
}

TEST(events_skipped_before_the_hand_over_keep_their_numbers) {
    struct fixture old;
    struct fixture next;
    int lock_fd = -1;
    fixture_init(&old, "skipped");
    fixture_open(&old);
    uint64_t committed = 0;
    while (fixture_append(&old) != 0) {
        committed++;
    }
    const uint64_t expected = journal_next_sequence(old.journal);
    assert_int_equal(journal_yield(old.journal, &lock_fd), 0);
    take_over(&old, dup(lock_fd), &next);
    fixture_close(&old);
    assert_int_equal(journal_next_sequence(next.journal), expected);
    assert_int_equal(fixture_append(&next), expected);
    fixture_close(&next);
    const struct fixture_reading all = fixture_read(next.folder, NULL, 0, UINT64_MAX);
    assert_int_equal(all.records, committed + 1);
    assert_int_equal(all.missed, 1);
}

TEST(a_lock_that_is_not_ours_is_refused) {
    struct fixture old;
    struct journal *next = NULL;
    int lock_fd = -1;
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    fixture_init(&old, "wrong-lock");
    fixture_start(&old);
    assert_int_equal(journal_yield(old.journal, &lock_fd), 0);
    const int other = open("/dev/null", O_RDWR);
    assert_int_equal(journal_take_over(&old.options, other, &next, &problem), -EBADF);
    assert_true(str_starts(text_str(&problem), STR("the lock that was handed over is not ")));
    (void)close(other);
    assert_int_equal(journal_resume(old.journal), 0);
    fixture_close(&old);
}
