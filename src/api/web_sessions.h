/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "api/api_db.h"
#include "api/secret.h"

/* Sessions of the dashboard: a cookie of 256 random bits, kept hashed. A login always begins a new
 * one (a value that somebody planted before is worth nothing), ends after WEB_SESSION_IDLE_S
 * without use and after WEB_SESSION_S at the latest. Times are Unix time in nanoseconds; a session
 * from further ahead than WEB_SESSION_AHEAD_S (the clock was set back) has ended too.
 * Any thread. */

enum {
    WEB_SESSION_IDLE_S = 30 * 60,
    WEB_SESSION_S = 12 * 60 * 60,
    WEB_SESSION_AHEAD_S = 60 * 60,
    WEB_SESSION_USED_EVERY_S = 60,  /* last_used is written at most as often */
    WEB_SESSIONS_PER_USER_MAX = 16, /* one more ends the one unused longest */
    WEB_SESSION_ADDRESS_MAX = 46,
    WEB_SESSION_USER_AGENT_MAX = 256,
};

struct web_session {
    int64_t id; /* to name it by: not what the cookie carries */
    int64_t user_id;
    int64_t created_ns;
    int64_t last_used_ns;
    char address[WEB_SESSION_ADDRESS_MAX];
    char user_agent[WEB_SESSION_USER_AGENT_MAX];
};

/* Begins one; *ret_secret is for the cookie (secret_format()). Removes the rows of those that have
 * ended. */
MUST_USE int web_sessions_begin(struct api_db *db, int64_t user_id, struct str address,
                                struct str user_agent, int64_t now_ns, struct secret *ret_secret,
                                int64_t *ret_id);
/* -ENOENT: unknown, ended, or of a disabled user. Using it counts as use. */
MUST_USE int web_sessions_find(struct api_db *db, const struct secret *secret, int64_t now_ns,
                               struct web_session *ret_session);
/* What X-CSRF-Token must be in a session's changes: follows from its secret, so it changes with it.
 * SECRET_TEXT_LENGTH characters. Pure. */
void web_session_csrf(const struct secret *secret, struct text *out);
bool web_session_csrf_right(const struct secret *secret, struct str given);

typedef bool web_session_visit(void *context, const struct web_session *session);
/* Those of a user that have not ended, used last first. `visit` must not use the database. */
MUST_USE int web_sessions_each(struct api_db *db, int64_t user_id, int64_t now_ns,
                               web_session_visit *visit, void *context);
/* -ENOENT: the user has none of this id. */
MUST_USE int web_sessions_end(struct api_db *db, int64_t user_id, int64_t id);
/* All of a user but one (0: all). *ret_count (may be NULL): how many. */
MUST_USE int web_sessions_end_all(struct api_db *db, int64_t user_id, int64_t but_id,
                                  size_t *ret_count);
