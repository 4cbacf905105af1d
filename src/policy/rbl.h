/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/facts.h"
#include "policy/policy_settings.h"

/* What the fetcher of facts and the policy agree on: which lists are asked about a client. Pure. */

/* True when this list is asked about the address: IPv6 only where the list has it. The address
 * itself is one to ask about (dnsbl_is_public(), no exempt network), as the policy sees to. */
bool rbl_asks(const struct rbl_list_settings *list, struct ip_address client_address);
/* Whether the policy asks for FACT_RBL about this client, unless something else decides before. */
bool rbl_wants_fact(const struct policy_settings *settings, struct ip_address client_address);
/* The list of that number, or NULL when it is not on. */
const struct rbl_list_settings *rbl_list_of(const struct rbl_settings *settings, uint8_t number);
/* "Spamhaus ZEN: listed, 127.0.0.2, weight 1 of 1" "Barracuda: timed out" */
void rbl_explain(const struct rbl_settings *settings, const struct rbl_answer *answer,
                 struct text *out);
