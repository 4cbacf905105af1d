/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum message_type {
    MESSAGE_READY = 1,
    MESSAGE_STATE,
    MESSAGE_SESSIONS, /* connections without bytes: as many as descriptors */
    MESSAGE_SESSION,  /* one with bytes, which follow */
    MESSAGE_BYTES,
    MESSAGE_END,
    MESSAGE_TAKING,
    MESSAGE_DONE,
};

enum {
    MESSAGE_MAGIC = 0x537a4831, /* raise it when the layout below changes */
    MESSAGE_FDS_MAX = 200,      /* the kernel takes 253 */
    MESSAGE_BYTES_MAX = 32 * 1024,
    SESSION_BYTES_MAX = 4 * 1024 * 1024,
    FOLLOW_MS = 20,
    ARGUMENTS_MAX = 64,
};

struct message {
    uint32_t magic;
    uint32_t type;
    uint32_t fd_count;
    uint32_t input_length;  /* SESSION */
    uint32_t output_length; /* SESSION */
    uint32_t has_control;   /* STATE */
    int64_t now_ns;         /* STATE: struct decision_clock */
    int64_t last_boot_ns;
    int64_t offset_ns;
    uint32_t stepped;
    uint32_t gap;
    uint32_t waiting;
    uint32_t listen_own; /* STATE: of the listening sockets, those that are not inherited */
};

/* --- messages -----------------------------------------------------------------------------------
 */

static int wait_for(int fd, short what, int64_t timeout_ns) {
    struct pollfd poll_fd = {.fd = fd, .events = what};
    const int ready = poll(&poll_fd, 1, (int)(timeout_ns / NS_PER_MS));
    if (ready < 0) {
        return -errno;
    }
    return ready == 0 ? -ETIMEDOUT : 0;
}

union fd_control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
};

static int send_message(int fd, struct message *message, struct str payload, const int *fds) {
    message->magic = MESSAGE_MAGIC;
    struct iovec parts[2] = {
        {.iov_base = message, .iov_len = sizeof *message},
        {.iov_base = (void *)(uintptr_t)payload.data, .iov_len = payload.length},
    };
    struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2};
    union fd_control control = {0};
    if (message->fd_count > 0) {
        const size_t bytes = message->fd_count * sizeof(int);
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(bytes);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(bytes);
        memcpy(CMSG_DATA(rights), fds, bytes);
    }
    for (;;) {
        const int error = wait_for(fd, POLLOUT, HANDOVER_STEP_NS);
        if (error != 0) {
            return error;
        }
        if (sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
            return 0;
        }
        if (errno != EAGAIN && errno != EINTR) {
            return -errno;
        }
    }
}

static int send_word(int fd, enum message_type type) {
    struct message message = {.type = type};
    return send_message(fd, &message, (struct str){0}, NULL);
}

