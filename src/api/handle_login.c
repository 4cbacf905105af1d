/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "api/api_handlers.h"
#include "api/login_session.h"
#include "api/web_sessions.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/json_text.h"

/* POST /login and POST /logout. */

struct login {
    struct api *api;
    const struct http_request *request;
    struct http_response *response;
    char name_bytes[USER_NAME_MAX];
    struct str name; /* as it is kept: in small letters */
    struct user user;
    struct secret secret; /* of the new session */
};

static void log_outcome(const struct login *login, bool good) {
    char bytes[4 * USER_NAME_MAX + 128];
    struct text line = TEXT_OVER(bytes);
    const char *address = api_caller_of(login->request)->address_text;
    text_add(&line, good ? STR("Login successful for ") : STR("Login failed for "));
    text_add_escaped(&line, login->name);
    text_add(&line, STR(" from "));
    text_add(&line, address[0] != '\0' ? str_from(address) : STR("the UNIX socket"));
    log_line(good ? LOG_INFO : LOG_WARN, "Auth", 0, text_str(&line));
}

static void refuse(const struct login *login, struct str wrong, struct str sentence,
                   bool code_required) {
    login_note(login->api, login->request, login->name, 401, wrong);
    log_outcome(login, false);
    json_t *members = json_object();
    if (code_required) {
        json_put(members, "code_required", json_true());
    }
    http_answer_problem_with(login->response, 401, NULL, sentence, members);
    http_answer_header(login->response, "WWW-Authenticate", "Bearer realm=\"SecZim\"");
}

static void ask_for_code(const struct login *login) {
    json_t *members = json_object();
    pthread_mutex_lock(&login->api->throttle_lock);
    login_throttle_undo(login->api->throttle, api_caller_of(login->request)->address, login->name,
                        clock_boot_ns());
    pthread_mutex_unlock(&login->api->throttle_lock);
    json_put(members, "code_required", json_true());
    http_answer_problem_with(login->response, 401, "code",
                             STR("The code of the authenticator app is needed too."), members);
}

/* False: it was answered. */
static bool check_password(struct login *login) {
    const struct str password = json_str(json_object_get(login->request->json, "password"));
    const int error = users_check_password(login->api->db, login->api->hasher, login->name,
                                           password, &login->user);
    if (error == -EACCES) {
        refuse(login, STR("{\"wrong\":\"name or password\"}"),
               STR("Name or password is not right."), false);
    } else if (error != 0) {
        login_failed(login->response, "Checking the password", error);
    } else if (user_first_password_expired(&login->user, clock_wall_ns())) {
        refuse(login, STR("{\"wrong\":\"first password expired\"}"),
               STR("This first password was not changed within 7 days and opens nothing any more. "
                   "On the machine itself `seczim user password` sets another."),
               false);
        return false;
    }
    return error == 0;
}

static bool check_code(struct login *login) {
    const struct str code = json_str(json_object_get(login->request->json, "code"));
    if (!login->user.totp) {
        return true;
    }
    if (code.length == 0) {
        ask_for_code(login);
        return false;
    }
    const int error = users_take_code(login->api->db, login->user.id, code, clock_wall_ns());
    if (error == -EACCES) {
        refuse(login, STR("{\"wrong\":\"code\"}"),
               STR("The code is not right, or was used already: wait for the next one. Is the "
                   "clock of this host right?"),
               true);
    } else if (error != 0) {
        login_failed(login->response, "Checking the code", error);
    }
    return error == 0;
}

/* A new session in any case, whatever cookie came along; the old one ends. False: answered. */
static bool begin_session(struct login *login) {
    struct api *api = login->api;
    const struct api_caller *caller = api_caller_of(login->request);
    const struct str agent = http_request_header(login->request, "User-Agent");
    struct user now;
    int64_t id = 0;
    int error = web_sessions_begin(api->db, login->user.id, str_from(caller->address_text), agent,
                                   clock_wall_ns(), &login->secret, &id);
    if (error == 0) {
        error = users_get(api->db, login->user.id, &now);
    }
    if (error == 0 && now.revision != login->user.revision) {
        /* Password, role or the like changed while the password was being checked. */
        const int ended = web_sessions_end(api->db, login->user.id, id);
        error = ended < 0 && ended != -ENOENT ? ended : -ESTALE;
    }
    if (error == -ESTALE || error == -ENOENT) {
        refuse(login, STR("{\"wrong\":\"changed meanwhile\"}"),
               STR("The user was changed at this moment: log in again."), false);
    } else if (error != 0) {
        login_failed(login->response, "Beginning the session", error);
    }
    if (error == 0 && caller->session_id != 0) {
        const int ended = web_sessions_end(api->db, caller->user_id, caller->session_id);
        (void)ended; /* it may have ended already */
    }
    return error == 0;
}

static void answer(const struct login *login) {
    char bytes[SECRET_TEXT_LENGTH + 1];
    struct text csrf = TEXT_OVER(bytes);
    web_session_csrf(&login->secret, &csrf);
    http_answer_json(login->response, 200,
                     json_pack("{s:s, s:s, s:s, s:b}", "name", login->user.name, "role",
                               api_role_name(login->user.role), "csrf", text_zero(&csrf),
                               "must_change_password", (int)login->user.must_change_password));
    login_set_cookie(login->request, login->response, &login->secret);
}

static void succeed(struct login *login) {
    struct api *api = login->api;
    pthread_mutex_lock(&api->throttle_lock);
    login_throttle_success(api->throttle, api_caller_of(login->request)->address, login->name,
                           clock_boot_ns());
    pthread_mutex_unlock(&api->throttle_lock);
    const int noted = users_note_login(api->db, login->user.id, clock_wall_ns());
    (void)noted; /* a full disk must not keep an administrator out */
    login_note(api, login->request, login->name, 200, STR(""));
    log_outcome(login, true);
    answer(login);
}

void api_post_login(void *context, const struct http_request *request,
                    struct http_response *response) {
    struct login login = {.api = context, .request = request, .response = response};
    if (!api_body_valid(request, response)) {
        return;
    }
    struct text name = TEXT_OVER(login.name_bytes);
    text_add_lower(&name, json_str(json_object_get(request->json, "name")));
    login.name = text_str(&name);
    if (login_may_try(login.api, request, response, login.name) && check_password(&login) &&
        check_code(&login) && begin_session(&login)) {
        succeed(&login);
    }
}

void api_post_logout(void *context, const struct http_request *request,
                     struct http_response *response) {
    struct api *api = context;
    const struct api_caller *caller = api_caller_of(request);
    if (caller->session_id != 0) {
        const int error = web_sessions_end(api->db, caller->user_id, caller->session_id);
        if (error != 0 && error != -ENOENT) {
            login_failed(response, "Ending the session", error);
            return;
        }
        login_note(api, request, str_from(caller->user), 204, STR(""));
    }
    http_answer_nothing(response);
    login_set_cookie(request, response, NULL);
}
