/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/counter.h"
#include "base/ip_address.h"
#include "base/sip_hash.h"

/* How soon somebody may try a password again. Pure: time is passed in, memory is the struct; the
 * caller's lock.
 *
 * Failures are counted by address (IPv6: by its /64) and by the name that was tried, whether such a
 * user exists or not. A few cost nothing, then each doubles the wait. So that strangers who try a
 * name cannot keep its owner out, an address from which a name has logged in before has a count of
 * its own for that name, and does not wait for the name's. */

enum {
    LOGIN_THROTTLE_ADDRESSES_MAX = 4096,
    LOGIN_THROTTLE_NAMES_MAX = 1024,
    LOGIN_THROTTLE_KNOWN_MAX = 1024,
    LOGIN_THROTTLE_FREE = 5,                 /* failures that cost no wait */
    LOGIN_THROTTLE_WAIT_S_MAX = 15 * 60,     /* of an address */
    LOGIN_THROTTLE_NAME_WAIT_S_MAX = 5 * 60, /* of a name: guessed from many addresses */
    LOGIN_THROTTLE_FORGET_S = 60 * 60,       /* without a try */
    LOGIN_THROTTLE_KNOWN_S = 30 * 86400,     /* without a login */
};

struct login_throttle_entry {
    struct hash128 key; /* both halves 0: free */
    int64_t last_ns;    /* the newest try */
    uint32_t failures;
};

struct login_throttle {
    struct sip_key key;
    struct login_throttle_entry addresses[LOGIN_THROTTLE_ADDRESSES_MAX];
    struct login_throttle_entry names[LOGIN_THROTTLE_NAMES_MAX];
    struct login_throttle_entry known[LOGIN_THROTTLE_KNOWN_MAX];
    struct counter throttled; /* tries refused */
    struct counter evicted;   /* entries that made room before their time, the oldest first */
};

/* `key`: 16 random bytes. The struct is about 200 KiB: not for a stack. */
void login_throttle_init(struct login_throttle *throttle, const struct sip_key *key);
/* Asks for one try. 0: it may be made, and counts as failed until login_throttle_success() (so
 * that many at once are many). Else the seconds to wait, rounded up; nothing is counted then. */
uint32_t login_throttle_try(struct login_throttle *throttle, struct ip_address address,
                            struct str name, int64_t now_ns);
/* The try was right, the code too where there is one: what was counted for it is forgotten, and the
 * address is one that this name logs in from. */
void login_throttle_success(struct login_throttle *throttle, struct ip_address address,
                            struct str name, int64_t now_ns);
/* Takes one try back that neither failed nor succeeded: the password was right, a code is asked
 * for. */
void login_throttle_undo(struct login_throttle *throttle, struct ip_address address,
                         struct str name, int64_t now_ns);
