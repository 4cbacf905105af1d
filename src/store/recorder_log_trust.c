/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/rfc3339.h"
#include "mail/mail_address.h"
#include "policy/auto_blacklist.h"
#include "policy/quotas.h"
#include "store/recorder_log_line.h"

/* Lines about people and addresses over time. */

static void add_rule(struct log_text *line, const struct log_emitter *emitter) {
    const struct decision *decision = &emitter->record->decision;
    log_add(line, " (");
    text_add_escaped(&line->text, (struct str){decision->rule, decision->rule_length});
    log_add(line, ")");
}

static void add_client(struct log_text *line, const struct log_emitter *emitter) {
    log_add_outside(line, emitter->record->request.client_address_text);
}

/* The policy that decided: its rule stands in the decision. */
void log_emit_refused(const struct log_emitter *emitter, const struct decision_step *step) {
    struct log_text line;
    const char *module = NULL;
    log_line_init(&line);
    switch ((unsigned)step->policy) {
    case POLICY_QUOTAS:
        module = "Quotas";
        log_add(&line, step->verdict == VERDICT_DEFER ? "deferred " : "refused ");
        log_add_pair(&line, emitter);
        break;
    case POLICY_SENDER_RESTRICTIONS:
        module = "Restrictions";
        log_add_outside(&line, emitter->record->identity);
        log_add(&line, " may not write to ");
        log_add_outside(&line, emitter->record->request.recipient);
        break;
    case POLICY_SENDER_IDENTITY:
        module = "Identity";
        log_add_outside(&line, emitter->record->identity);
        log_add(&line, " may not send as ");
        log_add_sender(&line, emitter);
        break;
    case POLICY_IP_REPUTATION:
        module = "Reputation";
        log_add(&line, "refused ");
        add_client(&line, emitter);
        break;
    case POLICY_AUTO_BLACKLIST:
        module = "Blacklist";
        log_add(&line, "refused ");
        add_client(&line, emitter);
        break;
    default:
        return;
    }
    if (emitter->record->decision.rule_length > 0) {
        add_rule(&line, emitter);
    }
    log_emit(emitter, LOG_WARN, module, &line);
}

/* "500 recipients/day", "2GiB bytes/month" */
static void add_limit(struct log_text *line, const struct decision_event *event) {
    static const char *const sizes[] = {"", "KiB", "MiB", "GiB", "TiB"};
    uint64_t amount = event->limit;
    size_t size = 0;
    while (event->unit == QUOTA_BYTES && size + 1 < sizeof sizes / sizeof sizes[0] && amount > 0 &&
           amount % 1024 == 0) {
        amount /= 1024;
        size++;
    }
    text_add_u64(&line->text, amount);
    log_add(line, sizes[size]);
    log_add(line, " ");
    log_add(line, quota_unit_name((enum quota_unit)event->unit));
    log_add(line, "/");
    log_add(line, quota_window_name((enum quota_window)event->window));
}

/* "user bob@example.com" */
static void add_subject(struct log_text *line, const struct log_emitter *emitter,
                        const struct decision_event *event) {
    char bytes[MAIL_ADDRESS_MAX];
    struct text room = TEXT_OVER(bytes);
    const struct quota_subject subject =
        quota_subject_of(emitter->record->identity, (struct ip_address){{0}}, &room);
    log_add(line, quota_scope_name((enum quota_scope)event->scope));
    switch ((enum quota_scope)event->scope) {
    case QUOTA_USER:
        log_add(line, " ");
        log_add_outside(line, subject.user);
        break;
    case QUOTA_DOMAIN:
        log_add(line, " ");
        log_add_outside(line, subject.domain);
        break;
    case QUOTA_IP:
        log_add(line, " ");
        add_client(line, emitter);
        break;
    case QUOTA_GLOBAL:
    case QUOTA_SCOPES:
        break;
    }
}

void log_emit_event(const struct log_emitter *emitter, const struct decision_event *event) {
    struct log_text line;
    if ((event->reason != REASON_QUOTA_NEAR_LIMIT && event->reason != REASON_QUOTA_LIMIT_REACHED) ||
        event->scope >= QUOTA_SCOPES || event->unit >= QUOTA_UNITS ||
        event->window >= QUOTA_WINDOWS || event->limit == 0) {
        return;
    }
    log_line_init(&line);
    add_subject(&line, emitter, event);
    log_add(&line, " has used ");
    if (event->used >= event->limit) {
        log_add(&line, "all of ");
    } else {
        text_add_u64(&line.text, event->used / event->limit * 100 +
                                     event->used % event->limit * 100 / event->limit);
        log_add(&line, "% of ");
    }
    add_limit(&line, event);
    log_add(&line, " (quota:");
    text_add_u64(&line.text, event->rule_id);
    log_add(&line, ")");
    log_emit(emitter, LOG_WARN, "Quotas", &line);
}

/* The read of the counter that `effect`, a block, begins anew: the effect behind it names it. */
static bool is_counter_of(const struct decision *decision, const struct effect *effect,
                          const struct read *read) {
    const struct effect *next = effect + 1;
    const bool named =
        next < decision->effects + decision->effect_count && next->kind == EFFECT_OFFENCE_FORGOTTEN;
    return read->kind == READ_ENTRY && read->source == STATE_OFFENCE &&
           (!named || read->fingerprint == next->key.low);
}

/* "100 rejections in 1h": the cause that met the threshold is one more than what had been read. */
static void add_cause(struct log_text *line, const struct decision *decision,
                      const struct effect *effect, unsigned trigger) {
    static const struct {
        uint32_t seconds;
        const char *unit;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    log_add(line, " (");
    for (size_t i = 0; i < decision->read_count; i++) {
        const struct read *read = &decision->reads[i];
        struct offence_digest digest;
        memcpy(&digest, read->entry, sizeof digest);
        if (!is_counter_of(decision, effect, read) || digest.width_s == 0) {
            continue;
        }
        const uint32_t window_s = digest.width_s * OFFENCE_RING;
        size_t unit = 0;
        while (window_s % units[unit].seconds != 0) {
            unit++;
        }
        text_add_u64(&line->text, digest.count + UINT64_C(1));
        log_add(line, " ");
        log_add(line, blacklist_trigger_name(trigger));
        log_add(line, " in ");
        text_add_u64(&line->text, window_s / units[unit].seconds);
        log_add(line, units[unit].unit);
        log_add(line, ")");
        return;
    }
    log_add(line, blacklist_trigger_name(trigger));
    log_add(line, ")");
}

void log_emit_effect(const struct log_emitter *emitter, const struct effect *effect) {
    enum { SECONDS_LENGTH = 19, TRIGGER_BITS = 0x0f }; /* effect.h */
    char bytes[RFC3339_TEXT_MAX];
    struct text until = TEXT_OVER(bytes);
    struct log_text line;
    if (effect->kind != EFFECT_BLACKLIST_CHANGED || (effect->flags & EFFECT_RELEASED) != 0) {
        return;
    }
    log_line_init(&line);
    log_add(&line, "blocked ");
    add_client(&line, emitter);
    if ((effect->flags & EFFECT_PERMANENT) != 0) {
        log_add(&line, " for good");
    } else {
        rfc3339_format((int64_t)effect->expires_s * NS_PER_S, &until);
        log_add(&line, " until ");
        text_add(&line.text, str_slice(text_str(&until), 0, SECONDS_LENGTH));
        log_add(&line, "Z");
    }
    add_cause(&line, &emitter->record->decision, effect, effect->detail & TRIGGER_BITS);
    log_emit(emitter, LOG_WARN, "Blacklist", &line);
}