static void take_fds(struct msghdr *header, struct message *message, int *ret_fds) {
    const struct cmsghdr *rights = CMSG_FIRSTHDR(header);
    uint32_t count = 0;
    if (rights != NULL && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS) {
        count = (uint32_t)((rights->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(ret_fds, CMSG_DATA(rights), count * sizeof(int));
    }
    message->fd_count = count;
}

/* `payload` has room for MESSAGE_BYTES_MAX; ret_fds for MESSAGE_FDS_MAX. */
static int receive_message(int fd, struct message *ret, char *payload, size_t *ret_length,
                           int *ret_fds) {
    int error = wait_for(fd, POLLIN, HANDOVER_STEP_NS);
    if (error != 0) {
        return error;
    }
    struct iovec parts[2] = {
        {.iov_base = ret, .iov_len = sizeof *ret},
        {.iov_base = payload, .iov_len = MESSAGE_BYTES_MAX},
    };
    union fd_control control;
    struct msghdr header = {.msg_iov = parts,
                            .msg_iovlen = 2,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    const ssize_t got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    if (got <= 0) {
        return got == 0 ? -ECONNRESET : -errno;
    }
    const uint32_t announced = ret->fd_count;
    take_fds(&header, ret, ret_fds);
    if ((size_t)got < sizeof *ret || ret->magic != MESSAGE_MAGIC || announced != ret->fd_count ||
        (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        return -EPROTO;
    }
    *ret_length = (size_t)got - sizeof *ret;
    return 0;
}

static int receive_word(int fd, enum message_type *ret_type) {
    static char payload[MESSAGE_BYTES_MAX]; /* Main thread alone. */
    struct message message;
    size_t length;
    int fds[MESSAGE_FDS_MAX];
    const int error = receive_message(fd, &message, payload, &length, fds);
    if (error == 0) {
        *ret_type = (enum message_type)message.type;
    }
    return error;
}

/* --- starting the new process -------------------------------------------------------------------
 */

int handover_pair(int ret_fds[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) == 0 ? 0 : -errno;
}

int handover_spawn(const char *path, char *const *arguments, int fd) {
    char number[16];
    char option[] = "--handover";
    char *list[ARGUMENTS_MAX + 3];
    size_t count = 0;
    while (count < ARGUMENTS_MAX && arguments[count] != NULL) {
        list[count] = arguments[count];
        count++;
    }
    (void)snprintf(number, sizeof number, "%d", fd);
    list[count++] = option;
    list[count++] = number;
    list[count] = NULL;

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    (void)sigemptyset(&none);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);
    /* The same number twice takes close-on-exec off. */
    (void)posix_spawn_file_actions_adddup2(&actions, fd, fd);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t pid;
    const int error = posix_spawn(&pid, path, &actions, &attributes, list, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    return error != 0 ? -error : pid;
}

/* --- the old process ----------------------------------------------------------------------------
 */

bool handover_is_ready(int fd) {
    enum message_type type;
    return receive_word(fd, &type) == 0 && type == MESSAGE_READY;
}

static int send_state(int fd, const struct server *server, int lock_fd, int control_fd,
                      const struct decision_clock *clock) {
    int fds[MESSAGE_FDS_MAX];
    unsigned count = 0;
    fds[count++] = lock_fd;
    if (control_fd >= 0) {
        fds[count++] = control_fd;
    }
    for (size_t i = 0; server_listen_fd(server, i) >= 0; i++) {
        fds[count++] = server_listen_fd(server, i);
    }
    struct message message = {
        .type = MESSAGE_STATE,
        .fd_count = count,
        .has_control = control_fd >= 0,
        .now_ns = clock->now_ns,
        .last_boot_ns = clock->last_boot_ns,
        .offset_ns = clock->offset_ns,
        .stepped = clock->stepped,
        .gap = clock->gap,
        .waiting = clock->waiting,
        .listen_own = server_listeners_own(server),
    };
    return send_message(fd, &message, (struct str){0}, fds);
}

struct sending {
    int fd;
    int error;
    int batch[MESSAGE_FDS_MAX];
    unsigned batch_count;
};

static bool send_batch(struct sending *sending) {
    if (sending->batch_count > 0 && sending->error == 0) {
        struct message message = {.type = MESSAGE_SESSIONS, .fd_count = sending->batch_count};
        sending->error = send_message(sending->fd, &message, (struct str){0}, sending->batch);
        sending->batch_count = 0;
    }
    return sending->error == 0;
}

static bool send_bytes(struct sending *sending, struct str bytes) {
    for (size_t from = 0; from < bytes.length && sending->error == 0; from += MESSAGE_BYTES_MAX) {
        struct message message = {.type = MESSAGE_BYTES};
        sending->error = send_message(sending->fd, &message,
                                      str_slice(bytes, from, from + MESSAGE_BYTES_MAX), NULL);
    }
    return sending->error == 0;
}

static bool send_session(void *context, const struct passed_session *session) {
    struct sending *sending = context;
    if (session->input.length == 0 && session->output.length == 0) {
        sending->batch[sending->batch_count++] = session->fd;
        return sending->batch_count < MESSAGE_FDS_MAX || send_batch(sending);
    }
    struct message message = {
        .type = MESSAGE_SESSION,
        .fd_count = 1,
        .input_length = (uint32_t)session->input.length,
        .output_length = (uint32_t)session->output.length,
    };
    sending->error = send_message(sending->fd, &message, (struct str){0}, &session->fd);
    return sending->error == 0 && send_bytes(sending, session->input) &&
           send_bytes(sending, session->output);
}

int handover_send(int fd, struct server *server, int lock_fd, int control_fd,
                  const struct decision_clock *clock) {
    int error = send_state(fd, server, lock_fd, control_fd, clock);
    if (error != 0) {
        return error;
    }
    struct sending sending = {.fd = fd};
    if (!server_each_session(server, send_session, &sending) || !send_batch(&sending)) {
        return sending.error;
    }
    error = send_word(fd, MESSAGE_END);
    return error;
}

enum handover_result handover_wait(int fd) {
    enum message_type type;
    if (receive_word(fd, &type) != 0 || type != MESSAGE_TAKING) {
        return HANDOVER_FAILED;
    }
    return receive_word(fd, &type) == 0 && type == MESSAGE_DONE ? HANDOVER_DONE : HANDOVER_LOST;
}

/* --- the new process ----------------------------------------------------------------------------
 */

struct receiving {
    int fd;
    struct handover *handover;
    size_t size;
    struct message message;
    char payload[MESSAGE_BYTES_MAX];
    size_t length;
    int fds[MESSAGE_FDS_MAX];
};

static int next_message(struct receiving *receiving) {
    return receive_message(receiving->fd, &receiving->message, receiving->payload,
                           &receiving->length, receiving->fds);
}

static int read_state(struct receiving *receiving) {
    struct handover *handover = receiving->handover;
    const struct message *message = &receiving->message;
    const unsigned fixed = message->has_control != 0 ? 2 : 1;
    if (message->type != MESSAGE_STATE || message->fd_count < fixed ||
        message->fd_count - fixed > SERVER_LISTENERS_MAX ||
        message->listen_own > message->fd_count - fixed) {
        return -EPROTO;
    }
    handover->lock_fd = receiving->fds[0];
    handover->control_fd = message->has_control != 0 ? receiving->fds[1] : -1;
    handover->listen_count = message->fd_count - fixed;
    handover->listen_own = message->listen_own;
    memcpy(handover->listen_fds, receiving->fds + fixed, handover->listen_count * sizeof(int));
    handover->clock = (struct decision_clock){
        .now_ns = message->now_ns,
        .last_boot_ns = message->last_boot_ns,
        .offset_ns = message->offset_ns,
        .stepped = message->stepped != 0,
        .gap = message->gap != 0,
        .waiting = message->waiting != 0,
    };
    return 0;
}

static struct passed_session *add_session(struct receiving *receiving, int fd) {
    struct handover *handover = receiving->handover;
    if (handover->session_count == receiving->size) {
        const size_t size = receiving->size > 0 ? 2 * receiving->size : 256;
        struct passed_session *sessions = realloc(handover->sessions, size * sizeof *sessions);
        CHECK(sessions != NULL);
        handover->sessions = sessions;
        receiving->size = size;
    }
    struct passed_session *session = &handover->sessions[handover->session_count++];
    *session = (struct passed_session){.fd = fd};
    return session;
}

static int read_bytes(struct receiving *receiving, size_t length, struct str *ret_bytes) {
    if (length == 0) {
        return 0;
    }
    char *bytes = malloc(length);
    CHECK(bytes != NULL);
    size_t have = 0;
    while (have < length) {
        const int error = next_message(receiving);
        if (error != 0 || receiving->message.type != MESSAGE_BYTES ||
            receiving->length > length - have) {
            free(bytes);
            return error != 0 ? error : -EPROTO;
        }
        memcpy(bytes + have, receiving->payload, receiving->length);
        have += receiving->length;
    }
    *ret_bytes = (struct str){bytes, length};
    return 0;
}

static int read_session(struct receiving *receiving) {
    const struct message message = receiving->message;
    if (message.fd_count != 1 || message.input_length > SESSION_BYTES_MAX ||
        message.output_length > SESSION_BYTES_MAX) {
        return -EPROTO;
    }
    struct passed_session *session = add_session(receiving, receiving->fds[0]);
    struct str input = {0};
    struct str output = {0};
    int error = read_bytes(receiving, message.input_length, &input);
    error = error != 0 ? error : read_bytes(receiving, message.output_length, &output);
    session->input = input;
    session->output = output;
    return error;
}

static int read_sessions(struct receiving *receiving) {
    for (;;) {
        int error = next_message(receiving);
        if (error != 0) {
            return error;
        }
        switch (receiving->message.type) {
        case MESSAGE_SESSIONS:
            for (uint32_t i = 0; i < receiving->message.fd_count; i++) {
                (void)add_session(receiving, receiving->fds[i]);
            }
            break;
        case MESSAGE_SESSION:
            error = read_session(receiving);
            if (error != 0) {
                return error;
            }
            break;
        case MESSAGE_END:
            return 0;
        default:
            return -EPROTO;
        }
    }
}

/* Keeps up with the old process until it has stopped. */
static int follow_until_state(int fd, struct engine *engine, struct text *problem) {
    for (int64_t waited_ns = 0; waited_ns < HANDOVER_STEP_NS; waited_ns += FOLLOW_MS * NS_PER_MS) {
        const int error = engine_follow(engine, problem);
        if (error != 0) {
            return error;
        }
        const int ready = wait_for(fd, POLLIN, FOLLOW_MS * NS_PER_MS);
        if (ready != -ETIMEDOUT) {
            return ready;
        }
    }
    return -ETIMEDOUT;
}

int handover_receive(int fd, struct engine *engine, struct handover *ret_handover,
                     struct text *problem) {
    static struct receiving receiving; /* Main thread alone; large for a stack. */
    *ret_handover = (struct handover){.lock_fd = -1, .control_fd = -1};
    receiving = (struct receiving){.fd = fd, .handover = ret_handover};
    int error = send_word(fd, MESSAGE_READY);
    error = error != 0 ? error : follow_until_state(fd, engine, problem);
    error = error != 0 ? error : next_message(&receiving);
    error = error != 0 ? error : read_state(&receiving);
    error = error != 0 ? error : read_sessions(&receiving);
    if (error != 0 && problem->length == 0) {
        text_add(problem, STR("the process before us did not hand over: "));
        text_add(problem, str_from(strerror(-error)));
    }
    return error;
}

void handover_say_taking(int fd) {
    (void)send_word(fd, MESSAGE_TAKING);
}

void handover_say_done(int fd) {
    (void)send_word(fd, MESSAGE_DONE);
}

void handover_done(struct handover *handover) {
    for (size_t i = 0; i < handover->session_count; i++) {
        free((void *)(uintptr_t)handover->sessions[i].input.data);
        free((void *)(uintptr_t)handover->sessions[i].output.data);
    }
    free(handover->sessions);
    handover->sessions = NULL;
    handover->session_count = 0;
}
