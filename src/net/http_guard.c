/* SPDX-License-Identifier: Apache-2.0 */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http_exchange.h"
#include "net/tcp_listen.h"

/* What libmicrohttpd lets pass though two parties may read it differently. */
struct framing {
    unsigned hosts;
    unsigned lengths;
    unsigned encodings;
    unsigned credentials;
    bool unknown_encoding;
    bool bad_name;
};

static enum MHD_Result look_at_header(void *context, enum MHD_ValueKind kind, const char *name,
                                      const char *value) {
    (void)kind;
    struct framing *framing = context;
    const struct str key = str_from(name);
    framing->hosts += str_equal_nocase(key, STR("Host"));
    framing->credentials += str_equal_nocase(key, STR("Authorization"));
    framing->lengths += str_equal_nocase(key, STR("Content-Length"));
    if (str_equal_nocase(key, STR("Transfer-Encoding"))) {
        framing->encodings++;
        framing->unknown_encoding |= !str_equal_nocase(str_from(value), STR("chunked"));
    }
    for (size_t i = 0; i < key.length; i++) {
        framing->bad_name |= key.data[i] <= ' ' || key.data[i] == ':' || key.data[i] == 0x7f;
    }
    framing->bad_name |= key.length == 0;
    return MHD_YES;
}

static const char *framing_problem(const struct framing *framing, bool version_1_1) {
    if (framing->bad_name) {
        return "A header has a blank or control character in its name.";
    }
    if (version_1_1 ? framing->hosts != 1 : framing->hosts > 1) {
        return "The request must have exactly one Host header.";
    }
    if (framing->lengths > 1 || framing->encodings > 1 ||
        (framing->lengths == 1 && framing->encodings == 1)) {
        return "The request must have at most one of Content-Length and Transfer-Encoding, once.";
    }
    if (framing->credentials > 1) {
        return "The request must have at most one Authorization header.";
    }
    if (framing->unknown_encoding || (framing->encodings > 0 && !version_1_1)) {
        return "The only transfer encoding is chunked, in HTTP/1.1.";
    }
    return NULL;
}

bool http_guard_head(struct http_server *server, struct MHD_Connection *mhd,
                     struct http_connection *connection, const char *version,
                     struct http_response *response) {
    if (!connection->admitted) {
        counter_add(&server->counters.refused_peer, 1);
        http_answer_problemf(response, 403, NULL,
                             "User id %u may not use this socket; it must be root, the service's "
                             "own user, or a member of the group that paths.control_group names.",
                             (unsigned)connection->peer.uid);
        http_answer_close(response);
        return false;
    }
    struct framing framing = {0};
    (void)MHD_get_connection_values(mhd, MHD_HEADER_KIND, look_at_header, &framing);
    const bool version_1_1 = strcmp(version, "HTTP/1.1") == 0;
    const char *problem = version_1_1 || strcmp(version, "HTTP/1.0") == 0
                              ? framing_problem(&framing, version_1_1)
                              : "The version must be HTTP/1.1 or HTTP/1.0.";
    if (problem != NULL) {
        counter_add(&server->counters.refused_guard, 1);
        http_answer_problem(response, 400, NULL, str_from(problem));
        http_answer_close(response);
        return false;
    }
    return true;
}

enum { PEER_GROUPS_MAX = 1024 };

static bool peer_in_group(int fd, gid_t peer_gid, gid_t group) {
    if (group == (gid_t)-1 || peer_gid == group) {
        return group != (gid_t)-1;
    }
    gid_t groups[PEER_GROUPS_MAX];
    socklen_t size = sizeof groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0) {
        return false;
    }
    for (size_t i = 0; i < size / sizeof groups[0]; i++) {
        if (groups[i] == group) {
            return true;
        }
    }
    return false;
}

static void peer_address(struct http_connection *connection) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getpeername(connection->fd, (struct sockaddr *)&address, &size) == 0) {
        (void)ip_address_of_socket(&address, &connection->address);
    }
}

void http_guard_peer(const struct http_server *server, struct http_connection *connection) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    connection->admitted = server->options.tcp;
    if (server->options.tcp) {
        peer_address(connection);
        return;
    }
    connection->peer = (struct http_peer){.uid = (uid_t)-1, .gid = (gid_t)-1};
    if (getsockopt(connection->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return;
    }
    connection->peer = (struct http_peer){.uid = peer.uid, .gid = peer.gid, .pid = peer.pid};
    connection->admitted = peer.uid == 0 || peer.uid == geteuid() ||
                           peer_in_group(connection->fd, peer.gid, server->options.group);
}

static void user_name(uid_t uid, char out[HTTP_AUTHOR_MAX]) {
    struct passwd user;
    struct passwd *found = NULL;
    char buffer[16384];
    if (getpwuid_r(uid, &user, buffer, sizeof buffer, &found) == 0 && found != NULL) {
        (void)snprintf(out, HTTP_AUTHOR_MAX, "%s", found->pw_name);
    } else {
        (void)snprintf(out, HTTP_AUTHOR_MAX, "uid %u", (unsigned)uid);
    }
}

static bool author_valid(struct str author) {
    for (size_t i = 0; i < author.length; i++) {
        if (author.data[i] < ' ' || author.data[i] > '~') { /* char may be unsigned */
            return false;
        }
    }
    return author.length > 0 && author.length < HTTP_AUTHOR_MAX;
}

bool http_guard_author(struct MHD_Connection *mhd, const struct http_connection *connection,
                       struct http_exchange *exchange, struct http_response *response) {
    if (connection->server->options.tcp) {
        return true;
    }
    user_name(connection->peer.uid, exchange->author);
    const char *named = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "X-Seczim-Author");
    if (named == NULL || strcmp(named, exchange->author) == 0) {
        return true;
    }
    const uid_t uid = connection->peer.uid;
    if (uid != 0 && uid != geteuid() && uid != connection->server->options.author_uid) {
        http_answer_problem(
            response, 403, "X-Seczim-Author",
            STR("Only root, the service's own user and seczim-api may name another author."));
        return false;
    }
    if (!author_valid(str_from(named))) {
        http_answer_problem(response, 400, "X-Seczim-Author",
                            STR("An author is 1 to 63 bytes of printable ASCII."));
        return false;
    }
    (void)snprintf(exchange->author, HTTP_AUTHOR_MAX, "%s", named);
    return true;
}
