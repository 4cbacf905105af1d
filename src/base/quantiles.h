/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* How numbers are spread: counts in buckets that are an eighth of a power of two wide, so that a
 * quantile is off by at most 6.25 percent (its bucket's middle is told). Up to 2^32. Pure. */

enum { QUANTILE_BUCKETS = 240 };
struct quantiles {
    uint64_t counts[QUANTILE_BUCKETS];
};

void quantiles_add(struct quantiles *quantiles, uint32_t value, uint64_t count);
void quantiles_merge(struct quantiles *quantiles, const struct quantiles *other);
/* The value that `per_mille` thousandths of the numbers do not exceed; 0 when there are none. */
uint32_t quantiles_find(const struct quantiles *quantiles, unsigned per_mille);
