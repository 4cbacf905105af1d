/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_handlers.h"
#include "api/change.h"
#include "api/login_session.h"
#include "api/query.h"
#include "api/tokens.h"
#include "base/clock.h"
#include "base/rfc3339.h"
#include "net/http_input.h"
#include "net/json_text.h"

/* /tokens */

static json_t *time_or_null(int64_t unix_ns) {
    return unix_ns == 0 ? json_null() : json_time(unix_ns);
}

static json_t *token_json(const struct token *token) {
    json_t *scopes = json_array();
    for (unsigned i = 0; i < API_SCOPES_COUNT; i++) {
        if ((token->scopes & 1U << i) != 0) {
            (void)json_array_append_new(scopes,
                                        json_text_from(api_scope_name((enum api_scope)(1U << i))));
        }
    }
    json_t *item = json_object();
    json_put(item, "id", json_count((uint64_t)token->id));
    json_put(item, "name", json_text_from(token->name));
    json_put(item, "scopes", scopes);
    json_put(item, "role", json_text_from(api_role_name(token->role)));
    json_put(item, "user", json_text_from(token->user));
    json_put(item, "created", json_time(token->created_ns));
    json_put(item, "expires", time_or_null(token->expires_ns));
    json_put(item, "last_used", time_or_null(token->last_used_ns));
    json_put(item, "prefix", json_text_from(token->prefix));
    return item;
}

static char *token_text(const struct token *token) {
    json_t *item = token_json(token);
    char *text = json_dumps(item, JSON_COMPACT);
    json_decref(item);
    return text;
}

/* --- GET --- */

struct listing {
    json_t *items;
    size_t limit;
    int64_t last_id;
    bool more;
};

static bool list_one(void *context, const struct token *token) {
    struct listing *listing = context;
    if (json_array_size(listing->items) == listing->limit) {
        listing->more = true;
        return false;
    }
    (void)json_array_append_new(listing->items, token_json(token));
    listing->last_id = token->id;
    return true;
}

void api_get_tokens(void *context, const struct http_request *request,
                    struct http_response *response) {
    struct api *api = context;
    struct listing listing = {0};
    int64_t before_id = 0;
    if (!http_input_limit(request, response, &listing.limit) ||
        !query_number(request, response, "cursor", &before_id)) {
        return;
    }
    listing.items = json_array();
    const int error = tokens_each(api->db, 0, before_id, list_one, &listing);
    if (error != 0) {
        json_decref(listing.items);
        login_failed(response, "Reading the tokens", error);
        return;
    }
    json_t *next = listing.more ? json_sequence((uint64_t)listing.last_id) : json_null();
    http_answer_json(response, 200, json_pack("{s:o, s:o}", "items", listing.items, "next", next));
}

/* --- POST --- */

static struct str member(const struct http_request *request, const char *name) {
    const json_t *value = json_object_get(request->json, name);
    return value == NULL ? (struct str){0} : json_str(value);
}

static unsigned read_scopes(const struct http_request *request) {
    const json_t *names = json_object_get(request->json, "scopes");
    unsigned scopes = 0;
    for (size_t i = 0; i < json_array_size(names); i++) {
        enum api_scope scope;
        CHECK(api_scope_parse(json_str(json_array_get(names, i)), &scope)); /* by the schema */
        scopes |= (unsigned)scope;
    }
    return scopes;
}

/* RFC 3339, seconds from now, or null for never. False: answered. */
static bool read_expires(const struct http_request *request, struct http_response *response,
                         int64_t now_ns, int64_t *ret_expires_ns) {
    const json_t *value = json_object_get(request->json, "expires");
    *ret_expires_ns = 0;
    if (json_is_number(value)) {
        *ret_expires_ns = now_ns + (int64_t)json_number_value(value) * NS_PER_S;
    } else if (json_is_string(value) && !rfc3339_parse(json_str(value), ret_expires_ns)) {
        http_answer_problem(response, 400, "expires",
                            STR("expires must be a time such as 2027-01-31T00:00:00Z, seconds from "
                                "now as a number, or null for a token that does not expire."));
        return false;
    }
    return true;
}

