/* SPDX-License-Identifier: Apache-2.0 */
#include "api/access.h"

#include <string.h>

/* --- names --- */

static const char *const role_names[API_ROLES_COUNT] = {
#define API_ROLE_NAME(role, name) name,
    API_ROLES(API_ROLE_NAME)
#undef API_ROLE_NAME
};

static const char *const scope_names[API_SCOPES_COUNT] = {
#define API_SCOPE_NAME(scope, name) name,
    API_SCOPES(API_SCOPE_NAME)
#undef API_SCOPE_NAME
};

const char *api_role_name(enum api_role role) {
    return role < API_ROLES_COUNT ? role_names[role] : "?";
}

bool api_role_parse(struct str name, enum api_role *ret_role) {
    for (unsigned i = API_ROLE_VIEWER; i < API_ROLES_COUNT; i++) {
        if (str_equal(name, str_from(role_names[i]))) {
            *ret_role = (enum api_role)i;
            return true;
        }
    }
    return false;
}

const char *api_scope_name(enum api_scope scope) {
    for (unsigned i = 0; i < API_SCOPES_COUNT; i++) {
        if ((unsigned)scope == 1U << i) {
            return scope_names[i];
        }
    }
    return "?";
}

bool api_scope_parse(struct str name, enum api_scope *ret_scope) {
    for (unsigned i = 0; i < API_SCOPES_COUNT; i++) {
        if (str_equal(name, str_from(scope_names[i]))) {
            *ret_scope = (enum api_scope)(1U << i);
            return true;
        }
    }
    return false;
}

void api_scopes_format(unsigned scopes, struct text *out) {
    const char *between = "";
    for (unsigned i = 0; i < API_SCOPES_COUNT; i++) {
        if ((scopes & 1U << i) != 0) {
            text_add(out, str_from(between));
            text_add(out, str_from(scope_names[i]));
            between = " ";
        }
    }
}

bool api_scopes_parse(struct str names, unsigned *ret_scopes) {
    unsigned scopes = 0;
    for (size_t from = 0; from < names.length;) {
        const size_t length = str_find(str_slice(names, from, names.length), ' ');
        const size_t until = length == SIZE_MAX ? names.length : from + length;
        enum api_scope scope;
        if (until > from) {
            if (!api_scope_parse(str_slice(names, from, until), &scope)) {
                return false;
            }
            scopes |= (unsigned)scope;
        }
        from = until + 1;
    }
    *ret_scopes = scopes;
    return true;
}

const char *access_via_name(enum access_via via) {
    static const char *const names[] = {"nobody", "session", "token", "socket", "trusted"};
    return (size_t)via < sizeof names / sizeof names[0] ? names[via] : "?";
}

/* --- where it comes from --- */

static bool in_networks(const struct ip_prefix *networks, size_t count, struct ip_address address) {
    for (size_t i = 0; i < count; i++) {
        if (ip_prefix_contains(networks[i], address)) {
            return true;
        }
    }
    return false;
}

bool access_in_trusted_network(const struct access_policy *policy, struct ip_address address) {
    return in_networks(policy->trusted_networks, policy->trusted_network_count, address);
}

/* "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711", as proxies
 * write them. */
static bool parse_hop(struct str hop, struct ip_address *ret_address) {
    hop = str_trim(hop);
    if (hop.length > 0 && hop.data[0] == '[') {
        return ip_address_parse(str_slice(hop, 1, str_find(hop, ']')), ret_address);
    }
    const size_t colon = str_find(hop, ':');
    if (colon != SIZE_MAX && colon == str_find_last(hop, ':')) {
        hop = str_slice(hop, 0, colon);
    }
    return ip_address_parse(hop, ret_address);
}

struct ip_address access_client_address(const struct access_policy *policy, struct ip_address peer,
                                        struct str forwarded_for) {
    struct ip_address client = peer;
    while (in_networks(policy->trusted_proxies, policy->trusted_proxy_count, client) &&
           forwarded_for.length > 0) {
        const size_t comma = str_find_last(forwarded_for, ',');
        const size_t from = comma == SIZE_MAX ? 0 : comma + 1;
        struct ip_address hop;
        if (!parse_hop(str_slice(forwarded_for, from, forwarded_for.length), &hop)) {
            break;
        }
        client = hop;
        forwarded_for = str_slice(forwarded_for, 0, comma == SIZE_MAX ? 0 : comma);
    }
    return client;
}

bool access_from_proxy(const struct access_policy *policy, const struct access_request *request) {
    return !request->unix_socket &&
           in_networks(policy->trusted_proxies, policy->trusted_proxy_count, request->peer);
}

