/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/worker.h"

/* A pass reads from all sockets that are ready, and sends the answers of a turn, in a few calls
 * into the kernel (net/socket_batch.h). */

_Static_assert((size_t)WORKER_READ_MAX <= SOCKET_BATCH_MAX, "one batch");
_Static_assert((size_t)TURN_MAX <= SOCKET_BATCH_MAX, "one batch");

int worker_transfer_init(struct worker *worker) {
    worker->batch = socket_batch_new();
    worker->answer_bytes = calloc(TURN_MAX, SESSION_ANSWER_MAX);
    return worker->batch != NULL && worker->answer_bytes != NULL ? 0 : -ENOMEM;
}

void worker_transfer_done(struct worker *worker) {
    socket_batch_free(worker->batch);
    free(worker->answer_bytes);
}

void worker_read(struct worker *worker, struct session *session) {
    worker->reading[worker->reading_count++] = session;
    session->reading = (uint16_t)worker->reading_count;
    if (worker->reading_count == WORKER_READ_MAX) {
        worker_read_all(worker);
    }
}

void worker_read_all(struct worker *worker) {
    struct socket_transfer transfers[WORKER_READ_MAX];
    size_t count = 0;
    for (size_t i = 0; i < worker->reading_count; i++) {
        struct session *session = worker->reading[i];
        if (session != NULL && session_make_room(session, &transfers[count])) {
            worker->reading[count++] = session;
            session->reading = (uint16_t)count;
        }
    }
    socket_batch_receive(worker->batch, transfers, count);
    for (size_t i = 0; i < count; i++) {
        struct session *session = worker->reading[i];
        if (session != NULL) { /* A turn in between may have closed it. */
            session->reading = 0;
            session_received(session, transfers[i].result);
        }
    }
    worker->reading_count = 0;
}

void worker_answer(struct worker *worker, struct session *session, struct str action) {
    char *bytes = worker->answer_bytes + worker->answer_length;
    const size_t length = session_write_answer(session, action, bytes);
    worker->answers[worker->answer_count] =
        (struct socket_transfer){.fd = session->fd, .bytes = bytes, .length = length};
    worker->answering[worker->answer_count++] = session;
    worker->answer_length += length;
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
