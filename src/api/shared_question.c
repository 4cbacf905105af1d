/* SPDX-License-Identifier: Apache-2.0 */
#include "api/shared_question.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCE_MAX = 512 };

enum state { OPEN = 0, SENT, ANSWERED };

struct question {
    struct question *next;
    const struct http_call *call; /* of who sends it; until it has been answered */
    enum state state;
    unsigned holders; /* who still looks at it */
    pthread_cond_t answered;
    int error;
    struct http_reply reply; /* never changed once it has been answered */
    char sentence[SENTENCE_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct question *questions; /* open and sent ones */
static unsigned waiting;

static struct question *find(const struct http_call *call, enum state state) {
    for (struct question *question = questions; question != NULL; question = question->next) {
        const struct http_call *other = question->call;
        if (question->state == state && other->timeout_ns == call->timeout_ns &&
            other->reply_max == call->reply_max && strcmp(other->target, call->target) == 0 &&
            strcmp(other->socket_path, call->socket_path) == 0) {
            return question;
        }
    }
    return NULL;
}

static struct question *question_new(const struct http_call *call) {
    struct question *question = calloc(1, sizeof *question);
    if (question != NULL) {
        pthread_cond_init(&question->answered, NULL);
        question->call = call;
        question->next = questions;
        questions = question;
    }
    return question;
}

static void forget(struct question *gone) {
    struct question **place = &questions;
    while (*place != gone) {
        place = &(*place)->next;
    }
    *place = gone->next;
}

static void let_go(struct question *question) {
    if (--question->holders == 0) {
        pthread_cond_destroy(&question->answered);
        http_reply_free(&question->reply);
        free(question);
    }
}

static void wait_for(struct question *question) {
    waiting++;
    while (question->state != ANSWERED) {
        pthread_cond_wait(&question->answered, &lock);
    }
    waiting--;
}

/* When the same question that is on its way has been answered. */
static void send_it(struct question *question, shared_question_send *send) {
    struct question *before = find(question->call, SENT);
    if (before != NULL) {
        before->holders++;
        wait_for(before);
        let_go(before);
    }
    question->state = SENT;
    pthread_mutex_unlock(&lock);
    struct text problem = TEXT_OVER(question->sentence);
    question->error = send(question->call, &question->reply, &problem);
    (void)text_zero(&problem);
    pthread_mutex_lock(&lock);
    forget(question);
    question->call = NULL;
    question->state = ANSWERED;
    pthread_cond_broadcast(&question->answered);
}

static int copy_reply(const struct question *question, struct http_reply *ret_reply,
                      struct text *problem) {
    if (question->error != 0) {
        text_add(problem, str_from(question->sentence));
        return question->error;
    }
    struct http_reply copy = question->reply;
    copy.body = malloc(copy.length + 1);
    if (copy.body == NULL) {
        text_add(problem, STR("Out of memory."));
        return -ENOMEM;
    }
    memcpy(copy.body, question->reply.body, copy.length + 1);
    *ret_reply = copy;
    return 0;
}

int shared_question_ask(const struct http_call *call, shared_question_send *send,
                        struct http_reply *ret_reply, struct text *problem) {
    pthread_mutex_lock(&lock);
    struct question *question = find(call, OPEN);
    const bool first = question == NULL;
    if (first) {
        question = question_new(call);
    }
    if (question == NULL) {
        pthread_mutex_unlock(&lock);
        return send(call, ret_reply, problem);
    }
    question->holders++;
    if (first) {
        send_it(question, send);
    } else {
        wait_for(question);
    }
    int error;
    if (question->holders == 1 && question->error == 0) {
        *ret_reply = question->reply; /* Nobody else wants it. */
        question->reply = (struct http_reply){0};
        error = 0;
    } else {
        pthread_mutex_unlock(&lock); /* A reply may be large. */
        error = copy_reply(question, ret_reply, problem);
        pthread_mutex_lock(&lock);
    }
    let_go(question);
    pthread_mutex_unlock(&lock);
    return error;
}

unsigned shared_question_waiting(void) {
    pthread_mutex_lock(&lock);
    const unsigned now = waiting;
    pthread_mutex_unlock(&lock);
    return now;
}
