/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/list_index.h"
#include "policy/state.h"

/* Rules that an administrator writes one by one (config.db): limits of quotas, sender restrictions,
 * addresses that a user may send as. An immutable index of all of them; a change builds it anew.
 * Pure: memory comes from the caller (struct list_memory). Look-ups allocate nothing.
 *
 *   kind         subject                                    value
 *   quota        user NAME | user *@DOMAIN | user * |       AMOUNT UNIT/WINDOW: 500 recipients/day,
 *                domain DOMAIN | ip ADDRESS | ip * |        20 messages/minute, 2GiB bytes/month;
 *                global                                     0 forbids
 *   restriction  sender: address, <>, user@*, *@DOMAIN,     recipients, a line each: address,
 *                *@*.DOMAIN                                 *@DOMAIN, *@*.DOMAIN; none: nothing
 *   identity     user NAME                                  senders, a line each: address, *@DOMAIN
 *
 * NAME is as the user logs in (sasl_username): an address, or a name without "@". A limit "ip" on
 * an IPv6 address is on its /64, and written so.
 *
 * Subjects and values are canonical once rule_check() has passed them: lower case, A-labels, one
 * blank, amounts without needless zeros, bytes in the largest size that divides them, each line
 * once. It also takes what people write: 500/day, 2 GiB per month, example.com for *@example.com,
 * *.example.com for *@*.example.com. One subject may have several limits, one for each unit and
 * window; (kind, subject, unit, window) is unique, so is (kind, subject) of the other kinds. Of two
 * limits that say the same subject, unit and window the last given counts. */

enum rule_kind { RULE_NONE = 0, RULE_QUOTA, RULE_RESTRICTION, RULE_IDENTITY, RULE_KINDS };
const char *rule_kind_name(enum rule_kind kind); /* "quota" "restriction" "identity" */

enum {
    RULES_MAX = 100000,
    RULE_SUBJECT_MAX = 340, /* bytes */
    RULE_VALUE_MAX = 65536,
    RULE_VALUE_LINES_MAX = 2000,
    RULE_TEXT_MAX = 240
};
/* Of any unit; 1PiB. Sums of a limit and an amount are far from overflow. */
#define QUOTA_LIMIT_MAX (UINT64_C(1) << 50)

/* As it stands in config.db. */
struct rule_row {
    uint64_t id; /* above 0; at most UINT32_MAX */
    enum rule_kind kind;
    struct str subject;
    struct str value;
    struct str text;    /* the restriction's own refusal text, or "" */
    uint32_t expires_s; /* 0: never */
};

/* Makes subject and value of a row canonical. NULL when it is right, else a sentence that lives in
 * `problem` (at least 256 bytes): what was found, what is allowed. All three are empty before;
 * `ret_subject` needs RULE_SUBJECT_MAX, `ret_value` RULE_VALUE_MAX. The row's text is looked at
 * too. */
const char *rule_check(const struct rule_row *row, struct text *ret_subject, struct text *ret_value,
                       struct text *problem);

struct rules; /* NULL: none */
/* NULL when out of memory, or when all their text is above 4 GiB. Rows that rule_check() does not
 * pass are left out. Borrows nothing. */
struct rules *rules_build(const struct list_memory *memory, const struct rule_row *rows,
                          size_t count);
void rules_free(struct rules *rules);
size_t rules_count(const struct rules *rules, enum rule_kind kind);
size_t rules_bytes(const struct rules *rules);

/* --- limits -----------------------------------------------------------------------------------
 */

/* Numbers are part of keys and records. */
enum quota_scope { QUOTA_USER = 0, QUOTA_DOMAIN, QUOTA_IP, QUOTA_GLOBAL, QUOTA_SCOPES };
enum quota_unit { QUOTA_RECIPIENTS = 0, QUOTA_MESSAGES, QUOTA_BYTES, QUOTA_UNITS };
enum quota_window {
    QUOTA_MINUTE = 0,
    QUOTA_HOUR,
    QUOTA_DAY,
    QUOTA_WEEK,
    QUOTA_MONTH,
    QUOTA_WINDOWS /* = QUOTA_WINDOWS_MAX */
};
const char *quota_scope_name(enum quota_scope scope);    /* "user" "domain" "ip" "global" */
const char *quota_unit_name(enum quota_unit unit);       /* "recipients" "messages" "bytes" */
const char *quota_window_name(enum quota_window window); /* "minute" ... "month" */

