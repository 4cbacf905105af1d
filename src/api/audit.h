/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "api/api_db.h"

/* The audit log: who changed what, and who logged in. Rows are only added, until they are too old.
 *
 * A change is two rows: audit_begin() commits the first (who, what, the state before) before
 * anything is changed, audit_end() adds the second (the answer, the state after). So a change that
 * happened is always in the log, and one that `kill -9` cut off has a first row alone; the next
 * start adds a row that says so. What is told in one go (a login) is one row.
 *
 * Each row, ends too, carries a BLAKE2b-256 hash over the hash of the row before and all its own
 * columns: a row changed, removed or put in between breaks the chain from there on. The chain does
 * not show that rows at the end were removed, or that somebody who can write the file made all of
 * it anew: keep the newest hash (audit_verify()) elsewhere for that.
 *
 * Times are Unix time in nanoseconds. Any thread. */

enum {
    AUDIT_STATE_MAX = 64 * 1024, /* bytes of before and of after; the rest is cut, and that said */
    AUDIT_FIELD_MAX = 1024,      /* bytes of every other text */
    AUDIT_HASH_BYTES = 32,
};

/* Holds no secrets: the caller leaves passwords, codes and tokens out of before and after. Bytes
 * that are not UTF-8 are for the reader to handle. */
struct audit_entry {
    struct str user; /* "" when nobody was logged in: the name that was tried, in a failed login */
    struct str via;  /* access_via_name() */
    struct str address; /* the client's, "" for the UNIX socket */
    struct str action;  /* operationId of the API: "setLists", "login" */
    struct str method;
    struct str path; /* without the query */
    struct str request_id;
    struct str before; /* JSON or "" */
};

MUST_USE int audit_begin(struct api_db *db, const struct audit_entry *entry, int64_t now_ns,
                         int64_t *ret_id);
/* `status`: of the answer, 100 to 599. -EALREADY: it has ended. -ENOENT: there is no such begin. */
MUST_USE int audit_end(struct api_db *db, int64_t id, unsigned status, struct str after,
                       int64_t now_ns);
/* Both in one row. */
MUST_USE int audit_note(struct api_db *db, const struct audit_entry *entry, unsigned status,
                        struct str after, int64_t now_ns);
/* At start, before any begin: marks what the last run did not finish. *ret_count: how many. */
MUST_USE int audit_mark_cut_off(struct api_db *db, int64_t now_ns, size_t *ret_count);

enum audit_state { AUDIT_UNDER_WAY = 0, AUDIT_ENDED, AUDIT_CUT_OFF };

struct audit_row {
    int64_t id;
    int64_t time_ns; /* when it began */
    enum audit_state state;
    unsigned status; /* AUDIT_ENDED */
    struct audit_entry entry;
    struct str after;
};
typedef bool audit_visit(void *context, const struct audit_row *row); /* false: stop */

struct audit_query {
    struct str user;   /* "": all */
    struct str action; /* "": all */
    int64_t since_ns;  /* from here on; INT64_MIN: from the first */
    int64_t until_ns;  /* before this; 0 or less: to the last */
    int64_t before_id; /* 0: from the newest */
};
/* Newest first, the begin and its end as one. `visit` must not use the database; the texts live
 * until it returns. */
MUST_USE int audit_each(struct api_db *db, const struct audit_query *query, audit_visit *visit,
                        void *context);

struct audit_verdict {
    uint64_t rows;                    /* found sound from the first on */
    uint64_t removed;                 /* for their age, before that */
    int64_t broken_id;                /* the first row that does not fit; 0: all do */
    uint8_t newest[AUDIT_HASH_BYTES]; /* hash of the last sound row; zeros when there is none */
};
/* Removes rows older than `before_ns`, some thousands at most (*ret_more: call again), and adds one
 * that says so. The newest row always stays. The chain goes on from the hash of the newest row that
 * was removed, which that row tells: who removes others by hand breaks it. */
MUST_USE int audit_trim(struct api_db *db, int64_t before_ns, int64_t now_ns, bool *ret_more);

/* Reads the whole chain, in pieces between which others may use the database. */
MUST_USE int audit_verify(struct api_db *db, struct audit_verdict *ret_verdict);
