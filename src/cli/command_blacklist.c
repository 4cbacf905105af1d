/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { PATH_BYTES = 128 };

static const char *until(const json_t *item) {
    return json_is_true(json_object_get(item, "permanent"))
               ? "for good"
               : cli_local_time(cli_text(item, "until"));
}

static const char *standing(const json_t *item) {
    return json_is_true(json_object_get(item, "blocked"))    ? "blocked"
           : json_is_true(json_object_get(item, "released")) ? "released"
                                                             : "over";
}

static void add_block(void *context, const json_t *item) {
    const char *cells[] = {cli_text(item, "network"),
                           standing(item),
                           cli_text(item, "trigger"),
                           cli_local_time(cli_text(item, "since")),
                           until(item),
                           cli_text(item, "offences")};
    cli_table_add(context, cells);
}

static int list(struct cli *cli) {
    static const struct cli_column columns[] = {{"CLIENT", false}, {"", false},
                                                {"WHY", false},    {"SINCE", false},
                                                {"UNTIL", false},  {"TIMES", true}};
    static const struct cli_listing listing = {columns, 6, add_block, "Nobody is blocked."};
    const bool all = cli_take_flag(cli, "all");
    const struct cli_parameter parameters[] = {{"state", all ? "all" : NULL},
                                               {"trigger", cli_take_value(cli, "why")}};
    return cli_print_items(cli, "/v1/blacklist", parameters, 2, &listing);
}

static void print_counters(const json_t *counters) {
    size_t i = 0;
    const json_t *counter = NULL;
    json_array_foreach(counters, i, counter) {
        printf("%-16s %s of %s in %s%s\n", cli_text(counter, "trigger"), cli_text(counter, "count"),
               cli_text(counter, "threshold"),
               cli_duration(json_number_value(json_object_get(counter, "window"))),
               json_is_true(json_object_get(counter, "enabled")) ? "" : " (off)");
    }
}

/* "By hand          2026-02-01 10:23:45 release by jane: talked to them" */
void cli_print_by_hand(const json_t *commands) {
    size_t i = 0;
    const json_t *command = NULL;
    json_array_foreach(commands, i, command) {
        const char *comment = cli_text(command, "comment");
        printf("%-16s %s %s by ", i == 0 ? "By hand" : "",
               cli_local_time(cli_text(command, "time")), cli_text(command, "what"));
        cli_print_text(cli_text(command, "author"));
        printf("%s", comment[0] != '\0' ? ": " : "");
        cli_print_text(comment);
        (void)putchar('\n');
    }
}

static int print(struct cli *cli, json_t *answer, int status) {
    if (answer != NULL && !cli_print_json(cli, answer)) {
        const bool blocked = json_is_true(json_object_get(answer, "blocked"));
        cli_print_field("Client", cli_text(answer, "network"));
        cli_print_field("Blocked", blocked ? "yes" : "no");
        cli_print_field("Why", cli_text(answer, "trigger"));
        cli_print_field("Since", cli_local_time(cli_text(answer, "since")));
        cli_print_field("Until", until(answer));
        cli_print_field("Times before", cli_text(answer, "offences"));
        cli_print_field("Never blocked", cli_text(answer, "exempt"));
        cli_print_by_hand(json_object_get(answer, "by_hand"));
        print_counters(json_object_get(answer, "counters"));
    }
    json_decref(answer);
    return status;
}

/* What is asked of one address; NULL when the command line is wrong. Heap memory. */
static char *path_of(struct cli *cli, const char *what, int *ret_status) {
    const struct cli_parameter parameters[] = {{"comment", cli_take_value(cli, "comment")}};
    const char *address = cli_take_word(cli);
    *ret_status = address == NULL ? cli_usage(cli, "which address?") : cli_no_more(cli);
    if (*ret_status != EXIT_DONE) {
        return NULL;
    }
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/v1/blacklist/%.64s%s", address, what);
    return cli_path(path, parameters, 1);
}

static int ask(struct cli *cli, const char *method, const char *what) {
    int status = EXIT_DONE;
    char *path = path_of(cli, what, &status);
    json_t *answer = path != NULL ? cli_ask(cli, method, path, NULL, &status) : NULL;
    free(path);
    return print(cli, answer, status);
}

static int release(struct cli *cli) {
    int status = EXIT_DONE;
    char *path = path_of(cli, "", &status);
    json_t *answer = path != NULL ? cli_ask(cli, "DELETE", path, NULL, &status) : NULL;
    free(path);
    if (answer != NULL && !cli->json) {
        puts("Released, from now on; its counters begin anew.");
    }
    json_decref(answer);
    return status;
}

static int add(struct cli *cli) {
    json_t *body = json_object();
    const char *comment = cli_take_value(cli, "comment");
    const char *address = cli_take_word(cli);
    const char *length = cli_take_word(cli);
    const bool for_good = length != NULL && strcmp(length, "permanent") == 0;
    json_t *duration = length != NULL && !for_good ? cli_expiry(length) : NULL;
    int status = address == NULL  ? cli_usage(cli, "which address?")
                 : length == NULL ? cli_usage(cli, "for how long? (24h, 7d, or permanent)")
                 : !for_good && !json_is_integer(duration)
                     ? cli_usage(cli, "the length is a duration such as 24h or 7d, or permanent")
                     : cli_no_more(cli);
    if (status != EXIT_DONE) {
        json_decref(duration);
        json_decref(body);
        return status;
    }
    (void)json_object_set_new(body, "ip", json_string(address));
    (void)json_object_set_new(body, for_good ? "permanent" : "duration",
                              for_good ? json_true() : duration);
    if (comment != NULL) {
        (void)json_object_set_new(body, "comment", json_string(comment));
    }
    json_t *answer = cli_ask(cli, "POST", "/v1/blacklist", body, &status);
    return print(cli, answer, status);
}

int command_blacklist(struct cli *cli) {
    const char *verb = cli_take_word(cli);
    if (verb == NULL || strcmp(verb, "list") == 0) {
        return list(cli);
    }
    if (strcmp(verb, "show") == 0) {
        return ask(cli, "GET", "");
    }
    if (strcmp(verb, "permanent") == 0) {
        return ask(cli, "PUT", "/permanent");
    }
    if (strcmp(verb, "add") == 0) {
        return add(cli);
    }
    return strcmp(verb, "release") == 0 ? release(cli) : cli_usage(cli, "there is no such verb");
}
