/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/latency.h"
#include "base/str.h"

/* The text format of Prometheus (version 0.0.4), out of the table metrics.def: HELP and TYPE come
 * with the first sample of a metric, and all samples of a metric come one after another. */

enum metric {
#define METRIC(constant_, name_, type_, labels_, help_) METRIC_##constant_,
#include "daemon/metrics.def"
#undef METRIC
    METRICS
};

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics_text {
    char *data; /* free() it */
    size_t length;
    size_t size;
    bool failed; /* out of memory: what is there is not whole */
    enum metric current;
    bool told[METRICS];
};

void metrics_text_init(struct metrics_text *text);
void metrics_text_done(struct metrics_text *text);

/* One sample. Labels follow as pairs of name and value, both strings ended by zero, then NULL;
 * values may hold any bytes. */
__attribute__((sentinel)) void metrics_count(struct metrics_text *text, enum metric metric,
                                             uint64_t value, ...);
/* Nanoseconds as seconds; may be negative. */
__attribute__((sentinel)) void metrics_seconds(struct metrics_text *text, enum metric metric,
                                               int64_t value_ns, ...);
/* A histogram without labels: the sum of `count` of them. */
void metrics_latency(struct metrics_text *text, enum metric metric,
                     const struct latency *const *latencies, size_t count);
