/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/list_entry.h"

/* Reads list files that people have: a line is good or has a problem, and a bad line never spoils
 * the others. Pure but for jansson's memory.
 *
 *   csv       pattern,type,direction,require,comment,expires (a header may name other columns or
 *             another order; fields after the pattern may be missing; "#" begins a comment line)
 *   json      one object a line with the same names as members
 *   postfix   access(5) tables: OK and DUNNO for allow and greylist_exempt, REJECT, DEFER, 4xx and
 *             5xx for block. A domain means the domain and what is below it, as Postfix has it
 *   postgrey  whitelist_clients and whitelist_recipients, for greylist_exempt alone. A host name
 *             means itself and all names below it. Regular expressions are converted when entries
 *             can say exactly the same */

enum list_import_format {
    LIST_IMPORT_CSV = 0,
    LIST_IMPORT_JSON,
    LIST_IMPORT_POSTFIX,
    LIST_IMPORT_POSTGREY,
    LIST_IMPORT_FORMATS,
};

bool list_import_format_parse(struct str name, enum list_import_format *ret_format);

struct list_import {
    enum list_import_format format;
    enum list_id list;
    uint32_t now_s; /* decision time */
    void *context;
    /* One line may give several entries. Borrowed until it returns; false stops the import. */
    bool (*entry)(void *context, const struct config_list_entry *entry);
    /* `line` counts from 1; `text` is the line; `problem` a sentence. */
    void (*problem)(void *context, uint64_t line, struct str text, struct str problem);
};

/* Returns how many lines were read. */
uint64_t list_import(const struct list_import *import, struct str input);
