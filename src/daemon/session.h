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
#include "daemon/engine.h"
#include "net/socket_batch.h"

/* One connection from Postfix (or whoever speaks the policy protocol). Belongs to one worker and is
 * touched by its thread alone (by the main thread while the worker is parked for a hand-over).
 *
 *              bytes, not yet a request
 *                  ┌───┐   complete          decided          durable or not held
 *                           FETCHING (facts, daemon/fetch.h)
 *                              ▲  │
 *                              │  ▼
 *   accept ──► READING ──────────► QUEUED ────────────► HELD ──────────────► READING
 *                  ▲                  │ not held                                 ▲
 *                  └──────────────────┴──► WRITING (the peer does not read) ─────┘
 *   malformed ──► CLOSING (we have closed our side; what still comes is thrown away)
 *
 * One request at a time: bytes that come after it wait in the buffer, or in the kernel.
 *
 * A message for which recipients are reserved (quotas) ends with END-OF-MESSAGE, or when the peer
 * begins another message or goes away; then the engine is told by a request of its own
 * (PROTOCOL_STATE_ENDED), made of the last request that reserved, which is kept until then. After a
 * restart in place nothing is kept: such reservations end by their time. */

enum session_state {
    SESSION_READING = 0, /* No complete request yet. Everything else waits for the peer. */
    SESSION_QUEUED,      /* A request is on the worker's turn list; it points into `input`. Or its
                            answer is being sent. */
    SESSION_FETCHING,    /* Its decision needs facts; `input` stays as it is. */
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
    int64_t arrived_ns;     /* SESSION_HELD: when the request was complete */
    struct fetch *fetch;    /* SESSION_FETCHING; NULL otherwise */
    struct buffer *message; /* The request that opened the message under way; NULL: none. */
    size_t message_length;
    struct str message_instance; /* Inside `message`. */
    uint8_t peer_length;
    char peer[POLICY_CLIENT_MAX]; /* policy_client of its requests */
    int fd;
    enum session_state state;
    bool input_ended; /* The peer has closed its side: answer what is complete, then close. */
    bool watched;     /* `event` is added. */
    bool in_again;
    bool reading; /* In worker->reading, for the rest of the pass: nobody closes it meanwhile. */
};

/* Takes the descriptor (non-blocking). `input` and `output` are bytes that another process had
 * already read, or not yet sent (hand-over); else empty. NULL when out of memory (the descriptor
 * stays the caller's). */
struct session *session_new(struct worker *worker, int fd, struct str input, struct str output);
/* Closes and recycles. Says nothing about its message: this process or the next goes on with it. */
void session_close(struct session *session);
/* The same when the peer is gone: its message has ended. Within a pass of the worker. */
void session_end(struct session *session);
/* Tells the engine that the message under way has ended, if there is one; forgets it. */
void session_end_message(struct session *session);
void session_drop_message(struct session *session);
/* Fills peer from the connection: the address of another host, nothing for this one. */
void session_note_peer(struct session *session);
struct policy_request_limits session_limits(const struct session *session);
/* After a decision, before the answer is sent: what it means for the message under way. */
void session_note_message(struct session *session, const struct turn_item *item);
/* Looks for the next complete request in the input and puts it on the worker's turn list; closes
 * the session when it is malformed or the peer is done. */
void session_next(struct session *session);
/* Where the next bytes from the peer go. False: out of memory, the session is gone. */
bool session_make_room(struct session *session, struct socket_transfer *ret_transfer);
/* Goes on with what came: bytes in that room, the peer's end, or an error. */
void session_received(struct session *session, ssize_t result);
/* Writes "action=ACTION" and an empty line, up to SESSION_ANSWER_MAX bytes, and is done with the
 * request. Returns their number. */
enum { SESSION_ANSWER_MAX = REPLY_MAX + 16 };
size_t session_write_answer(struct session *session, struct str action, char *ret_bytes);
/* Goes on after these bytes were sent, all or some, or not. */
void session_answered(struct session *session, const struct socket_transfer *transfer);
/* Keeps the answer until the journal has synced `sequence`. */
void session_hold(struct session *session, struct str action, uint64_t sequence);
/* Writes a held answer, up to SESSION_ANSWER_MAX bytes, to be sent now. Returns their number. */
size_t session_release(struct session *session, char *ret_bytes);
/* True when nothing is under way and nothing has arrived: closing it disturbs nobody. */
bool session_is_idle(const struct session *session);
