/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/cli.h"

/* Users of the dashboard, over the socket of seczim-api. */

enum { LINE_MAX_BYTES = 1024 };

static char *path_of(const char *name) {
    char *path = NULL;
    char *escaped = cli_escape(name);
    CHECK(asprintf(&path, "/api/v1/users/%s", escaped) >= 0);
    free(escaped);
    return path;
}

static const char *second_factor(const json_t *user) {
    return json_is_true(json_object_get(user, "totp")) ? "yes" : "no";
}

static const char *state(const json_t *user) {
    if (json_is_true(json_object_get(user, "disabled"))) {
        return "disabled";
    }
    return json_is_true(json_object_get(user, "must_change_password")) ? "must change password"
                                                                       : "active";
}

static void add_user(void *context, const json_t *item) {
    const char *cells[] = {cli_text(item, "name"), cli_text(item, "role"), state(item),
                           second_factor(item), cli_local_time(cli_text(item, "last_login"))};
    cli_table_add(context, cells);
}

static int list(struct cli *cli) {
    static const struct cli_column columns[] = {{"NAME", false},
                                                {"ROLE", false},
                                                {"STATE", false},
                                                {"SECOND FACTOR", false},
                                                {"LAST LOGIN", false}};
    static const struct cli_listing listing = {columns, 5, add_user, "There are no users."};
    const struct cli_parameter none[] = {{NULL, NULL}};
    return cli_print_items(cli, "/api/v1/users", none, 0, &listing);
}

static void print_user(const json_t *user) {
    cli_print_field("name", cli_text(user, "name"));
    cli_print_field("role", cli_text(user, "role"));
    cli_print_field("state", state(user));
    cli_print_field("second factor", second_factor(user));
    cli_print_field("created", cli_local_time(cli_text(user, "created")));
    cli_print_field("last login", cli_local_time(cli_text(user, "last_login")));
    cli_print_field("first password", cli_text(user, "one_time_password"));
}

/* Asks and prints what comes back. Takes over `body`. */
static int ask_and_print(struct cli *cli, const char *method, const char *path, json_t *body) {
    int status = EXIT_DONE;
    json_t *answer = cli_ask(cli, method, path, body, &status);
    if (answer != NULL && !cli_print_json(cli, answer) && json_object_size(answer) > 0) {
        print_user(answer);
    }
    json_decref(answer);
    return status;
}

static int add(struct cli *cli) {
    const char *name = cli_take_word(cli);
    const char *role = cli_take_word(cli);
    if (name == NULL || role == NULL) {
        return cli_usage(cli, "which name, and which role? (viewer, operator, admin)");
    }
    const int status = cli_no_more(cli);
    return status != EXIT_DONE ? status
                               : ask_and_print(cli, "POST", "/api/v1/users",
                                               json_pack("{s:s, s:s}", "name", name, "role", role));
}

/* One line of standard input, not shown when a person types it. False: none. */
static bool read_secret(const char *prompt, char line[LINE_MAX_BYTES]) {
    struct termios before;
    const bool person = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &before) == 0;
    if (person) {
        struct termios silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        (void)fputs(prompt, stderr);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    const bool got = fgets(line, LINE_MAX_BYTES, stdin) != NULL;
    if (person) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        (void)fputc('\n', stderr);
    }
    if (got) {
        line[strcspn(line, "\r\n")] = '\0';
    }
    return got && line[0] != '\0';
}

/* Never as an argument: others see those in the list of processes. */
static int put_password(struct cli *cli, const char *path) {
    char line[LINE_MAX_BYTES];
    if (!read_secret("New password (at least 12 characters): ", line)) {
        (void)fprintf(stderr,
                      "seczim: a password is read from standard input, and there is none\n");
        return EXIT_USAGE;
    }
    const int status = ask_and_print(cli, "PUT", path, json_pack("{s:s}", "password", line));
    explicit_bzero(line, sizeof line);
    if (status == EXIT_DONE) {
        cli_hint("All sessions of the user have ended; the password must be changed at the next "
                 "login.");
    }
    return status;
}

/* The body of a change by its verb; NULL for another verb. */
static json_t *change_of(const char *verb, const char *role) {
    if (strcmp(verb, "role") == 0) {
        return json_pack("{s:s}", "role", role);
    }
    if (strcmp(verb, "disable") == 0 || strcmp(verb, "enable") == 0) {
        return json_pack("{s:b}", "disabled", (int)(strcmp(verb, "disable") == 0));
    }
    return strcmp(verb, "totp-off") == 0 ? json_pack("{s:b}", "totp", 0) : NULL;
}

static int on_one(struct cli *cli, const char *verb) {
    const char *name = cli_take_word(cli);
    const char *role = strcmp(verb, "role") == 0 ? cli_take_word(cli) : "";
    if (name == NULL || role == NULL) {
        return cli_usage(cli, name == NULL ? "which user?" : "which role?");
    }
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    char *path = path_of(name);
    if (strcmp(verb, "show") == 0) {
        status = ask_and_print(cli, "GET", path, NULL);
    } else if (strcmp(verb, "remove") == 0) {
        status = ask_and_print(cli, "DELETE", path, NULL);
    } else if (strcmp(verb, "password") == 0) {
        status = put_password(cli, path);
    } else {
        status = ask_and_print(cli, "PUT", path, change_of(verb, role));
    }
    free(path);
    return status;
}

int command_user(struct cli *cli) {
    static const char *const verbs[] = {"show",   "role",     "disable", "enable",
                                        "remove", "password", "totp-off"};
    const char *verb = cli_take_word(cli);
    cli->socket = cli->api_socket;
    if (verb == NULL || strcmp(verb, "list") == 0) {
        return list(cli);
    }
    if (strcmp(verb, "add") == 0) {
        return add(cli);
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verb, verbs[i]) == 0) {
            return on_one(cli, verb);
        }
    }
    return cli_usage(cli, "there is no such verb");
}
