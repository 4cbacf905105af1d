/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_rules.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

enum { PATH_BYTES = 128, ALL = 100000, SHOWN_LINES = 3 };

/* --- finding ------------------------------------------------------------------------------------
 */

struct search {
    const struct cli_rules *rules;
    const char *name;
    json_t *found;
};

static void compare(void *context, const json_t *item) {
    struct search *search = context;
    if (search->found == NULL &&
        (strcasecmp(cli_text(item, search->rules->subject), search->name) == 0 ||
         strcmp(cli_text(item, "id"), search->name) == 0)) {
        search->found = json_incref((json_t *)(uintptr_t)item);
    }
}

json_t *cli_rules_find(struct cli *cli, const struct cli_rules *rules, const char *name,
                       int *ret_status) {
    struct search search = {rules, name, NULL};
    const bool is_id = name[strspn(name, "0123456789")] == '\0';
    const struct cli_parameter parameters[] = {{"contains", is_id ? NULL : name}};
    const bool json = cli->json;
    bool more = false;
    cli->json = false; /* What is looked for is not what is shown. */
    *ret_status = cli_each_item(cli, rules->path, parameters, 1, ALL, compare, &search, &more);
    cli->json = json;
    return search.found;
}

static int say_none(const struct cli_rules *rules, const char *name) {
    (void)fprintf(stderr, "seczim: there is no %s of %s; `seczim %s list` shows what there is\n",
                  rules->kind, name, rules->kind);
    return EXIT_NO;
}

/* --- showing ------------------------------------------------------------------------------------
 */

static void print_lines(const json_t *lines, const char *empty, const char *separator) {
    size_t i = 0;
    const json_t *line = NULL;
    if (json_array_size(lines) == 0) {
        printf("%s", empty);
    }
    json_array_foreach(lines, i, line) {
        printf("%s", i > 0 ? separator : "");
        cli_print_text(json_string_value(line));
    }
}

int cli_rules_show(struct cli *cli, const struct cli_rules *rules) {
    const char *name = cli_take_word(cli);
    int status = name == NULL ? cli_usage(cli, rules->ask_whom) : cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    json_t *rule = cli_rules_find(cli, rules, name, &status);
    if (status == EXIT_DONE && rule == NULL) {
        status = say_none(rules, name);
    } else if (status == EXIT_DONE && !cli_print_json(cli, rule)) {
        cli_print_field("Id", cli_text(rule, "id"));
        cli_print_field(rules->subject, cli_text(rule, rules->subject));
        printf("%s:\n  ", rules->lines);
        print_lines(json_object_get(rule, rules->lines),
                    rules->empty != NULL ? rules->empty : "none", "\n  ");
        (void)putchar('\n');
        cli_print_field("Refusal text", cli_text(rule, "text"));
        cli_print_field("Comment", cli_text(rule, "comment"));
        cli_print_field("Expires", cli_local_time(cli_text(rule, "expires")));
        cli_print_field("Last change", cli_local_time(cli_text(rule, "created")));
        cli_print_field("By", cli_text(rule, "author"));
    }
    json_decref(rule);
    return status;
}

struct list_context {
    struct cli_table *table;
    const struct cli_rules *rules;
};

/* The first lines, and how many more. */
static void shorten(const json_t *lines, const char *empty, char *out, size_t size) {
    size_t used = 0;
    size_t i = 0;
    const json_t *line = NULL;
    const size_t count = json_array_size(lines);
    (void)snprintf(out, size, "%s", count == 0 && empty != NULL ? empty : "");
    json_array_foreach(lines, i, line) {
        if (i == SHOWN_LINES || used >= size) {
            break;
        }
        const int added =
            snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "", json_string_value(line));
        used += added > 0 ? (size_t)added : 0;
    }
    if (count > SHOWN_LINES && used < size) {
        (void)snprintf(out + used, size - used, ", and %zu more", count - SHOWN_LINES);
    }
}

static void add_rule(void *context, const json_t *item) {
    const struct list_context *list = context;
    char lines[512];
    shorten(json_object_get(item, list->rules->lines), list->rules->empty, lines, sizeof lines);
    const char *cells[] = {cli_text(item, "id"),
                           cli_text(item, list->rules->subject),
                           lines,
                           cli_local_time(cli_text(item, "expires")),
                           cli_text(item, "author"),
                           cli_text(item, "comment")};
    cli_table_add(list->table, cells);
}

int cli_rules_list(struct cli *cli, const struct cli_rules *rules) {
    static const struct cli_column columns[] = {{"ID", true},      {"WHO", false},
                                                {"MAY", false},    {"EXPIRES", false},
                                                {"AUTHOR", false}, {"COMMENT", false}};
    const struct cli_parameter parameters[] = {{"contains", cli_take_value(cli, "contains")}};
    long limit = 0;
    bool more = false;
    const bool limit_good = cli_take_limit(cli, &limit);
    int status = limit_good ? cli_no_more(cli) : cli_usage(cli, "--limit must be a number above 0");
    if (status != EXIT_DONE) {
        return status;
    }
    struct list_context list = {cli_table_new(columns, 6), rules};
    status = cli_each_item(cli, rules->path, parameters, 1, limit, add_rule, &list, &more);
    if (cli->json || status != EXIT_DONE) {
        cli_table_free(list.table);
        return status;
    }
    cli_table_print(list.table, rules->when_none);
    if (more) {
        cli_hint("There are more: --limit N shows more, --contains TEXT fewer.");
    }
    return EXIT_DONE;
}

