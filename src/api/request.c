/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/tokens.h"
#include "api/users.h"
#include "api/web_sessions.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "net/json_text.h"

/* What happens to every request before its handler, and to every answer after: who asks, whether
 * they may, how often; the headers that keep a browser safe; the line in the log. */

/* --- credentials --- */

/* The value of a cookie of that name; data NULL when there is none. */
static struct str cookie(struct str header, struct str name) {
    while (header.length > 0) {
        const size_t semicolon = str_find(header, ';');
        const struct str pair = str_trim(str_slice(header, 0, semicolon));
        const size_t equals = str_find(pair, '=');
        if (equals != SIZE_MAX && str_equal(str_slice(pair, 0, equals), name)) {
            return str_slice(pair, equals + 1, pair.length);
        }
        header = semicolon == SIZE_MAX ? STR("") : str_slice(header, semicolon + 1, SIZE_MAX);
    }
    return (struct str){0};
}

/* Over TLS only the one that a browser takes from this host alone: the other may have been planted
 * over plain HTTP, or by a name beside ours. */
struct str api_session_cookie(const struct http_request *request) {
    const struct str header = http_request_header(request, "Cookie");
    const bool host_bound = api_caller_of(request)->secure && request->tcp;
    return cookie(header, host_bound ? STR("__Host-seczim_session") : STR("seczim_session"));
}

static void look_up_token(struct api *api, const struct http_request *request,
                          struct api_caller *caller, struct access_request *facts) {
    const struct str header = http_request_header(request, "Authorization");
    if (header.data == NULL) {
        return;
    }
    facts->bearer = ACCESS_NOT_VALID;
    const struct str scheme = str_slice(header, 0, 7);
    struct secret secret;
    struct token token;
    if (!str_equal_nocase(scheme, STR("Bearer ")) ||
        !token_parse(str_trim(str_slice(header, 7, header.length)), &secret) ||
        tokens_find(api->db, &secret, clock_wall_ns(), &token) != 0) {
        return;
    }
    facts->bearer = ACCESS_VALID;
    facts->bearer_role = token.role;
    facts->bearer_scopes = token.scopes;
    caller->token_id = token.id;
    caller->user_id = token.user_id;
    (void)snprintf(caller->user, sizeof caller->user, "%s", token.user);
    (void)snprintf(caller->token_name, sizeof caller->token_name, "%s", token.name);
}

static void look_up_session(struct api *api, const struct http_request *request,
                            struct api_caller *caller, struct access_request *facts) {
    const struct str value = api_session_cookie(request);
    if (value.data == NULL || facts->bearer != ACCESS_NOT_GIVEN) {
        return;
    }
    facts->session = ACCESS_NOT_VALID;
    struct secret secret;
    struct web_session session;
    struct user user;
    if (!secret_parse(value, &secret) ||
        web_sessions_find(api->db, &secret, clock_wall_ns(), &session) != 0 ||
        users_get(api->db, session.user_id, &user) != 0) {
        return;
    }
    facts->session = ACCESS_VALID;
    facts->session_role = user.role;
    facts->must_change_password = user.must_change_password;
    const struct str csrf = http_request_header(request, "X-CSRF-Token");
    facts->csrf_right = csrf.data != NULL && web_session_csrf_right(&secret, csrf);
    caller->session_id = session.id;
    caller->user_id = user.id;
    (void)snprintf(caller->user, sizeof caller->user, "%s", user.name);
}

/* --- facts --- */

static bool is_forwarded(const struct http_request *request) {
    return http_request_header_starts(request, "X-Forwarded-") ||
           http_request_header_count(request, "Forwarded") > 0 ||
           http_request_header_count(request, "X-Real-IP") > 0 ||
           http_request_header_count(request, "Via") > 0;
}

