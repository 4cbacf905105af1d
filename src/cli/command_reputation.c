/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { PATH_BYTES = 128 };

static void add_score(void *context, const json_t *item) {
    const char *effect = json_is_true(json_object_get(item, "refused")) ? "refused"
                         : json_is_true(json_object_get(item, "skips_greylisting"))
                             ? "skips greylisting"
                             : "";
    const char *cells[] = {cli_text(item, "score"),
                           cli_text(item, "network"),
                           cli_text(item, "accepted"),
                           cli_text(item, "rejected"),
                           cli_text(item, "deferred"),
                           cli_local_time(cli_text(item, "last_seen")),
                           effect};
    cli_table_add(context, cells);
}

static int list(struct cli *cli) {
    static const struct cli_column columns[] = {
        {"SCORE", true},    {"CLIENT", false},    {"ACCEPTED", true}, {"REJECTED", true},
        {"DEFERRED", true}, {"LAST SEEN", false}, {"", false}};
    static const struct cli_listing listing = {columns, 7, add_score,
                                               "No client has a score of its own."};
    const struct cli_parameter parameters[] = {{"min", cli_take_value(cli, "min")},
                                               {"max", cli_take_value(cli, "max")}};
    return cli_print_items(cli, "/v1/reputation", parameters, 2, &listing);
}

static int print(struct cli *cli, json_t *answer, int status) {
    if (answer != NULL && !cli_print_json(cli, answer)) {
        const bool known = json_is_true(json_object_get(answer, "known"));
        cli_print_field("Client", cli_text(answer, "network"));
        cli_print_field("Score", cli_text(answer, "score"));
        if (!known) {
            puts("Never seen: this is the score that everybody begins with.");
        } else {
            cli_print_field("Accepted", cli_text(answer, "accepted"));
            cli_print_field("Rejected", cli_text(answer, "rejected"));
            cli_print_field("Deferred", cli_text(answer, "deferred"));
            cli_print_field("Last seen", cli_local_time(cli_text(answer, "last_seen")));
        }
        if (json_is_true(json_object_get(answer, "refused"))) {
            puts("So low that its mail is refused.");
        }
        if (json_is_true(json_object_get(answer, "skips_greylisting"))) {
            puts("So high that it skips greylisting.");
        }
    }
    json_decref(answer);
    return status;
}

static int one(struct cli *cli, const char *method, const char *what) {
    const struct cli_parameter parameters[] = {
        {"comment", what[0] != '\0' ? cli_take_value(cli, "comment") : NULL}};
    const char *address = cli_take_word(cli);
    int status = address == NULL ? cli_usage(cli, "which address?") : cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/v1/reputation/%.64s%s", address, what);
    char *whole = cli_path(path, parameters, 1);
    json_t *answer = cli_ask(cli, method, whole, NULL, &status);
    free(whole);
    return print(cli, answer, status);
}

int command_reputation(struct cli *cli) {
    const char *verb = cli_take_word(cli);
    if (verb == NULL || strcmp(verb, "list") == 0) {
        return list(cli);
    }
    if (strcmp(verb, "show") == 0) {
        return one(cli, "GET", "");
    }
    return strcmp(verb, "reset") == 0 ? one(cli, "POST", "/reset")
                                      : cli_usage(cli, "there is no such verb");
}
