/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/replay_run.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Two threads: the caller's reads and judges by what counts today, the other by what is proposed.
 *
 *   history ──► batch ──► today's side ──► queue ──► the proposed side, counts, samples
 */

enum { BATCH_ROWS = 1024, BATCH_BYTES = 1024 * 1024, BATCHES = 4 };
_Static_assert((int)BATCH_BYTES >= (int)DECISION_RECORD_MAX, "any record fits into an empty batch");

struct batch {
    size_t count;
    size_t length;
    struct history_scan_row rows[BATCH_ROWS]; /* their records: in `bytes` */
    struct replay_today today[BATCH_ROWS];
    char bytes[BATCH_BYTES];
};

struct run {
    const struct replay_run_options *options;
    struct replay_judge *judge;
    /* The reader's. */
    struct replay_progress *progress;
    uint64_t last_sequence;
    uint64_t rows;      /* of the present call */
    uint64_t decisions; /* read, at least so many */
    bool stopped;
    /* The queue: batch n stands at n % BATCHES. */
    struct batch *batches[BATCHES];
    pthread_mutex_t mutex; /* what follows */
    pthread_cond_t moved;
    uint64_t filled;
    uint64_t emptied;
    bool closed;
    struct replay_totals totals; /* of what is emptied */
};

static bool stop_asked(const struct run *run) {
    return atomic_load_explicit(run->options->stop, memory_order_relaxed);
}

/* --- the proposal's thread ----------------------------------------------------------------------
 */

static void judge_batch(struct run *run, const struct batch *batch) {
    for (size_t i = 0; i < batch->count && !stop_asked(run); i++) {
        replay_judge_proposed(run->judge, &batch->rows[i], &batch->today[i]);
    }
}

static void *judge_all(void *context) {
    struct run *run = context;
    (void)pthread_mutex_lock(&run->mutex);
    while (!run->closed || run->emptied < run->filled) {
        if (run->emptied == run->filled) {
            (void)pthread_cond_wait(&run->moved, &run->mutex);
            continue;
        }
        const struct batch *batch = run->batches[run->emptied % BATCHES];
        (void)pthread_mutex_unlock(&run->mutex);
        judge_batch(run, batch);
        (void)pthread_mutex_lock(&run->mutex);
        run->totals = *replay_judge_totals(run->judge);
        run->emptied++;
        (void)pthread_cond_signal(&run->moved);
    }
    (void)pthread_mutex_unlock(&run->mutex);
    return NULL;
}

/* --- the reader's -------------------------------------------------------------------------------
 */

/* Nobody else touches the batch that is being filled. */
static struct batch *current_batch(struct run *run) {
    return run->batches[run->filled % BATCHES];
}

/* Passes the batch on and waits for the next one to be free. */
static void pass_on(struct run *run) {
    (void)pthread_mutex_lock(&run->mutex);
    run->filled++;
    (void)pthread_cond_signal(&run->moved);
    while (run->filled - run->emptied == BATCHES) {
        (void)pthread_cond_wait(&run->moved, &run->mutex);
    }
    run->progress->totals = run->totals;
    (void)pthread_mutex_unlock(&run->mutex);
    struct batch *next = current_batch(run);
    next->count = 0;
    next->length = 0;
}

/* A record that is larger than any can be is passed on as none: unreadable. */
static void add_row(struct batch *batch, const struct history_scan_row *row) {
    struct history_scan_row *copy = &batch->rows[batch->count];
    char *bytes = batch->bytes + batch->length;
    *copy = *row;
    copy->record = (struct str){bytes, 0};
    if (row->record.length > 0 && row->record.length <= DECISION_RECORD_MAX) {
        memcpy(bytes, row->record.data, row->record.length);
        copy->record.length = row->record.length;
        batch->length += row->record.length;
    }
}

static bool stop_scan(void *context) {
    struct run *run = context;
    run->stopped = run->stopped || stop_asked(run);
    return run->stopped;
}

static bool read_row(void *context, const struct history_scan_row *row) {
    struct run *run = context;
    struct replay_progress *progress = run->progress;
    struct batch *batch = current_batch(run);
    if (stop_asked(run)) {
        run->stopped = true;
        return false;
    }
    add_row(batch, row);
    replay_judge_today(run->judge, &batch->rows[batch->count], &batch->today[batch->count]);
    batch->count++;
    if (batch->count == BATCH_ROWS || batch->length > (size_t)BATCH_BYTES - DECISION_RECORD_MAX) {
        pass_on(run);
    }
    run->last_sequence = row->sequence;
    run->rows++;
    run->decisions += row->count;
    progress->first_ns = progress->first_ns == 0 ? row->time_ns : progress->first_ns;
    progress->last_ns = row->time_ns;
    return run->decisions < run->options->decisions_max;
}

