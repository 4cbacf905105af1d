/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/quota_parts.h"

enum level { LEVEL_NONE = 0, LEVEL_NEAR, LEVEL_REACHED };
enum { LEVEL_BITS = 8 };

/* What names an alert. A limit that was changed is another, and so is one whose usage was reset. */
struct __attribute__((packed)) alert_name {
    uint32_t rule_id;
    uint64_t limit;
    uint32_t epoch_s;
    uint64_t subject;
};

static enum level level_of(uint64_t counted, uint64_t limit) {
    if (limit == 0) {
        return LEVEL_NONE; /* forbidden: each refusal says so itself */
    }
    if (counted >= limit) {
        return LEVEL_REACHED;
    }
    return counted >= limit - limit / 5 ? LEVEL_NEAR : LEVEL_NONE;
}

static uint64_t add(uint64_t counted, int64_t change) {
    const uint64_t size = change < 0 ? (uint64_t)-change : (uint64_t)change;
    if (change < 0) {
        return counted > size ? counted - size : 0;
    }
    return counted > UINT64_MAX - size ? UINT64_MAX : counted + size;
}

static struct hash128 alert_key(const struct policy_run *run, const struct quota_pair *pair,
                                enum quota_window window) {
    const struct alert_name name = {
        .rule_id = pair->limits->ids[window],
        .limit = pair->limits->limits[window],
        .epoch_s = pair->usage != NULL ? pair->usage->epoch_s : 0,
        .subject = pair->key.low,
    };
    const struct str parts[] = {STR("quota alert"), {(const char *)&name, sizeof name}};
    return state_key(&run->source->state->key, STATE_ONCE, parts, sizeof parts / sizeof parts[0]);
}

/* Unless it was told in this window. */
static void alert(struct policy_run *run, const struct quota_pair *pair, enum quota_window window,
                  uint64_t counted, bool on_acceptance) {
    const uint64_t limit = pair->limits->limits[window];
    const enum level level = level_of(counted, limit);
    const struct hash128 key = alert_key(run, pair, window);
    const struct once_entry *told = decision_read_entry(run, STATE_ONCE, key);
    if (told != NULL && told->head.expires_s > run->now_s &&
        (told->value & ((1u << LEVEL_BITS) - 1)) >= level) {
        return;
    }
    const uint32_t end_s = quota_window_end(&run->settings->zone, window, run->now_s);
    decision_add_effect(run, (struct effect){
                                 .kind = EFFECT_ONCE,
                                 .on_acceptance = on_acceptance,
                                 .key = key,
                                 .time_s = run->now_s,
                                 .expires_s = end_s,
                                 /* The largest counts: of the last window. */
                                 .amount = (int64_t)((uint64_t)end_s << LEVEL_BITS | level),
                             });
    decision_add_event(run, (struct decision_event){
                                .reason = level == LEVEL_REACHED ? REASON_QUOTA_LIMIT_REACHED
                                                                 : REASON_QUOTA_NEAR_LIMIT,
                                .on_acceptance = on_acceptance,
                                .rule_id = pair->limits->ids[window],
                                .scope = (uint8_t)pair->scope,
                                .unit = (uint8_t)pair->unit,
                                .window = (uint8_t)window,
                                .used = counted,
                                .limit = limit,
                            });
}

/* Those that come to a level with this request, or those that stand at one. Returns how many there
 * is still room for: one that was told takes room too, or a decision would read without a bound. Of
 * more than EVENTS_MAX that stand at a level those beyond are told when others no longer do. */
static size_t add_some(struct policy_run *run, const struct quota_case *quota, bool coming,
                       size_t room, bool on_acceptance) {
    for (size_t i = 0; i < quota->pair_count; i++) {
        const struct quota_pair *pair = &quota->pairs[i];
        for (unsigned w = QUOTA_WINDOWS; w-- > 0 && room > 0;) {
            const enum quota_window window = (enum quota_window)w;
            if ((pair->windows & 1U << w) == 0) {
                continue;
            }
            const uint64_t before = quota_counted(quota, pair, window);
            const uint64_t after = add(before, pair->change);
            const enum level level = level_of(after, pair->limits->limits[w]);
            const bool comes = level > level_of(before, pair->limits->limits[w]);
            if (level != LEVEL_NONE && comes == coming) {
                alert(run, pair, window, after, on_acceptance);
                room--;
            }
        }
    }
    return room;
}

/* As a rule no limit is anywhere near. */
static bool any_level(const struct quota_case *quota) {
    for (size_t i = 0; i < quota->pair_count; i++) {
        const struct quota_pair *pair = &quota->pairs[i];
        for (unsigned left = pair->windows; left != 0; left &= left - 1) {
            const unsigned w = (unsigned)__builtin_ctz(left);
            if (level_of(add(quota_counted(quota, pair, (enum quota_window)w), pair->change),
                         pair->limits->limits[w]) != LEVEL_NONE) {
                return true;
            }
        }
    }
    return false;
}

void quota_add_alerts(struct policy_run *run, const struct quota_case *quota, bool on_acceptance) {
    if (!any_level(quota)) {
        return;
    }
    const size_t room = add_some(run, quota, true, EVENTS_MAX, on_acceptance);
    (void)add_some(run, quota, false, room, on_acceptance);
}
