/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/country.h"
#include "cli/cli.h"
#include "cli/geo_fetch.h"
#include "cli/geo_install.h"
#include "cli/geo_source.h"

enum { PATH_BYTES = 128, WORDS_BYTES = 1024 };

/* --- status and look-ups ------------------------------------------------------------------------
 */

static void print_file(const json_t *answer, const char *member, const char *label) {
    const json_t *file = json_object_get(answer, member);
    const char *problem = cli_text(file, "problem");
    printf("%-16s ", label);
    cli_print_text(cli_text(file, "path"));
    if (json_is_true(json_object_get(file, "open"))) {
        printf(": ");
        cli_print_text(cli_text(file, "type"));
        printf(", built %.10s, %s nodes, %s\n", cli_text(file, "built"), cli_text(file, "nodes"),
               cli_size(json_number_value(json_object_get(file, "bytes"))));
    } else {
        puts(problem[0] != '\0' ? ": not in use" : ": there is none");
    }
    if (problem[0] != '\0') {
        cli_print_field("", problem);
    }
}

static void print_list(const json_t *list) {
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(list, i, item) {
        printf(" ");
        cli_print_text(json_string_value(item));
    }
}

static void print_rules(const json_t *answer, const char *direction, const char *label) {
    const json_t *rules = json_object_get(answer, direction);
    const json_t *countries = json_object_get(rules, "countries");
    const json_t *systems = json_object_get(rules, "block_asns");
    printf("%-16s", label);
    if (json_array_size(countries) == 0 && json_array_size(systems) == 0) {
        puts(" no rule");
        return;
    }
    if (json_array_size(countries) > 0) {
        printf(strcmp(cli_text(rules, "mode"), "allow") == 0 ? " allowed from" : " refused from");
        print_list(countries);
    }
    if (json_array_size(systems) > 0) {
        printf("%s refused from", json_array_size(countries) > 0 ? ";" : "");
        print_list(systems);
    }
    (void)putchar('\n');
}

static int print_status(struct cli *cli) {
    int status = cli_no_more(cli);
    json_t *answer = status == EXIT_DONE ? cli_ask(cli, "GET", "/v1/geo", NULL, &status) : NULL;
    if (answer != NULL && !cli_print_json(cli, answer)) {
        print_file(answer, "country", "Countries");
        print_file(answer, "asn", "Networks");
        print_rules(answer, "inbound", "Mail from outside");
        print_rules(answer, "outbound", "Mail of users");
        printf("%-16s %s, %s damaged records; %s files refused\n", "Look-ups",
               cli_text(answer, "lookups"), cli_text(answer, "damaged_records"),
               cli_text(answer, "refused_files"));
        cli_print_warnings(answer);
    }
    json_decref(answer);
    return status;
}

static int look_up(struct cli *cli) {
    const char *address = cli_take_word(cli);
    int status = address == NULL ? cli_usage(cli, "which address?") : cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/v1/geo/%.64s", address);
    json_t *answer = cli_ask(cli, "GET", path, NULL, &status);
    if (answer != NULL && !cli_print_json(cli, answer)) {
        const bool known = json_is_string(json_object_get(answer, "country"));
        char country[PATH_BYTES];
        (void)snprintf(country, sizeof country, "%s (%s)", cli_text(answer, "country"),
                       cli_text(answer, "country_name"));
        cli_print_field("Address", cli_text(answer, "ip"));
        cli_print_field("Country", known ? country
                                   : !json_is_true(json_object_get(answer, "public"))
                                       ? "none: this is no public address"
                                   : json_is_true(json_object_get(answer, "database"))
                                       ? "not in the database"
                                       : "there is no database; fetch one with: seczim geo update");
        cli_print_field("Continent", cli_text(answer, "continent"));
        if (json_is_integer(json_object_get(answer, "asn"))) {
            printf("%-16s AS%s ", "Network", cli_text(answer, "asn"));
            cli_print_text(cli_text(answer, "as_name"));
            (void)putchar('\n');
        }
        cli_print_field("From outside", cli_text(answer, "inbound"));
        cli_print_field("Of users", cli_text(answer, "outbound"));
    }
    json_decref(answer);
    return status;
}

/* --- rules --------------------------------------------------------------------------------------
 */

