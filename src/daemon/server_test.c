/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/buffer_pool.h"
#include "daemon/daemon_fixture.h"
#include "daemon/handover.h"
#include "daemon/listener.h"
#include "testing/test.h"

/* A whole policy server on a UNIX socket in the test's folder; the test plays Postfix. The main
 * thread's event loop is turned by hand. */

enum { PATIENCE_MS = 20000 };

static const char request_text[] = "request=smtpd_access_policy\nprotocol_state=RCPT\n"
                                   "client_address=192.0.2.1\nclient_name=unknown\n"
                                   "sender=a@example.org\nrecipient=b@example.net\n\n";
static const char answer_start[] = "action=DEFER_IF_PERMIT 4.7.1 Greylisted, please try again in ";

struct world {
    struct event_base *base;
    struct engine *engine;
    struct server *server;
};

static const char *socket_path(void) {
    static char path[100];
    (void)snprintf(path, sizeof path, "%s/policy.sock", test_folder());
    return path;
}

static void write_config(const char *policy_server) {
    char text[512];
    (void)snprintf(text, sizeof text, "policy_server:\n  listen: ['unix:%s']\n%s", socket_path(),
                   policy_server);
    (void)fixture_config(text);
}

static void start_with(struct world *world, struct server_sockets given) {
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    world->base = event_base_new();
    world->engine = fixture_engine(false);
    if (server_start(world->engine, world->base, &given, &world->server, &problem) != 0 ||
        server_run(world->server, &problem) != 0) {
        fail_msg("%s", text_zero(&problem));
    }
}

static void start(struct world *world) {
    start_with(world, (struct server_sockets){0});
}

static void stop(struct world *world) {
    server_stop(world->server);
    engine_close(world->engine);
    event_base_free(world->base);
}

static int connect_to(struct world *world) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", socket_path());
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    (void)event_base_loop(world->base, EVLOOP_ONCE); /* The acceptor. */
    return fd;
}

static void say(int fd, const char *bytes, size_t length) {
    assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
}

/* Everything up to `ends` empty lines, or until the server closes. Returns the length. */
static size_t hear(int fd, size_t ends, char *out, size_t size) {
    size_t length = 0;
    size_t seen = 0;
    while (seen < ends && length < size - 1) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
        const ssize_t got = recv(fd, out + length, 1, 0);
        assert_true(got >= 0);
        if (got == 0) {
            break;
        }
        length++;
        seen += length >= 2 && out[length - 1] == '\n' && out[length - 2] == '\n';
    }
    out[length] = '\0';
    return length;
}

static void assert_answered(int fd) {
    char bytes[512];
    (void)hear(fd, 1, bytes, sizeof bytes);
    if (strncmp(bytes, answer_start, strlen(answer_start)) != 0) {
        fail_msg("got: %s", bytes);
    }
}

static void assert_closed(int fd) {
    char byte[2];
    assert_int_equal(hear(fd, 1, byte, sizeof byte), 0);
    (void)close(fd);
}

TEST(a_request_is_answered_however_it_is_cut) {
    write_config("");
    struct world world;
    start(&world);
    const int fd = connect_to(&world);
    const size_t length = strlen(request_text);
    for (size_t cut = 1; cut < length; cut++) {
        say(fd, request_text, cut);
        say(fd, request_text + cut, length - cut);
        assert_answered(fd);
    }
    for (size_t i = 0; i < length; i++) {
        say(fd, request_text + i, 1);
    }
    assert_answered(fd);
    assert_int_equal(counter_read(&engine_counters(world.engine)->requests), length);
    (void)close(fd);
    stop(&world);
}

TEST(requests_sent_at_once_are_answered_one_by_one_in_order) {
    write_config("");
    struct world world;
    start(&world);
    const int fd = connect_to(&world);
    char three[4 * sizeof request_text];
    const int length =
        snprintf(three, sizeof three, "%s\n\r\n%s%s", request_text, request_text, request_text);
    say(fd, three, (size_t)length);
    assert_answered(fd);
    assert_answered(fd);
    assert_answered(fd);
    (void)close(fd);
    stop(&world);
}

