/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/effect.h"

#include <string.h>

#include "base/check.h"

enum { EPOCH_GRAIN_S = 65536, EFFECT_FLAG_QUIET = 1 };

enum state_table_id effect_table(enum effect_kind kind) {
    switch (kind) {
    case EFFECT_GREYLIST_SEEN:
    case EFFECT_GREYLIST_FORGOTTEN:
        return STATE_GREYLIST;
    case EFFECT_GREYLIST_CLIENT_SEEN:
    case EFFECT_GREYLIST_CLIENT_FORGOTTEN:
        return STATE_GREYLIST_CLIENT;
    case EFFECT_NONE:
    case EFFECT_KINDS:
        break;
    }
    check_failed("effect kind", __FILE__, __LINE__);
}

uint32_t effect_new_epoch(uint32_t old_epoch_s, uint32_t time_s) {
    const uint32_t coarse = time_s - time_s % EPOCH_GRAIN_S;
    if (old_epoch_s < coarse) {
        return coarse;
    }
    return old_epoch_s < UINT32_MAX ? old_epoch_s + 1 : UINT32_MAX;
}

static bool is_forget(enum effect_kind kind) {
    return kind == EFFECT_GREYLIST_FORGOTTEN || kind == EFFECT_GREYLIST_CLIENT_FORGOTTEN;
}

static uint32_t effect_epoch(const struct effect *effect) {
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

/* The times and the sequence that every entry has. */
static void merge_head(struct state_entry *head, uint64_t *sequence, const struct effect *effect,
                       uint64_t effect_sequence) {
    if (effect->time_s > head->last_used_s ||
        (effect->time_s == head->last_used_s && effect_sequence > *sequence)) {
        head->last_used_s = effect->time_s;
        *sequence = effect_sequence;
    }
    head->expires_s = larger(head->expires_s, effect->expires_s);
}

/* Empties all but the key when `effect` is of a newer epoch. False: of an older one, ignore it. */
static bool meet_epoch(void *entry, size_t entry_bytes, uint32_t *entry_epoch_s,
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
    if (!meet_epoch(entry, sizeof *entry, &entry->epoch_s, effect)) {
        return;
    }
    merge_head(&entry->head, &entry->sequence, effect, sequence);
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
    if (!meet_epoch(entry, sizeof *entry, &entry->epoch_s, effect)) {
        return;
    }
    merge_head(&entry->head, &entry->sequence, effect, sequence);
    if (effect->kind == EFFECT_GREYLIST_CLIENT_SEEN && effect->fingerprint != 0) {
        add_fingerprint(entry->fingerprints, effect->fingerprint);
    }
}

void effect_apply(struct state *state, const struct effect *effect, uint64_t sequence) {
    const enum state_table_id table = effect_table(effect->kind);
    void *entry = state_place(state, table, effect->key, effect->time_s);
    if (table == STATE_GREYLIST) {
        merge_greylist(entry, effect, sequence);
    } else {
        merge_client(entry, effect, sequence);
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

/* state.c asserts a little-endian processor. */
void effect_encode(const struct effect *effect, unsigned char out[EFFECT_BYTES]) {
    const bool client = effect->kind == EFFECT_GREYLIST_CLIENT_SEEN;
    out[0] = (unsigned char)effect->kind;
    out[1] = 0;
    out[2] = effect->quiet ? EFFECT_FLAG_QUIET : 0;
    out[3] = 0;
    memcpy(out + 4, &effect->key.high, 8);
    memcpy(out + 12, &effect->key.low, 8);
    put_u32(out + 20, effect->time_s);
    put_u32(out + 24, effect->expires_s);
    put_u32(out + 28, effect->epoch_s);
    put_u32(out + 32, client ? effect->fingerprint : effect->first_s);
    put_u32(out + 36, client ? 0 : effect->passed_s);
}

bool effect_decode(const unsigned char in[EFFECT_BYTES], struct effect *ret_effect) {
    const unsigned kind = (unsigned)in[0] | (unsigned)in[1] << 8;
    if (kind == EFFECT_NONE || kind >= EFFECT_KINDS) {
        return false;
    }
    const bool client = kind == EFFECT_GREYLIST_CLIENT_SEEN;
    struct effect effect = {
        .kind = (enum effect_kind)kind,
        .quiet = (in[2] & EFFECT_FLAG_QUIET) != 0,
        .time_s = get_u32(in + 20),
        .expires_s = get_u32(in + 24),
        .epoch_s = get_u32(in + 28),
        .first_s = client ? 0 : get_u32(in + 32),
        .passed_s = client ? 0 : get_u32(in + 36),
        .fingerprint = client ? get_u32(in + 32) : 0,
    };
    memcpy(&effect.key.high, in + 4, 8);
    memcpy(&effect.key.low, in + 12, 8);
    *ret_effect = effect;
    return true;
}