static bool may_change_password(const struct api_operation *operation) {
    static const char *const ids[] = {"getMe", "putMyPassword", "logout"};
    for (size_t i = 0; operation != NULL && i < sizeof ids / sizeof ids[0]; i++) {
        if (strcmp(operation->id, ids[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Several lines of X-Forwarded-For cannot be put in order here: none of them is believed then, and
 * the proxy itself is the client. */
static struct str single_header(const struct http_request *request, const char *name) {
    return http_request_header_count(request, name) == 1 ? http_request_header(request, name)
                                                         : (struct str){0};
}

static void gather(struct api *api, const struct http_request *request, struct api_caller *caller,
                   struct access_request *facts) {
    const struct api_operation *operation = caller->operation;
    *facts = (struct access_request){
        .unix_socket = !request->tcp,
        .peer_allowed = !request->tcp,
        .peer = request->client_address,
        .tls = request->tls,
        .host = http_request_header(request, "Host"),
        .origin = http_request_header(request, "Origin"),
        .sec_fetch_site = http_request_header(request, "Sec-Fetch-Site"),
        .forwarded_for = single_header(request, "X-Forwarded-For"),
        .forwarded_proto = single_header(request, "X-Forwarded-Proto"),
        .forwarded = is_forwarded(request),
        .changes_state = request->method != HTTP_GET,
        .role_needed = operation->role,
        .scope_needed = operation->scope,
        .for_changing_password = may_change_password(operation),
    };
    caller->secure = access_secure(&api->access, facts);
    look_up_token(api, request, caller, facts);
    look_up_session(api, request, caller, facts);
    if (request->tcp) {
        caller->address =
            access_client_address(&api->access, request->client_address, facts->forwarded_for);
        struct text text = TEXT_OVER(caller->address_text);
        ip_address_format(caller->address, &text);
        (void)text_zero(&text);
    }
}

/* --- admission --- */

static const struct api_operation *operation_of(const struct http_request *request) {
    const struct http_route *route = request->route;
    const bool ours = route >= api_routes && route < api_routes + api_route_count;
    return ours ? &api_operations[route - api_routes] : NULL;
}

static void refuse(const struct access_decision *decision, struct http_response *response) {
    json_t *members = json_object();
    if (decision->must_change_password) {
        json_put(members, "must_change_password", json_true());
    }
    http_answer_problem_with(response, decision->status, NULL, str_from(decision->sentence),
                             members);
    if (decision->status == 401) {
        http_answer_header(response, "WWW-Authenticate", "Bearer realm=\"SecZim\"");
    }
}

/* A caller who is known by name has a rate of its own wherever it comes from. */
static bool rate_allows(struct api *api, const struct api_caller *caller,
                        struct http_response *response) {
    char bytes[160];
    struct text key = TEXT_OVER(bytes);
    text_add(&key, str_from(access_via_name(caller->decision.via)));
    text_add_byte(&key, ' ');
    if (caller->token_id != 0) {
        text_add_u64(&key, (uint64_t)caller->token_id);
    } else {
        text_add(&key, str_from(caller->user_id != 0 ? caller->user : caller->address_text));
    }
    const uint32_t wait_s = rate_limit_take(api->rates, text_str(&key), clock_boot_ns());
    if (wait_s == 0) {
        return true;
    }
    char seconds[16];
    (void)snprintf(seconds, sizeof seconds, "%u", wait_s);
    http_answer_problemf(response, 429, NULL,
                         "More than %lld requests a second (api.rate_limit); try again in %u s.",
                         (long long)api->settings->api.rate_limit, wait_s);
    http_answer_header(response, "Retry-After", seconds);
    return false;
}

/* A form of another site can send no JSON; and nobody may send packed bodies. */
static bool content_type_right(const struct http_request *request, struct http_response *response) {
    const struct str encoding = http_request_header(request, "Content-Encoding");
    if (encoding.data != NULL && !str_equal_nocase(encoding, STR("identity"))) {
        http_answer_problem(response, 415, "Content-Encoding",
                            STR("Send the body as it is, without Content-Encoding."));
        return false;
    }
    const struct str type = http_request_header(request, "Content-Type");
    const struct str bare = str_trim(str_slice(type, 0, str_find(type, ';')));
    const struct str length = http_request_header(request, "Content-Length");
    const bool has_body = (length.data != NULL && !str_equal(length, STR("0"))) ||
                          http_request_header_count(request, "Transfer-Encoding") > 0;
    if (request->route->body != HTTP_BODY_JSON || !has_body ||
        str_equal_nocase(bare, STR("application/json"))) {
        return true;
    }
    http_answer_problem(response, 415, "Content-Type",
                        STR("Send the body as JSON, with the header Content-Type: "
                            "application/json."));
    return false;
}

static struct api_caller *caller_new(const struct api_operation *operation) {
    struct api_caller *caller = calloc(1, sizeof *caller);
    if (caller != NULL) {
        caller->operation = operation;
        caller->began_boot_ns = clock_boot_ns();
        (void)snprintf(caller->request_id, sizeof caller->request_id, "%016llx",
                       (unsigned long long)random_u64());
    }
    return caller;
}

void api_admit(void *context, struct http_request *request, struct http_response *response) {
    struct api *api = context;
    const struct api_operation *operation = operation_of(request);
    struct api_caller *caller = caller_new(operation);
    if (caller == NULL) {
        http_answer_problem(response, 503, NULL, STR("The service is out of memory."));
        return;
    }
    request->caller = caller;
    if (operation == NULL) {
        return; /* The dashboard's files are nobody's secret. */
    }
    struct access_request facts;
    gather(api, request, caller, &facts);
    access_decide(&api->access, &facts, &caller->decision);
    if (caller->decision.status != 0) {
        refuse(&caller->decision, response);
    } else if (rate_allows(api, caller, response)) {
        (void)content_type_right(request, response);
    }
}

void api_release(void *context, void *caller) {
    (void)context;
    free(caller);
}

/* --- answers --- */

static const char *const safe_headers[][2] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
     "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
     "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
     "trusted-types 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
};

static void write_log(const struct http_request *request, unsigned status) {
    const struct api_caller *caller = request->caller;
    char bytes[LOG_LINE_MAX / 2];
    struct text line = TEXT_OVER(bytes);
    text_add(&line, request->method_name);
    text_add_byte(&line, ' ');
    text_add_escaped(&line, str_slice(request->path, 0, 1024));
    text_add(&line, STR(" -> "));
    text_add_u64(&line, status);
    if (caller != NULL && caller->operation != NULL) {
        const int64_t took_us = (clock_boot_ns() - caller->began_boot_ns) / NS_PER_US;
        text_add(&line, STR(" user="));
        text_add_escaped(&line, str_from(caller->user[0] != '\0' ? caller->user : "-"));
        text_add(&line, STR(" address="));
        text_add(&line, str_from(caller->address_text[0] != '\0' ? caller->address_text : "-"));
        text_add(&line, STR(" us="));
        text_add_u64(&line, (uint64_t)took_us);
    }
    log_line(status >= 500 ? LOG_WARN : LOG_INFO, "API", 0, text_str(&line));
}

void api_finish(void *context, const struct http_request *request, struct http_response *response) {
    struct api *api = context;
    const unsigned status = http_answer_status(response);
    counter_add(&api->requests, 1);
    counter_add(&api->refused, status == 401 || status == 403 || status == 429);
    counter_add(&api->failed, status >= 500);
    for (size_t i = 0; i < sizeof safe_headers / sizeof safe_headers[0]; i++) {
        http_answer_header(response, safe_headers[i][0], safe_headers[i][1]);
    }
    if (request->tls) {
        http_answer_header(response, "Strict-Transport-Security", "max-age=31536000");
    }
    const struct api_caller *caller = request->caller;
    if (caller != NULL) {
        http_answer_header(response, "X-Request-Id", caller->request_id);
    }
    write_log(request, status);
}

void api_author(const struct http_request *request, struct text *out) {
    const struct api_caller *caller = request->caller;
    switch (caller->decision.via) {
    case ACCESS_VIA_SESSION:
        text_add(out, str_from(caller->user));
        break;
    case ACCESS_VIA_TOKEN:
        text_add(out, str_from(caller->user));
        text_add(out, STR(" (token "));
        text_add_escaped(out, str_from(caller->token_name));
        text_add_byte(out, ')');
        break;
    case ACCESS_VIA_SOCKET:
        text_add(out, str_from(request->author));
        break;
    case ACCESS_VIA_TRUSTED:
        text_add(out, STR("from "));
        text_add(out, str_from(caller->address_text));
        break;
    case ACCESS_VIA_NOBODY:
        text_add(out, STR("nobody"));
        break;
    }
    /* What the daemon takes as an author; a name that is longer is cut. */
    if (out->length > HTTP_AUTHOR_MAX - 1) {
        out->length = HTTP_AUTHOR_MAX - 1;
    }
}

bool api_body_valid(const struct http_request *request, struct http_response *response) {
    const struct api_operation *operation = api_caller_of(request)->operation;
    if (operation->body == NULL || request->json == NULL) {
        return true;
    }
    char place[256];
    char bytes[512];
    struct text field = TEXT_OVER(place);
    struct text problem = TEXT_OVER(bytes);
    if (api_schema_check(operation->body, request->json, &field, &problem)) {
        return true;
    }
    http_answer_problem(response, 400, text_zero(&field), text_str(&problem));
    return false;
}
