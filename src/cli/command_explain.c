/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { REQUEST_LINE_MAX = 4096 };

/* name=value lines as Postfix sends them, up to the empty line. */
static json_t *read_request(void) {
    json_t *body = json_object();
    char line[REQUEST_LINE_MAX];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        char *equals = strchr(line, '=');
        if (equals == NULL) {
            break;
        }
        *equals = '\0';
        static const char *const taken[] = {"client_address", "client_name", "reverse_client_name",
                                            "helo_name",      "sender",      "recipient",
                                            "sasl_username",  "sasl_method", "size",
                                            "instance",       "queue_id",    "policy_context"};
        for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
            if (strcmp(line, taken[i]) == 0) {
                (void)json_object_set_new(body, line,
                                          strcmp(line, "size") == 0
                                              ? json_integer(strtoll(equals + 1, NULL, 10))
                                              : json_string(equals + 1));
            }
        }
    }
    return body;
}

static json_t *request_of_arguments(struct cli *cli) {
    static const struct {
        const char *option;
        const char *member;
    } map[] = {{"client", "client_address"},       {"client-address", "client_address"},
               {"client-name", "client_name"},     {"helo", "helo_name"},
               {"helo-name", "helo_name"},         {"sender", "sender"},
               {"recipient", "recipient"},         {"user", "sasl_username"},
               {"sasl-username", "sasl_username"}, {"at", "at"}};
    json_t *body = json_object();
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        const char *value = cli_take_value(cli, map[i].option);
        if (value != NULL) {
            (void)json_object_set_new(body, map[i].member, json_string(value));
        }
    }
    return body;
}

static void print_reads(const json_t *step) {
    size_t i = 0;
    const json_t *read = NULL;
    json_array_foreach(json_object_get(step, "read"), i, read) {
        printf("      ");
        cli_print_text(cli_text(read, "what"));
        printf(": ");
        cli_print_text(cli_text(read, "text"));
        (void)putchar('\n');
    }
}

static void print_steps(const json_t *answer) {
    size_t i = 0;
    const json_t *step = NULL;
    json_array_foreach(json_object_get(answer, "steps"), i, step) {
        const bool ran = json_is_true(json_object_get(step, "ran"));
        printf("  %4s  %-20s %-8s", cli_text(step, "priority"), cli_text(step, "policy"),
               strcmp(cli_text(step, "mode"), "shadow") == 0 ? "shadow" : "");
        if (!ran) {
            puts("not asked");
            continue;
        }
        const char *reason = cli_text(step, "reason");
        const bool silent = strcmp(reason, "none") == 0;
        printf("%s%s",
               strcmp(cli_text(step, "verdict"), "none") == 0 ? "no objection"
                                                              : cli_text(step, "verdict"),
               silent ? "" : ", ");
        cli_print_text(silent ? "" : reason);
        (void)putchar('\n');
        print_reads(step);
    }
}

static void print_explanation(const json_t *answer) {
    printf("%-16s %s (%s)\n", "Verdict", cli_text(answer, "verdict"),
           cli_text(answer, "direction"));
    cli_print_field("Policy", cli_text(answer, "policy"));
    cli_print_field("Reason", cli_text(answer, "reason"));
    cli_print_field("Why", cli_text(answer, "sentence"));
    cli_print_field("What to do", cli_text(answer, "advice"));
    cli_print_field("Rule", cli_text(answer, "rule"));
    cli_print_field("Reply", cli_text(answer, "reply"));
    cli_print_field("Identity", cli_text(answer, "identity"));
    cli_print_field("Settings", cli_text(answer, "generation"));
    puts("\nPolicies in their order");
    print_steps(answer);
    size_t i = 0;
    const json_t *effect = NULL;
    json_array_foreach(json_object_get(answer, "effects"), i, effect) {
        printf("%s", i == 0 ? "\nWhat it would remember\n" : "");
        printf("  ");
        cli_print_text(cli_text(effect, "text"));
        (void)putchar('\n');
    }
    const json_t *recorded = json_object_get(answer, "recorded");
    if (json_is_object(recorded)) {
        printf("\nAnswered then: %s, %s; %s\n", cli_text(recorded, "verdict"),
               cli_text(recorded, "reason"),
               json_is_true(json_object_get(answer, "same"))
                   ? "the same facts give the same verdict again."
                   : "the same facts do NOT give that verdict again: please report this.");
    }
}

int command_explain(struct cli *cli) {
    json_t *body = request_of_arguments(cli);
    const char *word = cli_take_word(cli);
    int status = cli_no_more(cli);
    if (word != NULL && strcmp(word, "-") == 0 && json_object_size(body) == 0) {
        json_decref(body);
        body = read_request();
    } else if (word != NULL && isdigit((unsigned char)word[0]) && json_object_size(body) == 0) {
        (void)json_object_set_new(body, "sequence", json_string(word));
    } else if (word != NULL || json_object_size(body) == 0) {
        status = cli_usage(cli, "a sequence number, or client=, sender= and recipient=");
    }
    if (status != EXIT_DONE) {
        json_decref(body);
        return status;
    }
    json_t *answer = cli_ask(cli, "POST", "/v1/explain", body, &status);
    if (answer != NULL && !cli_print_json(cli, answer)) {
        print_explanation(answer);
    }
    json_decref(answer);
    return status;
}
