/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* A proposal out of options, one POST, then GET until it has ended. */

enum { FIRST_WAIT_US = 20000, LONGEST_WAIT_US = 500000, PART_MAX = 1024 };

/* --- the proposal -------------------------------------------------------------------------------
 */

typedef bool take_option(json_t *body, const char *value);

static void remove_arguments(struct cli *cli, int at, int count) {
    for (int i = at; i + count < cli->argument_count; i++) {
        cli->arguments[i] = cli->arguments[i + count];
    }
    cli->argument_count -= count;
}

/* Every `--name VALUE` and `--name=VALUE`, in their order. False: `take` did not understand one. */
static bool take_all(struct cli *cli, const char *name, take_option *take, json_t *body) {
    const size_t length = strlen(name);
    for (int i = 0; i < cli->argument_count;) {
        const char *argument = cli->arguments[i];
        const bool named =
            strncmp(argument, "--", 2) == 0 && strncmp(argument + 2, name, length) == 0;
        const char *value = NULL;
        int count = 1;
        if (named && argument[2 + length] == '=') {
            value = argument + 2 + length + 1;
        } else if (named && argument[2 + length] == '\0' && i + 1 < cli->argument_count) {
            value = cli->arguments[i + 1];
            count = 2;
        }
        if (value == NULL) {
            i++;
            continue;
        }
        if (!take(body, value)) {
            return false;
        }
        remove_arguments(cli, i, count);
    }
    return true;
}

/* The array or object `name` of the body. */
static json_t *part_of(json_t *body, const char *name, json_t *when_new) {
    json_t *part = json_object_get(body, name);
    if (part == NULL) {
        (void)json_object_set_new(body, name, when_new);
        return when_new;
    }
    json_decref(when_new);
    return part;
}

static bool take_setting(json_t *body, const char *value) {
    char key[PART_MAX];
    const char *equals = strchr(value, '=');
    if (equals == NULL || equals == value || (size_t)(equals - value) >= sizeof key) {
        return false;
    }
    (void)snprintf(key, sizeof key, "%.*s", (int)(equals - value), value);
    (void)json_object_set_new(part_of(body, "settings", json_object()), key,
                              json_string(equals + 1));
    return true;
}

static bool take_default(json_t *body, const char *key) {
    (void)json_object_set_new(part_of(body, "settings", json_object()), key, json_null());
    return true;
}

static void add_rule(json_t *body, const char *kind, const char *subject, const char *value) {
    (void)json_array_append_new(
        part_of(body, "rules", json_array()),
        json_pack("{s:s, s:s, s:s}", "kind", kind, "subject", subject, "value", value));
}

/* The first `count` words of `text`, and where the rest begins; NULL when there are fewer. */
static const char *split_words(const char *text, int count, char first[PART_MAX]) {
    const char *at = text;
    for (int i = 0; i < count; i++) {
        at += strspn(at, " ");
        at += strcspn(at, " ");
    }
    if ((size_t)(at - text) >= PART_MAX || *at == '\0') {
        return NULL;
    }
    (void)snprintf(first, PART_MAX, "%.*s", (int)(at - text), text);
    return at + strspn(at, " ");
}

/* "user * 100 recipients/hour", "global 20 messages/minute" */
static bool take_quota(json_t *body, const char *value) {
    char subject[PART_MAX];
    const char *limit = split_words(value, strncmp(value, "global ", 7) == 0 ? 1 : 2, subject);
    if (limit == NULL) {
        return false;
    }
    add_rule(body, "quota", subject, limit);
    return true;
}

/* "SENDER RECIPIENT ...", or "SENDER nobody" */
static bool take_lines(json_t *body, const char *kind, const char *value) {
    char subject[PART_MAX];
    const char *rest = split_words(value, 1, subject);
    if (rest == NULL) {
        return false;
    }
    char *lines = strdup(strcmp(rest, "nobody") == 0 ? "" : rest);
    if (lines == NULL) {
        return false;
    }
    for (char *c = lines; *c != '\0'; c++) {
        *c = *c == ' ' ? '\n' : *c;
    }
    add_rule(body, kind, subject, lines);
    free(lines);
    return true;
}

