/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sqlite3.h>

#include "base/hyperloglog.h"
#include "base/quantiles.h"
#include "store/history.h"
#include "store/history_top.h"

/* What is gathered of the decisions in a part of history: the highest keys of each dimension, how
 * many different clients, senders and recipients, how long the answers took. Parts are gathered
 * from rows, written into files as bytes, and merged into the answer of a query. Decisions on
 * recipients alone. Internal to store/; one thread at a time. */

/* Numbers stand in files: append, never renumber. */
enum history_dimension {
    HISTORY_BY_SENDER = 0,
    HISTORY_BY_RECIPIENT,
    HISTORY_BY_CLIENT, /* its address; the label is its name */
    HISTORY_BY_COUNTRY,
    HISTORY_BY_ASN, /* "as64496" */
    HISTORY_BY_HELO,
    HISTORY_BY_IDENTITY,
    HISTORY_BY_RULE,
    HISTORY_DIMENSIONS
};

/* What is wanted of it. */
struct history_wanted {
    unsigned dimensions; /* bit per enum history_dimension */
    unsigned lists;      /* bit per list of history_top.h */
    bool sketches;       /* different clients, senders, recipients */
    bool durations;
};
/* Everything, for files. */
struct history_wanted history_wanted_all(void);

enum history_sketch { SKETCH_CLIENTS = 0, SKETCH_SENDERS, SKETCH_RECIPIENTS, HISTORY_SKETCHES };

struct history_part {
    struct history_wanted wanted;
    struct history_top *tops[HISTORY_DIMENSIONS]; /* NULL: not wanted */
    struct hyperloglog sketches[HISTORY_SKETCHES];
    struct quantiles durations; /* microseconds */
    uint64_t first;             /* sequences and wall clock of its rows; rows 0: none */
    uint64_t last;
    int64_t time_min_ns;
    int64_t time_max_ns;
    uint64_t rows;
};

/* keys_max: of each dimension; 0: no bound. NULL: out of memory. */
struct history_part *history_part_new(const struct history_wanted *wanted, size_t keys_max);
void history_part_free(struct history_part *part);
void history_part_clear(struct history_part *part);

/* A row as it is gathered. */
struct history_part_row {
    uint64_t sequence;
    int64_t time_ns;
    unsigned direction;
    unsigned verdict;
    uint32_t count;
    uint32_t duration_us;
    uint32_t asn;
    struct str client_address;
    struct str client_name;
    struct str helo;
    struct str sender;
    struct str recipient;
    struct str identity;
    struct str rule;
    struct str country;
};
MUST_USE int history_part_add(struct history_part *part, const struct history_part_row *row);
/* Where the next part begins: parts have at most HISTORY_PART_ROWS rows, and none holds rows of two
 * hours (UTC, wall clock), but those that came late. */
enum { HISTORY_PART_ROWS = 10000 };
bool history_part_ends_before(const struct history_part *part, int64_t time_ns);
/* Everything of `other` that is wanted of `part`. */
MUST_USE int history_part_merge(struct history_part *part, const struct history_part *other);

/* Calls `visit` for the rows on recipients of a file with after < sequence < before, in order; what
 * is not `wanted` of a row is left empty: most of the time goes into looking at columns.
 * A negative errno of the visitor ends it and is returned. */
typedef int history_part_visit(void *context, const struct history_part_row *row);
MUST_USE int history_part_rows(sqlite3 *db, const struct history_wanted *wanted, uint64_t after,
                               uint64_t before, history_part_visit *visit, void *context);

/* --- as bytes --- */

struct history_bytes {
    unsigned char *data; /* by malloc() */
    size_t length;
};
struct history_part_bytes {
    uint64_t first;
    uint64_t last;
    int64_t time_min_ns;
    int64_t time_max_ns;
    uint64_t rows;
    struct history_bytes sketches[HISTORY_SKETCHES];
    struct history_bytes durations;
    struct history_bytes tops[HISTORY_DIMENSIONS][HISTORY_TOP_LISTS];
};
/* `keep`: keys of each list. Free it also on failure. */
MUST_USE int history_part_encode(const struct history_part *part, size_t keep,
                                 struct history_part_bytes *ret_bytes);
void history_part_bytes_free(struct history_part_bytes *bytes);
/* One of the three at a time, as a file gives them; what is not wanted is passed over. -EUCLEAN:
 * the bytes are none of ours. */
MUST_USE int history_part_merge_sketch(struct history_part *part, enum history_sketch sketch,
                                       const void *data, size_t length);
MUST_USE int history_part_merge_durations(struct history_part *part, const void *data,
                                          size_t length);
MUST_USE int history_part_merge_top(struct history_part *part, unsigned dimension, unsigned list,
                                    const void *data, size_t length);
MUST_USE int history_part_merge_bytes(struct history_part *part,
                                      const struct history_part_bytes *bytes);
