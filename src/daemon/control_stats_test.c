/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <stdio.h>
#include <string.h>

#include "daemon/control_fixture.h"
#include "testing/test.h"

/* Places of one array after another, "key:count" each. */
static void assert_top(const char *query, const char *expected) {
    char target[256];
    char found[512] = "";
    test_case(query);
    (void)snprintf(target, sizeof target, "/v1/stats/top?%s", query);
    json_t *answer = ask_json("GET", target, NULL);
    const json_t *items = json_object_get(answer, "items");
    for (size_t n = 0; n < json_array_size(items); n++) {
        const json_t *item = json_array_get(items, n);
        const size_t used = strlen(found);
        (void)snprintf(found + used, sizeof found - used, "%s%s:%d", n > 0 ? " " : "",
                       member(item, "key"),
                       (int)json_integer_value(json_object_get(item, "count")));
        assert_int_equal(json_integer_value(json_object_get(item, "missing_max")), 0);
    }
    json_decref(answer);
    assert_string_equal(found, expected);
}

/* Four decisions: two deferred, one refused, one accepted for a trusted client. */
static void decide_four(void) {
    (void)ask("POST", "/v1/lists/block", "{\"pattern\":\"203.0.113.9\"}", 201);
    (void)decide_mail("192.0.2.1", STR("A@example.org"), "b@example.net");
    (void)decide_mail("192.0.2.1", STR("a@example.org"), "c@example.net");
    (void)decide_mail("203.0.113.9", STR("bad@example.com"), "b@example.net");
    (void)decide_mail("127.0.0.1", STR(""), "b@example.net");
    settle();
}

TEST(control_tells_who_had_the_most_decisions) {
    start("");
    decide_four();
    assert_top("by=sender", "a@example.org:2 :1 bad@example.com:1");
    assert_top("by=sender&verdict=reject", "bad@example.com:1");
    assert_top("by=sender&direction=outbound", ":1");
    assert_top("by=sender&limit=1", "a@example.org:2");
    assert_top("by=sender&until=-1h&since=-2h", "");
    assert_top("by=recipient", "b@example.net:3 c@example.net:1");
    assert_top("by=client", "192.0.2.1:2 127.0.0.1:1 203.0.113.9:1");
    assert_top("by=client&verdict=accept&direction=inbound", "");
    assert_top("by=helo", "mail.example.com:4");
    assert_top("by=country", "");
    assert_top("by=identity", "");
    assert_top("by=rule", "block:1 203.0.113.9:1");
    assert_top("by=policy", "greylisting:2 acl_block:1");
    assert_top("by=reason", "greylist.first-contact:2 acl.blocked:1");
    assert_top("by=reason&verdict=reject", "acl.blocked:1");
    const char *answer = ask("GET", "/v1/stats/top?by=client&limit=1", NULL, 200);
    assert_has(answer, "{\"key\":\"192.0.2.1\",\"label\":\"mail.example.com\",\"count\":2,"
                       "\"accepted\":0,\"deferred\":2,\"rejected\":0,\"missing_max\":0}");
    assert_has(ask("GET", "/v1/stats/top?by=sender&direction=outbound", NULL, 200),
               "\"key\":\"\",\"label\":\"<>\"");
    assert_has(ask("GET", "/v1/stats/top?by=reason&limit=1", NULL, 200),
               "\"label\":\"A stranger was asked to come back later.\"");
    stop();
}

TEST(control_sums_up_a_period_and_the_one_before) {
    start("");
    (void)ask("PUT", "/v1/policies/acl_block", "{\"mode\":\"shadow\"}", 200);
    decide_four();
    json_t *answer = ask_json("GET", "/v1/stats/summary?period=1h", NULL);
    static const struct {
        const char *name;
        int value;
    } rows[] = {{"total", 4},          {"accepted", 1},       {"deferred", 3},
                {"rejected", 0},       {"inbound", 3},        {"outbound", 1},
                {"unique_clients", 3}, {"unique_senders", 3}, {"unique_recipients", 2}};
    const json_t *previous = json_object_get(answer, "previous");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].name);
        const json_t *value = json_object_get(answer, rows[i].name);
        assert_int_equal(json_integer_value(value), rows[i].value);
        const json_t *before = json_object_get(previous, rows[i].name);
        assert_true(json_is_integer(before));
        assert_int_equal(json_integer_value(before), 0);
    }
    assert_string_equal(member(previous, "until"), member(answer, "since"));
    json_decref(answer);
    const char *text = ask("GET", "/v1/stats/summary?period=30d", NULL, 200);
    assert_has(text, "{\"policy\":\"acl_block\",\"deferred\":0,\"rejected\":0,"
                     "\"shadow_deferred\":0,\"shadow_rejected\":1}");
    assert_has(text, "{\"policy\":\"greylisting\",\"deferred\":3,\"rejected\":0,"
                     "\"shadow_deferred\":0,\"shadow_rejected\":0}");
    assert_has(text, "\"duration_us\":{\"p50\":");
    assert_has(ask("GET", "/v1/stats/summary?since=-2d&until=-1d", NULL, 200), "\"total\":0,");
    stop();
}

