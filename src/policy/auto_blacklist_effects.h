/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/auto_blacklist.h"

/* Inside of auto_blacklist.c: counting, whether in a decision or outside. */

/* One more cause, and what is known of the address. */
struct blacklist_cause {
    const struct auto_blacklist_settings *settings;
    const struct sip_key *key;
    struct ip_address client_address;
    enum blacklist_trigger trigger;
    const struct blacklist_entry *block; /* NULL: absent */
    struct hash128 offence_key;
    const struct offence_digest *offences; /* NULL: absent */
    uint32_t now_s;
};

/* A decision_digest (policy_run.h) of a struct offence_entry. */
void blacklist_digest_offences(const void *entry, uint32_t now_s, void *ret_digest);
/* Counts the cause, or blocks and begins the counter anew. Returns how many effects. The rule is on
 * and the address not blocked: the caller knows. */
size_t blacklist_count(const struct blacklist_cause *cause,
                       struct effect ret_effects[BLACKLIST_COUNT_EFFECTS_MAX], bool *ret_blocked);
