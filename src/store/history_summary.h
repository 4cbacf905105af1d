/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/history.h"
#include "store/history_filter.h"
#include "store/history_part.h"

/* Summaries of history: of a closed file they stand in it (tables part, top and hour), per part of
 * at most an hour and 10,000 rows and of the whole file; of the files that are still written
 * struct history_live has the same in memory and reads what was added since. A query takes whole
 * files where the time range holds them, else whole parts, and reads the rows of the parts at the
 * ends of the range alone. */

/* --- of one file; internal to store/ --- */

/* Writes the summaries. Within a transaction of the caller. */
MUST_USE int history_summary_write(sqlite3 *db);
/* Adds to `part` what the file has of [since_ns, until_ns), by its summaries. */
MUST_USE int history_summary_merge(sqlite3 *db, int64_t since_ns, int64_t until_ns,
                                   struct history_part *part);
/* The same by reading rows: those with after < sequence < before. */
MUST_USE int history_summary_scan(sqlite3 *db, uint64_t after, uint64_t before, int64_t since_ns,
                                  int64_t until_ns, struct history_part *part);

/* --- of the files that are still written --- */

struct history_live;
/* One for a folder, shared by its readers. NULL: out of memory. */
struct history_live *history_live_new(void);
void history_live_free(struct history_live *live);
/* As history_summary_merge(), of the file with this first sequence; reads first what was added
 * since the last call. Any thread; one at a time goes on, the others wait. Internal to store/. */
MUST_USE int history_live_merge(struct history_live *live, sqlite3 *db, uint64_t first_sequence,
                                int64_t since_ns, int64_t until_ns, struct history_part *part);
/* Where rows of `query` may stand in the file: history_filter_find(). */
MUST_USE int history_live_find(struct history_live *live, sqlite3 *db, uint64_t first_sequence,
                               const struct history_query *query, struct history_range **ret_ranges,
                               size_t *ret_count);
/* The file has summaries of its own now, or is gone: what was kept of files before this one goes.
 */
void history_live_forget(struct history_live *live, uint64_t before_sequence);

/* --- queries --- */

/* Searches of this reader pass over what they need not read of files that are still written.
 * `live` outlives the reader. */
void history_reader_use(struct history_reader *reader, struct history_live *live);

/* Adds to `part` all decisions of history in [since_s, until_s), which are whole minutes; `part`
 * says what is wanted. `live` NULL: rows of files that are still written are read each time. */
MUST_USE int history_reader_summarize(struct history_reader *reader, struct history_live *live,
                                      int64_t since_s, int64_t until_s, struct history_part *part);
