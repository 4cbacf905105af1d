/* SPDX-License-Identifier: Apache-2.0 */
/* Restart in place: the ring, the lock and the numbers pass from one process to the next. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/journal_core.h"

int journal_yield(struct journal *journal, int *ret_lock_fd) {
    CHECK(!journal->yielded);
    journal_thread_stop(journal);
    const int result = journal_flush(journal);
    if (result != 0) {
        /* Nothing has changed: the records wait in the ring and this process goes on. */
        const int started = journal_thread_start(journal);
        return started != 0 ? started : result;
    }
    if (journal->writer.fd >= 0) {
        segment_end(&journal->writer);
    }
    segment_drop_next(&journal->writer);
    ring_set_next_sequence(&journal->ring, journal_next_sequence(journal));
    ring_unlock(&journal->ring);
    journal->yielded = true;
    *ret_lock_fd = journal->lock_fd;
    return 0;
}

int journal_resume(struct journal *journal) {
    CHECK(journal->yielded);
    int result = ring_lock(&journal->ring);
    if (result != 0) {
        return result;
    }
    /* The other process may have begun a segment before it failed. */
    (void)pthread_mutex_lock(&journal->segments_lock);
    result = segment_list_load(journal->folder_fd, &journal->segments);
    (void)pthread_mutex_unlock(&journal->segments_lock);
    if (result != 0) {
        ring_unlock(&journal->ring);
        return result;
    }
    journal->yielded = false;
    journal_begin(journal);
    return journal_thread_start(journal);
}

/* The descriptor must be that of our lock file, or two processes could write at once. */
static int adopt_lock(struct journal *journal, int lock_fd, struct text *problem) {
    struct stat passed;
    struct stat expected;
    if (fstat(lock_fd, &passed) != 0 || fstatat(journal->folder_fd, "lock", &expected, 0) != 0) {
        const int error = errno;
        journal_explain(problem, "cannot look at %s/lock: %s", journal->options.folder,
                        strerror(error));
        return -error;
    }
    if (passed.st_dev != expected.st_dev || passed.st_ino != expected.st_ino) {
        journal_explain(problem, "the lock that was handed over is not %s/lock",
                        journal->options.folder);
        return -EBADF;
    }
    return 0;
}

static int continue_run(struct journal *journal, struct text *problem) {
    const uint64_t next = ring_next_sequence(&journal->ring);
    uint64_t highest = 0;
    int result = journal_recover_segments(journal, &highest, problem);
    if (result != 0) {
        return result;
    }
    highest = atomic_load(&journal->moved_sequence);
    if (next <= highest) {
        journal_explain(problem,
                        "the journal in %s was not yielded: number %" PRIu64
                        " comes next, but there is %" PRIu64,
                        journal->options.folder, next, highest);
        return -EPROTO;
    }
    atomic_store(&journal->next_sequence, next);
    atomic_store(&journal->moved_sequence, next - 1);
    atomic_store(&journal->synced_sequence, next - 1);
    return 0;
}

int journal_take_over(const struct journal_options *options, int lock_fd,
                      struct journal **ret_journal, struct text *problem) {
    struct journal *journal;
    int result = journal_new(options, &journal, problem);
    if (result != 0) {
        return result;
    }
    result = adopt_lock(journal, lock_fd, problem);
    if (result == 0) {
        result = journal_ring_open(journal, true, problem);
    }
    if (result == 0) {
        result = continue_run(journal, problem);
    }
    if (result != 0) {
        journal_free(journal);
        return result;
    }
    /* Ours only now: after a failure the caller still has it to give back. */
    journal->lock_fd = lock_fd;
    journal->continues = true;
    journal_begin(journal);
    *ret_journal = journal;
    return 0;
}
