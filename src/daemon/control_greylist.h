/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/control_api.h"
#include "policy/greylist.h"

/* Inside of the greylist resource: one key or many. */

/* 32 hexadecimal digits. */
json_t *control_greylist_key(struct hash128 key);
/* What greylisting would say to the entry (NULL: there is none) at now_s, as members of `object`.
 */
void control_put_greylist(json_t *object, const struct greylisting_settings *settings,
                          const struct greylist_entry *entry, uint32_t now_s);
