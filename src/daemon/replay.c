/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/replay.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct replay {
    struct engine *engine;
    atomic_bool stop;
    pthread_mutex_t mutex; /* what follows */
    pthread_cond_t ended;
    pthread_t thread;
    bool joinable;
    pthread_t helper; /* the second thread of the run, while has_helper */
    bool has_helper;
    struct replay_status status;
    int64_t started_boot_ns;
    struct replay_request request;
    struct replay_report *report;
};

const char *replay_state_name(enum replay_state state) {
    static const char *const names[] = {
        [REPLAY_NEVER] = "none",          [REPLAY_RUNNING] = "running", [REPLAY_DONE] = "done",
        [REPLAY_CANCELLED] = "cancelled", [REPLAY_FAILED] = "failed",
    };
    return names[state];
}

struct replay *replay_new(struct engine *engine) {
    struct replay *replay = calloc(1, sizeof *replay);
    if (replay != NULL) {
        replay->engine = engine;
        (void)pthread_mutex_init(&replay->mutex, NULL);
        (void)pthread_cond_init(&replay->ended, NULL);
    }
    return replay;
}

/* --- the thread ---------------------------------------------------------------------------------
 */

/* History may begin later than what was asked for: then the first row is the beginning. */
static double part_of(const struct replay_status *status) {
    const struct replay_progress *progress = &status->progress;
    const int64_t whole_ns = status->to_ns - progress->first_ns;
    if (progress->first_ns == 0 || whole_ns <= 0) {
        return 0;
    }
    const double part = (double)(progress->last_ns - progress->first_ns) / (double)whole_ns;
    return part < 0 ? 0 : part > 1 ? 1 : part;
}

static void tell(void *context, const struct replay_progress *progress) {
    struct replay *replay = context;
    (void)pthread_mutex_lock(&replay->mutex);
    replay->status.progress = *progress;
    replay->status.duration_ns = clock_boot_ns() - replay->started_boot_ns;
    replay->status.part = part_of(&replay->status);
    (void)pthread_mutex_unlock(&replay->mutex);
}

static void end(struct replay *replay, int error, const struct replay_progress *progress,
                struct replay_report *report) {
    (void)pthread_mutex_lock(&replay->mutex);
    struct replay_status *status = &replay->status;
    status->progress = *progress;
    status->duration_ns = clock_boot_ns() - replay->started_boot_ns;
    status->error = error == -ECANCELED ? 0 : error;
    status->state = error == 0            ? REPLAY_DONE
                    : error == -ECANCELED ? REPLAY_CANCELLED
                                          : REPLAY_FAILED;
    status->part = error == 0 ? 1 : part_of(status);
    replay->report = report;
    replay_proposal_free(replay->engine, replay->request.proposal);
    replay->request.proposal = NULL;
    (void)pthread_cond_broadcast(&replay->ended);
    (void)pthread_mutex_unlock(&replay->mutex);
}

/* Mutex held. At the lowest priority the end could take as long as the host is busy. */
static void hurry(struct replay *replay) {
    const struct sched_param none = {0};
    (void)pthread_setschedparam(replay->thread, SCHED_OTHER, &none);
    if (replay->has_helper) {
        (void)pthread_setschedparam(replay->helper, SCHED_OTHER, &none);
    }
}

static void know_helper(void *context, const pthread_t *thread) {
    struct replay *replay = context;
    (void)pthread_mutex_lock(&replay->mutex);
    replay->has_helper = thread != NULL;
    if (thread != NULL) {
        replay->helper = *thread;
    }
    if (atomic_load(&replay->stop)) {
        hurry(replay);
    }
    (void)pthread_mutex_unlock(&replay->mutex);
}

