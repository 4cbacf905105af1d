/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <stdio.h>
#include <unistd.h>

#include "daemon/control_fixture.h"
#include "testing/test.h"

/* --- the service -------------------------------------------------------------------------------
 */

TEST(control_tells_how_the_service_is) {
    start("");
    (void)decide_mail("192.0.2.1", STR("a@example.org"), "b@example.net");
    settle();
    json_t *status = ask_json("GET", "/v1/status", NULL);
    const json_t *requests = json_object_get(status, "requests");
    assert_int_equal(json_integer_value(json_object_get(requests, "total")), 1);
    assert_int_equal(json_integer_value(json_object_get(requests, "deferred")), 1);
    assert_true(json_number_value(json_object_get(status, "acceptance_rate")) == 0.0);
    assert_int_equal(json_array_size(json_object_get(status, "listen")), 1);
    const json_t *table = json_object_get(json_object_get(status, "tables"), "greylist");
    assert_int_equal(json_integer_value(json_object_get(table, "entries")), 1);
    const json_t *recorder = json_object_get(status, "recorder");
    assert_int_equal(json_integer_value(json_object_get(recorder, "rows")), 1);
    json_decref(status);
    assert_has(ask("GET", "/v1/counters", NULL, 200), "\"reason.greylist.first-contact\":1,");
    assert_has(ask("GET", "/v1/stats?step=86400", NULL, 200),
               "\"verdict\":\"defer\",\"policy\":\"greylisting\",\"reason\":"
               "\"greylist.first-contact\",\"shadow\":false,\"count\":1}");
    assert_has(ask("GET", "/v1/clock", NULL, 200), "\"stepped\":false");
    assert_has(ask("POST", "/v1/clock/accept", "", 200), "\"stands_still_s\":0");
    stop();
}

TEST(control_backs_up_snapshots_reloads_and_restarts) {
    start("");
    char body[256];
    char path[300];
    (void)snprintf(body, sizeof body, "{\"folder\":\"%s/backup\"}", test_folder());
    (void)ask("POST", "/v1/backup", body, 200);
    (void)snprintf(path, sizeof path, "%s/backup/config.db", test_folder());
    assert_int_equal(access(path, R_OK), 0);
    (void)ask("POST", "/v1/backup", body, 400);
    (void)ask("POST", "/v1/backup", "{\"folder\":\"here\"}", 400);
    (void)ask("POST", "/v1/backup", "{\"folder\":\"/nowhere/at/all\"}", 400);
    (void)ask("POST", "/v1/backup", "{}", 400);
    assert_has(ask("POST", "/v1/snapshot", "", 200), "\"taken\":1");
    (void)ask("POST", "/v1/reload", "", 200);
    (void)snprintf(path, sizeof path, "%s/seczim.yaml", test_folder());
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    (void)fputs("greylisting: {defer_time: 5 minutse}\n", file);
    (void)fclose(file);
    const char *refused = ask("POST", "/v1/reload", "", 400);
    assert_has(refused, "greylisting.defer_time");
    assert_has(refused, "seczim.yaml:7:");
    assert_has(ask("GET", "/v1/settings/greylisting.defer_time", NULL, 200), "\"value\":300");
    assert_false(restart_asked);
    (void)ask("POST", "/v1/restart", "", 202);
    assert_true(restart_asked);
    stop();
}

TEST(control_answers_404_and_405) {
    start("");
    (void)ask("GET", "/", NULL, 404);
    (void)ask("GET", "/v2/status", NULL, 404);
    (void)ask("GET", "/v1/status/", NULL, 404);
    (void)ask("DELETE", "/v1/status", NULL, 405);
    (void)ask("GET", "/v1/explain", NULL, 405);
    (void)ask("PATCH", "/v1/settings", NULL, 405);
    (void)ask("GET", "/v1/status?verbose=1", NULL, 400);
    (void)ask("POST", "/v1/snapshot", "{}", 400);
    stop();
}
