/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "api/api_handlers.h"
#include "api/change.h"
#include "api/login_session.h"
#include "api/web_sessions.h"
#include "base/clock.h"
#include "net/json_text.h"

/* /me: who is asking, and what a user does with the own account. */

/* --- GET /me --- */

static void add_csrf(const struct http_request *request, json_t *me) {
    struct secret secret;
    char bytes[SECRET_TEXT_LENGTH];
    struct text csrf = TEXT_OVER(bytes);
    if (secret_parse(api_session_cookie(request), &secret)) {
        web_session_csrf(&secret, &csrf);
        json_put(me, "csrf", json_text(text_str(&csrf)));
    }
}

/* Of a caller who is no user of ours: the system's user at the other end of the socket, or where
 * the request comes from. */
static json_t *other_name(const struct http_request *request) {
    char bytes[1024];
    struct text author = TEXT_OVER(bytes);
    struct passwd entry;
    struct passwd *found = NULL;
    if (api_caller_of(request)->decision.via == ACCESS_VIA_SOCKET) {
        if (getpwuid_r(request->peer.uid, &entry, bytes, sizeof bytes, &found) == 0 &&
            found != NULL) {
            return json_text_from(found->pw_name);
        }
        text_add(&author, STR("uid "));
        text_add_u64(&author, request->peer.uid);
    } else {
        api_author(request, &author);
    }
    return json_text(text_str(&author));
}

void api_get_me(void *context, const struct http_request *request, struct http_response *response) {
    struct api *api = context;
    const struct api_caller *caller = api_caller_of(request);
    const bool session = caller->decision.via == ACCESS_VIA_SESSION;
    struct user user = {0};
    const int error = caller->user_id == 0 ? 0 : users_get(api->db, caller->user_id, &user);
    if (error != 0) {
        login_failed(response, "Reading the user", error);
        return;
    }
    json_t *me = json_object();
    json_put(me, "name", caller->user_id != 0 ? json_text_from(user.name) : other_name(request));
    json_put(me, "role", json_text_from(api_role_name(caller->decision.role)));
    json_put(me, "via", json_text_from(access_via_name(caller->decision.via)));
    if (session) {
        add_csrf(request, me);
    }
    json_put(me, "must_change_password", json_boolean(session && user.must_change_password));
    json_put(me, "totp", json_boolean(user.totp));
    json_put(me, "tls", json_boolean(caller->secure));
    http_answer_json(response, 200, me);
}

/* --- a change of one's own account --- */

/* 204, or what `error` means. */
static void answer_change(struct change *change, struct http_response *response, int error,
                          unsigned status, const char *sentence) {
    if (error == 0) {
        http_answer_nothing(response);
        change_done(change, 204, STR(""));
    } else if (sentence != NULL) {
        http_answer_problem(response, status, NULL, str_from(sentence));
        change_failed(change, status);
    } else {
        login_failed(response, "The change", error);
        change_failed(change, 500);
    }
    change_end(change);
}

/* False: it was answered. */
static bool own_user(struct api *api, const struct http_request *request,
                     struct http_response *response, struct user *ret_user) {
    return api_body_valid(request, response) && login_own_user(api, request, response, ret_user);
}

void api_put_my_password(void *context, const struct http_request *request,
                         struct http_response *response) {
    struct api *api = context;
    struct user user;
    struct change change;
    if (!own_user(api, request, response, &user)) {
        return;
    }
    const struct str current = json_str(json_object_get(request->json, "current"));
    const struct str new = json_str(json_object_get(request->json, "new"));
    const char *problem = str_equal(current, new) ? "The new password is the present one."
                                                  : password_problem(new, str_from(user.name));
    if (problem != NULL) {
        http_answer_problem(response, 400, "new", str_from(problem));
        return;
    }
    if (login_check_again(api, request, response, &user, "current", current) &&
        change_begin_own(api, request, response, change_no_state, &change)) {
        const int error = users_set_password(api->db, api->hasher, user.id, new,
                                             api_caller_of(request)->session_id);
        answer_change(&change, response, error, 0, NULL);
    }
}

/* --- codes --- */

static void answer_secret(const struct http_request *request, struct http_response *response,
                          const struct user *user, const struct totp_secret *secret) {
    char secret_bytes[TOTP_SECRET_TEXT_MAX];
    char uri_bytes[TOTP_URI_MAX];
    char issuer_bytes[128];
    struct text text = TEXT_OVER(secret_bytes);
    struct text uri = TEXT_OVER(uri_bytes);
    struct text issuer = TEXT_OVER(issuer_bytes);
    const struct str host = http_request_header(request, "Host");
    text_add(&issuer, STR("SecZim "));
    text_add(&issuer, str_slice(host, 0, str_find(host, ':')));
    totp_secret_format(secret, &text);
    totp_uri_format(secret, text_str(&issuer), str_from(user->name), &uri);
    http_answer_json(response, 200,
                     json_pack("{s:o, s:o}", "secret", json_text(text_str(&text)), "uri",
                               json_text(text_str(&uri))));
}

