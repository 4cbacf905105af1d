/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/list_index.h"
#include "policy/list_rows.h"

/* What the tests of list indexes share: items, an index of them, and questions. */

/* Seconds of the wall clock, in all questions. */
enum { NOW_S = 1000 };

/* Of mail in both directions, without end or proof; fails when the pattern is none. */
struct list_item item_of(uint64_t id, enum list_id list, enum pattern_type type,
                         const char *pattern);

/* The caller's, on the heap. */
struct list_index *index_of(const struct list_item *items, size_t count);

/* Of a sender and the address of a client. */
struct list_query query_of(const char *sender, const char *client);

/* The id that matches in a view of one index, 0 for none. */
uint64_t find_one(const struct list_index *index, enum list_id list,
                  const struct list_query *query);