static bool take_restriction(json_t *body, const char *value) {
    return take_lines(body, "restriction", value);
}

static bool take_identity(json_t *body, const char *value) {
    return take_lines(body, "identity", value);
}

static bool add_entry(json_t *body, const char *list, const char *pattern) {
    (void)json_array_append_new(part_of(body, "lists", json_array()),
                                json_pack("{s:s, s:s}", "list", list, "pattern", pattern));
    return true;
}

static bool take_allow(json_t *body, const char *pattern) {
    return add_entry(body, "allow", pattern);
}

static bool take_block(json_t *body, const char *pattern) {
    return add_entry(body, "block", pattern);
}

static bool take_exempt(json_t *body, const char *pattern) {
    return add_entry(body, "greylist_exempt", pattern);
}

/* "quota:5", "block:17", as rules are named in the history */
static bool take_without(json_t *body, const char *value) {
    static const char *const kinds[] = {"quota", "restriction", "identity"};
    static const char *const lists[] = {"allow", "block", "greylist_exempt", "reputation_allow"};
    char name[PART_MAX];
    const char *colon = strchr(value, ':');
    char *end = NULL;
    const long long id = colon != NULL ? strtoll(colon + 1, &end, 10) : 0;
    if (colon == NULL || *end != '\0' || id < 1 || (size_t)(colon - value) >= sizeof name) {
        return false;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)(colon - value), value);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(name, kinds[i]) == 0) {
            (void)json_array_append_new(part_of(body, "rules", json_array()),
                                        json_pack("{s:s, s:I}", "kind", name, "remove", id));
            return true;
        }
    }
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (strcmp(name, lists[i]) == 0) {
            (void)json_array_append_new(part_of(body, "lists", json_array()),
                                        json_pack("{s:s, s:I}", "list", name, "remove", id));
            return true;
        }
    }
    return false;
}

static const struct {
    const char *name;
    take_option *take;
    const char *problem;
} options[] = {
    {"set", take_setting, "--set takes KEY=VALUE"},
    {"reset", take_default, "--reset takes the KEY of a setting"},
    {"quota", take_quota, "--quota takes a subject and a limit: 'user * 100 recipients/hour'"},
    {"restriction", take_restriction,
     "--restriction takes a sender and recipients, or nobody: 'bob@example.org *@example.net'"},
    {"identity", take_identity, "--identity takes a user and senders: 'bob sales@example.org'"},
    {"allow", take_allow, ""},
    {"block", take_block, ""},
    {"exempt", take_exempt, ""},
    {"without", take_without,
     "--without takes what listings show: quota:5, restriction:2, block:17, allow:3"},
};

/* JSON has no other text: a part that is not would be left out of the question. */
static bool all_utf8(const struct cli *cli) {
    bool good = true;
    for (int i = 0; i < cli->argument_count && good; i++) {
        json_t *text = json_string(cli->arguments[i]);
        good = text != NULL;
        json_decref(text);
    }
    return good;
}

static const char *read_proposal(struct cli *cli, json_t *body) {
    static const char *const texts[] = {"last", "from", "to"};
    static const char *const numbers[] = {"samples", "limit"};
    if (!all_utf8(cli)) {
        return "an argument is not UTF-8: nothing was asked; check how the terminal writes letters";
    }
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (!take_all(cli, options[i].name, options[i].take, body)) {
            return options[i].problem;
        }
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *value = cli_take_value(cli, texts[i]);
        if (value != NULL) {
            (void)json_object_set_new(body, texts[i], json_string(value));
        }
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const char *value = cli_take_value(cli, numbers[i]);
        char *end = NULL;
        if (value != NULL) {
            (void)json_object_set_new(body, numbers[i], json_integer(strtoll(value, &end, 10)));
            if (end == value || *end != '\0') {
                return "--samples and --limit take a number";
            }
        }
    }
    return NULL;
}

/* --- printing -----------------------------------------------------------------------------------
 */

static long long number(const json_t *answer, const char *name) {
    return (long long)json_integer_value(json_object_get(answer, name));
}

