/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { KEY_PARTS = 3 };
static const char *const key_parts[KEY_PARTS] = {"client", "sender", "recipient"};

static int show(struct cli *cli) {
    struct cli_parameter parameters[KEY_PARTS];
    for (size_t i = 0; i < KEY_PARTS; i++) {
        parameters[i] = (struct cli_parameter){key_parts[i], cli_take_value(cli, key_parts[i])};
    }
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    char *path = cli_path("/v1/greylist", parameters, KEY_PARTS);
    json_t *answer = cli_ask(cli, "GET", path, NULL, &status);
    free(path);
    if (answer == NULL || cli_print_json(cli, answer)) {
        json_decref(answer);
        return status;
    }
    cli_print_field("State", cli_text(answer, "state"));
    cli_print_field("First contact", cli_local_time(cli_text(answer, "first")));
    cli_print_field("Accepted from", cli_local_time(cli_text(answer, "accepts_from")));
    cli_print_field("Passed", cli_local_time(cli_text(answer, "passed")));
    cli_print_field("Last used", cli_local_time(cli_text(answer, "last_used")));
    cli_print_field("Known until", cli_local_time(cli_text(answer, "expires")));
    cli_print_field("Attempts", cli_text(answer, "attempts"));
    const json_t *client = json_object_get(answer, "client");
    if (json_is_object(client)) {
        printf("%-16s ", "Client network");
        cli_print_text(cli_text(client, "network"));
        printf(": %s different mails passed, %s\n", cli_text(client, "passes"),
               json_is_true(json_object_get(client, "trusted")) ? "trusted" : "not trusted yet");
    }
    json_decref(answer);
    return EXIT_DONE;
}

static int list_entries(struct cli *cli) {
    static const struct cli_column columns[] = {
        {"STATE", false},     {"FIRST CONTACT", false}, {"PASSED", false},
        {"LAST USED", false}, {"ATTEMPTS", true},       {"CLIENT", false},
        {"SENDER", false},    {"RECIPIENT", false},     {"KEY", false}};
    const char *state = cli_take_word(cli);
    const struct cli_parameter parameters[] = {{"state", state},
                                               {"limit", cli_take_value(cli, "limit")},
                                               {"cursor", cli_take_value(cli, "cursor")}};
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    char *path = cli_path("/v1/greylist/entries", parameters, 3);
    json_t *answer = cli_ask(cli, "GET", path, NULL, &status);
    free(path);
    if (answer == NULL || cli_print_json(cli, answer)) {
        json_decref(answer);
        return status;
    }
    struct cli_table *table = cli_table_new(columns, 9);
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(answer, "items"), i, item) {
        const char *cells[] = {cli_text(item, "state"),
                               cli_local_time(cli_text(item, "first")),
                               cli_local_time(cli_text(item, "passed")),
                               cli_local_time(cli_text(item, "last_used")),
                               cli_text(item, "attempts"),
                               cli_text(item, "client"),
                               cli_text(item, "sender"),
                               cli_text(item, "recipient"),
                               cli_text(item, "key")};
        cli_table_add(table, cells);
    }
    cli_table_print(table, "Nobody is greylisted.");
    if (cli_text(answer, "next")[0] != '\0') {
        cli_hint("There are more: --cursor %s", cli_text(answer, "next"));
    }
    json_decref(answer);
    return EXIT_DONE;
}

