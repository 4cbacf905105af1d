/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/worker.h"

/* A pass reads from all sockets that are ready, and sends the answers of a turn, in a few calls
 * into the kernel (net/socket_batch.h). */

_Static_assert((size_t)WORKER_READ_MAX <= SOCKET_BATCH_MAX, "one batch");
_Static_assert((size_t)TURN_MAX <= SOCKET_BATCH_MAX, "one batch");

int worker_transfer_init(struct worker *worker) {
    worker->batch = socket_batch_new();
    worker->answer_bytes = calloc(TURN_MAX, SESSION_ANSWER_MAX);
    if (worker->batch == NULL || worker->answer_bytes == NULL) {
        return -ENOMEM;
    }
    const int refusal = socket_batch_refusal(worker->batch);
    if (refusal != 0 && worker->number == 0) {
        log_write(LOG_INFO, "Policy",
                  "io_uring refused by the kernel (%s): each request is read and answered by calls "
                  "of its own, which takes up to a fifth more of the processor",
                  strerror(refusal));
    }
    return 0;
}

void worker_transfer_done(struct worker *worker) {
    socket_batch_free(worker->batch);
    free(worker->answer_bytes);
}

void worker_read(struct worker *worker, struct session *session) {
    worker->reading[worker->reading_count++] = session;
    session->reading = true;
    if (worker->reading_count == WORKER_READ_MAX) {
        worker_read_all(worker);
    }
}

void worker_read_all(struct worker *worker) {
    struct socket_transfer transfers[WORKER_READ_MAX];
    size_t count = 0;
    for (size_t i = 0; i < worker->reading_count; i++) {
        struct session *session = worker->reading[i];
        if (session_make_room(session, &transfers[count])) {
            worker->reading[count++] = session;
        }
    }
    socket_batch_receive(worker->batch, transfers, count);
    for (size_t i = 0; i < count; i++) {
        session_received(worker->reading[i], transfers[i].result);
    }
    worker->reading_count = 0;
}

/* Where the next answer of the batch goes. */
static char *answer_place(struct worker *worker) {
    if (worker->answer_count == TURN_MAX) {
        worker_send_answers(worker);
    }
    return worker->answer_bytes + worker->answer_length;
}

static void add_answer(struct worker *worker, struct session *session, char *bytes, size_t length) {
    worker->answers[worker->answer_count] =
        (struct socket_transfer){.fd = session->fd, .bytes = bytes, .length = length};
    worker->answering[worker->answer_count++] = session;
    worker->answer_length += length;
}

void worker_answer(struct worker *worker, struct session *session, struct str action) {
    char *bytes = answer_place(worker);
    add_answer(worker, session, bytes, session_write_answer(session, action, bytes));
}

void worker_answer_held(struct worker *worker, struct session *session) {
    char *bytes = answer_place(worker);
    add_answer(worker, session, bytes, session_release(session, bytes));
}

void worker_send_answers(struct worker *worker) {
    const size_t count = worker->answer_count;
    socket_batch_send(worker->batch, worker->answers, count);
    worker->answer_count = 0;
    worker->answer_length = 0;
    for (size_t i = 0; i < count; i++) {
        session_answered(worker->answering[i], &worker->answers[i]);
    }
}
