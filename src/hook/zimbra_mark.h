/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/check.h"

/* What this host was told: a small file outside of Zimbra's folder, so that an upgrade of Zimbra
 * that takes the hook away is noticed, and a run that was killed is completed or undone. Lines of a
 * word and a value. */

enum zimbra_state {
    ZIMBRA_OFF = 0,   /* no mark: never enabled, or disabled to the end */
    ZIMBRA_ENABLING,  /* a run of enable has begun to write */
    ZIMBRA_ON,        /* enable ended well */
    ZIMBRA_DISABLING, /* a run of disable has begun to write */
};

struct zimbra_mark {
    enum zimbra_state state;
    bool by_ldap;       /* the end of data goes through the LDAP attribute */
    char endpoint[256]; /* "" when off */
    char version[64];   /* of Zimbra at that time */
};

enum { ZIMBRA_MARK_MAX = 4096 };
#define ZIMBRA_MARK_NAME "zimbra.mark"

/* Takes the lock that two runs may not hold at once: a descriptor to close, -EAGAIN while another
 * run holds it and `wait` is not set, or a negative errno. Makes the folder. */
MUST_USE int zimbra_mark_lock(const char *folder, bool wait);
/* No file: 0 and ZIMBRA_OFF. -EBADMSG when it cannot be read as a mark. */
MUST_USE int zimbra_mark_load(const char *folder, struct zimbra_mark *ret_mark);
/* ZIMBRA_OFF removes the file. */
MUST_USE int zimbra_mark_save(const char *folder, const struct zimbra_mark *mark);
