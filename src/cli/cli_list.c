/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/cli.h"

enum { IMPORT_BYTES_MAX = 64 * 1024 * 1024, PATH_BYTES = 128, PAGE = 500 };

static struct cli_table *entry_table(void) {
    static const struct cli_column columns[] = {
        {"ID", true},       {"LIST", false},      {"TYPE", false},
        {"PATTERN", false}, {"DIRECTION", false}, {"REQUIRES", false},
        {"EXPIRES", false}, {"AUTHOR", false},    {"COMMENT", false}};
    return cli_table_new(columns, 9);
}

static void add_entry(struct cli_table *table, const char *list, const json_t *entry) {
    const char *cells[] = {cli_text(entry, "id"),
                           list,
                           cli_text(entry, "type"),
                           cli_text(entry, "pattern"),
                           cli_text(entry, "direction"),
                           cli_text(entry, "require"),
                           cli_local_time(cli_text(entry, "expires")),
                           cli_text(entry, "author"),
                           cli_text(entry, "comment")};
    cli_table_add(table, cells);
}

/* One page. False when it failed; *ret_next is heap memory or NULL at the end. */
static bool list_page(struct cli *cli, const char *list, const char *contains, long limit,
                      const char *cursor, struct cli_table *table, long *ret_count, char **ret_next,
                      int *ret_status) {
    char base[PATH_BYTES];
    char limit_text[24];
    (void)snprintf(base, sizeof base, "/v1/lists/%s", list);
    (void)snprintf(limit_text, sizeof limit_text, "%ld", limit < PAGE ? limit : (long)PAGE);
    const struct cli_parameter parameters[] = {
        {"contains", contains}, {"limit", limit_text}, {"cursor", cursor}};
    char *path = cli_path(base, parameters, 3);
    json_t *answer = cli_ask(cli, "GET", path, NULL, ret_status);
    free(path);
    *ret_next = NULL;
    if (answer == NULL || cli_print_json(cli, answer)) {
        json_decref(answer);
        return false;
    }
    size_t i = 0;
    const json_t *entry = NULL;
    json_array_foreach(json_object_get(answer, "items"), i, entry) {
        add_entry(table, list, entry);
    }
    *ret_count = (long)i;
    const char *next = cli_text(answer, "next");
    if (next[0] != '\0') {
        *ret_next = strdup(next);
        CHECK(*ret_next != NULL);
    }
    json_decref(answer);
    return true;
}

static int collect(struct cli *cli, const char *list, const char *contains, long limit,
                   struct cli_table *table, bool *ret_more) {
    int status = EXIT_DONE;
    char *cursor = NULL;
    while (limit > 0) {
        long count = 0;
        char *next = NULL;
        const bool ok =
            list_page(cli, list, contains, limit, cursor, table, &count, &next, &status);
        free(cursor);
        cursor = next;
        limit -= count;
        if (!ok || cursor == NULL) {
            break;
        }
    }
    *ret_more = *ret_more || cursor != NULL;
    free(cursor);
    return status;
}

int cli_list_entries(struct cli *cli, const char *list) {
    const char *contains = cli_take_value(cli, "contains");
    const char *limit_text = cli_take_value(cli, "limit");
    const long limit = limit_text != NULL ? strtol(limit_text, NULL, 10) : 50;
    int status = limit <= 0 ? cli_usage(cli, "--limit must be a number above 0") : cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    struct cli_table *table = entry_table();
    bool more = false;
    if (list != NULL) {
        status = collect(cli, list, contains, limit, table, &more);
    } else {
        status = collect(cli, "allow", contains, limit, table, &more);
        status =
            status != EXIT_DONE ? status : collect(cli, "block", contains, limit, table, &more);
    }
    if (cli->json || status != EXIT_DONE) {
        cli_table_free(table);
        return status;
    }
    cli_table_print(table, "No entry.");
    if (more) {
        cli_hint("There are more: --limit N shows more, --contains TEXT fewer.");
    }
    return status;
}

json_t *cli_expiry(const char *value) {
    static const struct {
        const char *unit;
        long long seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
    char *unit = NULL;
    errno = 0;
    const long long count = strtoll(value, &unit, 10);
    for (size_t i = 0; unit != value && errno == 0 && i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(unit, units[i].unit) == 0 && count > 0 && count <= INT32_MAX) {
            return json_integer(count * units[i].seconds);
        }
    }
    return json_string(value);
}

