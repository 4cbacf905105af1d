/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "base/str.h"

/* Blocking HTTP over a UNIX socket (libcurl), for the command line and seczim-api. Not for the
 * daemon. Any thread. */

/* Connections that rest for the next call, those of all sockets together. */
enum { HTTP_CLIENT_KEPT_MAX = 8 };

struct http_call {
    const char *socket_path;
    const char *method; /* "GET", "POST", "PUT", "DELETE" */
    const char *target; /* path and query, already percent-encoded (http_client_escape) */
    struct str body;    /* data NULL: none */
    const char *author; /* X-Seczim-Author, or NULL */
    int64_t timeout_ns; /* of the whole call; 0: none */
    size_t reply_max;   /* longer replies are an error */
    /* Takes a connection that an earlier call has left, and leaves it for later ones. Only for what
     * may be sent twice: a connection that its other end has just closed is told by -ECONNRESET. */
    bool keep;
    /* Asked about once a second while the call is under way: false ends it (-ECANCELED). NULL:
     * until it ends by itself. */
    bool (*go_on)(void *context);
    void *go_on_context;
};

struct http_reply {
    long status;
    char *body; /* malloc'd, a zero byte follows; never NULL after success */
    size_t length;
    char content_type[64]; /* "": the reply has none */
};

/* 0 whatever the status; negative errno with a sentence for people when there is no reply
 * (-ECONNREFUSED, -ENOENT, -EACCES, -ETIMEDOUT, -EFBIG, -ECANCELED, -ECONNRESET: closed before any
 * byte of an answer, -EPROTO). */
MUST_USE int http_client_call(const struct http_call *call, struct http_reply *ret_reply,
                              struct text *problem);
void http_reply_free(struct http_reply *reply);

/* For streams: hands over each whole line (without its newline) as it arrives, until the stream
 * ends or `line` returns false (both return 0). A status other than 200 fills *ret_reply instead,
 * which the caller frees in every case. */
typedef bool http_client_line(void *context, struct str line);
MUST_USE int http_client_follow(const struct http_call *call, http_client_line *line, void *context,
                                struct http_reply *ret_reply, struct text *problem);

/* Percent-encodes everything but A-Z a-z 0-9 - . _ ~. */
void http_client_escape(struct str value, struct text *out);
