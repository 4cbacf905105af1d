/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/str.h"
#include "daemon/buffer_pool.h"

/* One connection from Postfix (or whoever speaks the policy protocol). Belongs to one worker and is
 * touched by its thread alone (by the main thread while the worker is parked for a hand-over).
 *
 *              bytes, not yet a request
 *                  ┌───┐   complete          decided          durable or not held
 *   accept ──► READING ──────────► QUEUED ────────────► HELD ──────────────► READING
 *                  ▲                  │ not held                                 ▲
 *                  └──────────────────┴──► WRITING (the peer does not read) ─────┘
 *   malformed ──► CLOSING (we have closed our side; what still comes is thrown away)
 *
 * One request at a time: bytes that come after it wait in the buffer, or in the kernel. */

enum session_state {
    SESSION_READING = 0, /* No complete request yet. Everything else waits for the peer. */
    SESSION_QUEUED,      /* A request is on the worker's turn list; it points into `input`. */
    SESSION_HELD,        /* Decided; the answer in `output` waits until the journal is synced. */
    SESSION_WRITING,     /* The socket took only part of the answer in `output`. */
    SESSION_CLOSING, /* So that the peer sees a clean end and no reset; CLOSING_MAX_NS at most. */
};

#define SESSION_CLOSING_MAX_NS INT64_C(1000000000)

struct worker;

struct session {
    struct event event;          /* Readable; writable while SESSION_WRITING. */
    TAILQ_ENTRY(session) order;  /* In worker->waiting, held or closing, oldest first. */
    STAILQ_ENTRY(session) again; /* In worker->again. */
    struct worker *worker;
    struct buffer *input;
    struct buffer *output;
    size_t input_length;
    size_t input_scanned; /* Of the request that is coming in (policy_request_frame). */
    size_t frame_length;  /* Of the request on the turn list. */
    size_t output_start;
    size_t output_length;
    int64_t since_ns; /* Boot clock: in this state since (READING: since the last answer). */
    uint64_t held_sequence;
    int fd;
    enum session_state state;
    bool input_ended; /* The peer has closed its side: answer what is complete, then close. */
    bool watched;     /* `event` is added. */
    bool in_again;
};

/* Takes the descriptor (non-blocking). `input` and `output` are bytes that another process had
 * already read, or not yet sent (hand-over); else empty. NULL when out of memory (the descriptor
 * stays the caller's). */
struct session *session_new(struct worker *worker, int fd, struct str input, struct str output);
/* Closes and recycles. */
void session_close(struct session *session);
/* Looks for the next complete request in the input and puts it on the worker's turn list; closes
 * the session when it is malformed or the peer is done. */
void session_next(struct session *session);
/* Sends "action=ACTION", empty line, and goes on with what the peer has sent meanwhile. */
void session_answer(struct session *session, struct str action);
/* Keeps the answer until the journal has synced `sequence`. */
void session_hold(struct session *session, struct str action, uint64_t sequence);
/* Sends a held answer. */
void session_release(struct session *session);
/* True when nothing is under way and nothing has arrived: closing it disturbs nobody. */
bool session_is_idle(const struct session *session);
