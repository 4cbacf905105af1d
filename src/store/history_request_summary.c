/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/clock.h"
#include "net/json_text.h"
#include "store/history_request.h"
#include "store/history_summary.h"
#include "store/history_totals.h"

/* The totals of a period and of the one before it. */

static void take_minute(void *context, const struct history_minute *minute) {
    history_totals_add(context, minute);
}

/* The period itself, and as long a one before it. */
struct summary {
    struct history_period range;
    struct history_totals now;
    struct history_totals before;
    struct history_part *part;
    struct history_part *part_before;
};

static json_t *totals_json(const struct history_totals *totals, const struct history_part *part,
                           const struct history_period *range) {
    const uint64_t accepted = totals->verdicts[VERDICT_NONE] + totals->verdicts[VERDICT_ACCEPT];
    const uint64_t deferred = totals->verdicts[VERDICT_DEFER];
    const uint64_t rejected = totals->verdicts[VERDICT_REJECT];
    json_t *object = json_object();
    json_put(object, "since", json_time(range->since_s * NS_PER_S));
    json_put(object, "until", json_time(range->until_s * NS_PER_S));
    json_put(object, "total", json_count(accepted + deferred + rejected));
    json_put(object, "accepted", json_count(accepted));
    json_put(object, "deferred", json_count(deferred));
    json_put(object, "rejected", json_count(rejected));
    json_put(object, "inbound", json_count(totals->directions[DIRECTION_INBOUND]));
    json_put(object, "outbound", json_count(totals->directions[DIRECTION_OUTBOUND]));
    json_put(object, "unique_clients",
             json_count(hyperloglog_count(&part->sketches[SKETCH_CLIENTS])));
    json_put(object, "unique_senders",
             json_count(hyperloglog_count(&part->sketches[SKETCH_SENDERS])));
    json_put(object, "unique_recipients",
             json_count(hyperloglog_count(&part->sketches[SKETCH_RECIPIENTS])));
    return object;
}

static json_t *policies_json(const struct history_totals *totals) {
    json_t *items = json_array();
    for (unsigned p = POLICY_NONE + 1; p < POLICY_LIMIT; p++) {
        (void)json_array_append_new(
            items, json_pack("{s:s, s:o, s:o, s:o, s:o}", "policy", policy_info(p)->name,
                             "deferred", json_count(totals->policies[p][VERDICT_DEFER]), "rejected",
                             json_count(totals->policies[p][VERDICT_REJECT]), "shadow_deferred",
                             json_count(totals->shadow[p][VERDICT_DEFER]), "shadow_rejected",
                             json_count(totals->shadow[p][VERDICT_REJECT])));
    }
    return items;
}

static json_t *durations_json(const struct quantiles *durations) {
    return json_pack("{s:o, s:o, s:o}", "p50", json_count(quantiles_find(durations, 500)), "p95",
                     json_count(quantiles_find(durations, 950)), "p99",
                     json_count(quantiles_find(durations, 990)));
}

static json_t *summary_json(const struct summary *summary) {
    const struct history_period before = history_period_before(&summary->range);
    json_t *answer = totals_json(&summary->now, summary->part, &summary->range);
    json_put(answer, "by_policy", policies_json(&summary->now));
    json_put(answer, "duration_us", durations_json(&summary->part->durations));
    json_put(answer, "previous", totals_json(&summary->before, summary->part_before, &before));
    return answer;
}

/* --- the request --------------------------------------------------------------------------------
 */

static bool read_period(const struct http_request *request, struct http_response *response,
                        struct history_period *ret_range) {
    static const struct {
        const char *name;
        int64_t seconds;
    } periods[] = {{"1h", 3600}, {"24h", 86400}, {"7d", 604800}, {"30d", 2592000}};
    const struct str period = http_request_parameter(request, "period");
    if (period.data == NULL) {
        return history_request_period(request, response, ret_range);
    }
    if (http_request_parameter(request, "since").data != NULL ||
        http_request_parameter(request, "until").data != NULL) {
        http_answer_problem(response, 400, "period",
                            STR("Give either period or since and until, not both."));
        return false;
    }
    for (size_t i = 0; i < sizeof periods / sizeof periods[0]; i++) {
        if (str_equal(period, str_from(periods[i].name))) {
            const int64_t now_ns = clock_wall_ns();
            *ret_range = history_period_of(now_ns, now_ns + 1);
            ret_range->since_s = ret_range->until_s - periods[i].seconds;
            return true;
        }
    }
    http_answer_problem(response, 400, "period", STR("period must be 1h, 24h, 7d or 30d."));
    return false;
}

static int read_one(struct history_reader *reader, struct history_live *live,
                    const struct history_period *range, struct history_totals *totals,
                    struct history_part *part) {
    const int result =
        history_reader_hours(reader, range->since_s, range->until_s, take_minute, totals);
    return result < 0
               ? result
               : history_reader_summarize(reader, live, range->since_s, range->until_s, part);
}

static int read_both(struct history_reader *reader, struct history_live *live,
                     struct summary *summary) {
    const struct history_period before = history_period_before(&summary->range);
    const int result = read_one(reader, live, &summary->range, &summary->now, summary->part);
    return result < 0 ? result
                      : read_one(reader, live, &before, &summary->before, summary->part_before);
}

static json_t *answer_for(struct history_reader *reader, struct history_live *live,
                          struct summary *summary, struct http_response *response) {
    const int error = summary->part == NULL || summary->part_before == NULL
                          ? -ENOMEM
                          : read_both(reader, live, summary);
    if (error < 0) {
        http_answer_failed(response, "Reading the statistics", error);
        return NULL;
    }
    return summary_json(summary);
}

json_t *history_request_summary(struct history_reader *reader, struct history_live *live,
                                const struct http_request *request,
                                struct http_response *response) {
    struct summary summary = {0};
    if (!read_period(request, response, &summary.range)) {
        return NULL;
    }
    const struct history_wanted wanted = {.sketches = true, .durations = true};
    summary.part = history_part_new(&wanted, 0);
    summary.part_before = history_part_new(&wanted, 0);
    json_t *answer = answer_for(reader, live, &summary, response);
    history_part_free(summary.part);
    history_part_free(summary.part_before);
    return answer;
}
