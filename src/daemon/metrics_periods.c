/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/metrics.h"
#include "store/history_summary.h"

static const struct {
    const char *name;
    int64_t seconds;
} periods_of[METRIC_PERIODS] = {{"1h", 3600}, {"24h", 86400}, {"7d", 604800}};

struct metrics_periods *metrics_periods_new(void) {
    struct metrics_periods *periods = calloc(1, sizeof *periods);
    if (periods != NULL) {
        (void)pthread_mutex_init(&periods->lock, NULL);
    }
    return periods;
}

void metrics_periods_free(struct metrics_periods *periods) {
    if (periods != NULL) {
        (void)pthread_mutex_destroy(&periods->lock);
        free(periods);
    }
}

static void take_minute(void *context, const struct history_minute *minute) {
    history_totals_add(context, minute);
}

static int read_period(struct control *control, struct history_reader *reader,
                       const struct history_period *range, struct history_part *part,
                       struct metric_period *period) {
    *period = (struct metric_period){0};
    history_part_clear(part);
    int result =
        history_reader_hours(reader, range->since_s, range->until_s, take_minute, &period->totals);
    if (result == 0) {
        result =
            history_reader_summarize(reader, control->live, range->since_s, range->until_s, part);
    }
    period->unique_clients = hyperloglog_count(&part->sketches[SKETCH_CLIENTS]);
    return result;
}

static int read_all(struct control *control, struct history_reader *reader,
                    struct metrics_periods *periods) {
    const struct history_wanted wanted = {.sketches = true};
    struct history_part *part = history_part_new(&wanted, 0);
    int result = part == NULL ? -ENOMEM : 0;
    const int64_t now_ns = clock_wall_ns();
    for (size_t i = 0; i < METRIC_PERIODS && result == 0; i++) {
        struct history_period range = history_period_of(now_ns, now_ns + 1);
        range.since_s = range.until_s - periods_of[i].seconds;
        result = read_period(control, reader, &range, part, &periods->periods[i]);
    }
    history_part_free(part);
    return result;
}

static int refresh(struct control *control, struct history_reader *reader,
                   struct metrics_periods *periods) {
    const int64_t now_ns = clock_boot_ns();
    if (periods->read_boot_ns != 0 &&
        now_ns - periods->read_boot_ns < (int64_t)METRIC_PERIODS_KEPT_S * NS_PER_S) {
        return 0;
    }
    const int result = read_all(control, reader, periods);
    periods->read_boot_ns = result == 0 ? now_ns : 0;
    return result;
}

/* Refused or deferred by one policy. */
static uint64_t stopped_by(const struct history_totals *totals, enum policy_id policy) {
    return totals->policies[policy][VERDICT_DEFER] + totals->policies[policy][VERDICT_REJECT];
}

static uint64_t figure(const struct metric_period *period, enum metric metric) {
    const struct history_totals *totals = &period->totals;
    const uint64_t accepted = totals->verdicts[VERDICT_NONE] + totals->verdicts[VERDICT_ACCEPT];
    const uint64_t figures[METRIC_GREYLIST_DEFERRED + 1] = {
        [METRIC_MAIL_TOTAL] =
            accepted + totals->verdicts[VERDICT_DEFER] + totals->verdicts[VERDICT_REJECT],
        [METRIC_MAIL_INBOUND] = totals->directions[DIRECTION_INBOUND],
        [METRIC_MAIL_OUTBOUND] = totals->directions[DIRECTION_OUTBOUND],
        [METRIC_MAIL_ACCEPTED] = accepted,
        [METRIC_MAIL_REJECTED] = totals->verdicts[VERDICT_REJECT],
        [METRIC_MAIL_DEFERRED] = totals->verdicts[VERDICT_DEFER],
        [METRIC_UNIQUE_IPS] = period->unique_clients,
        [METRIC_GEO_BLOCKED] = stopped_by(totals, POLICY_GEO),
        [METRIC_RBL_BLOCKED] = stopped_by(totals, POLICY_RBL),
        [METRIC_SPF_FAILED] = totals->spf_failed,
        [METRIC_GREYLIST_DEFERRED] = totals->policies[POLICY_GREYLISTING][VERDICT_DEFER],
    };
    return figures[metric];
}

int metrics_tell_periods(struct control *control, struct history_reader *reader,
                         struct metrics_text *text) {
    struct metrics_periods *periods = control->periods;
    struct metric_period copy[METRIC_PERIODS];
    (void)pthread_mutex_lock(&periods->lock);
    const int result = refresh(control, reader, periods);
    memcpy(copy, periods->periods, sizeof copy);
    (void)pthread_mutex_unlock(&periods->lock);
    for (unsigned m = 0; m <= METRIC_GREYLIST_DEFERRED && result == 0; m++) {
        for (size_t i = 0; i < METRIC_PERIODS; i++) {
            metrics_count(text, (enum metric)m, figure(&copy[i], (enum metric)m), "period",
                          periods_of[i].name, NULL);
        }
    }
    return result;
}
