/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/list_import.h"

/* Inside of list_import: one line and where its entries and problems go. */

struct import_line {
    const struct list_import *import;
    uint64_t number;
    struct str text;
    bool stopped; /* the receiver wants no more */
};

/* Makes an entry of `fields` and hands it over; a problem is reported. */
void import_fields(struct import_line *line, const struct list_entry_fields *fields);
/* Reports `found` (quoted; empty: not shown) and a sentence. */
void import_problem(struct import_line *line, struct str found, const char *sentence);

void import_postfix_line(struct import_line *line);
void import_postgrey_line(struct import_line *line);

/* "192.0.2" is 192.0.2.0/24: 1 to 4 decimal parts. Writes a network for address_pattern_parse(). */
bool import_partial_ipv4(struct str text, struct text *out);
/* Takes the first word (up to a blank) off *rest. */
struct str import_word(struct str *rest);
