/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/state.h"
#include "settings/settings.h"

/* Tables in fresh memory, kept until the process ends. */
void bench_state_init(struct state *state, struct sip_key key, uint64_t greylist_capacity,
                      uint64_t client_capacity);
/* The defaults as one generation; settings_free(). */
struct settings *bench_settings(void);
