/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mail/policy_request.h"
#include "policy/effect.h"
#include "policy/facts.h"
#include "policy/policy_settings.h"
#include "policy/state.h"

/* Greylisting (SPEC 4.5): a stranger is asked to come back, and let in when it does.
 *
 *   absent ──first contact──► waiting ──back within [defer_time, retry_window]──► passed
 *     ▲                          │ later                                            │
 *     └──────────────────────────┴──────────── known_ttl since the last use ◄───────┘
 *
 * With the policy spf enabled its answer is waited for, and where SPF passes entries are looked up
 * and written for the domain too; the older first contact counts, so a late answer restarts
 * nothing.
 *
 * An entry stands for (client network or SPF domain, sender, recipient); a null sender is told
 * apart by its HELO domain. client_passes different ones that passed make the client trusted.
 *
 * Here is what the control API needs of it; the policy itself is greylist_run() in policy_run.h.
 * Pure. */

/* What an entry says at a time. */
enum greylist_standing {
    GREYLIST_ABSENT = 0, /* Never seen, or forgotten. */
    GREYLIST_WAITING,    /* Deferred; a retry inside the window passes. */
    GREYLIST_PASSED,     /* Known. */
    GREYLIST_LATE,       /* Was waiting, but the retry window is over. */
    GREYLIST_EXPIRED,    /* Was known, too long ago. */
};

/* `entry` may be NULL. */
enum greylist_standing greylist_standing(const struct greylisting_settings *settings,
                                         const struct greylist_entry *entry, uint32_t now_s);
/* "absent" "waiting" "passed" "late" "expired" */
const char *greylist_standing_name(enum greylist_standing standing);

/* How many different keys of the client passed; 0 for NULL or an entry dead at now_s. */
size_t greylist_client_passes(const struct greylist_client_entry *entry, uint32_t now_s);
bool greylist_client_trusted(const struct greylisting_settings *settings,
                             const struct greylist_client_entry *entry, uint32_t now_s);

/* The client's network, as the keys count it. */
struct ip_prefix greylist_network(const struct greylisting_settings *settings,
                                  struct ip_address client_address);
/* Of client_address, sender, helo_name and recipient; by network, or by `spf_domain` (normalised)
 * unless that is empty. */
struct hash128 greylist_key(const struct sip_key *key, const struct greylisting_settings *settings,
                            const struct policy_request *request, struct str spf_domain);
struct hash128 greylist_client_key(const struct sip_key *key,
                                   const struct greylisting_settings *settings,
                                   struct ip_address client_address, struct str spf_domain);

/* All keys of a request: of its client's network, and of the domain where SPF passed. */
enum { GREYLIST_HOSTS_MAX = 2 };
struct greylist_keys {
    size_t count; /* ways to name the sender's host */
    struct hash128 key[GREYLIST_HOSTS_MAX];
    struct hash128 client_key[GREYLIST_HOSTS_MAX];
    bool has_sender;
    struct hash128 correspondent; /* of the sender, if there is one */
};
void greylist_keys(const struct sip_key *key, const struct greylisting_settings *settings,
                   const struct policy_request *request, const struct facts *facts,
                   struct greylist_keys *ret);

/* An administrator's commands. `entry` is what stands at the key now, NULL when absent. Pass lets a
 * key in from now on, as if it had come back. */
struct effect greylist_forget_effect(const struct greylisting_settings *settings,
                                     struct hash128 key, const struct greylist_entry *entry,
                                     uint32_t now_s);
struct effect greylist_forget_client_effect(const struct greylisting_settings *settings,
                                            struct hash128 key,
                                            const struct greylist_client_entry *entry,
                                            uint32_t now_s);
struct effect greylist_pass_effect(const struct greylisting_settings *settings, struct hash128 key,
                                   const struct greylist_entry *entry, uint32_t now_s);
