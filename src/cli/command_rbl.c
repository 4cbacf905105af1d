/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "mail/dnsbl.h"

/* Block lists: how they do, which are on, and what they say of an address. */

enum { KEY_BYTES = 96 };

/* --- list and status -------------------------------------------------------------------------- */

static bool is_on(const json_t *item) {
    return json_is_true(json_object_get(item, "enabled"));
}

static const char *word_of(const json_t *item) {
    const char *word = cli_text(item, "word");
    return word[0] != '\0' ? word : "own";
}

static const char *state_of(const json_t *item) {
    return json_is_true(json_object_get(item, "retired")) && !is_on(item) ? "retired"
                                                                          : cli_text(item, "state");
}

static void print_list(const json_t *items) {
    static const struct cli_column columns[] = {{"LIST", false},  {"WORD", false},  {"ZONE", false},
                                                {"WEIGHT", true}, {"STATE", false}, {"KEY", false}};
    struct cli_table *table = cli_table_new(columns, 6);
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(items, i, item) {
        const char *cells[] = {cli_text(item, "name"),   word_of(item),  cli_text(item, "zone"),
                               cli_text(item, "weight"), state_of(item), cli_text(item, "key")};
        cli_table_add(table, cells);
    }
    cli_table_print(table, "There are no lists.");
}

static const char *milliseconds(const json_t *item, const char *member) {
    static char rooms[16][32];
    static unsigned next;
    char *room = rooms[next++ % 16];
    const json_t *value = json_object_get(item, member);
    room[0] = '\0';
    if (json_is_integer(value)) {
        (void)snprintf(room, sizeof rooms[0], "%.1f", (double)json_integer_value(value) / 1000);
    }
    return room;
}

static void print_status(const json_t *answer) {
    static const struct cli_column columns[] = {
        {"LIST", false}, {"STATE", false}, {"SINCE", false},    {"ASKED", true},
        {"NAMED", true}, {"FAILED", true}, {"TIMED OUT", true}, {"MS", true}};
    struct cli_table *table = cli_table_new(columns, 8);
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(answer, "items"), i, item) {
        const char *cells[] = {cli_text(item, "name"),
                               state_of(item),
                               cli_local_time(cli_text(item, "since")),
                               cli_text(item, "asked"),
                               cli_text(item, "listed"),
                               cli_text(item, "failed"),
                               cli_text(item, "timed_out"),
                               milliseconds(item, "latency_mean_us")};
        if (is_on(item)) {
            cli_table_add(table, cells);
        }
    }
    cli_table_print(table, "No list is on.");
    json_array_foreach(json_object_get(answer, "items"), i, item) {
        if (strcmp(cli_text(item, "state"), "out") == 0) {
            cli_print_text(cli_text(item, "name"));
            printf(" is not asked: ");
            cli_print_text(cli_text(item, "sentence"));
            puts(".");
        }
    }
}

static int show(struct cli *cli, bool status_alone) {
    int status = cli_no_more(cli);
    json_t *answer = status == EXIT_DONE ? cli_ask(cli, "GET", "/v1/rbl", NULL, &status) : NULL;
    if (answer != NULL && !cli_print_json(cli, answer)) {
        if (status_alone) {
            print_status(answer);
        } else {
            print_list(json_object_get(answer, "items"));
        }
        if (!json_is_true(json_object_get(answer, "enabled"))) {
            cli_hint("The policy rbl is off: no list is asked (seczim policy enable rbl).");
        }
        const char *resolver = cli_text(answer, "public_resolver");
        if (resolver[0] != '\0') {
            cli_hint("The DNS server %s is a public resolver, which block lists refuse: name one "
                     "of your own in dns.servers.",
                     resolver);
        }
        cli_print_warnings(answer);
    }
    json_decref(answer);
    return status;
}

/* --- on and off ------------------------------------------------------------------------------- */

static void set_enabled(json_t *body, const struct dnsbl_info *info, bool enabled) {
    char key[KEY_BYTES];
    (void)snprintf(key, sizeof key, "rbl.%s.enabled", info->word);
    (void)json_object_set_new(body, key, json_boolean(enabled));
}

/* A word, a name in any case, or a zone. */
static const struct dnsbl_info *find_list(const char *wanted) {
    const struct str text = str_from(wanted);
    for (size_t i = 0; i < DNSBL_KNOWN; i++) {
        if (str_equal_nocase(text, str_from(dnsbl_lists[i].word)) ||
            str_equal_nocase(text, str_from(dnsbl_lists[i].name)) ||
            str_equal_nocase(text, str_from(dnsbl_lists[i].zone))) {
            return &dnsbl_lists[i];
        }
    }
    return NULL;
}

