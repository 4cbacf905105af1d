/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mail/mail_address.h"
#include "policy/quotas.h"
#include "policy/world_fixture.h"

/* A small model of quotas, for quota_property_test.c: what was committed for each subject and unit
 * as a list, and the messages under way. It adds up by looking at all of it. */

enum {
    USERS = 12,
    DOMAINS = 3,
    ADDRESSES = 4,
    SUBJECTS = USERS + DOMAINS + ADDRESSES + 1,
    FIRST_DOMAIN = USERS,
    FIRST_ADDRESS = USERS + DOMAINS,
    EVERYBODY = SUBJECTS - 1,
    MESSAGES = 20, /* connections */
    LOST = 12,
    NAMES = 6, /* recipients of a message */
    START_S = 1700000000,
    RESERVATION_MINUTES = 16,
    CHECKED_EACH = 32,
    RECIPIENT_PAIRS = 01111, /* bit of recipients in each scope */
};

struct ledger {
    size_t count;
    size_t capacity;
    int64_t *times_s;
    uint64_t *amounts;
    size_t begin[QUOTA_WINDOWS]; /* first that lies in the window now */
    uint64_t sum[QUOTA_WINDOWS];
};

struct message {
    bool open;
    bool left; /* nobody will end it */
    bool sent; /* settled; kept to ask again */
    unsigned user;
    unsigned address;
    unsigned serial;
    uint64_t size;
    uint64_t bytes; /* reserved */
    uint64_t recipients;
    uint64_t refused;
    uint64_t minute;
    unsigned pairs;
    enum verdict said[NAMES]; /* with `asked` */
    bool asked[NAMES];
};

struct model {
    struct world *world;
    struct state mirror;
    struct dice dice;
    bool at_once;
    bool shadow;
    unsigned serial;
    struct ledger ledgers[SUBJECTS][QUOTA_UNITS];
    struct message messages[MESSAGES];
    struct message lost[LOST];
    size_t lost_at;
    /* By subject of the rule: the users and so on, then "user *", the domains' users, "ip *". */
    uint64_t limits[SUBJECTS + 1 + DOMAINS + 1][QUOTA_UNITS][QUOTA_WINDOWS];
    bool limited[SUBJECTS + 1 + DOMAINS + 1][QUOTA_UNITS][QUOTA_WINDOWS];
    char texts[WORLD_RULES_MAX][2][64];
    uint64_t accepted;
    uint64_t refused;
};
enum {
    ALL_USERS = SUBJECTS,
    USERS_OF_DOMAIN = SUBJECTS + 1,
    ALL_ADDRESSES = SUBJECTS + 1 + DOMAINS
};

/* Local time is half past five ahead, and an hour more between these two. */
#define SUMMER_S (START_S + INT64_C(9) * 86400 + 5555)
#define WINTER_S (START_S + INT64_C(20) * 86400 + 7777)

/* Of the window at this time, which never goes back; and as if nothing had been committed. */
uint64_t ledger_sum(struct ledger *ledger, enum quota_window window, int64_t now_s);
void ledger_forget(struct ledger *ledger);

/* Whose ledger it is. */
unsigned model_subject(enum quota_scope scope, unsigned user, unsigned address);
/* The most specific limit; false: none. */
bool model_limit(const struct model *model, enum quota_scope scope, unsigned subject, unsigned unit,
                 unsigned window, uint64_t *ret_limit);
/* A bit for each scope and unit in which a message is limited. */
unsigned model_limited_pairs(const struct model *model, const struct message *message);
/* Whether its reservation stands. */
bool message_is_live(const struct message *message, int64_t now_s);
uint64_t model_reserved(const struct model *model, unsigned pair, unsigned subject);
/* Whether one more recipient exceeds nothing. */
bool model_would_fit(struct model *model, const struct message *message, unsigned pair);
void model_commit(struct model *model, const struct message *message, unsigned pairs,
                  uint64_t recipients, uint64_t bytes);
/* One more recipient was accepted. */
void model_charge(struct model *model, struct message *message, unsigned pairs);
