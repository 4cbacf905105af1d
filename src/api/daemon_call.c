/* SPDX-License-Identifier: Apache-2.0 */
#include "api/daemon_call.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "api/shared_question.h"

static const int64_t CALL_TIMEOUT_NS = INT64_C(120) * 1000000000;
static const int64_t GLANCE_TIMEOUT_NS = INT64_C(5) * 1000000000;

/* The daemon ends control connections when there are many (48 of its 64): requests beyond these
 * wait here instead, each on its own thread. */
enum { CALLS_MAX = 32 };
static sem_t calls;

static void open_gate(void) {
    CHECK(sem_init(&calls, 0, CALLS_MAX) == 0);
}

static void enter_gate(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, open_gate);
    while (sem_wait(&calls) != 0) {
        /* A signal. */
    }
}

static int send_change(const struct http_call *given, struct http_reply *ret_reply,
                       struct text *problem) {
    enter_gate();
    const int error = http_client_call(given, ret_reply, problem);
    (void)sem_post(&calls);
    return error;
}

/* Over a connection that was kept. The daemon closes those that rest, and all when it restarts in
 * place: then once more on another one. */
static int send_question(const struct http_call *given, struct http_reply *ret_reply,
                         struct text *problem) {
    struct http_call kept = *given;
    kept.keep = true;
    enter_gate();
    int error = http_client_call(&kept, ret_reply, problem);
    if (error == -ECONNRESET) {
        problem->length = 0;
        error = http_client_call(given, ret_reply, problem);
    }
    (void)sem_post(&calls);
    return error;
}

static int call(const struct api *api, const char *method, const char *target, struct str body,
                const char *author, int64_t timeout_ns, struct http_reply *ret_reply,
                struct text *problem) {
    const bool question = strcmp(method, "GET") == 0;
    const struct http_call given = {
        .socket_path = api->control_socket,
        .method = method,
        .target = target,
        .body = body,
        .author = question ? NULL : author, /* Does not matter to it. */
        .timeout_ns = timeout_ns,
        .reply_max = API_REPLY_MAX,
    };
    return question ? shared_question_ask(&given, send_question, ret_reply, problem)
                    : send_change(&given, ret_reply, problem);
}

int daemon_call(const struct api *api, const char *method, const char *target, struct str body,
                const char *author, struct http_reply *ret_reply, struct text *problem) {
    return call(api, method, target, body, author, CALL_TIMEOUT_NS, ret_reply, problem);
}

void daemon_unreachable(struct http_response *response, struct str problem) {
    char bytes[768];
    struct text detail = TEXT_OVER(bytes);
    text_add(&detail, STR("seczim-daemon cannot be asked now. "));
    text_add(&detail, problem);
    text_add(&detail, STR(" Users, tokens and the audit log can be used meanwhile."));
    http_answer_problem(response, 503, NULL, text_str(&detail));
    http_answer_header(response, "Retry-After", "5");
}

json_t *daemon_get(const struct api *api, const char *target) {
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    struct http_reply reply;
    if (call(api, "GET", target, (struct str){0}, NULL, GLANCE_TIMEOUT_NS, &reply, &problem) != 0) {
        return NULL;
    }
    json_t *answer = reply.status < 300 ? json_loadb(reply.body, reply.length, 0, NULL) : NULL;
    http_reply_free(&reply);
    return answer;
}

static json_t *take_answer(struct http_response *response, struct http_reply *reply,
                           unsigned *ret_status) {
    json_t *answer = NULL;
    *ret_status = (unsigned)reply->status;
    if (reply->status < 300) {
        answer = reply->length == 0 ? json_object()
                                    : json_loadb(reply->body, reply->length, JSON_DECODE_ANY, NULL);
        if (answer == NULL) {
            http_answer_problem(response, 502, NULL,
                                STR("The daemon's answer is not JSON; are both of one release?"));
        }
    } else {
        http_answer_bytes(response, (unsigned)reply->status, "application/problem+json",
                          (struct str){reply->body, reply->length}, false);
    }
    http_reply_free(reply);
    return answer;
}

static json_t *ask(struct api *api, const struct http_request *request,
                   struct http_response *response, const char *method, const char *target,
                   json_t *body, unsigned *ret_status, struct text *problem) {
    char name[2 * API_USER_TEXT_MAX];
    struct text author = TEXT_OVER(name);
    api_author(request, &author);
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    struct http_reply reply;
    const int error =
        daemon_call(api, method, target, str_from(text), text_zero(&author), &reply, problem);
    free(text);
    return error != 0 ? NULL : take_answer(response, &reply, ret_status);
}

json_t *daemon_ask(struct api *api, const struct http_request *request,
                   struct http_response *response, const char *method, const char *target,
                   json_t *body) {
    unsigned status;
    return daemon_ask_status(api, request, response, method, target, body, &status);
}

json_t *daemon_ask_status(struct api *api, const struct http_request *request,
                          struct http_response *response, const char *method, const char *target,
                          json_t *body, unsigned *ret_status) {
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    json_t *answer = ask(api, request, response, method, target, body, ret_status, &problem);
    if (answer == NULL && http_answer_status(response) == 0) {
        daemon_unreachable(response, text_str(&problem));
    }
    return answer;
}

json_t *daemon_read(struct api *api, const struct http_request *request,
                    struct http_response *response, const char *target, bool *ret_away) {
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    unsigned status;
    json_t *answer = ask(api, request, response, "GET", target, NULL, &status, &problem);
    *ret_away = answer == NULL && http_answer_status(response) == 0;
    return answer;
}

bool daemon_target(const struct http_request *request, struct http_response *response,
                   const char *pattern, bool with_query, struct text *out) {
    struct str rest = str_from(pattern);
    for (size_t k = 0;; k++) {
        const size_t open = str_find(rest, '{');
        text_add(out, str_slice(rest, 0, open));
        if (open == SIZE_MAX) {
            break;
        }
        http_client_escape(request->parts[k], out);
        rest = str_slice(rest, str_find(rest, '}') + 1, rest.length);
    }
    char joiner = str_find(str_from(pattern), '?') == SIZE_MAX ? '?' : '&';
    for (size_t i = 0; with_query && i < request->parameter_count; i++) {
        text_add_byte(out, joiner);
        http_client_escape(request->parameters[i].name, out);
        text_add_byte(out, '=');
        http_client_escape(request->parameters[i].value, out);
        joiner = '&';
    }
    (void)text_zero(out);
    if (out->truncated) {
        http_answer_problem(response, 414, NULL, STR("Path and query are too long."));
    }
    return !out->truncated;
}
