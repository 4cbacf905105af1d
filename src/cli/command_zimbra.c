/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "cli/cli.h"
#include "hook/zimbra_hook.h"

enum { SECONDS_DEFAULT = 60, SECONDS_MAX = 3600 };

static const char *const level_names[] = {
    [ZIMBRA_FINE] = "fine",
    [ZIMBRA_NOTE] = "note",
    [ZIMBRA_PROBLEM] = "problem",
    [ZIMBRA_UNCLEAR] = "unclear",
};

static json_t *report_json(const char *verb, const struct zimbra_report *report, int result) {
    json_t *rows = json_array();
    for (size_t i = 0; i < report->count; i++) {
        const struct zimbra_row *row = &report->rows[i];
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s+}", "level", level_names[row->level],
                                              "code", row->code, "text", row->text, ""));
    }
    return json_pack("{s:s, s:i, s:o}", "command", verb, "exit", result, "findings", rows);
}

static void print_report(const struct zimbra_report *report) {
    static const char *const starts[] = {
        [ZIMBRA_FINE] = "  ",
        [ZIMBRA_NOTE] = "note: ",
        [ZIMBRA_PROBLEM] = "PROBLEM: ",
        [ZIMBRA_UNCLEAR] = "CANNOT TELL: ",
    };
    for (size_t i = 0; i < report->count; i++) {
        printf("%s", starts[report->rows[i].level]);
        cli_print_text(report->rows[i].text);
        printf("\n");
    }
    if (report->lost > 0) {
        printf("and %zu more\n", report->lost);
    }
}

static bool read_options(struct cli *cli, struct zimbra_options *options,
                         const char **ret_problem) {
    const char *root = cli_take_value(cli, "zimbra-root");
    const char *user = cli_take_value(cli, "zimbra-user");
    const char *folder = cli_take_value(cli, "state-folder");
    const char *endpoint = cli_take_value(cli, "endpoint");
    const char *seconds = cli_take_value(cli, "timeout");
    uint64_t value = SECONDS_DEFAULT;
    *options = (struct zimbra_options){
        .root = root != NULL ? root : "/opt/zimbra",
        .user = user != NULL ? user : "zimbra",
        .state_folder = folder != NULL ? folder : "/var/lib/seczim-hook",
        .endpoint = endpoint,
        .by_ldap = cli_take_flag(cli, "by-ldap"),
        .no_probe = cli_take_flag(cli, "no-probe"),
        .if_lost = cli_take_flag(cli, "if-lost"),
        .dry_run = cli_take_flag(cli, "dry-run"),
    };
    if (seconds != NULL && (!str_parse_u64(str_from(seconds), SECONDS_MAX, &value) || value == 0)) {
        *ret_problem = "--timeout takes seconds, 1 to 3600";
        return false;
    }
    options->seconds_max = (unsigned)value;
    return true;
}

int command_zimbra(struct cli *cli) {
    static const struct {
        const char *verb;
        int (*run)(const struct zimbra_options *options, struct zimbra_report *report);
    } verbs[] = {{"check", zimbra_check}, {"enable", zimbra_enable}, {"disable", zimbra_disable}};
    struct zimbra_options options;
    const char *problem = "one of check, enable and disable is needed";
    const char *verb = cli_take_word(cli);
    for (size_t i = 0; verb != NULL && i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verb, verbs[i].verb) != 0) {
            continue;
        }
        if (!read_options(cli, &options, &problem)) {
            return cli_usage(cli, problem);
        }
        if (cli_no_more(cli) != EXIT_DONE) {
            return EXIT_USAGE;
        }
        struct zimbra_report *report = calloc(1, sizeof *report);
        CHECK(report != NULL);
        const int result = verbs[i].run(&options, report);
        json_t *answer = report_json(verb, report, result);
        if (!cli_print_json(cli, answer)) {
            print_report(report);
        }
        json_decref(answer);
        free(report);
        return result;
    }
    return cli_usage(cli, problem);
}
