/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/session.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/worker.h"

enum { LOGGED_LINE_MAX = 80 };

static void on_ready(evutil_socket_t fd, short what, void *context);

static void watch(struct session *session, short what) {
    if (session->watched) {
        return;
    }
    CHECK(event_assign(&session->event, session->worker->base, session->fd,
                       (short)(what | EV_PERSIST), on_ready, session) == 0);
    CHECK(event_add(&session->event, NULL) == 0);
    session->watched = true;
}

static void unwatch(struct session *session) {
    if (session->watched) {
        (void)event_del(&session->event);
        session->watched = false;
    }
}

static struct session_order *order_of(struct session *session) {
    struct worker *worker = session->worker;
    switch (session->state) {
    case SESSION_HELD:
        return &worker->held;
    case SESSION_CLOSING:
        return &worker->closing;
    case SESSION_READING:
    case SESSION_QUEUED:
    case SESSION_FETCHING:
    case SESSION_WRITING:
        break;
    }
    return &worker->waiting;
}

static void change_state(struct session *session, enum session_state state) {
    TAILQ_REMOVE(order_of(session), session, order);
    session->state = state;
    session->since_ns = session->worker->now_ns;
    TAILQ_INSERT_TAIL(order_of(session), session, order);
}

static void drop_input(struct session *session) {
    buffer_put(&session->worker->buffers, session->input);
    session->input = NULL;
    session->input_length = 0;
    session->input_scanned = 0;
}

static void drop_output(struct session *session) {
    buffer_put(&session->worker->buffers, session->output);
    session->output = NULL;
    session->output_start = 0;
    session->output_length = 0;
}

void session_close(struct session *session) {
    struct worker *worker = session->worker;
    CHECK(!session->reading);
    unwatch(session);
    (void)close(session->fd);
    TAILQ_REMOVE(order_of(session), session, order);
    if (session->in_again) {
        STAILQ_REMOVE(&worker->again, session, session, again);
    }
    worker_drop_fetch(session);
    drop_input(session);
    drop_output(session);
    session_drop_message(session);
    atomic_fetch_sub_explicit(&worker->connections, 1, memory_order_relaxed);
    worker_recycle_session(worker, session);
}

void session_end(struct session *session) {
    session_end_message(session);
    session_close(session);
}

