/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/session.h"
#include "daemon/worker.h"

/* The message under way on a connection: who asks, and what has to be told when it ends. */

struct policy_request_limits session_limits(const struct session *session) {
    const struct settings *settings = session->worker->generation->settings;
    return (struct policy_request_limits){
        .request_bytes_max = (size_t)settings->policy_server.request_bytes_max,
        .attributes_max = (size_t)settings->policy_server.attributes_max,
        .value_bytes_max = (size_t)settings->policy_server.value_bytes_max,
    };
}

void session_drop_message(struct session *session) {
    session->worker->messages -= session->message != NULL;
    buffer_put(&session->worker->buffers, session->message);
    session->message = NULL;
}

void session_end_message(struct session *session) {
    if (session->message == NULL) {
        return;
    }
    const struct policy_request_limits limits = session_limits(session);
    const struct str bytes = {session->message->bytes, session->message_length};
    struct turn_item item;
    struct str at;
    memset(item.facts.status, 0, sizeof item.facts.status);
    item.facts.at_hand = 0;
    memset(&item.ahead, 0, sizeof item.ahead);
    item.arrived_boot_ns = session->worker->now_ns;
    item.fetchable = false;
    /* Limits may have become smaller meanwhile: then the reservation ends by its time. */
    if (policy_request_parse(bytes, &limits, &item.request, &at) == POLICY_REQUEST_OK) {
        item.request.state = PROTOCOL_STATE_ENDED;
        item.request.policy_client = (struct str){session->peer, session->peer_length};
        engine_turn(session->worker->engine, session->worker->number, &item, 1);
    }
    session_drop_message(session);
}

void session_note_message(struct session *session, const struct turn_item *item) {
    if (item->message == TURN_MESSAGE_SETTLED) {
        session_drop_message(session);
    }
    const struct str instance = item->request.instance;
    if (item->message != TURN_MESSAGE_OPEN || session->message != NULL || instance.length == 0) {
        return;
    }
    struct buffer *message = buffer_get(&session->worker->buffers, session->frame_length);
    if (message == NULL) {
        return; /* The reservation ends by its time. */
    }
    memcpy(message->bytes, session->input->bytes, session->frame_length);
    session->message = message;
    session->worker->messages++;
    session->message_length = session->frame_length;
    session->message_instance =
        (struct str){message->bytes + (instance.data - session->input->bytes), instance.length};
}

/* --- the Postfix host ---------------------------------------------------------------------------
 */

/* None for anything but an IP address. */
static struct ip_address peer_address(int fd) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage room;
    } peer = {.room = {0}};
    struct ip_address address = {{0}};
    socklen_t length = sizeof peer;
    if (getpeername(fd, &peer.any, &length) != 0) {
        return address;
    }
    if (peer.any.sa_family == AF_INET) {
        address.bytes[10] = 0xff;
        address.bytes[11] = 0xff;
        memcpy(address.bytes + 12, &peer.v4.sin_addr, 4);
    } else if (peer.any.sa_family == AF_INET6) {
        memcpy(address.bytes, &peer.v6.sin6_addr, 16);
    }
    return address;
}

static bool is_loopback(struct ip_address address) {
    static const unsigned char v6_loopback[16] = {[15] = 1};
    return ip_address_is_v4(address) ? address.bytes[12] == 127
                                     : memcmp(address.bytes, v6_loopback, 16) == 0;
}

void session_note_peer(struct session *session) {
    const struct ip_address address = peer_address(session->fd);
    struct text name = TEXT_OVER(session->peer);
    if (!ip_address_is_none(address) && !is_loopback(address)) {
        ip_address_format(address, &name);
    }
    session->peer_length = (uint8_t)name.length;
}
