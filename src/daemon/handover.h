/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "daemon/server.h"

/* Restart in place (DESIGN 3): a new process takes over the sockets and the journal, and no client
 * notices. Over a socket pair (SOCK_SEQPACKET), of which the new process is given one end as
 * `--handover FD`:
 *
 *   new: loads the snapshot, follows ring and journal            old: goes on answering
 *   new ── READY ──────────────────────────────────────────────► old stops reading, answers what is
 *                                                                in flight, yields the journal
 *   new ◄─ STATE (lock, control and listening sockets, clock) ── old
 *   new ◄─ SESSIONS, SESSION + BYTES ..., END ────────────────── old
 *   new: reads the last records
 *   new ── TAKING ─────────────────────────────────────────────► from here old never goes on
 *   new: the journal is its own; listens and answers
 *   new ── DONE ───────────────────────────────────────────────► old leaves, touching nothing
 *
 * If the new process ends or is late before TAKING, the old one goes on as if nothing had been. */

#define HANDOVER_READY_NS INT64_C(30000000000) /* to load the state */
#define HANDOVER_STEP_NS  INT64_C(30000000000) /* for each message after it */

/* What a new process is given. Descriptors are the receiver's. */
struct handover {
    int lock_fd;
    int control_fd; /* -1: there was none */
    struct decision_clock clock;
    int listen_fds[SERVER_LISTENERS_MAX]; /* those that the old process had inherited first */
    unsigned listen_count;
    unsigned listen_own;             /* the last so many it had opened itself */
    struct passed_session *sessions; /* bytes malloc'd */
    size_t session_count;
};

/* A socket pair with both ends close-on-exec; negative errno. */
MUST_USE int handover_pair(int ret_fds[2]);
/* Starts `path` with `arguments` (argv, without any --handover) and the socket `fd`, which has the
 * same number there. Returns the process id or a negative errno. */
MUST_USE int handover_spawn(const char *path, char *const *arguments, int fd);

/* Old process, after READY has come. Sends everything; 0, or a negative errno: go on. */
MUST_USE int handover_send(int fd, struct server *server, int lock_fd, int control_fd,
                           const struct decision_clock *clock);
enum handover_result { HANDOVER_DONE = 0, HANDOVER_FAILED, HANDOVER_LOST };
/* Old process: waits for TAKING and DONE. FAILED: nothing was taken, go on. LOST: the new process
 * died after it had taken the journal. */
enum handover_result handover_wait(int fd);
/* Old process: READY has arrived on `fd`, which is readable. False: the other side has ended. */
bool handover_is_ready(int fd);

/* New process: says READY, follows the journal until the old process has stopped, and receives. */
MUST_USE int handover_receive(int fd, struct engine *engine, struct handover *ret_handover,
                              struct text *problem);
void handover_say_taking(int fd);
void handover_say_done(int fd);
/* Frees memory; descriptors belong to their takers. */
void handover_done(struct handover *handover);
