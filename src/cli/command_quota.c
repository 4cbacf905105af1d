/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/cli_rules.h"

static const char path[] = "/v1/quotas";

/* --- limits -------------------------------------------------------------------------------------
 */

static void add_limit(void *context, const json_t *item) {
    const char *cells[] = {cli_text(item, "id"),     cli_text(item, "subject"),
                           cli_text(item, "limit"),  cli_local_time(cli_text(item, "expires")),
                           cli_text(item, "author"), cli_text(item, "comment")};
    cli_table_add(context, cells);
}

static int list(struct cli *cli) {
    static const struct cli_column columns[] = {{"ID", true},      {"FOR", false},
                                                {"LIMIT", false},  {"EXPIRES", false},
                                                {"AUTHOR", false}, {"COMMENT", false}};
    static const struct cli_listing listing = {columns, 6, add_limit,
                                               "There is no limit: `seczim quota add 'user *' 500 "
                                               "recipients/day` sets one for each user."};
    const struct cli_parameter parameters[] = {{"contains", cli_take_value(cli, "contains")}};
    return cli_print_items(cli, path, parameters, 1, &listing);
}

/* The words from the first on, with a blank between them. Heap memory. */
static char *join(struct cli *cli) {
    char *text = strdup("");
    CHECK(text != NULL);
    for (const char *word = NULL; (word = cli_take_word(cli)) != NULL;) {
        char *longer = NULL;
        CHECK(asprintf(&longer, "%s%s%s", text, text[0] != '\0' ? " " : "", word) >= 0);
        free(text);
        text = longer;
    }
    return text;
}

/* "user bob@example.com 500 recipients/day": the subject is one word (global) or two. NULL when
 * there is nothing behind it. */
static char *split_limit(char *text) {
    char *blank = strchr(text, ' ');
    if (blank != NULL && strncmp(text, "global ", 7) != 0) {
        blank = strchr(blank + 1, ' ');
    }
    if (blank == NULL) {
        return NULL;
    }
    *blank = '\0';
    return blank + 1;
}

static int add(struct cli *cli) {
    json_t *body = json_object();
    cli_rules_take_options(cli, body, false);
    char *text = join(cli);
    char *limit = split_limit(text);
    int status = limit == NULL
                     ? cli_usage(cli, "for whom, and how much? (user bob@example.com 500/day)")
                     : cli_no_more(cli);
    if (status == EXIT_DONE) {
        (void)json_object_set_new(body, "subject", json_string(text));
        (void)json_object_set_new(body, "limit", json_string(limit));
        json_t *answer = cli_ask(cli, "POST", path, json_incref(body), &status);
        if (answer != NULL && !cli_print_json(cli, answer)) {
            printf("quota %s: ", cli_text(answer, "id"));
            cli_print_text(cli_text(answer, "subject"));
            printf(": %s, from now on.\n", cli_text(answer, "limit"));
        }
        json_decref(answer);
    }
    free(text);
    json_decref(body);
    return status;
}

/* --- usage --------------------------------------------------------------------------------------
 */

/* "1.2 GiB" of bytes, the number of others. Result as cli_text(). */
static const char *amount(const json_t *item, const char *member) {
    return strcmp(cli_text(item, "unit"), "bytes") == 0
               ? cli_size(json_number_value(json_object_get(item, member)))
               : cli_text(item, member);
}

static void add_usage(struct cli_table *table, const json_t *item, const char *whose) {
    char what[64];
    char percent[32];
    char why[512];
    (void)snprintf(what, sizeof what, "%s/%s", cli_text(item, "unit"), cli_text(item, "window"));
    (void)snprintf(percent, sizeof percent, "%s %%", cli_text(item, "percent"));
    (void)snprintf(why, sizeof why, "quota:%s %s%s", cli_text(item, "rule"),
                   cli_text(item, "subject"),
                   json_is_true(json_object_get(item, "default")) ? " (default)" : "");
    const char *cells[] = {whose,
                           what,
                           amount(item, "used"),
                           amount(item, "reserved"),
                           amount(item, "limit"),
                           percent,
                           cli_local_time(cli_text(item, "resets")),
                           why};
    cli_table_add(table, cells);
}

