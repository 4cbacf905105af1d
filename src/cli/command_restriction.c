/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/cli_rules.h"

static const struct cli_rules restrictions = {
    .kind = "restriction",
    .path = "/v1/restrictions",
    .subject = "sender",
    .lines = "recipients",
    .ask_whom = "which sender?",
    .ask_lines = "which recipients may the sender write to? (`stop` allows none)",
    .empty = "nothing may be sent",
    .when_none = "Nobody is restricted.",
};

static const struct cli_rules identities = {
    .kind = "identity",
    .path = "/v1/identities",
    .subject = "user",
    .lines = "senders",
    .ask_whom = "which user?",
    .ask_lines = "which senders may the user write as, besides itself?",
    .empty = NULL,
    .when_none = "No user may write as anybody but itself.",
};

/* An empty list: nothing may be sent. */
static int stop(struct cli *cli) {
    json_t *body = json_object();
    cli_rules_take_options(cli, body, true);
    const char *sender = cli_take_word(cli);
    const int status = sender == NULL ? cli_usage(cli, restrictions.ask_whom) : cli_no_more(cli);
    if (status != EXIT_DONE) {
        json_decref(body);
        return status;
    }
    (void)json_object_set_new(body, "sender", json_string(sender));
    (void)json_object_set_new(body, "recipients", json_array());
    return cli_rules_post(cli, &restrictions, body);
}

static int run(struct cli *cli, const struct cli_rules *rules, const char *verb) {
    if (verb == NULL || strcmp(verb, "list") == 0) {
        return cli_rules_list(cli, rules);
    }
    if (strcmp(verb, "show") == 0) {
        return cli_rules_show(cli, rules);
    }
    if (strcmp(verb, "add") == 0 || strcmp(verb, "set") == 0) {
        return cli_rules_put(cli, rules, strcmp(verb, "add") == 0);
    }
    return strcmp(verb, "remove") == 0 ? cli_rules_remove(cli, rules)
                                       : cli_usage(cli, "there is no such verb");
}

int command_restriction(struct cli *cli) {
    const char *verb = cli_take_word(cli);
    return verb != NULL && strcmp(verb, "stop") == 0 ? stop(cli) : run(cli, &restrictions, verb);
}

int command_identity(struct cli *cli) {
    return run(cli, &identities, cli_take_word(cli));
}
