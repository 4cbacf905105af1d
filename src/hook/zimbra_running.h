/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hook/restriction_list.h"
#include "hook/zimbra_host.h"

/* What main.cf and master.cf show, which zmconfigd made: whatever stands in templates, this counts.
 */

struct zimbra_running {
    bool recipient;      /* the hook is in smtpd_recipient_restrictions */
    bool before_permits; /* ... and nothing before it permits */
    bool dunno;          /* ... and it has default_action=DUNNO */
    bool end_of_data;    /* in smtpd_end_of_data_restrictions */
    bool data;           /* in smtpd_data_restrictions */
    bool elsewhere;      /* in smtpd_client_restrictions */
    bool ports;          /* in each port of users that has a list of its own */
    bool any_port;       /* in one of master.cf's services */
    bool relay_control; /* stands before the recipient list: what comes first there opens nothing */
    bool open_networks; /* mynetworks holds everybody */
    enum relay_answer relay;
};

bool zimbra_running_read(const struct zimbra_host *host, struct str endpoint,
                         struct zimbra_running *ret_running);
/* All is where it should be; by_ldap: DATA counts for the end of data. */
bool zimbra_running_complete(const struct zimbra_running *running, bool by_ldap);
/* Nothing of it is left. */
bool zimbra_running_clean(const struct zimbra_running *running);
