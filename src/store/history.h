/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "policy/decision_record.h"

/* History: every decision as a row, in a row of SQLite files cut by sequence (DESIGN 2). A new file
 * begins with the first event of a day (of the time zone) or at rows_per_file_max. Only the newest
 * is written and has no secondary index; on close it gets indexes and full text in bulk and becomes
 * journal_mode=DELETE. Format: docs/internals/history-format.md.
 *
 * history_writer: the recorder thread alone. history_reader: any thread of the daemon, each its own
 * (read-only connections; the open file is read through WAL). */

struct history_writer;
struct history_options {
    const char *folder; /* e.g. /var/lib/seczim/history */
    uint64_t rows_per_file_max;
    int64_t keep_s;
    uint64_t min_free_bytes;
};

MUST_USE int history_writer_open(const struct history_options *options,
                                 struct history_writer **ret_writer, struct text *problem);
/* The journal sequence up to which everything is in history. */
uint64_t history_writer_position(const struct history_writer *writer);
/* Rows go into a transaction that begins with the first and ends with commit(). */
MUST_USE int history_writer_add(struct history_writer *writer, uint64_t sequence, int64_t time_ns,
                                const struct decision_record *record);
/* `position` is the last sequence handled, whether it made a row or not. */
MUST_USE int history_writer_commit(struct history_writer *writer, uint64_t position);
/* Unlinks files older than keep_s before `now_ns`. Returns how many. */
size_t history_writer_expire(struct history_writer *writer, int64_t now_ns);
void history_writer_close(struct history_writer *writer);

/* One row. Slices live until the visitor returns. */
struct history_row {
    uint64_t sequence;
    int64_t time_ns;      /* wall clock */
    int64_t decision_ns;  /* decision time */
    enum direction direction;
    enum verdict verdict;
    enum policy_id policy;
    enum reason reason;
    struct str client_address; /* text */
    struct str client_name;
    struct str helo;
    struct str sender;
    struct str recipient;
    struct str identity;
    struct str instance;
    struct str queue_id;
    struct str rule;
    struct str reply;
    struct str shadow;    /* "rbl:reject:rbl.listed ..." what policies in shadow would have done, or "" */
    struct str record;    /* the journal record's body: decision_record_decode() */
    uint64_t size;
    uint64_t generation;
    uint32_t duration_us;
    uint32_t count;       /* 1; more when repeated refusals were folded under backlog */
};

/* Filters are joined by and; empty means any. Text fields match whole, without regard to case;
 * with a leading or trailing `*` by suffix or prefix. */
struct history_query {
    int64_t since_ns; /* 0: no bound */
    int64_t until_ns; /* exclusive; 0: no bound */
    struct str client; /* address or network */
    struct str client_name;
    struct str helo;
    struct str sender;
    struct str recipient;
    struct str identity;
    struct str queue_id;
    struct str instance;
    struct str rule;
    struct str text;   /* words, full text over names, addresses, reply */
    int verdict;       /* -1: any */
    int direction;     /* -1 */
    unsigned policy;   /* POLICY_NONE: any */
    unsigned reason;   /* REASON_NONE: any */
    uint64_t before_sequence; /* newest first: rows below it; 0: from the newest */
    uint64_t after_sequence;  /* with oldest_first */
    bool oldest_first;
    size_t limit;      /* 1 to 500 */
};
typedef bool history_visit(void *context, const struct history_row *row); /* false: stop */

struct history_reader;
MUST_USE int history_reader_open(const char *folder, struct history_reader **ret_reader);
/* Visits at most `limit` rows. Looks at new files by itself. */
MUST_USE int history_reader_find(struct history_reader *reader, const struct history_query *query,
                                 history_visit *visit, void *context);
MUST_USE int history_reader_get(struct history_reader *reader, uint64_t sequence,
                                history_visit *visit, void *context); /* -ENOENT */
/* Counts per minute, from the statistics that stand beside the rows. */
struct history_minute {
    int64_t minute_s; /* Unix time, start of the minute */
    enum direction direction;
    enum verdict verdict;
    enum policy_id policy;
    enum reason reason;
    bool shadow;
    uint64_t count;
};
typedef void history_minute_visit(void *context, const struct history_minute *minute);
MUST_USE int history_reader_minutes(struct history_reader *reader, int64_t since_s, int64_t until_s,
                                    history_minute_visit *visit, void *context);
void history_reader_close(struct history_reader *reader);
