/* SPDX-License-Identifier: Apache-2.0 */
/* Taking snapshots: workers copy chunks into a few buffers, a thread writes them out. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "journal/snapshot_file.h"

/* Eight chunks in flight: a worker never waits for the disk, and the thread finds work at each of
 * its looks a millisecond apart. */
enum { BUFFERS = 8, BUSY_POLL_MS = 1, IDLE_POLL_MS = 20, THREAD_NICE = 10 };
#define SYNC_PATIENCE_NS (INT64_C(60) * NS_PER_S)
#define RETRY_AFTER_NS   (INT64_C(10) * NS_PER_S)
#define SYNC_SLICE_NS    (INT64_C(100) * NS_PER_MS)

struct copied_chunk {
    unsigned table;
    size_t first_group;
    size_t group_count;
    uint64_t stamp;
    unsigned char groups[SNAPSHOT_CHUNK_BYTES];
};

struct snapshot {
    struct snapshot_options options; /* without the folder's name */
    const struct file_operations *files;
    int folder_fd;
    struct state *state;
    struct journal *journal;
    pthread_t thread;
    _Atomic bool stopping;
    _Atomic bool requested;
    _Atomic bool running;
    _Atomic bool wants_chunk;
    _Atomic bool copying;     /* a worker is inside snapshot_copy_chunk() */
    _Atomic uint64_t copied;  /* chunks put into buffers; written under the state lock */
    _Atomic uint64_t written; /* chunks taken out by the thread */
    _Atomic uint64_t total;   /* chunks of this snapshot */
    unsigned table;           /* where the next chunk begins; under the state lock */
    size_t group;
    struct copied_chunk *buffers;

    /* Thread. */
    uint64_t last_next_sequence; /* when the last one was begun */
    uint64_t last_journal_bytes;
    int64_t due_from_boot_ns; /* the interval counts from here */
    int64_t retry_at_boot_ns;
    bool owed; /* the last one failed */

    pthread_mutex_t stats_lock;
    struct snapshot_stats stats;
    struct log_throttle throttle;
};

bool snapshot_wants_chunk(const struct snapshot *snapshot) {
    return atomic_load_explicit(&snapshot->wants_chunk, memory_order_relaxed);
}

bool snapshot_running(const struct snapshot *snapshot) {
    return atomic_load_explicit(&snapshot->running, memory_order_relaxed);
}

void snapshot_request(struct snapshot *snapshot) {
    atomic_store(&snapshot->requested, true);
}

void snapshot_stats(const struct snapshot *snapshot, struct snapshot_stats *ret_stats) {
    struct snapshot *s = (struct snapshot *)(uintptr_t)snapshot; /* for the mutex */
    (void)pthread_mutex_lock(&s->stats_lock);
    *ret_stats = s->stats;
    (void)pthread_mutex_unlock(&s->stats_lock);
}

static uint64_t chunks_of(const struct state_table *table) {
    const size_t step = snapshot_chunk_groups(table);
    return (table->group_count + step - 1) / step;
}

static void update_wants(struct snapshot *snapshot) {
    const uint64_t copied = atomic_load(&snapshot->copied);
    const bool wants = copied < atomic_load(&snapshot->total) &&
                       copied - atomic_load(&snapshot->written) < BUFFERS;
    atomic_store(&snapshot->wants_chunk, wants);
}

static void copy_next(struct snapshot *snapshot, uint64_t copied) {
    const struct state_table *table = &snapshot->state->tables[snapshot->table];
    struct copied_chunk *chunk = &snapshot->buffers[copied % BUFFERS];
    const size_t step = snapshot_chunk_groups(table);
    const size_t rest = table->group_count - snapshot->group;
    chunk->table = snapshot->table;
    chunk->first_group = snapshot->group;
    chunk->group_count = rest < step ? rest : step;
    chunk->stamp = journal_next_sequence(snapshot->journal) - 1;
    state_copy_groups(table, snapshot->group, chunk->group_count, chunk->groups);
    snapshot->group += chunk->group_count;
    if (snapshot->group == table->group_count) {
        snapshot->group = 0;
        snapshot->table++;
    }
    atomic_store(&snapshot->copied, copied + 1);
}

void snapshot_copy_chunk(struct snapshot *snapshot) {
    /* Said before `total` is looked at: the thread sets it to 0 before it looks at this. */
    atomic_store(&snapshot->copying, true);
    const uint64_t copied = atomic_load(&snapshot->copied);
    if (copied < atomic_load(&snapshot->total) &&
        copied - atomic_load(&snapshot->written) < BUFFERS) {
        copy_next(snapshot, copied);
    }
    update_wants(snapshot);
    atomic_store(&snapshot->copying, false);
}

