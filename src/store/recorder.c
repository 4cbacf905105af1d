/* SPDX-License-Identifier: Apache-2.0 */
#include "store/recorder.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"
#include "store/recorder_pace.h"

/* Being nice does not make it leave before its slice ends, some milliseconds, so it yields after a
 * few records: a worker that woke meanwhile waits for those. */
enum {
    RECORDS_PER_YIELD = 16,
    RECORDS_PER_LOOK = 256, /* at clock and backlog */
    RECORDS_PER_TRANSACTION = 20000,
    TRANSACTION_MS = 500,
    FINISH_MS = 300,
    IDLE_MS = 250,   /* between looks at the journal when there was nothing */
    RETRY_MS = 1000, /* after an error */
    HOUSEKEEPING_S = 60,
    SPACE_CHECK_S = 1,
    FINISH_EMPTY_PASSES = 3,
    FULL_MARGIN_BYTES = 1024 * 1024,
    REST_BYTES = 4 * 1024 * 1024 /* of backlog: indexes wait, some ten thousand decisions */
};

struct recorder {
    struct recorder_options options; /* folders are copies */
    struct journal *journal;
    pthread_t thread;
    int wake_fd;
    atomic_bool stopping;
    /* Live settings, and what others tell. */
    atomic_bool history_enabled;
    _Atomic int64_t keep_s;
    _Atomic uint64_t min_free_bytes;
    _Atomic uint64_t snapshot_position;
    pthread_mutex_t names_lock; /* names */
    struct recorder_names names;
    /* Statistics, for any thread. */
    _Atomic uint64_t position;
    _Atomic int64_t position_time_ns;
    struct counter rows;
    struct counter folded;
    struct counter dropped;
    struct counter errors;
    atomic_int last_error;
    atomic_bool behind;
    /* Priority. */
    atomic_int thread_id; /* 0: does not run yet */
    bool can_change_pace;
    enum recorder_pace pace;
    struct recorder_lag lag;
    /* Followers. */
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    /* The thread's own. */
    struct history_writer *writer; /* NULL: to be opened */
    struct journal_reader *reader; /* NULL: to be opened after the writer's position */
    bool low;                      /* free space is below min_free_bytes: no rows */
    bool full;                     /* not even the position can be written */
    uint64_t logged_sequence;      /* log lines are not repeated when records are read again */
    int64_t newest_time_ns;        /* decision time of the newest record seen */
    int64_t space_due_boot_ns;
    int64_t housekeeping_due_boot_ns;
    _Atomic uint64_t average_bytes; /* of a record, moving; written by the thread alone */
    struct {                        /* of the transaction that is being filled */
        uint64_t rows;
        uint64_t folded;
        uint64_t dropped;
    } batch;
    struct decision_record decision;
};

/* --- one record --- */

static void write_line(void *context, enum log_level level, const char *module, int64_t time_ns,
                       struct str message) {
    (void)context;
    if (log_enabled(level)) {
        log_line(level, module, time_ns, message);
    }
}

static void log_undecodable(const struct journal_record *record) {
    static struct log_throttle throttle;
    uint64_t suppressed = 0;
    if (log_throttle_pass(&throttle, &suppressed)) {
        log_write(LOG_WARN, "Recorder",
                  "decision record %llu (version %u) cannot be read and has no history row "
                  "(and %llu more)",
                  (unsigned long long)record->sequence, record->version,
                  (unsigned long long)suppressed);
    }
}

static int write_history(struct recorder *recorder, const struct history_record *record) {
    bool folded = false;
    if (recorder->full) {
        recorder->batch.dropped++;
        return 0;
    }
    if (recorder->low || !atomic_load(&recorder->history_enabled)) {
        recorder->batch.dropped += recorder->low ? 1 : 0;
        return history_writer_count(recorder->writer, record);
    }
    const int result = atomic_load(&recorder->behind)
                           ? history_writer_fold(recorder->writer, record, &folded)
                           : history_writer_add(recorder->writer, record);
    recorder->batch.folded += folded ? 1 : 0;
    recorder->batch.rows += folded ? 0 : 1;
    return result;
}

static void log_rbl(struct recorder *recorder) {
    if (recorder->decision.facts.status[FACT_RBL] != FACT_KNOWN) {
        return;
    }
    (void)pthread_mutex_lock(&recorder->names_lock);
    const struct recorder_names names = recorder->names;
    (void)pthread_mutex_unlock(&recorder->names_lock);
    recorder_log_rbl_lines(&recorder->decision, &names, recorder->decision.wall_ns, write_line,
                           NULL);
}