/* Whose it is to be: the caller's, unless another is named. False: answered. */
static bool find_owner(struct api *api, const struct http_request *request,
                       struct http_response *response, struct user *ret_user) {
    const struct str name = member(request, "user");
    const int64_t own_id = api_caller_of(request)->user_id;
    if (name.data == NULL && own_id == 0) {
        http_answer_problem(response, 400, "user",
                            STR("A token belongs to a user: name one in `user`, because you are "
                                "not logged in as one."));
        return false;
    }
    const int error = name.data != NULL ? users_find(api->db, name, ret_user)
                                        : users_get(api->db, own_id, ret_user);
    if (error == -ENOENT) {
        http_answer_problem(response, 400, "user", STR("There is no user of this name."));
    } else if (error != 0) {
        login_failed(response, "Reading the user", error);
    }
    return error == 0;
}

/* Who has a token can make no other that does more than it. */
static bool within_own_rights(const struct http_request *request, struct http_response *response,
                              const struct token_draft *draft) {
    const struct access_decision *own = &api_caller_of(request)->decision;
    const enum api_role role = draft->role == API_ROLE_NONE ? draft->user_role : draft->role;
    if (own->via != ACCESS_VIA_TOKEN ||
        ((draft->scopes & ~own->scopes) == 0 && role <= own->role)) {
        return true;
    }
    http_answer_problem(response, 403, "scopes",
                        STR("A token can make only tokens whose scopes and role it has itself: "
                            "log in to make this one."));
    return false;
}

static void answer_new(struct change *change, struct http_response *response,
                       const struct token *token, struct str secret_text) {
    char *text = token_text(token);
    change_done(change, 201, str_from(text));
    free(text);
    json_t *item = token_json(token);
    json_put(item, "token", json_text(secret_text));
    http_answer_json(response, 201, item);
}

static void create(struct api *api, const struct http_request *request,
                   struct http_response *response, int64_t user_id,
                   const struct token_draft *draft) {
    struct change change;
    struct token token;
    char bytes[TOKEN_TEXT_LENGTH];
    struct text text = TEXT_OVER(bytes);
    if (!change_begin_own(api, request, response, change_no_state, &change)) {
        return;
    }
    const int error = tokens_create(api->db, user_id, draft, clock_wall_ns(), &token, &text);
    if (error == 0) {
        answer_new(&change, response, &token, text_str(&text));
    } else {
        if (error == -EDQUOT) {
            http_answer_problemf(response, 409, NULL,
                                 "This user has %d tokens, as many as one may have: delete one "
                                 "first.",
                                 TOKENS_PER_USER_MAX);
        } else {
            login_failed(response, "Making the token", error);
        }
        change_failed(&change, http_answer_status(response));
    }
    change_end(&change);
}

void api_post_token(void *context, const struct http_request *request,
                    struct http_response *response) {
    struct api *api = context;
    struct user owner;
    const int64_t now_ns = clock_wall_ns();
    if (!api_body_valid(request, response) || !find_owner(api, request, response, &owner)) {
        return;
    }
    struct token_draft draft = {
        .name = member(request, "name"), .scopes = read_scopes(request), .user_role = owner.role};
    const struct str role = member(request, "role");
    CHECK(role.data == NULL || api_role_parse(role, &draft.role)); /* by the schema */
    if (!read_expires(request, response, now_ns, &draft.expires_ns)) {
        return;
    }
    const char *field = NULL;
    const char *problem = token_problem(&draft, now_ns, &field);
    if (problem != NULL) {
        http_answer_problem(response, 400, field, str_from(problem));
    } else if (within_own_rights(request, response, &draft)) {
        create(api, request, response, owner.id, &draft);
    }
}

/* --- DELETE --- */

static int64_t id_of(const struct http_request *request) {
    uint64_t id = 0;
    return str_parse_u64(request->parts[0], INT64_MAX, &id) ? (int64_t)id : 0;
}

static char *state_of_token(struct api *api, const struct http_request *request) {
    struct token token;
    return tokens_get(api->db, id_of(request), &token) == 0 ? token_text(&token) : NULL;
}

void api_delete_token(void *context, const struct http_request *request,
                      struct http_response *response) {
    struct api *api = context;
    struct change change;
    if (!change_begin_own(api, request, response, state_of_token, &change)) {
        return;
    }
    const int error = tokens_delete(api->db, id_of(request));
    if (error == 0) {
        http_answer_nothing(response);
    } else if (error == -ENOENT) {
        http_answer_problem(response, 404, NULL,
                            STR("There is no token of this id; GET /api/v1/tokens tells which "
                                "there are."));
    } else {
        login_failed(response, "Deleting the token", error);
    }
    change_done(&change, http_answer_status(response), STR(""));
    change_end(&change);
}
