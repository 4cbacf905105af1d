/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "hook/hook_run.h"
#include "settings/settings.h"

enum {
    ENDPOINT_MAX = 200,
    ENDPOINTS_MAX = 2 * LISTENERS_MAX + 3,
    CONFIG_BYTES_MAX = SETTINGS_FILE_MAX,
    EXIT_FINDINGS = 1,
    EXIT_CANNOT_TELL = 2,
};

struct endpoints {
    char texts[ENDPOINTS_MAX][ENDPOINT_MAX];
    struct str list[ENDPOINTS_MAX];
    size_t count;
};

static void add_endpoint(struct endpoints *endpoints, struct str prefix, struct str rest) {
    if (endpoints->count == ENDPOINTS_MAX) {
        return;
    }
    struct text out = TEXT_OVER(endpoints->texts[endpoints->count]);
    text_add(&out, prefix);
    text_add(&out, rest);
    if (!out.truncated) {
        endpoints->list[endpoints->count++] = text_str(&out);
    }
}

/* "127.0.0.1:10035" as Postfix writes it; an address for every interface is asked on this host. */
static void add_listener(struct endpoints *endpoints, struct str listen, struct str queue) {
    const struct str any[] = {STR("0.0.0.0:"), STR("[::]:"), STR("*:")};
    if (!str_starts(listen, STR("unix:"))) {
        struct str prefix = STR("inet:");
        for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) {
            if (str_starts(listen, any[i])) {
                prefix = STR("inet:127.0.0.1:");
                listen = str_slice(listen, any[i].length, listen.length);
            }
        }
        add_endpoint(endpoints, prefix, listen);
        return;
    }
    /* A chrooted smtpd finds only what lies below the queue directory, by its path from there. */
    const struct str path = str_slice(listen, 5, listen.length);
    if (queue.length > 0 && str_starts(path, queue) && path.length > queue.length &&
        path.data[queue.length] == '/') {
        add_endpoint(endpoints, STR("unix:"), str_slice(path, queue.length + 1, path.length));
    }
    add_endpoint(endpoints, STR("unix:"), path);
}

/* 0 with heap memory, or an errno. */
static int load_yaml(const char *path, char **ret_bytes, size_t *ret_length) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return errno;
    }
    char *bytes = malloc(CONFIG_BYTES_MAX);
    CHECK(bytes != NULL);
    errno = 0;
    *ret_length = fread(bytes, 1, CONFIG_BYTES_MAX, file);
    const int error = ferror(file) != 0 ? (errno != 0 ? errno : EIO) : 0;
    (void)fclose(file);
    if (error != 0) {
        free(bytes);
        return error;
    }
    *ret_bytes = bytes;
    return 0;
}

/* Settings of seczim.yaml; the defaults where the file is not there and nobody named one. NULL
 * after a message. */
static struct settings *load_settings(const struct cli *cli) {
    size_t length = 0;
    char *bytes = NULL;
    const int error = load_yaml(cli->config, &bytes, &length);
    const bool by_default = error == ENOENT && strcmp(cli->config, CLI_DEFAULT_CONFIG) == 0;
    if (error != 0 && !by_default) {
        (void)fprintf(
            stderr,
            "seczim postfix: %s cannot be read: %s; the address of the hook stands there, "
            "so nothing was looked at or changed (--config PATH names another file)\n",
            cli->config, strerror(error));
        return NULL;
    }
    struct settings_builder *builder = settings_builder_new();
    struct setting_problem problem = {0};
    struct settings *settings = NULL;
    if (by_default || settings_builder_read_yaml(builder, (struct str){bytes, length}, &problem)) {
        settings = settings_builder_finish(builder, 0, &problem);
    }
    settings_builder_free(builder);
    free(bytes);
    if (settings == NULL) {
        (void)fprintf(stderr, "seczim postfix: %s:%u: %s\n", cli->config, problem.line,
                      problem.text);
    }
    return settings;
}

static bool is_endpoint(const char *text) {
    const struct str endpoint = str_from(text);
    const bool inet = str_starts(endpoint, STR("inet:")) && endpoint.length > 5;
    const bool path = str_starts(endpoint, STR("unix:")) && endpoint.length > 5;
    return (inet || path) && endpoint.length < ENDPOINT_MAX && strpbrk(text, " \t\r\n,{}$") == NULL;
}

/* What the running daemon goes by, which may have been set while it runs; else what the file says.
 */
