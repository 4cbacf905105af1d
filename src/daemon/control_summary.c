/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/control_api.h"
#include "daemon/control_summary.h"
#include "store/history_summary.h"

/* GET /v1/stats/summary: the totals of a period and of the one before it. */

enum { SECONDS_PER_MINUTE = 60 };
static const int64_t minute_ns = INT64_C(60) * NS_PER_S;

static int64_t minute_up(int64_t time_ns) {
    return (time_ns + minute_ns - 1) / minute_ns * SECONDS_PER_MINUTE;
}

struct control_range control_range_of(int64_t since_ns, int64_t until_ns) {
    return (struct control_range){since_ns / minute_ns * SECONDS_PER_MINUTE, minute_up(until_ns)};
}

bool control_read_range(const struct http_request *request, struct http_response *response,
                        struct control_range *ret_range) {
    int64_t until_ns = clock_wall_ns();
    if (!http_input_time(request, response, "until", &until_ns)) {
        return false;
    }
    int64_t since_ns = until_ns - INT64_C(86400) * NS_PER_S;
    since_ns = since_ns < 0 ? 0 : since_ns;
    if (!http_input_time(request, response, "since", &since_ns)) {
        return false;
    }
    if (since_ns >= until_ns) {
        http_answer_problem(response, 400, "since", STR("since must be before until."));
        return false;
    }
    *ret_range = control_range_of(since_ns, until_ns);
    return true;
}

/* --- totals -------------------------------------------------------------------------------------
 */

void control_totals_add(struct control_totals *totals, const struct history_minute *minute) {
    const unsigned policy = minute->policy < POLICY_LIMIT ? minute->policy : POLICY_NONE;
    if (minute->shadow) {
        totals->shadow[policy][minute->verdict % VERDICTS] += minute->count;
        return;
    }
    totals->verdicts[minute->verdict % VERDICTS] += minute->count;
    totals->policies[policy][minute->verdict % VERDICTS] += minute->count;
    totals->directions[minute->direction == DIRECTION_OUTBOUND] += minute->count;
    totals->spf_failed +=
        minute->policy == POLICY_SPF && minute->verdict >= VERDICT_DEFER &&
                (minute->reason == REASON_SPF_FAIL || minute->reason == REASON_SPF_HELO_FAIL)
            ? minute->count
            : 0;
}

static void take_minute(void *context, const struct history_minute *minute) {
    control_totals_add(context, minute);
}

/* The period itself, and as long a one before it. */
struct summary {
    struct control_range range;
    struct control_totals now;
    struct control_totals before;
    struct history_part *part;
    struct history_part *part_before;
};

static json_t *totals_json(const struct control_totals *totals, const struct history_part *part,
                           const struct control_range *range) {
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

static json_t *policies_json(const struct control_totals *totals) {
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
    const struct control_range before = control_range_before(&summary->range);
    json_t *answer = totals_json(&summary->now, summary->part, &summary->range);
    json_put(answer, "by_policy", policies_json(&summary->now));
    json_put(answer, "duration_us", durations_json(&summary->part->durations));
    json_put(answer, "previous", totals_json(&summary->before, summary->part_before, &before));
    return answer;
}

struct control_range control_range_before(const struct control_range *range) {
    const int64_t since_s = 2 * range->since_s - range->until_s;
    return (struct control_range){since_s < 0 ? 0 : since_s, range->since_s};
}

/* --- the request --------------------------------------------------------------------------------
 */

static bool read_period(const struct http_request *request, struct http_response *response,
                        struct control_range *ret_range) {
    static const struct {
        const char *name;
        int64_t seconds;
    } periods[] = {{"1h", 3600}, {"24h", 86400}, {"7d", 604800}, {"30d", 2592000}};
    const struct str period = http_request_parameter(request, "period");
    if (period.data == NULL) {
        return control_read_range(request, response, ret_range);
    }
    if (http_request_parameter(request, "since").data != NULL ||
        http_request_parameter(request, "until").data != NULL) {
        http_answer_problem(response, 400, "period",
                            STR("Give either period or since and until, not both."));
        return false;
    }
    for (size_t i = 0; i < sizeof periods / sizeof periods[0]; i++) {
        if (str_equal(period, str_from(periods[i].name))) {
            const int64_t until_s = minute_up(clock_wall_ns() + 1);
            *ret_range = (struct control_range){until_s - periods[i].seconds, until_s};
            return true;
        }
    }
    http_answer_problem(response, 400, "period", STR("period must be 1h, 24h, 7d or 30d."));
    return false;
}

static int read_one(struct control *control, struct history_reader *reader,
                    const struct control_range *range, struct control_totals *totals,
                    struct history_part *part) {
    const int result =
        history_reader_hours(reader, range->since_s, range->until_s, take_minute, totals);
    return result < 0 ? result
                      : history_reader_summarize(reader, control->live, range->since_s,
                                                 range->until_s, part);
}

static int read_both(struct control *control, struct history_reader *reader,
                     struct summary *summary) {
    const struct control_range before = control_range_before(&summary->range);
    const int result = read_one(control, reader, &summary->range, &summary->now, summary->part);
    return result < 0 ? result
                      : read_one(control, reader, &before, &summary->before, summary->part_before);
}

void control_get_summary(void *context, const struct http_request *request,
                         struct http_response *response) {
    struct control *control = context;
    struct summary summary = {0};
    if (!read_period(request, response, &summary.range)) {
        return;
    }
    struct history_reader *reader = control_reader_take(control, response);
    if (reader == NULL) {
        return;
    }
    const struct history_wanted wanted = {.sketches = true, .durations = true};
    summary.part = history_part_new(&wanted, 0);
    summary.part_before = history_part_new(&wanted, 0);
    if (summary.part == NULL || summary.part_before == NULL) {
        http_answer_json(response, 500, NULL);
    } else {
        const int error = read_both(control, reader, &summary);
        if (error < 0) {
            http_answer_failed(response, "Reading the statistics", error);
        } else {
            http_answer_json(response, 200, summary_json(&summary));
        }
    }
    history_part_free(summary.part);
    history_part_free(summary.part_before);
    control_reader_give(control, reader);
}
