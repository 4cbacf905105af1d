/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "settings/settings.h"

enum { CONFIG_BYTES_MAX = 1024 * 1024 };

/* The file whole, or NULL after a message. The caller frees. */
static char *read_file(const char *path, size_t *ret_length) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)fprintf(stderr, "seczim: cannot read %s: %s\n", path, strerror(errno));
        return NULL;
    }
    char *bytes = malloc(CONFIG_BYTES_MAX + 1);
    *ret_length = bytes != NULL ? fread(bytes, 1, CONFIG_BYTES_MAX + 1, file) : 0;
    const bool failed = bytes == NULL || ferror(file) != 0 || *ret_length > CONFIG_BYTES_MAX;
    (void)fclose(file);
    if (failed) {
        (void)fprintf(stderr, "seczim: cannot read %s: it must be a file of at most %d bytes\n",
                      path, CONFIG_BYTES_MAX);
        free(bytes);
        return NULL;
    }
    return bytes;
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static int check_yaml(const char *path, struct str yaml) {
    struct settings_builder *builder = settings_builder_new();
    struct setting_problem problem = {0};
    struct settings *settings = NULL;
    if (settings_builder_read_yaml(builder, yaml, &problem)) {
        settings = settings_builder_finish(builder, 0, &problem);
    }
    settings_builder_free(builder);
    if (settings == NULL) {
        if (problem.line > 0) {
            (void)fprintf(stderr, "%s:%u: %s\n", file_name(path), problem.line, problem.text);
        } else {
            (void)fprintf(stderr, "%s: %s\n", file_name(path), problem.text);
        }
        return EXIT_NO;
    }
    char bytes[512];
    struct text warning = TEXT_OVER(bytes);
    for (size_t i = 0; settings_warning(settings, i, &warning); i++) {
        (void)fprintf(stderr, "%s: %.*s\n", file_name(path), STR_ARGS(text_str(&warning)));
        warning = TEXT_OVER(bytes);
    }
    settings_free(settings);
    printf("%s is right.\n", path);
    return EXIT_DONE;
}

int command_check_config(struct cli *cli) {
    const char *given = cli_take_word(cli);
    const int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    const char *path = given != NULL ? given : cli->config;
    size_t length = 0;
    char *bytes = read_file(path, &length);
    if (bytes == NULL) {
        return EXIT_NO;
    }
    const int result = check_yaml(path, (struct str){bytes, length});
    free(bytes);
    return result;
}

static int print_settings(struct cli *cli, const char *part) {
    static const struct cli_column columns[] = {
        {"SETTING", false}, {"VALUE", false}, {"FROM", false}, {"CHANGES", false}};
    int status = EXIT_DONE;
    json_t *answer = cli_ask(cli, "GET", "/v1/settings", NULL, &status);
    if (answer == NULL || cli_print_json(cli, answer)) {
        json_decref(answer);
        return status;
    }
    struct cli_table *table = cli_table_new(columns, 4);
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(answer, "items"), i, item) {
        const char *key = cli_text(item, "key");
        if (part != NULL && strstr(key, part) == NULL) {
            continue;
        }
        const char *cells[] = {key, cli_text(item, "value"), cli_text(item, "origin"),
                               json_is_true(json_object_get(item, "pending"))
                                   ? "needs a restart"
                                   : cli_text(item, "applies")};
        cli_table_add(table, cells);
    }
    cli_table_print(table, "No setting has that in its name.");
    json_decref(answer);
    return EXIT_DONE;
}

static json_t *ask_setting(struct cli *cli, const char *key, int *ret_status) {
    char path[128];
    (void)snprintf(path, sizeof path, "/v1/settings/%.80s", key);
    return cli_ask(cli, "GET", path, NULL, ret_status);
}

static int get_setting(struct cli *cli, const char *key) {
    int status = EXIT_DONE;
    json_t *item = ask_setting(cli, key, &status);
    if (item != NULL && !cli_print_json(cli, item)) {
        cli_print_text(cli_text(item, "value"));
        (void)putchar('\n');
    }
    json_decref(item);
    return status;
}

/* What the table alone knows, so that it can be read without the daemon. */
static void explain_from_table(const struct setting_info *info) {
    cli_print_field("Setting", info->key);
    cli_print_field("What", info->help);
    cli_print_field("Type", setting_type_name(info->type));
    cli_print_field("Choices", info->choices);
    cli_print_field("Default", info->fallback);
    cli_print_field("A change", setting_apply_name(info->apply));
}

static int explain_setting(struct cli *cli, const char *key) {
    const struct setting_info *info = setting_find(str_from(key));
    if (info == NULL) {
        const char *nearest = setting_nearest(str_from(key));
        (void)fprintf(stderr, "seczim: there is no setting \"%s\"%s%s%s\n", key,
                      nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                      nearest != NULL ? "?" : "; `seczim setting list` has them all");
        return EXIT_NO;
    }
    if (!cli->json) {
        explain_from_table(info);
    }
    int status = EXIT_DONE;
    json_t *item = ask_setting(cli, key, &status);
    if (item != NULL && !cli_print_json(cli, item)) {
        const char *least = cli_text(item, "min");
        if (least[0] != '\0') {
            printf("%-16s %s to %s %s\n", "Allowed", least, cli_text(item, "max"),
                   cli_text(item, "unit"));
        }
        cli_print_field("Value now", cli_text(item, "value"));
        cli_print_field("It comes from", cli_text(item, "origin"));
    }
    json_decref(item);
    return status;
}

/* "-" as the value of a secret: the first line of standard input, so that the secret stands in no
 * list of processes and in no history of a shell. */
