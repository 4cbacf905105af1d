/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_run.h"

/* Allow and block lists (SPEC 4.1). On both, allow wins, because acl_allow runs first; but of
 * addresses the longest prefix over both lists decides, so acl_allow stands back when a network
 * let it in and the block list names a smaller one around the client. */

static bool spf_open(const struct policy_run *run) {
    const enum fact_status spf = run->facts->status[FACT_SPF];
    return spf == FACT_UNASKED || spf == FACT_WANTED;
}

/* As long as SPF has not answered, entries that require it are taken to apply: only where one of
 * them would then be the one to match is SPF asked for, by ask_spf(). */
static const struct list_match *look_up(struct policy_run *run, enum list_id list,
                                        enum list_part part) {
    return decision_read_list(run, list, part, spf_open(run) || policy_run_spf_pass(run));
}

/* True when the match hangs on SPF, which is asked for then. */
static bool ask_spf(struct policy_run *run, const struct list_match *match) {
    if (match->require != LIST_PROOF_SPF) {
        return false;
    }
    const bool open = spf_open(run);
    (void)policy_run_fact(run, FACT_SPF);
    return open;
}

/* The entry of the block list that has a longer prefix than the allowed network, or NULL. A block
 * list that has no say in the answer has none here. */
static const struct list_match *longer_block(struct policy_run *run,
                                             const struct list_match *allow) {
    const struct policy_common_settings *block = &run->settings->policies[POLICY_ACL_BLOCK];
    if (allow->kind != PATTERN_KIND_PREFIX || !block->enabled ||
        block->mode != POLICY_MODE_ENFORCE) {
        return NULL;
    }
    const struct list_match *match = look_up(run, LIST_BLOCK, LIST_PART_ADDRESS);
    return match != NULL && match->prefix_bits > allow->prefix_bits ? match : NULL;
}

struct policy_answer acl_allow_run(struct policy_run *run) {
    const struct policy_answer abstain = {.verdict = VERDICT_NONE};
    const struct list_match *match = look_up(run, LIST_ALLOW, LIST_PART_ALL);
    if (match == NULL || ask_spf(run, match)) {
        return abstain;
    }
    const struct list_match *longer = longer_block(run, match);
    if (longer != NULL) {
        (void)ask_spf(run, longer);
        return abstain;
    }
    return (struct policy_answer){.verdict = VERDICT_ACCEPT,
                                  .reason = REASON_ACL_ALLOWED,
                                  .match = match,
                                  .match_list = LIST_ALLOW};
}

struct policy_answer acl_block_run(struct policy_run *run) {
    const struct list_match *match = look_up(run, LIST_BLOCK, LIST_PART_ALL);
    if (match == NULL || ask_spf(run, match)) {
        return (struct policy_answer){.verdict = VERDICT_NONE};
    }
    return (struct policy_answer){.verdict = VERDICT_REJECT,
                                  .reason = REASON_ACL_BLOCKED,
                                  .match = match,
                                  .match_list = LIST_BLOCK};
}
