/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "daemon/replay_proposal.h"
#include "daemon/replay_run.h"

/* The daemon's replay: one at a time, in the background, its result kept until the next begins or
 * the daemon ends. It runs in the idle class, so that it makes way at once when a worker, the
 * journal or the recorder wakes, and never takes the state lock; on a machine that has no time to
 * spare it takes long. Any thread. */

enum replay_state {
    REPLAY_NEVER = 0, /* none since start */
    REPLAY_RUNNING,
    REPLAY_DONE,
    REPLAY_CANCELLED,
    REPLAY_FAILED
};
const char *replay_state_name(enum replay_state state); /* "none" "running" "done" ... */

/* What is asked. */
struct replay_request {
    int64_t from_ns; /* wall clock */
    int64_t to_ns;
    uint64_t decisions_max;
    size_t samples_max;
    uint64_t memory_bytes;            /* of the simulated tables */
    struct replay_proposal *proposal; /* taken over, whatever the result */
    json_t *asked;                    /* the proposal as it was sent; likewise */
};

struct replay_status {
    enum replay_state state;
    uint64_t id; /* of the run: never used twice, over restarts too */
    int64_t from_ns;
    int64_t to_ns;
    int64_t started_ns; /* wall clock */
    int64_t duration_ns;
    int error;   /* of REPLAY_FAILED: negative errno */
    double part; /* done, by time: 0 to 1 */
    struct replay_progress progress;
};

struct replay;
/* NULL: out of memory. */
struct replay *replay_new(struct engine *engine);
/* Cancels what runs. */
void replay_free(struct replay *replay);

/* -EBUSY: one is running. */
MUST_USE int replay_start(struct replay *replay, const struct replay_request *request,
                          uint64_t *ret_id);
/* Waits until the one that runs, if any, has ended. */
void replay_wait(struct replay *replay);
/* Ends it and waits. False: none is running. */
bool replay_cancel(struct replay *replay);
/* `report` NULL while it runs and when there is none; it and `asked` live until the visitor
 * returns. The visitor must not call the replay. */
typedef void replay_visit(void *context, const struct replay_status *status,
                          const struct replay_report *report, json_t *asked);
void replay_read(struct replay *replay, replay_visit *visit, void *context);
