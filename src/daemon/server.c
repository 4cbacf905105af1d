/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/geo_keeper.h"
#include "daemon/listener.h"
#include "daemon/rbl_guard.h"
#include "daemon/worker.h"

enum {
    ACCEPT_BATCH = 64,          /* connections per listener and pass */
    ACCEPT_PAUSE_FIRST_MS = 50, /* out of descriptors: doubled up to the last */
    ACCEPT_PAUSE_LAST_MS = 1000,
};

struct server {
    struct engine *engine;
    struct event_base *base;
    struct server_counters counters;
    struct listener listeners[SERVER_LISTENERS_MAX]; /* inherited ones first */
    size_t listener_count;
    size_t inherited_count;
    bool accepting;
    struct event resume_event;
    long pause_ms;
    int reserve_fd; /* Given up for a moment to turn somebody away when there is no other. */
    uint64_t connections_max;
    int64_t idle_close_ns;
    struct rbl_guard *guard;
    struct geo_keeper *keeper;
    struct worker *workers;
    uint64_t *passes_seen; /* one per worker */
    unsigned worker_count;
};

/* --- accepting ----------------------------------------------------------------------------------
 */

static void set_accepting(struct server *server, bool accepting) {
    if (server->accepting == accepting) {
        return;
    }
    for (size_t i = 0; i < server->listener_count; i++) {
        if (accepting) {
            (void)event_add(&server->listeners[i].event, NULL);
        } else {
            (void)event_del(&server->listeners[i].event);
        }
    }
    server->accepting = accepting;
}

static void pause_accepting(struct server *server, long milliseconds) {
    set_accepting(server, false);
    const struct timeval delay = {.tv_sec = milliseconds / 1000,
                                  .tv_usec = (milliseconds % 1000) * 1000};
    (void)event_add(&server->resume_event, &delay);
}

static void on_resume(evutil_socket_t fd, short what, void *context) {
    (void)fd;
    (void)what;
    set_accepting(context, true);
}

static void refuse(struct server *server, int fd) {
    static struct log_throttle throttle;
    uint64_t suppressed = 0;
    counter_add(&server->counters.connections_refused, 1);
    if (log_throttle_pass(&throttle, &suppressed)) {
        log_write(LOG_WARN, "Policy",
                  "Connection refused: no room for another one and none has been idle for "
                  "policy_server.idle_close (%llu more since the last such line)",
                  (unsigned long long)suppressed);
    }
    (void)close(fd);
}

static struct worker *least_loaded(struct server *server) {
    struct worker *best = &server->workers[0];
    for (unsigned i = 1; i < server->worker_count; i++) {
        if (atomic_load_explicit(&server->workers[i].connections, memory_order_relaxed) <
            atomic_load_explicit(&best->connections, memory_order_relaxed)) {
            best = &server->workers[i];
        }
    }
    return best;
}

static struct worker *longest_idle(struct server *server) {
    struct worker *best = &server->workers[0];
    for (unsigned i = 1; i < server->worker_count; i++) {
        if (atomic_load_explicit(&server->workers[i].oldest_idle_ns, memory_order_relaxed) <
            atomic_load_explicit(&best->oldest_idle_ns, memory_order_relaxed)) {
            best = &server->workers[i];
        }
    }
    return best;
}

static void place(struct server *server, int fd) {
    const bool full = server_connections(server) >= server->connections_max;
    struct worker *worker = full ? longest_idle(server) : least_loaded(server);
    counter_add(&server->counters.connections_accepted, 1);
    if (full) {
        const int64_t idle_since_ns =
            atomic_load_explicit(&worker->oldest_idle_ns, memory_order_relaxed);
        if (idle_since_ns == INT64_MAX || clock_boot_ns() - idle_since_ns < server->idle_close_ns) {
            refuse(server, fd);
            return;
        }
    }
    if (!worker_pass_in(worker, (struct worker_arrival){.fd = fd, .replace_idle = full})) {
        refuse(server, fd);
    }
}

