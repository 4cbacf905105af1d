/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "base/str.h"

/* Cells of CSV (RFC 4180) that a spreadsheet shows and never runs: one that begins with = + - @, a
 * tab or a line end gets an apostrophe before it. Pure. */

enum { CSV_ROW_MAX = 128 * 1024 };

/* A string, number or truth; null is empty, anything else compact JSON. */
void csv_cell(const json_t *value, struct text *out);
