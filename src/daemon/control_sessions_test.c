/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/control_fixture.h"
#include "net/http_client.h"
#include "testing/test.h"

TEST(control_finds_sessions) {
    start("");
    (void)decide_mail("192.0.2.1", STR("a@example.org"), "b@example.net");
    (void)decide_mail("198.51.100.7", STR("\xff\xfe@example.com"), "c@example.net");
    settle();
    static const struct {
        const char *query;
        const char *senders; /* as JSON would show them, newest first; "" for none */
    } rows[] = {
        {"", "\xef\xbf\xbd\xef\xbf\xbd@example.com a@example.org"},
        {"?order=oldest", "a@example.org \xef\xbf\xbd\xef\xbf\xbd@example.com"},
        {"?sender=A%40EXAMPLE.ORG", "a@example.org"},
        {"?client=192.0.2.0%2F24", "a@example.org"},
        {"?client=203.0.113.0%2F24", ""},
        {"?recipient=*%40example.net&limit=1", "\xef\xbf\xbd\xef\xbf\xbd@example.com"},
        {"?verdict=defer&reason=greylist.first-contact&policy=greylisting&direction=inbound",
         "\xef\xbf\xbd\xef\xbf\xbd@example.com a@example.org"},
        {"?verdict=reject", ""},
        {"?since=-1h", "\xef\xbf\xbd\xef\xbf\xbd@example.com a@example.org"},
        {"?until=-1h", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char target[256];
        char senders[256] = "";
        test_case(rows[i].query);
        (void)snprintf(target, sizeof target, "/v1/sessions%s", rows[i].query);
        json_t *found = ask_json("GET", target, NULL);
        const json_t *items = json_object_get(found, "items");
        for (size_t n = 0; n < json_array_size(items); n++) {
            const size_t used = strlen(senders);
            (void)snprintf(senders + used, sizeof senders - used, "%s%s", n > 0 ? " " : "",
                           member(json_array_get(items, n), "sender"));
        }
        json_decref(found);
        assert_string_equal(senders, rows[i].senders);
    }
    stop();
}

TEST(control_shows_what_nobody_objected_to_as_accepted) {
    start("");
    assert_string_equal(decide_mail("127.0.0.1", STR("a@example.org"), "b@example.net"), "DUNNO");
    (void)ask("POST", "/v1/lists/allow", "{\"pattern\":\"192.0.2.1\"}", 201);
    assert_string_equal(decide_mail("192.0.2.1", STR("c@example.org"), "b@example.net"), "DUNNO");
    (void)decide_mail("192.0.2.2", STR("c@example.org"), "b@example.net");
    settle();
    json_t *found = ask_json("GET", "/v1/sessions?verdict=accept", NULL);
    const json_t *items = json_object_get(found, "items");
    assert_int_equal(json_array_size(items), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(member(json_array_get(items, i), "verdict"), "accept");
    }
    assert_string_equal(member(json_array_get(items, 0), "policy"), "acl_allow");
    assert_string_equal(member(json_array_get(items, 1), "policy"), "none");
    char body[64];
    (void)snprintf(body, sizeof body, "{\"sequence\":\"%s\"}",
                   member(json_array_get(items, 1), "sequence"));
    json_decref(found);
    const char *answer = ask("POST", "/v1/explain", body, 200);
    assert_has(answer, "{\"verdict\":\"accept\",\"policy\":\"none\",\"reason\":\"none\"");
    assert_has(answer, "\"recorded\":{\"verdict\":\"accept\",\"reason\":\"none\"");
    answer = ask("GET", "/v1/stats", NULL, 200);
    assert_has(answer, "\"verdict\":\"accept\",\"policy\":\"none\"");
    assert_null(strstr(answer, "\"verdict\":\"none\""));
    stop();
}

TEST(control_refuses_session_questions_that_are_none) {
    start("");
    static const char *const rows[] = {
        "?verdict=perhaps",
        "?verdict=none",
        "?reason=none",
        "?reason=none.such",
        "?policy=none",
        "?direction=up",
        "?order=random",
        "?cursor=x",
        "?since=noon",
        "?until=-5y",
        "?limit=1000",
        "?colour=red",
        "?client=192.0.2.0%2F240",
        "?asn=AS",
        "?asn=0",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char target[128];
        test_case(rows[i]);
        (void)snprintf(target, sizeof target, "/v1/sessions%s", rows[i]);
        (void)ask("GET", target, NULL, 400);
    }
    (void)ask("GET", "/v1/sessions/x", NULL, 400);
    (void)ask("GET", "/v1/sessions/5", NULL, 404);
    (void)ask("GET", "/v1/stats?step=7", NULL, 400);
    stop();
}

enum { FOLLOWED = 450 }; /* more than two pages */

static bool take_line(void *context, struct str line) {
    unsigned *count = context;
    char expected[64];
    (void)snprintf(expected, sizeof expected, "\"sender\":\"s%u@followed.example\"", *count);
    json_t *item = json_loadb(line.data, line.length, 0, NULL);
    assert_non_null(item);
    char sender[64];
    (void)snprintf(sender, sizeof sender, "\"sender\":\"%s\"", member(item, "sender"));
    json_decref(item);
    assert_string_equal(sender, expected);
    return ++*count < FOLLOWED;
}

TEST(control_follows_sessions_with_filters) {
    start("");
    for (unsigned i = 0; i < FOLLOWED; i++) {
        char sender[64];
        (void)snprintf(sender, sizeof sender, "s%u@followed.example", i);
        (void)decide_mail("192.0.2.1", str_from(sender), "b@example.net");
        (void)decide_mail("192.0.2.1", STR("x@other.example"), "b@example.net");
    }
    unsigned count = 0;
    char buffer[256];
    struct text problem = TEXT_OVER(buffer);
    const struct http_call call = {
        .socket_path = socket_path,
        .method = "GET",
        .target = "/v1/sessions/follow?sender=*%40followed.example&since=-1h",
        .timeout_ns = INT64_C(30) * NS_PER_S,
    };
    struct http_reply reply;
    assert_int_equal(http_client_follow(&call, take_line, &count, &reply, &problem), 0);
    http_reply_free(&reply);
    assert_int_equal(count, FOLLOWED);

    /* A reader that was cut off goes on where it was. */
    json_t *found =
        ask_json("GET", "/v1/sessions?order=oldest&sender=s429%40followed.example", NULL);
    char target[128];
    (void)snprintf(target, sizeof target,
                   "/v1/sessions/follow?sender=*%%40followed.example&cursor=%s",
                   member(json_array_get(json_object_get(found, "items"), 0), "sequence"));
    json_decref(found);
    struct http_call again = call;
    again.target = target;
    count = 430;
    assert_int_equal(http_client_follow(&again, take_line, &count, &reply, &problem), 0);
    http_reply_free(&reply);
    assert_int_equal(count, FOLLOWED);
    stop();
}
