/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/policy_settings.h"

/* Time zones as the system keeps them: TZif files (RFC 9636) below /usr/share/zoneinfo. Offsets
 * that are not a multiple of 15 minutes are rounded to the nearest (none is in use today). */

enum {
    TIME_ZONE_NAME_MAX = 64,
    TIME_ZONE_FILE_MAX = 64 * 1024 /* bytes; the largest is 4 KiB */
};
/* 2025-01-01. What was before does not matter to anybody's quota: the offset of that day stands for
 * it. From there on ZONE_CHANGES_MAX changes are kept, thirty years at two a year. */
#define TIME_ZONE_FROM_S INT64_C(1735689600)

/* The offsets that the file tells. False: not a TZif file, or a damaged one; *ret_zone is
 * unspecified then. */
bool time_zone_parse(struct str file, struct zone *ret_zone);
/* Adds the changes that a rule such as "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX TZ, as at the end of a
 * TZif file) makes after `after_s`; where it has no summer time, the one to its offset. False: not
 * such a rule. */
bool time_zone_add_rule(struct str rule, int64_t after_s, struct zone *zone);
/* Adds a change, unless it changes nothing or there is no room. Changes come in ascending order. */
void time_zone_add_change(struct zone *zone, int64_t from_s, int64_t offset_s);

/* Of the zone of that name; empty: of /etc/localtime, or UTC where there is none. NULL, or the
 * sentence's end about the name: "is not a known time zone; ...". Where the system has no zones
 * at all every name is UTC. Reads a file. */
const char *time_zone_load(struct str name, struct zone *ret_zone);
