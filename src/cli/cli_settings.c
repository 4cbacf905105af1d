/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/cli.h"

/* Lists may be longer than a result of cli_text(). */
static void print_list(const json_t *list) {
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(list, i, one) {
        printf("%s", i > 0 ? ", " : "");
        cli_print_text(json_string_value(one));
    }
}

static void print_change(const json_t *item) {
    const json_t *value = json_object_get(item, "value");
    const char *text = cli_text(item, "value");
    cli_print_text(cli_text(item, "key"));
    printf(" is ");
    if (json_array_size(value) > 0) {
        print_list(value);
    } else {
        cli_print_text(text[0] != '\0' ? text : "empty");
    }
    puts(json_is_true(json_object_get(item, "pending"))
             ? " after the next restart (seczim restart)."
             : ", from now on.");
}

int cli_put_settings(struct cli *cli, json_t *body) {
    int status = EXIT_DONE;
    json_t *answer = cli_ask(cli, "PUT", "/v1/settings", body, &status);
    if (answer != NULL && !cli_print_json(cli, answer)) {
        size_t i = 0;
        const json_t *item = NULL;
        json_array_foreach(json_object_get(answer, "items"), i, item) {
            print_change(item);
        }
        cli_print_warnings(answer);
    }
    json_decref(answer);
    return status;
}
