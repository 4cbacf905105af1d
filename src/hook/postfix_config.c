/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/postfix_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/durable_file.h"
#include "hook/program.h"

/* What is asked for with references resolved. */
static const char *const asked[] = {
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_end_of_data_restrictions",
    "smtpd_delay_reject",
    "smtpd_restriction_classes",
    "smtpd_relay_before_recipient_restrictions",
    "mynetworks",
    "content_filter",
    "smtpd_proxy_filter",
    "queue_directory",
    "inet_interfaces",
    "mail_version",
};
enum { ASKED = sizeof asked / sizeof asked[0] };

const char *postfix_programs_find(const char *given, struct postfix_programs *ret_programs,
                                  char *room) {
    static const char *const places[] = {"/usr/sbin/postconf", "/usr/local/sbin/postconf",
                                         "/opt/zimbra/common/sbin/postconf"};
    const char *found = given;
    for (size_t i = 0; found == NULL && i < sizeof places / sizeof places[0]; i++) {
        found = access(places[i], X_OK) == 0 ? places[i] : NULL;
    }
    if (found == NULL) {
        (void)snprintf(room, POSTFIX_PROBLEM_MAX,
                       "there is no postconf in /usr/sbin or /usr/local/sbin; say where Postfix's "
                       "is: --postconf PATH");
        return room;
    }
    const char *problem = program_problem(found, room, POSTFIX_PROBLEM_MAX);
    if (problem != NULL) {
        return problem;
    }
    (void)snprintf(ret_programs->postconf, sizeof ret_programs->postconf, "%s", found);
    const int folder = (int)(strrchr(found, '/') - found);
    (void)snprintf(ret_programs->postfix, sizeof ret_programs->postfix, "%.*s/postfix", folder,
                   found);
    char ignored[POSTFIX_PROBLEM_MAX];
    if (program_problem(ret_programs->postfix, ignored, sizeof ignored) != NULL) {
        ret_programs->postfix[0] = '\0';
    }
    return NULL;
}

/* The last line of what the program said, for a sentence. */
static struct str last_line(struct str text) {
    const struct str trimmed = str_trim(text);
    const size_t newline = str_find_last(trimmed, '\n');
    return newline == SIZE_MAX ? trimmed : str_slice(trimmed, newline + 1, trimmed.length);
}

static const char *run_problem(const struct program_result *result, char *room) {
    if (result->error == ETIMEDOUT) {
        (void)snprintf(room, POSTFIX_PROBLEM_MAX, "postconf took longer than %d s",
                       POSTFIX_SECONDS_MAX);
    } else if (result->error != 0) {
        (void)snprintf(room, POSTFIX_PROBLEM_MAX, "postconf cannot be started: %s",
                       strerror(result->error));
    } else {
        const struct str said = last_line(result->errors);
        (void)snprintf(room, POSTFIX_PROBLEM_MAX, "postconf does not accept it: %.*s",
                       STR_ARGS(said));
    }
    return room;
}

const char *postfix_folder_find(const struct postfix_programs *programs, char *ret_folder,
                                size_t size, char *room) {
    const char *arguments[] = {programs->postconf, "-h", "config_directory", NULL};
    struct program_result result;
    /* It says the folder even when main.cf is missing there. */
    const bool ran = program_run(arguments, POSTFIX_SECONDS_MAX, &result);
    const struct str folder = str_trim(result.output);
    const char *problem = NULL;
    if (folder.length == 0 || folder.length >= size) {
        problem = ran ? "postconf does not say where the configuration is: --config-directory DIR"
                      : run_problem(&result, room);
    } else {
        (void)snprintf(ret_folder, size, "%.*s", STR_ARGS(folder));
    }
    program_result_done(&result);
    return problem;
}

/* postconf goes on over some mistakes that the mail server itself stops at: whatever it warns of is
 * a broken configuration, but for names nobody uses or settings given twice. */
static bool is_harmless(struct str line) {
    static const struct str harmless[] = {
        {"unused parameter", 16},         {"undefined parameter", 19}, {"unknown parameter", 17},
        {"overriding earlier entry", 24}, {"compatibility_level", 19}, {"backwards-compatible", 20},
        {"/usr/share/postfix/", 19},      {"will be removed", 15}, /* deprecated: it still works */
    };
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        for (size_t at = 0; at + harmless[i].length <= line.length; at++) {
            if (str_starts(str_slice(line, at, line.length), harmless[i])) {
                return true;
            }
        }
    }
    return false;
}

const char *postfix_warning_problem(struct str warnings, char *room) {
    for (size_t at = 0; at < warnings.length;) {
        const struct str rest = str_slice(warnings, at, warnings.length);
        const size_t newline = str_find(rest, '\n');
        const struct str line = str_slice(rest, 0, newline);
        if (line.length > 0 && !is_harmless(line)) {
            (void)snprintf(room, POSTFIX_PROBLEM_MAX, "%.*s", STR_ARGS(line));
            return room;
        }
        at += line.length + 1;
    }
    return NULL;
}

/* Loading ------------------------------------------------------------------------------------- */