void api_post_my_totp(void *context, const struct http_request *request,
                      struct http_response *response) {
    struct api *api = context;
    struct user user;
    struct change change;
    struct totp_secret secret;
    if (!login_own_user(api, request, response, &user) ||
        !change_begin_own(api, request, response, change_no_state, &change)) {
        return;
    }
    const int error = users_totp_begin(api->db, user.id, &secret);
    if (error == 0) {
        answer_secret(request, response, &user, &secret);
        change_done(&change, 200, STR(""));
        change_end(&change);
        return;
    }
    answer_change(&change, response, error, 409,
                  error == -EEXIST ? "Codes are asked for already: switch them off first (POST "
                                     "/api/v1/me/totp/disable)."
                                   : NULL);
}

void api_put_my_totp(void *context, const struct http_request *request,
                     struct http_response *response) {
    struct api *api = context;
    struct user user;
    struct change change;
    if (!own_user(api, request, response, &user) ||
        !login_may_try(api, request, response, str_from(user.name)) ||
        !change_begin_own(api, request, response, change_no_state, &change)) {
        return;
    }
    const struct str code = json_str(json_object_get(request->json, "code"));
    const int error = users_totp_on(api->db, user.id, code, clock_wall_ns());
    if (error == 0 || error == -ENOENT) {
        pthread_mutex_lock(&api->throttle_lock);
        login_throttle_undo(api->throttle, api_caller_of(request)->address, str_from(user.name),
                            clock_boot_ns());
        pthread_mutex_unlock(&api->throttle_lock);
    }
    answer_change(&change, response, error, error == -ENOENT ? 409 : 403,
                  error == -EACCES
                      ? "The code is not right: type the newest one. Is the clock of this host "
                        "right?"
                  : error == -ENOENT ? "There is no secret yet: POST /api/v1/me/totp makes one."
                                     : NULL);
}

void api_post_my_totp_disable(void *context, const struct http_request *request,
                              struct http_response *response) {
    struct api *api = context;
    struct user user;
    struct change change;
    if (!own_user(api, request, response, &user)) {
        return;
    }
    const struct str password = json_str(json_object_get(request->json, "password"));
    if (login_check_again(api, request, response, &user, "password", password) &&
        change_begin_own(api, request, response, change_no_state, &change)) {
        answer_change(&change, response, users_totp_off(api->db, user.id), 0, NULL);
    }
}

/* --- where one is logged in --- */

struct listing {
    json_t *items;
    int64_t own_id;
};

static bool list_one(void *context, const struct web_session *session) {
    struct listing *listing = context;
    char id[24];
    (void)snprintf(id, sizeof id, "%lld", (long long)session->id);
    json_t *item = json_object();
    json_put(item, "id", json_text_from(id));
    json_put(item, "created", json_time(session->created_ns));
    json_put(item, "last_used", json_time(session->last_used_ns));
    json_put(item, "address", json_text_from(session->address));
    json_put(item, "user_agent", json_text_from(session->user_agent));
    json_put(item, "current", json_boolean(session->id == listing->own_id));
    (void)json_array_append_new(listing->items, item);
    return true;
}

void api_get_my_sessions(void *context, const struct http_request *request,
                         struct http_response *response) {
    struct api *api = context;
    const struct api_caller *caller = api_caller_of(request);
    struct listing listing = {.items = json_array(), .own_id = caller->session_id};
    const int error =
        web_sessions_each(api->db, caller->user_id, clock_wall_ns(), list_one, &listing);
    if (error != 0) {
        json_decref(listing.items);
        login_failed(response, "Reading the sessions", error);
        return;
    }
    http_answer_json(response, 200, json_pack("{s:o, s:n}", "items", listing.items, "next"));
}

void api_delete_my_session(void *context, const struct http_request *request,
                           struct http_response *response) {
    struct api *api = context;
    struct user user;
    struct change change;
    uint64_t id = 0;
    if (!login_own_user(api, request, response, &user)) {
        return;
    }
    const bool number = str_parse_u64(request->parts[0], INT64_MAX, &id);
    if (!change_begin_own(api, request, response, change_no_state, &change)) {
        return;
    }
    const int error = number ? web_sessions_end(api->db, user.id, (int64_t)id) : -ENOENT;
    answer_change(&change, response, error, 404,
                  error == -ENOENT ? "You have no session of this id: it may have ended." : NULL);
    if (error == 0 && (int64_t)id == api_caller_of(request)->session_id) {
        login_set_cookie(request, response, NULL);
    }
}
