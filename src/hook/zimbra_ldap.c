/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_ldap.h"

#include <stdio.h>

#include "hook/restriction_list.h"
#include "hook/zimbra_lines.h"

/* With the hook put in and spaces around, a value has to fit into ZIMBRA_VALUE_MAX. */
enum { VALUE_LENGTH_MAX = ZIMBRA_VALUE_MAX - 1024 };

#define DATA   "zimbraMtaSmtpdDataRestrictions"
#define CLIENT "zimbraMtaSmtpdClientRestrictions"

struct ldap_run {
    const struct zimbra_host *host;
    struct str endpoint;
    enum zimbra_ldap_task task;
    struct zimbra_ldap result;
};

/* server NULL: the values for all servers, which zmprov gives one attribute at a time. The output
 * is the caller's. */
static bool read_values(const struct zimbra_host *host, const char *server, const char *attribute,
                        struct zimbra_output *ret_output) {
    const char *global[] = {"gcf", attribute, NULL};
    const char *own[] = {"gs", "-e", server, DATA, CLIENT, NULL};
    return zimbra_zmprov(host, server == NULL ? global : own, ret_output);
}

static bool write_value(struct ldap_run *run, const char *server, const char *attribute,
                        const char *value) {
    struct zimbra_output output;
    const char *global[] = {"mcf", attribute, value, NULL};
    const char *own[] = {"ms", server, attribute, value, NULL};
    if (!zimbra_zmprov(run->host, server == NULL ? global : own, &output)) {
        return false;
    }
    zimbra_output_done(&output);
    run->result.changed++;
    zimbra_say(run->host->report, ZIMBRA_FINE, "ldap-changed", "%s of %s is now \"%s\"", attribute,
               server == NULL ? "all servers" : server, value);
    return true;
}

/* The value with or without the hook; false when it stays as it is. */
static bool new_value(const struct ldap_run *run, struct str value, bool add, struct text *out) {
    struct restriction_list list;
    char room[RESTRICTION_ELEMENT_MAX];
    struct text element = TEXT_OVER(room);
    if (restriction_list_parse(value, &list) != NULL) {
        return false;
    }
    const bool has = restriction_list_find(&list, 0, &run->endpoint, 1) != SIZE_MAX;
    if (add && !has) {
        restriction_format(run->endpoint, RESTRICTION_SPACED, &element);
        restriction_list_insert(&list, 0, text_str(&element), RESTRICTION_SPACED, out);
        return !out->truncated;
    }
    return !add && has && zimbra_list_without(value, run->endpoint, out) && !out->truncated;
}

/* Each line after the one of an attribute is another attribute's, a comment or empty: else its
 * value goes on there, and only a part of it would be written back. */
static bool goes_on(struct str output, const char *attribute) {
    bool within = false;
    size_t offset = 0;
    for (struct str line; zimbra_line_next(output, &offset, &line);) {
        const size_t colon = str_find(line, ':');
        const struct str name = str_slice(line, 0, colon == SIZE_MAX ? 0 : colon);
        bool plain = name.length > 0;
        for (size_t i = 0; i < name.length; i++) {
            const char c = name.data[i];
            plain = plain && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-');
        }
        if (plain) {
            within = str_equal(name, str_from(attribute));
        } else if (within && str_trim(line).length > 0 && line.data[0] != '#') {
            return true;
        }
    }
    return false;
}

/* NULL, or why a value is not known well enough to be written back. */
static const char *unsure(struct str output, const char *attribute, struct str value) {
    struct str more;
    return zimbra_attribute(output, attribute, 1, &more) ? "has several values"
           : value.length > VALUE_LENGTH_MAX             ? "is too long"
           : goes_on(output, attribute)                  ? "has several lines"
                                                         : NULL;
}

static bool visit(struct ldap_run *run, struct str output, const char *server,
                  const char *attribute, bool add) {
    char value[ZIMBRA_VALUE_MAX];
    char written[ZIMBRA_VALUE_MAX];
    struct str found = {0};
    const char *owner = server == NULL ? "all servers" : server;
    const bool has_value = zimbra_attribute(output, attribute, 0, &found);
    const char *reason = unsure(output, attribute, found);
    if (reason != NULL) {
        zimbra_say(run->host->report, ZIMBRA_PROBLEM, "ldap-values",
                   "%s of %s %s; it is left alone: look with zmprov", attribute, owner, reason);
        return true;
    }
    if (server != NULL && !has_value) {
        return true; /* What holds for all servers holds for it. */
    }
    (void)snprintf(value, sizeof value, "%.*s", STR_ARGS(found));
    run->result.servers += server != NULL ? 1 : 0;
    const bool has = zimbra_line_has(str_from(value), run->endpoint);
    run->result.found += has ? 1 : 0;
    if (has && run->task == ZIMBRA_LDAP_LOOK) {
        zimbra_say(run->host->report, ZIMBRA_NOTE, "ldap-hook", "%s of %s holds the hook",
                   attribute, owner);
    }
    struct text out = {.data = written, .size = sizeof written - 1};
    if (run->task == ZIMBRA_LDAP_LOOK || !new_value(run, str_from(value), add, &out)) {
        return true;
    }
    char clean[ZIMBRA_VALUE_MAX];
    (void)snprintf(clean, sizeof clean, "%.*s", STR_ARGS(str_trim(text_str(&out))));
    return write_value(run, server, attribute, clean);
}

static bool visit_global(struct ldap_run *run, const char *attribute, bool add) {
    struct zimbra_output output;
    if (!read_values(run->host, NULL, attribute, &output)) {
        return false;
    }
    const bool good = visit(run, (struct str){output.text, output.length}, NULL, attribute, add);
    zimbra_output_done(&output);
    return good;
}

static bool visit_server(struct ldap_run *run, const char *server, bool add) {
    struct zimbra_output output;
    if (!read_values(run->host, server, NULL, &output)) {
        return false;
    }
    const struct str text = {output.text, output.length};
    const bool good =
        visit(run, text, server, DATA, add) && (add || visit(run, text, server, CLIENT, false));
    zimbra_output_done(&output);
    return good;
}

bool zimbra_ldap_run(const struct zimbra_host *host, struct str endpoint,
                     enum zimbra_ldap_task task, struct zimbra_ldap *ret_ldap) {
    struct ldap_run run = {.host = host, .endpoint = endpoint, .task = task};
    struct zimbra_output output;
    const bool add = task == ZIMBRA_LDAP_ADD;
    const char *servers[] = {"gas", "mta", NULL};
    if (!visit_global(&run, DATA, add) || (!add && !visit_global(&run, CLIENT, false)) ||
        !zimbra_zmprov(host, servers, &output)) {
        return false;
    }
    bool good = true;
    size_t offset = 0;
    size_t count = 0;
    const struct str text = {output.text, output.length};
    for (struct str line; good && zimbra_line_next(text, &offset, &line);) {
        char server[ZIMBRA_NAME_MAX];
        const struct str name = str_trim(line);
        if (name.length == 0 || name.length >= sizeof server || name.data[0] == '#') {
            continue;
        }
        if (++count > ZIMBRA_SERVERS_MAX) {
            zimbra_say(host->report, ZIMBRA_UNCLEAR, "many-servers",
                       "there are more than %d servers with an MTA; the later ones are not looked "
                       "at",
                       (int)ZIMBRA_SERVERS_MAX);
            break;
        }
        (void)snprintf(server, sizeof server, "%.*s", STR_ARGS(name));
        good = visit_server(&run, server, add);
    }
    zimbra_output_done(&output);
    *ret_ldap = run.result;
    return good;
}
