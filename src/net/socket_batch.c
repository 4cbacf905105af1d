/* SPDX-License-Identifier: Apache-2.0 */
#include "net/socket_batch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <liburing.h>

#include "base/check.h"
#include "base/log.h"

struct socket_batch {
    struct io_uring ring;
    int refusal; /* not 0: there is no ring */
};

enum direction { RECEIVE, SEND };

/* With MSG_DONTWAIT the kernel finishes an operation while it is submitted, with -EAGAIN if need
 * be, instead of keeping it until the socket is ready. */
enum { RECEIVE_FLAGS = MSG_DONTWAIT, SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL };

/* No result of the kernel: what the ring did not do. */
#define UNDONE (-SSIZE_MAX)

struct socket_batch *socket_batch_new(void) {
    struct socket_batch *batch = calloc(1, sizeof *batch);
    if (batch != NULL) {
        batch->refusal = -io_uring_queue_init(SOCKET_BATCH_MAX, &batch->ring, 0);
    }
    return batch;
}

static void give_ring_up(struct socket_batch *batch, int error) {
    io_uring_queue_exit(&batch->ring);
    batch->refusal = error;
}

void socket_batch_free(struct socket_batch *batch) {
    if (batch != NULL && batch->refusal == 0) {
        give_ring_up(batch, ECANCELED);
    }
    free(batch);
}

int socket_batch_refusal(const struct socket_batch *batch) {
    return batch->refusal;
}

static void prepare(struct socket_batch *batch, enum direction direction,
                    struct socket_transfer *transfer, size_t index) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&batch->ring);
    CHECK(entry != NULL);
    if (direction == RECEIVE) {
        io_uring_prep_recv(entry, transfer->fd, transfer->bytes, transfer->length, RECEIVE_FLAGS);
    } else {
        io_uring_prep_send(entry, transfer->fd, transfer->bytes, transfer->length, SEND_FLAGS);
    }
    io_uring_sqe_set_data64(entry, index);
    transfer->result = UNDONE;
}

/* How many the kernel took; fewer than `count` when it could not go on, *ret_error says why. */
static size_t submit(struct socket_batch *batch, size_t count, int *ret_error) {
    size_t taken = 0;
    while (taken < count) {
        const int some = io_uring_submit(&batch->ring);
        if (some == -EINTR) {
            continue;
        }
        if (some <= 0) {
            *ret_error = some < 0 ? -some : EIO;
            return taken;
        }
        taken += (size_t)some;
    }
    return taken;
}

static void collect(struct socket_batch *batch, struct socket_transfer *transfers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct io_uring_cqe *done = NULL;
        int error;
        do {
            error = io_uring_wait_cqe(&batch->ring, &done);
        } while (error == -EINTR);
        CHECK(error == 0);
        if (done->res != -EINTR) { /* A signal came first: by a call of its own, then. */
            transfers[io_uring_cqe_get_data64(done)].result = done->res;
        }
        io_uring_cqe_seen(&batch->ring, done);
    }
}

static void by_ring(struct socket_batch *batch, enum direction direction,
                    struct socket_transfer *transfers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        prepare(batch, direction, &transfers[i], i);
    }
    int error = 0;
    const size_t taken = submit(batch, count, &error);
    collect(batch, transfers, taken);
    if (taken < count) {
        log_write(LOG_WARN, "Policy",
                  "io_uring failed (%s) and is not used any more; nothing is lost",
                  strerror(error));
        give_ring_up(batch, error);
    }
}

static ssize_t by_call(enum direction direction, const struct socket_transfer *transfer) {
    ssize_t result;
    do {
        result = direction == RECEIVE
                     ? recv(transfer->fd, transfer->bytes, transfer->length, RECEIVE_FLAGS)
                     : send(transfer->fd, transfer->bytes, transfer->length, SEND_FLAGS);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}

static void transfer_all(struct socket_batch *batch, enum direction direction,
                         struct socket_transfer *transfers, size_t count) {
    CHECK(count <= SOCKET_BATCH_MAX);
    const bool ring = count > 1 && batch->refusal == 0;
    if (ring) {
        by_ring(batch, direction, transfers, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (!ring || transfers[i].result == UNDONE) {
            transfers[i].result = by_call(direction, &transfers[i]);
        }
    }
}

void socket_batch_receive(struct socket_batch *batch, struct socket_transfer *transfers,
                          size_t count) {
    transfer_all(batch, RECEIVE, transfers, count);
}

void socket_batch_send(struct socket_batch *batch, struct socket_transfer *transfers,
                       size_t count) {
    transfer_all(batch, SEND, transfers, count);
}