/* Waits until a worker has copied chunk number `index`. */
static bool await_chunk(struct snapshot *snapshot, uint64_t index) {
    while (atomic_load(&snapshot->copied) <= index) {
        if (atomic_load(&snapshot->stopping)) {
            return false;
        }
        /* Each time anew: a worker that saw full buffers may have taken the wish back just now. */
        update_wants(snapshot);
        (void)poll(NULL, 0, BUSY_POLL_MS);
    }
    return true;
}

static int write_chunks(struct snapshot *snapshot, struct snapshot_writer *writer,
                        uint64_t *ret_lowest) {
    const uint64_t total = atomic_load(&snapshot->total);
    for (uint64_t i = 0; i < total; i++) {
        if (!await_chunk(snapshot, i)) {
            return -ECANCELED;
        }
        const struct copied_chunk *chunk = &snapshot->buffers[i % BUFFERS];
        const struct state_table *table = &snapshot->state->tables[chunk->table];
        *ret_lowest = i == 0 ? chunk->stamp : *ret_lowest;
        const int result =
            snapshot_writer_chunk(writer, chunk->table, chunk->first_group, chunk->group_count,
                                  table->group_bytes, chunk->stamp, chunk->groups);
        if (result != 0) {
            return result;
        }
        atomic_store(&snapshot->written, i + 1);
        update_wants(snapshot);
        /* A worker that woke meanwhile does not wait for the end of this thread's slice. */
        (void)sched_yield();
    }
    return snapshot_writer_end(writer);
}

/* What the chunks hold must be on disk in the journal before they may count. */
static int await_journal(struct snapshot *snapshot) {
    int result = -ETIMEDOUT;
    for (int64_t waited = 0; waited < SYNC_PATIENCE_NS; waited += SYNC_SLICE_NS) {
        result = journal_sync(snapshot->journal, SYNC_SLICE_NS);
        if (result == 0) {
            return 0;
        }
        if (atomic_load(&snapshot->stopping)) {
            return -ECANCELED;
        }
    }
    return result;
}

static void begin_copying(struct snapshot *snapshot) {
    uint64_t total = 0;
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        total += chunks_of(&snapshot->state->tables[i]);
    }
    /* `total` is 0: no worker begins to copy; one may still be at it if the last one failed. */
    while (atomic_load(&snapshot->copying)) {
        (void)poll(NULL, 0, BUSY_POLL_MS);
    }
    snapshot->table = 0;
    snapshot->group = 0;
    atomic_store(&snapshot->copied, 0);
    atomic_store(&snapshot->written, 0);
    atomic_store(&snapshot->total, total);
    atomic_store(&snapshot->running, true);
    update_wants(snapshot);
}

static void end_copying(struct snapshot *snapshot) {
    atomic_store(&snapshot->total, 0);
    atomic_store(&snapshot->wants_chunk, false);
    atomic_store(&snapshot->running, false);
}

static int take(struct snapshot *snapshot, uint64_t *ret_lowest, uint64_t *ret_bytes) {
    struct snapshot_writer writer;
    int result =
        snapshot_writer_open(&writer, snapshot->files, snapshot->folder_fd, snapshot->state);
    if (result != 0) {
        return result;
    }
    begin_copying(snapshot);
    result = write_chunks(snapshot, &writer, ret_lowest);
    end_copying(snapshot);
    if (result == 0) {
        result = await_journal(snapshot);
    }
    *ret_bytes = writer.offset;
    if (result == 0) {
        result = snapshot_writer_commit(&writer);
    }
    snapshot_writer_done(&writer);
    return result;
}

static void note(struct snapshot *snapshot, int result, uint64_t lowest, uint64_t bytes,
                 int64_t began_ns) {
    const int64_t now_ns = clock_boot_ns();
    uint64_t suppressed = 0;
    (void)pthread_mutex_lock(&snapshot->stats_lock);
    if (result == 0) {
        snapshot->stats.taken++;
        snapshot->stats.lowest_stamp = lowest;
        snapshot->stats.last_wall_ns = clock_wall_ns();
        snapshot->stats.last_bytes = bytes;
        snapshot->stats.last_duration_ns = now_ns - began_ns;
        snapshot->stats.last_error = 0;
    } else if (result != -ECANCELED) {
        snapshot->stats.failed++;
        snapshot->stats.last_error = -result;
    }
    (void)pthread_mutex_unlock(&snapshot->stats_lock);
    if (result != 0 && result != -ECANCELED &&
        log_throttle_pass(&snapshot->throttle, &suppressed)) {
        log_write(
            LOG_ERROR, "Snapshot",
            "cannot write the snapshot: %s; the last one and the journal remain, trying again "
            "in 10 s (%" PRIu64 " more since the last message)",
            strerror(-result), suppressed);
    }
}

