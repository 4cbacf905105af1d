/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/check.h"

/* recv() and send() on many sockets in one call into the kernel, by io_uring (io_uring(7)). Where
 * the kernel gives no ring (kernel.io_uring_disabled, a seccomp filter), one call for each: the
 * same results, dearer. Nothing ever waits, and when a call returns the kernel has done all of it
 * and keeps no buffer.
 *
 * One thread at a time uses a batch. */

enum { SOCKET_BATCH_MAX = 128 };

struct socket_transfer {
    int fd;
    void *bytes; /* borrowed; of a send they stay as they are */
    size_t length;
    ssize_t result; /* bytes, 0 of a receive: the peer has ended its side; else a negative errno,
                       -EAGAIN among them */
};

struct socket_batch;

/* NULL when out of memory. */
MUST_USE struct socket_batch *socket_batch_new(void);
void socket_batch_free(struct socket_batch *batch);
/* 0: it has a ring; else the errno with which the kernel refused one. */
int socket_batch_refusal(const struct socket_batch *batch);

/* Each fills the results. count <= SOCKET_BATCH_MAX; a socket stands among them once. No SIGPIPE.
 */
void socket_batch_receive(struct socket_batch *batch, struct socket_transfer *transfers,
                          size_t count);
void socket_batch_send(struct socket_batch *batch, struct socket_transfer *transfers, size_t count);