bool session_is_idle(const struct session *session) {
    if (session->state == SESSION_WRITING) {
        return true; /* The peer has not taken its answer for as long as it is in this state. */
    }
    if (session->state != SESSION_READING || session->in_again || session->reading) {
        return false;
    }
    char byte;
    return recv(session->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

/* --- reading ------------------------------------------------------------------------------------
 */

static void log_malformed(struct session *session, enum policy_request_result result,
                          struct str at) {
    static struct log_throttle throttles[POLICY_REQUEST_RESULTS];
    counter_add(&session->worker->counters->malformed[result], 1);
    uint64_t suppressed = 0;
    if (!log_throttle_pass(&throttles[result], &suppressed)) {
        return;
    }
    char bytes[4 * LOGGED_LINE_MAX + 8];
    struct text line = TEXT_OVER(bytes);
    text_add_escaped(&line, str_slice(at, 0, LOGGED_LINE_MAX));
    const char *cause = result == POLICY_REQUEST_MORE ? "the connection ended within it"
                                                      : policy_request_problem(result);
    log_write(
        LOG_WARN, "Policy",
        "Request not understood: %s%s%.*s%s; connection closed (%llu more since the last such "
        "line)",
        cause, at.length > 0 ? ", near \"" : "", STR_ARGS(text_str(&line)),
        at.length > 0 ? "\"" : "", (unsigned long long)suppressed);
}

static void refuse(struct session *session, enum policy_request_result result, struct str at) {
    log_malformed(session, result, at);
    if (session->input_ended || shutdown(session->fd, SHUT_WR) != 0) {
        session_end(session);
        return;
    }
    drop_input(session);
    change_state(session, SESSION_CLOSING);
    watch(session, EV_READ);
    worker_start_ticking(session->worker);
}

static void throw_away(struct session *session) {
    char bytes[4096];
    const ssize_t got = recv(session->fd, bytes, sizeof bytes, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        session_end(session);
    }
}

/* Newlines between requests are no part of the next: else somebody could fill the buffer with them.
 */
static void skip_newlines(struct session *session) {
    const char *bytes = session->input->bytes;
    size_t skip = 0;
    while (skip < session->input_length && (bytes[skip] == '\n' || bytes[skip] == '\r')) {
        skip++;
    }
    if (skip > 0) {
        session->input_length -= skip;
        memmove(session->input->bytes, bytes + skip, session->input_length);
        session->input_scanned = 0;
    }
}

static void wait_for_more(struct session *session) {
    if (session->input_length == 0) {
        drop_input(session);
    }
    if (!session->input_ended) {
        watch(session, EV_READ);
    } else if (session->input_length == 0) {
        session_end(session); /* Connect-and-close, or closed after its last answer. */
    } else {
        refuse(session, POLICY_REQUEST_MORE, (struct str){0});
    }
}

void session_next(struct session *session) {
    const struct policy_request_limits limits = session_limits(session);
    if (session->input != NULL && session->input_scanned == 0) {
        skip_newlines(session);
    }
    if (session->input_length == 0) {
        wait_for_more(session);
        return;
    }
    const struct str input = {session->input->bytes, session->input_length};
    const struct policy_request_frame frame =
        policy_request_frame(input, &session->input_scanned, &limits);
    if (frame.result == POLICY_REQUEST_MORE) {
        wait_for_more(session);
        return;
    }
    if (frame.result != POLICY_REQUEST_OK) {
        refuse(session, frame.result, input);
        return;
    }
    struct str at = {0};
    struct policy_request *request = worker_next_request(session->worker);
    const enum policy_request_result result =
        policy_request_parse(str_slice(input, 0, frame.length), &limits, request, &at);
    if (result != POLICY_REQUEST_OK) {
        refuse(session, result, at);
        return;
    }
    request->policy_client = (struct str){session->peer, session->peer_length};
    if (session->message != NULL && !str_equal(session->message_instance, request->instance)) {
        session_end_message(session);
    }
    session->frame_length = frame.length;
    session->state = SESSION_QUEUED;
    worker_queue(session->worker, session);
}

/* A buffer with room for at least one byte more. The frame reports a request that is too long
 * before the largest buffer is full. */
static bool have_room(struct session *session) {
    struct buffer_pool *pool = &session->worker->buffers;
    if (session->input == NULL) {
        session->input = buffer_get(pool, BUFFER_SMALL_BYTES);
        return session->input != NULL;
    }
    if (session->input_length < session->input->size) {
        return true;
    }
    const size_t most = session_limits(session).request_bytes_max + BUFFER_SMALL_BYTES;
    const size_t twice = 2 * session->input->size;
    struct buffer *larger = buffer_get(pool, twice > most ? twice : most);
    if (larger == NULL) {
        return false;
    }
    memcpy(larger->bytes, session->input->bytes, session->input_length);
    buffer_put(pool, session->input);
    session->input = larger;
    return true;
}

bool session_make_room(struct session *session, struct socket_transfer *ret_transfer) {
    if (!have_room(session)) {
        log_write(LOG_ERROR, "Policy", "Out of memory for a request; connection closed");
        session->reading = false;
        session_end(session);
        return false;
    }
    const struct buffer *input = session->input;
    *ret_transfer = (struct socket_transfer){
        .fd = session->fd,
        .bytes = session->input->bytes + session->input_length,
        .length = input->size - session->input_length,
    };
    return true;
}

void session_received(struct session *session, ssize_t result) {
    session->reading = false;
    if (result > 0) {
        session->input_length += (size_t)result;
        session_next(session);
    } else if (result == 0) {
        session->input_ended = true;
        unwatch(session);
        session_next(session);
    } else if (result == -EAGAIN) {
        wait_for_more(session);
    } else {
        session_end(session);
    }
}

/* --- writing ------------------------------------------------------------------------------------
 */

/* After an answer: the next request may be in the buffer already, or the peer may be done. */
static void go_on(struct session *session) {
    session->state = SESSION_READING;
    TAILQ_REMOVE(&session->worker->waiting, session, order);
    session->since_ns = session->worker->now_ns;
    TAILQ_INSERT_TAIL(&session->worker->waiting, session, order);
    if (session->input_length > 0 || session->input_ended) {
        worker_again(session->worker, session);
        return;
    }
    drop_input(session);
    watch(session, EV_READ);
}

static void take_request_off(struct session *session) {
    const size_t rest = session->input_length - session->frame_length;
    if (rest > 0) {
        memmove(session->input->bytes, session->input->bytes + session->frame_length, rest);
    }
    session->input_length = rest;
    session->input_scanned = 0;
    session->frame_length = 0;
}

static size_t format_answer(struct str action, char *out, size_t size) {
    struct text text = {.data = out, .size = size};
    text_add(&text, STR("action="));
    text_add(&text, action);
    text_add(&text, STR("\n\n"));
    CHECK(!text.truncated);
    return text.length;
}

static bool keep_output(struct session *session, const char *bytes, size_t length) {
    session->output = buffer_get(&session->worker->buffers, BUFFER_SMALL_BYTES);
    if (session->output == NULL) {
        log_write(LOG_ERROR, "Policy", "Out of memory for an answer; connection closed");
        session_end(session);
        return false;
    }
    CHECK(length <= session->output->size);
    memcpy(session->output->bytes, bytes, length);
    session->output_start = 0;
    session->output_length = length;
    return true;
}

size_t session_write_answer(struct session *session, struct str action, char *ret_bytes) {
    const size_t length = format_answer(action, ret_bytes, SESSION_ANSWER_MAX);
    take_request_off(session);
    return length;
}

void session_answered(struct session *session, const struct socket_transfer *transfer) {
    const ssize_t sent = transfer->result;
    if (sent == (ssize_t)transfer->length) {
        go_on(session);
        return;
    }
    if (sent < 0 && sent != -EAGAIN) {
        session_end(session);
        return;
    }
    const size_t done = sent > 0 ? (size_t)sent : 0;
    const char *bytes = transfer->bytes;
    if (keep_output(session, bytes + done, transfer->length - done)) {
        change_state(session, SESSION_WRITING);
        unwatch(session);
        watch(session, EV_WRITE);
    }
}

static void write_some(struct session *session) {
    const ssize_t sent = send(session->fd, session->output->bytes + session->output_start,
                              session->output_length - session->output_start, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        session_end(session);
        return;
    }
    session->output_start += sent > 0 ? (size_t)sent : 0;
    if (session->output_start < session->output_length) {
        watch(session, EV_WRITE);
        return;
    }
    drop_output(session);
    unwatch(session);
    go_on(session);
}

void session_hold(struct session *session, struct str action, uint64_t sequence) {
    char bytes[SESSION_ANSWER_MAX];
    const size_t length = session_write_answer(session, action, bytes);
    if (keep_output(session, bytes, length)) {
        change_state(session, SESSION_HELD);
        session->held_sequence = sequence;
    }
}

size_t session_release(struct session *session, char *ret_bytes) {
    CHECK(session->state == SESSION_HELD);
    const size_t length = session->output_length;
    latency_note(&session->worker->latency, clock_boot_ns() - session->arrived_ns);
    memcpy(ret_bytes, session->output->bytes, length);
    drop_output(session);
    change_state(session, SESSION_QUEUED);
    return length;
}

static void on_ready(evutil_socket_t fd, short what, void *context) {
    (void)fd;
    (void)what;
    struct session *session = context;
    worker_begin(session->worker);
    switch (session->state) {
    case SESSION_READING:
        if (session->in_again) {
            unwatch(session); /* Its buffer comes first. */
        } else {
            worker_read(session->worker, session);
        }
        break;
    case SESSION_QUEUED:
    case SESSION_FETCHING:
    case SESSION_HELD:
        unwatch(session); /* One request at a time: the rest waits in the kernel. */
        break;
    case SESSION_WRITING:
        write_some(session);
        break;
    case SESSION_CLOSING:
        throw_away(session);
        break;
    }
}

struct session *session_new(struct worker *worker, int fd, struct str input, struct str output) {
    struct session *session = worker_allocate_session(worker);
    if (session == NULL) {
        return NULL;
    }
    *session = (struct session){.worker = worker, .fd = fd, .since_ns = worker->now_ns};
    session_note_peer(session);
    TAILQ_INSERT_TAIL(&worker->waiting, session, order);
    if (input.length > 0) {
        const size_t most = session_limits(session).request_bytes_max + BUFFER_SMALL_BYTES;
        session->input = buffer_get(&worker->buffers, input.length > most ? input.length : most);
        CHECK(session->input != NULL);
        memcpy(session->input->bytes, input.data, input.length);
        session->input_length = input.length;
    }
    if (output.length > 0) {
        CHECK(keep_output(session, output.data, output.length));
        session->state = SESSION_WRITING;
        watch(session, EV_WRITE);
    } else if (input.length > 0) {
        worker_again(worker, session);
    } else {
        watch(session, EV_READ);
    }
    return session;
}
