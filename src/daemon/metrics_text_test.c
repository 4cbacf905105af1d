/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/metrics_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "testing/test.h"

static void assert_text(struct metrics_text *text, const char *expected) {
    assert_false(text->failed);
    const struct str found = {text->data, text->length};
    if (!str_equal(found, str_from(expected))) {
        fail_msg("%.*s\nis not\n%s", STR_ARGS(found), expected);
    }
    metrics_text_done(text);
}

TEST(samples_of_a_metric_share_its_help_and_type) {
    struct metrics_text text;
    metrics_text_init(&text);
    metrics_count(&text, METRIC_MAIL_TOTAL, 17, "period", "1h", NULL);
    metrics_count(&text, METRIC_MAIL_TOTAL, UINT64_MAX, "period", "24h", "x", "y", NULL);
    metrics_count(&text, METRIC_CONNECTIONS, 0, NULL);
    assert_text(&text, "# HELP seczim_mail_total Decisions on recipients in the period.\n"
                       "# TYPE seczim_mail_total gauge\n"
                       "seczim_mail_total{period=\"1h\"} 17\n"
                       "seczim_mail_total{period=\"24h\",x=\"y\"} 18446744073709551615\n"
                       "# HELP seczim_connections Open connections of the policy service.\n"
                       "# TYPE seczim_connections gauge\n"
                       "seczim_connections 0\n");
}

TEST(a_label_cannot_end_its_quotes_or_its_line) {
    struct metrics_text text;
    metrics_text_init(&text);
    metrics_count(&text, METRIC_CONNECTIONS, 1, "a", "x\"} 9\n\\", NULL);
    assert_text(&text, "# HELP seczim_connections Open connections of the policy service.\n"
                       "# TYPE seczim_connections gauge\n"
                       "seczim_connections{a=\"x\\\"} 9\\n\\\\\"} 1\n");
}

TEST(seconds_are_told_to_the_nanosecond_also_below_zero) {
    struct metrics_text text;
    metrics_text_init(&text);
    metrics_seconds(&text, METRIC_CLOCK_OFFSET, -INT64_C(1500000001), NULL);
    metrics_seconds(&text, METRIC_CLOCK_OFFSET, INT64_C(1732270000) * NS_PER_S + 7, NULL);
    assert_text(&text, "# HELP seczim_clock_offset_seconds Wall clock less decision time.\n"
                       "# TYPE seczim_clock_offset_seconds gauge\n"
                       "seczim_clock_offset_seconds -1.500000001\n"
                       "seczim_clock_offset_seconds 1732270000.000000007\n");
}

static const char histogram[] =
    "# HELP seczim_request_duration_seconds From a request being complete to its answer.\n"
    "# TYPE seczim_request_duration_seconds histogram\n"
    "seczim_request_duration_seconds_bucket{le=\"0.0001\"} 2\n"
    "seczim_request_duration_seconds_bucket{le=\"0.00025\"} 3\n"
    "seczim_request_duration_seconds_bucket{le=\"0.0005\"} 3\n"
    "seczim_request_duration_seconds_bucket{le=\"0.001\"} 3\n"
    "seczim_request_duration_seconds_bucket{le=\"0.0025\"} 3\n"
    "seczim_request_duration_seconds_bucket{le=\"0.005\"} 3\n"
    "seczim_request_duration_seconds_bucket{le=\"0.01\"} 3\n"
    "seczim_request_duration_seconds_bucket{le=\"0.025\"} 3\n"
    "seczim_request_duration_seconds_bucket{le=\"0.05\"} 3\n"
    "seczim_request_duration_seconds_bucket{le=\"0.1\"} 3\n"
    "seczim_request_duration_seconds_bucket{le=\"0.25\"} 4\n"
    "seczim_request_duration_seconds_bucket{le=\"0.5\"} 4\n"
    "seczim_request_duration_seconds_bucket{le=\"1\"} 4\n"
    "seczim_request_duration_seconds_bucket{le=\"2.5\"} 4\n"
    "seczim_request_duration_seconds_bucket{le=\"5\"} 4\n"
    "seczim_request_duration_seconds_bucket{le=\"10\"} 5\n"
    "seczim_request_duration_seconds_bucket{le=\"+Inf\"} 6\n"
    "seczim_request_duration_seconds_sum 23.200200001\n"
    "seczim_request_duration_seconds_count 6\n";

TEST(a_histogram_is_the_sum_of_its_parts_with_bounds_that_hold) {
    static struct latency one, two;
    const struct latency *const both[] = {&one, &two};
    struct metrics_text text;
    metrics_text_init(&text);
    latency_note(&one, 100 * NS_PER_US); /* at most 0.0001 */
    latency_note(&one, 100 * NS_PER_US + 1);
    latency_note(&two, -5); /* a clock that went back */
    latency_note(&two, 200 * NS_PER_MS);
    latency_note(&two, INT64_C(10) * NS_PER_S);
    latency_note(&two, INT64_C(13) * NS_PER_S);
    metrics_latency(&text, METRIC_REQUEST_DURATION, both, 2);
    assert_text(&text, histogram);
}

TEST(more_than_the_first_room_is_kept_whole) {
    struct metrics_text text;
    metrics_text_init(&text);
    for (unsigned i = 0; i < 10000; i++) {
        metrics_count(&text, METRIC_CONNECTIONS, i, "label", "value", NULL);
    }
    assert_false(text.failed);
    assert_true(text.length > 300000);
    assert_memory_equal(text.data + text.length - 5, "9999\n", 5);
    metrics_text_done(&text);
}
