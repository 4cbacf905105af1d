/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/decision.h"
#include "policy/greylist.h"
#include "policy/list_index.h"

/* A decision waits for memory more than for anything else: the tables are far larger than a
 * processor's caches. So what nearly every decision about a stranger looks up is named as soon as
 * its request is there, and fetched while those before it are decided.
 *
 *   request parsed ─► decision_look_ahead ─► a few before its turn ─► decision_look_closer ─►
 * decide keys; tags on their way  entries on their way
 *
 * It changes nothing of a decision: keys that are not here are made when they are needed. Pure. */

struct decision_ahead {
    bool lists_known;
    bool network_known;
    bool hosts_known;
    bool accepted_known;
    bool quotas_known;
    struct list_ahead lists; /* of the view that was given */
    struct hash128 network;  /* state_network_key() of the client */
    struct greylist_keys hosts;
    struct hash128 accepted; /* trust_accepted_key() */
    struct hash128 message;  /* quota_message_key() */
    struct hash128 outcome;  /* quota_outcome_key() */
};

/* Fills all of *ret. Of the state it reads only what never changes: no lock is needed. Decide with
 * the same live state, lists and rules. Once SPF has become known, look ahead again. */
void decision_look_ahead(const struct policy_settings *settings,
                         const struct decision_source *source, const struct policy_request *request,
                         const struct facts *facts, struct decision_ahead *ret);
/* Reads tags: under the lock of the state. */
void decision_look_closer(const struct state *state, const struct decision_ahead *ahead);
