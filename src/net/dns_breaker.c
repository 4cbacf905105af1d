/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns_breaker.h"

bool dns_breaker_may_ask(struct dns_breaker *breaker, int64_t now_ns) {
    if (!breaker->open) {
        return true;
    }
    if (now_ns < breaker->retry_ns) {
        return false;
    }
    breaker->retry_ns = now_ns + breaker->delay_ns;
    return true;
}

static bool opens(const struct dns_breaker *breaker, const struct dns_breaker_rule *rule) {
    return breaker->failures >= rule->failures_max ||
           (breaker->failures > 1 && breaker->last_ns - breaker->first_ns >= rule->silence_ns);
}

bool dns_breaker_failed(struct dns_breaker *breaker, const struct dns_breaker_rule *rule,
                        int64_t now_ns) {
    if (breaker->open) {
        breaker->last_ns = now_ns;
        breaker->delay_ns =
            breaker->delay_ns < rule->retry_max_ns / 2 ? breaker->delay_ns * 2 : rule->retry_max_ns;
        breaker->retry_ns = now_ns + breaker->delay_ns;
        return false;
    }
    if (breaker->failures == 0 || now_ns - breaker->last_ns > rule->window_ns) {
        breaker->failures = 0;
        breaker->first_ns = now_ns;
    }
    breaker->failures++;
    breaker->last_ns = now_ns;
    breaker->open = opens(breaker, rule);
    breaker->delay_ns = rule->retry_min_ns;
    breaker->retry_ns = now_ns + breaker->delay_ns;
    return breaker->open;
}

void dns_breaker_answered(struct dns_breaker *breaker) {
    *breaker = (struct dns_breaker){0};
}
