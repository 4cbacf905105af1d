/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http_client.h"
#include "net/json_text.h"
#include "testing/test.h"

/* The control API over a real engine and HTTP, without workers: decisions are made with
 * engine_turn(), questions asked with the command line's own client. */

static struct engine *engine;
static struct event_base *base;
static struct server *server;
static struct control *control;
static char socket_path[108];
static bool restart_asked;

static void ask_restart(void *context) {
    *(bool *)context = true;
}

/* A service in a folder of its own; `more` is added to its seczim.yaml. */
static void start(const char *more) {
    char path[256];
    char buffer[512];
    struct text problem = TEXT_OVER(buffer);
    (void)snprintf(path, sizeof path, "%s/seczim.yaml", test_folder());
    (void)snprintf(socket_path, sizeof socket_path, "%s/run/control.sock", test_folder());
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file,
                  "paths: {data: %s/data, runtime: %s/run, control_group: \"\"}\n"
                  "policy_server: {listen: [\"unix:%s/policy.sock\"]}\n"
                  "journal: {ring_bytes: 1MiB, segment_bytes: 64KiB, sync_interval: 10ms}\n"
                  "state: {greylist_capacity: 1000, greylist_client_capacity: 1000}\n"
                  "policies: {rbl: {enabled: false}, spf: {enabled: false}}\n"
                  "log: {path: %s/log}\n%s",
                  test_folder(), test_folder(), test_folder(), test_folder(), more);
    (void)fclose(file);
    char folder[256];
    (void)snprintf(folder, sizeof folder, "%s/data", test_folder());
    (void)mkdir(folder, 0700);
    (void)snprintf(folder, sizeof folder, "%s/run", test_folder());
    (void)mkdir(folder, 0700);

    const struct engine_options options = {.config_path = path};
    const struct server_sockets none = {0};
    const struct control_actions actions = {&restart_asked, ask_restart};
    restart_asked = false;
    base = event_base_new();
    if (engine_open(&options, &engine, &problem) != 0 ||
        server_start(engine, base, &none, &server, &problem) != 0 ||
        control_start(engine, server, &actions, -1, &control, &problem) != 0) {
        fail_msg("%s", text_zero(&problem));
    }
}

static void stop(void) {
    assert_int_equal(control_stop(control, false), -1);
    assert_int_equal(access(socket_path, F_OK), -1);
    server_stop(server);
    engine_close(engine);
    event_base_free(base);
}

/* Asks and checks the status; the reply stays until the next call. */
static const char *ask(const char *method, const char *target, const char *body, long status) {
    static struct http_reply reply;
    char buffer[512];
    struct text problem = TEXT_OVER(buffer);
    const struct http_call call = {
        .socket_path = socket_path,
        .method = method,
        .target = target,
        .body = str_from(body),
        .author = "jane",
        .timeout_ns = INT64_C(60) * NS_PER_S,
        .reply_max = 64 * 1024 * 1024,
    };
    http_reply_free(&reply);
    if (http_client_call(&call, &reply, &problem) != 0) {
        fail_msg("%s", text_zero(&problem));
    }
    if (reply.status != status) {
        fail_msg("%s %s: status %ld, expected %ld: %s", method, target, reply.status, status,
                 reply.body);
    }
    return reply.body;
}

#define assert_has(reply, part)                                                                    \
    do {                                                                                           \
        const char *const reply_ = (reply);                                                        \
        if (strstr(reply_, (part)) == NULL) {                                                      \
            fail_msg("%s\nis not in\n%s", (part), reply_);                                         \
        }                                                                                          \
    } while (0)

static json_t *ask_json(const char *method, const char *target, const char *body) {
    json_t *reply = json_loads(ask(method, target, body, 200), 0, NULL);
    assert_non_null(reply);
    return reply;
}

static const char *member(const json_t *object, const char *name) {
    const char *value = json_string_value(json_object_get(object, name));
    return value == NULL ? "(none)" : value;
}

/* What Postfix would be told. */
static const char *decide_mail(const char *client, struct str sender, const char *recipient) {
    static struct turn_item item;
    memset(&item, 0, sizeof item);
    item.request = (struct policy_request){
        .state = PROTOCOL_STATE_RCPT,
        .client_address_text = str_from(client),
        .client_name = STR("mail.example.com"),
        .helo_name = STR("mail.example.com"),
        .sender = sender,
        .recipient = str_from(recipient),
        .instance = STR("17.1.0"),
    };
    assert_true(ip_address_parse(str_from(client), &item.request.client_address));
    item.arrived_boot_ns = clock_boot_ns();
    (void)engine_pin(engine, 0);
    engine_turn(engine, 0, &item, 1);
    engine_unpin(engine, 0);
    item.reply[item.reply_length] = '\0';
    return item.reply;
}

/* Waits until history has everything that was decided. */
static void settle(void) {
    struct engine_status status;
    engine_status(engine, &status);
    const uint64_t last = status.journal.next_sequence - 1;
    assert_int_equal(journal_sync(engine_journal(engine), INT64_C(60) * NS_PER_S), 0);
    assert_true(recorder_wait(engine_recorder(engine), last - 1, INT64_C(60) * NS_PER_S) >= last);
}

/* --- settings ----------------------------------------------------------------------------------
 */

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

/* --- lists -------------------------------------------------------------------------------------
 */

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

/* --- greylist ----------------------------------------------------------------------------------
 */

#define KEY_QUERY "client=192.0.2.1&sender=a%40example.org&recipient=b%40example.net"
#define KEY_BODY                                                                                   \
    "{\"client\":\"192.0.2.1\",\"sender\":\"a@example.org\",\"recipient\":\"b@example.net\"}"

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
        {"POST", "/v1/greylist/pass", "{\"client\":7,\"recipient\":\"b\"}"},
        {"POST", "/v1/greylist/pass", "{\"clients\":\"192.0.2.1\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].target);
        (void)ask(rows[i].method, rows[i].target, rows[i].body, 400);
    }
    stop();
}

/* --- explain and history -----------------------------------------------------------------------
 */

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