/* The list without `item`, or with it. */
static json_t *changed_list(const json_t *list, const char *item, bool add) {
    json_t *changed = json_array();
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(list, i, one) {
        if (strcmp(json_string_value(one), item) != 0) {
            (void)json_array_append(changed, (json_t *)(uintptr_t)one);
        }
    }
    if (add) {
        (void)json_array_append_new(changed, json_string(item));
    }
    return changed;
}

static int refuse_country(const char *word) {
    const char *nearest = country_nearest(str_from(word));
    (void)fprintf(stderr, "seczim: ");
    char bytes[WORDS_BYTES];
    struct text shown = TEXT_OVER(bytes);
    text_add_escaped(&shown, str_slice(str_from(word), 0, 60));
    (void)fprintf(stderr,
                  "\"%.*s\" is neither a country code such as DE nor a network such as AS64496",
                  STR_ARGS(text_str(&shown)));
    if (nearest != NULL) {
        (void)fprintf(stderr, ". Did you mean %s (%s)?", nearest, country_name(nearest));
    }
    (void)fputc('\n', stderr);
    return EXIT_NO;
}

/* Notes in `body` what the word changes. */
static int change_rule(const json_t *rules, const char *direction, const char *word, bool block,
                       json_t *body) {
    char code[3] = "";
    char key[PATH_BYTES];
    const bool is_system =
        str_equal_nocase(str_slice(str_from(word), 0, 2), STR("AS")) && strlen(word) > 2;
    if (!is_system && !country_parse(str_from(word), code)) {
        return refuse_country(word);
    }
    const bool allow_list = !is_system && strcmp(cli_text(rules, "mode"), "allow") == 0;
    (void)snprintf(key, sizeof key, "geo.%s.%s", direction, is_system ? "block_asns" : "countries");
    const json_t *list = json_object_get(body, key);
    if (list == NULL) {
        list = json_object_get(rules, is_system ? "block_asns" : "countries");
    }
    char item[32];
    struct text text = TEXT_OVER(item);
    text_add(&text, is_system ? STR("AS") : str_from(code));
    text_add(&text, is_system ? str_slice(str_from(word), 2, SIZE_MAX) : STR(""));
    json_t *changed = changed_list(list, text_zero(&text), block != allow_list);
    if (allow_list && block && json_array_size(changed) == 0) {
        json_decref(changed);
        (void)fprintf(stderr,
                      "seczim: %s is the last country of the allow-list; without it every country "
                      "could send. Set geo.%s.mode or another country first\n",
                      code, direction);
        return EXIT_NO;
    }
    (void)json_object_set_new(body, key, changed);
    return EXIT_DONE;
}

static int change_rules(struct cli *cli, bool block) {
    const char *direction = cli_take_flag(cli, "outbound") ? "outbound" : "inbound";
    int status = EXIT_DONE;
    json_t *answer = cli_ask(cli, "GET", "/v1/geo", NULL, &status);
    if (answer == NULL) {
        return status;
    }
    json_t *body = json_object();
    const char *word = NULL;
    while (status == EXIT_DONE && (word = cli_take_word(cli)) != NULL) {
        status = change_rule(json_object_get(answer, direction), direction, word, block, body);
    }
    if (status == EXIT_DONE) {
        status = json_object_size(body) == 0 ? cli_usage(cli, "which country or network?")
                                             : cli_no_more(cli);
    }
    json_decref(answer);
    if (status != EXIT_DONE) {
        json_decref(body);
        return status;
    }
    return cli_put_settings(cli, body);
}

/* --- update -------------------------------------------------------------------------------------
 */

static const char *or_setting(const char *given, const char *setting) {
    return given != NULL ? given : setting;
}

static json_t *info_json(const struct geo_database_info *info) {
    return json_pack("{s:s, s:I, s:I, s:I}", "type", info->type, "built", (json_int_t)info->built_s,
                     "nodes", (json_int_t)info->nodes, "bytes", (json_int_t)info->file_bytes);
}

