/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "base/ip_address.h"
#include "net/http_server.h"

/* Which live decisions a reader wants: the filters of /sessions, on an item of it. Pure but for the
 * copy of the texts. */

enum { EVENT_FILTERS_MAX = 20 };

struct event_filter {
    struct {
        const char *member; /* of the item; "text": any of its names, addresses, rule, reply */
        char *wanted;
    } rows[EVENT_FILTERS_MAX];
    size_t count;
    struct ip_prefix client;
    bool by_client; /* an address or a network */
    int64_t asn;
    bool by_asn;
    bool ends; /* ends of messages too */
    bool recipients;
    bool any; /* of these: nothing else is asked for */
};

/* False: memory is out. Free with event_filter_done() in every case. */
MUST_USE bool event_filter_init(struct event_filter *filter, const struct http_request *request);
void event_filter_done(struct event_filter *filter);
/* `is_end`: event_is_end(), found once for all who ask. */
bool event_filter_fits(const struct event_filter *filter, bool is_end, const json_t *item);
bool event_is_end(const json_t *item);
/* As in history: whole, without regard to case; with a leading or trailing `*` by its end or start.
 */
bool event_text_fits(struct str wanted, struct str text);
