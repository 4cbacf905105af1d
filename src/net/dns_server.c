/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns_server.h"

#include "base/clock.h"
#include "base/random.h"
#include "net/dns_reply.h"

enum { LATENCY_WEIGHT = 8 }; /* the newest counts for an eighth */

static const struct dns_breaker_rule server_rule = {
    .failures_max = 2,
    .silence_ns = INT64_MAX,
    .window_ns = INT64_MAX,
    .retry_min_ns = 500 * (int64_t)NS_PER_MS,
    .retry_max_ns = 8 * (int64_t)NS_PER_S,
};

static void send_probe(struct dns_server *server);

static void on_probe_timer(evutil_socket_t socket, short what, void *context) {
    (void)socket;
    (void)what;
    send_probe(context);
}

bool dns_server_init(struct dns_server *server, struct event_base *base, struct dns_address address,
                     int64_t timeout_ns) {
    *server = (struct dns_server){.base = base, .address = address, .timeout_ns = timeout_ns};
    struct text shown = TEXT_OVER(server->status.address);
    dns_address_format(address, &shown);
    (void)text_zero(&shown);
    server->status.is_public = dns_address_is_public(address);
    server->probe_timer = evtimer_new(base, on_probe_timer, server);
    return server->probe_timer != NULL;
}

void dns_server_done(struct dns_server *server) {
    for (size_t i = 0; i < server->channel_count; i++) {
        dns_channel_free(server->channels[i]);
    }
    event_free(server->probe_timer);
    *server = (struct dns_server){0};
}

/* Makes one whose questions are all answered the last, when there is one. c-ares has closed its
 * socket then; should one keep it, the next questions get another port all the same. */
static void use_idle_channel(struct dns_server *server) {
    for (size_t i = 0; i < server->channel_count;) {
        struct dns_channel *channel = server->channels[i];
        if (dns_channel_open(channel) > 0) {
            i++;
            continue;
        }
        server->channels[i] = server->channels[server->channel_count - 1];
        server->channels[server->channel_count - 1] = channel;
        if (dns_channel_sent(channel) < DNS_PORT_QUESTIONS) {
            return;
        }
        dns_channel_free(channel);
        server->channel_count--;
    }
}

/* The one that is used, while it takes more; else NULL. */
static struct dns_channel *last_channel(const struct dns_server *server) {
    struct dns_channel *last =
        server->channel_count > 0 ? server->channels[server->channel_count - 1] : NULL;
    return last != NULL && dns_channel_sent(last) < DNS_PORT_QUESTIONS ? last : NULL;
}

/* The channel for the next question; NULL: no memory. */
static struct dns_channel *channel_for_next(struct dns_server *server) {
    struct dns_channel *last = last_channel(server);
    if (last != NULL) {
        return last;
    }
    use_idle_channel(server);
    last = last_channel(server);
    if (last != NULL) {
        return last;
    }
    if (server->channel_count < DNS_CHANNELS_MAX) {
        struct dns_channel *channel =
            dns_channel_new(server->base, server->address, server->timeout_ns);
        if (channel != NULL) {
            server->channels[server->channel_count++] = channel;
            return channel;
        }
    }
    server->ports_shared++;
    return server->channel_count > 0 ? server->channels[server->channel_count - 1] : NULL;
}

/* Many at a time: each call for entropy is one of the system. */
static uint16_t next_id(struct dns_server *server) {
    if (server->ids_left == 0) {
        random_bytes(server->ids, sizeof server->ids);
        server->ids_left = DNS_IDS;
    }
    return server->ids[--server->ids_left];
}

static void send_to(struct dns_server *server, const struct dns_wire_name *name, enum dns_type type,
                    struct dns_channel_try *try) {
    uint8_t query[DNS_QUERY_BYTES_MAX];
    const size_t length = dns_query_write(next_id(server), name, type, query);
    struct dns_channel *channel = channel_for_next(server);
    if (channel == NULL) {
        try->done(try->context, DNS_TRY_FAILED, (struct str){NULL, 0});
        return;
    }
    dns_channel_send(channel, query, length, try);
}

void dns_server_send(struct dns_server *server, const struct dns_wire_name *name,
                     enum dns_type type, struct dns_channel_try *try) {
    server->status.sent++;
    send_to(server, name, type, try);
}

static void well_again(struct dns_server *server) {
    server->suspect = false;
    if (!server->probing) {
        (void)evtimer_del(server->probe_timer);
    }
    dns_breaker_answered(&server->breaker);
    server->status.breaker_open = false;
}

static void probe_after(struct dns_server *server, int64_t pause_ns) {
    const struct timeval pause = {.tv_sec = pause_ns / NS_PER_S,
                                  .tv_usec = pause_ns % NS_PER_S / NS_PER_US};
    (void)evtimer_add(server->probe_timer, &pause);
}

/* Inside of c-ares: only notes, and sets the timer. */
static void on_probe(void *context, enum dns_try result, struct str message) {
    (void)message;
    struct dns_server *server = context;
    server->probing = false;
    if (result == DNS_TRY_ANSWERED) {
        well_again(server);
        return;
    }
    if (!server->suspect && !server->breaker.open) {
        return; /* It answered something else meanwhile. */
    }
    server->opens += dns_breaker_failed(&server->breaker, &server_rule, clock_boot_ns());
    server->status.breaker_open = server->breaker.open;
    probe_after(server, server->breaker.open ? server->breaker.delay_ns
                                             : DNS_PROBE_PAUSE_MS * (int64_t)NS_PER_MS);
}

static void send_probe(struct dns_server *server) {
    struct dns_wire_name localhost;
    CHECK(dns_name_parse(STR("localhost"), &localhost));
    server->probing = true;
    server->probe = (struct dns_channel_try){.done = on_probe, .context = server};
    send_to(server, &localhost, DNS_A, &server->probe);
}

void dns_server_answered(struct dns_server *server, int64_t latency_ns) {
    const int64_t latest_us = latency_ns / NS_PER_US;
    int64_t *smoothed = &server->status.latency_us;
    *smoothed = *smoothed == 0 ? latest_us : *smoothed + (latest_us - *smoothed) / LATENCY_WEIGHT;
    well_again(server);
}

void dns_server_failed(struct dns_server *server, enum dns_try result) {
    server->status.timed_out += result == DNS_TRY_TIMED_OUT;
    server->status.failed += result == DNS_TRY_FAILED;
    server->suspect = true;
    if (!server->probing && !server->breaker.open && !evtimer_pending(server->probe_timer, NULL)) {
        send_probe(server);
    }
}