TEST(who_has_finished_sending_still_gets_the_answers) {
    write_config("");
    struct world world;
    start(&world);
    const int fd = connect_to(&world);
    say(fd, request_text, strlen(request_text));
    say(fd, request_text, strlen(request_text));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_answered(fd);
    assert_answered(fd);
    assert_closed(fd);
    stop(&world);
}

TEST(what_is_not_understood_is_counted_and_the_connection_ends_cleanly) {
    static const struct {
        const char *name;
        const char *bytes;
        size_t length;
        bool ends;
        enum policy_request_result result;
    } rows[] = {
#define ROW(name_, literal, ends_, result_) {name_, literal, sizeof(literal) - 1, ends_, result_}
        ROW("no equals", "request=smtpd_access_policy\nfoo\n\n", false, POLICY_REQUEST_NO_EQUALS),
        ROW("nul", "request=smtpd_access_policy\nsender=a\0b\n\n", false, POLICY_REQUEST_NUL),
        ROW("no request", "sender=a@example.org\n\n", false, POLICY_REQUEST_NOT_A_REQUEST),
        ROW("cut off", "request=smtpd_access_policy\n", true, POLICY_REQUEST_MORE),
#undef ROW
    };
    write_config("");
    struct world world;
    start(&world);
    const int witness = connect_to(&world);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].name);
        const int fd = connect_to(&world);
        say(fd, rows[i].bytes, rows[i].length);
        if (rows[i].ends) {
            assert_int_equal(shutdown(fd, SHUT_WR), 0);
        }
        assert_closed(fd);
        assert_int_equal(counter_read(&server_counters(world.server)->malformed[rows[i].result]),
                         1);
        say(witness, request_text, strlen(request_text));
        assert_answered(witness);
    }
    (void)close(witness);
    stop(&world);
}

TEST(a_request_that_is_too_long_is_refused_before_its_end) {
    write_config("  request_bytes_max: 16KiB\n");
    struct world world;
    start(&world);
    const int fd = connect_to(&world);
    char line[20000];
    memset(line, 'x', sizeof line);
    line[1] = '=';
    say(fd, line, sizeof line);
    assert_closed(fd);
    assert_int_equal(
        counter_read(&server_counters(world.server)->malformed[POLICY_REQUEST_TOO_LONG]), 1);
    stop(&world);
}

TEST(a_long_request_within_the_limit_is_answered) {
    write_config("");
    struct world world;
    start(&world);
    const int fd = connect_to(&world);
    char value[7000];
    memset(value, 'x', sizeof value);
    for (int i = 0; i < 3; i++) {
        say(fd, "unknown=", 8);
        say(fd, value, sizeof value);
        say(fd, "\n", 1);
    }
    say(fd, request_text, strlen(request_text));
    assert_answered(fd);
    say(fd, request_text, strlen(request_text));
    assert_answered(fd);
    (void)close(fd);
    stop(&world);
}

/* Around the sizes at which a larger buffer is needed. */
TEST(a_request_that_just_fills_a_buffer_is_answered) {
    write_config("");
    struct world world;
    start(&world);
    const int fd = connect_to(&world);
    static const char name[] = "unknown=";
    char bytes[2 * BUFFER_SMALL_BYTES + 1];
    for (size_t full = BUFFER_SMALL_BYTES; full <= 2 * BUFFER_SMALL_BYTES;
         full += BUFFER_SMALL_BYTES) {
        for (size_t length = full - 1; length <= full + 1; length++) {
            memset(bytes, 'x', length);
            memcpy(bytes, name, strlen(name));
            bytes[length - strlen(request_text) - 1] = '\n';
            memcpy(bytes + length - strlen(request_text), request_text, strlen(request_text));
            say(fd, bytes, length);
            assert_answered(fd);
        }
    }
    (void)close(fd);
    stop(&world);
}

