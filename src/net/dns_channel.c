/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns_channel.h"

/* The functions on messages as bytes: they are in every c-ares from 1.18 on. */
#define CARES_NO_DEPRECATED
#include <ares.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/dns_reply.h"

/* A socket that c-ares wants watched: one for UDP, and for TCP one more. */
struct watched {
    struct watched *next;
    struct dns_channel *channel;
    struct event *event;
    evutil_socket_t socket;
};

struct dns_channel {
    struct event_base *base;
    ares_channel ares;
    struct event *timer;
    struct watched *watched;
    uint64_t sent; /* since a socket was opened */
    uint64_t open;
    bool closing;
};

static void initialise_library(void) {
    CHECK(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS);
}

/* As soon as the oldest try times out; c-ares looks at its own clock. A timer that is set stays: no
 * try that begins later has more time than the one it was set for, and when it comes too early it
 * is set anew. To ask c-ares each time would be to look through all that is under way. */
static void set_timer(struct dns_channel *channel) {
    struct timeval left;
    if (channel->open > 0 && !evtimer_pending(channel->timer, NULL) &&
        ares_timeout(channel->ares, NULL, &left) != NULL) {
        (void)evtimer_add(channel->timer, &left);
    }
}

static void on_timer(evutil_socket_t socket, short what, void *context) {
    (void)socket;
    (void)what;
    struct dns_channel *channel = context;
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(channel);
}

static void on_socket(evutil_socket_t socket, short what, void *context) {
    struct dns_channel *channel = context;
    ares_process_fd(channel->ares, (what & EV_READ) != 0 ? socket : ARES_SOCKET_BAD,
                    (what & EV_WRITE) != 0 ? socket : ARES_SOCKET_BAD);
}

static void forget_socket(struct watched **link) {
    struct watched *watched = *link;
    *link = watched->next;
    event_free(watched->event);
    free(watched);
}

static void watch_socket(struct dns_channel *channel, evutil_socket_t socket, short what) {
    struct watched *watched = calloc(1, sizeof *watched);
    struct event *event =
        event_new(channel->base, socket, (short)(what | EV_PERSIST), on_socket, channel);
    if (watched == NULL || event == NULL || event_add(event, NULL) != 0) {
        /* Nobody hears the answer: its question times out. */
        if (event != NULL) {
            event_free(event);
        }
        free(watched);
        return;
    }
    *watched = (struct watched){channel->watched, channel, event, socket};
    channel->watched = watched;
}

static void on_socket_state(void *context, ares_socket_t socket, int readable, int writable) {
    struct dns_channel *channel = context;
    for (struct watched **link = &channel->watched; *link != NULL; link = &(*link)->next) {
        if ((*link)->socket == socket) {
            forget_socket(link);
            break;
        }
    }
    const short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
    if (what != 0) {
        watch_socket(channel, socket, what);
    }
}

/* Everything is set, so that c-ares reads no file: no resolv.conf, no hosts, no search domains. */
static int start(struct dns_channel *channel, int64_t timeout_ns) {
    struct in_addr nobody = {htonl(INADDR_LOOPBACK)}; /* until set_server() */
    struct ares_options options = {
        /* An answer of SERVFAIL or REFUSED is handed on, not swallowed: we choose who is asked
         * next. Ids and questions are compared all the same. */
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP | ARES_FLAG_EDNS,
        .timeout = (int)(timeout_ns / NS_PER_MS),
        .tries = 1,
        .ndots = 1,
        .servers = &nobody,
        .nservers = 1,
        .ndomains = 0,
        .nsort = 0,
        .lookups = "b",
        .ednspsz = DNS_UDP_BYTES_MAX,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = channel,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
               ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_SORTLIST | ARES_OPT_LOOKUPS |
               ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_QUERY_CACHE
    mask |= ARES_OPT_QUERY_CACHE; /* for 0 seconds: not at all */
#endif
    return ares_init_options(&channel->ares, &options, mask);
}

static int set_server(struct dns_channel *channel, struct dns_address server) {
    struct ares_addr_port_node node = {.udp_port = server.port, .tcp_port = server.port};
    if (ip_address_is_v4(server.ip)) {
        node.family = AF_INET;
        memcpy(&node.addr.addr4, server.ip.bytes + 12, 4);
    } else {
        node.family = AF_INET6;
        memcpy(&node.addr.addr6, server.ip.bytes, 16);
    }
    return ares_set_servers_ports(channel->ares, &node);
}

struct dns_channel *dns_channel_new(struct event_base *base, struct dns_address server,
                                    int64_t timeout_ns) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, initialise_library);
    struct dns_channel *channel = calloc(1, sizeof *channel);
    if (channel == NULL) {
        return NULL;
    }
    channel->base = base;
    channel->timer = evtimer_new(base, on_timer, channel);
    if (channel->timer == NULL || start(channel, timeout_ns) != ARES_SUCCESS) {
        if (channel->timer != NULL) {
            event_free(channel->timer);
        }
        free(channel);
        return NULL;
    }
    if (set_server(channel, server) != ARES_SUCCESS) {
        dns_channel_free(channel);
        return NULL;
    }
    return channel;
}

void dns_channel_free(struct dns_channel *channel) {
    if (channel == NULL) {
        return;
    }
    channel->closing = true;
    ares_destroy(channel->ares);
    while (channel->watched != NULL) {
        forget_socket(&channel->watched);
    }
    event_free(channel->timer);
    free(channel);
}

static void on_answer(void *context, int status, int timeouts, unsigned char *message, int length) {
    (void)timeouts;
    const struct dns_channel_try *try = context;
    try->channel->open--;
    if (try->channel->closing) {
        return;
    }
    if (status == ARES_SUCCESS && message != NULL && length > 0) {
        try->done(try->context, DNS_TRY_ANSWERED, (struct str){(char *)message, (size_t)length});
    } else {
        try->done(try->context, status == ARES_ETIMEOUT ? DNS_TRY_TIMED_OUT : DNS_TRY_FAILED,
                  (struct str){NULL, 0});
    }
}

void dns_channel_send(struct dns_channel *channel, const uint8_t *query, size_t length,
                      struct dns_channel_try *try) {
    try->channel = channel;
    channel->sent = channel->watched != NULL ? channel->sent + 1 : 1;
    channel->open++;
    ares_send(channel->ares, query, (int)length, on_answer, try);
    set_timer(channel);
}

uint64_t dns_channel_sent(const struct dns_channel *channel) {
    return channel->watched != NULL ? channel->sent : 0;
}

uint64_t dns_channel_open(const struct dns_channel *channel) {
    return channel->open;
}
