/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/effect.h"
#include "policy/policy_settings.h"
#include "policy/rules.h"

/* Quotas (SPEC 4.6), for whoever shows usage and resets it: the control API and the command line.
 * The policy itself is quotas_run() and quotas_settle() of policy_run.h.
 *
 * What counts as used is what was committed in the window and what is reserved by messages under
 * way, which ends with the message or QUOTA_RESERVATION_S later. Only subjects with a limit are
 * counted. Pure; `state` is read under its lock. */

enum { QUOTA_RESERVATION_S = 15 * 60, QUOTA_USAGE_MAX = 60 };
/* A message counts at most so many bytes, and at least one: 4 TiB. */
#define QUOTA_BYTES_MAX (UINT64_C(1) << 42)

struct quota_usage_row {
    enum quota_scope scope;
    enum quota_unit unit;
    enum quota_window window;
    uint32_t rule_id;
    bool is_default; /* of "user *", "user *@D" or "ip *" */
    uint64_t limit;
    uint64_t used; /* committed in the window */
    uint64_t reserved;
    /* When the window begins anew (day, week, month); of minute and hour, which slide, when what is
     * used now will have left it. */
    uint32_t resets_s;
};
/* Rows in the order of scope, unit, window; those with a limit alone. About 3 KB. */
struct quota_usage {
    size_t count;
    struct quota_usage_row rows[QUOTA_USAGE_MAX];
};

/* Whom mail of `sender` (a SASL user or an address, as written) from `address` is charged to; an
 * address of zeros for none. The strings lie in `room`, of MAIL_ADDRESS_MAX bytes. */
struct quota_subject quota_subject_of(struct str sender, struct ip_address address,
                                      struct text *room);
/* Of all scopes that `subject` names; global always. `rules` may be NULL: nothing. */
void quota_usage_read(const struct state *state, const struct rules *rules, const struct zone *zone,
                      const struct quota_subject *subject, uint32_t now_s, struct quota_usage *ret);

/* False when the subject has nobody in that scope. IPv6 addresses count by /64. */
bool quota_subject_has(const struct quota_subject *subject, enum quota_scope scope);
/* The key in STATE_QUOTA; quota_subject_has() must be true. */
struct hash128 quota_key(const struct sip_key *key, enum quota_scope scope, enum quota_unit unit,
                         const struct quota_subject *subject);
/* An administrator's reset of one scope: what is committed is forgotten, reservations stay. One
 * effect for each unit that has an entry; returns how many. They are to be applied and journaled
 * like those of a decision. */
size_t quota_forget_effects(const struct state *state, enum quota_scope scope,
                            const struct quota_subject *subject, uint32_t now_s,
                            struct effect ret_effects[QUOTA_UNITS]);
