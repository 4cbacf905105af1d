/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/decision.h"

/* Countries and autonomous systems (SPEC 4.4). The policy itself is geo_run() in policy_run.h; here
 * is what the daemon asks. Pure. */

/* Whether the policy would look at the country of this request: it is on and has rules for the
 * direction. Then FACT_GEO is filled before the first decision. */
bool geo_wants_fact(const struct policy_settings *settings, enum direction direction);
/* As decision_explain_fact(), of country and network. */
bool geo_explain(const struct facts *facts, size_t i, const char **ret_what, bool *ret_found,
                 struct text *out);
