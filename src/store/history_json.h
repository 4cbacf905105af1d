/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "store/history.h"

/* Rows of history as the control API and the REST API write them: docs/internals/control-api.md.
 * The caller's reference; NULL: out of memory. */

/* An item of /v1/sessions. */
json_t *history_row_json(const struct history_row *row);
/* The same with what may be done about it: /v1/sessions/{sequence}. */
json_t *history_row_details_json(const struct history_row *row);
/* What history_reader_find() finds, as a page: {"items", "next"}, where `next` is the last sequence
 * or null. Negative errno of the reader. */
MUST_USE int history_page_json(struct history_reader *reader, const struct history_query *query,
                               json_t **ret_page);
