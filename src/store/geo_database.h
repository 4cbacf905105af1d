/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "base/ip_address.h"
#include "base/str.h"

/* Country and autonomous system of an address, from MaxMind DB files (libmaxminddb). A database is
 * opened whole and checked, then never changed: a new file is a new database beside the old one.
 * Look-ups from any thread. */

struct geo_place {
    char country[2];   /* ISO 3166-1 alpha-2, upper case; zeros: not in the database */
    char continent[2]; /* "EU"; zeros: unknown */
    uint32_t asn;      /* 0: unknown */
    uint16_t as_name_length;
    char as_name[64]; /* UTF-8, cut inside no character */
};

struct geo_database;
struct geo_database_info {
    char type[64];   /* "GeoLite2-Country" */
    int64_t built_s; /* Unix time */
    uint64_t nodes;  /* of the search tree */
    uint64_t file_bytes;
    bool has_country, has_asn, has_ipv6;
};
/* Reads `path` into memory of its own (a file that is overwritten in place cannot hurt), checks the
 * metadata, and looks up a number of addresses over the whole tree, so that a torn or corrupt file
 * is refused here. 0, or a negative errno and a sentence: what is wrong with the file and what to
 * do. Blocks: not on an answering thread. Nothing but a country or ASN database is taken. */
enum { GEO_FILE_MAX = 512 * 1024 * 1024 };
MUST_USE int geo_database_open(struct str path, struct geo_database **ret_database,
                               struct text *problem);
void geo_database_close(struct geo_database *database); /* NULL is fine */
void geo_database_info(const struct geo_database *database, struct geo_database_info *ret_info);

/* Adds what this database knows to *place: an ASN database leaves the country alone and the other
 * way round. Both record shapes are read: MaxMind's (country.iso_code, else registered_country;
 * continent.code; autonomous_system_number, ...organization) and the flat one of free databases
 * (country_code; asn or autonomous_system_number). False: the address is not in it, or the record
 * is damaged (counted in *damaged unless NULL). */
bool geo_database_find(const struct geo_database *database, struct ip_address address,
                       struct geo_place *place, uint64_t *damaged);