TEST(connecting_and_leaving_is_no_error) {
    write_config("");
    struct world world;
    start(&world);
    (void)close(connect_to(&world));
    const int fd = connect_to(&world);
    say(fd, request_text, strlen(request_text));
    assert_answered(fd);
    for (unsigned i = 0; i < POLICY_REQUEST_RESULTS; i++) {
        assert_int_equal(counter_read(&server_counters(world.server)->malformed[i]), 0);
    }
    assert_int_equal(counter_read(&server_counters(world.server)->connections_accepted), 2);
    (void)close(fd);
    stop(&world);
}

TEST(at_the_limit_nobody_gives_way_before_its_time) {
    write_config("  connections_max: 2\n");
    struct world world;
    start(&world);
    const int first = connect_to(&world);
    const int second = connect_to(&world);
    const int third = connect_to(&world);
    assert_closed(third);
    assert_int_equal(counter_read(&server_counters(world.server)->connections_refused), 1);
    say(first, request_text, strlen(request_text));
    assert_answered(first);
    say(second, request_text, strlen(request_text));
    assert_answered(second);
    (void)close(first);
    (void)close(second);
    stop(&world);
}

TEST(strict_answers_come_once_the_disk_has_them) {
    write_config("  workers: 2\n");
    struct world world;
    start(&world);
    const struct config_setting_change strict = {STR("journal.durability"), STR("strict")};
    uint64_t version;
    struct engine_problem problem;
    assert_int_equal(engine_change_settings(world.engine, &strict, 1, "test", &version, &problem),
                     0);
    int fds[8];
    for (size_t i = 0; i < 8; i++) {
        fds[i] = connect_to(&world);
        say(fds[i], request_text, strlen(request_text));
    }
    for (size_t i = 0; i < 8; i++) {
        assert_answered(fds[i]);
        (void)close(fds[i]);
    }
    assert_int_equal(counter_read(&server_counters(world.server)->deadline), 0);
    struct journal_stats stats;
    journal_stats(engine_journal(world.engine), &stats);
    assert_true(stats.synced_sequence + 1 >= stats.next_sequence);
    stop(&world);
}

/* --- hand-over ----------------------------------------------------------------------------------
 */

struct successor {
    int fd;
    struct engine *engine;
    struct handover handover;
    int error;
};

static void *receive(void *context) {
    struct successor *successor = context;
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    successor->error =
        handover_receive(successor->fd, successor->engine, &successor->handover, &problem);
    return NULL;
}

/* Everything of `old` passes to *ret_fresh, which reads the configuration again. */
static void hand_over(struct world *old, struct world *ret_fresh, struct handover *ret_handover) {
    int pair[2];
    assert_int_equal(handover_pair(pair), 0);
    struct successor successor = {.fd = pair[1], .engine = fixture_engine(true)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, receive, &successor), 0);
    assert_true(handover_is_ready(pair[0]));
    engine_prepare_yield(old->engine);
    server_park(old->server);
    int lock_fd;
    struct decision_clock clock;
    assert_int_equal(engine_yield(old->engine, &lock_fd, &clock), 0);
    server_release_held(old->server);
    assert_int_equal(handover_send(pair[0], old->server, lock_fd, -1, &clock), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(successor.error, 0);
    struct handover *handover = &successor.handover;
    assert_int_equal(handover->control_fd, -1);
    assert_int_equal(handover->clock.now_ns, clock.now_ns);

    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    struct world fresh = {.base = event_base_new(), .engine = successor.engine};
    assert_int_equal(engine_catch_up(fresh.engine, &problem), 0);
    assert_int_equal(engine_take_over(fresh.engine, handover->lock_fd, &handover->clock, &problem),
                     0);
    const struct server_sockets sockets = {handover->listen_fds, handover->listen_count,
                                           handover->listen_own};
    assert_int_equal(server_start(fresh.engine, fresh.base, &sockets, &fresh.server, &problem), 0);
    for (size_t i = 0; i < handover->session_count; i++) {
        assert_int_equal(server_adopt_session(fresh.server, &handover->sessions[i]), 0);
    }
    assert_int_equal(server_run(fresh.server, &problem), 0);
    handover_done(handover);
    (void)close(pair[0]);
    (void)close(pair[1]);
    *ret_fresh = fresh;
    *ret_handover = *handover;
}