static void print_span(const json_t *answer) {
    const char *first = cli_text(answer, "first");
    printf("%lld decisions", number(answer, "decisions"));
    if (first[0] != '\0') {
        printf(" of %s to %s", cli_local_time(first), cli_local_time(cli_text(answer, "last")));
    }
    printf(", judged in %.1f s (%lld a second).\n",
           json_number_value(json_object_get(answer, "duration")),
           number(answer, "decisions_per_second"));
}

static void print_changes(const json_t *answer) {
    static const struct cli_column columns[] = {
        {"POLICY", false}, {"TODAY", false}, {"PROPOSED", false}, {"DECISIONS", true}};
    const json_t *policies = json_object_get(answer, "policies");
    struct cli_table *table = cli_table_new(columns, 4);
    size_t i;
    size_t j;
    const json_t *policy;
    const json_t *change;
    json_array_foreach(policies, i, policy) {
        json_array_foreach(json_object_get(policy, "changes"), j, change) {
            const char *cells[] = {cli_text(policy, "policy"), cli_text(change, "from"),
                                   cli_text(change, "to"), cli_text(change, "count")};
            cli_table_add(table, cells);
        }
    }
    cli_table_print(table, "No decision would change.");
}

static void print_sample(const json_t *sample) {
    const char *sender = cli_text(sample, "sender");
    printf("%s  %s  ", cli_text(sample, "sequence"), cli_local_time(cli_text(sample, "time")));
    cli_print_text(cli_text(sample, "client_address"));
    printf("  ");
    cli_print_text(sender[0] != '\0' ? sender : "<>");
    printf(" -> ");
    cli_print_text(cli_text(sample, "recipient"));
    printf("  %s (%s) -> %s (%s)\n", cli_text(sample, "today.verdict"),
           cli_text(sample, "today.reason"), cli_text(sample, "proposed.verdict"),
           cli_text(sample, "proposed.reason"));
}

static void print_samples(const json_t *answer) {
    size_t i;
    size_t j;
    size_t k;
    const json_t *policy;
    const json_t *change;
    const json_t *sample;
    json_array_foreach(json_object_get(answer, "policies"), i, policy) {
        json_array_foreach(json_object_get(policy, "changes"), j, change) {
            const json_t *samples = json_object_get(change, "samples");
            if (json_array_size(samples) == 0) {
                continue;
            }
            printf("\n%s: %s -> %s, %zu of %s:\n", cli_text(policy, "policy"),
                   cli_text(change, "from"), cli_text(change, "to"), json_array_size(samples),
                   cli_text(change, "count"));
            json_array_foreach(samples, k, sample) {
                print_sample(sample);
            }
        }
    }
}

/* What a person has to know to read the figures. */
static void print_notes(const json_t *answer) {
    static const struct {
        const char *name;
        const char *text;
    } notes[] = {
        {"other_reason", "keep their verdict for another reason."},
        {"settings_changed_since",
         "were decided otherwise when they came, because settings, lists or rules were others; "
         "they are compared with what today's say."},
        {"not_comparable", "do not come out as recorded even today and are left out."},
        {"unreadable", "were recorded by another release or are damaged, and are left out."},
        {"facts_unknown", "want a fact that was not looked up then; its policy abstains."},
        {"evicted", "entries did not fit into the simulated state; raise replay.memory_bytes."},
        {"damaged_files", "history files cannot be read."},
    };
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        if (number(answer, notes[i].name) > 0) {
            printf("%lld %s\n", number(answer, notes[i].name), notes[i].text);
        }
    }
    if (json_is_false(json_object_get(answer, "complete")) &&
        strcmp(cli_text(answer, "state"), "done") == 0) {
        puts("More was recorded in that time: the limit of decisions was reached.");
    }
}

static int print_result(struct cli *cli, const json_t *answer) {
    const char *state = cli_text(answer, "state");
    const bool done = strcmp(state, "done") == 0;
    if (cli_print_json(cli, answer)) {
        return done ? EXIT_DONE : EXIT_NO;
    }
    if (!done) {
        (void)fprintf(stderr, "seczim: the replay was %s%s%s; what it found until then:\n", state,
                      strcmp(state, "failed") == 0 ? ": " : "", cli_text(answer, "problem"));
    }
    print_span(answer);
    printf("%lld would change.\n\n", number(answer, "changed"));
    print_changes(answer);
    print_samples(answer);
    (void)putchar('\n');
    print_notes(answer);
    return done ? EXIT_DONE : EXIT_NO;
}

