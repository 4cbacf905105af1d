/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision_explain.h"

#include <string.h>

#include "base/check.h"
#include "policy/explain_parts.h"
#include "policy/greylist.h"

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };

static void add_unit(struct text *out, uint32_t count, const char *unit) {
    text_add_u64(out, count);
    text_add_byte(out, ' ');
    text_add(out, str_from(unit));
}

/* The two largest units: "47 h 58 min", "120 s" below ten minutes. */
void explain_add_duration(struct text *out, uint32_t duration_s) {
    static const struct {
        uint32_t seconds;
        const char *unit;
    } units[] = {{DAY_S, "days"}, {HOUR_S, "h"}, {MINUTE_S, "min"}, {1, "s"}};
    size_t i = 0;
    if (duration_s < 10 * MINUTE_S) {
        add_unit(out, duration_s, "s");
        return;
    }
    while (duration_s < units[i].seconds) {
        i++;
    }
    add_unit(out, duration_s / units[i].seconds, units[i].unit);
    const uint32_t rest = duration_s % units[i].seconds / units[i + 1].seconds;
    if (rest > 0) {
        text_add_byte(out, ' ');
        add_unit(out, rest, units[i + 1].unit);
    }
}

/* "120 s ago", "in 47 h", "now" */
static void add_time(struct text *out, uint32_t time_s, uint32_t now_s) {
    if (time_s == now_s) {
        text_add(out, STR("now"));
    } else if (time_s < now_s) {
        explain_add_duration(out, now_s - time_s);
        text_add(out, STR(" ago"));
    } else {
        text_add(out, STR("in "));
        explain_add_duration(out, time_s - now_s);
    }
}

void explain_add_labelled_time(struct text *out, struct str label, uint32_t time_s,
                               uint32_t now_s) {
    text_add(out, label);
    add_time(out, time_s, now_s);
}

static const char *const entry_names[STATE_TABLES] = {
    [STATE_GREYLIST] = "greylist entry",
    [STATE_GREYLIST_CLIENT] = "greylist client",
    [STATE_QUOTA] = "usage",
    [STATE_MESSAGE] = "message under way",
    [STATE_ONCE] = "done before",
    [STATE_CORRESPONDENT] = "correspondent",
    [STATE_REPUTATION] = "reputation",
    [STATE_BLACKLIST] = "automatic blacklist",
    [STATE_OFFENCE] = "offences",
};

const char *decision_read_name(const struct read *read) {
    static const char *const list_names[LISTS] = {
        [LIST_ALLOW] = "allow list",
        [LIST_BLOCK] = "block list",
        [LIST_GREYLIST_EXEMPT] = "greylist exemptions",
        [LIST_REPUTATION_ALLOW] = "addresses allowed by reputation",
    };
    if (read->kind == READ_ENTRY || read->kind == READ_ENTRY_ABSENT) {
        CHECK(read->source < STATE_TABLES);
        return entry_names[read->source];
    }
    if (read->kind == READ_RULE) {
        return rule_kind_name((enum rule_kind)read->source);
    }
    if ((read->source & LIST_READ_ADDRESS_ONLY) != 0) {
        return "block list, addresses alone";
    }
    CHECK(read->source < LISTS);
    return list_names[read->source];
}

static void explain_greylist(const struct read *read, uint32_t now_s, struct text *out) {
    struct greylist_entry entry;
    memcpy(&entry, read->entry, sizeof entry);
    if (entry.first_s == 0) {
        text_add(out, STR("forgotten by an administrator"));
    } else {
        explain_add_labelled_time(out, STR("first seen "), entry.first_s, now_s);
        if (entry.passed_s != 0) {
            explain_add_labelled_time(out, STR(", came back in time "), entry.passed_s, now_s);
        } else {
            text_add(out, STR(", waiting"));
        }
    }
    explain_add_labelled_time(out, STR(", last seen "), entry.head.last_used_s, now_s);
    text_add(out, STR(", attempts "));
    text_add_u64(out, entry.attempts);
    explain_add_labelled_time(out,
                              entry.head.expires_s <= now_s ? STR(", expired ") : STR(", expires "),
                              entry.head.expires_s, now_s);
}

