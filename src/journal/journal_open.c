/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing and handing over. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/durable_file.h"
#include "journal/journal_core.h"
#include "journal/little_endian.h"

enum { RUN_TEXT_MAX = 32 };
#define RUN_MAX ((UINT64_C(1) << (64 - JOURNAL_RUN_SHIFT)) - 1)

static int check_options(const struct journal_options *options, struct text *problem) {
    if (options->ring_bytes < RING_BYTES_MIN || options->ring_bytes > RING_BYTES_MAX) {
        journal_explain(problem,
                        "the journal's ring has %" PRIu64
                        " bytes; 1 MiB to 1 GiB are allowed: change journal.ring_size",
                        options->ring_bytes);
        return -EINVAL;
    }
    if (options->segment_bytes < SEGMENT_BYTES_MIN || options->segment_bytes > SEGMENT_BYTES_MAX) {
        journal_explain(problem,
                        "a journal segment has %" PRIu64
                        " bytes; 64 KiB to 1 GiB are allowed: change journal.segment_size",
                        options->segment_bytes);
        return -EINVAL;
    }
    return 0;
}

void journal_free(struct journal *journal) {
    for (size_t i = 0; i < JOURNAL_WORKERS_MAX; i++) {
        const int fd = atomic_load(&journal->synced_fds[i]);
        if (fd >= 0) {
            (void)close(fd);
        }
    }
    segment_drop_next(&journal->writer);
    ring_close(&journal->ring);
    segment_list_done(&journal->segments);
    if (journal->wake_fd >= 0) {
        (void)close(journal->wake_fd);
    }
    if (journal->lock_fd >= 0) {
        (void)close(journal->lock_fd);
    }
    if (journal->folder_fd >= 0) {
        (void)close(journal->folder_fd);
    }
    (void)pthread_mutex_destroy(&journal->segments_lock);
    free((char *)(uintptr_t)journal->options.folder);
    free((char *)(uintptr_t)journal->options.ring_path);
    free(journal->batch);
    free(journal);
}

static int allocate(const struct journal_options *options, struct journal **ret_journal) {
    struct journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) {
        return -ENOMEM;
    }
    journal->options = *options;
    journal->files = options->files != NULL ? options->files : &file_operations_real;
    journal->options.folder = strdup(options->folder);
    journal->options.ring_path = strdup(options->ring_path);
    journal->batch = malloc(JOURNAL_BATCH_BYTES);
    journal->folder_fd = -1;
    journal->lock_fd = -1;
    journal->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    atomic_store(&journal->durability, (int)options->durability);
    for (size_t i = 0; i < JOURNAL_WORKERS_MAX; i++) {
        atomic_store(&journal->synced_fds[i], -1);
    }
    (void)pthread_mutex_init(&journal->segments_lock, NULL);
    segment_writer_init(&journal->writer, journal->files, -1, options->segment_bytes);
    if (journal->options.folder == NULL || journal->options.ring_path == NULL ||
        journal->batch == NULL || journal->wake_fd < 0) {
        journal_free(journal);
        return -ENOMEM;
    }
    *ret_journal = journal;
    return 0;
}

static int open_folder(struct journal *journal, struct text *problem) {
    const char *folder = journal->options.folder;
    const int result = durable_folder_make(folder, 0700);
    if (result != 0) {
        journal_explain(problem, "cannot create the journal's folder %s: %s", folder,
                        strerror(-result));
        return result;
    }
    journal->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->folder_fd < 0) {
        const int error = errno;
        journal_explain(problem, "cannot open the journal's folder %s: %s", folder,
                        strerror(error));
        return -error;
    }
    journal->writer.folder_fd = journal->folder_fd;
    return 0;
}

int journal_new(const struct journal_options *options, struct journal **ret_journal,
                struct text *problem) {
    struct journal *journal = NULL;
    int result = check_options(options, problem);
    if (result == 0 && (result = allocate(options, &journal)) != 0) {
        journal_explain(problem, "not enough memory for the journal");
    }
    if (result != 0) {
        return result;
    }
    result = open_folder(journal, problem);
    if (result != 0) {
        journal_free(journal);
        return result;
    }
    *ret_journal = journal;
    return 0;
}

