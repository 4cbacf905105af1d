/* SPDX-License-Identifier: Apache-2.0 */
#include "store/recorder_log_line.h"

/* Lines about block lists. The word "listed" stands in lines about addresses that are. */

void recorder_names_set(struct recorder_names *names, const struct rbl_settings *settings) {
    *names = (struct recorder_names){{{0}}};
    for (size_t i = 0; i < settings->list_count; i++) {
        const struct rbl_list_settings *list = &settings->lists[i];
        const unsigned own = list->number - (unsigned)DNSBL_OWN_FIRST;
        if (list->number >= DNSBL_OWN_FIRST && own < DNSBL_OWN_MAX) {
            struct text name = {.data = names->own_lists[own],
                                .size = sizeof names->own_lists[own] - 1};
            text_add(&name, list->name);
        }
    }
}

static void add_name(struct log_text *line, const struct recorder_names *names, uint8_t number) {
    const struct dnsbl_info *info = dnsbl_of_number(number);
    const unsigned own = number - (unsigned)DNSBL_OWN_FIRST;
    if (info != NULL) {
        log_add(line, info->name);
    } else if (number >= DNSBL_OWN_FIRST && own < DNSBL_OWN_MAX &&
               names->own_lists[own][0] != '\0') {
        text_add_escaped(&line->text, str_from(names->own_lists[own]));
    } else { /* it was taken off the settings since */
        log_add(line, "own list ");
        text_add_u64(&line->text, own + UINT64_C(1));
    }
}

/* "IP 10.20.30.40 is listed in Spamhaus ZEN: 127.0.0.2" */
static void emit_listed(const struct log_emitter *emitter, const struct recorder_names *names,
                        const struct rbl_answer *answer) {
    struct log_text line;
    log_line_init(&line);
    log_add(&line, "IP ");
    log_add_outside(&line, emitter->record->request.client_address_text);
    log_add(&line, " is listed in ");
    add_name(&line, names, answer->list);
    log_add(&line, ": ");
    for (size_t i = 0; i < 4; i++) {
        log_add(&line, i > 0 ? "." : "");
        text_add_u64(&line.text, answer->code[i]);
    }
    log_emit(emitter, LOG_INFO, "RBL", &line);
}

static void emit_silent(const struct log_emitter *emitter, const struct recorder_names *names,
                        const struct rbl_answer *answer) {
    struct log_text line;
    log_line_init(&line);
    add_name(&line, names, answer->list);
    log_add(&line, answer->status == DNSBL_TIMED_OUT ? " did not answer in time about IP "
                                                     : " gave no answer about IP ");
    log_add_outside(&line, emitter->record->request.client_address_text);
    log_emit(emitter, LOG_DEBUG, "RBL", &line);
}

void recorder_log_rbl_lines(const struct decision_record *record,
                            const struct recorder_names *names, int64_t time_ns,
                            recorder_emit *emit, void *context) {
    const struct log_emitter emitter = {record, time_ns, emit, context};
    const struct facts *facts = &record->facts;
    if (facts->status[FACT_RBL] != FACT_KNOWN || record->request.state != PROTOCOL_STATE_RCPT) {
        return;
    }
    for (size_t i = 0; i < facts->rbl_count; i++) {
        if (facts->rbl[i].status == DNSBL_LISTED) {
            emit_listed(&emitter, names, &facts->rbl[i]);
        } else if (facts->rbl[i].status == DNSBL_FAILED ||
                   facts->rbl[i].status == DNSBL_TIMED_OUT) {
            emit_silent(&emitter, names, &facts->rbl[i]);
        }
    }
}
