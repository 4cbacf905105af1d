/* SPDX-License-Identifier: Apache-2.0 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "hook/hook_probe.h"
#include "hook/zimbra_ldap.h"
#include "hook/zimbra_lines.h"
#include "hook/zimbra_running.h"
#include "hook/zimbra_work.h"

enum { PROBE_SECONDS = 5, PROBLEM_MAX = 400, ADDRESS_MAX = 128 };

/* What the files have, against what this host was told. */

static void check_file(struct zimbra_work *work, enum zimbra_place place) {
    const struct zimbra_work_file *file = &work->files[place];
    const char *path = zimbra_place_path(place);
    const char *gives = zimbra_place_gives(place);
    const bool on = work->mark.state == ZIMBRA_ON;
    const bool end_of_data = place == ZIMBRA_CONFIGD || place == ZIMBRA_END_OF_DATA;
    if (!file->there || (end_of_data && work->mark.by_ldap)) {
        return;
    }
    switch (file->look.presence) {
    case ZIMBRA_PRESENT:
        zimbra_say(work->report, ZIMBRA_FINE, "present", "%s has the hook: %s", path, gives);
        break;
    case ZIMBRA_NOT_NEEDED:
        zimbra_say(work->report, ZIMBRA_FINE, "not-needed", "%s needs no hook: %s", path,
                   file->look.reason);
        break;
    case ZIMBRA_ABSENT:
        zimbra_say(work->report, ZIMBRA_PROBLEM, on ? "lost" : "absent",
                   on ? "%s has lost the hook since it was enabled with Zimbra %s (an upgrade "
                        "replaces this file): run `seczim zimbra enable` again"
                      : "%s has no hook%.0s: run `seczim zimbra enable`",
                   path, work->mark.version);
        break;
    case ZIMBRA_MISPLACED:
        zimbra_say(work->report, ZIMBRA_PROBLEM, "misplaced",
                   "%s has the hook, but %s: run `seczim zimbra enable`", path, file->look.reason);
        break;
    case ZIMBRA_UNKNOWN:
        zimbra_say(work->report, ZIMBRA_PROBLEM, "unknown", "%s is not as Zimbra has it: %s", path,
                   file->look.reason);
        break;
    }
}

static void check_mark(struct zimbra_work *work) {
    const enum zimbra_state state = work->mark.state;
    if (state == ZIMBRA_ENABLING || state == ZIMBRA_DISABLING) {
        zimbra_say(work->report, ZIMBRA_PROBLEM, "interrupted",
                   "a run of `seczim zimbra %s` did not come to its end: `seczim zimbra enable` "
                   "completes, `seczim zimbra disable` undoes",
                   state == ZIMBRA_ENABLING ? "enable" : "disable");
    }
    if (state == ZIMBRA_ON && strcmp(work->mark.version, work->host.version) != 0) {
        zimbra_say(work->report, ZIMBRA_NOTE, "upgraded",
                   "the hook was enabled with Zimbra %s; this is %s", work->mark.version,
                   work->host.version);
    }
}

/* What Postfix has. */

static void say_main(struct zimbra_work *work, const char *code, const char *sentence) {
    zimbra_say(work->report, ZIMBRA_PROBLEM, code, "%s", sentence);
}

static void check_running(struct zimbra_work *work) {
    struct zimbra_running running;
    if (!zimbra_running_read(&work->host, work->endpoint, &running)) {
        return;
    }
    if (running.relay == RELAY_OPEN) {
        say_main(work, "open-relay",
                 "main.cf refuses no stranger's mail to foreign domains: look at "
                 "smtpd_relay_restrictions (this has nothing to do with the hook)");
    }
    if (running.open_networks) {
        say_main(work, "open-networks",
                 "mynetworks in main.cf holds the whole internet: everybody may relay");
    }
    if (zimbra_running_complete(&running, work->mark.by_ldap)) {
        zimbra_say(work->report, ZIMBRA_FINE, "main-cf", "main.cf and master.cf show the hook");
        return;
    }
    if (!running.recipient) {
        say_main(work, "main-cf-recipient",
                 "smtpd_recipient_restrictions in main.cf does not show the hook");
    } else if (!running.before_permits) {
        say_main(work, "main-cf-late",
                 "in main.cf the hook stands behind what permits our own users: their mail is not "
                 "seen");
    } else if (!running.dunno) {
        say_main(work, "main-cf-dunno",
                 "in main.cf the hook lacks default_action=DUNNO: without the policy service mail "
                 "would be deferred");
    }
    if (!running.ports) {
        say_main(work, "main-cf-ports",
                 "in master.cf a port of users (465, 587) has recipient restrictions of its own "
                 "without the hook: its mail is not seen");
    }
    if (!running.end_of_data && !(work->mark.by_ldap && running.data)) {
        say_main(work, "main-cf-end",
                 "smtpd_end_of_data_restrictions in main.cf does not show the hook: quotas settle "
                 "by time-out only, and sizes are not known");
    }
}

