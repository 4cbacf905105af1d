/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "net/dns.h"
#include "net/dns_breaker.h"
#include "net/dns_channel.h"

/* One server that we ask: its channels, its health, its counts.
 *
 *   a try times out ──► suspect: the others are asked first, and a probe goes out
 *   any answer ───────► well again
 *   two probes without an answer ──► breaker open: not asked; a probe now and then
 *
 * The probe is a question that a resolver answers by itself ("localhost"). So a zone that is dead,
 * which costs a try its time-out too, never opens the breaker of the server that looked for it; and
 * a server that fell silent is noticed however few questions there are: after one try and two
 * probes, DNS_PROBE_PAUSE_MS apart. These pauses are in real time. */

enum {
    DNS_PORT_QUESTIONS = 32, /* share a channel, so a source port */
    DNS_CHANNELS_MAX = 128,  /* a server: then its last one is shared by more, which is counted */
    DNS_PROBE_PAUSE_MS = 200,
    DNS_IDS = 64, /* message ids drawn at a time */
};

struct dns_server {
    struct event_base *base;
    struct dns_address address;
    int64_t timeout_ns;
    bool suspect;
    bool probing;
    struct dns_breaker breaker;
    struct event *probe_timer;
    struct dns_channel_try probe;
    /* The last one is used. Made when all others are busy, then kept: to make one (75 KiB) costs as
     * much as to ask three questions. */
    struct dns_channel *channels[DNS_CHANNELS_MAX];
    size_t channel_count;
    struct dns_server_status status;
    uint64_t opens;
    uint64_t ports_shared;
    uint16_t ids[DNS_IDS]; /* of the next questions: the first ids_left */
    size_t ids_left;
};

/* In place. False: no memory (nothing to undo). */
MUST_USE bool dns_server_init(struct dns_server *server, struct event_base *base,
                              struct dns_address address, int64_t timeout_ns);
/* No callback runs any more. Not from a callback of a channel. */
void dns_server_done(struct dns_server *server);
/* One try, as dns_channel_send() says. */
void dns_server_send(struct dns_server *server, const struct dns_wire_name *name,
                     enum dns_type type, struct dns_channel_try *try);
/* What became of a try, told from the event loop, not from `done`. */
void dns_server_answered(struct dns_server *server, int64_t latency_ns);
void dns_server_failed(struct dns_server *server, enum dns_try result);
