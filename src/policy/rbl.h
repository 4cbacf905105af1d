/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/policy_settings.h"

/* What the fetcher of facts and the policy agree on: which lists are asked about a client. Pure. */

/* True when this list is asked about the address: IPv6 only where the list has it. The address
 * itself is one to ask about (dnsbl_is_public(), no exempt network), as the policy sees to. */
bool rbl_asks(const struct rbl_list_settings *list, struct ip_address client_address);
