/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"
#include "hook/zimbra_report.h"

/* `seczim zimbra`: the policy service hooked into Zimbra's MTA, looked at, taken out. Each step
 * leaves every file whole, and the mark (zimbra_mark.h) says what was begun: the next run of enable
 * completes it, the next of disable undoes it. All return the exit status of the report: 0 fine,
 * 1 something to do, 2 something could not be looked at. Root only. */

struct zimbra_options {
    const char *root;         /* "/opt/zimbra" */
    const char *user;         /* "zimbra" */
    const char *state_folder; /* where the mark is */
    const char *endpoint;     /* NULL: as it was enabled, else "inet:127.0.0.1:10035" */
    unsigned seconds_max;     /* of one program of Zimbra's */
    bool by_ldap;             /* end of data by LDAP attribute; zmconfigd.cf is left alone */
    bool no_probe;            /* enable though nothing answers at the endpoint */
    bool if_lost;             /* enable only when it was on and an upgrade took it away */
    bool dry_run;
};

int zimbra_check(const struct zimbra_options *options, struct zimbra_report *report);
int zimbra_enable(const struct zimbra_options *options, struct zimbra_report *report);
int zimbra_disable(const struct zimbra_options *options, struct zimbra_report *report);
