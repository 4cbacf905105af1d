/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/ip_address.h"
#include "policy/effect.h"
#include "policy/policy_settings.h"
#include "policy/state.h"

/* The reputation of client addresses (SPEC 4.9): a score from 0 to 100 for each, IPv6 by /64. Only
 * inbound mail of strangers moves it: an accepted message raises it, refusals and deferrals lower
 * it, once per message and reason. A quiet address recovers up to the initial score; recovery is
 * computed when the score is read, and never lowers it.
 *
 * Here is what the control API needs of it; the policy itself is ip_reputation_run() in
 * policy_run.h. Pure. */

/* What is known of an address at a time. */
struct reputation_standing {
    bool known;           /* false: never seen, forgotten after known_ttl, or reset */
    uint8_t score;        /* with recovery; initial_score when not known */
    uint32_t last_seen_s; /* last activity; 0 when not known */
    uint32_t accepted;    /* messages; 0 when not known */
    uint32_t rejected;    /* refusals that counted */
    uint32_t deferred;
};

/* The key in STATE_REPUTATION of the network that the address belongs to (state_network_of()). */
struct hash128 reputation_key(const struct sip_key *key, struct ip_address client_address);
/* `entry` may be NULL. */
struct reputation_standing reputation_standing(const struct ip_reputation_settings *settings,
                                               const struct reputation_entry *entry,
                                               uint32_t now_s);

/* An administrator's reset: from now on as if never seen. `entry` is what stands at the key now,
 * NULL when absent. */
struct effect reputation_reset_effect(const struct ip_reputation_settings *settings,
                                      const struct sip_key *key, struct ip_address client_address,
                                      const struct reputation_entry *entry, uint32_t now_s);