int cli_list_add(struct cli *cli, const char *list) {
    static const char *const members[] = {"type", "direction", "require", "comment"};
    json_t *body = json_object();
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const char *value = cli_take_value(cli, members[i]);
        if (value != NULL) {
            (void)json_object_set_new(body, members[i], json_string(value));
        }
    }
    const char *expires = cli_take_value(cli, "expires");
    if (expires != NULL) {
        (void)json_object_set_new(body, "expires", cli_expiry(expires));
    }
    const char *pattern = cli_take_word(cli);
    int status = pattern == NULL ? cli_usage(cli, "which pattern?") : cli_no_more(cli);
    if (status != EXIT_DONE) {
        json_decref(body);
        return status;
    }
    (void)json_object_set_new(body, "pattern", json_string(pattern));
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/v1/lists/%s", list);
    json_t *answer = cli_ask(cli, "POST", path, body, &status);
    if (answer != NULL && !cli_print_json(cli, answer)) {
        printf("%s entry %s: %s ", list, cli_text(answer, "id"), cli_text(answer, "type"));
        cli_print_text(cli_text(answer, "pattern"));
        puts(", from now on.");
    }
    json_decref(answer);
    return status;
}

int cli_list_remove(struct cli *cli, const char *list) {
    int status = EXIT_DONE;
    const char *id = cli_take_word(cli);
    if (id == NULL) {
        return cli_usage(cli, "which id? (the first column of the listing)");
    }
    for (; id != NULL && status == EXIT_DONE; id = cli_take_word(cli)) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof path, "/v1/lists/%s/%.32s", list, id);
        json_t *answer = cli_ask(cli, "DELETE", path, NULL, &status);
        if (answer != NULL && !cli->json) {
            printf("Entry %s is removed, from now on.\n", id);
        }
        json_decref(answer);
    }
    return status;
}

static char *read_input(const char *path, size_t *ret_length) {
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL) {
        (void)fprintf(stderr, "seczim: cannot read %s: %s\n", path, strerror(errno));
        return NULL;
    }
    char *bytes = malloc(IMPORT_BYTES_MAX + 1);
    CHECK(bytes != NULL);
    *ret_length = fread(bytes, 1, IMPORT_BYTES_MAX + 1, file);
    const bool failed = ferror(file) != 0;
    if (file != stdin) {
        (void)fclose(file);
    }
    if (failed || *ret_length > IMPORT_BYTES_MAX) {
        (void)fprintf(stderr, "seczim: cannot read %s: %s\n", path,
                      failed ? strerror(errno) : "it is larger than 64 MiB; split it");
        free(bytes);
        return NULL;
    }
    return bytes;
}

static void print_import(const json_t *answer, bool dry_run) {
    printf("%s%s added, %s changed, %s there already, %s refused.\n",
           dry_run ? "Nothing is changed yet; it would be: " : "", cli_text(answer, "added"),
           cli_text(answer, "changed"), cli_text(answer, "unchanged"),
           cli_text(answer, "rejected_count"));
    size_t i = 0;
    const json_t *line = NULL;
    json_array_foreach(json_object_get(answer, "rejected"), i, line) {
        printf("line %s: ", cli_text(line, "line"));
        cli_print_text(cli_text(line, "text"));
        printf(": ");
        cli_print_text(cli_text(line, "problem"));
        (void)putchar('\n');
    }
}

int cli_list_import(struct cli *cli, const char *list, const char *default_format) {
    const char *format = cli_take_value(cli, "format");
    const bool dry_run = cli_take_flag(cli, "dry-run");
    const char *file = cli_take_word(cli);
    int status =
        file == NULL ? cli_usage(cli, "which file? (- is standard input)") : cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    size_t length = 0;
    char *bytes = read_input(file, &length);
    if (bytes == NULL) {
        return EXIT_NO;
    }
    char base[PATH_BYTES];
    (void)snprintf(base, sizeof base, "/v1/lists/%s/import", list);
    const struct cli_parameter parameters[] = {{"format", format != NULL ? format : default_format},
                                               {"dry_run", dry_run ? "true" : NULL}};
    char *path = cli_path(base, parameters, 2);
    json_t *answer = cli_ask_bytes(cli, "POST", path, bytes, length, &status);
    free(path);
    free(bytes);
    if (answer != NULL && !cli_print_json(cli, answer)) {
        print_import(answer, dry_run);
    }
    json_decref(answer);
    return status;
}

int cli_list_export(struct cli *cli, const char *list) {
    const char *format = cli_take_value(cli, "format");
    const int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    char base[PATH_BYTES];
    (void)snprintf(base, sizeof base, "/v1/lists/%s/export", list);
    const struct cli_parameter parameters[] = {{"format", format != NULL ? format : "csv"}};
    char *path = cli_path(base, parameters, 1);
    const int result = cli_copy(cli, path);
    free(path);
    return result;
}
