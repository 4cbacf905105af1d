/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hook/zimbra_host.h"

/* The attributes whose text zmconfigd writes to main.cf as it is: zimbraMtaSmtpdDataRestrictions
 * and zimbraMtaSmtpdClientRestrictions, of all servers together and, where one has a value of its
 * own, of each. They survive an upgrade. But the ports 465 and 587 of Zimbra's master.cf empty both
 * lists, and DATA comes before the message: no size, and no count of what was accepted in the end.
 */

enum zimbra_ldap_task {
    ZIMBRA_LDAP_LOOK = 0,
    ZIMBRA_LDAP_ADD, /* the hook first in the data restrictions */
    ZIMBRA_LDAP_REMOVE,
};

struct zimbra_ldap {
    size_t found;   /* values that held the hook */
    size_t changed; /* values written */
    size_t servers; /* with a value of their own */
};

/* False when zmprov failed: the report says how. Values are left as they are when they cannot be
 * read as a list. */
bool zimbra_ldap_run(const struct zimbra_host *host, struct str endpoint,
                     enum zimbra_ldap_task task, struct zimbra_ldap *ret_ldap);
