/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/effect.h"

#include <string.h>

#include "base/check.h"
#include "policy/effect_merge.h"

enum { EPOCH_GRAIN_S = 65536, EFFECT_FLAG_QUIET = 1 };

enum state_table_id effect_table(enum effect_kind kind) {
    static const enum state_table_id tables[EFFECT_KINDS] = {
        [EFFECT_NONE] = STATE_TABLES,
        [EFFECT_GREYLIST_SEEN] = STATE_GREYLIST,
        [EFFECT_GREYLIST_FORGOTTEN] = STATE_GREYLIST,
        [EFFECT_GREYLIST_CLIENT_SEEN] = STATE_GREYLIST_CLIENT,
        [EFFECT_GREYLIST_CLIENT_FORGOTTEN] = STATE_GREYLIST_CLIENT,
        [EFFECT_QUOTA_RESERVED] = STATE_QUOTA,
        [EFFECT_QUOTA_COMMITTED] = STATE_QUOTA,
        [EFFECT_QUOTA_FORGOTTEN] = STATE_QUOTA,
        [EFFECT_MESSAGE_CHARGED] = STATE_MESSAGE,
        [EFFECT_MESSAGE_ENDED] = STATE_MESSAGE,
        [EFFECT_ONCE] = STATE_ONCE,
        [EFFECT_CORRESPONDENT_SEEN] = STATE_CORRESPONDENT,
        [EFFECT_REPUTATION_CHANGED] = STATE_REPUTATION,
        [EFFECT_BLACKLIST_CHANGED] = STATE_BLACKLIST,
        [EFFECT_OFFENCE_COUNTED] = STATE_OFFENCE,
        [EFFECT_OFFENCE_FORGOTTEN] = STATE_OFFENCE,
    };
    CHECK(kind > EFFECT_NONE && kind < EFFECT_KINDS);
    return tables[kind];
}

uint32_t effect_new_epoch(uint32_t old_epoch_s, uint32_t time_s) {
    const uint32_t coarse = time_s - time_s % EPOCH_GRAIN_S;
    if (old_epoch_s < coarse) {
        return coarse;
    }
    return old_epoch_s < UINT32_MAX ? old_epoch_s + 1 : UINT32_MAX;
}

static bool is_forget(enum effect_kind kind) {
    return kind == EFFECT_GREYLIST_FORGOTTEN || kind == EFFECT_GREYLIST_CLIENT_FORGOTTEN ||
           kind == EFFECT_QUOTA_FORGOTTEN || kind == EFFECT_OFFENCE_FORGOTTEN;
}

uint32_t effect_epoch(const struct effect *effect) {
    if (!is_forget(effect->kind) || effect->epoch_s > effect->time_s) {
        return effect->epoch_s;
    }
    return effect->time_s < UINT32_MAX ? effect->time_s + 1 : UINT32_MAX;
}