static int list_clients(struct cli *cli) {
    static const struct cli_column columns[] = {{"CLIENT", false},
                                                {"PASSES", true},
                                                {"TRUSTED", false},
                                                {"LAST USED", false},
                                                {"EXPIRES", false}};
    const struct cli_parameter parameters[] = {{"limit", cli_take_value(cli, "limit")},
                                               {"cursor", cli_take_value(cli, "cursor")}};
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    char *path = cli_path("/v1/greylist/clients", parameters, 2);
    json_t *answer = cli_ask(cli, "GET", path, NULL, &status);
    free(path);
    if (answer == NULL || cli_print_json(cli, answer)) {
        json_decref(answer);
        return status;
    }
    struct cli_table *table = cli_table_new(columns, 5);
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(answer, "items"), i, item) {
        const char *client = cli_text(item, "client");
        const char *cells[] = {client[0] != '\0' ? client : cli_text(item, "key"),
                               cli_text(item, "passes"), cli_text(item, "trusted"),
                               cli_local_time(cli_text(item, "last_used")),
                               cli_local_time(cli_text(item, "expires"))};
        cli_table_add(table, cells);
    }
    cli_table_print(table, "No client has passed greylisting yet.");
    if (cli_text(answer, "next")[0] != '\0') {
        cli_hint("There are more: --cursor %s", cli_text(answer, "next"));
    }
    json_decref(answer);
    return EXIT_DONE;
}

static int stats(struct cli *cli) {
    static const char *const members[] = {
        "entries",  "waiting", "passed", "expired", "clients",  "clients_trusted",
        "deferred", "retried", "known",  "evicted", "capacity", "client_capacity"};
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    json_t *answer = cli_ask(cli, "GET", "/v1/greylist/stats", NULL, &status);
    if (answer != NULL && !cli_print_json(cli, answer)) {
        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
            cli_print_field(members[i], cli_text(answer, members[i]));
        }
    }
    json_decref(answer);
    return status;
}

/* pass or forget: by client, sender and recipient, or by the key of the listing. */
static int change(struct cli *cli, const char *verb) {
    json_t *body = json_object();
    for (size_t i = 0; i < KEY_PARTS; i++) {
        const char *value = cli_take_value(cli, key_parts[i]);
        if (value != NULL) {
            (void)json_object_set_new(body, key_parts[i], json_string(value));
        }
    }
    const char *key = json_object_size(body) == 0 ? cli_take_word(cli) : NULL;
    if (key != NULL) {
        (void)json_object_set_new(body, "key", json_string(key));
    }
    int status = json_object_size(body) == 0 ? cli_usage(cli, "whom?") : cli_no_more(cli);
    if (status != EXIT_DONE) {
        json_decref(body);
        return status;
    }
    char path[64];
    (void)snprintf(path, sizeof path, "/v1/greylist/%s", verb);
    json_t *answer = cli_ask(cli, "POST", path, body, &status);
    if (answer != NULL) {
        const bool forget = strcmp(verb, "forget") == 0;
        const bool done = json_is_true(json_object_get(answer, forget ? "forgotten" : "passed"));
        if (!cli_print_json(cli, answer)) {
            puts(!done    ? "There is no such entry."
                 : forget ? "Forgotten: the next attempt is greylisted."
                          : "Let in: the next attempt passes.");
        }
        status = done ? EXIT_DONE : EXIT_NO;
    }
    json_decref(answer);
    return status;
}

int command_greylist(struct cli *cli) {
    static const struct {
        const char *verb;
        int (*run)(struct cli *cli);
    } verbs[] = {
        {"show", show}, {"list", list_entries}, {"clients", list_clients}, {"stats", stats}};
    static const char exempt[] = "greylist_exempt";
    const char *verb = cli_take_word(cli);
    if (verb == NULL) {
        return stats(cli);
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verb, verbs[i].verb) == 0) {
            return verbs[i].run(cli);
        }
    }
    if (strcmp(verb, "pass") == 0 || strcmp(verb, "forget") == 0) {
        return change(cli, verb);
    }
    if (strcmp(verb, "exempt") == 0) {
        return cli_list_add(cli, exempt);
    }
    if (strcmp(verb, "exemptions") == 0) {
        return cli_list_entries(cli, exempt);
    }
    if (strcmp(verb, "unexempt") == 0) {
        return cli_list_remove(cli, exempt);
    }
    if (strcmp(verb, "import") == 0) {
        return cli_list_import(cli, exempt, "postgrey");
    }
    if (strcmp(verb, "export") == 0) {
        return cli_list_export(cli, exempt);
    }
    return cli_usage(cli, "there is no such verb");
}