static struct cli_table *usage_table(void) {
    static const struct cli_column columns[] = {{"OF", false},     {"UNIT/WINDOW", false},
                                                {"USED", true},    {"RESERVED", true},
                                                {"LIMIT", true},   {"", true},
                                                {"RESETS", false}, {"WHY THIS LIMIT", false}};
    return cli_table_new(columns, 8);
}

static int usage(struct cli *cli) {
    const char *client = cli_take_value(cli, "client");
    const char *sender = cli_take_word(cli);
    const struct cli_parameter parameters[] = {{"sender", sender}, {"client", client}};
    int status = sender == NULL && client == NULL
                     ? cli_usage(cli, "whose usage? (a SASL user or sender, --client ADDRESS)")
                     : cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    char *whole = cli_path("/v1/quotas/usage", parameters, 2);
    json_t *answer = cli_ask(cli, "GET", whole, NULL, &status);
    free(whole);
    if (answer == NULL || cli_print_json(cli, answer)) {
        json_decref(answer);
        return status;
    }
    struct cli_table *table = usage_table();
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(answer, "items"), i, item) {
        add_usage(table, item, cli_text(item, "scope"));
    }
    cli_table_print(table, "No limit applies: nothing is counted.");
    json_decref(answer);
    return EXIT_DONE;
}

static void add_near(void *context, const json_t *item) {
    add_usage(context, item, cli_text(item, "user"));
}

static int near(struct cli *cli) {
    const char *percent = cli_take_word(cli);
    const struct cli_parameter parameters[] = {{"near", percent}};
    long limit = 0;
    bool more = false;
    const bool limit_good = cli_take_limit(cli, &limit);
    int status = limit_good ? cli_no_more(cli) : cli_usage(cli, "--limit must be a number above 0");
    if (status != EXIT_DONE) {
        return status;
    }
    struct cli_table *table = usage_table();
    status = cli_each_item(cli, "/v1/quotas/users", parameters, 1, limit, add_near, table, &more);
    if (cli->json || status != EXIT_DONE) {
        cli_table_free(table);
        return status;
    }
    cli_table_print(table, "Nobody is near a limit.");
    if (more) {
        cli_hint("There are more: --limit N shows more.");
    }
    return EXIT_DONE;
}

static int reset(struct cli *cli) {
    static const char *const names[] = {"domain", "ip", "comment"};
    json_t *body = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = cli_take_value(cli, names[i]);
        if (value != NULL) {
            (void)json_object_set_new(body, names[i], json_string(value));
        }
    }
    if (cli_take_flag(cli, "global")) {
        (void)json_object_set_new(body, "global", json_true());
    }
    const char *sender = cli_take_word(cli);
    if (sender != NULL) {
        (void)json_object_set_new(body, "sender", json_string(sender));
    }
    const size_t named = json_object_size(body) - (json_object_get(body, "comment") != NULL);
    int status = named != 1 ? cli_usage(cli, "whose usage? (one of them)") : cli_no_more(cli);
    if (status != EXIT_DONE) {
        json_decref(body);
        return status;
    }
    json_t *answer = cli_ask(cli, "POST", "/v1/quotas/reset", body, &status);
    if (answer != NULL) {
        const bool done = json_is_true(json_object_get(answer, "reset"));
        if (!cli_print_json(cli, answer)) {
            puts(done ? "Reset: what was sent does not count any more."
                      : "Nothing has been counted there.");
        }
        status = done ? EXIT_DONE : EXIT_NO;
    }
    json_decref(answer);
    return status;
}

int command_quota(struct cli *cli) {
    static const struct {
        const char *verb;
        int (*run)(struct cli *cli);
    } verbs[] = {{"list", list}, {"add", add}, {"usage", usage}, {"near", near}, {"reset", reset}};
    const char *verb = cli_take_word(cli);
    if (verb == NULL) {
        return list(cli);
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verb, verbs[i].verb) == 0) {
            return verbs[i].run(cli);
        }
    }
    return strcmp(verb, "remove") == 0 ? cli_rules_remove_ids(cli, path, "quota")
                                       : cli_usage(cli, "there is no such verb");
}