static int take_lock(struct journal *journal, struct text *problem) {
    journal->lock_fd =
        openat(journal->folder_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (journal->lock_fd < 0 || flock(journal->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        const int error = errno;
        if (error == EWOULDBLOCK) {
            journal_explain(problem, "another process writes the journal in %s: stop it first",
                            journal->options.folder);
        } else {
            journal_explain(problem, "cannot lock %s/lock: %s", journal->options.folder,
                            strerror(error));
        }
        return -error;
    }
    return 0;
}

/* A file that is there and cannot be read is an error: the segments may know less than it does, and
 * a number would be given twice. */
static int load_run(const struct journal *journal, uint64_t *ret_run, struct text *problem) {
    char *bytes = NULL;
    size_t length = 0;
    const int result = durable_file_load(journal->folder_fd, "run", RUN_TEXT_MAX, &bytes, &length);
    const bool absent = result == -ENOENT;
    *ret_run = 0;
    if (result != 0 && !absent && result != -EFBIG) {
        journal_explain(problem,
                        "cannot read %s/run, the number of the last run: %s; when it is beyond "
                        "repair, remove it",
                        journal->options.folder, strerror(-result));
        return result;
    }
    if (!absent && (result == -EFBIG ||
                    !str_parse_u64(str_trim((struct str){bytes, length}), RUN_MAX, ret_run))) {
        log_write(LOG_WARN, "Journal", "%s/run is not a number; the segments tell the last run",
                  journal->options.folder);
    }
    free(bytes);
    return 0;
}

/* A run that no number was ever given in, synced before the first record. */
static int take_run(struct journal *journal, uint64_t highest, struct text *problem) {
    char bytes[RUN_TEXT_MAX];
    struct text text = TEXT_OVER(bytes);
    const uint64_t seen = highest >> JOURNAL_RUN_SHIFT;
    uint64_t stored;
    int result = load_run(journal, &stored, problem);
    if (result != 0) {
        return result;
    }
    const uint64_t run = (stored > seen ? stored : seen) + 1;
    if (run > RUN_MAX) {
        journal_explain(problem, "the journal in %s has used all %" PRIu64 " runs",
                        journal->options.folder, (uint64_t)RUN_MAX);
        return -EOVERFLOW;
    }
    text_add_u64(&text, run);
    text_add_byte(&text, '\n');
    result = journal->files->save(journal->files->context, journal->folder_fd, "run", text.data,
                                  text.length, 0600);
    if (result != 0) {
        journal_explain(problem, "cannot write %s/run: %s", journal->options.folder,
                        strerror(-result));
        return result;
    }
    atomic_store(&journal->next_sequence, (run << JOURNAL_RUN_SHIFT) + 1);
    return 0;
}

static int recover(struct journal *journal, struct text *problem) {
    uint64_t highest = 0;
    int result = journal_recover_segments(journal, &highest, problem);
    if (result != 0) {
        return result;
    }
    result = journal_ring_open(journal, false, problem);
    if (result != 0) {
        return result;
    }
    journal_recover_ring(journal, &highest);
    result = journal_ring_resize(journal, problem);
    if (result == 0) {
        result = take_run(journal, highest, problem);
    }
    return result;
}

void journal_begin(struct journal *journal) {
    const int result = journal_segment_ensure(journal);
    if (result != 0) {
        atomic_store(&journal->last_error, -result);
        log_write(LOG_ERROR, "Journal", "cannot begin a segment in %s: %s; trying again",
                  journal->options.folder, strerror(-result));
    }
    journal->last_time_ns = journal->recovered_time_ns;
}

int journal_open(const struct journal_options *options, struct journal **ret_journal,
                 struct text *problem) {
    struct journal *journal;
    int result = journal_new(options, &journal, problem);
    if (result != 0) {
        return result;
    }
    result = take_lock(journal, problem);
    if (result == 0) {
        result = recover(journal, problem);
    }
    if (result != 0) {
        journal_free(journal);
        return result;
    }
    journal_begin(journal);
    *ret_journal = journal;
    return 0;
}

int journal_start(struct journal *journal, int64_t time_ns, int64_t wall_ns) {
    if (!journal->continues) {
        unsigned char *body = journal_reserve(journal);
        if (body == NULL) {
            journal_skip(journal);
        } else {
            put_u64(body, (uint64_t)wall_ns);
            journal_commit(journal, RECORD_RUN, RUN_RECORD_VERSION, time_ns, RUN_BODY_BYTES);
        }
    }
    return journal_thread_start(journal);
}

void journal_close(struct journal *journal) {
    if (journal == NULL) {
        return;
    }
    journal_thread_stop(journal);
    if (!journal->yielded) {
        const int result = journal_flush(journal);
        if (result != 0) {
            log_write(LOG_ERROR, "Journal",
                      "cannot sync the journal at the end: %s; what is missing stays in %s",
                      strerror(-result), journal->options.ring_path);
        }
        if (journal->writer.fd >= 0) {
            segment_end(&journal->writer);
        }
    }
    journal_free(journal);
}
