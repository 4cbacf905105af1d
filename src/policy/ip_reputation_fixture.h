/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/ip_reputation.h"
#include "policy/world_fixture.h"

/* What the tests of the reputation of addresses share. */

enum { HOUR_S = 3600, DAY_S = 86400 };

extern const struct ip_reputation_settings reputation_usual;

/* Reputation alone, as usual; messages count with their recipients. */
struct world *world_of_reputation(void);
/* Of the client's address; NULL: none. */
const struct reputation_entry *entry_of(const struct world *world);
uint8_t score_of(const struct world *world);
void set_score(struct world *world, uint8_t score);
