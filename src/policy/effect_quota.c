/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/effect_merge.h"

#include <string.h>

#include "policy/zone.h"

/* Rings commute because what they hold does not depend on the order: the sums of the buckets in
 * (newest - size, newest], and the newest is a maximum. */

enum { MINUTE_S = 60, OFFSET_GRAIN_S = 900 };

/* The slot of `bucket` in a ring of `size` slots of eight bytes, after the buckets that it leaves
 * behind were emptied; NULL when it is older than all that the ring holds. */
static void *ring_slot(void *slots, uint32_t size, uint32_t *newest, uint32_t bucket) {
    unsigned char *bytes = slots;
    if (bucket > *newest) {
        if (bucket - *newest >= size) {
            /* One that has not gone round yet has used its first slots alone: a new one none. */
            memset(bytes, 0, (size_t)(*newest < size ? *newest + 1 : size) * 8);
        } else {
            for (uint32_t passed = *newest + 1; passed <= bucket; passed++) {
                memset(bytes + (size_t)(passed % size) * 8, 0, 8);
            }
        }
        *newest = bucket;
    } else if (*newest - bucket >= size) {
        return NULL;
    }
    return bytes + (size_t)(bucket % size) * 8;
}

static void add_saturating(uint64_t *count, int64_t amount) {
    const uint64_t added = amount > 0 ? (uint64_t)amount : 0;
    *count = *count > UINT64_MAX - added ? UINT64_MAX : *count + added;
}

static void reserve(struct quota_entry *entry, const struct effect *effect) {
    int64_t *slot = ring_slot(entry->reserved, QUOTA_RESERVED_RING, &entry->reserved_minute,
                              effect->time_s / MINUTE_S);
    if (slot != NULL) {
        /* Modulo 2^64, so that nothing is lost where effects come out of order. */
        *slot = (int64_t)((uint64_t)*slot + (uint64_t)effect->amount);
    }
}

static void commit_calendar(struct quota_entry *entry, const struct effect *effect) {
    static const enum zone_period periods[QUOTA_CALENDARS] = {ZONE_DAY, ZONE_WEEK, ZONE_MONTH};
    const int64_t local_s =
        (int64_t)effect->time_s + (int64_t)(int8_t)effect->detail * OFFSET_GRAIN_S;
    /* All three numbers were set at the latest day that was counted: the same day, the same all. */
    const uint32_t day = zone_local_number(ZONE_DAY, local_s);
    const bool same = day == entry->calendar[0].number;
    for (size_t i = 0; i < QUOTA_CALENDARS; i++) {
        const uint64_t number = same     ? entry->calendar[i].number
                                : i == 0 ? day
                                         : zone_local_number(periods[i], local_s);
        if (number > entry->calendar[i].number) {
            entry->calendar[i].number = number;
            entry->calendar[i].count = 0;
        }
        if (number == entry->calendar[i].number) {
            add_saturating(&entry->calendar[i].count, effect->amount);
        }
    }
}

static void commit(struct quota_entry *entry, const struct effect *effect) {
    uint64_t *second = ring_slot(entry->seconds, QUOTA_RING, &entry->newest_second, effect->time_s);
    uint64_t *minute =
        ring_slot(entry->minutes, QUOTA_RING, &entry->newest_minute, effect->time_s / MINUTE_S);
    if (second != NULL) {
        add_saturating(second, effect->amount);
    }
    if (minute != NULL) {
        add_saturating(minute, effect->amount);
    }
    commit_calendar(entry, effect);
}

/* What was committed begins anew with a newer epoch. Times and reservations are of no epoch. False:
 * of an older one. */
static bool meet_epoch(struct quota_entry *entry, const struct effect *effect) {
    const uint32_t epoch_s = effect_epoch(effect);
    if (epoch_s > entry->epoch_s) {
        entry->epoch_s = epoch_s;
        entry->newest_second = 0;
        entry->newest_minute = 0;
        memset(entry->seconds, 0, sizeof entry->seconds);
        memset(entry->minutes, 0, sizeof entry->minutes);
        memset(entry->calendar, 0, sizeof entry->calendar);
    }
    return epoch_s == entry->epoch_s;
}

void effect_merge_quota(struct quota_entry *entry, const struct effect *effect, uint64_t sequence) {
    effect_merge_head(&entry->head, &entry->sequence, effect, sequence);
    if (effect->kind == EFFECT_QUOTA_RESERVED) {
        reserve(entry, effect);
    } else if (meet_epoch(entry, effect) && effect->kind == EFFECT_QUOTA_COMMITTED) {
        commit(entry, effect);
    }
}

static void charge(struct message_entry *entry, const struct effect *effect) {
    const uint32_t minute = effect->time_s / MINUTE_S;
    const uint64_t bytes = effect->amount > 0 ? (uint64_t)effect->amount : 0;
    if ((effect->flags & EFFECT_EXEMPT) != 0) {
        entry->exempt += entry->exempt < UINT32_MAX;
        return;
    }
    entry->recipients += entry->recipients < UINT32_MAX;
    entry->bytes = bytes > entry->bytes ? bytes : entry->bytes;
    entry->minute = minute > entry->minute ? minute : entry->minute;
    entry->charged |= (uint16_t)(effect->detail | (effect->epoch_s & 0xff) << 8);
}

void effect_merge_message(struct message_entry *entry, const struct effect *effect,
                          uint64_t sequence) {
    const bool released = (effect->flags & EFFECT_RELEASED) != 0;
    const enum message_state state =
        effect->kind == EFFECT_MESSAGE_ENDED && !released ? MESSAGE_ENDED : MESSAGE_OPEN;
    const uint32_t expires_s = entry->head.expires_s;
    effect_merge_head(&entry->head, &entry->sequence, effect, sequence);
    /* It expires as the effects of its state say: sooner once it has ended. */
    if (state > entry->state) {
        entry->head.expires_s = effect->expires_s;
        entry->state = (uint8_t)state;
    } else if (state < entry->state) {
        entry->head.expires_s = expires_s;
    }
    if (effect->kind == EFFECT_MESSAGE_CHARGED) {
        charge(entry, effect);
    } else if (released) {
        const uint64_t sum = entry->released + (uint64_t)effect->amount;
        entry->released = sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
    }
}
