/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <stdio.h>
#include <unistd.h>

#include "daemon/control_fixture.h"
#include "testing/test.h"

TEST(control_changes_settings_at_once_or_not_at_all) {
    start("greylisting: {defer_time: 2m}\n");
    assert_has(ask("GET", "/v1/settings/greylisting.defer_time", NULL, 200),
               "\"value\":120,\"default\":300,\"type\":\"duration\",\"unit\":\"seconds\"");
    assert_has(ask("PUT", "/v1/settings",
                   "{\"greylisting.retry_window\":7200,\"journal.durability\":\"strict\","
                   "\"trusted_networks\":[\"10.0.0.0/8\",\"::1\"],\"greylisting.learning\":true,"
                   "\"policy_server.request_deadline\":1.5}",
                   200),
               "\"origin\":\"database\"");
    assert_has(ask("GET", "/v1/settings/greylisting.retry_window", NULL, 200), "\"value\":7200");
    assert_has(ask("GET", "/v1/settings/trusted_networks", NULL, 200),
               "\"value\":[\"10.0.0.0/8\",\"::1\"]");
    assert_has(ask("GET", "/v1/settings/greylisting.learning", NULL, 200), "\"value\":true");
    assert_has(ask("GET", "/v1/settings/journal.durability", NULL, 200),
               "\"choices\":[\"relaxed\",\"strict\"]");
    assert_has(ask("GET", "/v1/settings/policy_server.request_deadline", NULL, 200),
               "\"value\":1.5,");
    /* One that is wrong keeps the others from being changed. */
    assert_has(ask("PUT", "/v1/settings",
                   "{\"greylisting.retry_window\":9000,\"greylisting.client_passes\":\"many\"}",
                   400),
               "\"field\":\"greylisting.client_passes\"");
    assert_has(ask("GET", "/v1/settings/greylisting.retry_window", NULL, 200), "\"value\":7200");
    (void)ask("PUT", "/v1/settings", "{\"greylisting.retry_window\":null}", 200);
    assert_has(ask("GET", "/v1/settings/greylisting.retry_window", NULL, 200), "\"value\":172800");
    assert_has(ask("GET", "/v1/changes?limit=1", NULL, 200),
               "\"author\":\"jane\",\"subject\":\"setting greylisting.retry_window\"");
    stop();
}

TEST(control_refuses_settings_that_cannot_be) {
    start("greylisting: {defer_time: 2m}\n");
    static const struct {
        const char *body;
        long status;
        const char *has;
    } rows[] = {
        {"{\"greylisting.defer_time\":60}", 409, "set in seczim.yaml, which wins"},
        {"{\"greylisting.retry_windw\":60}", 400, "did you mean greylisting.retry_window?"},
        {"{\"paths.data\":\"/tmp\"}", 400, "stands only in seczim.yaml"},
        {"{\"greylisting.retry_window\":true}", 400, "type duration"},
        {"{\"greylisting.retry_window\":1.5}", 400, "type duration"},
        {"{\"greylisting.retry_window\":[]}", 400, "type duration"},
        {"{\"greylisting.retry_window\":{}}", 400, "type duration"},
        {"{\"greylisting.learning\":3}", 400, "type boolean"},
        {"{\"trusted_networks\":[\"10.0.0.0/8\\n::1\"]}", 400, "type networks"},
        {"{\"trusted_networks\":[7]}", 400, "type networks"},
        {"{\"trusted_networks\":[\"10.0.0.1/8\"]}", 400, "trusted_networks"},
        {"{\"greylisting.retry_window\":-5}", 400, "greylisting.retry_window"},
        {"{}", 400, "Nothing to change"},
        {"[]", 400, "not an object"},
        {"{\"a\":", 400, "line 1, column"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].body);
        assert_has(ask("PUT", "/v1/settings", rows[i].body, rows[i].status), rows[i].has);
    }
    (void)ask("GET", "/v1/settings/nothing", NULL, 404);
    stop();
}

TEST(control_changes_policies) {
    start("");
    json_t *policies = ask_json("GET", "/v1/policies", NULL);
    const json_t *first = json_array_get(json_object_get(policies, "items"), 0);
    assert_string_equal(member(first, "name"), "acl_allow");
    json_decref(policies);
    assert_has(ask("PUT", "/v1/policies/greylisting",
                   "{\"mode\":\"shadow\",\"priority\":990,\"on_error\":\"defer\"}", 200),
               "\"priority\":990,\"mode\":\"shadow\",\"on_error\":\"defer\"");
    policies = ask_json("GET", "/v1/policies", NULL);
    assert_string_equal(member(json_array_get(json_object_get(policies, "items"), 1), "name"),
                        "greylisting");
    json_decref(policies);
    /* In shadow it changes no answer, and what it would have done is counted. */
    assert_string_equal(decide_mail("192.0.2.1", STR("a@example.org"), "b@example.net"), "DUNNO");
    assert_has(ask("GET", "/v1/policies", NULL, 200), "\"shadow_defer\":1");
    settle();
    assert_has(ask("GET", "/v1/sessions", NULL, 200),
               "\"shadow\":[{\"policy\":\"greylisting\",\"verdict\":\"defer\",\"reason\":"
               "\"greylist.first-contact\"}]");
    assert_has(ask("PUT", "/v1/policies/greylisting", "{\"mode\":\"loud\"}", 400),
               "policies.greylisting.mode");
    assert_has(ask("PUT", "/v1/policies/greylisting", "{\"colour\":\"red\"}", 400), "colour");
    assert_has(ask("PUT", "/v1/policies/acl_block", "{\"on_error\":\"defer\"}", 400), "on_error");
    (void)ask("PUT", "/v1/policies/nothing", "{\"mode\":\"shadow\"}", 404);
    assert_has(ask("GET", "/v1/policies/greylisting", NULL, 200), "{\"name\":\"greylisting\",");
    (void)ask("GET", "/v1/policies/nothing", NULL, 404);
    stop();
}

TEST(control_tells_one_rule_by_its_id) {
    start("");
    static const struct {
        const char *path;
        const char *body;
        const char *has;
    } rows[] = {
        {"/v1/quotas", "{\"subject\":\"user *\",\"limit\":\"5/day\"}",
         "\"limit\":\"5 recipients/day\""},
        {"/v1/restrictions", "{\"sender\":\"a@b.example\",\"recipients\":[]}", "\"recipients\":[]"},
        {"/v1/identities", "{\"user\":\"bob\",\"senders\":[\"b@c.example\"]}", "[\"b@c.example\"]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].path);
        json_t *made = json_loads(ask("POST", rows[i].path, rows[i].body, 201), 0, NULL);
        const json_int_t id = json_integer_value(json_object_get(made, "id"));
        char target[64];
        (void)snprintf(target, sizeof target, "%s/%lld", rows[i].path, (long long)id);
        assert_has(ask("GET", target, NULL, 200), rows[i].has);
        json_t *read = json_loads(ask("GET", target, NULL, 200), 0, NULL);
        assert_true(json_equal(made, read));
        (void)snprintf(target, sizeof target, "%s/%lld", rows[(i + 1) % 3].path, (long long)id);
        (void)ask("GET", target, NULL, 404); /* It is of another kind. */
        json_decref(made);
        json_decref(read);
    }
    (void)ask("GET", "/v1/quotas/0", NULL, 404);
    (void)ask("GET", "/v1/quotas/x", NULL, 404);
    stop();
}
