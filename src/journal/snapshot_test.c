/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "journal/failing_files.h"
#include "journal/snapshot_fixture.h"
#include "testing/test.h"

enum { CAPACITY = 12000 };
static const int64_t hour_ns = INT64_C(3600) * NS_PER_S;

static struct snapshot *start_snapshots(struct world *world) {
    struct snapshot *snapshot = NULL;
    const struct snapshot_options options = {
        .folder = world->files.folder,
        .interval_ns = hour_ns,
        .records_max = UINT64_MAX,
        .journal_bytes_max = UINT64_MAX,
    };
    assert_int_equal(snapshot_new(&options, world->state, world->files.journal, 0, &snapshot), 0);
    return snapshot;
}

/* What a worker does between turns, until the snapshot that was asked for is there. */
static void finish_snapshot(struct snapshot *snapshot, uint64_t taken) {
    struct snapshot_stats stats;
    do {
        if (snapshot_wants_chunk(snapshot)) {
            snapshot_copy_chunk(snapshot);
        } else {
            (void)sched_yield();
        }
        snapshot_stats(snapshot, &stats);
        assert_int_equal(stats.failed, 0);
    } while (stats.taken < taken);
}

TEST(a_snapshot_and_the_journal_after_it_give_the_state_back) {
    struct world world;
    struct snapshot_stats stats;
    world_init(&world, "simple", CAPACITY, 11);
    fixture_start(&world.files);
    struct snapshot *snapshot = start_snapshots(&world);
    for (int i = 0; i < 1000; i++) {
        world_step(&world);
    }
    snapshot_request(snapshot);
    finish_snapshot(snapshot, 1);
    snapshot_stats(snapshot, &stats);
    assert_int_equal(stats.lowest_stamp, journal_next_sequence(world.files.journal) - 1);
    assert_true(journal_synced(world.files.journal) >= stats.lowest_stamp);
    assert_true(stats.last_bytes > 100000);
    for (int i = 0; i < 300; i++) {
        world_step(&world);
    }
    snapshot_free(snapshot);
    fixture_close(&world.files);

    struct state *recovered = world_state_new(CAPACITY);
    const struct world_recovery recovery = world_recover(&world, recovered);
    assert_true(recovery.had_snapshot);
    assert_int_equal(recovery.replayed, 300);
    world_assert_equal(world.state, recovered);
    world_state_free(recovered);
    world_done(&world);
}

static void wait_for_wish(const struct snapshot *snapshot) {
    while (snapshot_running(snapshot) && !snapshot_wants_chunk(snapshot)) {
        (void)sched_yield();
    }
}

/* At least one whole snapshot, its chunks copied between effects. */
static void complete_one(struct world *world, struct snapshot *snapshot) {
    struct snapshot_stats stats;
    snapshot_stats(snapshot, &stats);
    const uint64_t taken = stats.taken + 1;
    snapshot_request(snapshot);
    do {
        if (snapshot_wants_chunk(snapshot)) {
            world_step(world);
            snapshot_copy_chunk(snapshot);
        }
        (void)sched_yield();
        snapshot_stats(snapshot, &stats);
    } while (stats.taken < taken);
}

/* A life: some hundred effects, snapshots begun at random, chunks copied at random between them,
 * and a kill at a random moment. */
static void live(struct world *world) {
    fixture_start(&world->files);
    struct snapshot *snapshot = start_snapshots(world);
    const uint64_t steps = 200 + world_random(world, 900);
    const uint64_t completed = world_random(world, steps * 2);
    for (uint64_t i = 0; i < steps; i++) {
        world_step(world);
        if (world_random(world, 150) == 0) {
            snapshot_request(snapshot);
        }
        if (i == completed) {
            complete_one(world, snapshot);
        }
        if (world_random(world, 5) == 0) {
            wait_for_wish(snapshot);
        }
        if (snapshot_wants_chunk(snapshot)) {
            snapshot_copy_chunk(snapshot);
        }
    }
}

TEST(killed_at_any_moment_the_state_comes_back_byte_for_byte) {
    enum { LIVES = 16 };
    const char *given = getenv("SECZIM_SEED");
    const uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20240601;
    struct world world;
    unsigned with_snapshot = 0;
    uint64_t lowest = 0;
    unsigned advances = 0;
    world_init(&world, "lives", CAPACITY, seed);
    print_message("# seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < LIVES; i++) {
        int status = 0;
        (void)world_random(&world, 2);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            world.random = seed + i * 2654435761u + 1;
            live(&world);
            (void)kill(getpid(), SIGKILL);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

        struct state *recovered = world_state_new(CAPACITY);
        const struct world_recovery recovery = world_recover(&world, recovered);
        assert_int_equal(recovery.damaged, 0);
        assert_int_equal(recovery.damaged_records, 0);
        world_assert_equal(world.state, recovered);
        world_state_free(recovered);
        with_snapshot += recovery.had_snapshot;
        advances += recovery.lowest > lowest;
        lowest = recovery.lowest;
    }
    assert_true(with_snapshot > LIVES / 2);
    assert_true(advances > LIVES / 4);
    world_done(&world);
}

