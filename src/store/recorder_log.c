/* SPDX-License-Identifier: Apache-2.0 */
#include "store/recorder_log_line.h"

/* The lines of SPEC 11. What came from outside is escaped so that no one can forge a line, nor a
 * field of it: blanks and angle brackets inside an address are escaped too. */

void log_line_init(struct log_text *line) {
    line->text = TEXT_OVER(line->bytes);
}

void log_add(struct log_text *line, const char *text) {
    text_add(&line->text, str_from(text));
}

/* A value that ends at the next blank or bracket. */
void log_add_outside(struct log_text *line, struct str value) {
    size_t from = 0;
    for (size_t i = 0; i <= value.length; i++) {
        const char c = i < value.length ? value.data[i] : '\0';
        if (i < value.length && c != ' ' && c != '<' && c != '>') {
            continue;
        }
        text_add_escaped(&line->text, str_slice(value, from, i));
        if (i < value.length) {
            log_add(line, c == ' ' ? "\\x20" : c == '<' ? "\\x3c" : "\\x3e");
        }
        from = i + 1;
    }
}

void log_add_sender(struct log_text *line, const struct log_emitter *emitter) {
    const struct str sender = emitter->record->request.sender;
    if (sender.length == 0) {
        log_add(line, "<>");
        return;
    }
    log_add_outside(line, sender);
}

void log_add_pair(struct log_text *line, const struct log_emitter *emitter) {
    log_add_sender(line, emitter);
    log_add(line, " -> ");
    log_add_outside(line, emitter->record->request.recipient);
}

/* "client=192.0.2.1 from=<a@b> to=<c@d>" */
static void add_envelope(struct log_text *line, const struct log_emitter *emitter) {
    const struct policy_request *request = &emitter->record->request;
    log_add(line, "client=");
    log_add_outside(line, request->client_address_text);
    log_add(line, " from=<");
    log_add_outside(line, request->sender);
    log_add(line, "> to=<");
    log_add_outside(line, request->recipient);
    log_add(line, ">");
}

void log_emit(const struct log_emitter *emitter, enum log_level level, const char *module,
              const struct log_text *line) {
    emitter->emit(emitter->context, level, module, emitter->time_ns, text_str(&line->text));
}

static void emit_refusal(const struct log_emitter *emitter) {
    const struct decision *decision = &emitter->record->decision;
    struct log_text line;
    log_line_init(&line);
    log_add(&line, "policy=");
    log_add(&line, policy_info(decision->policy)->name);
    log_add(&line, " ");
    add_envelope(&line, emitter);
    log_add(&line, " reason=");
    log_add(&line, reason_info(decision->reason)->word);
    log_add(&line, " reply=\"");
    text_add_escaped(&line.text, (struct str){decision->reply, decision->reply_length});
    log_add(&line, "\"");
    log_emit(emitter, LOG_WARN, decision->verdict == VERDICT_REJECT ? "REJECT" : "DEFER", &line);
}

static void emit_accept(const struct log_emitter *emitter) {
    struct log_text line;
    log_line_init(&line);
    log_add(&line, "ACCEPT ");
    add_envelope(&line, emitter);
    log_emit(emitter, LOG_DEBUG, "Decision", &line);
}

static void emit_shadow(const struct log_emitter *emitter, const struct decision_step *step) {
    struct log_text line;
    log_line_init(&line);
    log_add(&line, "policy=");
    log_add(&line, policy_info(step->policy)->name);
    log_add(&line, " would=");
    log_add(&line, verdict_name(step->verdict));
    log_add(&line, " ");
    add_envelope(&line, emitter);
    log_add(&line, " reason=");
    log_add(&line, reason_info(step->reason)->word);
    log_emit(emitter, LOG_INFO, "Shadow", &line);
}

