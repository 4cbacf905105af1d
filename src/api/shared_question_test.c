/* SPDX-License-Identifier: Apache-2.0 */
#include "api/shared_question.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing/test.h"

enum { ASKERS = 20 };

/* --- a daemon that answers when it is let, with how often it has been asked --- */

static atomic_uint sent;
static atomic_int answer_error;
static sem_t arrived; /* a question is on its way */
static sem_t let;     /* it may be answered */

static int answer_when_let(const struct http_call *call, struct http_reply *ret_reply,
                           struct text *problem) {
    const unsigned number = atomic_fetch_add(&sent, 1) + 1;
    sem_post(&arrived);
    while (sem_wait(&let) != 0) {
    }
    if (atomic_load(&answer_error) != 0) {
        text_add(problem, STR("No answer."));
        return atomic_load(&answer_error);
    }
    char *body = malloc(64);
    assert_non_null(body);
    const int length = snprintf(body, 64, "%s %u", call->target, number);
    *ret_reply = (struct http_reply){.status = 200, .body = body, .length = (size_t)length};
    return 0;
}

struct asker {
    pthread_t thread;
    const char *target;
    struct http_call call;
    struct http_reply reply;
    int error;
    char sentence[64];
};

static void *ask(void *context) {
    struct asker *asker = context;
    asker->call = (struct http_call){
        .socket_path = "/nowhere", .method = "GET", .target = asker->target, .reply_max = 64};
    struct text problem = TEXT_OVER(asker->sentence);
    asker->error = shared_question_ask(&asker->call, answer_when_let, &asker->reply, &problem);
    (void)text_zero(&problem);
    return NULL;
}

static void begin(struct asker *asker, const char *target) {
    *asker = (struct asker){.target = target};
    assert_int_equal(pthread_create(&asker->thread, NULL, ask, asker), 0);
}

static void wait_arrived(void) {
    while (sem_wait(&arrived) != 0) {
    }
}

static void end(struct asker *asker, const char *expected) {
    assert_int_equal(pthread_join(asker->thread, NULL), 0);
    assert_int_equal(asker->error, 0);
    assert_string_equal(asker->reply.body, expected);
    assert_int_equal(asker->reply.length, strlen(expected));
    http_reply_free(&asker->reply);
}

static void renew(void) {
    atomic_store(&sent, 0);
    atomic_store(&answer_error, 0);
    assert_int_equal(sem_init(&arrived, 0, 0), 0);
    assert_int_equal(sem_init(&let, 0, 0), 0);
}

/* Twenty who come while a question is on its way. */
static void begin_crowd(struct asker *crowd) {
    for (size_t i = 0; i < ASKERS; i++) {
        begin(&crowd[i], "/v1/status");
    }
    while (shared_question_waiting() < ASKERS) {
        (void)sched_yield();
    }
}

TEST(who_comes_while_a_question_is_on_its_way_gets_a_later_answer) {
    renew();
    struct asker first;
    struct asker crowd[ASKERS];
    begin(&first, "/v1/status");
    wait_arrived();
    begin_crowd(crowd);
    sem_post(&let);
    end(&first, "/v1/status 1");
    wait_arrived();
    sem_post(&let);
    for (size_t i = 0; i < ASKERS; i++) {
        end(&crowd[i], "/v1/status 2");
    }
    assert_int_equal(atomic_load(&sent), 2);
}

TEST(another_question_does_not_wait) {
    renew();
    struct asker status;
    struct asker settings;
    begin(&status, "/v1/status");
    wait_arrived();
    begin(&settings, "/v1/settings");
    wait_arrived(); /* Would be for ever. */
    sem_post(&let);
    sem_post(&let);
    assert_int_equal(pthread_join(settings.thread, NULL), 0);
    assert_memory_equal(settings.reply.body, "/v1/settings", 12);
    http_reply_free(&settings.reply);
    assert_int_equal(pthread_join(status.thread, NULL), 0);
    http_reply_free(&status.reply);
    assert_int_equal(atomic_load(&sent), 2);
}

TEST(all_are_told_of_a_failure_and_the_next_asks_again) {
    renew();
    atomic_store(&answer_error, -ECONNREFUSED);
    struct asker first;
    struct asker crowd[ASKERS];
    begin(&first, "/v1/status");
    wait_arrived();
    begin_crowd(crowd);
    sem_post(&let);
    sem_post(&let);
    assert_int_equal(pthread_join(first.thread, NULL), 0);
    assert_int_equal(first.error, -ECONNREFUSED);
    for (size_t i = 0; i < ASKERS; i++) {
        assert_int_equal(pthread_join(crowd[i].thread, NULL), 0);
        assert_int_equal(crowd[i].error, -ECONNREFUSED);
        assert_string_equal(crowd[i].sentence, "No answer.");
    }
    atomic_store(&answer_error, 0);
    sem_post(&let);
    struct asker later;
    begin(&later, "/v1/status");
    end(&later, "/v1/status 3");
}
