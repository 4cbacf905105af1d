/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/effect_merge.h"

void effect_merge_reputation(struct reputation_entry *entry, const struct effect *effect,
                             uint64_t sequence) {
    effect_merge_head(&entry->head, &entry->sequence, effect, sequence);
}

void effect_merge_blacklist(struct blacklist_entry *entry, const struct effect *effect,
                            uint64_t sequence) {
    effect_merge_head(&entry->head, &entry->sequence, effect, sequence);
}

void effect_merge_offence(struct offence_entry *entry, const struct effect *effect,
                          uint64_t sequence) {
    effect_merge_head(&entry->head, &entry->sequence, effect, sequence);
}
