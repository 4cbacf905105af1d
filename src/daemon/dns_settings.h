/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/random.h"
#include "net/dns.h"
#include "settings/settings.h"

/* What the settings say of the DNS, for dns_new(). The servers live as long as the settings. */
static inline struct dns_options dns_options_of(const struct settings *settings) {
    return (struct dns_options){
        .servers = settings->dns.servers,
        .server_count = settings->dns.server_count,
        .timeout_ns = settings->dns.timeout_ns,
        .tries = settings->dns.tries,
        .cache_bytes_max = settings->dns.cache_bytes,
        .questions_max = settings->dns.questions_max,
        .seed = random_u64(),
    };
}