bool access_secure(const struct access_policy *policy, const struct access_request *request) {
    return request->tls || request->unix_socket ||
           (access_from_proxy(policy, request) &&
            str_equal_nocase(str_trim(request->forwarded_proto), STR("https")));
}

/* --- Host and Origin --- */

/* Without the port; brackets of an IPv6 address stay. */
static struct str host_of(struct str authority) {
    const size_t bracket = str_find_last(authority, ']');
    const size_t colon = str_find_last(authority, ':');
    const bool has_port = colon != SIZE_MAX && (bracket == SIZE_MAX || colon > bracket);
    return str_slice(authority, 0, has_port ? colon : authority.length);
}

static bool is_address(struct str host) {
    struct ip_address address;
    if (host.length > 2 && host.data[0] == '[' && host.data[host.length - 1] == ']') {
        host = str_slice(host, 1, host.length - 1);
    }
    return ip_address_parse(host, &address);
}

/* A name that a stranger could make lead here (DNS rebinding) is not ours; an address can only be
 * meant as what it is. */
static bool host_is_ours(const struct access_policy *policy, struct str authority) {
    const struct str host = host_of(authority);
    if (is_address(host) || str_equal_nocase(host, STR("localhost"))) {
        return true;
    }
    for (size_t i = 0; i < policy->host_name_count; i++) {
        if (str_equal_nocase(host, policy->host_names[i])) {
            return true;
        }
    }
    return false;
}

/* `http://` only where the browser cannot know better: a page that came unprotected may have been
 * written by anyone on the way. */
static bool origin_is_ours(const struct access_request *request, bool secure) {
    struct str origin = request->origin;
    if (str_starts(origin, STR("https://"))) {
        origin = str_slice(origin, 8, origin.length);
    } else if (str_starts(origin, STR("http://")) && !secure) {
        origin = str_slice(origin, 7, origin.length);
    } else {
        return false;
    }
    return origin.length > 0 && str_equal_nocase(origin, request->host);
}

static bool fetched_by_ourselves(struct str sec_fetch_site) {
    return sec_fetch_site.length == 0 || str_equal(sec_fetch_site, STR("same-origin")) ||
           str_equal(sec_fetch_site, STR("none"));
}

static bool same_origin(const struct access_request *request, bool secure) {
    return (request->origin.length == 0 || origin_is_ours(request, secure)) &&
           fetched_by_ourselves(request->sec_fetch_site);
}

/* --- the decision --- */

static void refuse(struct access_decision *decision, unsigned status, const char *sentence) {
    struct text out = {.data = decision->sentence, .size = sizeof decision->sentence};
    text_add(&out, str_from(sentence));
    (void)text_zero(&out);
    decision->status = status;
}

/* Why a request from a trusted network is not taken for one; NULL when it is. */
static const char *not_trusted_because(const struct access_policy *policy,
                                       const struct access_request *request) {
    if (request->forwarded) {
        return "A login or a token is needed: requests that came through a proxy (Forwarded, "
               "X-Forwarded-*, X-Real-IP, Via) have no part in api.trusted_networks.";
    }
    if (!host_is_ours(policy, request->host)) {
        return "A login or a token is needed: api.trusted_networks counts only for requests that "
               "name this host by address, as localhost, or by a name in api.host_names.";
    }
    if (!same_origin(request, access_secure(policy, request))) {
        return "A login or a token is needed: api.trusted_networks does not count for requests "
               "that a page of another origin makes.";
    }
    return NULL;
}

/* Who it is. False: refused, and answered. */
static bool identify(const struct access_policy *policy, const struct access_request *request,
                     struct access_decision *decision) {
    if (request->bearer == ACCESS_NOT_VALID) {
        refuse(decision, 401,
               "The token is not valid: it is mistyped, has expired, was deleted, or its user was "
               "removed or disabled. Send `Authorization: Bearer szt_...` with a valid one.");
        return false;
    }
    if (request->bearer == ACCESS_VALID) {
        decision->via = ACCESS_VIA_TOKEN;
        decision->role = request->bearer_role;
        decision->scopes = request->bearer_scopes;
    } else if (request->session == ACCESS_VALID) {
        decision->via = ACCESS_VIA_SESSION;
        decision->role = request->session_role;
        decision->scopes = API_SCOPES_ALL;
    } else if (request->unix_socket) {
        if (request->peer_allowed) {
            decision->via = ACCESS_VIA_SOCKET;
            decision->role = API_ROLE_ADMIN;
            decision->scopes = API_SCOPES_ALL;
        }
    } else if (access_in_trusted_network(policy, request->peer) &&
               not_trusted_because(policy, request) == NULL) {
        decision->via = ACCESS_VIA_TRUSTED;
        decision->role = API_ROLE_ADMIN;
        decision->scopes = ACCESS_TRUSTED_SCOPES;
    }
    return true;
}

