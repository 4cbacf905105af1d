/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/buffer_pool.h"

#include <stdlib.h>

#include "base/check.h"

static struct buffer *buffer_new(size_t size) {
    struct buffer *buffer = malloc(sizeof *buffer + size);
    if (buffer != NULL) {
        buffer->next = NULL;
        buffer->size = size;
    }
    return buffer;
}

bool buffer_pool_fill(struct buffer_pool *pool, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct buffer *buffer = buffer_new(BUFFER_SMALL_BYTES);
        if (buffer == NULL) {
            return false;
        }
        buffer->next = pool->small;
        pool->small = buffer;
    }
    return true;
}

static struct buffer *get_small(struct buffer_pool *pool) {
    struct buffer *buffer = pool->small;
    if (buffer == NULL) {
        return buffer_new(BUFFER_SMALL_BYTES);
    }
    pool->small = buffer->next;
    return buffer;
}

static struct buffer *get_large(struct buffer_pool *pool, size_t size) {
    /* The setting may have been raised since the kept ones were made: those that are too small go.
     */
    while (pool->large != NULL) {
        struct buffer *buffer = pool->large;
        pool->large = buffer->next;
        pool->large_kept--;
        if (buffer->size >= size) {
            return buffer;
        }
        free(buffer);
    }
    return buffer_new(size);
}

struct buffer *buffer_get(struct buffer_pool *pool, size_t size) {
    struct buffer *buffer = size <= BUFFER_SMALL_BYTES ? get_small(pool) : get_large(pool, size);
    if (buffer != NULL) {
        pool->in_use++;
    }
    return buffer;
}

void buffer_put(struct buffer_pool *pool, struct buffer *buffer) {
    if (buffer == NULL) {
        return;
    }
    CHECK(pool->in_use > 0);
    pool->in_use--;
    if (buffer->size <= BUFFER_SMALL_BYTES) {
        buffer->next = pool->small;
        pool->small = buffer;
    } else if (pool->large_kept < BUFFER_LARGE_KEPT) {
        buffer->next = pool->large;
        pool->large = buffer;
        pool->large_kept++;
    } else {
        free(buffer);
    }
}

static void free_all(struct buffer *buffer) {
    while (buffer != NULL) {
        struct buffer *next = buffer->next;
        free(buffer);
        buffer = next;
    }
}

void buffer_pool_done(struct buffer_pool *pool) {
    free_all(pool->small);
    free_all(pool->large);
    *pool = (struct buffer_pool){0};
}
