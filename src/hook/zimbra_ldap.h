/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hook/zimbra_host.h"

/* The attributes whose text zmconfigd writes to main.cf as it is: zimbraMtaSmtpdDataRestrictions
 * and zimbraMtaSmtpdClientRestrictions, of all servers together and, where one has a value of its
 * own, of each. They survive an upgrade. But the ports 465 and 587 of Zimbra's master.cf empty both
 * lists, and DATA comes before the message: no size, and no count of what was accepted in the end.
 */

/* Two attributes of all servers together and of each. */
enum { ZIMBRA_LDAP_CHANGES_MAX = 2 * (ZIMBRA_SERVERS_MAX + 1) };

enum zimbra_ldap_task {
    ZIMBRA_LDAP_LOOK = 0,
    ZIMBRA_LDAP_ADD, /* the hook first in the data restrictions */
    ZIMBRA_LDAP_REMOVE,
};

/* What a value was before it was written. */
struct zimbra_ldap_change {
    char server[ZIMBRA_NAME_MAX]; /* "": of all servers */
    const char *attribute;
    char *before; /* heap */
};

struct zimbra_ldap {
    size_t found;   /* values that held the hook */
    size_t changed; /* values written */
    size_t servers; /* with a value of their own */
    struct zimbra_ldap_change changes[ZIMBRA_LDAP_CHANGES_MAX];
};

/* False when zmprov failed: the report says how; what was changed until then is told all the same.
 * Values are left as they are when they cannot be read as a list. What is changed is not this
 * host's alone: the report names the other MTAs. The caller ends *ret_ldap. */
bool zimbra_ldap_run(const struct zimbra_host *host, struct str endpoint,
                     enum zimbra_ldap_task task, struct zimbra_ldap *ret_ldap);
/* Writes the values of before, of this run alone: other hosts share the rest. */
bool zimbra_ldap_undo(const struct zimbra_host *host, const struct zimbra_ldap *ldap);
void zimbra_ldap_done(struct zimbra_ldap *ldap);
