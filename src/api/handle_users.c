/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_handlers.h"
#include "api/change.h"
#include "api/etag.h"
#include "api/login_session.h"
#include "base/clock.h"
#include "net/http_input.h"
#include "net/json_text.h"

/* /users */

static json_t *user_json(const struct user *user) {
    json_t *item = json_object();
    json_put(item, "name", json_text_from(user->name));
    json_put(item, "role", json_text_from(api_role_name(user->role)));
    json_put(item, "disabled", json_boolean(user->disabled));
    json_put(item, "totp", json_boolean(user->totp));
    json_put(item, "must_change_password", json_boolean(user->must_change_password));
    json_put(item, "created", json_time(user->created_ns));
    json_put(item, "last_login",
             user->last_login_ns == 0 ? json_null() : json_time(user->last_login_ns));
    return item;
}

/* For the caller to free; NULL when memory is out. */
static char *user_text(const struct user *user) {
    json_t *item = user_json(user);
    char *text = json_dumps(item, JSON_COMPACT);
    json_decref(item);
    return text;
}

static void answer_none(struct http_response *response) {
    http_answer_problem(response, 404, NULL,
                        STR("There is no user of this name; GET /api/v1/users tells which there "
                            "are."));
}

/* Without its password, of course. */
static void answer_user(const struct user *user, const struct http_request *request,
                        struct http_response *response) {
    char *text = user_text(user);
    if (text == NULL) {
        http_answer_json(response, 200, NULL);
        return;
    }
    etag_answer(request, response, "application/json", str_from(text));
    free(text);
}

/* --- reading --- */

struct listing {
    json_t *items;
    size_t limit;
    char last[USER_NAME_MAX + 1];
    bool more;
};

static bool list_one(void *context, const struct user *user) {
    struct listing *listing = context;
    if (json_array_size(listing->items) == listing->limit) {
        listing->more = true;
        return false;
    }
    (void)json_array_append_new(listing->items, user_json(user));
    memcpy(listing->last, user->name, sizeof listing->last);
    return true;
}

void api_get_users(void *context, const struct http_request *request,
                   struct http_response *response) {
    struct api *api = context;
    struct listing listing = {0};
    if (!http_input_limit(request, response, &listing.limit)) {
        return;
    }
    listing.items = json_array();
    const int error =
        users_each(api->db, http_request_parameter(request, "cursor"), list_one, &listing);
    if (error != 0) {
        json_decref(listing.items);
        login_failed(response, "Reading the users", error);
        return;
    }
    json_t *next = listing.more ? json_text_from(listing.last) : json_null();
    http_answer_json(response, 200, json_pack("{s:o, s:o}", "items", listing.items, "next", next));
}

void api_get_user(void *context, const struct http_request *request,
                  struct http_response *response) {
    struct api *api = context;
    struct user user;
    const int error = users_find(api->db, request->parts[0], &user);
    if (error == 0) {
        answer_user(&user, request, response);
    } else if (error == -ENOENT) {
        answer_none(response);
    } else {
        login_failed(response, "Reading the user", error);
    }
}

/* --- changing --- */

static char *state_of_user(struct api *api, const struct http_request *request) {
    struct user user;
    return users_find(api->db, request->parts[0], &user) == 0 ? user_text(&user) : NULL;
}

/* What an errno of users.h means to a person. */
static void answer_refusal(struct change *change, struct http_response *response, int error) {
    switch (error) {
    case -ENOENT:
        answer_none(response);
        break;
    case -EEXIST:
        http_answer_problem(response, 409, "name",
                            STR("There is a user of this name already: choose another, or change "
                                "that one with PUT."));
        break;
    case -EDQUOT:
        http_answer_problemf(response, 409, NULL, "There are %d users, as many as there may be.",
                             USERS_MAX);
        break;
    case -EPERM:
        http_answer_problem(response, 409, NULL,
                            STR("This is the last administrator who can log in: make another one "
                                "first."));
        break;
    default:
        login_failed(response, "The change", error);
        break;
    }
    change_failed(change, http_answer_status(response));
}

