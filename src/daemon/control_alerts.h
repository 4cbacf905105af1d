/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/control_api.h"
#include "daemon/geo_keeper.h"
#include "daemon/rbl_guard.h"

/* What somebody should look at now: an array of {"severity", "type", "text"}. Severity `critical`:
 * something is lost or about to be; `warning`: act before it is. Types are words for scripts. */
json_t *control_alerts(const struct engine_status *status, const struct settings *settings);
/* Adds those about block lists. */
void control_rbl_alerts(json_t *alerts, struct rbl_guard *guard, const struct settings *settings);
/* Adds those about country and ASN databases; `now_ns`: wall clock. */
enum { GEO_OLD_DAYS = 60 };
void control_geo_alerts(json_t *alerts, const struct geo_keeper_status *status,
                        const struct settings *settings, int64_t now_ns);