static void *run(void *context) {
    struct replay *replay = context;
    const struct sched_param none = {0};
    (void)pthread_setname_np(pthread_self(), "replay");
    (void)pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
    const struct replay_request *request = &replay->request;
    const struct replay_proposal *proposal = request->proposal;
    struct replay_run_options options = {
        .history_folder = engine_history_folder(replay->engine),
        .from_ns = request->from_ns,
        .to_ns = request->to_ns,
        .decisions_max = request->decisions_max,
        .judge = {.key = engine_state_key(replay->engine),
                  .generation = proposal->today->version,
                  .today = {&proposal->today->settings->policy, &proposal->today->lists,
                            proposal->today->rules},
                  .proposed = {&proposal->settings->policy, &proposal->lists, proposal->rules},
                  .samples_max = request->samples_max},
        .stop = &replay->stop,
        .tell = tell,
        .helper = know_helper,
        .context = replay,
    };
    replay_capacities(replay->engine, request->memory_bytes, options.judge.capacities);
    struct replay_progress progress;
    struct replay_report *report = NULL;
    const int error = replay_run(&options, &progress, &report);
    end(replay, error, &progress, report);
    return NULL;
}

/* --- asking -------------------------------------------------------------------------------------
 */

/* Mutex held. */
static void forget_last(struct replay *replay) {
    if (replay->joinable) {
        (void)pthread_join(replay->thread, NULL); /* It has told its end. */
        replay->joinable = false;
    }
    json_decref(replay->request.asked);
    replay->request.asked = NULL;
    replay_report_free(replay->report);
    replay->report = NULL;
}

static int start(struct replay *replay, const struct replay_request *request) {
    if (replay->status.state == REPLAY_RUNNING) {
        return -EBUSY;
    }
    const uint64_t last_id = replay->status.id;
    const int64_t now_ns = clock_wall_ns();
    forget_last(replay);
    atomic_store(&replay->stop, false);
    replay->request = *request;
    replay->started_boot_ns = clock_boot_ns();
    replay->status = (struct replay_status){
        .state = REPLAY_RUNNING,
        .id = (uint64_t)now_ns > last_id ? (uint64_t)now_ns : last_id + 1,
        .from_ns = request->from_ns,
        .to_ns = request->to_ns,
        .started_ns = now_ns,
    };
    const int error = pthread_create(&replay->thread, NULL, run, replay);
    replay->joinable = error == 0;
    if (error != 0) {
        replay->status.state = REPLAY_NEVER;
        replay->request = (struct replay_request){0};
    }
    return -error;
}

int replay_start(struct replay *replay, const struct replay_request *request, uint64_t *ret_id) {
    (void)pthread_mutex_lock(&replay->mutex);
    const int error = start(replay, request);
    *ret_id = replay->status.id;
    (void)pthread_mutex_unlock(&replay->mutex);
    if (error != 0) {
        replay_proposal_free(replay->engine, request->proposal);
        json_decref(request->asked);
    }
    return error;
}

/* Mutex held. */
static void wait_for_end(struct replay *replay) {
    const uint64_t id = replay->status.id;
    while (replay->status.state == REPLAY_RUNNING && replay->status.id == id) {
        (void)pthread_cond_wait(&replay->ended, &replay->mutex);
    }
}

void replay_wait(struct replay *replay) {
    (void)pthread_mutex_lock(&replay->mutex);
    wait_for_end(replay);
    (void)pthread_mutex_unlock(&replay->mutex);
}

bool replay_cancel(struct replay *replay) {
    (void)pthread_mutex_lock(&replay->mutex);
    const bool running = replay->status.state == REPLAY_RUNNING;
    if (running) {
        atomic_store(&replay->stop, true);
        hurry(replay);
    }
    wait_for_end(replay);
    (void)pthread_mutex_unlock(&replay->mutex);
    return running;
}

void replay_read(struct replay *replay, replay_visit *visit, void *context) {
    (void)pthread_mutex_lock(&replay->mutex);
    visit(context, &replay->status, replay->report, replay->request.asked);
    (void)pthread_mutex_unlock(&replay->mutex);
}

void replay_free(struct replay *replay) {
    if (replay == NULL) {
        return;
    }
    (void)replay_cancel(replay);
    forget_last(replay);
    (void)pthread_cond_destroy(&replay->ended);
    (void)pthread_mutex_destroy(&replay->mutex);
    free(replay);
}
