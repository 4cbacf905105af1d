/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"
#include "hook/zimbra_program.h"
#include "hook/zimbra_report.h"

/* One host with Zimbra's MTA: its programs and what they say. Each function that fails has said why
 * in the report. */

enum { ZIMBRA_SERVERS_MAX = 64, ZIMBRA_NAME_MAX = 256, ZIMBRA_VALUE_MAX = 8192 };

struct zimbra_host {
    char root[256]; /* "/opt/zimbra" */
    struct zimbra_user user;
    unsigned seconds_max; /* of one program; a rewrite of all may take three times as long */
    char version[64];     /* "10.1.0" */
    unsigned major, minor;
    struct zimbra_report *report;
};

/* Finds user and version. False when this is no host with Zimbra's MTA 8.8 or later, or this
 * process is not root. */
bool zimbra_host_open(const char *root, const char *user, unsigned seconds_max,
                      struct zimbra_report *report, struct zimbra_host *ret_host);

/* The name of this server in LDAP. */
bool zimbra_host_name(const struct zimbra_host *host, char *room, size_t size);

/* The parameters named (the last NULL) of main.cf, expanded, as "name = value" lines; the output is
 * the caller's. */
bool zimbra_postconf(const struct zimbra_host *host, const char *const *names,
                     struct zimbra_output *ret_output);

/* Makes main.cf and master.cf anew from templates and LDAP and has Postfix read them. True says
 * that the program ended well, not that the files show it. */
bool zimbra_rewrite(const struct zimbra_host *host);

/* LDAP --------------------------------------------------------------------------------------- */

/* zmprov with `words` (the last NULL); its output is the caller's. */
bool zimbra_zmprov(const struct zimbra_host *host, const char *const *words,
                   struct zimbra_output *ret_output);
/* The value-th (0 first) value of an attribute in zmprov's output, which has "name: value" lines.
 */
bool zimbra_attribute(struct str output, const char *name, size_t value, struct str *ret_value);
