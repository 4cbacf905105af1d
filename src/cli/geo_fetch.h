/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "base/str.h"

/* Fetches over HTTPS (libcurl), with limits on size and time. Plain HTTP is taken from this host
 * alone (127.0.0.1, [::1], localhost): what comes from elsewhere must be authentic. */

enum {
    GEO_FETCH_SECONDS_MAX = 900,    /* of the whole */
    GEO_FETCH_STALLED_SECONDS = 30, /* with less than GEO_FETCH_SLOW_BYTES a second */
    GEO_FETCH_SLOW_BYTES = 512,
    GEO_FETCH_TEXT_MAX = 4 * 1024 * 1024,
};

struct geo_fetch {
    const char *url;
    const char *account; /* with `key`: HTTP basic authentication; NULL: none */
    const char *key;
    uint64_t bytes_max;
    unsigned seconds_max; /* 0: GEO_FETCH_SECONDS_MAX */
};
/* Into the file. 0, or a negative errno and a sentence. */
MUST_USE int geo_fetch_file(const struct geo_fetch *fetch, int fd, struct text *problem);
/* Into memory, at most GEO_FETCH_TEXT_MAX; a zero byte follows; heap memory of the caller. */
MUST_USE int geo_fetch_text(const struct geo_fetch *fetch, char **ret_text, struct text *problem);
