/* SPDX-License-Identifier: Apache-2.0 */
#include "api/event_filter.h"

#include "testing/test.h"

static bool fits(const struct http_parameter *parameters, size_t count) {
    struct http_request request = {.parameter_count = count};
    for (size_t i = 0; i < count; i++) {
        request.parameters[i] = parameters[i];
    }
    json_t *item = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "state", "RCPT", "verdict", "reject",
        "client_address", "192.0.2.7", "sender", "Bob@Example.org", "recipient", "c@example.net",
        "reply", "550 Access denied", "policy", "acl_block", "country", "DE", "asn", 64496);
    struct event_filter filter;
    assert_true(event_filter_init(&filter, &request));
    const bool result = event_filter_fits(&filter, event_is_end(item), item);
    event_filter_done(&filter);
    json_decref(item);
    return result;
}

static bool fits_one(const char *name, const char *value) {
    const struct http_parameter parameter = {str_from(name), str_from(value)};
    return fits(&parameter, 1);
}

TEST(event_filter_is_that_of_the_sessions) {
    assert_true(fits(NULL, 0));
    static const struct {
        const char *name;
        const char *value;
        bool fits;
    } rows[] = {
        {"verdict", "reject", true},
        {"verdict", "accept", false},
        {"sender", "bob@example.org", true},
        {"sender", "bob@example.or", false},
        {"sender", "*@example.org", true},
        {"sender", "bob@*", true},
        {"sender", "*@example.com", false},
        {"sender", "", false},
        {"client", "192.0.2.7", true},
        {"client", "192.0.2.0/24", true},
        {"client", "192.0.3.0/24", false},
        {"client", "192.0.*", true},
        {"client", "193.*", false},
        {"text", "access DENIED", true},
        {"text", "denied!", false},
        {"policy", "acl_block", true},
        {"state", "RCPT", true},
        {"state", "all", true},
        {"state", "END-OF-MESSAGE", false},
        {"helo", "x", false},
        {"country", "de", true},
        {"country", "FR", false},
        {"asn", "64496", true},
        {"asn", "AS64496", true},
        {"asn", "AS64497", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].value);
        assert_int_equal(fits_one(rows[i].name, rows[i].value), rows[i].fits);
    }
    const struct http_parameter both[] = {{STR("verdict"), STR("reject")},
                                          {STR("sender"), STR("*@example.com")}};
    assert_false(fits(both, 2)); /* and, not or */
}