TEST(control_tells_prometheus_everything_in_one_answer) {
    start("");
    (void)ask("PUT", "/v1/policies/acl_block", "{\"mode\":\"shadow\"}", 200);
    decide_four();
    const char *text = ask("GET", "/v1/metrics", NULL, 200);
    static const char *const lines[] = {
        "\nseczim_mail_total{period=\"1h\"} 4\n",
        "\nseczim_mail_inbound{period=\"24h\"} 3\n",
        "\nseczim_mail_outbound{period=\"7d\"} 1\n",
        "\nseczim_mail_accepted{period=\"1h\"} 1\n",
        "\nseczim_mail_rejected{period=\"1h\"} 0\n",
        "\nseczim_mail_deferred{period=\"1h\"} 3\n",
        "\nseczim_unique_ips{period=\"7d\"} 3\n",
        "\nseczim_geo_blocked_total{period=\"1h\"} 0\n",
        "\nseczim_rbl_blocked_total{period=\"1h\"} 0\n",
        "\nseczim_spf_failed_total{period=\"1h\"} 0\n",
        "\nseczim_greylist_deferred_total{period=\"1h\"} 3\n",
        "\nseczim_alerts_active{severity=\"critical\"} 0\n",
        "\nseczim_alerts_active{severity=\"medium\"} ",
        "\nseczim_decisions_total{policy=\"greylisting\",verdict=\"defer\",reason="
        "\"greylist.first-contact\",mode=\"enforce\"} 3\n",
        "\nseczim_decisions_total{policy=\"acl_block\",verdict=\"reject\",reason=\"acl.blocked\","
        "mode=\"shadow\"} 1\n",
        "\nseczim_decisions_total{policy=\"none\",verdict=\"accept\",reason=\"none\",mode="
        "\"enforce\"} 1\n",
        "\nseczim_policy_verdicts_total{policy=\"acl_block\",verdict=\"reject\",mode=\"shadow\"} "
        "1\n",
        "\nseczim_requests_total{state=\"RCPT\"} 4\n",
        "\n# TYPE seczim_request_duration_seconds histogram\n",
        "\nseczim_requests_malformed_total{cause=\"nul\"} 0\n",
        "\nseczim_recorder_rows_total 4\n",
        "\nseczim_recorder_lag_seconds 0.000000000\n",
        "\nseczim_journal_unsynced_records 0\n",
        "\nseczim_table_entries{table=\"greylist\"} 3\n",
        "\nseczim_list_entries{list=\"block\"} 1\n",
        "\nseczim_build_info{version=\"" SECZIM_VERSION "\"} 1\n",
        "\nseczim_process_resident_memory_bytes{program=\"daemon\"} ",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_has(text, lines[i]);
    }
    assert_null(strstr(text, "seczim_users_near_quota"));
    stop();
}

TEST(control_refuses_questions_about_statistics_that_are_none) {
    start("");
    static const char *const rows[] = {
        "top",
        "top?by=colour",
        "top?by=sender&limit=0",
        "top?by=sender&limit=501",
        "top?by=sender&verdict=none",
        "top?by=sender&direction=up",
        "top?by=sender&since=-1h&until=-2h",
        "top?by=sender&cursor=3",
        "summary?period=2h",
        "summary?period=1h&since=-1h",
        "summary?since=yesterday",
        "summary?until=1970-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char target[128];
        test_case(rows[i]);
        (void)snprintf(target, sizeof target, "/v1/stats/%s", rows[i]);
        (void)ask("GET", target, NULL, 400);
    }
    stop();
}
