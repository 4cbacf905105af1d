/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "net/http_client.h"

enum { REPLY_MAX_BYTES = 512 * 1024 * 1024 };
static const int64_t QUIET_TIMEOUT_NS = INT64_C(2) * 1000000000;
static const int64_t TIMEOUT_NS = INT64_C(600) * 1000000000;

static void print_error(const char *text) {
    (void)fprintf(stderr, "seczim: %s\n", text);
}

static int cannot_reach(const struct cli *cli, int error, const char *problem) {
    print_error(problem);
    const bool of_api = cli->socket == cli->api_socket;
    if (of_api && (error == -ENOENT || error == -ECONNREFUSED)) {
        (void)fprintf(stderr,
                      "Is seczim-api running, and is %s its socket (paths.api_socket)? "
                      "(--api-socket PATH, or SECZIM_API_SOCKET)\n",
                      cli->socket);
    } else if (error == -ENOENT || error == -ECONNREFUSED) {
        (void)fprintf(stderr,
                      "Is the daemon running, and is %s its control socket? "
                      "(--socket PATH, or SECZIM_SOCKET)\n",
                      cli->socket);
    } else if (error == -EACCES) {
        (void)fprintf(stderr,
                      "Members of the group in paths.control_group may use it, and root.\n");
    }
    return EXIT_UNREACHABLE;
}

/* Problem documents say in `detail` what was found, what is allowed and what to do. */
static int refuse(const struct http_reply *reply) {
    json_t *problem = json_loadb(reply->body, reply->length, 0, NULL);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    const char *title = json_string_value(json_object_get(problem, "title"));
    char text[64];
    (void)snprintf(text, sizeof text, "the daemon answered %ld", reply->status);
    print_error(detail != NULL ? detail : title != NULL ? title : text);
    json_decref(problem);
    return EXIT_NO;
}

/* A daemon that restarts in place or makes room for others closes connections on which nothing has
 * been asked: a question that changes nothing is asked once more. */
static bool worth_another_try(int error, const struct http_call *given) {
    return error == -ECONNRESET && strcmp(given->method, "GET") == 0;
}

static int call(struct cli *cli, const struct http_call *given, struct http_reply *ret_reply) {
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    int error = http_client_call(given, ret_reply, &problem);
    if (worth_another_try(error, given)) {
        problem = TEXT_OVER(sentence);
        error = http_client_call(given, ret_reply, &problem);
    }
    if (error != 0) {
        return cannot_reach(cli, error, text_zero(&problem));
    }
    if (ret_reply->status >= 300) {
        const int status = refuse(ret_reply);
        http_reply_free(ret_reply);
        return status;
    }
    return EXIT_DONE;
}

static struct http_call plain_call(const struct cli *cli, const char *method, const char *path) {
    return (struct http_call){
        .socket_path = cli->socket,
        .method = method,
        .target = path,
        .timeout_ns = TIMEOUT_NS,
        .reply_max = REPLY_MAX_BYTES,
    };
}

json_t *cli_ask_bytes(struct cli *cli, const char *method, const char *path, const void *bytes,
                      size_t length, int *ret_exit) {
    struct http_call given = plain_call(cli, method, path);
    given.body = (struct str){bytes, length};
    struct http_reply reply;
    *ret_exit = call(cli, &given, &reply);
    if (*ret_exit != EXIT_DONE) {
        return NULL;
    }
    json_t *answer = reply.length == 0
                         ? json_object()
                         : json_loadb(reply.body, reply.length, JSON_DECODE_ANY, NULL);
    http_reply_free(&reply);
    if (answer == NULL) {
        print_error("the daemon's answer is not JSON; are the versions the same? (seczim version)");
        *ret_exit = EXIT_NO;
    }
    return answer;
}

json_t *cli_ask(struct cli *cli, const char *method, const char *path, json_t *body,
                int *ret_exit) {
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    json_t *answer =
        cli_ask_bytes(cli, method, path, text, text != NULL ? strlen(text) : 0, ret_exit);
    free(text);
    return answer;
}

json_t *cli_ask_quietly(const struct cli *cli, const char *path) {
    struct http_call given = plain_call(cli, "GET", path);
    given.timeout_ns = QUIET_TIMEOUT_NS;
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    struct http_reply reply;
    if (http_client_call(&given, &reply, &problem) != 0) {
        return NULL;
    }
    json_t *answer = reply.status < 300 ? json_loadb(reply.body, reply.length, 0, NULL) : NULL;
    http_reply_free(&reply);
    return answer;
}

int cli_copy(struct cli *cli, const char *path) {
    const struct http_call given = plain_call(cli, "GET", path);
    struct http_reply reply;
    const int status = call(cli, &given, &reply);
    if (status != EXIT_DONE) {
        return status;
    }
    const bool whole = fwrite(reply.body, 1, reply.length, stdout) == reply.length;
    http_reply_free(&reply);
    if (!whole || fflush(stdout) != 0) {
        print_error("cannot write to standard output");
        return EXIT_NO;
    }
    return EXIT_DONE;
}

struct follower {
    struct cli *cli;
    void (*line)(struct cli *cli, json_t *object);
};

static bool follow_line(void *context, struct str line) {
    const struct follower *follower = context;
    json_t *object = json_loadb(line.data, line.length, 0, NULL);
    if (object != NULL) {
        follower->line(follower->cli, object);
        json_decref(object);
    }
    return fflush(stdout) == 0;
}

int cli_follow(struct cli *cli, const char *path, void (*line)(struct cli *cli, json_t *object)) {
    struct http_call given = plain_call(cli, "GET", path);
    given.timeout_ns = 0;
    struct follower follower = {.cli = cli, .line = line};
    struct http_reply reply = {0};
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    int error = http_client_follow(&given, follow_line, &follower, &reply, &problem);
    if (worth_another_try(error, &given)) {
        http_reply_free(&reply);
        problem = TEXT_OVER(sentence);
        error = http_client_follow(&given, follow_line, &follower, &reply, &problem);
    }
    int status = EXIT_DONE;
    if (error != 0) {
        status = cannot_reach(cli, error, text_zero(&problem));
    } else if (reply.body != NULL && reply.status >= 300) {
        status = refuse(&reply);
    }
    http_reply_free(&reply);
    return status;
}
