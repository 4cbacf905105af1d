/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/control_api.h"
#include "store/history.h"

/* What statistics of a time share: /v1/stats/summary, /v1/stats/top and the gauges of periods. */

/* Whole minutes of Unix time, the end exclusive. */
struct control_range {
    int64_t since_s;
    int64_t until_s;
};
/* The minutes that hold these times. */
struct control_range control_range_of(int64_t since_ns, int64_t until_ns);
/* As long a time before it, cut at 1970. */
struct control_range control_range_before(const struct control_range *range);
/* `since` and `until` of the query: the last 24 hours unless told. False: answered with 400. */
MUST_USE bool control_read_range(const struct http_request *request, struct http_response *response,
                                 struct control_range *ret_range);

/* One per decision on a recipient. */
struct control_totals {
    uint64_t verdicts[VERDICTS]; /* VERDICT_NONE: accepted too */
    uint64_t directions[2];
    uint64_t policies[POLICY_LIMIT][VERDICTS];
    uint64_t shadow[POLICY_LIMIT][VERDICTS];
    uint64_t spf_failed; /* refused or deferred because SPF says `fail` */
};
void control_totals_add(struct control_totals *totals, const struct history_minute *minute);
