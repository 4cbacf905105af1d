/* SPDX-License-Identifier: Apache-2.0 */
#include "api/login_session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/audit.h"
#include "api/secret.h"
#include "api/web_sessions.h"
#include "base/clock.h"
#include "base/log.h"

enum { COOKIE_TEXT_MAX = 192 };

void login_set_cookie(const struct http_request *request, struct http_response *response,
                      const struct secret *secret) {
    const bool secure = api_caller_of(request)->secure && request->tcp;
    char bytes[COOKIE_TEXT_MAX];
    struct text cookie = TEXT_OVER(bytes);
    text_add(&cookie, secure ? STR("__Host-seczim_session=") : STR("seczim_session="));
    if (secret != NULL) {
        secret_format(secret, &cookie);
    } else {
        text_add(&cookie, STR("; Max-Age=0"));
    }
    text_add(&cookie, STR("; Path=/; HttpOnly; SameSite=Strict"));
    text_add(&cookie, secure ? STR("; Secure") : STR(""));
    http_answer_header(response, "Set-Cookie", text_zero(&cookie));
}

void login_failed(struct http_response *response, const char *what, int error) {
    log_write(LOG_ERROR, "API", "%s failed: %s", what, strerror(-error));
    http_answer_problemf(response, 500, NULL, "%s failed (%s): see the log of seczim-api.", what,
                         strerror(-error));
}

void login_note(struct api *api, const struct http_request *request, struct str user,
                unsigned status, struct str after) {
    const struct api_caller *caller = api_caller_of(request);
    const struct audit_entry entry = {
        .user = user,
        .via = str_from(access_via_name(caller->decision.via)),
        .address = str_from(caller->address_text),
        .action = str_from(caller->operation->id),
        .method = request->method_name,
        .path = request->path,
        .request_id = str_from(caller->request_id),
    };
    const int error = audit_note(api->db, &entry, status, after, clock_wall_ns());
    if (error != 0) {
        log_write(LOG_ERROR, "API", "The audit log cannot be written: %s", strerror(-error));
    }
}

bool login_may_try(struct api *api, const struct http_request *request,
                   struct http_response *response, struct str name) {
    if (password_crowded(api->hasher)) {
        http_answer_problem(response, 503, NULL,
                            STR("Too many log in at this moment: try again in a second."));
        http_answer_header(response, "Retry-After", "1");
        return false;
    }
    pthread_mutex_lock(&api->throttle_lock);
    const uint32_t wait_s =
        login_throttle_try(api->throttle, api_caller_of(request)->address, name, clock_boot_ns());
    pthread_mutex_unlock(&api->throttle_lock);
    if (wait_s == 0) {
        return true;
    }
    char seconds[16];
    (void)snprintf(seconds, sizeof seconds, "%u", wait_s);
    http_answer_problemf(
        response, 429, NULL,
        "Too many wrong passwords: try again in %u s. Each further failure doubles "
        "the wait.",
        wait_s);
    http_answer_header(response, "Retry-After", seconds);
    return false;
}

bool login_own_user(struct api *api, const struct http_request *request,
                    struct http_response *response, struct user *ret_user) {
    const struct api_caller *caller = api_caller_of(request);
    if (caller->session_id == 0 || caller->decision.via != ACCESS_VIA_SESSION) {
        http_answer_problem(response, 403, NULL,
                            STR("This is for users who have logged in, with their session: tokens, "
                                "the UNIX socket and trusted networks have no account of their "
                                "own. PUT /api/v1/users/{name} changes any user."));
        return false;
    }
    const int error = users_get(api->db, caller->user_id, ret_user);
    if (error != 0) {
        login_failed(response, "Reading the user", error);
    }
    return error == 0;
}

bool login_check_again(struct api *api, const struct http_request *request,
                       struct http_response *response, const struct user *user, const char *field,
                       struct str password) {
    const struct str name = str_from(user->name);
    if (!login_may_try(api, request, response, name)) {
        return false;
    }
    struct user same;
    const int error = users_check_password(api->db, api->hasher, name, password, &same);
    if (error == -EACCES) {
        login_note(api, request, name, 403, STR("{\"wrong\":\"password\"}"));
        http_answer_problem(response, 403, field,
                            STR("That is not your present password. Nothing was changed."));
        return false;
    }
    if (error != 0) {
        login_failed(response, "Checking the password", error);
        return false;
    }
    pthread_mutex_lock(&api->throttle_lock);
    login_throttle_success(api->throttle, api_caller_of(request)->address, name, clock_boot_ns());
    pthread_mutex_unlock(&api->throttle_lock);
    return true;
}
