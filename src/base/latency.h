/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/counter.h"

/* A histogram of durations that one thread raises and any thread reads: two plain stores a
 * duration. Each bucket counts what is at most its bound and more than the one before. */

enum { LATENCY_BUCKETS = 16 };
/* Microseconds: 100 us to 10 s. */
static const uint32_t latency_bounds_us[LATENCY_BUCKETS] = {
    100,   250,    500,    1000,   2500,    5000,    10000,   25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};

struct latency {
    struct counter buckets[LATENCY_BUCKETS + 1]; /* the last: more than the highest bound */
    struct counter sum_ns;
};

/* Of the one thread that writes this histogram. */
static inline void latency_raise(struct counter *counter, uint64_t n) {
    atomic_store_explicit(&counter->value,
                          atomic_load_explicit(&counter->value, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void latency_note(struct latency *latency, int64_t duration_ns) {
    const uint64_t ns = duration_ns > 0 ? (uint64_t)duration_ns : 0;
    size_t bucket = 0;
    while (bucket < LATENCY_BUCKETS && ns > (uint64_t)latency_bounds_us[bucket] * 1000) {
        bucket++;
    }
    latency_raise(&latency->buckets[bucket], 1);
    latency_raise(&latency->sum_ns, ns);
}
