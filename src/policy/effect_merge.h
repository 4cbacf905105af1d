/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/effect.h"

/* Inside of effect_apply(): how an effect of each table merges into its entry. Each must commute
 * with every other effect of the same key (effect.h). */

/* The epoch that an effect asks for. */
uint32_t effect_epoch(const struct effect *effect);
/* The times and the sequence that every entry has. */
void effect_merge_head(struct state_entry *head, uint64_t *sequence, const struct effect *effect,
                       uint64_t effect_sequence);
/* Empties all but the key when `effect` is of a newer epoch. False: of an older one, ignore it. */
bool effect_meet_epoch(void *entry, size_t entry_bytes, uint32_t *entry_epoch_s,
                       const struct effect *effect);

/* effect_quota.c */
void effect_merge_quota(struct quota_entry *entry, const struct effect *effect, uint64_t sequence);
void effect_merge_message(struct message_entry *entry, const struct effect *effect,
                          uint64_t sequence);
/* effect_trust.c */
void effect_merge_reputation(struct reputation_entry *entry, const struct effect *effect,
                             uint64_t sequence);
void effect_merge_blacklist(struct blacklist_entry *entry, const struct effect *effect,
                            uint64_t sequence);
void effect_merge_offence(struct offence_entry *entry, const struct effect *effect,
                          uint64_t sequence);
