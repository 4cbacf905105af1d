/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "api/access.h"
#include "api/api_db.h"
#include "api/login_throttle.h"
#include "api/operations.h"
#include "api/password.h"
#include "api/rate_limit.h"
#include "net/http_server.h"
#include "settings/settings.h"

/* Inside of seczim-api: what its files share.
 *
 *   request ─► admit: who, may they, how often ─► body by its schema ─► handler ─► finish: headers,
 * log │ api.db (users, tokens, audit) ◄─────┴─────► daemon (all else)
 *
 * One file per subject. A handler runs on its connection's thread and may block. */

enum {
    API_EVENT_CLIENTS_MAX = 64,
    API_REPLY_MAX = 256 * 1024 * 1024, /* bytes of an answer of the daemon */
    API_USER_TEXT_MAX = 64,
    API_TOKEN_TEXT_MAX = 104,
    API_REQUEST_ID_MAX = 24,
};

/* What changes are about; those of one kind may be of the same thing. */
enum change_kind {
    CHANGE_SETTINGS = 0, /* policies too */
    CHANGE_LISTS,        /* addresses and greylisting too: some of their paths change lists */
    CHANGE_QUOTAS,
    CHANGE_RESTRICTIONS,
    CHANGE_USERS, /* tokens and sessions too */
    CHANGE_SYSTEM,
    CHANGE_KINDS
};

struct api {
    struct settings *settings; /* never changed while it serves */
    char *control_socket;
    struct access_policy access;
    struct api_db *db;
    struct password_hasher *hasher;
    pthread_mutex_t throttle_lock;
    struct login_throttle *throttle;
    struct rate_limit *rates;              /* locks itself */
    struct answer_memory *answers;         /* locks itself */
    pthread_mutex_t changes[CHANGE_KINDS]; /* change.h */
    int64_t started_ns;                    /* Unix time */
    struct api_listeners *listeners;
    struct event_hub *events;
    atomic_uint event_clients;
    atomic_bool stopping;
    struct counter requests;
    struct counter refused; /* 401, 403, 429 */
    struct counter failed;  /* 5xx */
};

/* Who asks, found by admit(); request->caller of every handler. */
struct api_caller {
    const struct api_operation *operation; /* NULL: a page of the dashboard */
    struct access_decision decision;
    char user[API_USER_TEXT_MAX + 1]; /* "admin"; of the system for a UNIX socket; "" for nobody */
    int64_t user_id;                  /* of api.db; 0: none */
    int64_t session_id;               /* 0: none */
    int64_t token_id;                 /* 0: none */
    char token_name[API_TOKEN_TEXT_MAX];
    struct ip_address address; /* the client's, seen through trusted proxies; none: UNIX socket */
    char address_text[IP_ADDRESS_TEXT_MAX];
    char request_id[API_REQUEST_ID_MAX];
    bool secure; /* nobody on the way reads along */
    int64_t began_boot_ns;
    int64_t audit_row; /* of the change under way; 0: none */
};

static inline struct api_caller *api_caller_of(const struct http_request *request) {
    return request->caller;
}

/* http_server_options of every listener. */
void api_admit(void *context, struct http_request *request, struct http_response *response);
void api_finish(void *context, const struct http_request *request, struct http_response *response);
void api_release(void *context, void *caller);

/* The name under which the daemon's change log knows the caller: "admin", "admin (token backup)".
 */
void api_author(const struct http_request *request, struct text *out);

/* The value of the session cookie; data NULL when there is none. */
struct str api_session_cookie(const struct http_request *request);
/* What every handler of a JSON body calls first: its schema. False: it was answered. */
MUST_USE bool api_body_valid(const struct http_request *request, struct http_response *response);

/* Handlers of routes with x-control in api/openapi.yaml. */
http_handler api_pass_through;
/* Every GET outside of /api: the dashboard. */
http_handler api_get_page;