static json_t *value_given(const char *key, const char *value) {
    const struct setting_info *info = setting_find(str_from(key));
    char line[1024];
    if (info == NULL || !setting_is_secret(info) || strcmp(value, "-") != 0) {
        return json_string(value);
    }
    if (fgets(line, sizeof line, stdin) == NULL) {
        line[0] = '\0';
    }
    line[strcspn(line, "\r\n")] = '\0';
    return json_string(line);
}

/* KEY VALUE ... or, with `reset`, KEY ... */
static int change_settings(struct cli *cli, bool reset) {
    json_t *body = json_object();
    const char *key = NULL;
    while ((key = cli_take_word(cli)) != NULL) {
        const char *value = reset ? NULL : cli_take_word(cli);
        if (!reset && value == NULL) {
            json_decref(body);
            return cli_usage(cli, "each KEY needs a VALUE");
        }
        (void)json_object_set_new(body, key, reset ? json_null() : value_given(key, value));
    }
    int status = cli_no_more(cli);
    if (status != EXIT_DONE || json_object_size(body) == 0) {
        json_decref(body);
        return status != EXIT_DONE ? status : cli_usage(cli, "which setting?");
    }
    return cli_put_settings(cli, body);
}

int command_setting(struct cli *cli) {
    const char *verb = cli_take_word(cli);
    if (verb == NULL || strcmp(verb, "list") == 0) {
        const char *part = cli_take_word(cli);
        const int status = cli_no_more(cli);
        return status != EXIT_DONE ? status : print_settings(cli, part);
    }
    if (strcmp(verb, "set") == 0 || strcmp(verb, "reset") == 0) {
        return change_settings(cli, strcmp(verb, "reset") == 0);
    }
    const char *key = cli_take_word(cli);
    if (key == NULL || (strcmp(verb, "get") != 0 && strcmp(verb, "explain") != 0)) {
        return cli_usage(cli, "what shall be done with which setting?");
    }
    const int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    return strcmp(verb, "get") == 0 ? get_setting(cli, key) : explain_setting(cli, key);
}

static int print_policies(struct cli *cli) {
    static const struct cli_column columns[] = {
        {"POLICY", false},  {"PRIORITY", true},    {"ENABLED", false}, {"MODE", false},
        {"RUNS ON", false}, {"ON ERROR", false},   {"ACCEPTED", true}, {"DEFERRED", true},
        {"REJECTED", true}, {"SHADOW WOULD", true}};
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    json_t *answer = cli_ask(cli, "GET", "/v1/policies", NULL, &status);
    if (answer == NULL || cli_print_json(cli, answer)) {
        json_decref(answer);
        return status;
    }
    struct cli_table *table = cli_table_new(columns, 10);
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(answer, "items"), i, item) {
        char shadow[32];
        const json_t *counts = json_object_get(item, "counts");
        (void)snprintf(shadow, sizeof shadow, "%lld",
                       (long long)(json_integer_value(json_object_get(counts, "shadow_defer")) +
                                   json_integer_value(json_object_get(counts, "shadow_reject"))));
        const char *cells[] = {cli_text(item, "name"),     cli_text(item, "priority"),
                               cli_text(item, "enabled"),  cli_text(item, "mode"),
                               cli_text(item, "runs_on"),  cli_text(item, "on_error"),
                               cli_text(counts, "accept"), cli_text(counts, "defer"),
                               cli_text(counts, "reject"), shadow};
        cli_table_add(table, cells);
    }
    cli_table_print(table, "There are no policies.");
    json_decref(answer);
    return EXIT_DONE;
}

static int change_policy(struct cli *cli, json_t *body) {
    const char *name = cli_take_word(cli);
    const char *priority = cli_take_value(cli, "priority");
    const char *on_error = cli_take_value(cli, "on-error");
    if (priority != NULL) {
        (void)json_object_set_new(body, "priority", json_integer(strtol(priority, NULL, 10)));
    }
    if (on_error != NULL) {
        (void)json_object_set_new(body, "on_error", json_string(on_error));
    }
    int status = name == NULL                  ? cli_usage(cli, "which policy?")
                 : json_object_size(body) == 0 ? cli_usage(cli, "what shall be changed?")
                                               : cli_no_more(cli);
    if (status != EXIT_DONE) {
        json_decref(body);
        return status;
    }
    char path[128];
    (void)snprintf(path, sizeof path, "/v1/policies/%.80s", name);
    json_t *answer = cli_ask(cli, "PUT", path, body, &status);
    if (answer != NULL && !cli_print_json(cli, answer)) {
        printf("%s: %s, priority %s, mode %s, from now on.\n", cli_text(answer, "name"),
               json_is_true(json_object_get(answer, "enabled")) ? "enabled" : "disabled",
               cli_text(answer, "priority"), cli_text(answer, "mode"));
    }
    json_decref(answer);
    return status;
}

int command_policy(struct cli *cli) {
    const char *verb = cli_take_word(cli);
    if (verb == NULL || strcmp(verb, "list") == 0) {
        return print_policies(cli);
    }
    json_t *body = json_object();
    if (strcmp(verb, "enable") == 0 || strcmp(verb, "disable") == 0) {
        (void)json_object_set_new(body, "enabled", json_boolean(strcmp(verb, "enable") == 0));
    } else if (strcmp(verb, "enforce") == 0 || strcmp(verb, "shadow") == 0) {
        (void)json_object_set_new(body, "mode", json_string(verb));
    } else if (strcmp(verb, "set") != 0) {
        json_decref(body);
        return cli_usage(cli, "there is no such verb");
    }
    return change_policy(cli, body);
}
