/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/engine.h"

/* A change that is proposed and not made: settings, list entries and rules are checked and built as
 * the real change would, with the same sentences when it would be refused, and nothing is stored.
 * For replay. Any thread but the answering path. */

struct replay_wish {
    const struct config_setting_change *settings;
    size_t setting_count;
    const struct list_item *entries; /* added, or in place of one of the same pattern; id 0 */
    size_t entry_count;
    const uint64_t *removed_entries; /* ids */
    size_t removed_entry_count;
    const struct rule_row *rules; /* id 0: a new one, or in place of that of the same subject */
    size_t rule_count;
    const struct rule_row *removed_rules; /* kind and id */
    size_t removed_rule_count;
};

struct replay_proposal {
    const struct generation *today; /* held until the proposal is freed */
    struct settings *settings;
    struct list_view lists;
    const struct rules *rules; /* today's when none are proposed */
    /* Its own parts of these. */
    struct list_index *delta;
    struct rules *own_rules;
};

/* As engine_change_settings(): -EINVAL, -EEXIST or -ENOENT with a sentence. */
MUST_USE int replay_proposal_new(struct engine *engine, const struct replay_wish *wish,
                                 struct replay_proposal **ret_proposal,
                                 struct engine_problem *problem);
void replay_proposal_free(struct engine *engine, struct replay_proposal *proposal);

/* Capacities of simulated tables that take `bytes` together, both sides (replay_bytes()): in the
 * proportion of the real tables, and not above theirs. */
void replay_capacities(const struct engine *engine, uint64_t bytes,
                       uint64_t ret_capacities[STATE_TABLES]);