static int print_installed(const struct cli *cli, const char *path,
                           const struct geo_installed *installed) {
    json_t *answer = json_pack("{s:s, s:b, s:o, s:o}", "path", path, "changed", !installed->same,
                               "database", info_json(&installed->info), "before",
                               installed->had_old ? info_json(&installed->old) : json_null());
    if (!cli_print_json(cli, answer)) {
        char built[16] = "";
        const time_t built_s = (time_t)installed->info.built_s;
        struct tm day;
        if (gmtime_r(&built_s, &day) != NULL) {
            (void)strftime(built, sizeof built, "%Y-%m-%d", &day);
        }
        cli_print_text(path);
        printf(": ");
        cli_print_text(installed->info.type);
        printf(", built %s, %llu nodes%s\n", built, (unsigned long long)installed->info.nodes,
               installed->same ? ": nothing new"
               : installed->had_old
                   ? "; the one before is kept as .old. The daemon takes it within seconds."
                   : ". The daemon takes it within seconds.");
    }
    json_decref(answer);
    return EXIT_DONE;
}

static int install(struct cli *cli, const struct geo_install *what, const struct geo_wish *wish) {
    char words[WORDS_BYTES];
    struct text problem = TEXT_OVER(words);
    struct geo_source source;
    struct geo_installed installed;
    int error = geo_source_find(wish, &source, &problem);
    if (error == 0) {
        error = geo_install(what, &source, &installed, &problem);
    }
    explicit_bzero(source.key, sizeof source.key);
    if (error != 0) {
        (void)fprintf(stderr, "seczim: %s\n", text_zero(&problem)); /* escaped where it was made */
        return EXIT_NO;
    }
    return print_installed(cli, what->path, &installed);
}

/* NULL gives the default. */
static bool parse_timeout(const char *seconds, unsigned *ret_seconds) {
    _Static_assert(GEO_FETCH_SECONDS_MAX == 900, "update() says so");
    uint64_t value = GEO_FETCH_SECONDS_MAX;
    const bool good =
        seconds == NULL ||
        (str_parse_u64(str_from(seconds), GEO_FETCH_SECONDS_MAX, &value) && value > 0);
    *ret_seconds = (unsigned)value;
    return good;
}

static int update(struct cli *cli) {
    const char *seconds = cli_take_value(cli, "timeout");
    const char *path = cli_take_value(cli, "file");
    struct geo_install what = {.asn = cli_take_flag(cli, "asn"),
                               .force = cli_take_flag(cli, "force"),
                               .sha256 = cli_take_value(cli, "sha256")};
    struct geo_wish wish = {.url = cli_take_value(cli, "url"),
                            .account = cli_take_value(cli, "account"),
                            .key_file = cli_take_value(cli, "key-file"),
                            .registry = cli_take_value(cli, "registry"),
                            .asn = what.asn};
    if (!parse_timeout(seconds, &what.seconds_max)) {
        return cli_usage(cli, "--timeout takes seconds, 1 to 900");
    }
    int status = cli_no_more(cli);
    json_t *answer = NULL;
    if (status == EXIT_DONE && path == NULL) {
        answer = cli_ask(cli, "GET", "/v1/geo", NULL, &status);
    }
    if (status == EXIT_DONE && answer != NULL) {
        const json_t *settings = json_object_get(answer, "update");
        const bool told = wish.url != NULL || wish.registry != NULL || wish.account != NULL;
        path = json_string_value(
            json_object_get(json_object_get(answer, what.asn ? "asn" : "country"), "path"));
        /* The address in the settings is that of countries. */
        wish.url =
            told || what.asn ? wish.url : json_string_value(json_object_get(settings, "url"));
        wish.account = or_setting(
            wish.account, told ? NULL : json_string_value(json_object_get(settings, "account")));
        wish.key_file =
            or_setting(wish.key_file, json_string_value(json_object_get(settings, "key_file")));
    } else if (status == EXIT_UNREACHABLE) {
        cli_hint("Without the daemon say which file to update: --file FILE");
    }
    if (status == EXIT_DONE) {
        what.path = path;
        status = install(cli, &what, &wish);
    }
    json_decref(answer);
    return status;
}

int command_geo(struct cli *cli) {
    const char *verb = cli_take_word(cli);
    if (verb == NULL || strcmp(verb, "status") == 0) {
        return print_status(cli);
    }
    if (strcmp(verb, "lookup") == 0) {
        return look_up(cli);
    }
    if (strcmp(verb, "update") == 0) {
        return update(cli);
    }
    if (strcmp(verb, "block") == 0) {
        return change_rules(cli, true);
    }
    if (strcmp(verb, "allow") == 0 || strcmp(verb, "unblock") == 0) {
        return change_rules(cli, false);
    }
    return cli_usage(cli, "there is status, lookup, update, block, allow and unblock");
}
