/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/policy_run.h"

/* Inside of greylist.c: people the local users wrote to (SPEC 4.5). A recipient of accepted
 * outbound mail is one for correspondent_ttl; addresses are those of greylisting's keys. Not
 * learned: from the null sender (a bounce answers anybody), and inside of one's own domain or of
 * local_domains, whose addresses strangers forge. */

/* `sender` is normalised as for greylisting's keys. */
struct hash128 greylist_correspondent_key(const struct sip_key *key, struct str sender);
/* Whether the sender of this inbound request is one; a noted read. */
bool greylist_is_correspondent(struct policy_run *run);
