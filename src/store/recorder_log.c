/* SPDX-License-Identifier: Apache-2.0 */
#include "store/recorder.h"

/* The lines of SPEC 11. What came from outside is escaped so that no one can forge a line, nor a
 * field of it: blanks and angle brackets inside an address are escaped too. */

enum { LINE_MAX = 4000 };

struct line {
    struct text text;
    char bytes[LINE_MAX];
};

struct emitter {
    const struct decision_record *record;
    int64_t time_ns;
    recorder_emit *emit;
    void *context;
};

static void line_init(struct line *line) {
    line->text = TEXT_OVER(line->bytes);
}

static void add(struct line *line, const char *text) {
    text_add(&line->text, str_from(text));
}

/* A value that ends at the next blank or bracket. */
static void add_outside(struct line *line, struct str value) {
    size_t from = 0;
    for (size_t i = 0; i <= value.length; i++) {
        const char c = i < value.length ? value.data[i] : '\0';
        if (i < value.length && c != ' ' && c != '<' && c != '>') {
            continue;
        }
        text_add_escaped(&line->text, str_slice(value, from, i));
        if (i < value.length) {
            add(line, c == ' ' ? "\\x20" : c == '<' ? "\\x3c" : "\\x3e");
        }
        from = i + 1;
    }
}

static void add_sender(struct line *line, const struct emitter *emitter) {
    const struct str sender = emitter->record->request.sender;
    if (sender.length == 0) {
        add(line, "<>");
        return;
    }
    add_outside(line, sender);
}

static void add_pair(struct line *line, const struct emitter *emitter) {
    add_sender(line, emitter);
    add(line, " -> ");
    add_outside(line, emitter->record->request.recipient);
}

/* "client=192.0.2.1 from=<a@b> to=<c@d>" */
static void add_envelope(struct line *line, const struct emitter *emitter) {
    const struct policy_request *request = &emitter->record->request;
    add(line, "client=");
    add_outside(line, request->client_address_text);
    add(line, " from=<");
    add_outside(line, request->sender);
    add(line, "> to=<");
    add_outside(line, request->recipient);
    add(line, ">");
}

static void emit_line(const struct emitter *emitter, enum log_level level, const char *module,
                      const struct line *line) {
    emitter->emit(emitter->context, level, module, emitter->time_ns, text_str(&line->text));
}

static void emit_refusal(const struct emitter *emitter) {
    const struct decision *decision = &emitter->record->decision;
    struct line line;
    line_init(&line);
    add(&line, "policy=");
    add(&line, policy_info(decision->policy)->name);
    add(&line, " ");
    add_envelope(&line, emitter);
    add(&line, " reason=");
    add(&line, reason_info(decision->reason)->word);
    add(&line, " reply=\"");
    text_add_escaped(&line.text, (struct str){decision->reply, decision->reply_length});
    add(&line, "\"");
    emit_line(emitter, LOG_WARN, decision->verdict == VERDICT_REJECT ? "REJECT" : "DEFER", &line);
}

static void emit_accept(const struct emitter *emitter) {
    struct line line;
    line_init(&line);
    add(&line, "ACCEPT ");
    add_envelope(&line, emitter);
    emit_line(emitter, LOG_DEBUG, "Decision", &line);
}

static void emit_shadow(const struct emitter *emitter, const struct decision_step *step) {
    struct line line;
    line_init(&line);
    add(&line, "policy=");
    add(&line, policy_info(step->policy)->name);
    add(&line, " would=");
    add(&line, verdict_name(step->verdict));
    add(&line, " ");
    add_envelope(&line, emitter);
    add(&line, " reason=");
    add(&line, reason_info(step->reason)->word);
    emit_line(emitter, LOG_INFO, "Shadow", &line);
}

static void emit_allowed(const struct emitter *emitter) {
    const struct decision *decision = &emitter->record->decision;
    struct line line;
    line_init(&line);
    add(&line, "allowed ");
    add_envelope(&line, emitter);
    add(&line, " rule=\"");
    text_add_escaped(&line.text, (struct str){decision->rule, decision->rule_length});
    add(&line, "\"");
    emit_line(emitter, LOG_INFO, "ACL", &line);
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

static void emit_greylisting(const struct emitter *emitter, const struct decision_step *step) {
    const bool refused = step->verdict == VERDICT_DEFER || step->verdict == VERDICT_REJECT;
    bool delay = false;
    const char *words = greylisting_words(step->reason, &delay);
    struct line line;
    if (words == NULL) {
        return;
    }
    line_init(&line);
    add(&line, words);
    add_pair(&line, emitter);
    if (delay) {
        add(&line, " (delay: ");
        text_add_u64(&line.text, emitter->record->decision.retry_in_s);
        add(&line, "s)");
    }
    emit_line(emitter, refused ? LOG_WARN : LOG_INFO, "Greylisting", &line);
}

static void emit_step(const struct emitter *emitter, const struct decision_step *step) {
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
    }
}

void recorder_log_lines(const struct decision_record *record, int64_t time_ns, recorder_emit *emit,
                        void *context) {
    const struct emitter emitter = {record, time_ns, emit, context};
    const struct decision *decision = &record->decision;
    for (size_t i = 0; i < decision->step_count; i++) {
        emit_step(&emitter, &decision->steps[i]);
    }
    if (decision->verdict == VERDICT_REJECT || decision->verdict == VERDICT_DEFER) {
        emit_refusal(&emitter);
    } else {
        emit_accept(&emitter);
    }
}