/* --- waiting ------------------------------------------------------------------------------------
 */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

static void print_progress(const struct cli *cli, const json_t *answer) {
    if (cli->json || isatty(STDERR_FILENO) == 0) {
        return;
    }
    (void)fprintf(stderr, "\r%3.0f %%  %lld decisions, %lld would change ",
                  100 * json_number_value(json_object_get(answer, "progress")),
                  number(answer, "decisions"), number(answer, "changed"));
}

static void end_progress(const struct cli *cli) {
    if (!cli->json && isatty(STDERR_FILENO) != 0) {
        (void)fprintf(stderr, "\r\033[K");
    }
}

static int cancel(struct cli *cli) {
    int status = EXIT_DONE;
    json_decref(cli_ask(cli, "DELETE", "/v1/replay", NULL, &status));
    return status;
}

/* The answer once it runs no more; NULL: a failure was printed. */
static json_t *wait_for(struct cli *cli, const char *id, int *ret_status) {
    useconds_t wait_us = FIRST_WAIT_US;
    (void)signal(SIGINT, on_interrupt);
    for (;;) {
        json_t *answer = cli_ask(cli, "GET", "/v1/replay", NULL, ret_status);
        if (answer == NULL || strcmp(cli_text(answer, "id"), id) != 0) {
            end_progress(cli);
            if (answer != NULL) {
                (void)fprintf(stderr, "seczim: the replay ended with a restart of the daemon, or "
                                      "another one has begun since; ask again\n");
                json_decref(answer);
                *ret_status = EXIT_NO;
            }
            return NULL;
        }
        if (strcmp(cli_text(answer, "state"), "running") != 0) {
            end_progress(cli);
            return answer;
        }
        print_progress(cli, answer);
        json_decref(answer);
        if (interrupted != 0) {
            interrupted = 0;
            (void)cancel(cli);
            continue;
        }
        (void)usleep(wait_us);
        wait_us = wait_us * 2 < LONGEST_WAIT_US ? wait_us * 2 : LONGEST_WAIT_US;
    }
}

static int run_replay(struct cli *cli) {
    json_t *body = json_object();
    const char *problem = read_proposal(cli, body);
    int status = problem != NULL ? cli_usage(cli, problem) : cli_no_more(cli);
    if (status != EXIT_DONE) {
        json_decref(body);
        return status;
    }
    json_t *begun = cli_ask(cli, "POST", "/v1/replay", body, &status);
    if (begun == NULL) {
        return status;
    }
    json_t *answer = wait_for(cli, json_string_value(json_object_get(begun, "id")), &status);
    if (answer != NULL) {
        status = print_result(cli, answer);
    }
    json_decref(answer);
    json_decref(begun);
    return status;
}

static int show_last(struct cli *cli) {
    int status = EXIT_DONE;
    json_t *answer = cli_ask(cli, "GET", "/v1/replay", NULL, &status);
    if (answer == NULL) {
        return status;
    }
    const char *state = cli_text(answer, "state");
    if (strcmp(state, "none") == 0 && !cli->json) {
        puts("There was no replay since the daemon started.");
    } else if (strcmp(state, "running") == 0 && !cli->json) {
        printf("Running: %.0f %%, %lld decisions, %lld would change.\n",
               100 * json_number_value(json_object_get(answer, "progress")),
               number(answer, "decisions"), number(answer, "changed"));
    } else {
        status = print_result(cli, answer);
    }
    json_decref(answer);
    return status;
}

int command_replay(struct cli *cli) {
    const char *verb = cli_take_word(cli);
    if (verb == NULL) {
        return run_replay(cli);
    }
    const bool cancels = strcmp(verb, "cancel") == 0;
    if (!cancels && strcmp(verb, "show") != 0) {
        return cli_usage(cli, "name what is proposed, or show, or cancel");
    }
    const int status = cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    return cancels ? cancel(cli) : show_last(cli);
}