static int handle(struct recorder *recorder, const struct journal_record *record) {
    const uint64_t average = atomic_load_explicit(&recorder->average_bytes, memory_order_relaxed);
    atomic_store_explicit(&recorder->average_bytes, (average * 63 + record->length) / 64,
                          memory_order_relaxed);
    if (record->time_ns > recorder->newest_time_ns) {
        recorder->newest_time_ns = record->time_ns;
    }
    if (record->type != RECORD_DECISION) {
        return 0;
    }
    if (!decision_record_decode(record->body, record->length, record->version,
                                &recorder->decision)) {
        counter_add(&recorder->errors, 1);
        log_undecodable(record);
        return 0;
    }
    if (record->sequence > recorder->logged_sequence) {
        log_rbl(recorder);
        if (log_enabled(LOG_DEBUG)) {
            recorder_log_geo_lines(&recorder->decision, recorder->decision.wall_ns, write_line,
                                   NULL);
        }
        recorder_log_lines(&recorder->decision, recorder->decision.wall_ns,
                           log_enabled(LOG_DEBUG) ? LOG_DEBUG : LOG_INFO, write_line, NULL);
        recorder->logged_sequence = record->sequence;
    }
    const struct history_record row = {
        .sequence = record->sequence,
        .time_ns = record->time_ns,
        .version = record->version,
        .body = {(const char *)record->body, record->length},
        .decision = &recorder->decision,
    };
    return write_history(recorder, &row);
}

/* --- one transaction --- */

/* How many bytes of journal wait: exact within a run, all of the journal when it spans runs. */
static uint64_t backlog_bytes(const struct recorder *recorder) {
    struct journal_stats stats;
    const uint64_t position = atomic_load(&recorder->position);
    journal_stats(recorder->journal, &stats);
    if (stats.synced_sequence <= position) {
        return 0;
    }
    if (stats.synced_sequence >> JOURNAL_RUN_SHIFT != position >> JOURNAL_RUN_SHIFT) {
        return stats.segment_bytes_total;
    }
    const uint64_t bytes = (stats.synced_sequence - position) *
                           (atomic_load_explicit(&recorder->average_bytes, memory_order_relaxed) +
                            JOURNAL_RECORD_HEADER);
    return bytes < stats.segment_bytes_total ? bytes : stats.segment_bytes_total;
}

static void judge_backlog(struct recorder *recorder, uint64_t bytes) {
    const bool was_behind = atomic_load(&recorder->behind);
    const uint64_t limit = recorder->options.max_backlog_bytes;
    const bool behind = limit > 0 && bytes > (was_behind ? limit / 2 : limit);
    if (behind != was_behind) {
        atomic_store(&recorder->behind, behind);
        log_write(LOG_WARN, "Recorder",
                  behind ? "%llu bytes of journal behind: repeated refusals become one counted row"
                         : "%llu bytes of journal behind: every decision is a row again",
                  (unsigned long long)bytes);
    }
}

/* Indexes wait while there is much to record. A transaction may take half a second, so this is
 * asked meanwhile too. */
static void judge_rest(struct recorder *recorder, uint64_t bytes) {
    history_writer_rest(recorder->writer, bytes > REST_BYTES);
}

/* Reads up to a transaction's worth. Positive: more may be waiting; 0: nothing more; or an error.
 */
static int read_batch(struct recorder *recorder, uint64_t *ret_last) {
    const uint64_t limit = journal_synced(recorder->journal);
    const int64_t until_boot_ns = clock_boot_ns() + (int64_t)TRANSACTION_MS * NS_PER_MS;
    for (unsigned i = 0; i < RECORDS_PER_TRANSACTION; i++) {
        struct journal_record record;
        int result = journal_reader_next(recorder->reader, limit, &record);
        if (result <= 0) {
            return result;
        }
        result = handle(recorder, &record);
        if (result < 0) {
            return result;
        }
        *ret_last = record.sequence;
        if (i % RECORDS_PER_YIELD == RECORDS_PER_YIELD - 1) {
            (void)sched_yield();
        }
        if (i % RECORDS_PER_LOOK == RECORDS_PER_LOOK - 1) {
            judge_rest(recorder, backlog_bytes(recorder));
            if (clock_boot_ns() >= until_boot_ns) {
                break;
            }
        }
    }
    return 1;
}