/* --- changing -----------------------------------------------------------------------------------
 */

void cli_rules_take_options(struct cli *cli, json_t *body, bool text) {
    const char *comment = cli_take_value(cli, "comment");
    const char *expires = cli_take_value(cli, "expires");
    const char *refusal = text ? cli_take_value(cli, "text") : NULL;
    if (comment != NULL) {
        (void)json_object_set_new(body, "comment", json_string(comment));
    }
    if (expires != NULL) {
        (void)json_object_set_new(body, "expires", cli_expiry(expires));
    }
    if (refusal != NULL) {
        (void)json_object_set_new(body, "text", json_string(refusal));
    }
}

int cli_rules_post(struct cli *cli, const struct cli_rules *rules, json_t *body) {
    int status = EXIT_DONE;
    json_t *answer = cli_ask(cli, "POST", rules->path, body, &status);
    if (answer != NULL && !cli_print_json(cli, answer)) {
        printf("%s %s: ", rules->kind, cli_text(answer, "id"));
        cli_print_text(cli_text(answer, rules->subject));
        printf(": ");
        print_lines(json_object_get(answer, rules->lines),
                    rules->empty != NULL ? rules->empty : "none", ", ");
        puts(", from now on.");
    }
    json_decref(answer);
    return status;
}

/* What a change leaves as it is, of the rule that stands there. */
static void keep_rest(json_t *body, const json_t *rule) {
    static const char *const members[] = {"text", "comment", "expires"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        json_t *value = json_object_get(rule, members[i]);
        if (json_is_string(value) && json_object_get(body, members[i]) == NULL) {
            (void)json_object_set(body, members[i], value);
        }
    }
}

/* EXIT_DONE, or why it must not be. */
static int unite(const struct cli_rules *rules, json_t *body, const json_t *rule) {
    json_t *lines = json_copy(json_object_get(rule, rules->lines));
    if (rules->empty != NULL && json_array_size(lines) == 0) {
        (void)fprintf(stderr,
                      "seczim: %s %s says: %s; `seczim %s set` replaces that, `seczim %s remove` "
                      "lifts it\n",
                      rules->kind, cli_text(rule, "id"), rules->empty, rules->kind, rules->kind);
        json_decref(lines);
        return EXIT_NO;
    }
    (void)json_array_extend(lines, json_object_get(body, rules->lines));
    (void)json_object_set_new(body, rules->lines, lines);
    keep_rest(body, rule);
    return EXIT_DONE;
}

int cli_rules_put(struct cli *cli, const struct cli_rules *rules, bool add) {
    json_t *body = json_object();
    json_t *lines = json_array();
    cli_rules_take_options(cli, body, rules->empty != NULL);
    const char *subject = cli_take_word(cli);
    for (const char *line = NULL; (line = cli_take_word(cli)) != NULL;) {
        (void)json_array_append_new(lines, json_string(line));
    }
    int status = subject == NULL               ? cli_usage(cli, rules->ask_whom)
                 : json_array_size(lines) == 0 ? cli_usage(cli, rules->ask_lines)
                                               : cli_no_more(cli);
    (void)json_object_set_new(body, rules->lines, lines);
    if (status == EXIT_DONE) {
        (void)json_object_set_new(body, rules->subject, json_string(subject));
        json_t *rule = add ? cli_rules_find(cli, rules, subject, &status) : NULL;
        if (status == EXIT_DONE && rule != NULL) {
            status = unite(rules, body, rule);
        }
        json_decref(rule);
    }
    if (status != EXIT_DONE) {
        json_decref(body);
        return status;
    }
    return cli_rules_post(cli, rules, body);
}

static int remove_id(struct cli *cli, const char *path, const char *kind, const char *id) {
    char whole[PATH_BYTES];
    int status = EXIT_DONE;
    (void)snprintf(whole, sizeof whole, "%s/%.32s", path, id);
    json_t *answer = cli_ask(cli, "DELETE", whole, NULL, &status);
    if (answer != NULL && !cli->json) {
        printf("%s %s is removed, from now on.\n", kind, id);
    }
    json_decref(answer);
    return status;
}

int cli_rules_remove_ids(struct cli *cli, const char *path, const char *kind) {
    int status = EXIT_DONE;
    const char *id = cli_take_word(cli);
    if (id == NULL) {
        return cli_usage(cli, "which id? (the first column of the listing)");
    }
    for (; id != NULL && status == EXIT_DONE; id = cli_take_word(cli)) {
        status = id[strspn(id, "0123456789")] == '\0'
                     ? remove_id(cli, path, kind, id)
                     : cli_usage(cli, "which id? (the first column of the listing)");
    }
    return status;
}

int cli_rules_remove(struct cli *cli, const struct cli_rules *rules) {
    int status = EXIT_DONE;
    const char *name = cli_take_word(cli);
    if (name == NULL) {
        return cli_usage(cli, rules->ask_whom);
    }
    for (; name != NULL && status == EXIT_DONE; name = cli_take_word(cli)) {
        json_t *rule = cli_rules_find(cli, rules, name, &status);
        if (status == EXIT_DONE) {
            status = rule == NULL ? say_none(rules, name)
                                  : remove_id(cli, rules->path, rules->kind, cli_text(rule, "id"));
        }
        json_decref(rule);
    }
    return status;
}
