/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/control_api.h"

/* GET /v1/stats: the recorder's counts per minute, added up to steps. */

enum { STATS_ITEMS_MAX = 100000, STATS_FIRST_SIZE = 256 };

struct stats {
    int64_t step_s;
    struct history_minute *items; /* minute_s is the start of the step */
    size_t count;
    size_t size;
    bool too_many;
};

static int compare_items(const void *a, const void *b) {
    const struct history_minute *l = a;
    const struct history_minute *r = b;
    const int64_t left[] = {l->minute_s,        (int64_t)l->direction, (int64_t)l->verdict,
                            (int64_t)l->policy, (int64_t)l->reason,    l->shadow};
    const int64_t right[] = {r->minute_s,        (int64_t)r->direction, (int64_t)r->verdict,
                             (int64_t)r->policy, (int64_t)r->reason,    r->shadow};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        if (left[i] != right[i]) {
            return left[i] < right[i] ? -1 : 1;
        }
    }
    return 0;
}

static bool append(struct stats *stats, const struct history_minute *item) {
    if (stats->count == STATS_ITEMS_MAX) {
        stats->too_many = true;
        return false;
    }
    if (stats->count == stats->size) {
        const size_t size = stats->size == 0 ? STATS_FIRST_SIZE : stats->size * 2;
        struct history_minute *items = realloc(stats->items, size * sizeof *items);
        if (items == NULL) {
            stats->too_many = true;
            return false;
        }
        stats->items = items;
        stats->size = size;
    }
    stats->items[stats->count++] = *item;
    return true;
}

/* Minutes come about in order, so an equal item stands near the end; one that does not is merged
 * when all are sorted. */
static void add_minute(void *context, const struct history_minute *minute) {
    struct stats *stats = context;
    struct history_minute item = *minute;
    item.minute_s -= item.minute_s % stats->step_s;
    for (size_t i = stats->count; i > 0 && stats->items[i - 1].minute_s == item.minute_s; i--) {
        if (compare_items(&stats->items[i - 1], &item) == 0) {
            stats->items[i - 1].count += item.count;
            return;
        }
    }
    (void)append(stats, &item);
}

static void merge_equal(struct stats *stats) {
    if (stats->count == 0) {
        return;
    }
    qsort(stats->items, stats->count, sizeof *stats->items, compare_items);
    size_t last = 0;
    for (size_t i = 1; i < stats->count; i++) {
        if (compare_items(&stats->items[last], &stats->items[i]) == 0) {
            stats->items[last].count += stats->items[i].count;
        } else {
            stats->items[++last] = stats->items[i];
        }
    }
    stats->count = last + 1;
}

static json_t *stats_json(const struct stats *stats) {
    json_t *items = json_array();
    for (size_t i = 0; i < stats->count; i++) {
        const struct history_minute *one = &stats->items[i];
        json_t *item = json_object();
        control_put(item, "time", json_time(one->minute_s * NS_PER_S));
        control_put(item, "direction", json_text_from(direction_name(one->direction)));
        control_put(item, "verdict", json_text_from(decision_verdict_name(one->verdict)));
        control_put(item, "policy", json_text_from(policy_info(one->policy)->name));
        control_put(item, "reason", json_text_from(reason_info(one->reason)->word));
        control_put(item, "shadow", json_boolean(one->shadow));
        control_put(item, "count", json_count(one->count));
        (void)json_array_append_new(items, item);
    }
    return json_pack("{s:o, s:n, s:I}", "items", items, "next", "step", (json_int_t)stats->step_s);
}

void control_get_stats(void *context, const struct http_request *request,
                       struct http_response *response) {
    struct control *control = context;
    uint64_t step_s = 3600;
    int64_t until_ns = clock_wall_ns();
    int64_t since_ns = until_ns - INT64_C(86400) * NS_PER_S;
    if (!control_number(request, response, "step", 86400, &step_s) ||
        !control_time(request, response, "since", &since_ns) ||
        !control_time(request, response, "until", &until_ns)) {
        return;
    }
    if (step_s != 60 && step_s != 3600 && step_s != 86400) {
        http_answer_problem(response, 400, "step", STR("step must be 60, 3600 or 86400 seconds."));
        return;
    }
    struct history_reader *reader = control_reader_take(control, response);
    if (reader == NULL) {
        return;
    }
    struct stats stats = {.step_s = (int64_t)step_s};
    const int64_t until_s = (until_ns + NS_PER_S - 1) / NS_PER_S;
    const int error =
        history_reader_minutes(reader, since_ns / NS_PER_S, until_s, add_minute, &stats);
    control_reader_give(control, reader);
    if (error != 0) {
        control_failed(response, "Reading the statistics", error);
    } else if (stats.too_many) {
        http_answer_problemf(response, 400, "step",
                             "More than %d items; ask for a larger step or a shorter time.",
                             STATS_ITEMS_MAX);
    } else {
        merge_equal(&stats);
        http_answer_json(response, 200, stats_json(&stats));
    }
    free(stats.items);
}