/* What LDAP has. */

static bool list_holds(struct str output, const char *attribute, struct str address) {
    struct ip_address wanted;
    if (!ip_address_parse(address, &wanted)) {
        return false;
    }
    struct str value;
    for (size_t i = 0; zimbra_attribute(output, attribute, i, &value); i++) {
        for (struct str word = zimbra_word(&value); word.length > 0; word = zimbra_word(&value)) {
            struct ip_prefix prefix;
            if (ip_prefix_parse(word, &prefix, NULL) && ip_prefix_contains(prefix, wanted)) {
                return true;
            }
        }
    }
    return false;
}

/* saslauthd asks mailboxd from this host's own address; only a trusted one may name the client. */
static void check_trusted(struct zimbra_work *work, const char *name, struct str output) {
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char missing[ADDRESS_MAX] = "";
    bool trusted = false;
    if (getaddrinfo(name, NULL, &wanted, &found) != 0) {
        zimbra_say(work->report, ZIMBRA_NOTE, "trusted-ip",
                   "the address of %s is not known, so zimbraMailTrustedIP was not checked", name);
        return;
    }
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        char text[ADDRESS_MAX];
        if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) ==
            0) {
            trusted = trusted || list_holds(output, "zimbraMailTrustedIP", str_from(text));
            (void)snprintf(missing, sizeof missing, "%s", text);
        }
    }
    freeaddrinfo(found);
    if (!trusted) {
        zimbra_say(work->report, ZIMBRA_NOTE, "trusted-ip",
                   "zimbraMailTrustedIP does not hold %s, the address of this MTA: in audit.log "
                   "failed SMTP logins look as if they came from the MTA itself; zmprov mcf "
                   "+zimbraMailTrustedIP %s mends it",
                   missing, missing);
    }
}

static void check_ldap(struct zimbra_work *work) {
    struct zimbra_output output;
    struct zimbra_ldap ldap;
    char name[ZIMBRA_NAME_MAX];
    const char *words[] = {"gs", name, "zimbraServiceEnabled", "zimbraMailTrustedIP", NULL};
    if (!zimbra_host_name(&work->host, name, sizeof name) ||
        !zimbra_zmprov(&work->host, words, &output)) {
        return;
    }
    const struct str text = {output.text, output.length};
    struct str value;
    for (size_t i = 0; zimbra_attribute(text, "zimbraServiceEnabled", i, &value); i++) {
        if (str_equal(value, STR("cbpolicyd"))) {
            zimbra_say(work->report, ZIMBRA_NOTE, "cbpolicyd",
                       "Zimbra's own policy service cbpolicyd is enabled too and is asked before "
                       "the hook: its quotas and greylisting count besides");
        }
    }
    check_trusted(work, name, text);
    zimbra_output_done(&output);
    if (!zimbra_ldap_run(&work->host, work->endpoint, ZIMBRA_LDAP_LOOK, &ldap)) {
        return; /* Looking changes nothing, so that there is nothing to free either. */
    }
    if (work->mark.by_ldap && ldap.found == 0) {
        say_main(work, "ldap-lost",
                 "zimbraMtaSmtpdDataRestrictions has lost the hook: run `seczim zimbra enable "
                 "--by-ldap` again");
    }
    if (!work->mark.by_ldap && ldap.found > 0) {
        say_main(work, "ldap-besides",
                 "an LDAP attribute holds the hook besides the templates, so that it is asked "
                 "twice: `seczim zimbra disable` and enable again");
    }
    if (ldap.servers > 0) {
        zimbra_say(work->report, ZIMBRA_NOTE, "ldap-own",
                   "%zu restriction lists in LDAP belong to one server and do not follow those of "
                   "all servers",
                   ldap.servers);
    }
}

static void check_service(struct zimbra_work *work) {
    char problem[PROBLEM_MAX];
    if (hook_probe_policy(work->endpoint, ZIMBRA_QUEUE_FOLDER, PROBE_SECONDS, problem,
                          sizeof problem) == NULL) {
        zimbra_say(work->report, ZIMBRA_FINE, "answers", "the policy service answers at %s",
                   work->endpoint_text);
    } else {
        zimbra_say(
            work->report, ZIMBRA_PROBLEM, "no-answer",
            "the policy service does not answer at %s (%s): mail goes on unseen, a second or "
            "more later for each recipient; start seczim-daemon",
            work->endpoint_text, problem);
    }
}

int zimbra_check(const struct zimbra_options *options, struct zimbra_report *report) {
    struct zimbra_work *work = malloc(sizeof *work);
    CHECK(work != NULL);
    const bool opened = zimbra_work_open(options, report, false, work);
    if (opened) {
        check_mark(work);
        for (unsigned i = 0; i < ZIMBRA_PLACES; i++) {
            check_file(work, (enum zimbra_place)i);
        }
        check_running(work);
        check_ldap(work);
        check_service(work);
    }
    zimbra_work_close(work);
    free(work);
    return zimbra_report_exit(report);
}
