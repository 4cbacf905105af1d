/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/ip_address.h"

/* Who a request comes from and whether it may do what it asks: one pure decision over the facts of
 * the request. No I/O, no clock; sessions and tokens were looked up before.
 *
 *   bearer token ──► session cookie ──► UNIX socket ──► trusted network ──► nobody
 *
 * The first that was presented counts alone: a token that is not valid is refused even from a
 * trusted network. A session that has ended counts as none. */

/* --- roles and scopes, each once --- */

/* Each role may do what those above it in this table may. */
#define API_ROLES(ROLE)                                                                            \
    ROLE(NONE, "none")                                                                             \
    ROLE(VIEWER, "viewer")                                                                         \
    ROLE(OPERATOR, "operator")                                                                     \
    ROLE(ADMIN, "admin")
enum api_role {
#define API_ROLE_ENUM(role, name) API_ROLE_##role,
    API_ROLES(API_ROLE_ENUM)
#undef API_ROLE_ENUM
        API_ROLES_COUNT
};

/* What a token may be for. Scopes do not contain each other: to change lists and to read them are
 * `lists` and `read`. */
#define API_SCOPES(SCOPE)                                                                          \
    SCOPE(READ, "read")                                                                            \
    SCOPE(LISTS, "lists")                                                                          \
    SCOPE(QUOTAS, "quotas")                                                                        \
    SCOPE(RESTRICTIONS, "restrictions")                                                            \
    SCOPE(REPUTATION, "reputation")                                                                \
    SCOPE(GREYLIST, "greylist")                                                                    \
    SCOPE(POLICIES, "policies")                                                                    \
    SCOPE(SETTINGS, "settings")                                                                    \
    SCOPE(USERS, "users")                                                                          \
    SCOPE(TOKENS, "tokens")                                                                        \
    SCOPE(AUDIT, "audit")                                                                          \
    SCOPE(SYSTEM, "system")
enum api_scope_number {
#define API_SCOPE_NUMBER(scope, name) API_SCOPE_NUMBER_##scope,
    API_SCOPES(API_SCOPE_NUMBER)
#undef API_SCOPE_NUMBER
        API_SCOPES_COUNT
};
/* Bits of a set; 0 is the empty set, and for an operation: no scope needed. */
enum api_scope {
#define API_SCOPE_BIT(scope, name) API_SCOPE_##scope = 1 << API_SCOPE_NUMBER_##scope,
    API_SCOPES(API_SCOPE_BIT)
#undef API_SCOPE_BIT
        API_SCOPES_ALL = (1 << API_SCOPES_COUNT) - 1
};

const char *api_role_name(enum api_role role);
/* "viewer", "operator", "admin"; nobody is given "none". */
bool api_role_parse(struct str name, enum api_role *ret_role);
/* Of one bit. */
const char *api_scope_name(enum api_scope scope);
bool api_scope_parse(struct str name, enum api_scope *ret_scope);
/* "read lists", and back: any number of names, blanks between. False at an unknown name. */
void api_scopes_format(unsigned scopes, struct text *out);
bool api_scopes_parse(struct str names, unsigned *ret_scopes);

/* --- settings --- */

struct access_policy {
    const struct ip_prefix *trusted_networks; /* may do without login: see ACCESS_TRUSTED_SCOPES */
    size_t trusted_network_count;
    const struct ip_prefix *trusted_proxies; /* X-Forwarded-* is believed from these alone */
    size_t trusted_proxy_count;
    const struct str *host_names; /* besides "localhost" and addresses; lower case, without port */
    size_t host_name_count;
    bool require_tls; /* but for requests from this host itself, and reading what needs no role */
};

/* Without a login nobody makes accesses that outlast the setting. */
enum { ACCESS_TRUSTED_SCOPES = API_SCOPES_ALL & ~(API_SCOPE_USERS | API_SCOPE_TOKENS) };

/* --- facts --- */

enum access_credential {
    ACCESS_NOT_GIVEN = 0,
    ACCESS_NOT_VALID, /* malformed, unknown, expired, of a user who is gone or disabled */
    ACCESS_VALID,
};

struct access_request {
    /* the connection */
    bool unix_socket;
    bool peer_allowed;      /* unix_socket: root, our own user, or a member of the group */
    struct ip_address peer; /* TCP: the other end of the connection */
    bool tls;
    /* headers as they came, empty when absent */
    struct str host;
    struct str origin;
    struct str sec_fetch_site;
    struct str forwarded_for;   /* X-Forwarded-For, several lines joined by "," in their order */
    struct str forwarded_proto; /* X-Forwarded-Proto */
    bool forwarded; /* any of Forwarded, X-Forwarded-*, X-Real-IP, Via is there, even if empty */
    /* credentials */
    enum access_credential bearer; /* any Authorization header at all is not ACCESS_NOT_GIVEN */
    enum api_role bearer_role;     /* the lesser of the token's and, now, its user's */
    unsigned bearer_scopes;
    enum access_credential session;
    enum api_role session_role;
    bool csrf_right;           /* X-CSRF-Token is there and that of the session */
    bool must_change_password; /* the session's user */
    /* the operation */
    bool changes_state; /* the method is neither GET nor HEAD */
    enum api_role role_needed;
    unsigned scope_needed;      /* one bit, or 0 */
    bool for_changing_password; /* may be called while must_change_password */
};

/* --- the decision --- */

enum access_via {
    ACCESS_VIA_NOBODY = 0,
    ACCESS_VIA_SESSION,
    ACCESS_VIA_TOKEN,
    ACCESS_VIA_SOCKET,
    ACCESS_VIA_TRUSTED,
};
/* "nobody", "session", "token", "socket", "trusted" */
const char *access_via_name(enum access_via via);

enum { ACCESS_SENTENCE_MAX = 320 };
struct access_decision {
    unsigned status; /* 0: allowed; else 401 or 403 with the sentence */
    enum access_via via;
    enum api_role role;
    unsigned scopes;
    bool must_change_password; /* a member of the answer when that is the reason of a 403 */
    char sentence[ACCESS_SENTENCE_MAX];
};
void access_decide(const struct access_policy *policy, const struct access_request *request,
                   struct access_decision *ret_decision);

/* The client's address: that of the connection, or, when it comes from a trusted proxy, the
 * rightmost address in X-Forwarded-For that is none. What cannot be read ends the search at the
 * last address that could. */
struct ip_address access_client_address(const struct access_policy *policy, struct ip_address peer,
                                        struct str forwarded_for);
/* Whether nobody on the way can read along: TLS, a UNIX socket, or TLS up to a trusted proxy that
 * says so. Cookies are `Secure` then. */
bool access_secure(const struct access_policy *policy, const struct access_request *request);
/* Whether the connection comes from one of `trusted_proxies`. */
bool access_from_proxy(const struct access_policy *policy, const struct access_request *request);
/* Whether a request from this address may do without login as far as the network goes; for
 * sign-in pages and warnings, not for decisions. */
bool access_in_trusted_network(const struct access_policy *policy, struct ip_address address);
