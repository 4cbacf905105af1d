/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/ip_address.h"
#include "policy/effect.h"
#include "policy/policy_settings.h"
#include "policy/state.h"

/* Addresses that are blocked for a time because they gave a rule its cause too often (SPEC 4.10),
 * or by hand. IPv6 by /64. Causes are counted per address and trigger in a sliding window of sixty
 * buckets; a block begins the counter of its trigger anew.
 *
 * Here is what the control API and the sources of other triggers need of it; the policy itself is
 * auto_blacklist_run() in policy_run.h. Pure. */

/* A block without an end. */
#define BLACKLIST_FOR_GOOD UINT32_MAX
enum {
    BLACKLIST_DURATION_MAX_S = 365 * 86400, /* doubling ends here */
    BLACKLIST_OFFENCES_MAX = 15,            /* more are not told apart */
    BLACKLIST_RELEASE_EFFECTS_MAX = BLACKLIST_TRIGGERS,
    BLACKLIST_COUNT_EFFECTS_MAX = 2,
};

/* "by_hand" "rejections" "rbl_hits" "spf_failures" "geo_blocked" "failed_logins" "spam_score";
 * "unknown" for a number of a newer release. */
const char *blacklist_trigger_name(unsigned trigger);
bool blacklist_trigger_find(struct str name, enum blacklist_trigger *ret_trigger);

/* What is known of an address at a time. */
struct blacklist_standing {
    bool known;        /* blocked, or was not long ago (BLACKLIST_REMEMBER_S) */
    bool blocked;      /* now */
    bool released;     /* by an administrator, and not blocked since */
    uint32_t since_s;  /* of the last change: block, release, made permanent */
    uint32_t until_s;  /* first second without the block; BLACKLIST_FOR_GOOD; 0: released */
    unsigned trigger;  /* enum blacklist_trigger */
    unsigned offences; /* blocks by a rule since the last release, at most
                          BLACKLIST_OFFENCES_MAX */
};

/* The key in STATE_BLACKLIST of the network that the address belongs to (state_network_of()). */
struct hash128 blacklist_key(const struct sip_key *key, struct ip_address client_address);
/* The key in STATE_OFFENCE: what that network did of one trigger. */
struct hash128 blacklist_offence_key(const struct sip_key *key, struct ip_address client_address,
                                     enum blacklist_trigger trigger);
/* `entry` may be NULL. */
struct blacklist_standing blacklist_standing(const struct blacklist_entry *entry, uint32_t now_s);
/* Causes in the window of the rule that ends now; `entry` may be NULL. */
uint32_t blacklist_offence_count(const struct offence_entry *entry, uint32_t now_s);

/* Addresses that are never blocked, neither by a rule nor by hand: the local networks (loopback
 * 127.0.0.0/8 and ::1; link-local 169.254.0.0/16 and fe80::/10; private 10.0.0.0/8, 172.16.0.0/12,
 * 192.168.0.0/16 and fc00::/7), trusted_networks, the server's own address (none: not known), and
 * no address at all. NULL when it may be blocked, else why not: "a local network" "one of
 * trusted_networks" "the server's own address" "no address". */
const char *blacklist_exemption(const struct policy_settings *settings,
                                struct ip_address client_address, struct ip_address server_address);

/* --- an administrator's commands ---------------------------------------------------------------
 * Of what stands in the live state; apply the effects in order. */

/* Blocks by hand until until_s (above now_s), or BLACKLIST_FOR_GOOD. */
struct effect blacklist_block_effect(const struct state *state, struct ip_address client_address,
                                     uint32_t until_s, uint32_t now_s);
/* Makes a block permanent and keeps its trigger. False when the address is not blocked now. */
bool blacklist_permanent_effect(const struct state *state, struct ip_address client_address,
                                uint32_t now_s, struct effect *ret_effect);
/* Ends a block, and clears the address's counters and offences. Returns how many effects; 0: there
 * is nothing to clear. */
size_t blacklist_release_effects(const struct state *state,
                                 const struct auto_blacklist_settings *settings,
                                 struct ip_address client_address, uint32_t now_s,
                                 struct effect ret_effects[BLACKLIST_RELEASE_EFFECTS_MAX]);

/* --- counting ----------------------------------------------------------------------------------
 */

/* One more cause for a rule, from outside of a decision (a failed login in a log). Returns how many
 * effects: none when the rule is off, or the address is blocked already. The caller asks
 * blacklist_exemption() before. `ret_blocked` tells whether it is blocked by this. */
size_t blacklist_count_effects(const struct state *state,
                               const struct auto_blacklist_settings *settings,
                               struct ip_address client_address, enum blacklist_trigger trigger,
                               uint32_t now_s,
                               struct effect ret_effects[BLACKLIST_COUNT_EFFECTS_MAX],
                               bool *ret_blocked);

/* The same inside a decision, with noted reads; `once` (e.g. the reason's word) tells what counts
 * once per message. For a policy that found a cause: an RBL hit, an SPF failure. */
struct policy_run;
void auto_blacklist_count(struct policy_run *run, enum blacklist_trigger trigger, struct str once);