static uint32_t larger(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

/* The smaller of two times, where 0 means there is none. */
static uint32_t earlier(uint32_t a, uint32_t b) {
    if (a == 0 || b == 0) {
        return larger(a, b);
    }
    return a < b ? a : b;
}

void effect_merge_head(struct state_entry *head, uint64_t *sequence, const struct effect *effect,
                       uint64_t effect_sequence) {
    if (effect->time_s > head->last_used_s ||
        (effect->time_s == head->last_used_s && effect_sequence > *sequence)) {
        head->last_used_s = effect->time_s;
        *sequence = effect_sequence;
    }
    head->expires_s = larger(head->expires_s, effect->expires_s);
}

bool effect_meet_epoch(void *entry, size_t entry_bytes, uint32_t *entry_epoch_s,
                       const struct effect *effect) {
    const uint32_t epoch_s = effect_epoch(effect);
    if (epoch_s < *entry_epoch_s) {
        return false;
    }
    if (epoch_s > *entry_epoch_s) {
        struct state_entry *head = entry;
        const struct hash128 key = head->key;
        memset(entry, 0, entry_bytes);
        head->key = key;
        *entry_epoch_s = epoch_s;
    }
    return true;
}

static void merge_greylist(struct greylist_entry *entry, const struct effect *effect,
                           uint64_t sequence) {
    if (!effect_meet_epoch(entry, sizeof *entry, &entry->epoch_s, effect)) {
        return;
    }
    effect_merge_head(&entry->head, &entry->sequence, effect, sequence);
    if (effect->kind == EFFECT_GREYLIST_SEEN) {
        entry->first_s = earlier(entry->first_s, effect->first_s);
        entry->passed_s = earlier(entry->passed_s, effect->passed_s);
        if (!effect->quiet && entry->attempts < UINT32_MAX) {
            entry->attempts++;
        }
    }
}

static void add_fingerprint(uint32_t fingerprints[STATE_FINGERPRINTS_MAX], uint32_t fingerprint) {
    /* Ascending, with the empty places (0) at the end. */
    for (size_t i = 0; i < STATE_FINGERPRINTS_MAX; i++) {
        if (fingerprints[i] == fingerprint) {
            return;
        }
        if (fingerprints[i] == 0 || fingerprints[i] > fingerprint) {
            memmove(fingerprints + i + 1, fingerprints + i,
                    (STATE_FINGERPRINTS_MAX - 1 - i) * sizeof fingerprints[0]);
            fingerprints[i] = fingerprint;
            return;
        }
    }
}

static void merge_client(struct greylist_client_entry *entry, const struct effect *effect,
                         uint64_t sequence) {
    if (!effect_meet_epoch(entry, sizeof *entry, &entry->epoch_s, effect)) {
        return;
    }
    effect_merge_head(&entry->head, &entry->sequence, effect, sequence);
    if (effect->kind == EFFECT_GREYLIST_CLIENT_SEEN && effect->fingerprint != 0) {
        add_fingerprint(entry->fingerprints, effect->fingerprint);
    }
}

static void merge_once(struct once_entry *entry, const struct effect *effect, uint64_t sequence) {
    effect_merge_head(&entry->head, &entry->sequence, effect, sequence);
    if ((uint64_t)effect->amount > entry->value) {
        entry->value = (uint64_t)effect->amount;
    }
    if (entry->times < UINT32_MAX) {
        entry->times++;
    }
}

void effect_apply(struct state *state, const struct effect *effect, uint64_t sequence) {
    const enum state_table_id table = effect_table(effect->kind);
    void *entry = state_place(state, table, effect->key, effect->time_s);
    switch (table) {
    case STATE_GREYLIST:
        merge_greylist(entry, effect, sequence);
        break;
    case STATE_GREYLIST_CLIENT:
        merge_client(entry, effect, sequence);
        break;
    case STATE_QUOTA:
        effect_merge_quota(entry, effect, sequence);
        break;
    case STATE_MESSAGE:
        effect_merge_message(entry, effect, sequence);
        break;
    case STATE_ONCE:
    case STATE_CORRESPONDENT:
        merge_once(entry, effect, sequence);
        break;
    case STATE_REPUTATION:
        effect_merge_reputation(entry, effect, sequence);
        break;
    case STATE_BLACKLIST:
        effect_merge_blacklist(entry, effect, sequence);
        break;
    case STATE_OFFENCE:
        effect_merge_offence(entry, effect, sequence);
        break;
    case STATE_TABLES:
        break;
    }
}

static void put_u32(unsigned char *out, uint32_t value) {
    memcpy(out, &value, sizeof value);
}

static uint32_t get_u32(const unsigned char *in) {
    uint32_t value;
    memcpy(&value, in, sizeof value);
    return value;
}

/* Of a member of four bytes the other four say nothing: they are packed as 0. */
static uint64_t packed_rest(const struct effect *effect) {
    if (effect->kind == EFFECT_GREYLIST_CLIENT_SEEN) {
        return effect->fingerprint;
    }
    return effect->kind == EFFECT_OFFENCE_COUNTED ? effect->width_s : effect->network;
}

/* state.c asserts a little-endian processor. */
void effect_encode(const struct effect *effect, unsigned char out[EFFECT_BYTES]) {
    out[0] = (unsigned char)effect->kind;
    out[1] = 0;
    out[2] = (unsigned char)(effect->flags | (effect->quiet ? EFFECT_FLAG_QUIET : 0));
    out[3] = effect->detail;
    memcpy(out + 4, &effect->key.high, 8);
    memcpy(out + 12, &effect->key.low, 8);
    put_u32(out + 20, effect->time_s);
    put_u32(out + 24, effect->expires_s);
    put_u32(out + 28, effect->epoch_s);
    const uint64_t rest = packed_rest(effect);
    memcpy(out + 32, &rest, sizeof rest);
}

bool effect_decode(const unsigned char in[EFFECT_BYTES], struct effect *ret_effect) {
    const unsigned kind = (unsigned)in[0] | (unsigned)in[1] << 8;
    if (kind == EFFECT_NONE || kind >= EFFECT_KINDS) {
        return false;
    }
    struct effect effect = {
        .kind = (enum effect_kind)kind,
        .quiet = (in[2] & EFFECT_FLAG_QUIET) != 0,
        .flags = (uint8_t)(in[2] & ~EFFECT_FLAG_QUIET),
        .detail = in[3],
        .time_s = get_u32(in + 20),
        .expires_s = get_u32(in + 24),
        .epoch_s = get_u32(in + 28),
    };
    memcpy(&effect.key.high, in + 4, 8);
    memcpy(&effect.key.low, in + 12, 8);
    memcpy(&effect.amount, in + 32, 8);
    *ret_effect = effect;
    return true;
}
