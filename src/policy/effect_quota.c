/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/effect_merge.h"

void effect_merge_quota(struct quota_entry *entry, const struct effect *effect, uint64_t sequence) {
    effect_merge_head(&entry->head, &entry->sequence, effect, sequence);
}

void effect_merge_message(struct message_entry *entry, const struct effect *effect,
                          uint64_t sequence) {
    effect_merge_head(&entry->head, &entry->sequence, effect, sequence);
}
