/* SPDX-License-Identifier: Apache-2.0 */
#include "api/answer_memory.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/clock.h"

enum { HASH_BYTES = 32 };
static const int64_t KEPT_NS = INT64_C(86400) * 1000000000;

struct place {
    unsigned char key[HASH_BYTES];     /* of caller, operation, path and key */
    unsigned char request[HASH_BYTES]; /* of the body */
    int64_t boot_ns;                   /* 0: free */
    unsigned status;
    char *answer;
    size_t length;
};

struct answer_memory {
    pthread_mutex_t lock;
    struct place places[ANSWER_MEMORY_PLACES];
};

struct answer_memory *answer_memory_new(void) {
    struct answer_memory *memory = calloc(1, sizeof *memory);
    if (memory != NULL) {
        pthread_mutex_init(&memory->lock, NULL);
    }
    return memory;
}

void answer_memory_free(struct answer_memory *memory) {
    if (memory == NULL) {
        return;
    }
    for (size_t i = 0; i < ANSWER_MEMORY_PLACES; i++) {
        free(memory->places[i].answer);
    }
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

static void add(crypto_generichash_state *state, struct str part) {
    const uint64_t length = part.length;
    (void)crypto_generichash_update(state, (const unsigned char *)&length, sizeof length);
    (void)crypto_generichash_update(state, (const unsigned char *)part.data, part.length);
}

static void hash_key(const struct http_request *request, struct str key,
                     unsigned char ret_hash[HASH_BYTES]) {
    const struct api_caller *caller = api_caller_of(request);
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, HASH_BYTES);
    add(&state, str_from(caller->user));
    add(&state, str_from(caller->token_name));
    add(&state, str_from(caller->address_text));
    add(&state, str_from(caller->operation->id));
    add(&state, request->path);
    add(&state, key);
    (void)crypto_generichash_final(&state, ret_hash, HASH_BYTES);
}

static void hash_request(const struct http_request *request, unsigned char ret_hash[HASH_BYTES]) {
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, HASH_BYTES);
    add(&state, request->body);
    for (size_t i = 0; i < request->parameter_count; i++) {
        add(&state, request->parameters[i].name);
        add(&state, request->parameters[i].value);
    }
    (void)crypto_generichash_final(&state, ret_hash, HASH_BYTES);
}

static bool is_fresh(const struct place *place, int64_t now_ns) {
    return place->boot_ns != 0 && now_ns - place->boot_ns < KEPT_NS;
}

/* The place of that key, or NULL. */
static struct place *find(struct answer_memory *memory, const unsigned char key[HASH_BYTES],
                          int64_t now_ns) {
    for (size_t i = 0; i < ANSWER_MEMORY_PLACES; i++) {
        struct place *place = &memory->places[i];
        if (is_fresh(place, now_ns) && memcmp(place->key, key, HASH_BYTES) == 0) {
            return place;
        }
    }
    return NULL;
}

static void answer_again(const struct place *place, struct http_response *response) {
    if (place->status == 204) {
        http_answer_nothing(response);
    } else {
        http_answer_bytes(response, place->status, "application/json",
                          (struct str){place->answer, place->length}, false);
    }
    http_answer_header(response, "Idempotency-Replayed", "true");
}

bool answer_memory_repeat(struct answer_memory *memory, const struct http_request *request,
                          struct http_response *response) {
    const struct str given = http_request_header(request, "Idempotency-Key");
    if (given.data == NULL) {
        return false;
    }
    if (given.length == 0 || given.length > IDEMPOTENCY_KEY_MAX) {
        http_answer_problemf(response, 400, "Idempotency-Key", "A key is 1 to %d bytes.",
                             IDEMPOTENCY_KEY_MAX);
        return true;
    }
    unsigned char key[HASH_BYTES];
    unsigned char body[HASH_BYTES];
    hash_key(request, given, key);
    hash_request(request, body);
    pthread_mutex_lock(&memory->lock);
    const struct place *place = find(memory, key, clock_boot_ns());
    if (place != NULL && memcmp(place->request, body, HASH_BYTES) == 0) {
        answer_again(place, response);
    } else if (place != NULL) {
        http_answer_problem(response, 422, "Idempotency-Key",
                            STR("This key came with another request before; take a new one."));
    }
    pthread_mutex_unlock(&memory->lock);
    return place != NULL;
}

static struct place *oldest(struct answer_memory *memory) {
    struct place *found = &memory->places[0];
    for (size_t i = 1; i < ANSWER_MEMORY_PLACES; i++) {
        if (memory->places[i].boot_ns < found->boot_ns) {
            found = &memory->places[i];
        }
    }
    return found;
}

void answer_memory_keep(struct answer_memory *memory, const struct http_request *request,
                        unsigned status, struct str answer) {
    const struct str given = http_request_header(request, "Idempotency-Key");
    if (given.data == NULL || answer.length > ANSWER_MEMORY_BYTES_MAX) {
        return;
    }
    char *copy = malloc(answer.length + 1);
    if (copy == NULL) {
        return;
    }
    if (answer.length > 0) {
        memcpy(copy, answer.data, answer.length);
    }
    pthread_mutex_lock(&memory->lock);
    struct place *place = oldest(memory);
    free(place->answer);
    *place = (struct place){
        .boot_ns = clock_boot_ns(), .status = status, .answer = copy, .length = answer.length};
    hash_key(request, given, place->key);
    hash_request(request, place->request);
    pthread_mutex_unlock(&memory->lock);
}
