/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "hook/hook_probe.h"
#include "hook/zimbra_ldap.h"
#include "hook/zimbra_running.h"
#include "hook/zimbra_work.h"

enum { PROBE_SECONDS = 5, PROBLEM_MAX = 400 };

/* Each file is as Zimbra has it, or is not needed. */
static bool files_usable(struct zimbra_work *work) {
    bool good = true;
    for (unsigned i = 0; i < ZIMBRA_PLACES; i++) {
        struct zimbra_work_file *file = &work->files[i];
        const bool end_of_data = i == ZIMBRA_CONFIGD || i == ZIMBRA_END_OF_DATA;
        if (work->options->by_ldap && end_of_data) {
            file->skipped = true;
        } else if (file->there && file->look.presence == ZIMBRA_UNKNOWN) {
            zimbra_say(work->report, ZIMBRA_PROBLEM, "unknown",
                       "%s/%s is left alone, and so are the others: %s%s", work->host.root,
                       zimbra_place_path((enum zimbra_place)i), file->look.reason,
                       i == ZIMBRA_CONFIGD ? "; --by-ldap does without this file" : "");
            good = false;
        }
    }
    return good;
}

static bool service_answers(struct zimbra_work *work) {
    char problem[PROBLEM_MAX];
    if (work->options->no_probe || work->options->if_lost ||
        hook_probe_policy(work->endpoint, ZIMBRA_QUEUE_FOLDER, PROBE_SECONDS, problem,
                          sizeof problem) == NULL) {
        return true;
    }
    zimbra_say(work->report, ZIMBRA_PROBLEM, "no-answer",
               "nothing is changed: the policy service does not answer at %s (%s); start "
               "seczim-daemon first (--no-probe goes on without)",
               work->endpoint_text, problem);
    return false;
}

static void say_interrupted(struct zimbra_work *work) {
    if (work->mark.state == ZIMBRA_ENABLING || work->mark.state == ZIMBRA_DISABLING) {
        zimbra_say(work->report, ZIMBRA_NOTE, "interrupted",
                   "an earlier run of `seczim zimbra %s` did not come to its end; this one %s it",
                   work->mark.state == ZIMBRA_ENABLING ? "enable" : "disable",
                   work->mark.state == ZIMBRA_ENABLING ? "completes" : "undoes");
    }
}

/* Everything back as this run found it. */
static void take_back(struct zimbra_work *work, const struct zimbra_ldap *ldap) {
    zimbra_work_undo(work);
    (void)zimbra_ldap_undo(&work->host, ldap);
    (void)zimbra_rewrite(&work->host);
    const int saved = zimbra_mark_save(work->options->state_folder, &work->mark);
    zimbra_say(work->report, ZIMBRA_PROBLEM, "taken-back",
               "the hook is not in place: what this run wrote has been taken back%s",
               saved == 0 ? "" : ", but not the mark; run `seczim zimbra disable`");
}

static bool put_in(struct zimbra_work *work, struct zimbra_ldap *ldap) {
    const bool by_ldap = work->options->by_ldap;
    if (!zimbra_work_mark(work, ZIMBRA_ENABLING, by_ldap)) {
        return false;
    }
    if (!zimbra_work_write(work, true) ||
        ((by_ldap || work->mark.by_ldap) &&
         !zimbra_ldap_run(&work->host, work->endpoint,
                          by_ldap ? ZIMBRA_LDAP_ADD : ZIMBRA_LDAP_REMOVE, ldap))) {
        take_back(work, ldap);
        return false;
    }
    if (zimbra_work_rewrite(work, true, by_ldap)) {
        return zimbra_work_mark(work, ZIMBRA_ON, by_ldap);
    }
    if (work->options->if_lost) {
        /* In the middle of an upgrade Zimbra is down: it reads the files when it starts. */
        (void)zimbra_work_mark(work, ZIMBRA_ON, by_ldap);
        zimbra_say(work->report, ZIMBRA_PROBLEM, "not-yet",
                   "the files have the hook again, but main.cf does not show it: Zimbra makes it "
                   "anew when it starts; `seczim zimbra check` tells");
        return false;
    }
    zimbra_say(work->report, ZIMBRA_PROBLEM, "not-shown",
               "main.cf and master.cf do not show the hook %u s after zmmtactl reload; is "
               "zmconfigd running?",
               work->options->seconds_max);
    take_back(work, ldap);
    return false;
}

static void say_done(struct zimbra_work *work) {
    struct zimbra_running running;
    if (!zimbra_running_read(&work->host, work->endpoint, &running)) {
        return;
    }
    zimbra_say(work->report, ZIMBRA_FINE, "enabled",
               "the hook is in place: main.cf and master.cf show it");
    if (!running.end_of_data) {
        zimbra_say(work->report, ZIMBRA_NOTE, "data",
                   "the end of data is asked for at DATA, on port 25 only: sizes are not known, "
                   "and mail from ports 465 and 587 is not settled there");
    }
    if (running.relay == RELAY_OPEN) {
        zimbra_say(work->report, ZIMBRA_PROBLEM, "open-relay",
                   "the restrictions in main.cf refuse no stranger's mail to foreign domains, with "
                   "or without the hook: look at smtpd_relay_restrictions");
    }
}

