/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "policy/facts.h"
#include "store/geo_database.h"

/* The databases of countries and autonomous systems in use. A thread of its own looks every few
 * seconds whether a file has changed (another inode, size or time of change), opens the new one
 * beside the old, and puts it in its place; the old one goes when nobody reads in it any more. A
 * file that cannot be opened is told once (log, status) and the old one stays. A file that
 * disappears changes nothing until a restart. */

struct geo_keeper;

enum {
    GEO_KEEPER_WORKERS = 64,
    GEO_KEEPER_LOOK_MS = 2000, /* between two looks at the files */
};

/* "" is none. A database of countries may know autonomous systems too and the other way round. */
struct geo_keeper_paths {
    struct str country;
    struct str asn;
};

/* Keeps what the settings of the engine name, now and after each change of them. Says in the log
 * when rules are given and no database is there. The engine outlives it. Blocks and fails as below.
 */
struct engine;
MUST_USE int geo_keeper_start(struct engine *engine, struct geo_keeper **ret_keeper);
/* Opens what is there; a file that is missing or refused is no failure, but told. Negative errno:
 * no memory, no thread. Blocks as long as the files are read. */
MUST_USE int geo_keeper_open(const struct geo_keeper_paths *paths, struct geo_keeper **ret_keeper);
/* No look-up runs any more. NULL is fine. */
void geo_keeper_close(struct geo_keeper *keeper);
/* Other paths, by the next look; the same ones change nothing. Any thread. Not after
 * geo_keeper_start(). */
void geo_keeper_set_paths(struct geo_keeper *keeper, const struct geo_keeper_paths *paths);
/* Looks at once and waits for it: for control and tests. Any thread but a worker's. */
void geo_keeper_look(struct geo_keeper *keeper);

/* What is known of an address. False: no database is open; *ret_place is zeros then. No lock, no
 * system call, no allocation, less than a microsecond. `worker` is the caller's number, each used
 * by one thread at a time. */
bool geo_keeper_find(struct geo_keeper *keeper, unsigned worker, struct ip_address address,
                     struct geo_place *ret_place);
/* The same as a fact: status[FACT_GEO] becomes KNOWN, or UNAVAILABLE without any database. Where
 * there is a database, but none of countries, geo_country is GEO_NO_DATABASE. */
void geo_keeper_fill(struct geo_keeper *keeper, unsigned worker, struct ip_address address,
                     struct facts *facts);
/* geo_keeper_find() for any other thread: takes a lock. */
bool geo_keeper_ask(struct geo_keeper *keeper, struct ip_address address,
                    struct geo_place *ret_place);
/* geo_keeper_fill() for any other thread, likewise. */
void geo_keeper_ask_fact(struct geo_keeper *keeper, struct ip_address address, struct facts *facts);

struct geo_keeper_file {
    char path[512]; /* as set; "" none */
    char
        problem[400]; /* why the file that is there now is not in use; "" it is, or there is none */
    bool open;
    struct geo_database_info info; /* when open */
    int64_t opened_wall_ns;
};
struct geo_keeper_status {
    struct geo_keeper_file country;
    struct geo_keeper_file asn;
    uint64_t swaps;   /* since start: databases put in the place of another */
    uint64_t refused; /* files that could not be opened */
    uint64_t lookups;
    uint64_t damaged; /* records that could not be read */
};
void geo_keeper_status(struct geo_keeper *keeper, struct geo_keeper_status *ret_status);
