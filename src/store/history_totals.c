/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_totals.h"

#include "base/clock.h"
#include "net/http_input.h"

enum { SECONDS_PER_MINUTE = 60 };
static const int64_t minute_ns = INT64_C(60) * NS_PER_S;

static int64_t minute_up(int64_t time_ns) {
    return (time_ns + minute_ns - 1) / minute_ns * SECONDS_PER_MINUTE;
}

struct history_period history_period_of(int64_t since_ns, int64_t until_ns) {
    return (struct history_period){since_ns / minute_ns * SECONDS_PER_MINUTE, minute_up(until_ns)};
}

struct history_period history_period_before(const struct history_period *range) {
    const int64_t since_s = 2 * range->since_s - range->until_s;
    return (struct history_period){since_s < 0 ? 0 : since_s, range->since_s};
}

bool history_request_period(const struct http_request *request, struct http_response *response,
                            struct history_period *ret_range) {
    int64_t until_ns = clock_wall_ns();
    if (!http_input_time(request, response, "until", &until_ns)) {
        return false;
    }
    int64_t since_ns = until_ns - INT64_C(86400) * NS_PER_S;
    since_ns = since_ns < 0 ? 0 : since_ns;
    if (!http_input_time(request, response, "since", &since_ns)) {
        return false;
    }
    if (since_ns >= until_ns) {
        http_answer_problem(response, 400, "since", STR("since must be before until."));
        return false;
    }
    *ret_range = history_period_of(since_ns, until_ns);
    return true;
}

void history_totals_add(struct history_totals *totals, const struct history_minute *minute) {
    const unsigned policy = minute->policy < POLICY_LIMIT ? minute->policy : POLICY_NONE;
    if (minute->shadow) {
        totals->shadow[policy][minute->verdict % VERDICTS] += minute->count;
        return;
    }
    totals->verdicts[minute->verdict % VERDICTS] += minute->count;
    totals->policies[policy][minute->verdict % VERDICTS] += minute->count;
    totals->directions[minute->direction == DIRECTION_OUTBOUND] += minute->count;
    totals->spf_failed +=
        minute->policy == POLICY_SPF && minute->verdict >= VERDICT_DEFER &&
                (minute->reason == REASON_SPF_FAIL || minute->reason == REASON_SPF_HELO_FAIL)
            ? minute->count
            : 0;
}
