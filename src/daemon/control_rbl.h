/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/control_api.h"

/* Inside of the control API: what its files about block lists share. */

/* Number of list i of all that there may be, known ones first; i below DNSBL_LISTS_MAX. */
uint8_t control_rbl_number(size_t i);
/* An object that says which list: number, word, name, zone, enabled. */
json_t *control_rbl_list(const struct settings *settings, const struct rbl_list_settings *list);
