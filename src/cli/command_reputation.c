/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "mail/address_pattern.h"

enum { PATH_BYTES = 128 };

static void add_score(void *context, const json_t *item) {
    const char *effect = json_is_true(json_object_get(item, "refused")) ? "refused"
                         : json_is_true(json_object_get(item, "skips_greylisting"))
                             ? "skips greylisting"
                             : "";
    const char *cells[] = {cli_text(item, "score"),
                           cli_text(item, "network"),
                           cli_text(item, "accepted"),
                           cli_text(item, "rejected"),
                           cli_text(item, "deferred"),
                           cli_local_time(cli_text(item, "last_seen")),
                           effect};
    cli_table_add(context, cells);
}

static int list(struct cli *cli) {
    static const struct cli_column columns[] = {
        {"SCORE", true},    {"CLIENT", false},    {"ACCEPTED", true}, {"REJECTED", true},
        {"DEFERRED", true}, {"LAST SEEN", false}, {"", false}};
    static const struct cli_listing listing = {columns, 7, add_score,
                                               "No client has a score of its own."};
    const struct cli_parameter parameters[] = {{"min", cli_take_value(cli, "min")},
                                               {"max", cli_take_value(cli, "max")}};
    return cli_print_items(cli, "/v1/reputation", parameters, 2, &listing);
}

static void print_allowed(const json_t *allowed) {
    if (json_is_object(allowed)) {
        printf("%-16s by ", "Allowed");
        cli_print_text(cli_text(allowed, "pattern"));
        puts(": exempt from reputation, greylisting and the automatic blacklist.");
    }
}

static int print(struct cli *cli, json_t *answer, int status) {
    if (answer != NULL && !cli_print_json(cli, answer)) {
        const bool known = json_is_true(json_object_get(answer, "known"));
        cli_print_field("Client", cli_text(answer, "network"));
        cli_print_field("Score", cli_text(answer, "score"));
        if (!known) {
            puts("Never seen: this is the score that everybody begins with.");
        } else {
            cli_print_field("Accepted", cli_text(answer, "accepted"));
            cli_print_field("Rejected", cli_text(answer, "rejected"));
            cli_print_field("Deferred", cli_text(answer, "deferred"));
            cli_print_field("Last seen", cli_local_time(cli_text(answer, "last_seen")));
        }
        if (json_is_true(json_object_get(answer, "refused"))) {
            puts("So low that its mail is refused.");
        }
        const json_t *allowed = json_object_get(answer, "allowed");
        if (!json_is_object(allowed) &&
            json_is_true(json_object_get(answer, "skips_greylisting"))) {
            puts("So high that it skips greylisting.");
        }
        print_allowed(allowed);
        cli_print_by_hand(json_object_get(answer, "by_hand"));
    }
    json_decref(answer);
    return status;
}

static int one(struct cli *cli, const char *method, const char *what) {
    const struct cli_parameter parameters[] = {
        {"comment", what[0] != '\0' ? cli_take_value(cli, "comment") : NULL}};
    const char *address = cli_take_word(cli);
    int status = address == NULL ? cli_usage(cli, "which address?") : cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/v1/reputation/%.64s%s", address, what);
    char *whole = cli_path(path, parameters, 1);
    json_t *answer = cli_ask(cli, method, whole, NULL, &status);
    free(whole);
    return print(cli, answer, status);
}

/* --- addresses that are exempt ------------------------------------------------------------------
 */

static const char allowed_list[] = "reputation_allow";
enum { LOOKED_AT_MAX = 1000000 };

struct wanted {
    const char *pattern; /* as entries show it */
    char id[32];         /* "": not found */
};

static void look_for(void *context, const json_t *item) {
    struct wanted *wanted = context;
    if (strcmp(cli_text(item, "pattern"), wanted->pattern) == 0) {
        (void)snprintf(wanted->id, sizeof wanted->id, "%s", cli_text(item, "id"));
    }
}

/* "2001:DB8::1" as entries show it, "2001:db8::1". False: no address. */
static bool canonical(const char *address, struct text *out) {
    char problem_bytes[256];
    struct text problem = TEXT_OVER(problem_bytes);
    struct address_pattern pattern;
    const char *wrong = address_pattern_parse(PATTERN_IP, str_from(address), &pattern, &problem);
    if (wrong != NULL) {
        (void)fprintf(stderr, "seczim: %s\n", wrong);
        return false;
    }
    address_pattern_format(&pattern, out);
    (void)text_zero(out);
    return true;
}

static int disallow_one(struct cli *cli, const char *address) {
    char shown[PATH_BYTES];
    struct text text = TEXT_OVER(shown);
    if (!canonical(address, &text)) {
        return EXIT_NO;
    }
    struct wanted wanted = {.pattern = shown};
    const bool json = cli->json;
    bool more;
    cli->json = false; /* of the listing, which nobody asked for */
    const struct cli_parameter parameters[] = {{"contains", shown}};
    int status = cli_each_item(cli, "/v1/lists/reputation_allow", parameters, 1, LOOKED_AT_MAX,
                               look_for, &wanted, &more);
    cli->json = json;
    if (status != EXIT_DONE) {
        return status;
    }
    if (wanted.id[0] == '\0') {
        (void)fprintf(stderr,
                      "seczim: there is no entry %s; `seczim reputation allowed` lists them\n",
                      shown);
        return EXIT_NO;
    }
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/v1/lists/%s/%s", allowed_list, wanted.id);
    json_t *answer = cli_ask(cli, "DELETE", path, NULL, &status);
    if (answer != NULL && !cli->json) {
        printf("%s is no longer exempt, from now on.\n", shown);
    }
    json_decref(answer);
    return status;
}

static int disallow(struct cli *cli) {
    const char *address = cli_take_word(cli);
    int status = address == NULL ? cli_usage(cli, "which address?") : EXIT_DONE;
    for (; address != NULL && status == EXIT_DONE; address = cli_take_word(cli)) {
        status = disallow_one(cli, address);
    }
    return status;
}

int command_reputation(struct cli *cli) {
    const char *verb = cli_take_word(cli);
    if (verb == NULL || strcmp(verb, "list") == 0) {
        return list(cli);
    }
    if (strcmp(verb, "show") == 0) {
        return one(cli, "GET", "");
    }
    if (strcmp(verb, "allow") == 0) {
        return cli_list_add(cli, allowed_list);
    }
    if (strcmp(verb, "allowed") == 0) {
        return cli_list_entries(cli, allowed_list);
    }
    if (strcmp(verb, "disallow") == 0) {
        return disallow(cli);
    }
    return strcmp(verb, "reset") == 0 ? one(cli, "POST", "/reset")
                                      : cli_usage(cli, "there is no such verb");
}
