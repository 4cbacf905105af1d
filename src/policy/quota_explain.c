/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/explain_parts.h"
#include "policy/quota_parts.h"

static void add_count(struct text *out, uint64_t count, struct str words) {
    text_add_u64(out, count);
    text_add(out, words);
}

void quota_add_limit(struct text *out, uint64_t limit, enum quota_unit unit,
                     enum quota_window window) {
    static const char *const sizes[] = {"", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t size = 0;
    while (unit == QUOTA_BYTES && limit > 0 && limit % 1024 == 0 &&
           size + 1 < sizeof sizes / sizeof sizes[0]) {
        limit /= 1024;
        size++;
    }
    text_add_u64(out, limit);
    text_add(out, str_from(sizes[size]));
    text_add_byte(out, ' ');
    text_add(out, str_from(quota_unit_name(unit)));
    text_add_byte(out, '/');
    text_add(out, str_from(quota_window_name(window)));
}

static void explain_usage(const struct read *read, struct text *out) {
    static const char *const words[QUOTA_WINDOWS] = {
        " in the minute, ", " in the hour, ", " in the day, ", " in the week, ", " in the month",
    };
    struct quota_digest digest;
    memcpy(&digest, read->entry, sizeof digest);
    for (size_t i = 0; i < QUOTA_WINDOWS; i++) {
        add_count(out, digest.committed[i], str_from(words[i]));
    }
    text_add(out, STR(" of the last mail; "));
    add_count(out, digest.reserved, STR(" reserved"));
}

static void explain_message(const struct read *read, uint32_t now_s, struct text *out) {
    struct message_entry entry;
    memcpy(&entry, read->entry, sizeof entry);
    text_add(out, entry.state == MESSAGE_ENDED ? STR("settled, ") : STR("open, "));
    add_count(out, entry.recipients, STR(" recipients charged, "));
    add_count(out, entry.exempt, STR(" not"));
    explain_add_labelled_time(out, STR(", last "), entry.head.last_used_s, now_s);
}

void explain_quota_entry(const struct read *read, uint32_t now_s, struct text *out) {
    if (read->source == STATE_QUOTA) {
        explain_usage(read, out);
    } else {
        explain_message(read, now_s, out);
    }
}

void explain_quota_effect(const struct effect *effect, struct text *out) {
    const uint64_t amount =
        effect->amount < 0 ? 0 - (uint64_t)effect->amount : (uint64_t)effect->amount;
    if (effect->kind == EFFECT_QUOTA_RESERVED) {
        add_count(out, amount, effect->amount < 0 ? STR(" given back") : STR(" reserved"));
    } else if (effect->kind == EFFECT_QUOTA_COMMITTED) {
        add_count(out, amount, STR(" counted"));
    } else if (effect->kind == EFFECT_QUOTA_FORGOTTEN) {
        text_add(out, STR("reset"));
    } else if (effect->kind == EFFECT_MESSAGE_CHARGED) {
        text_add(out, (effect->flags & EFFECT_EXEMPT) != 0 ? STR("one recipient more, not charged")
                                                           : STR("one recipient more, charged"));
    } else {
        text_add(out, (effect->flags & EFFECT_RELEASED) != 0 ? STR("given back") : STR("settled"));
    }
}

/* "user: 500 recipients/day (quota:7), 20 recipients/minute (default quota:3)" */
void explain_quota_limits(const struct read *read, struct text *out) {
    struct quota_limits limits;
    const unsigned scope = (unsigned)(read->fingerprint / 8);
    const unsigned unit = (unsigned)(read->fingerprint % 8);
    memcpy(&limits, read->entry, sizeof limits);
    if (scope >= QUOTA_SCOPES || unit >= QUOTA_UNITS) {
        text_add(out, STR("limits of a kind that this release does not know"));
        return;
    }
    text_add(out, str_from(quota_scope_name((enum quota_scope)scope)));
    const char *before = ": ";
    for (unsigned window = 0; window < QUOTA_WINDOWS; window++) {
        if (limits.ids[window] != 0) {
            text_add(out, str_from(before));
            quota_add_limit(out, limits.limits[window], (enum quota_unit)unit,
                            (enum quota_window)window);
            text_add(out, (limits.defaults & 1u << window) != 0 ? STR(" (default quota:")
                                                                : STR(" (quota:"));
            text_add_u64(out, limits.ids[window]);
            text_add_byte(out, ')');
            before = ", ";
        }
    }
}
