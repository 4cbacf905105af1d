/* SPDX-License-Identifier: Apache-2.0 */
/* Headers as anybody may send them, one a line: Host, Origin, Sec-Fetch-Site, X-Forwarded-For,
 * X-Forwarded-Proto; the first byte chooses where the connection comes from and what it shows.
 * Whatever they say, they make no stranger trusted and no client of an address that nobody named.
 */
#include <string.h>

#include "api/access.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct str take_line(struct str *rest) {
    const size_t newline = str_find(*rest, '\n');
    const struct str line = str_slice(*rest, 0, newline);
    *rest = newline == SIZE_MAX ? STR("") : str_slice(*rest, newline + 1, rest->length);
    return line;
}

static struct ip_prefix network(const char *text) {
    struct ip_prefix prefix;
    CHECK(ip_prefix_parse(str_from(text), &prefix, NULL));
    return prefix;
}

static void check_decision(const struct access_policy *policy, const struct access_request *request,
                           bool trusted_peer) {
    struct access_decision decision;
    access_decide(policy, request, &decision);
    CHECK(decision.status == 0 || decision.status == 401 || decision.status == 403);
    CHECK((decision.status == 0) == (decision.sentence[0] == '\0'));
    if (decision.via == ACCESS_VIA_TRUSTED) {
        CHECK(trusted_peer && !request->forwarded && request->host.length > 0);
        CHECK((decision.scopes & (API_SCOPE_USERS | API_SCOPE_TOKENS)) == 0);
    }
    if (decision.status == 0 && request->changes_state && request->origin.length > 0 &&
        decision.via != ACCESS_VIA_TOKEN) {
        CHECK(str_starts(request->origin, STR("http")) && request->host.length > 0);
        CHECK(request->origin.length > request->host.length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length == 0) {
        return 0;
    }
    const struct ip_prefix trusted = network("127.0.0.0/8");
    const struct ip_prefix proxy = network("192.0.2.0/24");
    const struct str name = STR("mail.example.org");
    const struct access_policy policy = {&trusted, 1, &proxy, 1, &name, 1, (bytes[0] & 128) != 0};
    static const char *const peers[] = {"127.0.0.1", "192.0.2.80", "198.51.100.7", "::1"};
    struct str rest = {(const char *)bytes + 1, length - 1};
    struct access_request request = {
        .peer = network(peers[bytes[0] & 3]).address,
        .tls = (bytes[0] & 4) != 0,
        .forwarded = (bytes[0] & 8) != 0,
        .session = (bytes[0] & 16) != 0 ? ACCESS_VALID : ACCESS_NOT_GIVEN,
        .session_role = API_ROLE_OPERATOR,
        .csrf_right = (bytes[0] & 32) != 0,
        .changes_state = (bytes[0] & 64) != 0,
        .role_needed = API_ROLE_OPERATOR,
        .scope_needed = API_SCOPE_LISTS,
    };
    request.host = take_line(&rest);
    request.origin = take_line(&rest);
    request.sec_fetch_site = take_line(&rest);
    request.forwarded_for = take_line(&rest);
    request.forwarded_proto = take_line(&rest);
    check_decision(&policy, &request, (bytes[0] & 3) == 0);
    const struct ip_address client =
        access_client_address(&policy, request.peer, request.forwarded_for);
    CHECK((bytes[0] & 3) == 1 || ip_address_equal(client, request.peer));
    return 0;
}
