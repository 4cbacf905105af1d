/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_host.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/program.h"
#include "hook/zimbra_lines.h"

enum { WORDS_MAX = 16, PROBLEM_MAX = 700, CALLED_MAX = 120 };

static bool is_file(const struct zimbra_host *host, const char *path) {
    char whole[PATH_MAX];
    struct stat status;
    (void)snprintf(whole, sizeof whole, "%s/%s", host->root, path);
    return stat(whole, &status) == 0 && S_ISREG(status.st_mode);
}

/* Runs ROOT/program with words; false and a sentence of that level when it does not end well. */
static bool run(const struct zimbra_host *host, const char *program, const char *const *words,
                const struct zimbra_user *user, unsigned seconds_max, enum zimbra_level level,
                struct zimbra_output *ret_output) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", host->root, program);
    const char *arguments[WORDS_MAX + 2] = {path};
    size_t count = 1;
    for (; words[count - 1] != NULL; count++) {
        CHECK(count <= WORDS_MAX);
        arguments[count] = words[count - 1];
    }
    zimbra_program_run(arguments, user, host->root, seconds_max, ret_output);
    if (zimbra_output_good(ret_output)) {
        return true;
    }
    char problem[PROBLEM_MAX];
    char room[CALLED_MAX + 1];
    struct text called = {.data = room, .size = CALLED_MAX};
    text_add(&called, str_from(program));
    for (size_t i = 0; words[i] != NULL; i++) {
        text_add_byte(&called, ' ');
        text_add(&called, str_from(words[i]));
    }
    zimbra_output_problem(ret_output, text_zero(&called), seconds_max, problem, sizeof problem);
    zimbra_say(host->report, level, "program", "%s", problem);
    zimbra_output_done(ret_output);
    return false;
}

static bool run_for_line(const struct zimbra_host *host, const char *program, const char *word,
                         char *room, size_t size) {
    struct zimbra_output output;
    const char *words[] = {word, NULL};
    if (!run(host, program, words, &host->user, host->seconds_max, ZIMBRA_UNCLEAR, &output)) {
        return false;
    }
    const struct str line = str_trim((struct str){output.text, output.length});
    const size_t newline = str_find(line, '\n');
    (void)snprintf(room, size, "%.*s", STR_ARGS(str_slice(line, 0, newline)));
    zimbra_output_done(&output);
    return true;
}

/* "Release 10.1.0.GA.4655.UBUNTU22.64 ...": the numbers at the start. */
static bool read_version(struct zimbra_host *host) {
    char line[ZIMBRA_VALUE_MAX];
    if (!run_for_line(host, "bin/zmcontrol", "-v", line, sizeof line)) {
        return false;
    }
    unsigned major = 0;
    unsigned minor = 0;
    unsigned patch = 0;
    const char *release = strstr(line, "Release ");
    if (release == NULL || sscanf(release, "Release %u.%u.%u", &major, &minor, &patch) != 3) {
        zimbra_say(host->report, ZIMBRA_UNCLEAR, "version",
                   "zmcontrol -v says \"%.100s\", in which no release such as 10.1.0 is found",
                   line);
        return false;
    }
    host->major = major;
    host->minor = minor;
    (void)snprintf(host->version, sizeof host->version, "%u.%u.%u", major, minor, patch);
    if (major < 8 || (major == 8 && minor < 8)) {
        zimbra_say(host->report, ZIMBRA_UNCLEAR, "version",
                   "this is Zimbra %s; the hook is known for 8.8 to 10", host->version);
        return false;
    }
    zimbra_say(host->report, major > 10 ? ZIMBRA_NOTE : ZIMBRA_FINE, "version", "Zimbra %s%s",
               host->version,
               major > 10 ? ": later than the 8.8 to 10 this was made for; each file is looked at"
                          : "");
    return true;
}

