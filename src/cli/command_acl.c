/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static bool is_list(const char *word) {
    return word != NULL && (strcmp(word, "allow") == 0 || strcmp(word, "block") == 0);
}

static int match(struct cli *cli) {
    const struct cli_parameter parameters[] = {{"client", cli_take_value(cli, "client")},
                                               {"client_name", cli_take_value(cli, "client-name")},
                                               {"sender", cli_take_value(cli, "sender")},
                                               {"recipient", cli_take_value(cli, "recipient")},
                                               {"direction", cli_take_value(cli, "direction")}};
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    char *path = cli_path("/v1/lists/match", parameters, 5);
    json_t *answer = cli_ask(cli, "GET", path, NULL, &status);
    free(path);
    if (answer != NULL && !cli_print_json(cli, answer)) {
        static const char *const lists[] = {"allow", "block", "greylist_exempt",
                                            "reputation_allow"};
        for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
            const json_t *entry = json_object_get(answer, lists[i]);
            printf("%-16s ", lists[i]);
            cli_print_text(json_is_object(entry) ? cli_text(entry, "pattern") : "no entry");
            if (json_is_object(entry)) {
                printf(" (entry %s)", cli_text(entry, "id"));
            }
            (void)putchar('\n');
        }
    }
    json_decref(answer);
    return status;
}

int command_acl(struct cli *cli) {
    const char *verb = cli_take_word(cli);
    if (verb == NULL || strcmp(verb, "list") == 0) {
        const char *list = cli_take_word(cli);
        if (list != NULL && !is_list(list)) {
            return cli_usage(cli, "the lists are `allow` and `block`");
        }
        return cli_list_entries(cli, list);
    }
    if (is_list(verb)) {
        return cli_list_add(cli, verb);
    }
    if (strcmp(verb, "match") == 0) {
        return match(cli);
    }
    const bool remove = strcmp(verb, "remove") == 0;
    const bool import = strcmp(verb, "import") == 0;
    if (!remove && !import && strcmp(verb, "export") != 0) {
        return cli_usage(cli, "there is no such verb");
    }
    const char *list = cli_take_word(cli);
    if (!is_list(list)) {
        return cli_usage(cli, "which list, `allow` or `block`?");
    }
    return remove   ? cli_list_remove(cli, list)
           : import ? cli_list_import(cli, list, "csv")
                    : cli_list_export(cli, list);
}
