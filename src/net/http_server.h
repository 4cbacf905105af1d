/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "base/check.h"
#include "base/counter.h"
#include "base/ip_address.h"
#include "base/str.h"

/* HTTP/1.1 with JSON (libmicrohttpd), on a UNIX socket for the control API, on TCP with or without
 * TLS for the web.
 *
 *   connection ─► guard: who, one Host, framing ─► route ─► parameters ─► admit ─► body ─► handler
 *              ─► finish ─► answer
 *
 * A thread per connection, at most HTTP_CONNECTIONS_MAX, so that a handler may block (a backup, a
 * stream that follows history) without holding up others. A watchdog closes connections that
 * miss an absolute deadline: a head or a body sent byte by byte does not keep a thread. When there
 * are many, the one that has waited longest for a request head makes room, then the one whose body
 * or answer has been under way longest (slow_ns at least): nobody can shut others out by connecting
 * or by being slow.
 * Whatever is refused before a handler runs is answered with a problem document (RFC 9457). */

enum {
    HTTP_CONNECTIONS_MAX =
        64, /* unless told otherwise; from three quarters on a new one ends another */
    HTTP_PARAMETERS_MAX = 32,
    HTTP_PLACEHOLDERS_MAX = 4,
    HTTP_PATH_PARTS_MAX = 8,
    HTTP_TARGET_MAX = 8192, /* bytes of path and query together; above: 414 */
    HTTP_AUTHOR_MAX = 64,
};
/* Bodies of all connections together; above it 503. */
#define HTTP_BODIES_MAX ((size_t)192 * 1024 * 1024)

enum http_method { HTTP_GET = 0, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_METHODS };

/* Who is at the other end (SO_PEERCRED), as it was when it connected. */
struct http_peer {
    uid_t uid;
    gid_t gid;
    pid_t pid;
};

struct MHD_Connection;
struct http_route;

struct http_parameter {
    struct str name;
    struct str value; /* percent-decoded; holds no NUL */
};

enum http_body { HTTP_BODY_NONE = 0, HTTP_BODY_JSON, HTTP_BODY_BYTES };

/* What a handler sees; valid until it returns. */
struct http_request {
    enum http_method method;
    struct str path;
    struct str parts[HTTP_PLACEHOLDERS_MAX]; /* what the placeholders of the route stand for */
    struct http_parameter parameters[HTTP_PARAMETERS_MAX];
    size_t parameter_count;
    struct str body;    /* HTTP_BODY_BYTES */
    const json_t *json; /* HTTP_BODY_JSON: an object */
    struct http_peer peer;
    const char *author;     /* UNIX socket: the peer's user name, or what X-Seczim-Author says where
                             * that     is allowed; else "" */
    struct str method_name; /* as it was sent */
    const struct http_route *route;   /* NULL in finish() for what fits no route */
    struct ip_address client_address; /* TCP only */
    bool tcp;
    bool tls;
    void *caller; /* set by admit(), for the handler; released by options.release() */
    struct MHD_Connection *connection;
};

/* The value of a request header, data NULL when it is not there; the first of several. */
struct str http_request_header(const struct http_request *request, const char *name);
/* How often it is there. */
unsigned http_request_header_count(const struct http_request *request, const char *name);
/* Whether there is one whose name begins with `start`. */
bool http_request_header_starts(const struct http_request *request, const char *start);
/* The value of a parameter of the query; data NULL when it is not there. */
struct str http_request_parameter(const struct http_request *request, const char *name);

struct http_response;
typedef void http_handler(void *context, const struct http_request *request,
                          struct http_response *response);

/* One line of the table of routes. */
struct http_route {
    enum http_method method;
    const char *pattern; /* "/v1/lists/{list}/{id}"; a plain part wins over a placeholder */
    http_handler *handler;
    const char *parameters; /* query parameters it knows, separated by blanks; "" for none */
    enum http_body body;
    size_t body_max; /* bytes; above: 413 */
};

/* --- answers: exactly one of these per request; a handler that gives none answers 500 --- */

/* Takes over the reference to `body`. NULL (out of memory) answers 500. */
void http_answer_json(struct http_response *response, unsigned status, json_t *body);
/* A problem document. `field` is the member or parameter at fault, or NULL. `detail` may hold any
 * bytes. */
void http_answer_problem(struct http_response *response, unsigned status, const char *field,
                         struct str detail);
__attribute__((format(printf, 4, 5))) void http_answer_problemf(struct http_response *response,
                                                                unsigned status, const char *field,
                                                                const char *format, ...);
/* The same with members beside those (takes over `members`, an object). */
void http_answer_problem_with(struct http_response *response, unsigned status, const char *field,
                              struct str detail, json_t *members);
