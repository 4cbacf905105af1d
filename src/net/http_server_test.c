/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/http_client.h"
#include "net/http_server_fixture.h"
#include "testing/test.h"

TEST(http_server_answers_and_refuses) {
    service_start(LONG);
    static const struct {
        const char *label;
        const char *request;
        const char *status;
        const char *has;
    } rows[] = {
        /* clang-format off */
        {"get", "GET /v1/echo/a%2Fb?value=x%26y HTTP/1.1\r\n" CLOSE "\r\n", "200", "{\"part\":\"a/b\",\"author\":\"\",\"length\":0,\"value\":\"x&y\"}\n"},
        {"post", "POST /v1/echo/p HTTP/1.1\r\n" CLOSE "Content-Length: 9\r\n\r\n{\"a\":[1]}", "200", "\"json\":{\"a\":[1]}"},
        {"chunked", "PUT /v1/bytes HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "200", "\"length\":5"},
        {"author", "PUT /v1/bytes HTTP/1.1\r\nX-Seczim-Author: jane\r\n" CLOSE "Content-Length: 0\r\n\r\n", "200", "\"author\":\"jane\""},
        {"no author", "PUT /v1/bytes HTTP/1.1\r\nX-Seczim-Author:\r\n" CLOSE "Content-Length: 0\r\n\r\n", "400", "\"field\":\"X-Seczim-Author\""},
        {"nothing", "DELETE /v1/it HTTP/1.1\r\n" CLOSE "\r\n", "204", "no-store"},
        {"http 1.0", "GET /v1/echo/old HTTP/1.0\r\n\r\n", "200", "\"part\":\"old\""},
        {"no path", "GET /v1/nowhere HTTP/1.1\r\n" CLOSE "\r\n", "404", "\"title\":\"Not found\""},
        {"no method", "DELETE /v1/echo/a HTTP/1.1\r\n" CLOSE "\r\n", "405", "Allow: GET, POST\r\n"},
        {"unknown method", "BREW /v1/echo/a HTTP/1.1\r\n" CLOSE "\r\n", "405", "Allow: GET, POST\r\n"},
        {"head", "HEAD /v1/echo/a HTTP/1.1\r\n" CLOSE "\r\n", "200", "application/json"},
        {"unknown parameter", "GET /v1/echo/a?val=1 HTTP/1.1\r\n" CLOSE "\r\n", "400", "no query parameter \\\"val\\\" here; it may have: value.\",\"field\":\"val\"}"},
        {"bad escape", "GET /v1/echo/%zz HTTP/1.1\r\n" CLOSE "\r\n", "400", "bad percent code"},
        {"no handler's answer", "GET /v1/silent HTTP/1.1\r\n" CLOSE "\r\n", "500", "gave no answer"},
        {"bad json", "POST /v1/echo/p HTTP/1.1\r\n" CLOSE "Content-Length: 5\r\n\r\n{\"a\"}", "400", "line 1, column 5"},
        {"empty json", "POST /v1/echo/p HTTP/1.1\r\n" CLOSE "Content-Length: 0\r\n\r\n", "400", "body is empty"},
        {"array", "POST /v1/echo/p HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\n\r\n[]", "400", "not an object"},
        {"body on get", "GET /v1/echo/p HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\n\r\n{}", "400", "takes no body"},
        {"huge by length", "POST /v1/echo/p HTTP/1.1\r\n" CLOSE "Content-Length: 18446744073709551616\r\n\r\n{}", "413", ""},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        const char *reply = service_ask(rows[i].request);
        assert_memory_equal(reply + strcspn(reply, " ") + 1, rows[i].status, 3);
        assert_non_null(strstr(reply, rows[i].has));
    }
    service_stop();
}