static void emit_allowed(const struct log_emitter *emitter) {
    const struct decision *decision = &emitter->record->decision;
    struct log_text line;
    log_line_init(&line);
    log_add(&line, "allowed ");
    add_envelope(&line, emitter);
    log_add(&line, " rule=\"");
    text_add_escaped(&line.text, (struct str){decision->rule, decision->rule_length});
    log_add(&line, "\"");
    log_emit(emitter, LOG_INFO, "ACL", &line);
}

/* What the line says before "a@b -> c@d", and whether the delay stands behind it. */
static const char *greylisting_words(enum reason reason, bool *ret_delay) {
    *ret_delay = false;
    switch ((unsigned)reason) {
    case REASON_GREYLIST_FIRST_CONTACT:
        *ret_delay = true;
        return "first attempt from ";
    case REASON_GREYLIST_TOO_EARLY:
        *ret_delay = true;
        return "retry too early from ";
    case REASON_GREYLIST_TOO_LATE:
        *ret_delay = true;
        return "retry too late, first attempt again from ";
    case REASON_GREYLIST_RETRIED:
        return "retried in time: ";
    case REASON_GREYLIST_KNOWN:
        return "known: ";
    case REASON_GREYLIST_CLIENT_TRUSTED:
        return "client trusted: ";
    case REASON_GREYLIST_EXEMPT:
        return "exempt: ";
    case REASON_GREYLIST_NOT_SUSPICIOUS:
        return "not suspicious: ";
    case REASON_GREYLIST_LEARNING:
        return "learning: ";
    default:
        return NULL;
    }
}

static void emit_greylisting(const struct log_emitter *emitter, const struct decision_step *step) {
    const bool refused = step->verdict == VERDICT_DEFER || step->verdict == VERDICT_REJECT;
    bool delay = false;
    const char *words = greylisting_words(step->reason, &delay);
    struct log_text line;
    if (words == NULL) {
        return;
    }
    log_line_init(&line);
    log_add(&line, words);
    log_add_pair(&line, emitter);
    if (delay) {
        log_add(&line, " (delay: ");
        text_add_u64(&line.text, emitter->record->decision.retry_in_s);
        log_add(&line, "s)");
    }
    log_emit(emitter, refused ? LOG_WARN : LOG_INFO, "Greylisting", &line);
}

static void emit_step(const struct log_emitter *emitter, const struct decision_step *step) {
    if (step->skipped) {
        return;
    }
    if (step->mode == POLICY_MODE_SHADOW) {
        if (step->verdict != VERDICT_NONE) {
            emit_shadow(emitter, step);
        }
        return;
    }
    if (step->policy == POLICY_GREYLISTING) {
        emit_greylisting(emitter, step);
    } else if (step->policy == POLICY_ACL_ALLOW && step->verdict == VERDICT_ACCEPT) {
        emit_allowed(emitter);
    } else if (step->verdict == VERDICT_DEFER || step->verdict == VERDICT_REJECT) {
        log_emit_refused(emitter, step);
    }
}

void recorder_log_lines(const struct decision_record *record, int64_t time_ns, enum log_level least,
                        recorder_emit *emit, void *context) {
    const struct log_emitter emitter = {record, time_ns, emit, context};
    const struct decision *decision = &record->decision;
    for (size_t i = 0; i < decision->event_count; i++) {
        log_emit_event(&emitter, &decision->events[i]);
    }
    if (record->request.state == PROTOCOL_STATE_END_OF_MESSAGE) {
        return; /* Its recipients have been told of. */
    }
    log_emit_spf(&emitter);
    for (size_t i = 0; i < decision->step_count; i++) {
        emit_step(&emitter, &decision->steps[i]);
    }
    for (size_t i = 0; i < decision->effect_count; i++) {
        log_emit_effect(&emitter, &decision->effects[i]);
    }
    if (decision->verdict == VERDICT_REJECT || decision->verdict == VERDICT_DEFER) {
        emit_refusal(&emitter);
    } else if (least <= LOG_DEBUG) { /* Half of all lines at that level, and seldom wanted. */
        emit_accept(&emitter);
    }
}
