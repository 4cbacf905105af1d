/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/effect_merge.h"

#include <string.h>

/* Reputation and blocks are registers: of all the changes of a key one counts, whatever their
 * order. Counts of causes are sums of the largest epoch. */

static void add_one(uint32_t *sum) {
    if (*sum < UINT32_MAX) {
        (*sum)++;
    }
}

/* The larger revision; of the same the lower score, then activity before a reset. */
static bool replaces_score(const struct reputation_entry *entry, const struct effect *effect) {
    if (effect->epoch_s != entry->revision) {
        return effect->epoch_s > entry->revision;
    }
    if (effect->detail != entry->score) {
        return effect->detail < entry->score;
    }
    return (effect->flags & EFFECT_RESET) == 0;
}

void effect_merge_reputation(struct reputation_entry *entry, const struct effect *effect,
                             uint64_t sequence) {
    effect_merge_head(&entry->head, &entry->sequence, effect, sequence);
    entry->network = effect->network;
    entry->is_v4 = (effect->flags & EFFECT_IS_V4) != 0;
    if (replaces_score(entry, effect)) {
        entry->revision = effect->epoch_s;
        entry->score = effect->detail;
        entry->forgotten = (effect->flags & EFFECT_RESET) != 0;
    }
    switch (effect->flags & EFFECT_OUTCOME_MASK) {
    case EFFECT_OUTCOME_ACCEPTED:
        add_one(&entry->accepted);
        break;
    case EFFECT_OUTCOME_REJECTED:
        add_one(&entry->rejected);
        break;
    case EFFECT_OUTCOME_DEFERRED:
        add_one(&entry->deferred);
        break;
    default:
        break;
    }
}

static uint32_t saturating_add(uint32_t time_s, uint32_t duration_s) {
    return time_s <= UINT32_MAX - duration_s ? time_s + duration_s : UINT32_MAX;
}

/* What the entry is when this change is the one that counts. */
static struct blacklist_entry blacklist_after(const struct effect *effect, uint64_t sequence) {
    struct blacklist_entry entry = {
        .head = {.key = effect->key, .last_used_s = effect->time_s, .expires_s = effect->expires_s},
        .sequence = sequence,
        .network = effect->network,
        .revision = effect->epoch_s,
        .since_s = effect->time_s,
        .offences = (uint32_t)(effect->detail >> 4),
        .trigger = effect->detail & 0x0f,
        .is_v4 = (effect->flags & EFFECT_IS_V4) != 0,
    };
    if ((effect->flags & EFFECT_PERMANENT) != 0) {
        entry.until_s = UINT32_MAX;
        entry.head.expires_s = UINT32_MAX;
    } else if ((effect->flags & EFFECT_RELEASED) == 0) {
        entry.until_s = effect->expires_s;
        entry.head.expires_s = saturating_add(effect->expires_s, BLACKLIST_REMEMBER_S);
    }
    return entry;
}

void effect_merge_blacklist(struct blacklist_entry *entry, const struct effect *effect,
                            uint64_t sequence) {
    const struct blacklist_entry after = blacklist_after(effect, sequence);
    const uint64_t pairs[][2] = {
        {after.revision, entry->revision}, {after.until_s, entry->until_s},
        {after.since_s, entry->since_s},   {after.head.expires_s, entry->head.expires_s},
        {after.trigger, entry->trigger},   {after.offences, entry->offences},
        {after.sequence, entry->sequence},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (pairs[i][0] != pairs[i][1]) {
            if (pairs[i][0] > pairs[i][1]) {
                *entry = after;
            }
            return;
        }
    }
}

/* A ring of another width is another history: of one epoch the larger width counts. */
static bool meet_ring(struct offence_entry *entry, const struct effect *effect) {
    const uint32_t width_s = effect->kind == EFFECT_OFFENCE_COUNTED ? effect->width_s : 0;
    const uint32_t epoch_s = effect_epoch(effect);
    if (epoch_s == entry->epoch_s && width_s < entry->width_s) {
        return false;
    }
    if (epoch_s == entry->epoch_s && width_s > entry->width_s) {
        const struct hash128 key = entry->head.key;
        *entry = (struct offence_entry){.head.key = key, .epoch_s = epoch_s};
    }
    if (!effect_meet_epoch(entry, sizeof *entry, &entry->epoch_s, effect)) {
        return false;
    }
    entry->width_s = width_s;
    return true;
}

static void count_in_ring(struct offence_entry *entry, uint32_t bucket) {
    if (bucket > entry->newest) {
        const uint32_t steps = bucket - entry->newest;
        for (uint32_t i = 0; i < steps && i < OFFENCE_RING; i++) {
            entry->counts[(bucket - i) % OFFENCE_RING] = 0;
        }
        entry->newest = bucket;
    } else if (entry->newest - bucket >= OFFENCE_RING) {
        return;
    }
    uint16_t *count = &entry->counts[bucket % OFFENCE_RING];
    if (*count < UINT16_MAX) {
        (*count)++;
    }
}

void effect_merge_offence(struct offence_entry *entry, const struct effect *effect,
                          uint64_t sequence) {
    if (!meet_ring(entry, effect)) {
        return;
    }
    effect_merge_head(&entry->head, &entry->sequence, effect, sequence);
    if (entry->width_s != 0) {
        count_in_ring(entry, effect->time_s / entry->width_s);
    }
}
