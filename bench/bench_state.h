/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/rules.h"
#include "policy/state.h"
#include "settings/settings.h"

/* Tables in fresh memory, kept until the process ends; of the settings' capacities but for these
 * two. */
void bench_state_init(struct state *state, struct sip_key key, const struct settings *settings,
                      uint64_t greylist_capacity, uint64_t client_capacity);
/* The defaults as one generation; settings_free(). */
struct settings *bench_settings(void);
/* With every policy on; the rules give it something to do. */
struct settings *bench_settings_all(void);
struct rules *bench_rules(void);
/* A block list of domains, addresses and networks that none of the requests is in. */
struct list_index *bench_list(void);
