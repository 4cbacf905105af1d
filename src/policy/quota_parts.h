/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/policy_run.h"
#include "policy/quotas.h"

/* Inside of the policy of quotas: what is common to charging a recipient (quotas.c), settling a
 * message (quota_settle.c), alerts and usage.
 *
 * A pair is a scope and a unit. Each has an entry in STATE_QUOTA for each subject, with all
 * windows. Of a message under way one entry in STATE_MESSAGE says how much of which pairs it has
 * reserved, all of it standing in one minute; a recipient that comes in a later minute takes all of
 * it along, so that the first recipients of a long list are not let go while the last are told. */

enum {
    QUOTA_MESSAGE_TTL_S = 6 * 3600, /* of a message without an end */
    QUOTA_ENDED_TTL_S = 3600,       /* in which an END-OF-MESSAGE may be repeated ... */
    QUOTA_ANSWER_TTL_S = 3600,      /* ... and a recipient of the same message */
};

struct quota_pair {
    enum quota_scope scope;
    enum quota_unit unit;
    struct hash128 key;
    const struct quota_limits *limits; /* NULL: none (any more); then it is charged, not checked */
    unsigned windows;                  /* bit per quota_window: of those that have a limit */
    const struct quota_digest *usage;  /* NULL: none yet */
    bool charged;   /* the message has reserved of it: its recipients, 1, or its bytes */
    int64_t change; /* how much more counts after this request */
};

/* One request. */
struct quota_case {
    struct quota_subject subject;
    struct hash128 message_key;          /* with an instance */
    const struct message_entry *message; /* NULL: none; or no instance */
    uint16_t numbers[QUOTA_CALENDARS];   /* of the local day, week and month */
    size_t pair_count;
    struct quota_pair pairs[QUOTA_PAIRS];
};

/* The last second of time instead of one beyond it. */
static inline uint32_t quota_later(uint32_t time_s, uint32_t by_s) {
    return time_s < UINT32_MAX - by_s ? time_s + by_s : UINT32_MAX;
}

/* Of a message, and of what was said of one of its recipients (normalised); with an instance. */
struct hash128 quota_message_key(const struct sip_key *key, const struct policy_request *request);
struct hash128 quota_outcome_key(const struct sip_key *key, const struct policy_request *request,
                                 struct str recipient);

/* Whom and when; no pairs yet. */
void quota_case_init(struct quota_case *quota, struct policy_run *run);
/* quota_pair_bit() of the pairs on which there may be a limit. */
unsigned quota_pairs_asked(const struct policy_run *run);
/* Adds the pairs that have limits. */
void quota_case_read_limits(struct quota_case *quota, struct policy_run *run);
/* Reads the message, marks the pairs that it has reserved, and adds those that have no limit any
 * more. */
void quota_case_read_message(struct quota_case *quota, struct policy_run *run);
/* Reads what is used of all pairs. */
void quota_case_read_usage(struct quota_case *quota, struct policy_run *run);

/* `user` as policy_run_identity() gives it. */
struct quota_subject quota_subject_of_user(struct str user, struct ip_address address);
/* Makes the digest of an entry of STATE_QUOTA. */
void quota_make_digest(const void *entry, uint32_t now_s, void *ret_digest);
/* Committed in a window; `usage` may be NULL. */
uint64_t quota_committed(const struct quota_digest *usage, const uint16_t numbers[QUOTA_CALENDARS],
                         enum quota_window window);
void quota_local_numbers(const struct zone *zone, uint32_t now_s,
                         uint16_t ret_numbers[QUOTA_CALENDARS]);
uint32_t quota_window_end(const struct zone *zone, enum quota_window window, uint32_t now_s);

/* Used and reserved. */
uint64_t quota_counted(const struct quota_case *quota, const struct quota_pair *pair,
                       enum quota_window window);

/* How much of a pair a message of so many recipients and bytes takes. */
uint64_t quota_amount(const struct quota_pair *pair, uint64_t recipients, uint64_t bytes);
/* The size that the request tells; a message has at least one byte, so that without a SIZE a limit
 * that is used up holds all the same. */
uint64_t quota_message_bytes(const struct policy_run *run);
/* Recipients that it has reserved and not given back. */
uint32_t quota_message_held(const struct message_entry *message);
/* Whether what it reserved still counts. */
bool quota_message_is_live(const struct message_entry *message, uint32_t now_s);
/* The recipient is one that quotas.exempt_local speaks of. */
bool quota_is_exempt(struct policy_run *run);

/* Effects, which count on acceptance alone. Amounts of 0 are left out. */
void quota_add_reserved(struct policy_run *run, const struct quota_pair *pair, uint32_t minute,
                        int64_t amount);
void quota_add_committed(struct policy_run *run, const struct quota_pair *pair, uint64_t amount);
void quota_add_charged(struct policy_run *run, const struct quota_case *quota, bool exempt);
/* Settled; or, `released` above 0, so many recipients given back, and not settled. */
void quota_add_ended(struct policy_run *run, const struct quota_case *quota, uint32_t released);
/* One event for each limit of which 80 or 100 percent are used after this request, once in its
 * window. */
void quota_add_alerts(struct policy_run *run, const struct quota_case *quota, bool on_acceptance);

/* What was said of a recipient of this message: value of the EFFECT_ONCE of this key. Above it of a
 * refusal: window, pair, verdict and rule. */
enum quota_outcome { QUOTA_UNSAID = 0, QUOTA_CHARGED, QUOTA_EXEMPT, QUOTA_REFUSED };
enum { QUOTA_OUTCOME_BITS = 8 };
const struct once_entry *quota_read_outcome(struct policy_run *run);
static inline enum quota_outcome quota_outcome_of(uint64_t value) {
    return (enum quota_outcome)(value & ((1u << QUOTA_OUTCOME_BITS) - 1));
}

/* "500 recipients/day", "2GiB bytes/month" */
void quota_add_limit(struct text *out, uint64_t limit, enum quota_unit unit,
                     enum quota_window window);
