/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "journal/snapshot_file.h"

/* Up to which record each group of the state already holds everything. NULL when out of memory. */
struct snapshot_coverage *snapshot_coverage_new(const struct snapshot_header *header,
                                                const struct state *state);
/* Groups in the numbering of the file. */
void snapshot_coverage_add(struct snapshot_coverage *coverage, unsigned table, uint64_t first_group,
                           size_t group_count, uint64_t stamp);
/* Turns the file's groups into the state's. Unless `whole`, replay begins at the very beginning. */
void snapshot_coverage_finish(struct snapshot_coverage *coverage, bool whole);