TEST(a_snapshot_is_due_after_so_many_records_and_not_when_nothing_happened) {
    struct world world;
    struct snapshot *snapshot = NULL;
    struct snapshot_stats stats;
    world_init(&world, "due", CAPACITY, 5);
    fixture_start(&world.files);
    const struct snapshot_options options = {
        .folder = world.files.folder,
        .interval_ns = hour_ns,
        .records_max = 100,
        .journal_bytes_max = UINT64_MAX,
    };
    assert_int_equal(snapshot_new(&options, world.state, world.files.journal, 0, &snapshot), 0);
    for (int i = 0; i < 100; i++) {
        world_step(&world);
    }
    finish_snapshot(snapshot, 1);
    for (int i = 0; i < 50; i++) {
        world_step(&world);
    }
    assert_false(snapshot_wants_chunk(snapshot));
    snapshot_free(snapshot);

    const struct snapshot_options by_time = {
        .folder = world.files.folder,
        .interval_ns = 1,
        .records_max = UINT64_MAX,
        .journal_bytes_max = UINT64_MAX,
    };
    assert_int_equal(snapshot_new(&by_time, world.state, world.files.journal, 7, &snapshot), 0);
    snapshot_stats(snapshot, &stats);
    assert_int_equal(stats.lowest_stamp, 7);
    assert_false(snapshot_running(snapshot));
    world_step(&world);
    finish_snapshot(snapshot, 1);
    snapshot_free(snapshot);
    fixture_close(&world.files);
    world_done(&world);
}

TEST(without_a_worker_a_snapshot_is_abandoned_when_the_daemon_stops) {
    struct world world;
    char path[200];
    world_init(&world, "alone", CAPACITY, 3);
    fixture_start(&world.files);
    struct snapshot *snapshot = start_snapshots(&world);
    world_step(&world);
    snapshot_request(snapshot);
    while (!snapshot_running(snapshot)) {
        (void)sched_yield();
    }
    snapshot_free(snapshot);
    (void)snprintf(path, sizeof path, "%s/state.snapshot", world.files.folder);
    assert_int_equal(access(path, F_OK), -1);
    (void)snprintf(path, sizeof path, "%s/state.snapshot.tmp", world.files.folder);
    assert_int_equal(access(path, F_OK), -1);
    fixture_close(&world.files);
    world_done(&world);
}

/* Returns false when no operation was left to fail. */
static bool fail_one(struct world *world, int at) {
    struct failing failing;
    struct snapshot *snapshot = NULL;
    struct snapshot_stats stats;
    failing_init(&failing, at, ENOSPC, false);
    const struct snapshot_options options = {
        .folder = world->files.folder,
        .interval_ns = hour_ns,
        .records_max = UINT64_MAX,
        .journal_bytes_max = UINT64_MAX,
        .files = &failing.operations,
    };
    assert_int_equal(snapshot_new(&options, world->state, world->files.journal, 0, &snapshot), 0);
    world_step(world);
    snapshot_request(snapshot);
    do {
        if (snapshot_wants_chunk(snapshot)) {
            snapshot_copy_chunk(snapshot);
        }
        (void)sched_yield();
        snapshot_stats(snapshot, &stats);
    } while (stats.taken + stats.failed == 0);
    assert_int_equal(stats.failed, failing.failed);
    assert_int_equal(stats.last_error, failing.failed > 0 ? ENOSPC : 0);
    snapshot_free(snapshot);
    return failing.failed > 0;
}

TEST(a_snapshot_that_fails_at_any_operation_leaves_the_last_one) {
    struct world world;
    int at = 0;
    world_init(&world, "failing", CAPACITY, 8);
    fixture_start(&world.files);
    for (int i = 0; i < 500; i++) {
        world_step(&world);
    }
    assert_false(fail_one(&world, INT32_MAX));
    while (fail_one(&world, at)) {
        struct state *recovered = world_state_new(CAPACITY);
        const struct world_recovery recovery = world_recover(&world, recovered);
        assert_true(recovery.had_snapshot);
        assert_int_equal(recovery.damaged, 0);
        world_assert_equal(world.state, recovered);
        world_state_free(recovered);
        at++;
    }
    assert_true(at > 10);
    fixture_close(&world.files);
    world_done(&world);
}
