/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_run.h"

/* Allow and block lists (SPEC 4.1). On both, allow wins, because acl_allow runs first; but of
 * addresses the longest prefix over both lists decides, so acl_allow stands back when a network
 * let it in and the block list names a smaller one around the client. */

/* Reads a list. Only where an entry that requires SPF would be the one to match is SPF asked for;
 * *ret_wanted is set then, and the result does not count. */
static const struct list_match *read_list(struct policy_run *run, enum list_id list,
                                          enum list_part part, bool *ret_wanted) {
    enum fact_status *spf = &run->facts->status[FACT_SPF];
    const bool open = *spf == FACT_UNASKED || *spf == FACT_WANTED;
    const struct list_match *match =
        decision_read_list(run, list, part, open || policy_run_spf_pass(run));
    *ret_wanted = open && match != NULL && match->require == LIST_PROOF_SPF;
    if (*ret_wanted) {
        *spf = FACT_WANTED;
        run->decision->facts_wanted |= UINT32_C(1) << FACT_SPF;
    }
    return match;
}

/* True when the block list would refuse this client for a longer prefix. A block list that has no
 * say in the answer has none here. */
static bool longer_block(struct policy_run *run, const struct list_match *allow, bool *ret_wanted) {
    const struct policy_common_settings *block = &run->settings->policies[POLICY_ACL_BLOCK];
    if (allow->kind != PATTERN_KIND_PREFIX || !block->enabled ||
        block->mode != POLICY_MODE_ENFORCE) {
        return false;
    }
    const struct list_match *match = read_list(run, LIST_BLOCK, LIST_PART_ADDRESS, ret_wanted);
    return match != NULL && match->prefix_bits > allow->prefix_bits;
}

struct policy_answer acl_allow_run(struct policy_run *run) {
    const struct policy_answer abstain = {.verdict = VERDICT_NONE};
    bool wanted = false;
    const struct list_match *match = read_list(run, LIST_ALLOW, LIST_PART_ALL, &wanted);
    if (wanted || match == NULL || longer_block(run, match, &wanted) || wanted) {
        return abstain;
    }
    return (struct policy_answer){.verdict = VERDICT_ACCEPT,
                                  .reason = REASON_ACL_ALLOWED,
                                  .match = match,
                                  .match_list = LIST_ALLOW};
}

struct policy_answer acl_block_run(struct policy_run *run) {
    bool wanted = false;
    const struct list_match *match = read_list(run, LIST_BLOCK, LIST_PART_ALL, &wanted);
    if (wanted || match == NULL) {
        return (struct policy_answer){.verdict = VERDICT_NONE};
    }
    return (struct policy_answer){.verdict = VERDICT_REJECT,
                                  .reason = REASON_ACL_BLOCKED,
                                  .match = match,
                                  .match_list = LIST_BLOCK};
}