/* A number, below QUOTA_PAIRS, and a bit for each (scope, unit). */
enum { QUOTA_PAIRS = QUOTA_SCOPES * QUOTA_UNITS };
static inline unsigned quota_pair_number(enum quota_scope scope, enum quota_unit unit) {
    return (unsigned)scope * QUOTA_UNITS + (unsigned)unit;
}
static inline uint16_t quota_pair_bit(enum quota_scope scope, enum quota_unit unit) {
    return (uint16_t)(1u << quota_pair_number(scope, unit));
}

/* The limits on one unit of one subject: by window; id 0: no limit. 64 bytes, kept in records. */
struct quota_limits {
    uint32_t ids[QUOTA_WINDOWS_MAX];
    uint32_t defaults; /* bit per window: of a per-user default (user *, user *@D, ip *) */
    uint64_t limits[QUOTA_WINDOWS_MAX];
};

/* Whom a request is charged to; empty: nobody of that scope. */
struct quota_subject {
    struct str user;           /* normalised, extension dropped */
    struct str domain;         /* of the user */
    struct ip_address address; /* none: no address */
};

/* False when there is no limit on any window of that unit. The most specific user limit replaces
 * the others of the same unit and window. */
bool rules_quota_limits(const struct rules *rules, enum quota_scope scope, enum quota_unit unit,
                        const struct quota_subject *subject, uint32_t now_s,
                        struct quota_limits *ret_limits);
/* quota_pair_bit() of each scope and unit with any limit at all. */
unsigned rules_quota_pairs(const struct rules *rules);
/* Parts of a quota rule's subject and value, for listings. False: not a quota's. */
struct quota_rule {
    enum quota_scope scope;
    struct str name; /* inside the subject; "" for global */
    uint64_t limit;
    enum quota_unit unit;
    enum quota_window window;
};
bool quota_rule_parse(struct str subject, struct str value, struct quota_rule *ret_rule);

/* --- restrictions and identities --------------------------------------------------------------
 */

enum rule_outcome {
    RULE_SILENT = 0, /* no rule speaks of this sender */
    RULE_ALLOWS,
    RULE_REFUSES,    /* some speak, none allows it */
    RULE_REFUSES_ALL /* nothing may be sent */
};
struct rule_answer {
    enum rule_outcome outcome;
    uint32_t id;        /* of the rule to name: the one that allows or stops, else the first that
                           speaks, of the user before the sender, the most specific first */
    struct str subject; /* its subject, and its own refusal text; inside `rules` */
    struct str text;
};

/* All restrictions whose sender is one of the two count together (SPEC 4.7): what one of them lists
 * is allowed. An empty list adds nothing to what the others allow; but that of a single address is
 * how an account is stopped, so it stops it whatever others allow. Nothing at all is allowed either
 * when all that speak are empty.
 *
 * Addresses normalised by mail_address_normalise(). `user` may be "" (nobody); a `sender` of "" is
 * the null sender. alice+x@example.com is also alice@example.com, of user and sender: an extension
 * is no way round a restriction. A name without a domain is that local part at every domain, since
 * it is not known which. Recipients are taken as they are: who may write to bob@example.com may not
 * write to bob+x@example.com unless it is listed; one without a domain is in no list. */
struct rule_answer rules_restriction(const struct rules *rules, struct str user, struct str sender,
                                     struct str recipient, uint32_t now_s);
/* Likewise, where a user without a domain belongs to all of these (settings' local_domains), so
 * that restrictions of a whole domain speak of it too. */
struct rule_answer rules_restriction_at(const struct rules *rules, const struct str *domains,
                                        size_t domain_count, struct str user, struct str sender,
                                        struct str recipient, uint32_t now_s);
/* Whether a rule lets the user send as `sender`; normalised likewise, and both with and without
 * extension: who may send as sales@example.com may as sales+news@example.com. Here a name without a
 * domain is that name alone. */
struct rule_answer rules_identity(const struct rules *rules, struct str user, struct str sender,
                                  uint32_t now_s);
