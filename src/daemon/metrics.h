/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/control_api.h"
#include "daemon/metrics_text.h"
#include "store/history_totals.h"

/* GET /v1/metrics: everything of the daemon for Prometheus in one answer. Counters are read where
 * they are; the gauges of periods come from history and are kept for a few seconds, so that many
 * who ask cost no more than one. */

/* 1h, 24h and 7d up to and with the running minute. */
enum { METRIC_PERIODS = 3, METRIC_PERIODS_KEPT_S = 5 };
struct metric_period {
    struct history_totals totals;
    uint64_t unique_clients;
};
struct metrics_periods {
    pthread_mutex_t lock; /* held while history is read: who asks meanwhile waits for that answer */
    int64_t read_boot_ns; /* 0: never */
    struct metric_period periods[METRIC_PERIODS];
};
/* NULL: out of memory. */
struct metrics_periods *metrics_periods_new(void);
void metrics_periods_free(struct metrics_periods *periods);
/* Negative errno when history cannot be read, or there is no memory: nothing is told then. */
MUST_USE int metrics_tell_periods(struct control *control, struct history_reader *reader,
                                  struct metrics_text *text);

/* The others, each its part of metrics.def. */
void metrics_tell_answers(struct control *control, struct metrics_text *text);
void metrics_tell_network(struct control *control, const struct settings *settings,
                          struct metrics_text *text);
void metrics_tell_storage(struct control *control, const struct engine_status *status,
                          struct metrics_text *text);
void metrics_tell_process(struct control *control, const struct engine_status *status,
                          uint64_t settings_version, struct metrics_text *text);
