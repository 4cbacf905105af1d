/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli/cli.h"

/* The rules that are lists of addresses, restrictions and identities, are written and shown alike.
 */
struct cli_rules {
    const char *kind;     /* "restriction" */
    const char *path;     /* "/v1/restrictions" */
    const char *subject;  /* member: "sender" */
    const char *lines;    /* member: "recipients" */
    const char *ask_whom; /* when the subject is missing */
    const char *ask_lines;
    const char *empty; /* what an empty list means; NULL: there is none */
    const char *when_none;
};

/* `add` unites with what is there, else (`set`) takes its place. The subject and the lines are the
 * arguments; --text, --comment and --expires are taken. */
int cli_rules_put(struct cli *cli, const struct cli_rules *rules, bool add);
int cli_rules_list(struct cli *cli, const struct cli_rules *rules);
int cli_rules_show(struct cli *cli, const struct cli_rules *rules);
/* By id or subject. */
int cli_rules_remove(struct cli *cli, const struct cli_rules *rules);
/* Removes the rules with the ids that are the arguments. */
int cli_rules_remove_ids(struct cli *cli, const char *path, const char *kind);
/* Posts a rule and says what it is from now on. Steals `body`. */
int cli_rules_post(struct cli *cli, const struct cli_rules *rules, json_t *body);
/* Takes --comment and --expires (and `text`) into the body. */
void cli_rules_take_options(struct cli *cli, json_t *body, bool text);
/* The rule with that id or subject, or NULL. */
json_t *cli_rules_find(struct cli *cli, const struct cli_rules *rules, const char *name,
                       int *ret_status);