bool zimbra_host_open(const char *root, const char *user, unsigned seconds_max,
                      struct zimbra_report *report, struct zimbra_host *ret_host) {
    struct zimbra_host host = {.seconds_max = seconds_max, .report = report};
    (void)snprintf(host.root, sizeof host.root, "%s", root);
    if (geteuid() != 0) {
        zimbra_say(report, ZIMBRA_UNCLEAR, "not-root",
                   "this needs root: it runs Zimbra's programs as the user %s and reads files of "
                   "Postfix; use sudo",
                   user);
        return false;
    }
    if (root[0] != '/' || strlen(root) >= sizeof host.root || !is_file(&host, "bin/zmprov")) {
        zimbra_say(report, ZIMBRA_UNCLEAR, "no-zimbra",
                   "there is no Zimbra in %.200s (bin/zmprov is not there); --zimbra-root says "
                   "where it is",
                   root);
        return false;
    }
    if (!zimbra_user_find(user, &host.user)) {
        zimbra_say(report, ZIMBRA_UNCLEAR, "no-user",
                   "there is no user %.60s, as whom Zimbra's programs run; --zimbra-user names it",
                   user);
        return false;
    }
    if (!is_file(&host, "common/conf/main.cf")) {
        zimbra_say(report, ZIMBRA_UNCLEAR, "no-mta",
                   "%s/common/conf/main.cf is not there: this host has no MTA of Zimbra 8.8 or "
                   "later; run this on the hosts that have",
                   host.root);
        return false;
    }
    if (!read_version(&host)) {
        return false;
    }
    *ret_host = host;
    return true;
}

bool zimbra_host_name(const struct zimbra_host *host, char *room, size_t size) {
    return run_for_line(host, "bin/zmhostname", NULL, room, size);
}

bool zimbra_postconf(const struct zimbra_host *host, const char *const *names,
                     struct zimbra_output *ret_output) {
    char folder[PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s/common/conf", host->root);
    const char *words[WORDS_MAX + 1] = {"-c", folder, "-x"};
    for (size_t i = 0; names[i] != NULL; i++) {
        CHECK(i + 3 < WORDS_MAX);
        words[i + 3] = names[i];
    }
    /* main.cf may be for root alone; but what others can write, root does not run. */
    char program[PATH_MAX];
    char problem[PROBLEM_MAX];
    (void)snprintf(program, sizeof program, "%s/common/sbin/postconf", host->root);
    const bool trusted = program_problem(program, problem, sizeof problem) == NULL;
    return run(host, "common/sbin/postconf", words, trusted ? NULL : &host->user, host->seconds_max,
               ZIMBRA_UNCLEAR, ret_output);
}

bool zimbra_rewrite(const struct zimbra_host *host) {
    enum { REWRITE_FACTOR = 3 };
    struct zimbra_output output;
    const char *words[] = {"reload", NULL};
    if (!run(host, "bin/zmmtactl", words, &host->user, host->seconds_max * REWRITE_FACTOR,
             ZIMBRA_NOTE, &output)) {
        return false;
    }
    zimbra_output_done(&output);
    return true;
}

bool zimbra_zmprov(const struct zimbra_host *host, const char *const *words,
                   struct zimbra_output *ret_output) {
    /* -l: straight to LDAP, also while mailboxd is down. */
    const char *arguments[WORDS_MAX + 1] = {"-l"};
    size_t count = 1;
    for (; words[count - 1] != NULL; count++) {
        CHECK(count < WORDS_MAX);
        arguments[count] = words[count - 1];
    }
    if (!run(host, "bin/zmprov", arguments, &host->user, host->seconds_max, ZIMBRA_UNCLEAR,
             ret_output)) {
        return false;
    }
    if (ret_output->cut) {
        /* Whatever is concluded from a part may be wrong, and written back it would be. */
        zimbra_say(host->report, ZIMBRA_UNCLEAR, "program",
                   "zmprov %s wrote more than %d bytes; LDAP is left alone: look with zmprov",
                   words[0], (int)ZIMBRA_OUTPUT_MAX);
        zimbra_output_done(ret_output);
        return false;
    }
    return true;
}

bool zimbra_attribute(struct str output, const char *name, size_t value, struct str *ret_value) {
    const struct str wanted = str_from(name);
    size_t offset = 0;
    size_t seen = 0;
    for (struct str line; zimbra_line_next(output, &offset, &line);) {
        const size_t colon = str_find(line, ':');
        if (colon != SIZE_MAX && str_equal(str_slice(line, 0, colon), wanted) && seen++ == value) {
            *ret_value = str_trim(str_slice(line, colon + 1, line.length));
            return true;
        }
    }
    return false;
}
