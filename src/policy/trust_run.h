/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/ip_reputation.h"
#include "policy/policy_run.h"

/* Inside of ip_reputation.c, auto_blacklist.c and greylist.c: what a decision tells about its
 * client (SPEC 4.9, Counting). */

/* The client is a stranger with an address: inbound mail. No other moves a score or a counter. */
bool trust_concerns(const struct policy_run *run);
/* The entry that exempts the client's address from reputation, greylisting and automatic blacklist
 * (SPEC 4.9), or NULL. The second question of a decision is free. */
const struct list_match *trust_allowed(struct policy_run *run);
/* The verdict stands and refuses or defers for something that the client did. Not so when it was
 * refused for what is known of it already (auto_blacklist, ip_reputation, acl_block) or for what a
 * sender may not do (sender_restrictions), or because a fact could not be had, which is our own
 * fault. */
bool trust_refused(const struct policy_run *run);
/* True the first time that this happens to the message, and notes it (once, however often it is
 * asked in one decision). Without an instance: always. */
bool trust_first_time(struct policy_run *run, struct str what, struct str which);
/* The same for the message's being accepted, whose key is often known ahead (decision_ahead.h). */
bool trust_first_acceptance(struct policy_run *run);
struct hash128 trust_accepted_key(const struct sip_key *key, const struct policy_request *request);
/* The key of the reason of the verdict, for the two functions that share it. */
bool trust_first_refusal(struct policy_run *run);

/* The standing of the client now; a noted read, free when it was read before. */
struct reputation_standing trust_reputation(struct policy_run *run);