/* Requests that two parties could read differently: never an answer from a handler. */
TEST(http_server_refuses_ambiguous_requests) {
    service_start(INT64_C(200) * NS_PER_MS);
    static const char *const rows[] = {
        "GET /v1/echo/a HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET /v1/echo/a HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        "PUT /v1/bytes HTTP/1.1\r\n" CLOSE
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "PUT /v1/bytes HTTP/1.1\r\n" CLOSE "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "PUT /v1/bytes HTTP/1.1\r\n" CLOSE "Content-Length : 3\r\n\r\nabc",
        "PUT /v1/bytes HTTP/1.1\r\n" CLOSE "Content-Length: -3\r\n\r\nabc",
        "PUT /v1/bytes HTTP/1.1\r\n" CLOSE "Content-Length: +3\r\n\r\nabc",
        "PUT /v1/bytes HTTP/1.1\r\n" CLOSE "Content-Length: 0x3\r\n\r\nabc",
        "PUT /v1/bytes HTTP/1.1\r\n" CLOSE
        "Transfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "PUT /v1/bytes HTTP/1.1\r\n" CLOSE
        "Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "PUT /v1/bytes HTTP/1.1\r\n" CLOSE
        "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\nabc\r\n0\r\n\r\n",
        "PUT /v1/bytes HTTP/1.0\r\n" CLOSE
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "GET /v1/echo/a HTTP/1.1\r\nHost: a\r\n folded: b\r\nConnection: close\r\n\r\n",
        "GET /v1/echo/a HTTP/3.0\r\n" CLOSE "\r\n",
        "GET http://a/v1/echo/a HTTP/1.1\r\n" CLOSE "\r\n",
        "GET /v1/echo/a\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i]);
        const char *reply = service_ask(rows[i]);
        assert_null(strstr(reply, " 200 "));
        assert_null(strstr(reply, "\"part\""));
    }
    service_stop();
}

TEST(http_server_answers_413_to_a_chunked_body_that_is_too_large) {
    service_start(LONG);
    const int fd = service_dial();
    static const char head[] =
        "PUT /v1/bytes HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n";
    send_all(fd, head, sizeof head - 1);
    static char chunk[1024 + 7];
    memcpy(chunk, "400\r\n", 5);
    memset(chunk + 5, 'x', 1024);
    memcpy(chunk + 5 + 1024, "\r\n", 2);
    for (int i = 0; i < 100; i++) {
        send_all(fd, chunk, sizeof chunk);
    }
    send_all(fd, "0\r\n\r\n", 5);
    const char *reply = read_all(fd);
    assert_non_null(strstr(reply, " 413 "));
    assert_int_equal(counter_read(&http_server_counters(service_server)->bodies_too_large), 1);
    service_stop();
}

/* What stands in the reply up to `end`. */
static const char *read_until(int fd, const char *end) {
    static char reply[4096];
    size_t used = 0;
    do {
        assert_int_equal(read(fd, reply + used, 1), 1);
        reply[++used] = '\0';
    } while (strstr(reply, end) == NULL);
    return reply;
}

/* An answer to the head alone would close the connection while the sender writes its body. */
TEST(http_server_refuses_when_the_body_has_been_read_and_serves_on) {
    service_start(LONG);
    static const struct {
        const char *line;
        size_t length;
        const char *status;
    } rows[] = {
        {"GET /v1/echo/a", 2, " 400 "},     {"DELETE /v1/it", 60000, " 400 "},
        {"POST /v1/no", 5000, " 404 "},     {"PUT /v1/echo/a", 5000, " 405 "},
        {"PUT /v1/bytes?x=1", 9, " 400 "},  {"PUT /v1/bytes", 3000000, " 413 "},
        {"POST /v1/echo/p", 1001, " 413 "},
    };
    char *body = calloc(1, 3000000);
    const int fd = service_dial();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].line);
        char head[200];
        const int length = snprintf(
            head, sizeof head,
            "%s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %zu\r\n\r\n",
            rows[i].line, rows[i].length);
        send_all(fd, head, (size_t)length);
        assert_non_null(strstr(read_until(fd, "\r\n\r\n"), " 100 "));
        for (size_t sent = 0; sent < rows[i].length;) {
            const ssize_t n = send(fd, body + sent, rows[i].length - sent, MSG_NOSIGNAL);
            assert_true(n > 0);
            sent += (size_t)n;
        }
        const char *reply = read_until(fd, "}\n");
        assert_non_null(strstr(reply, rows[i].status));
        assert_non_null(strstr(reply, "application/problem+json"));
    }
    free(body);
    (void)close(fd);
    service_stop();
}

