/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <event2/event.h>

#include "base/check.h"
#include "mail/dns_address.h"

/* c-ares on an event loop: one server, one try a question. c-ares does UDP, TCP after a truncated
 * answer, time-outs by its own clock, and throws away what comes with a wrong id or question.
 *
 * c-ares keeps one socket for all questions that are under way in a channel, so they share a source
 * port, and closes it after the last answer. Who owns channels (net/dns_server.h) takes another one
 * after a few questions. */
struct dns_channel;

enum dns_try {
    DNS_TRY_ANSWERED = 0,
    DNS_TRY_TIMED_OUT,
    DNS_TRY_FAILED, /* no connection, or no memory */
};

/* `message` lives as long as the call (empty unless answered). Runs inside of c-ares: must not ask,
 * nor free a channel; note the result and go on from the event loop. */
typedef void dns_try_done(void *context, enum dns_try result, struct str message);

/* A question under way; the caller's memory, who sets `done` and `context`. It stays where it is
 * until `done` runs or the channel is freed. */
struct dns_channel_try {
    struct dns_channel *channel;
    dns_try_done *done;
    void *context;
};

/* NULL: no memory. `base` outlives it. */
MUST_USE struct dns_channel *dns_channel_new(struct event_base *base, struct dns_address server,
                                             int64_t timeout_ns);
/* Tries under way end without their callbacks. Not from a callback. NULL is fine. */
void dns_channel_free(struct dns_channel *channel);
/* A whole message with its id. `done` may run before this returns. */
void dns_channel_send(struct dns_channel *channel, const uint8_t *query, size_t length,
                      struct dns_channel_try *try);
/* Sent from the port that it has, and under way now. */
uint64_t dns_channel_sent(const struct dns_channel *channel);
uint64_t dns_channel_open(const struct dns_channel *channel);
