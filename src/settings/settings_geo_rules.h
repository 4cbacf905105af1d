/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "settings/settings.h"
#include "settings/settings_arena.h"

/* Inside of settings/: countries, autonomous systems and senders of geo.*, checked, made canonical
 * and put in order. NULL, or the key that is at fault; then the sentence is in `problem`. */
const char *settings_geo_rules_apply(struct settings *settings, struct settings_arena *arena,
                                     struct text *problem);