static void explain_client(const struct read *read, uint32_t now_s, struct text *out) {
    struct greylist_client_entry entry;
    memcpy(&entry, read->entry, sizeof entry);
    const bool expired = entry.head.expires_s <= now_s;
    if (!expired) {
        text_add_u64(out, greylist_client_passes(&entry, now_s));
        text_add(out, STR(" different keys passed, "));
    }
    explain_add_labelled_time(out, STR("last used "), entry.head.last_used_s, now_s);
    explain_add_labelled_time(out, expired ? STR(", expired ") : STR(", expires "),
                              entry.head.expires_s, now_s);
}

static void explain_rule(const struct read *read, struct text *out) {
    if (read->source == RULE_QUOTA) {
        explain_quota_limits(read, out);
    } else {
        explain_sender_rule(read, out);
    }
}

static void explain_entry(const struct read *read, uint32_t now_s, struct text *out) {
    switch ((enum state_table_id)read->source) {
    case STATE_GREYLIST:
        explain_greylist(read, now_s, out);
        break;
    case STATE_GREYLIST_CLIENT:
        explain_client(read, now_s, out);
        break;
    case STATE_QUOTA:
    case STATE_MESSAGE:
        explain_quota_entry(read, now_s, out);
        break;
    case STATE_ONCE:
    case STATE_CORRESPONDENT: {
        struct once_entry entry;
        memcpy(&entry, read->entry, sizeof entry);
        explain_add_labelled_time(out, STR("last "), entry.head.last_used_s, now_s);
        break;
    }
    case STATE_REPUTATION:
    case STATE_BLACKLIST:
    case STATE_OFFENCE:
        explain_trust_entry(read, now_s, out);
        break;
    case STATE_TABLES:
        break;
    }
}

void decision_explain_read(const struct decision *decision, const struct read *read, uint32_t now_s,
                           struct text *out) {
    switch (read->kind) {
    case READ_ENTRY_ABSENT:
        text_add(out, STR("none"));
        break;
    case READ_LIST_ABSENT:
        text_add(out, STR("no entry matches"));
        break;
    case READ_ENTRY:
        explain_entry(read, now_s, out);
        break;
    case READ_RULE:
        explain_rule(read, out);
        break;
    case READ_LIST: {
        const struct list_match *match = &decision->list_matches[list_match_slot(read->source)];
        text_add(out, STR("entry "));
        text_add_u64(out, match->entry_id);
        text_add(out, STR(" matches: "));
        text_add_escaped(out, (struct str){match->text, match->text_length});
        if (match->require != LIST_PROOF_NONE) {
            text_add(out, STR(", proven by "));
            text_add(out, str_from(list_proof_name(match->require)));
        }
        break;
    }
    }
}

const char *decision_effect_name(const struct effect *effect) {
    return entry_names[effect_table(effect->kind)];
}

void decision_explain_effect(const struct effect *effect, uint32_t now_s, struct text *out) {
    switch (effect->kind) {
    case EFFECT_GREYLIST_SEEN:
        explain_add_labelled_time(out, STR("noted as first seen "), effect->first_s, now_s);
        if (effect->passed_s != 0) {
            explain_add_labelled_time(out, STR(", passed "), effect->passed_s, now_s);
        }
        break;
    case EFFECT_GREYLIST_CLIENT_SEEN:
        text_add(out, effect->fingerprint != 0 ? STR("one more key of it passed")
                                               : STR("used while trusted"));
        break;
    case EFFECT_GREYLIST_FORGOTTEN:
    case EFFECT_GREYLIST_CLIENT_FORGOTTEN:
        text_add(out, STR("forgotten"));
        break;
    case EFFECT_QUOTA_RESERVED:
    case EFFECT_QUOTA_COMMITTED:
    case EFFECT_QUOTA_FORGOTTEN:
    case EFFECT_MESSAGE_CHARGED:
    case EFFECT_MESSAGE_ENDED:
        explain_quota_effect(effect, out);
        break;
    case EFFECT_REPUTATION_CHANGED:
    case EFFECT_BLACKLIST_CHANGED:
    case EFFECT_OFFENCE_COUNTED:
    case EFFECT_OFFENCE_FORGOTTEN:
        explain_trust_effect(effect, now_s, out);
        break;
    case EFFECT_ONCE:
    case EFFECT_CORRESPONDENT_SEEN:
        text_add(out, STR("noted"));
        break;
    case EFFECT_NONE:
    case EFFECT_KINDS:
        break;
    }
    explain_add_labelled_time(out, STR(", expires "), effect->expires_s, now_s);
}
