/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/metrics_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"

enum { FIRST_SIZE = 64 * 1024 };

static const struct {
    const char *name;
    const char *type;
    const char *help;
} metrics[METRICS] = {
#define COUNTER                                         "counter"
#define GAUGE                                           "gauge"
#define HISTOGRAM                                       "histogram"
#define METRIC(constant_, name_, type_, labels_, help_) {name_, type_, help_},
#include "daemon/metrics.def"
#undef METRIC
};

void metrics_text_init(struct metrics_text *text) {
    *text = (struct metrics_text){.data = malloc(FIRST_SIZE), .size = FIRST_SIZE};
    text->failed = text->data == NULL;
    text->current = METRICS;
}

void metrics_text_done(struct metrics_text *text) {
    free(text->data);
    text->data = NULL;
}

static void add(struct metrics_text *text, const char *bytes, size_t length) {
    while (!text->failed && text->size - text->length < length) {
        char *larger = realloc(text->data, text->size * 2);
        if (larger == NULL) {
            text->failed = true;
            return;
        }
        text->data = larger;
        text->size *= 2;
    }
    if (!text->failed) {
        memcpy(text->data + text->length, bytes, length);
        text->length += length;
    }
}

static void add_text(struct metrics_text *text, const char *words) {
    add(text, words, strlen(words));
}

static void add_value(struct metrics_text *text, const char *value) {
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            add_text(text, "\\n");
            continue;
        }
        if (*value == '\\' || *value == '"') {
            add_text(text, "\\");
        }
        add(text, value, 1);
    }
}

/* All samples of a metric stand together, so none comes back later. */
static void begin(struct metrics_text *text, enum metric metric) {
    if (text->current == metric) {
        return;
    }
    CHECK(!text->told[metric]);
    text->told[metric] = true;
    text->current = metric;
    const char *const parts[] = {"# HELP ",   metrics[metric].name, " ", metrics[metric].help,
                                 "\n# TYPE ", metrics[metric].name, " ", metrics[metric].type,
                                 "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        add_text(text, parts[i]);
    }
}

static void add_labels(struct metrics_text *text, va_list labels) {
    const char *before = "{";
    const char *name;
    while ((name = va_arg(labels, const char *)) != NULL) {
        add_text(text, before);
        add_text(text, name);
        add_text(text, "=\"");
        add_value(text, va_arg(labels, const char *));
        add_text(text, "\"");
        before = ",";
    }
    add_text(text, *before == ',' ? "} " : " ");
}

/* "12.000345678" */
static void add_seconds(struct metrics_text *text, bool negative, uint64_t value_ns) {
    char number[48];
    (void)snprintf(number, sizeof number, "%s%" PRIu64 ".%09" PRIu64, negative ? "-" : "",
                   value_ns / (uint64_t)NS_PER_S, value_ns % (uint64_t)NS_PER_S);
    add_text(text, number);
}

void metrics_count(struct metrics_text *text, enum metric metric, uint64_t value, ...) {
    char number[24];
    va_list labels;
    begin(text, metric);
    add_text(text, metrics[metric].name);
    va_start(labels, value);
    add_labels(text, labels);
    va_end(labels);
    (void)snprintf(number, sizeof number, "%" PRIu64 "\n", value);
    add_text(text, number);
}

void metrics_seconds(struct metrics_text *text, enum metric metric, int64_t value_ns, ...) {
    va_list labels;
    begin(text, metric);
    add_text(text, metrics[metric].name);
    va_start(labels, value_ns);
    add_labels(text, labels);
    va_end(labels);
    add_seconds(text, value_ns < 0, value_ns < 0 ? (uint64_t)-value_ns : (uint64_t)value_ns);
    add_text(text, "\n");
}

static uint64_t bucket_sum(const struct latency *const *latencies, size_t count, size_t bucket) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += counter_read(&latencies[i]->buckets[bucket]);
    }
    return sum;
}

static void add_bucket(struct metrics_text *text, const char *name, const char *bound,
                       uint64_t below) {
    char line[256];
    (void)snprintf(line, sizeof line, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name, bound, below);
    add_text(text, line);
}

void metrics_latency(struct metrics_text *text, enum metric metric,
                     const struct latency *const *latencies, size_t count) {
    const char *name = metrics[metric].name;
    uint64_t below = 0;
    uint64_t sum_ns = 0;
    char line[128];
    begin(text, metric);
    for (size_t b = 0; b < LATENCY_BUCKETS; b++) {
        char bound[32];
        (void)snprintf(bound, sizeof bound, "%g", latency_bounds_us[b] / 1e6);
        below += bucket_sum(latencies, count, b);
        add_bucket(text, name, bound, below);
    }
    below += bucket_sum(latencies, count, LATENCY_BUCKETS);
    add_bucket(text, name, "+Inf", below);
    for (size_t i = 0; i < count; i++) {
        sum_ns += counter_read(&latencies[i]->sum_ns);
    }
    (void)snprintf(line, sizeof line, "%s_sum ", name);
    add_text(text, line);
    add_seconds(text, false, sum_ns);
    (void)snprintf(line, sizeof line, "\n%s_count %" PRIu64 "\n", name, below);
    add_text(text, line);
}
