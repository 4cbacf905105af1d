/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sqlite3.h>

#include "store/history.h"

/* Which rows of a file without indexes a search need not read: for every 512 rows a Bloom filter of
 * 64 KiBit over their values and words (history_words.h). A value that few rows have is looked for
 * in few places; one that none has, in about one of a hundred. 8 MB for 500,000 rows. Internal to
 * store/; one thread at a time. */

struct history_filter;
struct history_filter *history_filter_new(void); /* NULL: out of memory */
void history_filter_free(struct history_filter *filter);
/* Reads the rows that were added since. */
MUST_USE int history_filter_catch_up(struct history_filter *filter, sqlite3 *db);
/* The last sequence that was read. */
uint64_t history_filter_position(const struct history_filter *filter);

/* False: the query names nothing to filter by, and every row is to be looked at. */
bool history_filter_serves(const struct history_query *query);
struct history_range { /* of sequences, both inclusive */
    uint64_t first;
    uint64_t last;
};
/* Where rows of `query` may stand, ascending, not touching each other; the last one has no end, for
 * rows that were added since.
 * *ret_ranges is the caller's, by free(). */
MUST_USE int history_filter_find(const struct history_filter *filter,
                                 const struct history_query *query,
                                 struct history_range **ret_ranges, size_t *ret_count);
