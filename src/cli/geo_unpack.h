/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "base/str.h"

/* Takes the database out of what was fetched: the .mmdb file itself, that file compressed with
 * gzip, or a tar archive (compressed or not) with .mmdb files in it, of which the largest is taken.
 * Nothing is ever written under a name of the archive's; links and the like are passed over. A
 * small archive may unpack to a thousand times its size, so the whole of it is limited, too. */

enum {
    GEO_ARCHIVE_ENTRIES_MAX = 1000,
    GEO_ARCHIVE_TIMES_MAX = 4, /* all of an archive, in times of `bytes_max` */
};
/* Reads `from` from its start (its offset moves), writes to `to`, which is empty, at most
 * `bytes_max`. 0, or -EINVAL, -EFBIG or another negative errno, and a sentence. */
MUST_USE int geo_unpack(int from, int to, uint64_t bytes_max, struct text *problem);
