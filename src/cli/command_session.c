/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { FILTERS = 18 };
static const char *const filter_names[FILTERS] = {
    "since",     "until",     "client",   "client_name", "helo",  "sender",
    "recipient", "identity",  "queue_id", "instance",    "rule",  "text",
    "verdict",   "direction", "policy",   "reason",      "state", "cursor"};

static const char *take_filter(struct cli *cli, const char *name) {
    /* Options are written with `-`, parameters of the API with `_`. */
    char option[32];
    (void)snprintf(option, sizeof option, "%s", name);
    for (char *c = option; *c != '\0'; c++) {
        *c = *c == '_' ? '-' : *c;
    }
    return cli_take_value(cli, option);
}

static const char *null_sender(const char *sender) {
    return sender[0] != '\0' ? sender : "<>";
}

/* A message was accepted with its recipients: what it is in the queue. */
static void print_end(const json_t *item) {
    printf("%s  end     ", cli_local_time(cli_text(item, "time")));
    cli_print_text(cli_text(item, "client_address"));
    printf("  ");
    cli_print_text(null_sender(cli_text(item, "sender")));
    printf("  %s recipients, %s, queue id ", cli_text(item, "recipients"),
           cli_size(json_number_value(json_object_get(item, "size"))));
    cli_print_text(cli_text(item, "queue_id"));
    printf("  %s\n", cli_text(item, "sequence"));
}

/* One decision, one line: follows a terminal's width badly, but greps well. */
static void print_line(struct cli *cli, json_t *item) {
    if (cli->json) {
        (void)json_dumpf(item, stdout, JSON_COMPACT);
        (void)putchar('\n');
        return;
    }
    if (cli_text(item, "recipients")[0] != '\0') {
        print_end(item);
        return;
    }
    printf("%s  %-6s  ", cli_local_time(cli_text(item, "time")), cli_text(item, "verdict"));
    cli_print_text(cli_text(item, "client_address"));
    printf("  ");
    cli_print_text(null_sender(cli_text(item, "sender")));
    printf(" -> ");
    cli_print_text(cli_text(item, "recipient"));
    printf("  %s", cli_text(item, "reason"));
    if (cli_text(item, "rule")[0] != '\0') {
        printf("  ");
        cli_print_text(cli_text(item, "rule"));
    }
    printf("  %s\n", cli_text(item, "sequence"));
}

static int show_session(struct cli *cli, const char *sequence) {
    static const struct {
        const char *label;
        const char *member;
    } fields[] = {{"State", "state"},
                  {"Direction", "direction"},
                  {"Verdict", "verdict"},
                  {"Policy", "policy"},
                  {"Reason", "reason"},
                  {"Why", "sentence"},
                  {"What to do", "advice"},
                  {"Rule", "rule"},
                  {"Reply", "reply"},
                  {"Client", "client_address"},
                  {"Client name", "client_name"},
                  {"HELO", "helo"},
                  {"Recipient", "recipient"},
                  {"Identity", "identity"},
                  {"Queue id", "queue_id"},
                  {"Instance", "instance"},
                  {"Size", "size"},
                  {"Recipients", "recipients"},
                  {"Settings", "generation"},
                  {"Took (us)", "duration_us"},
                  {"Stands for", "count"},
                  {"Sequence", "sequence"}};
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    char path[64];
    (void)snprintf(path, sizeof path, "/v1/sessions/%.24s", sequence);
    json_t *item = cli_ask(cli, "GET", path, NULL, &status);
    if (item != NULL && !cli_print_json(cli, item)) {
        cli_print_field("Time", cli_local_time(cli_text(item, "time")));
        cli_print_field("Sender", null_sender(cli_text(item, "sender")));
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
            cli_print_field(fields[i].label, cli_text(item, fields[i].member));
        }
        printf("\nseczim explain %s shows every policy's part in it.\n",
               cli_text(item, "sequence"));
    }
    json_decref(item);
    return status;
}

static int print_page(struct cli *cli, const char *path) {
    int status = EXIT_DONE;
    json_t *answer = cli_ask(cli, "GET", path, NULL, &status);
    if (answer == NULL || cli_print_json(cli, answer)) {
        json_decref(answer);
        return status;
    }
    size_t i = 0;
    json_t *item = NULL;
    json_array_foreach(json_object_get(answer, "items"), i, item) {
        print_line(cli, item);
    }
    if (i == 0) {
        puts("No decision matches.");
    } else if (cli_text(answer, "next")[0] != '\0') {
        cli_hint("There are more: --cursor %s, or a larger --limit (500 at most).",
                 cli_text(answer, "next"));
    }
    json_decref(answer);
    return EXIT_DONE;
}

int command_session(struct cli *cli) {
    const bool follow = cli_take_flag(cli, "follow") || cli_take_flag(cli, "f");
    const bool oldest = cli_take_flag(cli, "oldest");
    const bool all = cli_take_flag(cli, "all");
    struct cli_parameter parameters[FILTERS + 2];
    for (size_t i = 0; i < FILTERS; i++) {
        parameters[i] = (struct cli_parameter){filter_names[i], take_filter(cli, filter_names[i])};
        if (all && strcmp(filter_names[i], "state") == 0) {
            parameters[i].value = "all";
        }
    }
    parameters[FILTERS] = (struct cli_parameter){"limit", cli_take_value(cli, "limit")};
    parameters[FILTERS + 1] = (struct cli_parameter){"order", oldest ? "oldest" : NULL};
    const char *verb = cli_take_word(cli);
    if (verb != NULL && strcmp(verb, "show") == 0) {
        const char *sequence = cli_take_word(cli);
        return sequence != NULL ? show_session(cli, sequence)
                                : cli_usage(cli, "which sequence? (the last column of a search)");
    }
    if (verb != NULL && strcmp(verb, "list") != 0) {
        return cli_usage(cli, "filters have the form name=value");
    }
    const int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    char *path = cli_path(follow ? "/v1/sessions/follow" : "/v1/sessions", parameters,
                          follow ? FILTERS - 1 : FILTERS + 2);
    const int result = follow ? cli_follow(cli, path, print_line) : print_page(cli, path);
    free(path);
    return result;
}