static uint64_t find_timeout(const struct cli *cli, const struct settings *settings) {
    json_t *item = cli_ask_quietly(cli, "/v1/settings/policy_server.hook_timeout");
    const double seconds = json_number_value(json_object_get(item, "value"));
    json_decref(item);
    return seconds >= 1 ? (uint64_t)seconds
                        : (uint64_t)(settings->policy_server.hook_timeout_ns / NS_PER_S);
}

static int find_endpoints(struct cli *cli, const char *given, struct hook_run *run,
                          struct endpoints *endpoints) {
    struct settings *settings = load_settings(cli);
    if (settings == NULL) {
        return EXIT_NO;
    }
    char room[POSTFIX_PROBLEM_MAX];
    struct postfix_config config = {0};
    struct str queue = {0};
    if (postfix_config_load(&run->programs, run->folder, &config, room) == NULL) {
        (void)postfix_value(config.main_used, STR("queue_directory"), &queue);
    }
    if (given != NULL) {
        add_endpoint(endpoints, STR(""), str_from(given));
    }
    for (size_t i = 0; i < settings->policy_server.listen_count; i++) {
        add_listener(endpoints, settings->policy_server.listen[i], queue);
    }
    char earlier[ENDPOINT_MAX];
    if (hook_store_load_endpoint(run->folder, earlier, sizeof earlier)) {
        add_endpoint(endpoints, STR(""), str_from(earlier));
    }
    add_endpoint(endpoints, STR(""), STR("inet:127.0.0.1:10035"));
    run->identity = (struct hook_identity){
        .endpoints = endpoints->list,
        .endpoint_count = endpoints->count,
        .endpoint = endpoints->list[0],
        .exact = given != NULL,
        .timeout_s = find_timeout(cli, settings),
    };
    postfix_config_done(&config);
    settings_free(settings);
    return EXIT_DONE;
}

/* Printing ------------------------------------------------------------------------------------ */

static json_t *outcome_json(const struct hook_run *run, const struct hook_outcome *outcome,
                            const char *problem) {
    json_t *findings = json_array();
    for (size_t i = 0; i < outcome->report.count; i++) {
        const struct hook_finding *finding = &outcome->report.findings[i];
        json_array_append_new(findings,
                              json_pack("{s:s, s:s, s:s, s:s}", "level",
                                        hook_level_name(finding->level), "place", finding->place,
                                        "problem", finding->problem, "remedy", finding->remedy));
    }
    return json_pack("{s:s, s:s%, s:b, s:b, s:b, s:s, s:s?, s:s?, s:o}", "folder", run->folder,
                     "endpoint", run->identity.endpoint.data, run->identity.endpoint.length,
                     "changed", outcome->changed, "reloaded", outcome->reloaded, "dry_run",
                     run->dry_run, "recovered", outcome->recovered, "diff", outcome->diff,
                     "refused", problem, "findings", findings);
}

static void print_findings(const struct hook_report *report) {
    for (size_t i = 0; i < report->count; i++) {
        const struct hook_finding *finding = &report->findings[i];
        printf("%-8s ", hook_level_name(finding->level));
        cli_print_text(finding->place);
        printf("\n         ");
        cli_print_text(finding->problem);
        if (finding->remedy[0] != '\0') {
            printf("\n         -> ");
            cli_print_text(finding->remedy);
        }
        (void)putchar('\n');
    }
    if (report->left_out > 0) {
        printf("and %zu more\n", report->left_out);
    }
}

static void print_lines(const char *text) {
    const char *line = text;
    while (*line != '\0') {
        const size_t length = strcspn(line, "\n");
        char *copy = strndup(line, length);
        CHECK(copy != NULL);
        cli_print_text(copy);
        (void)putchar('\n');
        free(copy);
        line += length + (line[length] == '\n' ? 1 : 0);
    }
}

static int print_check(const struct cli *cli, const struct hook_run *run,
                       const struct hook_outcome *outcome, const char *problem) {
    const bool found = hook_report_level(&outcome->report) > HOOK_NOTE;
    json_t *answer = outcome_json(run, outcome, problem);
    if (cli_print_json(cli, answer)) {
    } else if (problem != NULL) {
        (void)fprintf(stderr, "seczim postfix check: %s\n", problem);
    } else {
        print_findings(&outcome->report);
        if (!found) {
            printf("%s is right: every mail service asks SecZim, and none is an open relay.\n",
                   run->folder);
        }
    }
    json_decref(answer);
    return problem != NULL ? EXIT_CANNOT_TELL : found ? EXIT_FINDINGS : EXIT_DONE;
}

