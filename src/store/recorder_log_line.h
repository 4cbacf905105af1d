/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/recorder.h"

/* Inside of recorder_log_lines(): a line being written, and the lines of each family of policies.
 */

enum { LINE_MAX = 4000 };

struct log_text {
    struct text text;
    char bytes[LINE_MAX];
};

struct log_emitter {
    const struct decision_record *record;
    int64_t time_ns;
    recorder_emit *emit;
    void *context;
};

void log_line_init(struct log_text *line);
void log_add(struct log_text *line, const char *text);
/* A value that ends at the next blank or bracket. */
void log_add_outside(struct log_text *line, struct str value);
/* "a@b", "<>"; "a@b -> c@d" */
void log_add_sender(struct log_text *line, const struct log_emitter *emitter);
void log_add_pair(struct log_text *line, const struct log_emitter *emitter);
void log_emit(const struct log_emitter *emitter, enum log_level level, const char *module,
              const struct log_text *line);

/* recorder_log_trust.c: quotas, restrictions, identity, reputation, blacklist. */

/* A refusal or deferral by the policy of this step. */
void log_emit_refused(const struct log_emitter *emitter, const struct decision_step *step);
/* recorder_log_spf.c */
void log_emit_spf(const struct log_emitter *emitter);
void log_emit_event(const struct log_emitter *emitter, const struct decision_event *event);
void log_emit_effect(const struct log_emitter *emitter, const struct effect *effect);