TEST(http_server_serves_one_connection_again_and_again) {
    service_start(LONG);
    const int fd = service_dial();
    static const char request[] = "GET /v1/echo/a HTTP/1.1\r\nHost: x\r\n\r\n";
    for (int i = 0; i < 100; i++) {
        char reply[1024];
        size_t used = 0;
        send_all(fd, request, sizeof request - 1);
        do {
            const ssize_t got = read(fd, reply + used, sizeof reply - 1 - used);
            assert_true(got > 0);
            used += (size_t)got;
            reply[used] = '\0';
        } while (strstr(reply, "}\n") == NULL);
        assert_non_null(strstr(reply, " 200 "));
    }
    (void)close(fd);
    service_stop();
}

struct lines {
    unsigned count;
    unsigned stop_at;
};

static bool take_line(void *context, struct str line) {
    struct lines *lines = context;
    char expected[32];
    (void)snprintf(expected, sizeof expected, "{\"n\":%u}", ++lines->count);
    assert_true(str_equal(line, str_from(expected)));
    return lines->count < lines->stop_at;
}

TEST(http_streams_arrive_at_once_and_end_when_the_reader_goes) {
    service_start(LONG);
    char buffer[256];
    struct text problem = TEXT_OVER(buffer);
    const struct http_call call = {
        .socket_path = service_path, .method = "GET", .target = "/v1/follow"};
    struct lines lines = {.stop_at = 3};
    struct http_reply reply;
    atomic_store(&service_streams_closed, 0);
    assert_int_equal(http_client_follow(&call, take_line, &lines, &reply, &problem), 0);
    assert_int_equal(lines.count, 3);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.content_type, "application/jsonl");
    http_reply_free(&reply);
    service_stop(); /* Waits for the exchange: the stream was closed. */
    assert_int_equal(atomic_load(&service_streams_closed), 1);
}

/* What comes after the third line when the server is stopped then. */
static const char *rest_after_stop(const char *target) {
    service_start(LONG);
    const int fd = service_dial();
    char request[128];
    const int length =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" CLOSE "\r\n", target);
    send_all(fd, request, (size_t)length);
    char reply[1024];
    size_t used = 0;
    do {
        const ssize_t got = read(fd, reply + used, sizeof reply - 1 - used);
        assert_true(got > 0);
        used += (size_t)got;
        reply[used] = '\0';
    } while (strstr(reply, "{\"n\":3}") == NULL);
    atomic_store(&service_streams_closed, 0);
    service_stop();
    assert_int_equal(atomic_load(&service_streams_closed), 1);
    return read_all(fd);
}

TEST(http_server_stop_ends_a_stream_that_nobody_left) {
    assert_non_null(strstr(rest_after_stop("/v1/follow"), "0\r\n\r\n")); /* not a cut */
}

TEST(http_server_stop_cuts_a_stream_so_that_half_of_it_does_not_look_whole) {
    assert_null(strstr(rest_after_stop("/v1/export"), "0\r\n\r\n"));
}

