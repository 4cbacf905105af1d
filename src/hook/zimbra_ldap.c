/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_ldap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/restriction_list.h"
#include "hook/zimbra_lines.h"

/* With the hook put in and spaces around, a value has to fit into ZIMBRA_VALUE_MAX. */
enum { VALUE_LENGTH_MAX = ZIMBRA_VALUE_MAX - 1024, OTHERS_MAX = 300 };

#define DATA   "zimbraMtaSmtpdDataRestrictions"
#define CLIENT "zimbraMtaSmtpdClientRestrictions"

struct ldap_run {
    const struct zimbra_host *host;
    struct str endpoint;
    enum zimbra_ldap_task task;
    struct zimbra_ldap *result;
    char own_name[ZIMBRA_NAME_MAX]; /* of this host, when something is changed */
    struct text others;             /* the names of the other MTAs */
    char others_room[OTHERS_MAX];
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
                        const char *before, const char *value) {
    CHECK(run->result->changed < ZIMBRA_LDAP_CHANGES_MAX);
    struct zimbra_ldap_change *change = &run->result->changes[run->result->changed];
    struct zimbra_output output;
    const char *global[] = {"mcf", attribute, value, NULL};
    const char *own[] = {"ms", server, attribute, value, NULL};
    if (!zimbra_zmprov(run->host, server == NULL ? global : own, &output)) {
        return false;
    }
    zimbra_output_done(&output);
    (void)snprintf(change->server, sizeof change->server, "%s", server == NULL ? "" : server);
    change->attribute = attribute;
    change->before = strdup(before);
    CHECK(change->before != NULL);
    run->result->changed++;
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
    run->result->servers += server != NULL ? 1 : 0;
    const bool has = zimbra_line_has(str_from(value), run->endpoint);
    run->result->found += has ? 1 : 0;
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
    return write_value(run, server, attribute, value, clean);
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

static void remember_other(struct ldap_run *run, const char *server) {
    if (run->task == ZIMBRA_LDAP_LOOK || strcmp(server, run->own_name) == 0) {
        return;
    }
    if (run->others.length > 0) {
        text_add(&run->others, STR(", "));
    }
    text_add(&run->others, str_from(server));
}

/* Each server with an MTA, as zmprov lists them. */
static bool visit_servers(struct ldap_run *run, struct str text, bool add) {
    size_t offset = 0;
    size_t count = 0;
    for (struct str line; zimbra_line_next(text, &offset, &line);) {
        char server[ZIMBRA_NAME_MAX];
        const struct str name = str_trim(line);
        if (name.length == 0 || name.length >= sizeof server || name.data[0] == '#') {
            continue;
        }
        if (++count > ZIMBRA_SERVERS_MAX) {
            zimbra_say(run->host->report, ZIMBRA_UNCLEAR, "many-servers",
                       "there are more than %d servers with an MTA; the later ones are not looked "
                       "at",
                       (int)ZIMBRA_SERVERS_MAX);
            return true;
        }
        (void)snprintf(server, sizeof server, "%.*s", STR_ARGS(name));
        remember_other(run, server);
        if (!visit_server(run, server, add)) {
            return false;
        }
    }
    return true;
}

static void warn_others(struct ldap_run *run) {
    if (run->result->changed == 0 || run->others.length == 0) {
        return;
    }
    zimbra_say(run->host->report, ZIMBRA_NOTE, "ldap-others",
               "LDAP is shared: what was changed there holds on the other MTAs too (%s): %s",
               text_zero(&run->others),
               run->task == ZIMBRA_LDAP_ADD
                   ? "a policy service has to answer at the same endpoint on each"
                   : "where the hook was enabled with --by-ldap, enable it again");
}

static bool run_all(struct ldap_run *run) {
    struct zimbra_output output;
    const bool add = run->task == ZIMBRA_LDAP_ADD;
    const char *servers[] = {"gas", "mta", NULL};
    if (run->task != ZIMBRA_LDAP_LOOK &&
        !zimbra_host_name(run->host, run->own_name, sizeof run->own_name)) {
        return false;
    }
    if (!visit_global(run, DATA, add) || (!add && !visit_global(run, CLIENT, false)) ||
        !zimbra_zmprov(run->host, servers, &output)) {
        return false;
    }
    const bool good = visit_servers(run, (struct str){output.text, output.length}, add);
    zimbra_output_done(&output);
    warn_others(run);
    return good;
}

bool zimbra_ldap_run(const struct zimbra_host *host, struct str endpoint,
                     enum zimbra_ldap_task task, struct zimbra_ldap *ret_ldap) {
    struct ldap_run run = {.host = host, .endpoint = endpoint, .task = task, .result = ret_ldap};
    run.others = (struct text){.data = run.others_room, .size = sizeof run.others_room - 1};
    *ret_ldap = (struct zimbra_ldap){0};
    return run_all(&run);
}

bool zimbra_ldap_undo(const struct zimbra_host *host, const struct zimbra_ldap *ldap) {
    bool good = true;
    for (size_t i = ldap->changed; i-- > 0;) {
        const struct zimbra_ldap_change *change = &ldap->changes[i];
        struct zimbra_output output;
        const char *global[] = {"mcf", change->attribute, change->before, NULL};
        const char *own[] = {"ms", change->server, change->attribute, change->before, NULL};
        if (!zimbra_zmprov(host, change->server[0] == '\0' ? global : own, &output)) {
            good = false;
            continue;
        }
        zimbra_output_done(&output);
        zimbra_say(host->report, ZIMBRA_FINE, "ldap-changed", "%s of %s is \"%s\" again",
                   change->attribute, change->server[0] == '\0' ? "all servers" : change->server,
                   change->before);
    }
    return good;
}

void zimbra_ldap_done(struct zimbra_ldap *ldap) {
    for (size_t i = 0; i < ldap->changed; i++) {
        free(ldap->changes[i].before);
    }
    *ldap = (struct zimbra_ldap){0};
}
