/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* The words of a decision. Numbers are part of the journal's format. */

enum verdict {
    VERDICT_NONE = 0, /* No opinion; of a whole decision: accepted, DUNNO. */
    VERDICT_ACCEPT,   /* Accepted, and no policy after this one is asked. Also DUNNO on the wire. */
    VERDICT_DEFER,
    VERDICT_REJECT,
    VERDICTS,
};

enum direction { DIRECTION_INBOUND = 0, DIRECTION_OUTBOUND };
enum policy_runs_on {
    RUNS_ON_NEITHER = 0,
    RUNS_ON_INBOUND = 1,
    RUNS_ON_OUTBOUND = 2,
    RUNS_ON_BOTH = 3
};
enum policy_mode { POLICY_MODE_ENFORCE = 0, POLICY_MODE_SHADOW };
enum policy_on_error { POLICY_ON_ERROR_ACCEPT = 0, POLICY_ON_ERROR_DEFER, POLICY_ON_ERROR_REJECT };

enum policy_id {
    POLICY_NONE = 0,
#define POLICY(constant_, name_, number_, priority_, runs_on_, enabled_)                           \
    POLICY_##constant_ = (number_),
#include "policy/policies.def"
#undef POLICY
/* One more than the highest number: numbers are given one after the other, from 1. */
#define POLICY(constant_, name_, number_, priority_, runs_on_, enabled_) +1
    POLICY_LIMIT = 1
#include "policy/policies.def"
#undef POLICY
};

enum reason {
#define REASON(constant_, number_, word_, policy_, sentence_, advice_)                             \
    REASON_##constant_ = (number_),
#include "policy/reasons.def"
#undef REASON
    REASON_LIMIT,
};

struct policy_info {
    const char *name;
    int priority; /* default */
    enum policy_runs_on runs_on;
};

struct reason_info {
    const char *word;
    const char *sentence;
    const char *advice;
    enum policy_id policy;
};

/* Never NULL for a number in range; unknown numbers (a newer release's journal) give a row named
 * "unknown". */
const struct policy_info *policy_info(unsigned policy);
const struct reason_info *reason_info(unsigned reason);
/* POLICY_NONE when there is no policy of that name. */
enum policy_id policy_find(struct str name);
bool reason_find(struct str word, enum reason *ret_reason);
const char *verdict_name(enum verdict verdict); /* Of one policy; VERDICT_NONE: "none". */
/* Of a whole decision: what nobody objected to is accepted. "accept" "defer" "reject" */
const char *decision_verdict_name(enum verdict verdict);
const char *direction_name(enum direction direction); /* "inbound" "outbound" */