/* The status that a process of another user gets, which is in one more group. */
static int status_for_stranger(gid_t supplementary) {
    enum { NOBODY = 65534 };
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char reply[256] = "";
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", service_path);
        static const char request[] = "GET /v1/echo/a HTTP/1.1\r\n" CLOSE "\r\n";
        const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (setgroups(1, &supplementary) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
            setresuid(NOBODY, NOBODY, NOBODY) != 0 ||
            connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
            send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0 ||
            read(fd, reply, sizeof reply - 1) < 12) {
            _exit(1);
        }
        _exit(strncmp(reply + 9, "200", 3) == 0 ? 20 : strncmp(reply + 9, "403", 3) == 0 ? 43 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

TEST(http_server_lets_in_root_itself_and_the_group) {
    enum { GROUP = 54321 };
    if (geteuid() != 0) {
        skip();
    }
    service_start_for_group(LONG, GROUP);
    assert_int_equal(chmod(test_folder(), 0711), 0);
    assert_int_equal(chmod(service_path, 0666), 0); /* So that it is the guard who refuses. */
    assert_int_equal(status_for_stranger(GROUP + 1), 43);
    assert_int_equal(counter_read(&http_server_counters(service_server)->refused_peer), 1);
    assert_int_equal(status_for_stranger(GROUP), 20);
    assert_int_equal(counter_read(&http_server_counters(service_server)->refused_peer), 1);
    service_stop();
}

TEST(http_client_calls_and_reports) {
    service_start(LONG);
    char buffer[512];
    struct text problem = TEXT_OVER(buffer);
    struct http_call call = {.socket_path = service_path,
                             .method = "POST",
                             .target = "/v1/echo/p",
                             .body = STR("{\"b\":2}"),
                             .author = "jane",
                             .timeout_ns = LONG,
                             .reply_max = 4096};
    struct http_reply reply;
    assert_int_equal(http_client_call(&call, &reply, &problem), 0);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body,
                        "{\"part\":\"p\",\"author\":\"jane\",\"length\":7,\"json\":{\"b\":2}}\n");
    http_reply_free(&reply);

    call.reply_max = 10;
    assert_int_equal(http_client_call(&call, &reply, &problem), -EFBIG);
    service_stop();
    problem = TEXT_OVER(buffer);
    assert_int_equal(http_client_call(&call, &reply, &problem), -ECONNREFUSED);
    assert_non_null(strstr(text_zero(&problem), "Is seczim-daemon running?"));
    call.socket_path = "/nonexistent/socket";
    assert_int_equal(http_client_call(&call, &reply, &problem), -ENOENT);
}

/* Plays a server that takes one request, says `answer` and closes. */
static void *answer_once(void *answer) {
    struct pollfd wait = {.fd = service_fd, .events = POLLIN}; /* It does not block. */
    (void)poll(&wait, 1, -1);
    const int fd = accept(service_fd, NULL, NULL);
    char bytes[4096];
    (void)!read(fd, bytes, sizeof bytes);
    send_all(fd, answer, strlen(answer));
    (void)close(fd);
    return NULL;
}

TEST(http_client_tells_a_connection_closed_before_the_answer_from_one_within) {
    static const struct {
        char answer[80];
        int error;
    } rows[] = {
        {"", -ECONNRESET},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", -EPROTO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", -EPROTO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 0},
    };
    char buffer[512];
    struct text problem = TEXT_OVER(buffer);
    (void)snprintf(service_path, sizeof service_path, "%s/http.sock", test_folder());
    service_fd = http_listen(service_path, (gid_t)-1, &problem);
    const struct http_call call = {.socket_path = service_path,
                                   .method = "GET",
                                   .target = "/v1/echo/p",
                                   .timeout_ns = LONG,
                                   .reply_max = 4096};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].answer);
        pthread_t thread;
        assert_int_equal(
            pthread_create(&thread, NULL, answer_once, (void *)(uintptr_t)rows[i].answer), 0);
        struct http_reply reply = {0};
        assert_int_equal(http_client_call(&call, &reply, &problem), rows[i].error);
        assert_int_equal(pthread_join(thread, NULL), 0);
        http_reply_free(&reply);
    }
    (void)close(service_fd);
}

TEST(http_client_escapes_what_a_path_cannot_hold) {
    char buffer[64];
    struct text out = TEXT_OVER(buffer);
    http_client_escape(STR("a/b c+\xc3\xbc%.-_~"), &out);
    assert_string_equal(text_zero(&out), "a%2Fb%20c%2B%C3%BC%25.-_~");
}

TEST(http_listen_replaces_a_stale_socket_only) {
    char buffer[256];
    struct text problem = TEXT_OVER(buffer);
    char path[108];
    (void)snprintf(path, sizeof path, "%s/one.sock", test_folder());
    const int first = http_listen(path, (gid_t)-1, &problem);
    assert_true(first >= 0);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);

    assert_int_equal(http_listen(path, (gid_t)-1, &problem), -EADDRINUSE);
    assert_non_null(strstr(text_zero(&problem), "in use by another process"));

    (void)close(first); /* As after a kill: the file stays, nobody listens. */
    const int second = http_listen(path, getegid(), &problem);
    assert_true(second >= 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0660);
    (void)close(second);

    (void)snprintf(path, sizeof path, "%s/file", test_folder());
    const int file = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(file >= 0);
    (void)close(file);
    assert_int_equal(http_listen(path, (gid_t)-1, &problem), -EEXIST);
    assert_int_equal(stat(path, &status), 0);
}
