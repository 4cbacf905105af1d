/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static double number(const json_t *object, const char *member) {
    return json_number_value(json_object_get(object, member));
}

static void print_alerts(const json_t *answer) {
    size_t i = 0;
    const json_t *alert = NULL;
    json_array_foreach(json_object_get(answer, "alerts"), i, alert) {
        printf("%-16s ", i == 0 ? "Alerts" : "");
        cli_print_text(cli_text(alert, "severity"));
        printf(": ");
        cli_print_text(cli_text(alert, "text"));
        (void)putchar('\n');
    }
    if (i == 0) {
        cli_print_field("Alerts", "none");
    }
}

static void print_requests(const json_t *answer) {
    const json_t *requests = json_object_get(answer, "requests");
    printf("%-16s %s: %s accepted, %s deferred, %s rejected", "Decisions",
           cli_text(requests, "total"), cli_text(requests, "accepted"),
           cli_text(requests, "deferred"), cli_text(requests, "rejected"));
    const char *rate = cli_text(answer, "acceptance_rate");
    printf(rate[0] != '\0' ? " (%s %% accepted)\n" : "%s\n", rate);
    printf("%-16s %s malformed, %s past their deadline, %s not journaled\n", "Troubles",
           cli_text(requests, "malformed"), cli_text(requests, "deadline"),
           cli_text(requests, "unjournaled"));
}

static void print_tables(const json_t *answer) {
    const char *name = NULL;
    json_t *table = NULL;
    json_object_foreach(json_object_get(answer, "tables"), name, table) {
        printf("%-16s %s: %s of %s entries, %.0f MiB, %s evicted early\n", "Table", name,
               cli_text(table, "entries"), cli_text(table, "capacity"),
               number(table, "bytes") / (1024.0 * 1024.0), cli_text(table, "evicted"));
    }
    json_t *count = NULL;
    json_object_foreach(json_object_get(answer, "lists"), name, count) {
        printf("%-16s %s: %lld entries\n", "List", name, (long long)json_integer_value(count));
    }
}

int command_status(struct cli *cli) {
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    json_t *answer = cli_ask(cli, "GET", "/v1/status", NULL, &status);
    if (answer == NULL || cli_print_json(cli, answer)) {
        json_decref(answer);
        return status;
    }
    printf("%-16s seczim-daemon %s, process %s, up %s\n", "Running", cli_text(answer, "version"),
           cli_text(answer, "pid"), cli_duration(number(answer, "uptime")));
    cli_print_field("Listens on", cli_text(answer, "listen"));
    printf("%-16s %s, of them %s idle; %s worker(s)\n", "Connections",
           cli_text(answer, "connections"), cli_text(answer, "idle_connections"),
           cli_text(answer, "workers"));
    print_requests(answer);
    printf("%-16s %s, %s segments, %.1f MiB; synced to %s of %s\n", "Journal",
           cli_text(answer, "journal.durability"), cli_text(answer, "journal.segments"),
           number(json_object_get(answer, "journal"), "segment_bytes_total") / (1024.0 * 1024.0),
           cli_text(answer, "journal.synced_sequence"), cli_text(answer, "journal.next_sequence"));
    print_tables(answer);
    cli_print_field("To be restarted", cli_text(answer, "settings.pending_restart"));
    print_alerts(answer);
    json_decref(answer);
    return EXIT_DONE;
}

int command_version(struct cli *cli) {
    const int status = cli_no_more(cli);
    if (status == EXIT_DONE) {
        puts("seczim " SECZIM_VERSION);
    }
    return status;
}

static int simple_post(struct cli *cli, const char *path, const char *done) {
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    json_t *answer = cli_ask(cli, "POST", path, NULL, &status);
    if (answer != NULL && !cli_print_json(cli, answer)) {
        puts(done);
    }
    json_decref(answer);
    return status;
}

int command_reload(struct cli *cli) {
    return simple_post(cli, "/v1/reload", "seczim.yaml is read and the log is opened anew.");
}

int command_restart(struct cli *cli) {
    return simple_post(cli, "/v1/restart",
                       "The daemon restarts in place; `seczim status` shows the new process.");
}

