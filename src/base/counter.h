/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* A count that one or more threads raise and any thread reads: relaxed order, never decreases. */
struct counter {
    _Atomic uint64_t value;
};

static inline void counter_add(struct counter *counter, uint64_t n) {
    atomic_fetch_add_explicit(&counter->value, n, memory_order_relaxed);
}

static inline uint64_t counter_read(const struct counter *counter) {
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}
