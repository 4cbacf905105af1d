/* SPDX-License-Identifier: Apache-2.0 */
#include "store/recorder_log_line.h"

/* Lines about SPF, from what was found out, whatever the policy made of it. */

static void add_result(struct log_text *line, uint8_t result) {
    const char *name = spf_result_name((enum spf_result)result);
    for (; *name != '\0'; name++) {
        const char upper[] = {*name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name,
                              '\0'};
        log_add(line, upper);
    }
}

static void add_from(struct log_text *line, const struct log_emitter *emitter) {
    log_add(line, " from ");
    log_add_outside(line, emitter->record->request.client_address_text);
}

/* " (example.org: -all)"; of an error what was wrong. */
static void add_detail(struct log_text *line, const struct facts *facts) {
    const struct str problem = {facts->spf_problem, facts->spf_problem_length};
    const struct str domain = {facts->spf_domain, facts->spf_domain_length};
    const struct str mechanism = {facts->spf_mechanism, facts->spf_mechanism_length};
    const bool is_error = facts->spf_result == SPF_TEMPERROR || facts->spf_result == SPF_PERMERROR;
    if (is_error ? problem.length == 0 : mechanism.length == 0) {
        return;
    }
    log_add(line, " (");
    if (is_error) {
        text_add_escaped(&line->text, problem);
    } else {
        text_add_escaped(&line->text, domain);
        log_add(line, ": ");
        text_add_escaped(&line->text, mechanism);
    }
    log_add(line, ")");
}

static void emit_helo(const struct log_emitter *emitter) {
    struct log_text line;
    log_line_init(&line);
    log_add(&line, "HELO FAIL for ");
    log_add_outside(&line, emitter->record->request.helo_name);
    add_from(&line, emitter);
    log_emit(emitter, LOG_INFO, "SPF", &line);
}

void log_emit_spf(const struct log_emitter *emitter) {
    const struct facts *facts = &emitter->record->facts;
    struct log_text line;
    if (facts->status[FACT_SPF] != FACT_KNOWN) {
        return;
    }
    log_line_init(&line);
    add_result(&line, facts->spf_result);
    log_add(&line, " for ");
    log_add_sender(&line, emitter);
    add_from(&line, emitter);
    if (facts->spf_result != SPF_PASS) {
        add_detail(&line, facts);
    }
    log_emit(emitter, LOG_INFO, "SPF", &line);
    /* Of a null sender both are the same. */
    if (facts->spf_helo_result == SPF_FAIL && emitter->record->request.sender.length > 0) {
        emit_helo(emitter);
    }
}
