/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/cli.h"

/* Tokens and the audit log of seczim-api, over its socket. */

static const char *join_scopes(const json_t *item, char *buffer, size_t size) {
    size_t i = 0;
    size_t length = 0;
    const json_t *scope = NULL;
    buffer[0] = '\0';
    json_array_foreach(json_object_get(item, "scopes"), i, scope) {
        const int written = snprintf(buffer + length, size - length, "%s%s", i > 0 ? "," : "",
                                     json_string_value(scope));
        length += written > 0 && (size_t)written < size - length ? (size_t)written : 0;
    }
    return buffer;
}

static void add_token(void *context, const json_t *item) {
    char scopes[256];
    const char *cells[] = {cli_text(item, "id"),
                           cli_text(item, "name"),
                           cli_text(item, "user"),
                           cli_text(item, "role"),
                           join_scopes(item, scopes, sizeof scopes),
                           cli_local_time(cli_text(item, "expires")),
                           cli_local_time(cli_text(item, "last_used")),
                           cli_text(item, "prefix")};
    cli_table_add(context, cells);
}

static int list(struct cli *cli) {
    static const struct cli_column columns[] = {
        {"ID", true},      {"NAME", false},    {"USER", false},      {"ROLE", false},
        {"SCOPES", false}, {"EXPIRES", false}, {"LAST USED", false}, {"BEGINS WITH", false}};
    static const struct cli_listing listing = {columns, 8, add_token, "There are no tokens."};
    const struct cli_parameter none[] = {{NULL, NULL}};
    return cli_print_items(cli, "/api/v1/tokens", none, 0, &listing);
}

static json_t *split_scopes(const char *text) {
    json_t *scopes = json_array();
    char *copy = strdup(text);
    CHECK(copy != NULL);
    char *rest = copy;
    for (char *scope = NULL; (scope = strsep(&rest, ",")) != NULL;) {
        (void)json_array_append_new(scopes, json_string(scope));
    }
    free(copy);
    return scopes;
}

static int add(struct cli *cli) {
    const char *user = cli_take_value(cli, "user");
    const char *scopes = cli_take_value(cli, "scopes");
    const char *role = cli_take_value(cli, "role");
    const char *expires = cli_take_value(cli, "expires");
    const char *name = cli_take_word(cli);
    if (name == NULL || user == NULL || scopes == NULL) {
        return cli_usage(cli, "what is it for, whose is it, and what may it do? (monitoring --user "
                              "admin --scopes read)");
    }
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    json_t *body =
        json_pack("{s:s, s:s, s:o}", "name", name, "user", user, "scopes", split_scopes(scopes));
    if (role != NULL) {
        (void)json_object_set_new(body, "role", json_string(role));
    }
    if (expires != NULL) {
        (void)json_object_set_new(body, "expires", cli_expiry(expires));
    }
    json_t *answer = cli_ask(cli, "POST", "/api/v1/tokens", body, &status);
    if (answer != NULL && !cli_print_json(cli, answer)) {
        cli_print_text(cli_text(answer, "token"));
        puts("");
        cli_hint("This is shown only now. Send it as `Authorization: Bearer ...`; `seczim token "
                 "remove %s` ends it.",
                 cli_text(answer, "id"));
    }
    json_decref(answer);
    return status;
}

static int remove_one(struct cli *cli) {
    char path[128];
    const char *id = cli_take_word(cli);
    if (id == NULL || strspn(id, "0123456789") != strlen(id) || strlen(id) > 18) {
        return cli_usage(cli, "which token? (its number in `seczim token list`)");
    }
    int status = cli_no_more(cli);
    if (status == EXIT_DONE) {
        (void)snprintf(path, sizeof path, "/api/v1/tokens/%s", id);
        json_decref(cli_ask(cli, "DELETE", path, NULL, &status));
    }
    return status;
}

int command_token(struct cli *cli) {
    const char *verb = cli_take_word(cli);
    cli->socket = cli->api_socket;
    if (verb == NULL || strcmp(verb, "list") == 0) {
        return list(cli);
    }
    if (strcmp(verb, "add") == 0) {
        return add(cli);
    }
    return strcmp(verb, "remove") == 0 ? remove_one(cli) : cli_usage(cli, "there is no such verb");
}

/* --- the audit log --- */

static void add_row(void *context, const json_t *item) {
    const char *status =
        json_is_null(json_object_get(item, "status")) ? "cut off" : cli_text(item, "status");
    const char *cells[] = {cli_text(item, "id"),      cli_local_time(cli_text(item, "time")),
                           cli_text(item, "user"),    cli_text(item, "via"),
                           cli_text(item, "address"), cli_text(item, "action"),
                           cli_text(item, "path"),    status};
    cli_table_add(context, cells);
}

int cli_audit_log(struct cli *cli) {
    static const struct cli_column columns[] = {
        {"ID", true},       {"TIME", false},   {"USER", false}, {"VIA", false},
        {"ADDRESS", false}, {"ACTION", false}, {"PATH", false}, {"STATUS", true}};
    static const struct cli_listing listing = {columns, 8, add_row, "Nothing has been noted."};
    const struct cli_parameter parameters[] = {{"user", cli_take_value(cli, "user")},
                                               {"action", cli_take_value(cli, "action")},
                                               {"since", cli_take_value(cli, "since")},
                                               {"until", cli_take_value(cli, "until")}};
    cli->socket = cli->api_socket;
    return cli_print_items(cli, "/api/v1/audit", parameters, 4, &listing);
}

int cli_audit_verify(struct cli *cli) {
    int status = cli_no_more(cli);
    cli->socket = cli->api_socket;
    json_t *answer =
        status != EXIT_DONE ? NULL : cli_ask(cli, "GET", "/api/v1/audit/verify", NULL, &status);
    if (answer == NULL) {
        return status;
    }
    const bool whole = json_is_null(json_object_get(answer, "broken"));
    if (!cli_print_json(cli, answer)) {
        if (whole) {
            printf("The audit log is whole: %s rows.\n", cli_text(answer, "rows"));
        } else {
            printf("The audit log was changed by hand: row %s does not fit.\n",
                   cli_text(answer, "broken"));
        }
        printf("Its newest hash, to be kept elsewhere: %s\n", cli_text(answer, "newest"));
    }
    json_decref(answer);
    return whole ? EXIT_DONE : EXIT_NO;
}