TEST(connections_pass_to_the_next_process_with_what_they_had_said) {
    write_config("");
    struct world old;
    start(&old);
    const int idle = connect_to(&old);
    const int half = connect_to(&old);
    say(half, request_text, 40);
    say(idle, request_text, strlen(request_text));
    assert_answered(idle);

    struct world fresh;
    struct handover handover;
    hand_over(&old, &fresh, &handover);
    assert_int_equal(handover.listen_count, 1);
    assert_int_equal(handover.listen_own, 1);

    say(half, request_text + 40, strlen(request_text) - 40);
    assert_answered(half);
    say(idle, request_text, strlen(request_text));
    assert_answered(idle);
    const int later = connect_to(&fresh);
    say(later, request_text, strlen(request_text));
    assert_answered(later);
    assert_int_equal(counter_read(&engine_counters(fresh.engine)->requests), 3);
    assert_int_equal(server_connections(fresh.server), 3);
    (void)close(idle);
    (void)close(half);
    (void)close(later);
    stop(&fresh);
    stop(&old); /* A real one would just end. */
}

static int try_connect(const char *address) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", address + strlen("unix:"));
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int error = connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 ? 0 : errno;
    (void)close(fd);
    return error;
}

TEST(an_address_that_is_set_no_more_is_closed_by_the_next_process_and_an_inherited_one_is_kept) {
    char removed[120];
    char inherited[120];
    char added[120];
    (void)snprintf(removed, sizeof removed, "unix:%s/removed.sock", test_folder());
    (void)snprintf(inherited, sizeof inherited, "unix:%s/inherited.sock", test_folder());
    (void)snprintf(added, sizeof added, "unix:%s/added.sock", test_folder());
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    struct listener manager;
    assert_int_equal(listener_open(str_from(inherited), 0600, &manager, &problem), 0);
    char config[512];
    (void)snprintf(config, sizeof config, "policy_server:\n  listen: ['unix:%s', '%s']\n",
                   socket_path(), removed);
    (void)fixture_config(config);
    struct world old;
    start_with(&old, (struct server_sockets){&manager.fd, 1, 0});
    assert_string_equal(server_listen_address(old.server, 0), inherited);
    assert_string_equal(server_listen_address(old.server, 2), removed);
    assert_int_equal(server_listeners_own(old.server), 2);
    const int fd = connect_to(&old);

    (void)snprintf(config, sizeof config, "policy_server:\n  listen: ['%s', 'unix:%s']\n", added,
                   socket_path());
    (void)fixture_config(config);
    struct world fresh;
    struct handover handover;
    hand_over(&old, &fresh, &handover);
    assert_string_equal(server_listen_address(fresh.server, 0), inherited);
    assert_string_equal(server_listen_address(fresh.server, 1) + strlen("unix:"), socket_path());
    assert_string_equal(server_listen_address(fresh.server, 2), added);
    assert_null(server_listen_address(fresh.server, 3));
    assert_int_equal(server_listeners_own(fresh.server), 2);
    assert_int_equal(try_connect(removed), ENOENT);
    assert_int_equal(try_connect(added), 0);
    say(fd, request_text, strlen(request_text));
    assert_answered(fd);
    (void)close(fd);
    stop(&fresh);
    stop(&old);
}

TEST(a_parked_server_goes_on_when_nobody_takes_over) {
    write_config("  workers: 3\n");
    struct world world;
    start(&world);
    const int fd = connect_to(&world);
    server_park(world.server);
    say(fd, request_text, strlen(request_text));
    server_resume(world.server);
    assert_answered(fd);
    (void)close(fd);
    stop(&world);
}
