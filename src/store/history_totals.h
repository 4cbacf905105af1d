/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "net/http_server.h"
#include "store/history.h"

/* What statistics of a time share: summaries, top lists and the gauges of periods. */

/* Whole minutes of Unix time, the end exclusive. */
struct history_period {
    int64_t since_s;
    int64_t until_s;
};
/* The minutes that hold these times. */
struct history_period history_period_of(int64_t since_ns, int64_t until_ns);
/* As long a time before it, cut at 1970. */
struct history_period history_period_before(const struct history_period *range);
/* `since` and `until` of the query: the last 24 hours unless told. False: answered with 400. */
MUST_USE bool history_request_period(const struct http_request *request,
                                     struct http_response *response,
                                     struct history_period *ret_range);

/* One per decision on a recipient. */
struct history_totals {
    uint64_t verdicts[VERDICTS]; /* VERDICT_NONE: accepted too */
    uint64_t directions[2];
    uint64_t policies[POLICY_LIMIT][VERDICTS];
    uint64_t shadow[POLICY_LIMIT][VERDICTS];
    uint64_t spf_failed; /* refused or deferred because SPF says `fail` */
};
void history_totals_add(struct history_totals *totals, const struct history_minute *minute);
