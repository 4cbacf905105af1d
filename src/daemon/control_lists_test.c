/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <sqlite3.h>
#include <stdio.h>

#include "base/clock.h"
#include "daemon/control_fixture.h"
#include "net/http_client.h"
#include "testing/test.h"

TEST(control_adds_matches_and_removes_entries) {
    start("");
    json_t *entry =
        json_loads(ask("POST", "/v1/lists/block",
                       "{\"pattern\":\"*@Spam.Example\",\"comment\":\"junk \xc3\xbc\"}", 201),
                   0, NULL);
    assert_string_equal(member(entry, "pattern"), "*@spam.example");
    assert_string_equal(member(entry, "type"), "email");
    assert_string_equal(member(entry, "author"), "jane");
    const json_int_t id = json_integer_value(json_object_get(entry, "id"));
    json_decref(entry);
    (void)ask("POST", "/v1/lists/block",
              "{\"pattern\":\"*@spam.example\",\"comment\":\"junk \xc3\xbc\"}", 200);
    assert_string_equal(decide_mail("192.0.2.1", STR("x@SPAM.example"), "b@example.net"),
                        "REJECT 5.7.1 Access denied");
    assert_has(ask("GET", "/v1/lists/match?sender=x%40spam.EXAMPLE", NULL, 200),
               "{\"allow\":null,\"block\":{\"id\":");
    assert_has(ask("GET", "/v1/lists/match?sender=x%40spam.example&direction=outbound", NULL, 200),
               "\"block\":null");
    assert_has(ask("GET", "/v1/lists/block?contains=junk", NULL, 200), "*@spam.example");
    assert_has(ask("GET", "/v1/lists/block?contains=nowhere", NULL, 200), "\"items\":[]");
    char target[64];
    (void)snprintf(target, sizeof target, "/v1/lists/allow/%lld", (long long)id);
    (void)ask("GET", target, NULL, 404); /* It is of another list. */
    (void)ask("DELETE", target, NULL, 404);
    (void)snprintf(target, sizeof target, "/v1/lists/block/%lld", (long long)id);
    assert_has(ask("GET", target, NULL, 200), "\"pattern\":\"*@spam.example\"");
    (void)ask("DELETE", target, NULL, 204);
    (void)ask("DELETE", target, NULL, 404);
    assert_has(decide_mail("192.0.2.1", STR("x@spam.example"), "b@example.net"), "DEFER_IF_PERMIT");
    stop();
}

