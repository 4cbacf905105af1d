/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/ip_address.h"

/* For greylisting.only_suspicious: true when the client has no confirmed name, says HELO with an
 * address or an unqualified name, or has a name that looks like one of a dialled-up line.
 * `client_name` is normalised, "" when unconfirmed. Pure. */
bool greylist_suspicious(struct str client_name, struct str helo, struct ip_address address);