static bool due(struct snapshot *snapshot, int64_t now_ns) {
    const uint64_t records =
        journal_next_sequence(snapshot->journal) - snapshot->last_next_sequence;
    const bool asked = atomic_exchange(&snapshot->requested, false);
    const bool after_gap = journal_wants_snapshot(snapshot->journal);
    if (asked || after_gap) {
        return true;
    }
    if (now_ns < snapshot->retry_at_boot_ns) {
        return false;
    }
    if (snapshot->owed) {
        return true;
    }
    if (records == 0) {
        return false;
    }
    return now_ns - snapshot->due_from_boot_ns >= snapshot->options.interval_ns ||
           records >= snapshot->options.records_max ||
           journal_committed_bytes(snapshot->journal) - snapshot->last_journal_bytes >=
               snapshot->options.journal_bytes_max;
}

static void *run(void *argument) {
    struct snapshot *snapshot = argument;
    (void)pthread_setname_np(pthread_self(), "snapshots");
    /* Of this thread alone, on Linux. */
    (void)setpriority(PRIO_PROCESS, 0, THREAD_NICE);
    while (!atomic_load(&snapshot->stopping)) {
        const int64_t began_ns = clock_boot_ns();
        if (!due(snapshot, began_ns)) {
            (void)poll(NULL, 0, IDLE_POLL_MS);
            continue;
        }
        const uint64_t next = journal_next_sequence(snapshot->journal);
        const uint64_t bytes_before = journal_committed_bytes(snapshot->journal);
        uint64_t lowest = 0;
        uint64_t bytes = 0;
        const int result = take(snapshot, &lowest, &bytes);
        note(snapshot, result, lowest, bytes, began_ns);
        snapshot->owed = result != 0;
        if (result == 0) {
            snapshot->last_next_sequence = next;
            snapshot->last_journal_bytes = bytes_before;
            snapshot->due_from_boot_ns = began_ns;
        } else {
            snapshot->retry_at_boot_ns = clock_boot_ns() + RETRY_AFTER_NS;
        }
    }
    return NULL;
}

int snapshot_new(const struct snapshot_options *options, struct state *state,
                 struct journal *journal, uint64_t lowest_stamp, struct snapshot **ret_snapshot) {
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL ||
        (snapshot->buffers = calloc(BUFFERS, sizeof *snapshot->buffers)) == NULL) {
        free(snapshot);
        return -ENOMEM;
    }
    snapshot->options = *options;
    snapshot->options.folder = NULL;
    snapshot->files = options->files != NULL ? options->files : &file_operations_real;
    snapshot->state = state;
    snapshot->journal = journal;
    snapshot->stats.lowest_stamp = lowest_stamp;
    snapshot->last_next_sequence = journal_next_sequence(journal);
    snapshot->last_journal_bytes = journal_committed_bytes(snapshot->journal);
    snapshot->due_from_boot_ns = clock_boot_ns();
    (void)pthread_mutex_init(&snapshot->stats_lock, NULL);
    snapshot->folder_fd = open(options->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = snapshot->folder_fd >= 0 ? 0 : -errno;
    if (result == 0) {
        result = -pthread_create(&snapshot->thread, NULL, run, snapshot);
    }
    if (result != 0) {
        if (snapshot->folder_fd >= 0) {
            (void)close(snapshot->folder_fd);
        }
        free(snapshot->buffers);
        free(snapshot);
        return result;
    }
    *ret_snapshot = snapshot;
    return 0;
}

void snapshot_free(struct snapshot *snapshot) {
    if (snapshot == NULL) {
        return;
    }
    atomic_store(&snapshot->stopping, true);
    (void)pthread_join(snapshot->thread, NULL);
    (void)close(snapshot->folder_fd);
    (void)pthread_mutex_destroy(&snapshot->stats_lock);
    free(snapshot->buffers);
    free(snapshot);
}