/* The hook goes before what permits: only where relay control does not stand behind it. */
static bool relay_controlled(struct zimbra_work *work) {
    struct zimbra_running running;
    if (work->options->if_lost ||
        (zimbra_running_read(&work->host, work->endpoint, &running) && running.relay_control)) {
        return true;
    }
    zimbra_say(work->report, ZIMBRA_PROBLEM, "relay-control",
               "nothing is changed: smtpd_relay_restrictions in main.cf has no relay control "
               "(reject_unauth_destination), and the hook goes before what permits; put it back "
               "into conf/zmconfigd/smtpd_relay_restrictions.cf first");
    return false;
}

static void enable(struct zimbra_work *work) {
    const enum zimbra_state state = work->mark.state;
    if (work->options->if_lost && state != ZIMBRA_ON && state != ZIMBRA_ENABLING) {
        zimbra_say(work->report, ZIMBRA_FINE, "not-enabled",
                   "the hook was not enabled on this host: nothing to do");
        return;
    }
    if (!files_usable(work)) {
        return;
    }
    zimbra_work_edit(work, true);
    if (work->options->dry_run) {
        zimbra_work_show(work);
        if (work->options->by_ldap) {
            zimbra_say(work->report, ZIMBRA_FINE, "change",
                       "zimbraMtaSmtpdDataRestrictions: the hook first");
        }
        return;
    }
    struct zimbra_running running;
    const bool same_way = work->mark.by_ldap == work->options->by_ldap;
    if (state == ZIMBRA_ON && same_way && zimbra_work_changes(work) == 0 &&
        zimbra_running_read(&work->host, work->endpoint, &running) &&
        zimbra_running_complete(&running, work->options->by_ldap)) {
        zimbra_say(work->report, ZIMBRA_FINE, "enabled", "the hook is in place already");
        return;
    }
    say_interrupted(work);
    struct zimbra_ldap ldap = {0};
    if (relay_controlled(work) && service_answers(work) && put_in(work, &ldap)) {
        say_done(work);
    }
    zimbra_ldap_done(&ldap);
}

int zimbra_enable(const struct zimbra_options *options, struct zimbra_report *report) {
    struct zimbra_options used = *options;
    struct zimbra_work *work = malloc(sizeof *work);
    CHECK(work != NULL);
    if (zimbra_work_open(&used, report, !used.dry_run, work)) {
        /* What was enabled by LDAP stays so when it is put back. */
        used.by_ldap = used.by_ldap || (used.if_lost && work->mark.by_ldap);
        enable(work);
    }
    zimbra_work_close(work);
    free(work);
    return zimbra_report_exit(report);
}

/* Disable ------------------------------------------------------------------------------------- */

static bool take_out(struct zimbra_work *work, bool anything) {
    struct zimbra_ldap ldap;
    if (anything && !zimbra_work_mark(work, ZIMBRA_DISABLING, work->mark.by_ldap)) {
        return false;
    }
    if (!zimbra_work_write(work, false)) {
        return false;
    }
    const bool known = zimbra_ldap_run(&work->host, work->endpoint, ZIMBRA_LDAP_REMOVE, &ldap);
    zimbra_ldap_done(&ldap);
    if (!known) {
        zimbra_say(work->report, ZIMBRA_PROBLEM, "ldap",
                   "it is not known whether the hook is in LDAP attributes: run this again when "
                   "zmprov works");
        return false;
    }
    if (!zimbra_work_rewrite(work, false, false)) {
        zimbra_say(work->report, ZIMBRA_PROBLEM, "still-shown",
                   "main.cf or master.cf still shows the hook %u s after zmmtactl reload; do not "
                   "stop the policy service yet, see that zmconfigd runs, and run this again",
                   work->options->seconds_max);
        return false;
    }
    zimbra_work_forget_kept(work);
    return zimbra_work_mark(work, ZIMBRA_OFF, false);
}

int zimbra_disable(const struct zimbra_options *options, struct zimbra_report *report) {
    struct zimbra_work *work = malloc(sizeof *work);
    CHECK(work != NULL);
    if (zimbra_work_open(options, report, !options->dry_run, work)) {
        zimbra_work_edit(work, false);
        const bool anything = zimbra_work_changes(work) > 0 || work->mark.state != ZIMBRA_OFF;
        if (options->dry_run) {
            zimbra_work_show(work);
        } else {
            if (work->mark.state == ZIMBRA_ENABLING || work->mark.state == ZIMBRA_DISABLING) {
                zimbra_say(report, ZIMBRA_NOTE, "interrupted",
                           "an earlier run did not come to its end; this one undoes it");
            }
            if (take_out(work, anything)) {
                zimbra_say(report, ZIMBRA_FINE, "disabled",
                           "the hook is out of the templates, of LDAP, of main.cf and master.cf");
            }
        }
    }
    zimbra_work_close(work);
    free(work);
    return zimbra_report_exit(report);
}
