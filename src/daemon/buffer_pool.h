/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory for bytes on their way in or out of a connection. A connection has a buffer only while it
 * holds part of a request or of an answer, so an idle one costs none. One pool per worker, used by
 * its thread alone. Freed buffers are kept and handed out again last in, first out: after warm-up
 * no request allocates, and the bytes are still in the cache. */

enum {
    /* Postfix's requests have 500 to 850 bytes. With what stands before it and malloc()'s own, 1.5
     * KiB: those of a turn lie on few pages, each of which costs a look at the page tables. */
    BUFFER_SMALL_BYTES = 1504,
    BUFFER_LARGE_KEPT = 16, /* Free large buffers kept; more go back to the system. */
};

struct buffer {
    struct buffer *next;
    size_t size;
    char bytes[];
};

struct buffer_pool {
    struct buffer *small;
    struct buffer *large;
    size_t large_kept;
    size_t in_use;
};

/* Makes `count` small buffers ahead, so that none is allocated later. False when out of memory. */
bool buffer_pool_fill(struct buffer_pool *pool, size_t count);
/* A buffer of at least `size` bytes, contents undefined; NULL when out of memory. */
struct buffer *buffer_get(struct buffer_pool *pool, size_t size);
/* NULL is accepted. */
void buffer_put(struct buffer_pool *pool, struct buffer *buffer);
void buffer_pool_done(struct buffer_pool *pool);
