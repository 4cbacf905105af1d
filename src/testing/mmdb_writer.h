/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/ip_address.h"

/* Writes small databases in the MaxMind DB format (version 2, IPv6 tree, 28 bit records), for tests
 * alone: what a test says of a network is all that is in it. */

enum mmdb_shape {
    MMDB_SHAPE_NESTED, /* country.iso_code, continent.code, autonomous_system_number ... */
    MMDB_SHAPE_FLAT,   /* country_code, asn as text */
};
struct mmdb_row {
    const char
        *network; /* "192.0.2.0/24"; of networks that contain each other the first is first */
    const char *country; /* NULL or "": none */
    uint32_t asn;        /* 0: none */
};
enum { MMDB_FILE_MAX = 64 * 1024 };
struct mmdb_file {
    const char *type; /* "Test-Country" */
    uint64_t built_s;
    enum mmdb_shape shape;
    const struct mmdb_row *rows;
    size_t row_count;
};
/* Returns how many of MMDB_FILE_MAX bytes. */
size_t mmdb_write(const struct mmdb_file *file, unsigned char bytes[MMDB_FILE_MAX]);