TEST(control_refuses_entries_that_cannot_be) {
    start("");
    static const struct {
        const char *target;
        const char *body;
        const char *field;
    } rows[] = {
        {"/v1/lists/block", "{\"pattern\":\"10.0.0.1/8\"}", "pattern"},
        {"/v1/lists/block", "{\"pattern\":\"\"}", "pattern"},
        {"/v1/lists/block", "{\"pattern\":17}", "pattern"},
        {"/v1/lists/block", "{}", "pattern"},
        {"/v1/lists/block", "{\"pattern\":\"a@b.example\",\"type\":\"mail\"}", "type"},
        {"/v1/lists/allow", "{\"pattern\":\"a.example\",\"type\":\"client\"}", "type"},
        {"/v1/lists/allow", "{\"pattern\":\"a.example\",\"direction\":\"up\"}", "direction"},
        {"/v1/lists/allow", "{\"pattern\":\"a.example\",\"expires\":0}", "expires"},
        {"/v1/lists/allow", "{\"pattern\":\"a.example\",\"expires\":\"2001-01-01T00:00:00Z\"}",
         "expires"},
        {"/v1/lists/allow", "{\"pattern\":\"a.example\",\"comment\":\"a\\nb\"}", "comment"},
        {"/v1/lists/allow", "{\"pattern\":\"a.example\",\"note\":\"x\"}", "note"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char field[64];
        test_case(rows[i].body);
        (void)snprintf(field, sizeof field, "\"field\":\"%s\"", rows[i].field);
        assert_has(ask("POST", rows[i].target, rows[i].body, 400), field);
    }
    (void)ask("POST", "/v1/lists/grey", "{\"pattern\":\"a.example\"}", 404);
    (void)ask("DELETE", "/v1/lists/block/one", NULL, 404);
    (void)ask("GET", "/v1/lists/block?cursor=x", NULL, 400);
    (void)ask("GET", "/v1/lists/block?limit=0", NULL, 400);
    (void)ask("GET", "/v1/lists/block?limit=501", NULL, 400);
    (void)ask("GET", "/v1/lists/block?offset=1", NULL, 400);
    (void)ask("GET", "/v1/lists/match?client=here", NULL, 400);
    (void)ask("GET", "/v1/lists/match?direction=up", NULL, 400);
    stop();
}

TEST(control_lists_page_by_page) {
    start("");
    char body[4096];
    struct text csv = TEXT_OVER(body);
    for (unsigned i = 0; i < 25; i++) {
        text_add(&csv, STR("user"));
        text_add_u64(&csv, i);
        text_add(&csv, STR("@example.com\n"));
    }
    assert_has(ask("POST", "/v1/lists/allow/import", text_zero(&csv), 200), "\"added\":25,");
    char target[96] = "/v1/lists/allow?limit=10";
    unsigned pages = 0;
    unsigned seen = 0;
    for (;;) {
        json_t *page = ask_json("GET", target, NULL);
        const json_t *items = json_object_get(page, "items");
        for (size_t i = 0; i < json_array_size(items); i++, seen++) {
            char expected[64];
            (void)snprintf(expected, sizeof expected, "user%u@example.com", 24 - seen);
            assert_string_equal(member(json_array_get(items, i), "pattern"), expected);
        }
        pages++;
        const bool more = json_is_string(json_object_get(page, "next"));
        (void)snprintf(target, sizeof target, "/v1/lists/allow?limit=10&cursor=%s",
                       member(page, "next"));
        json_decref(page);
        if (!more) {
            break;
        }
    }
    assert_int_equal(seen, 25);
    assert_int_equal(pages, 3);
    stop();
}

/* Half a list must not look like a list. */
TEST(control_cuts_an_export_that_cannot_be_read) {
    start("");
    char path[256];
    sqlite3 *db = NULL;
    (void)ask("POST", "/v1/lists/block/import", "a@x.example\n", 200);
    (void)snprintf(path, sizeof path, "%s/data/config.db", test_folder());
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE list_entries SET prefix_bits = 300", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    char buffer[256];
    struct text problem = TEXT_OVER(buffer);
    struct http_reply reply = {0};
    const struct http_call call = {.socket_path = socket_path,
                                   .method = "GET",
                                   .target = "/v1/lists/block/export",
                                   .timeout_ns = INT64_C(60) * NS_PER_S,
                                   .reply_max = 65536};
    assert_true(http_client_call(&call, &reply, &problem) != 0);
    http_reply_free(&reply);
    stop();
}

TEST(control_imports_and_exports_lists) {
    start("");
    static const char file[] = "a@x.example\nb@x.example,email,both,,\"one, two\"\nbad bad\n";
    static const char rejected[] = "\"rejected\":[{\"line\":3,\"text\":\"bad bad\",\"problem\":";
    assert_has(ask("POST", "/v1/lists/block/import?dry_run=true", file, 200),
               "{\"added\":2,\"changed\":0,\"unchanged\":0,");
    assert_has(ask("GET", "/v1/lists/block", NULL, 200), "\"items\":[]");
    assert_has(ask("POST", "/v1/lists/block/import?format=csv", file, 200), rejected);
    assert_has(ask("POST", "/v1/lists/block/import?format=csv", file, 200),
               "{\"added\":0,\"changed\":0,\"unchanged\":2,");
    assert_has(ask("POST", "/v1/lists/block/import?dry_run=true",
                   "a@x.example,email,outbound\nb@x.example,email,both,,\"one, two\"\n"
                   "c@x.example\nc@x.example\n",
                   200),
               "{\"added\":1,\"changed\":1,\"unchanged\":2,");
    assert_string_equal(ask("GET", "/v1/lists/block/export?format=csv", NULL, 200),
                        "pattern,type,direction,require,comment,expires\n"
                        "b@x.example,email,both,,\"one, two\",\n"
                        "a@x.example,email,inbound,,,\n");
    assert_has(ask("GET", "/v1/lists/block/export?format=json", NULL, 200),
               "{\"pattern\":\"b@x.example\",\"type\":\"email\",\"direction\":\"both\"");
    assert_has(ask("POST", "/v1/lists/greylist_exempt/import?format=postgrey",
                   "example.com\n/^a\\d+$/\n", 200),
               "\"added\":2,\"changed\":0,\"unchanged\":0,\"rejected\":[{\"line\":2,");
    (void)ask("POST", "/v1/lists/allow/import?format=postgrey", "example.com\n", 400);
    (void)ask("POST", "/v1/lists/allow/import?format=xml", "example.com\n", 400);
    (void)ask("POST", "/v1/lists/allow/import?dry_run=perhaps", "example.com\n", 400);
    (void)ask("GET", "/v1/lists/allow/export?format=postfix", NULL, 400);
    (void)ask("GET", "/v1/lists/grey/export", NULL, 404);
    stop();
}