static int refuse_list(const char *wanted) {
    (void)fprintf(stderr, "seczim: there is no known block list \"%s\"; there are", wanted);
    for (size_t i = 0; i < DNSBL_KNOWN; i++) {
        (void)fprintf(stderr, "%s %s", i > 0 ? "," : "", dnsbl_lists[i].word);
    }
    (void)fprintf(stderr, ". Own lists stand in rbl.own_lists.\n");
    return EXIT_NO;
}

static int switch_lists(struct cli *cli, bool enabled) {
    json_t *body = json_object();
    const char *word = NULL;
    while ((word = cli_take_word(cli)) != NULL) {
        const struct dnsbl_info *info = find_list(word);
        if (info == NULL) {
            json_decref(body);
            return refuse_list(word);
        }
        set_enabled(body, info, enabled);
    }
    const int status = cli_no_more(cli);
    if (status != EXIT_DONE || json_object_size(body) == 0) {
        json_decref(body);
        return status != EXIT_DONE ? status : cli_usage(cli, "which list?");
    }
    return cli_put_settings(cli, body);
}

static int switch_preset(struct cli *cli) {
    const char *word = cli_take_word(cli);
    enum dnsbl_preset preset = DNSBL_NO_PRESET;
    const int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    if (word == NULL || !dnsbl_preset_find(str_from(word), &preset)) {
        return cli_usage(cli, "a preset is recommended, additional or maximum");
    }
    json_t *body = json_object();
    for (size_t i = 0; i < DNSBL_KNOWN; i++) {
        const struct dnsbl_info *info = &dnsbl_lists[i];
        set_enabled(body, info, info->preset != DNSBL_NO_PRESET && info->preset <= preset);
    }
    return cli_put_settings(cli, body);
}

/* --- check ------------------------------------------------------------------------------------ */

static void print_check(const json_t *answer) {
    static const struct cli_column columns[] = {{"LIST", false}, {"", false},  {"ANSWER", false},
                                                {"CODE", false}, {"MS", true}, {"WHY", false}};
    struct cli_table *table = cli_table_new(columns, 6);
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(answer, "items"), i, item) {
        const char *reason = cli_text(item, "reason");
        const char *cells[] = {cli_text(item, "name"),
                               is_on(item) ? "" : "off",
                               cli_text(item, "status"),
                               cli_text(item, "code"),
                               milliseconds(item, "latency_us"),
                               reason[0] != '\0' ? reason : cli_text(item, "meaning")};
        cli_table_add(table, cells);
    }
    cli_table_print(table, "No list is on.");
}

/* EXIT_NO: at least one list names it. */
static int check(struct cli *cli) {
    const bool enabled_alone = cli_take_flag(cli, "enabled");
    const char *ip = cli_take_word(cli);
    int status = cli_no_more(cli);
    if (status != EXIT_DONE || ip == NULL) {
        return status != EXIT_DONE ? status : cli_usage(cli, "which address?");
    }
    const struct cli_parameter parameters[] = {{"ip", ip},
                                               {"lists", enabled_alone ? "enabled" : NULL}};
    char *path = cli_path("/v1/rbl/check", parameters, 2);
    json_t *answer = cli_ask(cli, "GET", path, NULL, &status);
    free(path);
    if (answer != NULL) {
        status = json_integer_value(json_object_get(answer, "listed")) > 0 ? EXIT_NO : EXIT_DONE;
        if (!cli_print_json(cli, answer)) {
            print_check(answer);
        }
    }
    json_decref(answer);
    return status;
}

int command_rbl(struct cli *cli) {
    const char *verb = cli_take_word(cli);
    if (verb == NULL || strcmp(verb, "list") == 0) {
        return show(cli, false);
    }
    if (strcmp(verb, "status") == 0) {
        return show(cli, true);
    }
    if (strcmp(verb, "enable") == 0 || strcmp(verb, "disable") == 0) {
        return switch_lists(cli, strcmp(verb, "enable") == 0);
    }
    if (strcmp(verb, "preset") == 0) {
        return switch_preset(cli);
    }
    if (strcmp(verb, "check") == 0) {
        return check(cli);
    }
    return cli_usage(cli, "list, status, enable, disable, preset or check");
}
