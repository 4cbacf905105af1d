/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static void print_steps(const json_t *steps) {
    size_t i = 0;
    const json_t *step = NULL;
    json_array_foreach(steps, i, step) {
        const int depth = (int)json_integer_value(json_object_get(step, "depth"));
        printf("  %*s", 2 * depth, "");
        cli_print_text(cli_text(step, "text"));
        (void)putchar('\n');
    }
}

static void print_evaluation(const char *title, const json_t *answer) {
    printf("%s\n", title);
    print_steps(json_object_get(answer, "steps"));
    (void)putchar('\n');
    cli_print_field("Result", cli_text(answer, "result"));
    cli_print_field("Domain", cli_text(answer, "domain"));
    cli_print_field("Decided by", cli_text(answer, "mechanism"));
    cli_print_field("Explanation", cli_text(answer, "explanation"));
    cli_print_field("Problem", cli_text(answer, "problem"));
    printf("%-16s %s of %s, %s of %s without an answer\n", "Look-ups", cli_text(answer, "lookups"),
           cli_text(answer, "lookups_max"), cli_text(answer, "void_lookups"),
           cli_text(answer, "void_lookups_max"));
    cli_print_field("Received-SPF", cli_text(answer, "received_spf"));
}

static int check(struct cli *cli) {
    const char *client = cli_take_value(cli, "ip");
    const char *sender = cli_take_value(cli, "from");
    const char *helo = cli_take_value(cli, "helo");
    int status = cli_no_more(cli);
    if (status == EXIT_DONE && (client == NULL || (sender == NULL && helo == NULL))) {
        status = cli_usage(cli, "--ip, and --from or --helo");
    }
    if (status != EXIT_DONE) {
        return status;
    }
    const struct cli_parameter parameters[] = {
        {"client", client}, {"sender", sender}, {"helo", helo}};
    char *path = cli_path("/v1/spf", parameters, 3);
    json_t *answer = cli_ask(cli, "GET", path, NULL, &status);
    free(path);
    if (answer == NULL) {
        return status;
    }
    if (!cli_print_json(cli, answer)) {
        const json_t *of_helo = json_object_get(answer, "helo");
        if (json_is_object(of_helo)) {
            print_evaluation("HELO", of_helo);
            (void)putchar('\n');
        }
        print_evaluation(sender != NULL ? "MAIL FROM" : "HELO", answer);
    }
    status = strcmp(cli_text(answer, "result"), "pass") == 0 ? EXIT_DONE : EXIT_NO;
    json_decref(answer);
    return status;
}

int command_spf(struct cli *cli) {
    const char *verb = cli_take_word(cli);
    if (verb != NULL && strcmp(verb, "check") == 0) {
        return check(cli);
    }
    return cli_usage(cli, verb == NULL ? "what? check" : "check is what there is");
}
