/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/cli.h"
#include "net/http_client.h"

static void remove_arguments(struct cli *cli, int at, int count) {
    for (int i = at; i + count < cli->argument_count; i++) {
        cli->arguments[i] = cli->arguments[i + count];
    }
    cli->argument_count -= count;
}

/* Length of `name` when `argument` starts with it, `_` standing for `-`; else 0. */
static size_t match_name(const char *argument, const char *name) {
    size_t i = 0;
    while (name[i] != '\0') {
        if (argument[i] != name[i] && !(name[i] == '-' && argument[i] == '_')) {
            return 0;
        }
        i++;
    }
    return i;
}

static bool is_value_of(const struct cli *cli, int at, const char *name, const char **ret_value,
                        int *ret_count) {
    const char *argument = cli->arguments[at];
    const bool dashes = strncmp(argument, "--", 2) == 0;
    const char *text = dashes ? argument + 2 : argument;
    const size_t length = match_name(text, name);
    if (length == 0) {
        return false;
    }
    if (text[length] == '=') {
        *ret_value = text + length + 1;
        *ret_count = 1;
        return true;
    }
    if (dashes && text[length] == '\0' && at + 1 < cli->argument_count) {
        *ret_value = cli->arguments[at + 1];
        *ret_count = 2;
        return true;
    }
    return false;
}

const char *cli_take_value(struct cli *cli, const char *name) {
    const char *found = NULL;
    for (int i = 0; i < cli->argument_count;) {
        const char *value = NULL;
        int count = 0;
        if (is_value_of(cli, i, name, &value, &count)) {
            found = value;
            remove_arguments(cli, i, count);
        } else {
            i++;
        }
    }
    return found;
}

bool cli_take_flag(struct cli *cli, const char *name) {
    bool found = false;
    for (int i = 0; i < cli->argument_count;) {
        const char *argument = cli->arguments[i];
        const size_t dashes = strncmp(argument, "--", 2) == 0 ? 2 : argument[0] == '-' ? 1 : 0;
        const size_t length = match_name(argument + dashes, name);
        const bool is_short = name[1] == '\0';
        if (dashes == (is_short ? 1U : 2U) && length > 0 && argument[dashes + length] == '\0') {
            found = true;
            remove_arguments(cli, i, 1);
        } else {
            i++;
        }
    }
    return found;
}

const char *cli_take_word(struct cli *cli) {
    if (cli->argument_count == 0 || strncmp(cli->arguments[0], "--", 2) == 0) {
        return NULL;
    }
    const char *word = cli->arguments[0];
    remove_arguments(cli, 0, 1);
    return word;
}

int cli_usage(const struct cli *cli, const char *problem) {
    for (size_t i = 0; i < cli_command_count; i++) {
        if (strcmp(cli_commands[i].name, cli->command) == 0) {
            (void)fprintf(stderr, "seczim %s: %s\n\n%s\n", cli->command, problem,
                          cli_commands[i].usage);
        }
    }
    return EXIT_USAGE;
}

int cli_no_more(struct cli *cli) {
    if (cli->argument_count == 0) {
        return EXIT_DONE;
    }
    char problem[256];
    (void)snprintf(problem, sizeof problem, "\"%s\" is not understood here", cli->arguments[0]);
    return cli_usage(cli, problem);
}

static void append(char **text, size_t *length, const char *part, size_t part_length) {
    char *grown = realloc(*text, *length + part_length + 1);
    CHECK(grown != NULL);
    memcpy(grown + *length, part, part_length);
    *length += part_length;
    grown[*length] = '\0';
    *text = grown;
}

static void append_encoded(char **text, size_t *length, const char *value) {
    const size_t size = 3 * strlen(value) + 1;
    char *encoded = malloc(size);
    CHECK(encoded != NULL);
    struct text out = {.data = encoded, .size = size};
    http_client_escape(str_from(value), &out);
    append(text, length, out.data, out.length);
    free(encoded);
}

char *cli_escape(const char *part) {
    char *text = NULL;
    size_t length = 0;
    append(&text, &length, "", 0);
    append_encoded(&text, &length, part);
    return text;
}

char *cli_path(const char *path, const struct cli_parameter *parameters, size_t count) {
    char *text = NULL;
    size_t length = 0;
    append(&text, &length, path, strlen(path));
    const char *separator = "?";
    for (size_t i = 0; i < count; i++) {
        if (parameters[i].value == NULL) {
            continue;
        }
        append(&text, &length, separator, 1);
        append(&text, &length, parameters[i].name, strlen(parameters[i].name));
        append(&text, &length, "=", 1);
        append_encoded(&text, &length, parameters[i].value);
        separator = "&";
    }
    return text;
}
