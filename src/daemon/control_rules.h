/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/control_api.h"

/* The rule in force with that id as its resource shows it; NULL when there is none. */
json_t *control_rule_json(struct control *control, enum rule_kind kind, uint64_t id);
