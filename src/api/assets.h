/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* The dashboard's files, part of the program (tools/embed-web). */

struct asset {
    const char *path; /* "/index.html" */
    const char *content_type;
    const char *etag; /* without quotes and form */
    struct str plain;
    struct str gzip;   /* data NULL: not there */
    struct str brotli; /* likewise */
};
extern const struct asset assets[];
extern const size_t asset_count;