static void publish(struct recorder *recorder, uint64_t position) {
    (void)pthread_mutex_lock(&recorder->mutex);
    atomic_store(&recorder->position, position);
    atomic_store(&recorder->position_time_ns, recorder->newest_time_ns);
    (void)pthread_cond_broadcast(&recorder->moved);
    (void)pthread_mutex_unlock(&recorder->mutex);
}

/* As read_batch. */
static int record_batch(struct recorder *recorder) {
    uint64_t last = 0;
    memset(&recorder->batch, 0, sizeof recorder->batch);
    const int more = read_batch(recorder, &last);
    if (more < 0) {
        return more;
    }
    if (last != 0 && !recorder->full) {
        const int result = history_writer_commit(recorder->writer, last);
        if (result < 0) {
            return result;
        }
    }
    counter_add(&recorder->rows, recorder->batch.rows);
    counter_add(&recorder->folded, recorder->batch.folded);
    counter_add(&recorder->dropped, recorder->batch.dropped);
    if (last != 0) {
        publish(recorder, last);
    }
    return more;
}

/* --- space, retention, release --- */

static void check_space(struct recorder *recorder) {
    static struct log_throttle throttle;
    struct statvfs space;
    uint64_t suppressed = 0;
    const int64_t now_ns = clock_boot_ns();
    if (now_ns < recorder->space_due_boot_ns ||
        statvfs(recorder->options.history.folder, &space) < 0) {
        return;
    }
    recorder->space_due_boot_ns = now_ns + (int64_t)SPACE_CHECK_S * NS_PER_S;
    const uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    const uint64_t min_free_bytes = atomic_load(&recorder->min_free_bytes);
    const bool was_low = recorder->low || recorder->full;
    recorder->low = free_bytes < min_free_bytes;
    if (recorder->full && !recorder->low && free_bytes >= FULL_MARGIN_BYTES) {
        recorder->full = false;
    }
    if (recorder->low || recorder->full) {
        if (log_throttle_pass(&throttle, &suppressed)) {
            log_write(LOG_ERROR, "Recorder",
                      "%llu bytes free, history.min_free_bytes is %llu: no history rows are "
                      "written until there is space (%llu so far)",
                      (unsigned long long)free_bytes, (unsigned long long)min_free_bytes,
                      (unsigned long long)counter_read(&recorder->dropped));
        }
    } else if (was_low) {
        log_write(LOG_WARN, "Recorder", "there is space again: history rows are written");
    }
}

static void release(struct recorder *recorder) {
    const uint64_t snapshot = atomic_load(&recorder->snapshot_position);
    /* What is dropped for want of space must not hold the journal: it goes last. */
    const uint64_t durable = recorder->full ? atomic_load(&recorder->position)
                                            : history_writer_durable(recorder->writer);
    const uint64_t both = snapshot < durable ? snapshot : durable;
    if (both > 0) {
        journal_release(recorder->journal, both);
    }
}

static void keep_house(struct recorder *recorder) {
    const int64_t now_ns = clock_boot_ns();
    if (now_ns < recorder->housekeeping_due_boot_ns || recorder->newest_time_ns == 0) {
        return;
    }
    recorder->housekeeping_due_boot_ns = now_ns + (int64_t)HOUSEKEEPING_S * NS_PER_S;
    const int64_t keep_s = atomic_load(&recorder->keep_s);
    const size_t removed =
        keep_s > 0 ? history_writer_expire(recorder->writer, recorder->newest_time_ns, keep_s) : 0;
    if (removed > 0) {
        log_write(LOG_INFO, "History", "%zu files older than history.keep removed", removed);
    }
}

/* --- the thread --- */

static void note_error(struct recorder *recorder, int error, const char *what, const char *detail) {
    static struct log_throttle throttle;
    uint64_t suppressed = 0;
    counter_add(&recorder->errors, 1);
    atomic_store(&recorder->last_error, -error);
    if (log_throttle_pass(&throttle, &suppressed)) {
        log_write(LOG_ERROR, "Recorder",
                  "%s: %s; trying again every second, the journal keeps what is not recorded", what,
                  detail != NULL ? detail : strerror(-error));
    }
}

static int open_sinks(struct recorder *recorder) {
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    int result = 0;
    if (recorder->writer == NULL) {
        result = history_writer_open(&recorder->options.history, &recorder->writer, &problem);
        if (result < 0) {
            note_error(recorder, result, "cannot open the history", text_zero(&problem));
            return result;
        }
    }
    if (recorder->reader == NULL) {
        uint64_t after = history_writer_position(recorder->writer);
        if (recorder->full && atomic_load(&recorder->position) > after) {
            after = atomic_load(&recorder->position);
        }
        result = journal_reader_open(recorder->options.journal_folder, NULL, after,
                                     &recorder->reader, &problem);
        if (result < 0) {
            note_error(recorder, result, "cannot read the journal", text_zero(&problem));
            return result;
        }
        publish(recorder, after);
    }
    return 0;
}

