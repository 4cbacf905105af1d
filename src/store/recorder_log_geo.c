/* SPDX-License-Identifier: Apache-2.0 */
#include "store/recorder_log_line.h"

/* Lines about countries: where a client stands, and what became of it. */

static const struct decision_step *step_of_geo(const struct decision *decision) {
    for (size_t i = 0; i < decision->step_count; i++) {
        if (decision->steps[i].policy == POLICY_GEO && !decision->steps[i].skipped) {
            return &decision->steps[i];
        }
    }
    return NULL;
}

static void add_outcome(struct log_text *line, const struct decision_step *step, uint32_t asn) {
    const bool shadow = step->mode == POLICY_MODE_SHADOW;
    if (step->verdict != VERDICT_REJECT && step->verdict != VERDICT_DEFER) {
        log_add(line, " (allowed)");
        return;
    }
    log_add(line, shadow ? " (shadow: blocked" : " (blocked");
    if (step->reason == REASON_GEO_ASN) {
        log_add(line, ", AS");
        text_add_u64(&line->text, asn);
    }
    log_add(line, ")");
}

/* "IP 203.0.113.50 -> Country: CN (blocked)" */
void recorder_log_geo_lines(const struct decision_record *record, int64_t time_ns,
                            recorder_emit *emit, void *context) {
    const struct log_emitter emitter = {record, time_ns, emit, context};
    const struct facts *facts = &record->facts;
    const struct decision_step *step = step_of_geo(&record->decision);
    if (facts->status[FACT_GEO] != FACT_KNOWN || step == NULL ||
        record->request.state != PROTOCOL_STATE_RCPT) {
        return;
    }
    struct log_text line;
    log_line_init(&line);
    log_add(&line, "IP ");
    log_add_outside(&line, record->request.client_address_text);
    log_add(&line, " -> Country: ");
    if (facts->geo_country[0] >= 'A') {
        log_add_outside(&line, (struct str){facts->geo_country, sizeof facts->geo_country});
    } else {
        log_add(&line, "unknown");
    }
    add_outcome(&line, step, facts->geo_asn);
    log_emit(&emitter, LOG_DEBUG, "GeoIP", &line);
}
