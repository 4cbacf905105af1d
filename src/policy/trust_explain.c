/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/auto_blacklist.h"
#include "policy/explain_parts.h"

static void add_count(struct text *out, struct str label, uint64_t count) {
    text_add(out, label);
    text_add_u64(out, count);
}

static void explain_reputation(const struct read *read, uint32_t now_s, struct text *out) {
    struct reputation_entry entry;
    memcpy(&entry, read->entry, sizeof entry);
    const bool expired = entry.head.expires_s <= now_s;
    if (entry.forgotten != 0) {
        text_add(out, STR("reset by an administrator"));
    } else {
        add_count(out, STR("score "), entry.score);
        explain_add_labelled_time(out, STR(" when last seen "), entry.head.last_used_s, now_s);
    }
    add_count(out, STR(", accepted "), entry.accepted);
    add_count(out, STR(", rejected "), entry.rejected);
    add_count(out, STR(", deferred "), entry.deferred);
    explain_add_labelled_time(out, expired ? STR(", expired ") : STR(", expires "),
                              entry.head.expires_s, now_s);
}

/* "because of rejections, 2 blocks by rules" */
static void add_cause(struct text *out, unsigned trigger, unsigned offences) {
    if (trigger == BLACKLIST_BY_HAND) {
        text_add(out, STR(" by hand"));
    } else {
        text_add(out, STR(" because of "));
        text_add(out, str_from(blacklist_trigger_name(trigger)));
    }
    if (offences > 1) {
        add_count(out, STR(", block number "), offences);
    }
}

static void explain_blacklist(const struct read *read, uint32_t now_s, struct text *out) {
    struct blacklist_entry entry;
    memcpy(&entry, read->entry, sizeof entry);
    const struct blacklist_standing standing = blacklist_standing(&entry, now_s);
    if (entry.until_s == 0) {
        explain_add_labelled_time(out, STR("released "), entry.since_s, now_s);
        return;
    }
    text_add(out, standing.blocked ? STR("blocked") : STR("was blocked"));
    add_cause(out, entry.trigger, entry.offences);
    explain_add_labelled_time(out, STR(", since "), entry.since_s, now_s);
    if (entry.until_s == BLACKLIST_FOR_GOOD) {
        text_add(out, STR(", for good"));
    } else {
        explain_add_labelled_time(out, STR(", until "), entry.until_s, now_s);
    }
}

static void explain_offences(const struct read *read, struct text *out) {
    struct offence_digest digest;
    memcpy(&digest, read->entry, sizeof digest);
    if (digest.width_s == 0) {
        text_add(out, STR("none since they were cleared"));
        return;
    }
    text_add_u64(out, digest.count);
    text_add(out, STR(" in the last "));
    explain_add_duration(out, digest.width_s * OFFENCE_RING);
}

void explain_trust_entry(const struct read *read, uint32_t now_s, struct text *out) {
    if (read->source == STATE_REPUTATION) {
        explain_reputation(read, now_s, out);
    } else if (read->source == STATE_BLACKLIST) {
        explain_blacklist(read, now_s, out);
    } else {
        explain_offences(read, out);
    }
}

static void explain_score(const struct effect *effect, struct text *out) {
    if ((effect->flags & EFFECT_RESET) != 0) {
        text_add(out, STR("reset"));
        return;
    }
    static const char *const outcomes[] = {"changed", "accepted", "rejected", "deferred"};
    text_add(out, str_from(outcomes[(effect->flags & EFFECT_OUTCOME_MASK) >> 6]));
    add_count(out, STR(": score "), effect->detail);
}

static void explain_block(const struct effect *effect, struct text *out) {
    if ((effect->flags & EFFECT_RELEASED) != 0) {
        text_add(out, STR("released"));
        return;
    }
    text_add(out,
             (effect->flags & EFFECT_PERMANENT) != 0 ? STR("blocked for good") : STR("blocked"));
    add_cause(out, effect->detail & 0x0f, (unsigned)effect->detail >> 4);
}

void explain_trust_effect(const struct effect *effect, uint32_t now_s, struct text *out) {
    (void)now_s;
    if (effect->kind == EFFECT_REPUTATION_CHANGED) {
        explain_score(effect, out);
    } else if (effect->kind == EFFECT_BLACKLIST_CHANGED) {
        explain_block(effect, out);
    } else {
        text_add(out,
                 effect->kind == EFFECT_OFFENCE_COUNTED ? STR("one more counted") : STR("cleared"));
    }
}
