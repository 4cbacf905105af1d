/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/history.h"
#include "store/history_file.h"

/* One file of a scan (history_reader_scan()). Internal to the reader. */

struct history_scan_left {
    const struct history_scan *scan;
    history_scan_visit *visit;
    void *context;
    size_t rows;  /* that may still be visited */
    bool stopped; /* the visitor has had enough */
};

/* The rows with a sequence between `after` and `before` (both exclusive) whose time fits. */
MUST_USE int history_scan_file(sqlite3 *db, uint64_t after, uint64_t before,
                               struct history_scan_left *left);