static void close_reader(struct recorder *recorder) {
    if (recorder->reader != NULL) {
        journal_reader_close(recorder->reader);
        recorder->reader = NULL;
    }
}

static void recover(struct recorder *recorder, int error) {
    note_error(recorder, error, "cannot record decisions", NULL);
    close_reader(recorder);
    if (error == -ENOSPC) {
        recorder->full = true;
        recorder->space_due_boot_ns = 0;
    } else if (error == -EUCLEAN) {
        history_writer_close(recorder->writer);
        recorder->writer = NULL;
    }
}

static void wait_ms(struct recorder *recorder, int milliseconds) {
    struct pollfd wait = {.fd = recorder->wake_fd, .events = POLLIN};
    uint64_t ignored = 0;
    if (poll(&wait, 1, milliseconds) > 0) {
        (void)!read(recorder->wake_fd, &ignored, sizeof ignored);
    }
}

/* Wakes followers whose time is over; those of recorder_wait() have no clock of their own. */
static void wake_followers(struct recorder *recorder) {
    (void)pthread_mutex_lock(&recorder->mutex);
    (void)pthread_cond_broadcast(&recorder->moved);
    (void)pthread_mutex_unlock(&recorder->mutex);
}

/* One pass. Returns how long to wait before the next one. */
static int pass(struct recorder *recorder) {
    int result = open_sinks(recorder);
    if (result < 0) {
        return RETRY_MS;
    }
    check_space(recorder);
    const uint64_t bytes = backlog_bytes(recorder);
    judge_backlog(recorder, bytes);
    judge_rest(recorder, bytes);
    result = record_batch(recorder);
    if (result >= 0 && !recorder->full) {
        const int checkpoint = history_writer_checkpoint(recorder->writer, false);
        result = checkpoint < 0 ? checkpoint : result;
    }
    if (result < 0) {
        const bool was_full = recorder->full;
        recover(recorder, result);
        return result == -ENOSPC && !was_full ? 0 : RETRY_MS;
    }
    atomic_store(&recorder->last_error, 0);
    keep_house(recorder);
    release(recorder);
    return result > 0 ? 0 : IDLE_MS;
}

/* Everything that is synced, as far as it goes in FINISH_MS: a stop or a hand-over does not wait
 * for a backlog, which stays in the journal. The journal's reader may say "none now" of a segment
 * that it had read ahead of the writer, so it is asked again. */
static void finish(struct recorder *recorder) {
    const int64_t until_boot_ns = clock_boot_ns() + (int64_t)FINISH_MS * NS_PER_MS;
    for (unsigned empty = 0; empty < FINISH_EMPTY_PASSES && clock_boot_ns() <= until_boot_ns;) {
        empty = pass(recorder) == 0 ? 0 : empty + 1;
    }
    if (recorder->writer != NULL && recorder->reader != NULL && !recorder->full) {
        if (history_writer_checkpoint(recorder->writer, true) == 0) {
            release(recorder);
        }
    }
    close_reader(recorder);
    history_writer_close(recorder->writer);
    recorder->writer = NULL;
}

