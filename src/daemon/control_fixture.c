/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control_fixture.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http_client.h"
#include "testing/test.h"

static struct engine *engine;
static struct event_base *base;
static struct server *server;
static struct control *control;
char socket_path[108];
bool restart_asked;

static void ask_restart(void *context) {
    *(bool *)context = true;
}

void start(const char *more) {
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

void stop(void) {
    assert_int_equal(control_stop(control, false), -1);
    assert_int_equal(access(socket_path, F_OK), -1);
    server_stop(server);
    engine_close(engine);
    event_base_free(base);
}

const char *ask(const char *method, const char *target, const char *body, long status) {
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

json_t *ask_json(const char *method, const char *target, const char *body) {
    json_t *reply = json_loads(ask(method, target, body, 200), 0, NULL);
    assert_non_null(reply);
    return reply;
}

const char *member(const json_t *object, const char *name) {
    const char *value = json_string_value(json_object_get(object, name));
    return value == NULL ? "(none)" : value;
}

const char *decide_mail(const char *client, struct str sender, const char *recipient) {
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

void settle(void) {
    struct engine_status status;
    engine_status(engine, &status);
    const uint64_t last = status.journal.next_sequence - 1;
    assert_int_equal(journal_sync(engine_journal(engine), INT64_C(60) * NS_PER_S), 0);
    assert_true(recorder_wait(engine_recorder(engine), last - 1, INT64_C(60) * NS_PER_S) >= last);
}
