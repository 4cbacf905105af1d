/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control_dns.h"

#include "base/clock.h"
#include "daemon/dns_settings.h"

bool control_dns_open(const struct settings *settings, struct http_response *response,
                      struct control_dns *ret_dns) {
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    const struct dns_options options = dns_options_of(settings);
    *ret_dns = (struct control_dns){.base = event_base_new()};
    if (ret_dns->base != NULL && dns_new(ret_dns->base, &options, &ret_dns->dns, &problem) == 0) {
        return true;
    }
    if (ret_dns->base == NULL) {
        text_add(&problem, STR("no memory for questions to the DNS"));
    }
    http_answer_problem(response, 500, "dns.servers", text_str(&problem));
    return false;
}

void control_dns_close(struct control_dns *dns) {
    dns_free(dns->dns);
    if (dns->base != NULL) {
        event_base_free(dns->base);
    }
}

void control_dns_run(struct control_dns *dns, int64_t patience_ns) {
    if (patience_ns <= 0) {
        return;
    }
    const struct timeval patience = {.tv_sec = patience_ns / NS_PER_S,
                                     .tv_usec = patience_ns % NS_PER_S / NS_PER_US};
    (void)event_base_loopexit(dns->base, &patience);
    (void)event_base_dispatch(dns->base);
}