static void *run(void *argument) {
    struct recorder *recorder = argument;
    (void)pthread_setname_np(pthread_self(), "recorder");
    /* Of the calling thread alone: Linux keeps nice values per thread. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), RECORDER_NICE);
    atomic_store(&recorder->thread_id, gettid());
    while (!atomic_load(&recorder->stopping)) {
        const int wait = pass(recorder);
        wake_followers(recorder);
        if (wait > 0) {
            wait_ms(recorder, wait);
        }
    }
    finish(recorder);
    return NULL;
}

/* --- for others --- */

static void free_all(struct recorder *recorder) {
    if (recorder->wake_fd >= 0) {
        (void)close(recorder->wake_fd);
    }
    (void)pthread_cond_destroy(&recorder->moved);
    (void)pthread_mutex_destroy(&recorder->mutex);
    (void)pthread_mutex_destroy(&recorder->names_lock);
    free((char *)(uintptr_t)recorder->options.history.folder);
    free((char *)(uintptr_t)recorder->options.journal_folder);
    free(recorder);
}

int recorder_new(const struct recorder_options *options, struct journal *journal,
                 struct recorder **ret_recorder, struct text *problem) {
    struct recorder *recorder = calloc(1, sizeof *recorder);
    if (recorder == NULL) {
        text_add(problem, STR("no memory for the recorder"));
        return -ENOMEM;
    }
    recorder->options = *options;
    recorder->options.history.folder = strdup(options->history.folder);
    recorder->options.journal_folder = strdup(options->journal_folder);
    recorder->journal = journal;
    recorder->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    atomic_store(&recorder->history_enabled, options->history_enabled);
    atomic_store(&recorder->keep_s, options->history.keep_s);
    atomic_store(&recorder->min_free_bytes, options->history.min_free_bytes);
    (void)pthread_mutex_init(&recorder->mutex, NULL);
    (void)pthread_mutex_init(&recorder->names_lock, NULL);
    (void)pthread_cond_init(&recorder->moved, NULL);
    recorder->can_change_pace = recorder_pace_can_change();
    int result = 0;
    if (recorder->options.history.folder == NULL || recorder->options.journal_folder == NULL) {
        result = ENOMEM;
    } else if (recorder->wake_fd < 0) {
        result = errno;
    } else {
        result = pthread_create(&recorder->thread, NULL, run, recorder);
    }
    if (result != 0) {
        text_add(problem, STR("cannot start the recorder: "));
        text_add(problem, str_from(strerror(result)));
        free_all(recorder);
        return -result;
    }
    *ret_recorder = recorder;
    return 0;
}

void recorder_stats(const struct recorder *recorder, struct recorder_stats *ret_stats) {
    *ret_stats = (struct recorder_stats){
        .position = atomic_load(&recorder->position),
        .newest_time_ns = atomic_load(&recorder->position_time_ns),
        .rows = counter_read(&recorder->rows),
        .folded = counter_read(&recorder->folded),
        .dropped = counter_read(&recorder->dropped),
        .errors = counter_read(&recorder->errors),
        .last_error = atomic_load(&recorder->last_error),
        .behind = atomic_load(&recorder->behind),
    };
}

static void set_pace(struct recorder *recorder, enum recorder_pace pace) {
    if (pace != recorder->pace) {
        recorder_pace_set(atomic_load(&recorder->thread_id), pace);
        recorder->pace = pace;
    }
}

void recorder_mind(struct recorder *recorder) {
    if (!recorder->can_change_pace || atomic_load(&recorder->thread_id) == 0) {
        return;
    }
    const int64_t lag_ns = recorder_lag_step(&recorder->lag, atomic_load(&recorder->position),
                                             journal_synced(recorder->journal), clock_boot_ns());
    set_pace(recorder, recorder_pace_for(recorder->pace, lag_ns, backlog_bytes(recorder),
                                         recorder->options.max_backlog_bytes));
}

void recorder_set_snapshot_position(struct recorder *recorder, uint64_t sequence) {
    atomic_store(&recorder->snapshot_position, sequence);
}

void recorder_set_history(struct recorder *recorder, bool enabled, int64_t keep_s,
                          uint64_t min_free_bytes) {
    atomic_store(&recorder->history_enabled, enabled);
    atomic_store(&recorder->keep_s, keep_s);
    atomic_store(&recorder->min_free_bytes, min_free_bytes);
}

void recorder_set_names(struct recorder *recorder, const struct rbl_settings *settings) {
    (void)pthread_mutex_lock(&recorder->names_lock);
    recorder_names_set(&recorder->names, settings);
    (void)pthread_mutex_unlock(&recorder->names_lock);
}

uint64_t recorder_wait(struct recorder *recorder, uint64_t after, int64_t timeout_ns) {
    const int64_t until_boot_ns = clock_boot_ns() + timeout_ns;
    (void)pthread_mutex_lock(&recorder->mutex);
    while (atomic_load(&recorder->position) <= after && clock_boot_ns() < until_boot_ns &&
           !atomic_load(&recorder->stopping)) {
        (void)pthread_cond_wait(&recorder->moved, &recorder->mutex);
    }
    const uint64_t position = atomic_load(&recorder->position);
    (void)pthread_mutex_unlock(&recorder->mutex);
    return position;
}

void recorder_free(struct recorder *recorder) {
    const uint64_t one = 1;
    if (recorder == NULL) {
        return;
    }
    atomic_store(&recorder->stopping, true);
    set_pace(recorder, RECORDER_PACE_NICE); /* A stop waits for it. */
    wake_followers(recorder);
    (void)!write(recorder->wake_fd, &one, sizeof one);
    (void)pthread_join(recorder->thread, NULL);
    free_all(recorder);
}