/* 500 for a negative errno: "`what` failed: ...". */
void http_answer_failed(struct http_response *response, const char *what, int error);
/* 204. */
void http_answer_nothing(struct http_response *response);
/* `bytes` are copied, or used as they are (`forever`: they outlive the server). */
void http_answer_bytes(struct http_response *response, unsigned status, const char *content_type,
                       struct str bytes, bool forever);
/* After one of the above: sets a header of the answer, instead of one of that name. */
void http_answer_header(struct http_response *response, const char *name, const char *value);
/* The status that was answered; 0 before. */
unsigned http_answer_status(const struct http_response *response);

/* A body that is made while it is sent (chunked). `read` runs on the connection's thread and writes
 * at most `size` bytes (at least 4096). It returns how many, HTTP_STREAM_END, HTTP_STREAM_FAILED
 * (the connection is cut, so that what was sent does not look whole), or 0 for "nothing now" after
 * having waited for at most about a second; the server then sees whether the reader is still there
 * and calls again. When the server stops, a stream that is `live` ends, since any moment may be its
 * end; another is cut. `close` is called exactly once, whatever happens. */
enum { HTTP_STREAM_END = -1, HTTP_STREAM_FAILED = -2 };
struct http_stream {
    void *context;
    ssize_t (*read)(void *context, char *out, size_t size);
    void (*close)(void *context);
    bool live;
};
void http_answer_stream(struct http_response *response, const char *content_type,
                        const struct http_stream *stream);

/* --- the server --- */

struct http_server_options {
    int listen_fd; /* listening socket; the server does not own it */
    const struct http_route *routes;
    size_t route_count;
    void *context; /* of the handlers */
    bool tcp;      /* not a UNIX socket: everybody may connect, and admit() decides who may ask */
    gid_t group;   /* UNIX socket: its members may use the API besides root and our own user;
                    * (gid_t)-1:   nobody */
    uid_t author_uid; /* UNIX socket: may name the author of a change, besides root and our own
                       * user; 0: nobody */
    const char *tls_certificate; /* PEM, the chain; NULL: no TLS */
    const char *tls_key;         /* PEM */
    unsigned connections_max;    /* 0: HTTP_CONNECTIONS_MAX; of three quarters on it is crowded */
    unsigned connections_per_address;  /* TCP; 0: no limit */
    const struct http_route *fallback; /* for a GET that fits no route; NULL: 404 */
    /* Each may be NULL. admit() runs when head, route and parameters are right, before the body is
     * read, and answers to refuse. finish() sees every answer before it leaves, adds headers, logs.
     * release() gets request->caller when the request has ended. */
    void (*admit)(void *context, struct http_request *request, struct http_response *response);
    void (*finish)(void *context, const struct http_request *request,
                   struct http_response *response);
    void (*release)(void *context, void *caller);
    int64_t head_deadline_ns; /* to send a request head, from connecting or the last answer on */
    int64_t body_deadline_ns; /* to send a body, and to take an answer (a stream: each piece) */
    int64_t body_pause_ns;    /* without any byte of a body */
    int64_t slow_ns; /* a body or an answer under way as long makes room when there are many */
};

/* All since start. */
struct http_server_counters {
    struct counter requests;
    struct counter refused_peer;     /* 403 */
    struct counter refused_guard;    /* ambiguous framing, Host */
    struct counter deadline;         /* connections closed by the watchdog */
    struct counter crowded;          /* connections closed to make room for others */
    struct counter bodies_too_large; /* 413, and 503 for HTTP_BODIES_MAX */
};

struct http_server;
/* Negative errno and a sentence on failure. Copies the options; routes stay borrowed. */
MUST_USE int http_server_start(const struct http_server_options *options,
                               struct http_server **ret_server, struct text *problem);
/* Accepts no more, ends streams, waits for running requests (at most `patience_ns`), closes. The
 * listening socket stays open: it is the caller's. */
void http_server_stop(struct http_server *server, int64_t patience_ns);
/* For a handler that takes long: whether http_server_stop() waits for it. Any thread. */
bool http_server_stopping(const struct http_server *server);
const struct http_server_counters *http_server_counters(const struct http_server *server);

/* A listening UNIX socket at `path`, mode 0660 for `group` ((gid_t)-1: mode 0600). A stale socket
 * file, one that nobody listens on, is replaced; anything else there is left alone: -EADDRINUSE,
 * -EEXIST. Returns the descriptor or a negative errno with a sentence. */
MUST_USE int http_listen(const char *path, gid_t group, struct text *problem);
/* The group's id, or (gid_t)-1 when there is none of that name. */
gid_t http_group_find(const char *name);
/* The user's id, or 0 when there is none of that name. */
uid_t http_user_find(const char *name);
