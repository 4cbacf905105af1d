/* SPDX-License-Identifier: Apache-2.0 */
/* Everything at once, for the thread sanitizer: two workers under one lock, the journal thread, two
 * readers (one of them on the ring too), snapshots, releases and status queries. */
#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "journal/snapshot_fixture.h"
#include "testing/test.h"

enum { CAPACITY = 3000, PER_WORKER = 4000, WORKERS = 2 };

struct stress {
    struct world world;
    struct snapshot *snapshot;
    pthread_mutex_t state_lock;
    _Atomic int workers_left;
    _Atomic uint64_t read[2];
    _Atomic uint64_t disorder;
};

static void *work(void *argument) {
    struct stress *stress = argument;
    struct journal *journal = stress->world.files.journal;
    for (int i = 0; i < PER_WORKER; i++) {
        (void)pthread_mutex_lock(&stress->state_lock);
        world_step(&stress->world);
        if (snapshot_wants_chunk(stress->snapshot)) {
            snapshot_copy_chunk(stress->snapshot);
        }
        (void)pthread_mutex_unlock(&stress->state_lock);
        if (journal_wants_wake(journal)) {
            journal_wake(journal);
        }
        if (i % 500 == 0) {
            snapshot_request(stress->snapshot);
            journal_set_durability(journal, i % 1000 == 0 ? JOURNAL_STRICT : JOURNAL_RELAXED);
        }
        if (i % 50 == 0) {
            (void)sched_yield();
        }
    }
    (void)atomic_fetch_sub(&stress->workers_left, 1);
    return NULL;
}

static void *follow(struct stress *stress, const char *ring, size_t number) {
    struct journal *journal = stress->world.files.journal;
    struct journal_reader *reader = NULL;
    struct journal_record record;
    char sentence[256];
    struct text problem = TEXT_OVER(sentence);
    uint64_t last = 0;
    if (journal_reader_open(stress->world.files.folder, ring, 0, &reader, &problem) != 0) {
        (void)atomic_fetch_add(&stress->disorder, 1);
        return NULL;
    }
    for (;;) {
        /* Looked at before reading: what is found after it is not the end. */
        const bool ended = atomic_load(&stress->workers_left) == 0 &&
                           journal_synced(journal) == journal_next_sequence(journal) - 1;
        while (journal_reader_next(reader, ring == NULL ? journal_synced(journal) : UINT64_MAX,
                                   &record) == 1) {
            (void)atomic_fetch_add(&stress->disorder, last != 0 && record.sequence != last + 1);
            last = record.sequence;
            (void)atomic_fetch_add(&stress->read[number], record.type == RECORD_EFFECTS);
        }
        if (ended) {
            break;
        }
        (void)sched_yield();
    }
    (void)atomic_fetch_add(&stress->disorder, journal_reader_damaged(reader));
    journal_reader_close(reader);
    return NULL;
}

static void *follow_segments(void *argument) {
    return follow(argument, NULL, 0);
}

static void *follow_ring(void *argument) {
    struct stress *stress = argument;
    return follow(stress, stress->world.files.ring, 1);
}

static void ask_until_done(struct stress *stress) {
    struct journal *journal = stress->world.files.journal;
    while (atomic_load(&stress->workers_left) > 0) {
        struct journal_stats stats;
        struct snapshot_stats snapshot;
        journal_stats(journal, &stats);
        snapshot_stats(stress->snapshot, &snapshot);
        assert_true(stats.synced_sequence < stats.next_sequence);
        assert_int_equal(stats.records_skipped, 0);
        /* Nothing is released that the readers have not read: they begin at the beginning. */
        journal_release(journal, 0);
        (void)sched_yield();
    }
}

TEST(workers_thread_readers_and_snapshots_at_once_agree) {
    struct stress stress = {.workers_left = WORKERS};
    pthread_t threads[WORKERS + 2];
    struct snapshot_options options = {.interval_ns = 1, .records_max = 1, .journal_bytes_max = 1};
    world_init(&stress.world, "stress", CAPACITY, 99);
    stress.world.files.options.ring_bytes = 8 << 20;
    fixture_start(&stress.world.files);
    options.folder = stress.world.files.folder;
    assert_int_equal(
        snapshot_new(&options, stress.world.state, stress.world.files.journal, 0, &stress.snapshot),
        0);
    (void)pthread_mutex_init(&stress.state_lock, NULL);
    for (size_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, &stress), 0);
    }
    assert_int_equal(pthread_create(&threads[WORKERS], NULL, follow_segments, &stress), 0);
    assert_int_equal(pthread_create(&threads[WORKERS + 1], NULL, follow_ring, &stress), 0);
    ask_until_done(&stress);
    assert_int_equal(journal_sync(stress.world.files.journal, INT64_C(60) * NS_PER_S), 0);
    for (size_t i = 0; i < WORKERS + 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    snapshot_free(stress.snapshot);
    fixture_close(&stress.world.files);
    assert_int_equal(stress.disorder, 0);
    assert_int_equal(stress.read[0], WORKERS * PER_WORKER);
    assert_int_equal(stress.read[1], WORKERS * PER_WORKER);

    struct state *recovered = world_state_new(CAPACITY);
    const struct world_recovery recovery = world_recover(&stress.world, recovered);
    assert_int_equal(recovery.damaged, 0);
    world_assert_equal(stress.world.state, recovered);
    world_state_free(recovered);
    world_done(&stress.world);
    (void)pthread_mutex_destroy(&stress.state_lock);
}
