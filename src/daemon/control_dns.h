/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/control_api.h"
#include "net/dns.h"

/* Questions to the DNS for one request of an administrator: a loop of its own, so that no cache
 * answers and nobody else waits. */
struct control_dns {
    struct event_base *base;
    struct dns *dns;
};
/* False: answered with 500. Zeroed *ret_dns may be closed in either case. */
MUST_USE bool control_dns_open(const struct settings *settings, struct http_response *response,
                               struct control_dns *ret_dns);
/* What is still open ends now: its callbacks run (dns_free()). */
void control_dns_close(struct control_dns *dns);
/* Runs the loop until event_base_loopbreak(), for `patience_ns` at most. */
void control_dns_run(struct control_dns *dns, int64_t patience_ns);
