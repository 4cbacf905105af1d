/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/auto_blacklist.h"
#include "policy/world_fixture.h"

/* What the tests of the automatic blacklist share: rejections, and what the tables know. */

enum { HOUR_S = 3600, DAY_S = 86400, YEAR_S = 365 * DAY_S };

/* The automatic blacklist alone: five causes of a kind in an hour block for a day. */
struct world *world_of_rules(void);

uint32_t now_of(const struct world *world);
/* What the tables know of the client's network; NULL: nothing. */
const struct blacklist_entry *entry_of(const struct world *world);
struct blacklist_standing standing_of(const struct world *world);
const struct offence_entry *offences_of(const struct world *world, enum blacklist_trigger trigger);
/* Rejections that count now. */
uint32_t count_of(const struct world *world);

/* Learns from a verdict as if the policy had given it, and applies what comes of it. Returns how
 * many effects. */
size_t refuse(struct world *world, enum policy_id policy, enum verdict verdict, enum reason reason);
/* refuse() by a quota, and so many times. */
size_t reject(struct world *world);
void reject_times(struct world *world, int times);

/* As a command does. */
void apply(struct world *world, struct effect effect);

/* Blocks by the rule and returns for how long. */
uint32_t offend(struct world *world);