int command_clock(struct cli *cli) {
    const char *verb = cli_take_word(cli);
    const bool accept = verb != NULL && strcmp(verb, "accept") == 0;
    if (verb != NULL && !accept) {
        return cli_usage(cli, "the only verb is `accept`");
    }
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    json_t *answer = cli_ask(cli, accept ? "POST" : "GET",
                             accept ? "/v1/clock/accept" : "/v1/clock", NULL, &status);
    if (answer == NULL || cli_print_json(cli, answer)) {
        json_decref(answer);
        return status;
    }
    cli_print_field("Decision time", cli_local_time(cli_text(answer, "decision_time")));
    if (accept) {
        const double still = number(answer, "stands_still_s");
        if (still > 0) {
            printf("It never goes back: it stands still for %s until the system's clock has caught "
                   "up.\n",
                   cli_duration(still));
        }
    } else {
        cli_print_field("System's clock", cli_local_time(cli_text(answer, "wall_time")));
        printf("%-16s %.3f s\n", "Difference", number(answer, "offset_ms") / 1000.0);
        if (json_is_true(json_object_get(answer, "stepped")) ||
            json_is_true(json_object_get(answer, "gap"))) {
            puts("The system's clock has jumped and is not followed. If it is right now: seczim "
                 "clock accept");
        }
    }
    json_decref(answer);
    return EXIT_DONE;
}

int command_stats(struct cli *cli) {
    static const struct cli_column columns[] = {
        {"VERDICT", false},   {"POLICY", false}, {"REASON", false},
        {"DIRECTION", false}, {"SHADOW", false}, {"COUNT", true},
    };
    const char *since = cli_take_value(cli, "since");
    const char *until = cli_take_value(cli, "until");
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    const struct cli_parameter parameters[] = {
        {"since", since != NULL ? since : "-24h"}, {"until", until}, {"step", "86400"}};
    char *path = cli_path("/v1/stats", parameters, 3);
    json_t *answer = cli_ask(cli, "GET", path, NULL, &status);
    free(path);
    if (answer == NULL || cli_print_json(cli, answer)) {
        json_decref(answer);
        return status;
    }
    /* Several days give several rows of one kind: add them up under one key. */
    json_t *sums = json_object();
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(answer, "items"), i, item) {
        char key[256];
        (void)snprintf(key, sizeof key, "%s|%s|%s|%s|%s", cli_text(item, "verdict"),
                       cli_text(item, "policy"), cli_text(item, "reason"),
                       cli_text(item, "direction"), cli_text(item, "shadow"));
        const json_int_t before = json_integer_value(json_object_get(sums, key));
        const json_int_t more = json_integer_value(json_object_get(item, "count"));
        (void)json_object_set_new(sums, key, json_integer(before + more));
    }
    struct cli_table *table = cli_table_new(columns, 6);
    const char *key = NULL;
    json_t *count = NULL;
    json_object_foreach(sums, key, count) {
        char parts[256];
        (void)snprintf(parts, sizeof parts, "%s", key);
        const char *cells[6] = {0};
        char *rest = parts;
        for (size_t column = 0; column < 5; column++) {
            cells[column] = strsep(&rest, "|");
        }
        char digits[32];
        (void)snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(count));
        cells[5] = digits;
        cli_table_add(table, cells);
    }
    cli_table_print(table, "Nothing was decided in that time.");
    json_decref(sums);
    json_decref(answer);
    return EXIT_DONE;
}

int command_audit(struct cli *cli) {
    static const struct cli_column columns[] = {{"VERSION", true}, {"TIME", false},
                                                {"AUTHOR", false}, {"WHAT", false},
                                                {"BEFORE", false}, {"AFTER", false}};
    const char *verb = cli_take_word(cli);
    if (verb != NULL) {
        return strcmp(verb, "log") == 0      ? cli_audit_log(cli)
               : strcmp(verb, "verify") == 0 ? cli_audit_verify(cli)
                                             : cli_usage(cli, "there is no such verb");
    }
    const struct cli_parameter parameters[] = {{"limit", cli_take_value(cli, "limit")},
                                               {"cursor", cli_take_value(cli, "cursor")}};
    int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    char *path = cli_path("/v1/changes", parameters, 2);
    json_t *answer = cli_ask(cli, "GET", path, NULL, &status);
    free(path);
    if (answer == NULL || cli_print_json(cli, answer)) {
        json_decref(answer);
        return status;
    }
    struct cli_table *table = cli_table_new(columns, 6);
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(answer, "items"), i, item) {
        const char *cells[] = {cli_text(item, "version"), cli_local_time(cli_text(item, "time")),
                               cli_text(item, "author"),  cli_text(item, "subject"),
                               cli_text(item, "before"),  cli_text(item, "after")};
        cli_table_add(table, cells);
    }
    cli_table_print(table, "Nothing has been changed yet.");
    json_decref(answer);
    return EXIT_DONE;
}
