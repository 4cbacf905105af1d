/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_fixture.h"

#include <stdio.h>
#include <string.h>

#include "testing/test.h"

static char config_path[128];

const char *fixture_config(const char *more) {
    (void)snprintf(config_path, sizeof config_path, "%s/seczim.yaml", test_folder());
    FILE *file = fopen(config_path, "we");
    assert_non_null(file);
    (void)fprintf(file,
                  "paths:\n  data: %s/data\n  runtime: %s/run\n  control_group: ''\n"
                  "log:\n  path: %s/log\n"
                  "state:\n  greylist_capacity: 1000\n  greylist_client_capacity: 100\n"
                  "journal:\n  ring_bytes: 1MiB\n  segment_bytes: 64KiB\n"
                  /* Nobody asks the DNS in a unit test. */
                  "policies:\n  rbl: {enabled: false}\n  spf: {enabled: false}\n%s",
                  test_folder(), test_folder(), test_folder(), more);
    assert_int_equal(fclose(file), 0);
    return config_path;
}

struct engine *fixture_engine(bool follow) {
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    struct engine *engine = NULL;
    const struct engine_options options = {.config_path = config_path, .follow = follow};
    if (engine_open(&options, &engine, &problem) != 0) {
        fail_msg("%s", text_zero(&problem));
    }
    return engine;
}

struct policy_request fixture_request(unsigned number) {
    static char sender[64];
    /* Letters: digits would be folded as those of mailing lists are. */
    (void)snprintf(sender, sizeof sender, "%c%c%c@example.org", 'a' + (char)(number / 676 % 26),
                   'a' + (char)(number / 26 % 26), 'a' + (char)(number % 26));
    struct policy_request request = {
        .state = PROTOCOL_STATE_RCPT,
        .client_address_text = STR("192.0.2.1"),
        .client_name = STR("unknown"),
        .sender = str_from(sender),
        .recipient = STR("b@example.net"),
        .instance = STR("1.2.3"),
    };
    assert_true(ip_address_parse(request.client_address_text, &request.client_address));
    return request;
}

const char *fixture_ask(struct engine *engine, unsigned number) {
    static struct turn_item item;
    memset(&item, 0, sizeof item);
    item.request = fixture_request(number);
    (void)engine_pin(engine, 0);
    engine_turn(engine, 0, &item, 1);
    engine_unpin(engine, 0);
    item.reply[item.reply_length] = '\0';
    return item.reply;
}