/* Runs `postconf -c FOLDER OPTIONS...`; *ret_output is heap memory. */
static const char *ask(const struct postfix_programs *programs, const char *folder,
                       const char *const *options, size_t option_count, struct str *ret_output,
                       struct str *warnings, char *room) {
    const char *arguments[ASKED + 8] = {programs->postconf, "-c", folder};
    for (size_t i = 0; i < option_count; i++) {
        arguments[3 + i] = options[i];
    }
    struct program_result result;
    const bool good = program_run(arguments, POSTFIX_SECONDS_MAX, &result);
    const char *problem =
        good ? postfix_warning_problem(result.errors, room) : run_problem(&result, room);
    if (problem != NULL) {
        program_result_done(&result);
        return problem;
    }
    *ret_output = result.output;
    if (warnings->data == NULL) {
        *warnings = result.errors;
    } else {
        free((char *)(uintptr_t)result.errors.data);
    }
    return NULL;
}

static const char *load_file(const char *folder, const char *name, struct str *ret_bytes,
                             char *room) {
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *bytes = NULL;
    size_t length = 0;
    const int error =
        fd < 0 ? -errno : durable_file_load(fd, name, POSTFIX_FILE_MAX, &bytes, &length);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (error == 0 && memchr(bytes, '\0', length) != NULL) {
        free(bytes);
        (void)snprintf(room, POSTFIX_PROBLEM_MAX, "%s/%s holds a zero byte: it is no text", folder,
                       name);
        return room;
    }
    if (error != 0) {
        (void)snprintf(room, POSTFIX_PROBLEM_MAX, "%s/%s cannot be read: %s", folder, name,
                       strerror(-error));
        return room;
    }
    *ret_bytes = (struct str){bytes, length};
    return NULL;
}

static const char *load(const struct postfix_programs *programs, struct postfix_config *config,
                        char *room) {
    const char *folder = config->folder;
    const char *used[ASKED + 1] = {"-x"};
    memcpy(used + 1, asked, sizeof asked);
    const struct {
        const char *options[2];
        size_t count;
        struct str *output;
    } questions[] = {
        {{"-n"}, 1, &config->main_set},
        {{"-P"}, 1, &config->master_set},
        {{"-x", "-P"}, 2, &config->master_used},
        {{"-M"}, 1, &config->services},
    };
    const char *problem = load_file(folder, "main.cf", &config->main_cf, room);
    if (problem == NULL) {
        problem = load_file(folder, "master.cf", &config->master_cf, room);
    }
    for (size_t i = 0; problem == NULL && i < sizeof questions / sizeof questions[0]; i++) {
        problem = ask(programs, folder, questions[i].options, questions[i].count,
                      questions[i].output, &config->warnings, room);
    }
    if (problem == NULL) {
        problem =
            ask(programs, folder, used, ASKED + 1, &config->main_used, &config->warnings, room);
    }
    return problem;
}

const char *postfix_config_load(const struct postfix_programs *programs, const char *folder,
                                struct postfix_config *ret_config, char *room) {
    struct postfix_config config = {0};
    (void)snprintf(config.folder, sizeof config.folder, "%s", folder);
    const char *problem = load(programs, &config, room);
    if (problem != NULL) {
        postfix_config_done(&config);
        return problem;
    }
    *ret_config = config;
    return NULL;
}

void postfix_config_done(struct postfix_config *config) {
    const struct str *const kept[] = {&config->main_cf,    &config->master_cf, &config->main_set,
                                      &config->master_set, &config->main_used, &config->master_used,
                                      &config->services,   &config->warnings};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        free((char *)(uintptr_t)kept[i]->data);
    }
    *config = (struct postfix_config){0};
}

/* Values -------------------------------------------------------------------------------------- */

bool postfix_next_value(struct str lines, size_t *at, struct str *ret_name, struct str *ret_value) {
    while (*at < lines.length) {
        const struct str rest = str_slice(lines, *at, lines.length);
        const size_t newline = str_find(rest, '\n');
        const struct str line = str_slice(rest, 0, newline);
        *at += line.length + 1;
        const size_t equals = str_find(line, '=');
        if (equals != SIZE_MAX) {
            *ret_name = str_trim(str_slice(line, 0, equals));
            *ret_value = str_trim(str_slice(line, equals + 1, line.length));
            return true;
        }
    }
    return false;
}

bool postfix_value(struct str lines, struct str name, struct str *ret_value) {
    size_t at = 0;
    struct str candidate;
    struct str value;
    while (postfix_next_value(lines, &at, &candidate, &value)) {
        if (str_equal(candidate, name)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

bool postfix_service_value(struct str lines, struct str service, struct str type, struct str name,
                           struct str *ret_value) {
    char room[1024];
    struct text full = TEXT_OVER(room);
    text_add(&full, service);
    text_add_byte(&full, '/');
    text_add(&full, type);
    text_add_byte(&full, '/');
    text_add(&full, name);
    return !full.truncated && postfix_value(lines, text_str(&full), ret_value);
}

struct str postfix_used(const struct postfix_config *config, struct str service, struct str type,
                        struct str name) {
    struct str value = {0};
    if (!postfix_service_value(config->master_used, service, type, name, &value)) {
        (void)postfix_value(config->main_used, name, &value);
    }
    return value;
}
