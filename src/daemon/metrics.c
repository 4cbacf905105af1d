/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/metrics.h"

#include <string.h>

#include "daemon/control_alerts.h"

/* Words of alerts and words of the label: those of dashboards of old. */
static const struct {
    const char *label;
    const char *word;
} severities[] = {
    {"critical", "critical"}, {"high", "high"}, {"medium", "warning"}, {"low", "info"}};

static void tell_alerts(const json_t *alerts, struct metrics_text *text) {
    for (size_t s = 0; s < sizeof severities / sizeof severities[0]; s++) {
        uint64_t count = 0;
        for (size_t i = 0; i < json_array_size(alerts); i++) {
            const json_t *word = json_object_get(json_array_get(alerts, i), "severity");
            count +=
                json_is_string(word) && strcmp(json_string_value(word), severities[s].word) == 0;
        }
        metrics_count(text, METRIC_ALERTS_ACTIVE, count, "severity", severities[s].label, NULL);
    }
}

/* What there is without history: it is told even when history cannot be read. */
static void tell_rest(struct control *control, struct metrics_text *text) {
    struct engine_status status;
    engine_status(control->engine, &status);
    const struct generation *generation = engine_generation_acquire(control->engine);
    json_t *alerts = control_all_alerts(control, &status, generation->settings);
    tell_alerts(alerts, text);
    json_decref(alerts);
    metrics_tell_answers(control, text);
    metrics_tell_network(control, generation->settings, text);
    metrics_tell_storage(control, &status, text);
    metrics_tell_process(control, &status, generation->version, text);
    engine_generation_release(control->engine, generation);
}

void control_get_metrics(void *context, const struct http_request *request,
                         struct http_response *response) {
    (void)request;
    struct control *control = context;
    struct metrics_text text;
    struct history_reader *reader = control_reader_take(control, response);
    if (reader == NULL) {
        return;
    }
    metrics_text_init(&text);
    /* Without history its gauges are missing, which the alert rules notice. */
    (void)!metrics_tell_periods(control, reader, &text);
    control_reader_give(control, reader);
    tell_rest(control, &text);
    if (text.failed) {
        http_answer_problem(response, 500, NULL, STR("The service is out of memory."));
    } else {
        http_answer_bytes(response, 200, METRICS_CONTENT_TYPE, (struct str){text.data, text.length},
                          false);
    }
    metrics_text_done(&text);
}