static bool note_one(void *context, const struct history_scan_row *row) {
    struct run *run = context;
    (void)row;
    run->rows++;
    return false;
}

/* At the limit: there may be nothing behind it. */
static int look_for_more(struct run *run, struct history_reader *reader) {
    const struct history_scan scan = {
        .since_ns = run->options->from_ns,
        .until_ns = run->options->to_ns,
        .after_sequence = run->last_sequence,
        .limit = 1,
        .stop = stop_scan,
    };
    run->rows = 0;
    const int error = history_reader_scan(reader, &scan, note_one, run);
    run->progress->complete = run->rows == 0 && !run->stopped;
    return error != 0 ? error : run->stopped ? -ECANCELED : 0;
}

static int read_all(struct run *run, struct history_reader *reader) {
    const struct replay_run_options *options = run->options;
    struct replay_progress *progress = run->progress;
    do {
        const struct history_scan scan = {
            .since_ns = options->from_ns,
            .until_ns = options->to_ns,
            .after_sequence = run->last_sequence,
            .limit = REPLAY_ROWS_AT_A_TIME,
            .stop = stop_scan,
        };
        run->rows = 0;
        const int error = history_reader_scan(reader, &scan, read_row, run);
        progress->damaged_files = history_reader_damaged(reader);
        if (error != 0 || run->stopped) {
            return error != 0 ? error : -ECANCELED;
        }
        if (options->tell != NULL) {
            options->tell(options->context, progress);
        }
        progress->complete = run->rows == 0;
    } while (!progress->complete && run->decisions < options->decisions_max);
    return progress->complete ? 0 : look_for_more(run, reader);
}

/* --- the whole ----------------------------------------------------------------------------------
 */

/* Until it has emptied the queue: as long it may be hurried. */
static void wait_for_helper(struct run *run) {
    (void)pthread_mutex_lock(&run->mutex);
    while (run->emptied < run->filled) {
        (void)pthread_cond_wait(&run->moved, &run->mutex);
    }
    (void)pthread_mutex_unlock(&run->mutex);
}

static void tell_helper(const struct run *run, const pthread_t *thread) {
    if (run->options->helper != NULL) {
        run->options->helper(run->options->context, thread);
    }
}

static int read_and_judge(struct run *run, struct history_reader *reader) {
    pthread_t thread;
    int error = pthread_create(&thread, NULL, judge_all, run);
    if (error != 0) {
        return -error;
    }
    tell_helper(run, &thread);
    error = read_all(run, reader);
    (void)pthread_mutex_lock(&run->mutex);
    run->filled++; /* what is in the last one */
    run->closed = true;
    (void)pthread_cond_signal(&run->moved);
    (void)pthread_mutex_unlock(&run->mutex);
    wait_for_helper(run);
    tell_helper(run, NULL);
    (void)pthread_join(thread, NULL);
    run->progress->totals = run->totals;
    return error;
}

static int with_reader(struct run *run, struct replay_report **ret_report) {
    struct history_reader *reader = NULL;
    int error = history_reader_open(run->options->history_folder, &reader);
    if (error != 0) {
        return error;
    }
    error = replay_judge_new(&run->options->judge, &run->judge);
    if (error == 0) {
        error = read_and_judge(run, reader);
        *ret_report = replay_judge_finish(run->judge);
    }
    history_reader_close(reader);
    return error;
}

static int batches_new(struct run *run) {
    for (size_t i = 0; i < BATCHES; i++) {
        run->batches[i] = malloc(sizeof *run->batches[i]);
        if (run->batches[i] == NULL) {
            return -ENOMEM;
        }
        run->batches[i]->count = 0;
        run->batches[i]->length = 0;
    }
    return 0;
}

int replay_run(const struct replay_run_options *options, struct replay_progress *ret_progress,
               struct replay_report **ret_report) {
    struct run run = {.options = options, .progress = ret_progress};
    *ret_progress = (struct replay_progress){.first_ns = 0};
    *ret_report = NULL;
    (void)pthread_mutex_init(&run.mutex, NULL);
    (void)pthread_cond_init(&run.moved, NULL);
    int error = batches_new(&run);
    error = error != 0 ? error : with_reader(&run, ret_report);
    for (size_t i = 0; i < BATCHES; i++) {
        free(run.batches[i]);
    }
    (void)pthread_cond_destroy(&run.moved);
    (void)pthread_mutex_destroy(&run.mutex);
    return error;
}