/* The answer shows the one-time password; what is kept of it does not. */
static void answer_new(struct change *change, struct http_response *response,
                       const struct user *user, const char *one_time) {
    char *text = user_text(user);
    change_done(change, 201, str_from(text));
    free(text);
    json_t *item = user_json(user);
    if (one_time != NULL) {
        json_put(item, "one_time_password", json_text_from(one_time));
    }
    http_answer_json(response, 201, item);
}

static bool draft_right(struct http_response *response, struct str name, struct str password) {
    const char *field = "name";
    const char *problem = user_name_problem(name);
    if (problem == NULL && password.data != NULL) {
        field = "password";
        problem = password_problem(password, name);
    }
    if (problem != NULL) {
        http_answer_problem(response, 400, field, str_from(problem));
    }
    return problem == NULL;
}

static struct str member(const struct http_request *request, const char *name) {
    const json_t *value = json_object_get(request->json, name);
    return value == NULL ? (struct str){0} : json_str(value);
}

void api_post_user(void *context, const struct http_request *request,
                   struct http_response *response) {
    struct api *api = context;
    struct change change;
    struct user user;
    char one_time[PASSWORD_ONE_TIME_MAX];
    enum api_role role = API_ROLE_NONE;
    if (!api_body_valid(request, response)) {
        return;
    }
    const struct str name = member(request, "name");
    struct str password = member(request, "password");
    const bool chosen = password.data != NULL;
    if (!draft_right(response, name, password) ||
        !change_begin_own(api, request, response, change_no_state, &change)) {
        return;
    }
    CHECK(api_role_parse(member(request, "role"), &role)); /* the schema has looked */
    if (!chosen) {
        password_one_time(one_time);
        password = str_from(one_time);
    }
    const int error =
        users_create(api->db, api->hasher, name, role, password, true, clock_wall_ns(), &user);
    if (error == 0) {
        answer_new(&change, response, &user, chosen ? NULL : one_time);
    } else {
        answer_refusal(&change, response, error);
    }
    change_end(&change);
}

/* False: answered. */
static bool read_change(const struct http_request *request, struct http_response *response,
                        struct user_change *ret_change) {
    const json_t *disabled = json_object_get(request->json, "disabled");
    const json_t *totp = json_object_get(request->json, "totp");
    *ret_change = (struct user_change){
        .set_disabled = disabled != NULL,
        .disabled = json_is_true(disabled),
        .totp_off = totp != NULL,
        .password = member(request, "password"),
    };
    ret_change->set_role = api_role_parse(member(request, "role"), &ret_change->role);
    if (json_is_true(totp)) {
        http_answer_problem(response, 400, "totp",
                            STR("totp can only be switched off here (false): the users switch it "
                                "on themselves, with their app."));
        return false;
    }
    const char *problem = ret_change->password.data == NULL
                              ? NULL
                              : password_problem(ret_change->password, request->parts[0]);
    if (problem != NULL) {
        http_answer_problem(response, 400, "password", str_from(problem));
    }
    return problem == NULL;
}

void api_put_user(void *context, const struct http_request *request,
                  struct http_response *response) {
    struct api *api = context;
    struct change change;
    struct user_change wanted;
    struct user user;
    if (!api_body_valid(request, response) || !read_change(request, response, &wanted) ||
        !change_begin_own(api, request, response, state_of_user, &change)) {
        return;
    }
    const int error = users_change(api->db, api->hasher, request->parts[0], &wanted, &user);
    if (error == 0) {
        char *text = user_text(&user);
        change_done(&change, 200, str_from(text));
        free(text);
        answer_user(&user, request, response);
    } else {
        answer_refusal(&change, response, error);
    }
    change_end(&change);
}

void api_delete_user(void *context, const struct http_request *request,
                     struct http_response *response) {
    struct api *api = context;
    struct change change;
    if (!change_begin_own(api, request, response, state_of_user, &change)) {
        return;
    }
    const int error = users_delete(api->db, request->parts[0]);
    if (error == 0) {
        http_answer_nothing(response);
        change_done(&change, 204, STR(""));
    } else {
        answer_refusal(&change, response, error);
    }
    change_end(&change);
}
