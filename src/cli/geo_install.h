/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "cli/geo_source.h"
#include "store/geo_database.h"

/* Puts a fetched database in the place of the one before. Whatever happens, also `kill -9`, the
 * name stands for a whole database: everything is made under other names in the same folder,
 * checked, and renamed. The one before stays as NAME.old. One update at a time. */

struct geo_install {
    const char *path; /* of the database */
    bool asn;
    bool force;         /* also older, of another type, or much smaller */
    const char *sha256; /* hexadecimal, of what is fetched; NULL: not told */
    unsigned seconds_max;
};
struct geo_installed {
    struct geo_database_info info;
    bool had_old;
    bool same; /* the same data as before: nothing was changed */
    struct geo_database_info old;
};
/* Fetches, unpacks, checks, compares, renames. 0, or a negative errno and a sentence. */
MUST_USE int geo_install(const struct geo_install *install, const struct geo_source *source,
                         struct geo_installed *ret_installed, struct text *problem);
