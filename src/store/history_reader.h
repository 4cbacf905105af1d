/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/counter.h"
#include "store/history.h"
#include "store/history_file.h"

/* What the files of the reader share: searches (history_reader.c) and statistics
 * (history_statistics.c). Internal to store/. */

/* What is known of a closed file for good; the others are asked each time. */
struct history_bounds {
    uint64_t first_sequence;
    int64_t time_min_ns;
    int64_t time_max_ns;
};

struct history_reader {
    char *folder;
    enum history_access access;
    struct history_bounds *known; /* ascending by first_sequence */
    size_t known_count;
    struct counter damaged;
    struct history_live *live; /* NULL: files that are still written are read whole */
    /* The files of the present call. */
    struct history_file *files;
    size_t file_count;
};

/* At the begin of each call: which files there are now. */
MUST_USE int history_reader_look(struct history_reader *reader);
/* Opens a file of `files` when it may hold times of [since, until). 0 and *ret_db NULL when not. */
MUST_USE int history_reader_open_file(struct history_reader *reader, size_t index, int64_t since_ns,
                                      int64_t until_ns, sqlite3 **ret_db);
/* A file that is gone (retention) or cannot be read (counted) does not end the call: 0. */
MUST_USE int history_reader_pass_over(struct history_reader *reader,
                                      const struct history_file *file, int result);
/* Narrows the sequences by the minutes that the time range touches. 0: no row can match. */
MUST_USE int history_reader_narrow(sqlite3 *db, int64_t since_ns, int64_t until_ns, uint64_t *after,
                                   uint64_t *before);
