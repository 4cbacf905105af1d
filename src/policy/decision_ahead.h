/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/decision.h"
#include "policy/greylist.h"
#include "policy/list_index.h"
#include "policy/rules.h"

/* A decision waits for memory more than for anything else: the tables are far larger than a
 * processor's caches. So what nearly every decision looks up is named as soon as its request is
 * there, and fetched while those before it are decided. What names are normalised for that is kept.
 *
 *   decision_look_ahead   once the request is parsed: keys are made, tags on their way
 *   decision_look_closer  some requests before its turn: entries on their way
 *   decide
 *
 * It changes nothing of a decision: keys that are not here are made when they are needed. Pure. */

/* Room for the normalised names of one request; longer ones are made when they are needed. */
enum { AHEAD_NAMES_BYTES = 192 };
struct ahead_name {
    bool known;
    uint8_t start; /* in `names` */
    uint8_t length;
};
_Static_assert(AHEAD_NAMES_BYTES <= UINT8_MAX, "places in it are one byte");

struct decision_ahead {
    bool lists_known;
    bool network_known;
    bool hosts_known;
    bool accepted_known;
    bool quotas_known;
    struct list_ahead lists; /* of the view that was given */
    struct hash128 network;  /* state_network_key() of the client */
    struct greylist_keys hosts;
    struct hash128 accepted;           /* trust_accepted_key() */
    struct hash128 message;            /* quota_message_key() */
    struct hash128 outcome;            /* quota_outcome_key() */
    unsigned usage_known;              /* quota_pair_bit() of those in `usage` */
    struct hash128 usage[QUOTA_PAIRS]; /* quota_key() of this subject */
    struct ahead_name sender;          /* policy_run_sender(), and so on */
    struct ahead_name recipient;
    struct ahead_name identity;
    uint8_t names_used;
    char names[AHEAD_NAMES_BYTES];
};

/* Fills all of *ret. Of the state it reads only what never changes: no lock is needed. Decide with
 * the same live state, lists and rules. Once SPF has become known, look ahead again. */
void decision_look_ahead(const struct policy_settings *settings,
                         const struct decision_source *source, const struct policy_request *request,
                         const struct facts *facts, struct decision_ahead *ret);
/* Reads tags: under the lock of the state. */
void decision_look_closer(const struct state *state, const struct decision_ahead *ahead);