static void refuse_nobody(const struct access_policy *policy, const struct access_request *request,
                          struct access_decision *decision) {
    if (request->unix_socket) {
        refuse(decision, 403,
               "This user may not use the socket: run the command as root or as a member of the "
               "group in paths.control_group.");
    } else if (request->session == ACCESS_NOT_VALID) {
        refuse(decision, 401, "The session has ended: log in again.");
    } else if (access_in_trusted_network(policy, request->peer)) {
        refuse(decision, 401, not_trusted_because(policy, request));
    } else {
        refuse(decision, 401,
               "A login or a token is needed: POST /api/v1/login, or send `Authorization: Bearer "
               "szt_...`.");
    }
}

/* A change that another site's page makes with our cookie, or with none (a login into a stranger's
 * account, a trusted network), is refused. Tokens are not sent by browsers on their own. */
static bool forged(const struct access_policy *policy, const struct access_request *request,
                   struct access_decision *decision) {
    if (!request->changes_state || decision->via == ACCESS_VIA_TOKEN || request->unix_socket) {
        return false;
    }
    if (!same_origin(request, access_secure(policy, request))) {
        refuse(decision, 403,
               "This change comes from a page of another origin: Origin must be this server's own "
               "and Sec-Fetch-Site same-origin.");
        return true;
    }
    if (decision->via == ACCESS_VIA_SESSION && request->role_needed != API_ROLE_NONE &&
        !request->csrf_right) {
        refuse(decision, 403,
               "The header X-CSRF-Token must have the value `csrf` that POST /api/v1/login and GET "
               "/api/v1/me answer.");
        return true;
    }
    return false;
}

/* `BEFORE NAME AFTER` */
static void refuse_naming(struct access_decision *decision, const char *before, const char *name,
                          const char *after) {
    struct text out = {.data = decision->sentence, .size = sizeof decision->sentence};
    text_add(&out, str_from(before));
    text_add(&out, str_from(name));
    text_add(&out, str_from(after));
    (void)text_zero(&out);
    decision->status = 403;
}

static void check_rights(const struct access_request *request, struct access_decision *decision) {
    if (decision->via == ACCESS_VIA_SESSION && request->must_change_password &&
        !request->for_changing_password) {
        refuse(decision, 403,
               "The password must be changed first: PUT /api/v1/me/password with the present and "
               "the new one.");
        decision->must_change_password = true;
    } else if (decision->role < request->role_needed) {
        refuse_naming(decision, "This needs the role ", api_role_name(request->role_needed),
                      ": ask an administrator for it.");
    } else if ((decision->scopes & request->scope_needed) != request->scope_needed) {
        if (decision->via == ACCESS_VIA_TRUSTED) {
            refuse_naming(decision, "This needs a login: api.trusted_networks does not include ",
                          api_scope_name((enum api_scope)request->scope_needed), ".");
        } else {
            refuse_naming(decision, "This token does not have the scope ",
                          api_scope_name((enum api_scope)request->scope_needed),
                          ": make one that has it.");
        }
    }
}

/* What crosses no wire, and what shows nothing worth reading along. */
static bool may_be_plain(const struct access_request *request) {
    const struct ip_prefix loopback_4 = {.address = {{[10] = 0xff, 0xff, 127}}, .bits = 96 + 8};
    const struct ip_prefix loopback_6 = {.address = {{[15] = 1}}, .bits = 128};
    const bool from_here = !request->forwarded && (ip_prefix_contains(loopback_4, request->peer) ||
                                                   ip_prefix_contains(loopback_6, request->peer));
    return from_here || (request->role_needed == API_ROLE_NONE && !request->changes_state &&
                         request->bearer == ACCESS_NOT_GIVEN);
}

void access_decide(const struct access_policy *policy, const struct access_request *request,
                   struct access_decision *ret_decision) {
    struct access_decision *decision = ret_decision;
    *decision = (struct access_decision){0};
    if (policy->require_tls && !access_secure(policy, request) && !may_be_plain(request)) {
        refuse(decision, 403,
               "This server answers over TLS alone (api.require_tls): use https://.");
        return;
    }
    if (!identify(policy, request, decision) || forged(policy, request, decision)) {
        return;
    }
    if (request->role_needed == API_ROLE_NONE) {
        return;
    }
    if (decision->via == ACCESS_VIA_NOBODY) {
        refuse_nobody(policy, request, decision);
        return;
    }
    check_rights(request, decision);
}
