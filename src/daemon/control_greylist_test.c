/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <stdio.h>
#include <string.h>

#include "daemon/control_fixture.h"
#include "testing/test.h"

TEST(control_tells_passes_and_forgets_greylist_keys) {
    start("");
    assert_has(ask("GET", "/v1/greylist?" KEY_QUERY, NULL, 200), "\"state\":\"absent\"");
    assert_has(ask("POST", "/v1/greylist/pass", KEY_BODY, 200), "{\"passed\":false}");
    assert_has(decide_mail("192.0.2.1", STR("a@example.org"), "b@example.net"), "DEFER_IF_PERMIT");
    json_t *found = ask_json("GET", "/v1/greylist?" KEY_QUERY, NULL);
    assert_string_equal(member(found, "state"), "waiting");
    assert_true(strcmp(member(found, "accepts_from"), member(found, "first")) > 0);
    assert_string_equal(member(json_object_get(found, "client"), "network"), "192.0.2.0/24");
    json_decref(found);
    assert_has(ask("POST", "/v1/greylist/pass", KEY_BODY, 200), "{\"passed\":true}");
    assert_has(ask("POST", "/v1/greylist/pass", KEY_BODY, 200), "{\"passed\":false}");
    assert_string_equal(decide_mail("192.0.2.1", STR("a@example.org"), "b@example.net"), "DUNNO");
    found = ask_json("GET", "/v1/greylist?" KEY_QUERY, NULL);
    assert_string_equal(member(found, "state"), "passed");
    char body[128];
    (void)snprintf(body, sizeof body, "{\"key\":\"%s\"}", member(found, "key"));
    json_decref(found);
    assert_has(ask("POST", "/v1/greylist/forget", body, 200), "{\"forgotten\":true}");
    assert_has(ask("POST", "/v1/greylist/forget", body, 200), "{\"forgotten\":false}");
    assert_has(decide_mail("192.0.2.1", STR("a@example.org"), "b@example.net"), "DEFER_IF_PERMIT");
    stop();
}

TEST(control_lists_greylist_entries_with_their_names) {
    start("");
    for (unsigned i = 0; i < 30; i++) {
        char client[32];
        (void)snprintf(client, sizeof client, "192.0.%u.1", i);
        (void)decide_mail(client, STR("a@example.org"), "b@example.net");
    }
    settle();
    char target[128] = "/v1/greylist/entries?state=waiting&limit=7";
    unsigned seen = 0;
    unsigned networks = 0;
    for (;;) {
        json_t *page = ask_json("GET", target, NULL);
        const json_t *items = json_object_get(page, "items");
        for (size_t i = 0; i < json_array_size(items); i++, seen++) {
            const json_t *item = json_array_get(items, i);
            unsigned network = 99;
            assert_int_equal(sscanf(member(item, "client"), "192.0.%u.1", &network), 1);
            assert_true(network < 30 && (networks & 1U << network) == 0);
            networks |= 1U << network;
            assert_string_equal(member(item, "sender"), "a@example.org");
        }
        const bool more = json_is_string(json_object_get(page, "next"));
        (void)snprintf(target, sizeof target,
                       "/v1/greylist/entries?state=waiting&limit=7&cursor=%s",
                       member(page, "next"));
        json_decref(page);
        if (!more) {
            break;
        }
    }
    assert_int_equal(seen, 30);
    assert_has(ask("GET", "/v1/greylist/entries?state=passed", NULL, 200), "\"items\":[]");
    assert_has(ask("GET", "/v1/greylist/stats", NULL, 200),
               "\"entries\":30,\"waiting\":30,\"passed\":0,");
    assert_has(ask("GET", "/v1/greylist/clients", NULL, 200), "\"items\":[]");
    stop();
}

TEST(control_refuses_greylist_questions_that_are_none) {
    start("");
    static const struct {
        const char *method;
        const char *target;
        const char *body;
    } rows[] = {
        {"GET", "/v1/greylist?sender=a", NULL},
        {"GET", "/v1/greylist?client=here&recipient=b", NULL},
        {"GET", "/v1/greylist/entries?state=lost", NULL},
        {"GET", "/v1/greylist/entries?cursor=7", NULL},
        {"GET", "/v1/greylist/entries?cursor=7.65", NULL},
        {"GET", "/v1/greylist/clients?cursor=.", NULL},
        {"POST", "/v1/greylist/forget", "{\"key\":\"12\"}"},
        {"POST", "/v1/greylist/forget", "{\"key\":\"zz345678901234567890123456789012\"}"},
        {"POST", "/v1/greylist/forget",
         "{\"key\":\"12345678901234567890123456789012\",\"client\":\"192.0.2.1\"}"},
        {"POST", "/v1/greylist/pass", "{\"client\":\"192.0.2.1\"}"},
        {"POST", "/v1/greylist/forget", "{\"client\":\"192.0.2.1\",\"sender\":\"a@example.org\"}"},
        {"POST", "/v1/greylist/forget", "{\"client\":\"here\"}"},
        {"POST", "/v1/greylist/pass", "{\"client\":7,\"recipient\":\"b\"}"},
        {"POST", "/v1/greylist/pass", "{\"clients\":\"192.0.2.1\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].target);
        (void)ask(rows[i].method, rows[i].target, rows[i].body, 400);
    }
    stop();
}
