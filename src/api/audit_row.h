/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "api/audit.h"

/* Inside of the audit log: one row of the table, its hash, adding it. */

enum audit_kind { AUDIT_BEGIN = 1, AUDIT_END, AUDIT_CUT, AUDIT_NOTE };

struct audit_stored {
    int64_t id;
    enum audit_kind kind;
    int64_t begin_id; /* 0: none */
    int64_t time_ns;
    struct audit_entry entry;
    struct str after;
    unsigned status;
};

struct audit_hash {
    uint8_t bytes[AUDIT_HASH_BYTES];
};
/* On what the first row goes on: on zeros, or on the newest of those that were removed for age. */
struct audit_start {
    int64_t id; /* 0: none was */
    struct audit_hash hash;
};
/* What the row says that is added when rows are removed: {"removed":ID,"hash":"..."} */
#define AUDIT_TRIM_ACTION "trimAudit"
enum { AUDIT_START_TEXT_MAX = 160 };
void audit_start_format(const struct audit_start *start, struct text *out);
MUST_USE int audit_start_read(sqlite3 *connection, struct audit_start *ret_start);
/* Pure. */
struct audit_hash audit_row_hash(const struct audit_hash *previous, const struct audit_stored *row);
/* The columns that audit_row_read() takes, in its order, after "SELECT ". */
#define AUDIT_COLUMNS                                                                              \
    "id, kind, begin_id, time_ns, user, via, address, action, method, path, request_id, before,"   \
    " after, status, hash"
/* Texts live until the next step. False: the hash has not the size of one. */
bool audit_row_read(sqlite3_stmt *statement, struct audit_stored *ret_row,
                    struct audit_hash *ret_hash);
/* Inside of a transaction. Cuts texts, gives the row its id and its place in the chain. -EEXIST:
 * its begin has an end. */
MUST_USE int audit_row_add(sqlite3 *connection, struct audit_stored *row);
