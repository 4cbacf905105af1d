/* SPDX-License-Identifier: Apache-2.0 */
#include "store/recorder_pace.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "testing/test.h"

enum { TICK_MS = 50, TICKS_PER_S = 20 };

/* A recorder that is told of `rate` records a second and handles `speed` of them. */
struct story {
    struct recorder_lag lag;
    enum recorder_pace pace;
    uint64_t position;
    uint64_t synced;
    int64_t boot_ns;
    int64_t lag_ns;
};

static void run(struct story *story, unsigned seconds, uint64_t rate, uint64_t speed) {
    for (unsigned i = 0; i < seconds * TICKS_PER_S; i++) {
        story->boot_ns += (int64_t)TICK_MS * NS_PER_MS;
        story->synced += rate / TICKS_PER_S;
        const uint64_t next = story->position + speed / TICKS_PER_S;
        story->position = next < story->synced ? next : story->synced;
        story->lag_ns =
            recorder_lag_step(&story->lag, story->position, story->synced, story->boot_ns);
        story->pace = recorder_pace_for(story->pace, story->lag_ns, 0, 0);
    }
}

static struct story begin(void) {
    return (struct story){.pace = RECORDER_PACE_IDLE, .boot_ns = INT64_C(1000) * NS_PER_S};
}

TEST(who_keeps_up_stays_idle_for_ever) {
    struct story story = begin();
    run(&story, 600, 1000, 5000);
    assert_int_equal(story.lag_ns, 0);
    assert_int_equal(story.pace, RECORDER_PACE_IDLE);
}

TEST(who_starves_is_lifted_after_fifteen_seconds_and_stays_until_it_has_caught_up) {
    struct story story = begin();
    run(&story, 14, 60000, 0);
    assert_int_equal(story.pace, RECORDER_PACE_IDLE);
    run(&story, 2, 60000, 0);
    assert_int_equal(story.pace, RECORDER_PACE_NICE);
    /* Lifted, but no faster than what comes: it stays lifted. */
    run(&story, 100, 60000, 60000);
    assert_int_equal(story.pace, RECORDER_PACE_NICE);
    assert_true(story.lag_ns >= INT64_C(14) * NS_PER_S);
    /* Some 960,000 are missing: 16 s at this rate. */
    run(&story, 12, 0, 60000);
    assert_int_equal(story.pace, RECORDER_PACE_NICE);
    run(&story, 6, 0, 60000);
    assert_int_equal(story.pace, RECORDER_PACE_IDLE);
    assert_int_equal(story.lag_ns, 0);
}

TEST(a_lag_that_goes_beyond_all_marks_is_still_a_lag) {
    struct story story = begin();
    run(&story, 200, 1000, 0);
    assert_true(story.lag_ns >= INT64_C(199) * NS_PER_S);
    assert_int_equal(story.lag.count, RECORDER_MARKS);
    run(&story, 60, 1000, 10000);
    assert_true(story.lag_ns <= NS_PER_S);
    assert_int_equal(story.pace, RECORDER_PACE_IDLE);
}

TEST(a_process_that_was_stopped_has_not_starved) {
    struct story story = begin();
    run(&story, 5, 1000, 0);
    story.boot_ns += INT64_C(3600) * NS_PER_S;
    run(&story, 5, 1000, 0);
    assert_int_equal(story.pace, RECORDER_PACE_IDLE);
    assert_true(story.lag_ns <= INT64_C(12) * NS_PER_S);
}

TEST(a_quarter_of_the_largest_backlog_lifts_however_young_it_is) {
    assert_int_equal(recorder_pace_for(RECORDER_PACE_IDLE, 0, 249, 1000), RECORDER_PACE_IDLE);
    assert_int_equal(recorder_pace_for(RECORDER_PACE_IDLE, 0, 250, 1000), RECORDER_PACE_NICE);
    assert_int_equal(recorder_pace_for(RECORDER_PACE_NICE, 0, 250, 1000), RECORDER_PACE_NICE);
    assert_int_equal(recorder_pace_for(RECORDER_PACE_NICE, 0, 249, 1000), RECORDER_PACE_IDLE);
    assert_int_equal(recorder_pace_for(RECORDER_PACE_IDLE, 0, UINT64_MAX, 0), RECORDER_PACE_IDLE);
}

struct sleeper {
    pthread_barrier_t barrier;
    pid_t thread;
};

static void *sleeper_run(void *context) {
    struct sleeper *sleeper = context;
    sleeper->thread = gettid();
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), RECORDER_NICE);
    (void)pthread_barrier_wait(&sleeper->barrier);
    (void)pthread_barrier_wait(&sleeper->barrier);
    return NULL;
}

TEST(another_thread_is_put_to_the_idle_class_and_taken_out_when_the_kernel_allows) {
    struct sleeper sleeper;
    pthread_t thread;
    assert_int_equal(pthread_barrier_init(&sleeper.barrier, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, sleeper_run, &sleeper), 0);
    (void)pthread_barrier_wait(&sleeper.barrier);
    recorder_pace_set(sleeper.thread, RECORDER_PACE_IDLE);
    assert_int_equal(sched_getscheduler(sleeper.thread), SCHED_IDLE);
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
    recorder_pace_set(sleeper.thread, RECORDER_PACE_NICE);
    assert_int_equal(sched_getscheduler(sleeper.thread),
                     recorder_pace_can_change() ? SCHED_OTHER : SCHED_IDLE);
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
    (void)pthread_barrier_wait(&sleeper.barrier);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_barrier_destroy(&sleeper.barrier), 0);
}
