/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/cli.h"

enum { PAGE = 500, PARAMETERS_MAX = 8, LIMIT_DEFAULT = 50 };

bool cli_take_limit(struct cli *cli, long *ret_limit) {
    const char *text = cli_take_value(cli, "limit");
    char *end = NULL;
    *ret_limit = text != NULL ? strtol(text, &end, 10) : LIMIT_DEFAULT;
    return text == NULL || (end != text && *end == '\0' && *ret_limit > 0);
}

/* One page; NULL at the end of the work: printed as JSON, or failed. */
static json_t *ask_page(struct cli *cli, const char *path, const struct cli_parameter *parameters,
                        size_t count, int *ret_status) {
    char *whole = cli_path(path, parameters, count);
    json_t *answer = cli_ask(cli, "GET", whole, NULL, ret_status);
    free(whole);
    if (answer != NULL && cli_print_json(cli, answer)) {
        json_decref(answer);
        answer = NULL;
    }
    return answer;
}

int cli_each_item(struct cli *cli, const char *path, const struct cli_parameter *parameters,
                  size_t count, long limit, cli_item *item, void *context, bool *ret_more) {
    struct cli_parameter all[PARAMETERS_MAX + 2];
    char limit_text[24];
    char cursor[128] = "";
    int status = EXIT_DONE;
    CHECK(count <= PARAMETERS_MAX);
    memcpy(all, parameters, count * sizeof *parameters);
    *ret_more = false;
    for (bool more = true; more && limit > 0;) {
        (void)snprintf(limit_text, sizeof limit_text, "%ld", limit < PAGE ? limit : (long)PAGE);
        all[count] = (struct cli_parameter){"limit", limit_text};
        all[count + 1] = (struct cli_parameter){"cursor", cursor[0] != '\0' ? cursor : NULL};
        json_t *answer = ask_page(cli, path, all, count + 2, &status);
        if (answer == NULL) {
            return status;
        }
        size_t i = 0;
        const json_t *one = NULL;
        json_array_foreach(json_object_get(answer, "items"), i, one) {
            item(context, one);
        }
        limit -= (long)i;
        (void)snprintf(cursor, sizeof cursor, "%s", cli_text(answer, "next"));
        more = cursor[0] != '\0';
        *ret_more = more;
        json_decref(answer);
    }
    return status;
}

int cli_print_items(struct cli *cli, const char *path, const struct cli_parameter *parameters,
                    size_t count, const struct cli_listing *listing) {
    long limit = 0;
    bool more = false;
    const bool limit_good = cli_take_limit(cli, &limit);
    int status = limit_good ? cli_no_more(cli) : cli_usage(cli, "--limit must be a number above 0");
    if (status != EXIT_DONE) {
        return status;
    }
    struct cli_table *table = cli_table_new(listing->columns, listing->column_count);
    status = cli_each_item(cli, path, parameters, count, limit, listing->add, table, &more);
    if (cli->json || status != EXIT_DONE) {
        cli_table_free(table);
        return status;
    }
    cli_table_print(table, listing->when_empty);
    if (more) {
        cli_hint("There are more: --limit N shows more.");
    }
    return EXIT_DONE;
}