/* Accepts with the reserve descriptor and closes, so that a peer learns it at once instead of
 * waiting for its own time-out. */
static void turn_one_away(struct server *server, int listen_fd) {
    if (server->reserve_fd < 0) {
        return;
    }
    (void)close(server->reserve_fd);
    const int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        refuse(server, fd);
    }
    server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void out_of_descriptors(struct server *server, int listen_fd, int error) {
    static struct log_throttle throttle;
    uint64_t suppressed = 0;
    counter_add(&server->counters.accept_paused, 1);
    if (log_throttle_pass(&throttle, &suppressed)) {
        log_write(LOG_ERROR, "Policy",
                  "Cannot accept a connection: %s; trying again shortly (raise LimitNOFILE= or "
                  "lower policy_server.connections_max)",
                  strerror(error));
    }
    /* A short want passes while the connection waits in the backlog; a long one does not. */
    if (server->pause_ms == ACCEPT_PAUSE_LAST_MS) {
        turn_one_away(server, listen_fd);
    }
    pause_accepting(server, server->pause_ms);
    const long twice = 2 * server->pause_ms;
    server->pause_ms = twice < ACCEPT_PAUSE_LAST_MS ? twice : ACCEPT_PAUSE_LAST_MS;
}

static void on_acceptable(evutil_socket_t listen_fd, short what, void *context) {
    (void)what;
    struct server *server = context;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        const int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            const int one = 1;
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* Fails on UNIX. */
            server->pause_ms = ACCEPT_PAUSE_FIRST_MS;
            place(server, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            out_of_descriptors(server, listen_fd, errno);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

/* --- listeners ----------------------------------------------------------------------------------
 */

static bool listens_on(const struct server *server, struct str address) {
    for (size_t i = 0; i < server->listener_count; i++) {
        if (listener_address_equal(str_from(server->listeners[i].address), address)) {
            return true;
        }
    }
    return false;
}

static bool is_set(const struct settings *settings, const char *address) {
    for (size_t i = 0; i < settings->policy_server.listen_count; i++) {
        if (listener_address_equal(settings->policy_server.listen[i], str_from(address))) {
            return true;
        }
    }
    return false;
}

static void adopt_given(struct server *server, const struct server_sockets *given,
                        const struct settings *settings) {
    CHECK(given->count <= SERVER_LISTENERS_MAX && given->own <= given->count);
    for (unsigned i = 0; i < given->count; i++) {
        const bool inherited = i < given->count - given->own;
        struct listener *listener = &server->listeners[server->listener_count];
        if (listener_adopt(given->fds[i], listener) != 0) {
            log_write(LOG_WARN, "Policy",
                      "Descriptor %d was given as a listening socket and is none", given->fds[i]);
        } else if (inherited || is_set(settings, listener->address)) {
            server->listener_count++;
            server->inherited_count += inherited;
        } else {
            log_write(LOG_INFO, "Policy", "No longer listening on %s", listener->address);
            listener_close(listener, true);
        }
    }
}

static int open_listeners(struct server *server, const struct server_sockets *given,
                          const struct settings *settings, struct text *problem) {
    adopt_given(server, given, settings);
    for (size_t i = 0; i < settings->policy_server.listen_count; i++) {
        const struct str address = settings->policy_server.listen[i];
        if (listens_on(server, address)) {
            continue;
        }
        const int error = listener_open(address, (unsigned)settings->policy_server.unix_socket_mode,
                                        &server->listeners[server->listener_count], problem);
        if (error != 0) {
            return error;
        }
        server->listener_count++;
    }
    if (server->listener_count == 0) {
        text_add(problem, STR("policy_server.listen is empty: there is nowhere to listen"));
        return -EINVAL;
    }
    for (size_t i = 0; i < server->listener_count; i++) {
        struct listener *listener = &server->listeners[i];
        CHECK(event_assign(&listener->event, server->base, listener->fd, EV_READ | EV_PERSIST,
                           on_acceptable, server) == 0);
    }
    return 0;
}

/* --- life ---------------------------------------------------------------------------------------
 */

static int make_workers(struct server *server, unsigned count, struct text *problem) {
    server->workers = calloc(count, sizeof *server->workers);
    server->passes_seen = calloc(count, sizeof *server->passes_seen);
    if (server->workers == NULL || server->passes_seen == NULL) {
        text_add(problem, STR("out of memory for workers"));
        return -ENOMEM;
    }
    for (unsigned i = 0; i < count; i++) {
        const struct worker_options options = {
            .engine = server->engine,
            .counters = &server->counters,
            .guard = server->guard,
            .keeper = server->keeper,
            .number = i,
        };
        const int error = worker_init(&server->workers[i], &options, problem);
        server->worker_count++;
        if (error != 0) {
            text_add(problem, STR(": cannot make a worker"));
            return error;
        }
    }
    return 0;
}

/* What the facts of the workers come from. */
static int start_sources(struct server *server, struct text *problem) {
    int error = rbl_guard_start(server->engine, &server->guard, problem);
    if (error != 0) {
        return error;
    }
    error = geo_keeper_start(server->engine, &server->keeper);
    if (error != 0) {
        text_add(problem, STR("cannot open the country databases"));
    }
    return error;
}

static void server_free(struct server *server, bool unlink_paths) {
    for (unsigned i = 0; i < server->worker_count; i++) {
        worker_done(&server->workers[i]);
    }
    rbl_guard_stop(server->guard);
    geo_keeper_close(server->keeper);
    for (size_t i = 0; i < server->listener_count; i++) {
        listener_close(&server->listeners[i], unlink_paths);
    }
    (void)event_del(&server->resume_event);
    (void)close(server->reserve_fd);
    free(server->workers);
    free(server->passes_seen);
    free(server);
}

int server_start(struct engine *engine, struct event_base *base, const struct server_sockets *given,
                 struct server **ret_server, struct text *problem) {
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        text_add(problem, STR("out of memory"));
        return -ENOMEM;
    }
    server->engine = engine;
    server->base = base;
    server->pause_ms = ACCEPT_PAUSE_FIRST_MS;
    server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(event_assign(&server->resume_event, base, -1, 0, on_resume, server) == 0);
    const struct generation *generation = engine_generation_acquire(engine);
    const struct settings *settings = generation->settings;
    server->connections_max = (uint64_t)settings->policy_server.connections_max;
    server->idle_close_ns = settings->policy_server.idle_close_ns;
    int error = open_listeners(server, given, settings, problem);
    if (error == 0) {
        error = start_sources(server, problem);
    }
    if (error == 0) {
        error = make_workers(server, (unsigned)settings->policy_server.workers, problem);
    }
    engine_generation_release(engine, generation);
    if (error != 0) {
        server_free(server, false);
        return error;
    }
    *ret_server = server;
    return 0;
}

int server_run(struct server *server, struct text *problem) {
    for (unsigned i = 0; i < server->worker_count; i++) {
        const int error = worker_start(&server->workers[i]);
        if (error != 0) {
            text_add(problem, STR("cannot start a worker thread: "));
            text_add(problem, str_from(strerror(-error)));
            return error;
        }
    }
    set_accepting(server, true);
    for (size_t i = 0; i < server->listener_count; i++) {
        log_write(LOG_INFO, "Policy", "Listening on %s", server->listeners[i].address);
    }
    return 0;
}

void server_stop(struct server *server) {
    set_accepting(server, false);
    for (unsigned i = 0; i < server->worker_count; i++) {
        worker_stop(&server->workers[i]);
    }
    server_release_held(server);
    server_free(server, true);
}

bool server_alive(struct server *server) {
    bool alive = true;
    for (unsigned i = 0; i < server->worker_count; i++) {
        const uint64_t passes =
            atomic_load_explicit(&server->workers[i].passes, memory_order_relaxed);
        alive = alive && passes != server->passes_seen[i];
        server->passes_seen[i] = passes;
        worker_wake(&server->workers[i]); /* An idle one turns once more before we look again. */
    }
    return alive;
}

/* --- hand-over ----------------------------------------------------------------------------------
 */

void server_park(struct server *server) {
    (void)event_del(&server->resume_event);
    set_accepting(server, false);
    for (unsigned i = 0; i < server->worker_count; i++) {
        worker_park(&server->workers[i]);
    }
}

void server_release_held(struct server *server) {
    for (unsigned i = 0; i < server->worker_count; i++) {
        worker_release_held(&server->workers[i]);
    }
}

bool server_each_session(struct server *server, server_visit_session *visit, void *context) {
    for (unsigned i = 0; i < server->worker_count; i++) {
        if (!worker_each_session(&server->workers[i], visit, context)) {
            return false;
        }
    }
    return true;
}

int server_listen_fd(const struct server *server, size_t index) {
    return index < server->listener_count ? server->listeners[index].fd : -1;
}

unsigned server_listeners_own(const struct server *server) {
    return (unsigned)(server->listener_count - server->inherited_count);
}

void server_resume(struct server *server) {
    for (unsigned i = 0; i < server->worker_count; i++) {
        worker_unpark(&server->workers[i]);
    }
    set_accepting(server, true);
}

int server_adopt_session(struct server *server, const struct passed_session *session) {
    return worker_adopt(least_loaded(server), session);
}

/* --- what others ask ----------------------------------------------------------------------------
 */

const struct server_counters *server_counters(const struct server *server) {
    return &server->counters;
}

uint64_t server_connections(const struct server *server) {
    uint64_t count = 0;
    for (unsigned i = 0; i < server->worker_count; i++) {
        count += atomic_load_explicit(&server->workers[i].connections, memory_order_relaxed);
    }
    return count;
}

uint64_t server_idle_connections(const struct server *server) {
    uint64_t busy = 0;
    for (unsigned i = 0; i < server->worker_count; i++) {
        busy += atomic_load_explicit(&server->workers[i].busy, memory_order_relaxed);
    }
    const uint64_t all = server_connections(server);
    return all > busy ? all - busy : 0;
}

const char *server_listen_address(const struct server *server, size_t index) {
    return index < server->listener_count ? server->listeners[index].address : NULL;
}

struct rbl_guard *server_rbl_guard(const struct server *server) {
    return server->guard;
}

struct geo_keeper *server_geo_keeper(const struct server *server) {
    return server->keeper;
}

size_t server_latencies(const struct server *server,
                        const struct latency *ret_latencies[SERVER_WORKERS_MAX]) {
    CHECK(server->worker_count <= SERVER_WORKERS_MAX);
    for (unsigned i = 0; i < server->worker_count; i++) {
        ret_latencies[i] = &server->workers[i].latency;
    }
    return server->worker_count;
}

static void add_figures(uint64_t *sums, const struct counter *figures, size_t count) {
    for (size_t i = 0; i < count; i++) {
        sums[i] += counter_read(&figures[i]);
    }
}

void server_dns_stats(const struct server *server, struct dns_stats *ret_stats) {
    uint64_t sums[WORKER_DNS_FIGURES] = {0};
    for (unsigned i = 0; i < server->worker_count; i++) {
        add_figures(sums, server->workers[i].dns, WORKER_DNS_FIGURES);
    }
    memcpy(ret_stats, sums, sizeof *ret_stats);
}

void server_spf_counts(const struct server *server, struct fetch_spf_counts *ret_counts) {
    uint64_t sums[WORKER_SPF_FIGURES] = {0};
    for (unsigned i = 0; i < server->worker_count; i++) {
        add_figures(sums, server->workers[i].spf, WORKER_SPF_FIGURES);
    }
    memcpy(ret_counts, sums, sizeof *ret_counts);
}

unsigned server_workers(const struct server *server) {
    return server->worker_count;
}
