/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/quota_parts.h"

/* The end of a message: what it reserved is given back, and what Postfix accepted is committed.
 * Once: an END-OF-MESSAGE may be asked twice, and a message may end that began before us. When only
 * the connection of the policy client ends, the message may go on with another: then it gives back,
 * and is settled by its END-OF-MESSAGE all the same. */

/* Mail of somebody on the allow list never came to the quotas, so its end does not either. Whether
 * a proof that an entry requires was given is not known any more; it is taken to be. */
static bool passed_by(struct policy_run *run) {
    const struct policy_common_settings *policies = run->settings->policies;
    const struct policy_common_settings *allow = &policies[POLICY_ACL_ALLOW];
    return allow->enabled && allow->mode == POLICY_MODE_ENFORCE &&
           allow->priority >= policies[POLICY_QUOTAS].priority &&
           decision_read_list(run, LIST_ALLOW, LIST_PART_ALL, true) != NULL;
}

/* How many of the accepted recipients count. Postfix tells their number, not who they are: of those
 * that it refused after us, or that never came to us, nothing is known. What can be meant is
 * decided against the sender, or a few local recipients that do not exist would hide as many
 * others. */
static uint64_t recipients_to_charge(struct policy_run *run, const struct quota_case *quota) {
    const struct message_entry *message = quota->message;
    const uint64_t accepted = run->request->recipient_count;
    if (message == NULL || message->exempt == 0) {
        const bool alone = accepted == 1 && run->request->recipient.length > 0;
        return message == NULL && alone && quota_is_exempt(run) ? 0 : accepted;
    }
    if (message->recipients == 0) {
        return 0; /* the others are the same again, or postmaster, of whom we are not asked */
    }
    if (accepted == 1) { /* told by name */
        const struct once_entry *said = quota_read_outcome(run);
        if (said != NULL) {
            return quota_outcome_of(said->value) == QUOTA_CHARGED ? 1 : 0;
        }
    }
    const uint64_t charged = accepted < message->recipients ? accepted : message->recipients;
    const uint64_t rest = accepted > message->exempt ? accepted - message->exempt : 0;
    return charged > rest ? charged : rest;
}

static uint64_t reserved(const struct quota_case *quota, const struct quota_pair *pair,
                         uint32_t now_s) {
    const struct message_entry *message = quota->message;
    return pair->charged && quota_message_is_live(message, now_s)
               ? quota_amount(pair, quota_message_held(message), message->bytes)
               : 0;
}

static void give_back(struct policy_run *run, struct quota_case *quota) {
    for (size_t i = 0; i < quota->pair_count; i++) {
        struct quota_pair *pair = &quota->pairs[i];
        const uint64_t amount = reserved(quota, pair, run->now_s);
        if (amount > 0) {
            quota_add_reserved(run, pair, quota->message->minute, -(int64_t)amount);
            pair->change -= (int64_t)amount;
        }
    }
}

static void commit(struct policy_run *run, struct quota_case *quota) {
    const uint64_t recipients = recipients_to_charge(run, quota);
    const uint64_t bytes = quota_message_bytes(run);
    for (size_t i = 0; i < quota->pair_count; i++) {
        struct quota_pair *pair = &quota->pairs[i];
        const uint64_t amount = quota_amount(pair, recipients, bytes);
        quota_add_committed(run, pair, amount);
        pair->change += (int64_t)amount;
    }
}

void quotas_settle(struct policy_run *run) {
    struct quota_case quota;
    const bool sent = run->request->state == PROTOCOL_STATE_END_OF_MESSAGE;
    if (run->request->instance.length == 0) {
        return;
    }
    quota_case_init(&quota, run);
    if (sent) {
        quota_case_read_limits(&quota, run);
    }
    quota_case_read_message(&quota, run);
    const bool unknown = quota.message == NULL;
    if (unknown ? !sent || quota.pair_count == 0 || passed_by(run)
                : quota.message->state == MESSAGE_ENDED ||
                      (!sent && quota_message_held(quota.message) == 0)) {
        return;
    }
    if (sent) {
        quota_case_read_usage(&quota, run);
    }
    give_back(run, &quota);
    if (sent) {
        commit(run, &quota);
        quota_add_alerts(run, &quota, false);
    }
    quota_add_ended(run, &quota, sent ? 0 : quota_message_held(quota.message));
}
