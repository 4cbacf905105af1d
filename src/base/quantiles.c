/* SPDX-License-Identifier: Apache-2.0 */
#include "base/quantiles.h"

enum { EXACT = 16, PARTS = 8, PART_BITS = 3 };

/* Values below 16 have a bucket each; above, the three bits after the highest choose the part. */
static size_t bucket_of(uint32_t value) {
    if (value < EXACT) {
        return value;
    }
    const unsigned high = 31 - (unsigned)__builtin_clz(value);
    return (size_t)(high - PART_BITS) * PARTS + (value >> (high - PART_BITS));
}

static uint32_t middle_of(size_t bucket) {
    if (bucket < EXACT) {
        return (uint32_t)bucket;
    }
    const unsigned shift = (unsigned)(bucket / PARTS) - 1;
    const uint64_t start = (uint64_t)(PARTS + bucket % PARTS) << shift;
    return (uint32_t)(start + (UINT64_C(1) << shift) / 2);
}

void quantiles_add(struct quantiles *quantiles, uint32_t value, uint64_t count) {
    quantiles->counts[bucket_of(value)] += count;
}

void quantiles_merge(struct quantiles *quantiles, const struct quantiles *other) {
    for (size_t i = 0; i < QUANTILE_BUCKETS; i++) {
        quantiles->counts[i] += other->counts[i];
    }
}

uint32_t quantiles_find(const struct quantiles *quantiles, unsigned per_mille) {
    uint64_t total = 0;
    uint64_t below = 0;
    for (size_t i = 0; i < QUANTILE_BUCKETS; i++) {
        total += quantiles->counts[i];
    }
    for (size_t i = 0; i < QUANTILE_BUCKETS; i++) {
        below += quantiles->counts[i];
        if (below > 0 && below * 1000 >= total * per_mille) {
            return middle_of(i);
        }
    }
    return 0;
}
