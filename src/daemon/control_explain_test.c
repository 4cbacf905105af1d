/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <stdio.h>

#include "daemon/control_fixture.h"
#include "testing/test.h"

TEST(control_explains_a_request_without_changing_anything) {
    start("");
    static const char mail[] = "{\"client_address\":\"192.0.2.1\",\"sender\":\"a@example.org\","
                               "\"recipient\":\"b@example.net\"}";
    for (int i = 0; i < 2; i++) {
        const char *answer = ask("POST", "/v1/explain", mail, 200);
        assert_has(answer, "\"verdict\":\"defer\",\"policy\":\"greylisting\",\"reason\":"
                           "\"greylist.first-contact\"");
        assert_has(answer, "\"what\":\"greylist entry\",\"found\":false");
        assert_has(answer, "\"effects\":[{\"what\":\"greylist entry\"");
    }
    assert_has(ask("GET", "/v1/greylist?" KEY_QUERY, NULL, 200), "\"state\":\"absent\"");
    assert_has(ask("POST", "/v1/explain",
                   "{\"client_address\":\"192.0.2.1\",\"sender\":\"a@example.org\","
                   "\"recipient\":\"b@example.net\",\"sasl_username\":\"u\"}",
                   200),
               "\"direction\":\"outbound\",\"identity\":\"u\"");
    stop();
}

TEST(control_explains_the_past_as_it_was) {
    start("greylisting: {defer_time: 3m}\n");
    (void)decide_mail("192.0.2.1", STR("a@example.org"), "b@example.net");
    settle();
    json_t *sessions = ask_json("GET", "/v1/sessions", NULL);
    char body[64];
    (void)snprintf(body, sizeof body, "{\"sequence\":\"%s\"}",
                   member(json_array_get(json_object_get(sessions, "items"), 0), "sequence"));
    json_decref(sessions);
    /* Today the same mail would be refused. */
    (void)ask("POST", "/v1/lists/block", "{\"pattern\":\"a@example.org\"}", 201);
    (void)ask("PUT", "/v1/settings", "{\"greylisting.retry_window\":7200}", 200);
    const char *answer = ask("POST", "/v1/explain", body, 200);
    assert_has(answer, "\"reason\":\"greylist.first-contact\"");
    assert_has(answer, "\"recorded\":{\"verdict\":\"defer\",\"reason\":\"greylist.first-contact\"");
    assert_has(answer, "\"same\":true");
    stop();
}

TEST(control_refuses_to_explain_what_is_none) {
    start("");
    static const struct {
        const char *body;
        long status;
    } rows[] = {
        {"{\"client_address\":\"192.0.2.1\"}", 400},
        {"{\"client_address\":\"here\",\"recipient\":\"b\"}", 400},
        {"{\"client_address\":\"192.0.2.1\",\"recipient\":\"b\",\"size\":\"big\"}", 400},
        {"{\"client_address\":\"192.0.2.1\",\"recipient\":\"b\",\"at\":\"noon\"}", 400},
        {"{\"client_address\":\"192.0.2.1\",\"recipient\":\"b\",\"colour\":\"red\"}", 400},
        {"{\"sequence\":5}", 400},
        {"{\"sequence\":\"five\"}", 400},
        {"{\"sequence\":\"5\",\"recipient\":\"b\"}", 400},
        {"{\"sequence\":\"5\"}", 404},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].body);
        (void)ask("POST", "/v1/explain", rows[i].body, rows[i].status);
    }
    stop();
}