static void print_changed(const struct hook_run *run, const struct hook_outcome *outcome,
                          bool enable) {
    if (run->dry_run && outcome->diff != NULL) {
        print_lines(outcome->diff);
        puts("Nothing was changed (--dry-run).");
    } else if (!outcome->changed) {
        printf(enable ? "The hook is in place already; nothing was changed in %s.\n"
                      : "There is no hook in %s; nothing was changed.\n",
               run->folder);
    } else {
        printf(enable ? "The hook is in place in %s; what was there before is kept in "
                        "%s/seczim-hook.\n"
                      : "The hook is out of %s.\n",
               run->folder, run->folder);
        puts(outcome->reloaded ? "Postfix was reloaded."
                               : "Postfix was not reloaded: not running, or not wanted.");
    }
}

static int print_change(const struct cli *cli, const struct hook_run *run,
                        const struct hook_outcome *outcome, const char *problem, bool enable) {
    json_t *answer = outcome_json(run, outcome, problem);
    if (!cli_print_json(cli, answer)) {
        if (outcome->recovered[0] != '\0') {
            puts(outcome->recovered);
        }
        print_findings(&outcome->report);
        if (problem != NULL) {
            (void)fflush(stdout);
            (void)fprintf(stderr, "seczim postfix %s: %s\n", enable ? "enable" : "disable",
                          problem);
        } else {
            print_changed(run, outcome, enable);
        }
    }
    json_decref(answer);
    return problem != NULL ? EXIT_NO : EXIT_DONE;
}

/* Command ------------------------------------------------------------------------------------- */

static int run_verb(const struct cli *cli, const struct hook_run *run, const char *verb) {
    char room[POSTFIX_PROBLEM_MAX];
    struct hook_outcome outcome;
    int status = EXIT_DONE;
    if (strcmp(verb, "check") == 0) {
        const char *problem = hook_run_check(run, &outcome, room);
        status = print_check(cli, run, &outcome, problem);
    } else {
        const bool enable = strcmp(verb, "enable") == 0;
        const char *problem =
            enable ? hook_run_enable(run, &outcome, room) : hook_run_disable(run, &outcome, room);
        status = print_change(cli, run, &outcome, problem, enable);
    }
    hook_outcome_done(&outcome);
    return status;
}

int command_postfix(struct cli *cli) {
    static struct endpoints endpoints;
    struct hook_run run = {0};
    char room[POSTFIX_PROBLEM_MAX];
    const char *folder = cli_take_value(cli, "config-directory");
    const char *postconf = cli_take_value(cli, "postconf");
    const char *endpoint = cli_take_value(cli, "endpoint");
    run.dry_run = cli_take_flag(cli, "dry-run");
    run.reload = !cli_take_flag(cli, "no-reload");
    const char *verb = cli_take_word(cli);
    if (verb == NULL || (strcmp(verb, "check") != 0 && strcmp(verb, "enable") != 0 &&
                         strcmp(verb, "disable") != 0)) {
        return cli_usage(cli, "check, enable or disable?");
    }
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    if (endpoint != NULL && !is_endpoint(endpoint)) {
        return cli_usage(cli, "--endpoint is inet:HOST:PORT or unix:PATH");
    }
    const char *problem = postfix_programs_find(postconf, &run.programs, room);
    if (problem == NULL && folder == NULL) {
        problem = postfix_folder_find(&run.programs, run.folder, sizeof run.folder, room);
    } else if (problem == NULL && (folder[0] != '/' || strlen(folder) >= sizeof run.folder)) {
        return cli_usage(cli, "--config-directory must be an absolute path");
    }
    if (problem != NULL) {
        (void)fprintf(stderr, "seczim postfix: %s\n", problem);
        return strcmp(verb, "check") == 0 ? EXIT_CANNOT_TELL : EXIT_NO;
    }
    if (folder != NULL) {
        (void)snprintf(run.folder, sizeof run.folder, "%s", folder);
    }
    status = find_endpoints(cli, endpoint, &run, &endpoints);
    if (status != EXIT_DONE) {
        return strcmp(verb, "check") == 0 ? EXIT_CANNOT_TELL : status;
    }
    return run_verb(cli, &run, verb);
}
