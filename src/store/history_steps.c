/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/clock.h"
#include "net/http_input.h"
#include "net/json_text.h"
#include "policy/decision_explain.h"
#include "store/history_request.h"

/* The recorder's counts per minute, added up to steps. */

enum { ITEMS_MAX = 100000, FIRST_SIZE = 256 };

struct steps {
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

static bool append(struct steps *steps, const struct history_minute *item) {
    if (steps->count == ITEMS_MAX) {
        steps->too_many = true;
        return false;
    }
    if (steps->count == steps->size) {
        const size_t size = steps->size == 0 ? FIRST_SIZE : steps->size * 2;
        struct history_minute *items = realloc(steps->items, size * sizeof *items);
        if (items == NULL) {
            steps->too_many = true;
            return false;
        }
        steps->items = items;
        steps->size = size;
    }
    steps->items[steps->count++] = *item;
    return true;
}

/* Minutes come about in order, so an equal item stands near the end; one that does not is merged
 * when all are sorted. */
static void add_minute(void *context, const struct history_minute *minute) {
    struct steps *steps = context;
    struct history_minute item = *minute;
    item.minute_s -= item.minute_s % steps->step_s;
    for (size_t i = steps->count; i > 0 && steps->items[i - 1].minute_s == item.minute_s; i--) {
        if (compare_items(&steps->items[i - 1], &item) == 0) {
            steps->items[i - 1].count += item.count;
            return;
        }
    }
    (void)append(steps, &item);
}

static void merge_equal(struct steps *steps) {
    if (steps->count == 0) {
        return;
    }
    qsort(steps->items, steps->count, sizeof *steps->items, compare_items);
    size_t last = 0;
    for (size_t i = 1; i < steps->count; i++) {
        if (compare_items(&steps->items[last], &steps->items[i]) == 0) {
            steps->items[last].count += steps->items[i].count;
        } else {
            steps->items[++last] = steps->items[i];
        }
    }
    steps->count = last + 1;
}

static json_t *steps_json(const struct steps *steps) {
    json_t *items = json_array();
    for (size_t i = 0; i < steps->count; i++) {
        const struct history_minute *one = &steps->items[i];
        json_t *item = json_object();
        json_put(item, "time", json_time(one->minute_s * NS_PER_S));
        json_put(item, "direction", json_text_from(direction_name(one->direction)));
        json_put(item, "verdict", json_text_from(decision_verdict_name(one->verdict)));
        json_put(item, "policy", json_text_from(policy_info(one->policy)->name));
        json_put(item, "reason", json_text_from(reason_info(one->reason)->word));
        json_put(item, "shadow", json_boolean(one->shadow));
        json_put(item, "count", json_count(one->count));
        (void)json_array_append_new(items, item);
    }
    return json_pack("{s:o, s:n, s:I}", "items", items, "next", "step", (json_int_t)steps->step_s);
}

json_t *history_request_steps(struct history_reader *reader, const struct http_request *request,
                              struct http_response *response) {
    uint64_t step_s = 3600;
    int64_t until_ns = clock_wall_ns();
    int64_t since_ns = until_ns - INT64_C(86400) * NS_PER_S;
    if (!http_input_number(request, response, "step", 86400, &step_s) ||
        !http_input_time(request, response, "since", &since_ns) ||
        !http_input_time(request, response, "until", &until_ns)) {
        return NULL;
    }
    if (step_s != 60 && step_s != 3600 && step_s != 86400) {
        http_answer_problem(response, 400, "step", STR("step must be 60, 3600 or 86400 seconds."));
        return NULL;
    }
    struct steps steps = {.step_s = (int64_t)step_s};
    json_t *page = NULL;
    const int64_t until_s = (until_ns + NS_PER_S - 1) / NS_PER_S;
    const int64_t since_s = since_ns / NS_PER_S;
    /* Hours come as one where the step is no shorter. */
    const int error = step_s < 3600
                          ? history_reader_minutes(reader, since_s, until_s, add_minute, &steps)
                          : history_reader_hours(reader, since_s, until_s, add_minute, &steps);
    if (error != 0) {
        http_answer_failed(response, "Reading the statistics", error);
    } else if (steps.too_many) {
        http_answer_problemf(response, 400, "step",
                             "More than %d items; ask for a larger step or a shorter time.",
                             ITEMS_MAX);
    } else {
        merge_equal(&steps);
        page = steps_json(&steps);
        if (page == NULL) {
            http_answer_json(response, 500, NULL);
        }
    }
    free(steps.items);
    return page;
}
