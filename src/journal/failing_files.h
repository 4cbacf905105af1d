/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "journal/file_operations.h"

/* File operations of which the n-th fails. For tests. A failed write leaves half of its bytes; a
 * failed sync is played as Linux does it: what was not on disk is gone from the page cache too. */

enum { FAILING_WRITES_MAX = 512 };

/* The real operations, but for the one that fails (or all from it on). */
struct failing {
    struct file_operations operations;
    _Atomic int left; /* operations until the failure; below 0: it is over */
    bool for_good;
    int error;
    _Atomic int failed;
    _Atomic bool no_new_files; /* every open fails */
    struct {
        int fd;
        uint64_t offset;
        size_t length;
    } unsynced[FAILING_WRITES_MAX];
    size_t unsynced_count;
};

/* The operation after `at` others fails with `error`, or all from it on. */
void failing_init(struct failing *failing, int at, int error, bool for_good);
