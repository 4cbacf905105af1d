/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/check.h"
#include "policy/decision_record.h"

/* History: every decision as a row, in a series of SQLite files cut by sequence (DESIGN 2). A new
 * file begins with the first event of a day (TZ, decision time) or at rows_per_file_max. Only the
 * newest is written and has no secondary index; on close it gets indexes and full text in bulk and
 * becomes journal_mode=DELETE, in a thread of the writer. Format: docs/internals/history-format.md.
 *
 * history_writer: the recorder thread alone. history_reader: any thread of the daemon, each its own
 * (read-only connections; the open file is read through WAL). Other processes read closed files
 * alone. */

struct history_writer;
struct history_options {
    const char *folder; /* e.g. /var/lib/seczim/history */
    uint64_t rows_per_file_max;
    int64_t keep_s;          /* the recorder's: history_writer_expire() */
    uint64_t min_free_bytes; /* the recorder's: below it no rows are written */
    gid_t readers; /* a group that may read closed files: 0640, the folder 0750; 0: nobody, 0600 */
};

MUST_USE int history_writer_open(const struct history_options *options,
                                 struct history_writer **ret_writer, struct text *problem);
/* The journal sequence up to which everything is in history: go on reading after it. */
uint64_t history_writer_position(const struct history_writer *writer);
/* The position that power loss cannot take back: of the last completed checkpoint. The journal may
 * be released up to here. Never above history_writer_position(). */
uint64_t history_writer_durable(const struct history_writer *writer);
/* Rows go into a transaction that begins with the first and ends with commit(). Sequences must
 * ascend and be below 2^63. `time_ns` is decision time; `body` and `version` are the journal
 * record's. After a failure of add, count or commit (negative errno)
 * the transaction is rolled back: read the journal again after history_writer_position(). -EUCLEAN:
 * the file was damaged and is set aside: close the writer, open it again, go on at the position it
 * has then, so that what the journal still holds is recorded anew. */
struct history_record {
    uint64_t sequence;
    int64_t time_ns;
    unsigned version;
    struct str body;
    const struct decision_record *decision;
};
MUST_USE int history_writer_add(struct history_writer *writer, const struct history_record *record);
/* As add, but a refusal or deferral like an earlier one of this file (same client, policy, reason
 * and minute) raises that row's count instead; *ret_folded says so. */
MUST_USE int history_writer_fold(struct history_writer *writer, const struct history_record *record,
                                 bool *ret_folded);
/* The statistics per minute alone, no row: history is off or space is low. */
MUST_USE int history_writer_count(struct history_writer *writer,
                                  const struct history_record *record);
/* `position` is the last sequence handled, whether it made a row or not. */
MUST_USE int history_writer_commit(struct history_writer *writer, uint64_t position);
/* Makes what is committed durable when that is due (10 s, 64 MiB of WAL) or `now`. */
MUST_USE int history_writer_checkpoint(struct history_writer *writer, bool now);
/* Unlinks files whose day ended more than keep_s before `now_ns` (decision time). Returns how
 * many. The newest file stays. */
size_t history_writer_expire(struct history_writer *writer, int64_t now_ns, int64_t keep_s);
/* Recording is far behind (`rest`), or no more: indexes wait meanwhile, for a minute at most. */
void history_writer_rest(struct history_writer *writer, bool rest);
/* Blocks until every file but the newest has its indexes. For backups, benchmarks and tests. */
void history_writer_settle(struct history_writer *writer);
/* What is not committed is rolled back. Index building that is under way goes on at the next open.
 */
void history_writer_close(struct history_writer *writer);

/* One row. Slices live until the visitor returns. */
struct history_row {
    uint64_t sequence;
    int64_t time_ns;     /* wall clock */
    int64_t decision_ns; /* decision time */
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
    struct str
        shadow; /* "rbl:reject:rbl.listed ..." what policies in shadow would have done, or "" */
    struct str record; /* the journal record's body: decision_record_decode() */
    unsigned record_version;
    uint64_t size;
    uint64_t generation;
    uint32_t duration_us;
    uint32_t count; /* 1; more when repeated refusals were folded under backlog */
    bool is_end;    /* of END-OF-MESSAGE: no verdict; size and recipients are those of the message,
                       `recipient` is empty or its only one */
    uint32_t recipients; /* 0 in the rows of recipients */
    struct str country; /* ISO 3166-1 of the client, upper case; "" when the decision did not ask */
    uint32_t asn;       /* 0: unknown */
};

enum { HISTORY_FIND_MAX = 500 };
/* Rows of recipients, or of the ends of their messages. */
enum history_states { HISTORY_RECIPIENTS = 0, HISTORY_ENDS, HISTORY_ALL };

/* Filters are joined by and; empty means any. Text fields match whole, without regard to case;
 * with a leading or trailing `*` by suffix or prefix. */
struct history_query {
    int64_t since_ns;  /* 0: no bound */
    int64_t until_ns;  /* exclusive; 0: no bound */
    struct str client; /* address or network, or text with `*` */
    struct str client_name;
    struct str helo;
    struct str sender;
    struct str recipient;
    struct str identity;
    struct str queue_id;
    struct str instance;
    struct str rule;
    struct str country;
    struct str text; /* words, all of them, whole, in one row's names, addresses, rule, reply */
    uint32_t asn;    /* 0: any */
    int verdict;     /* -1: any; VERDICT_ACCEPT also finds what nobody objected to, VERDICT_NONE */
    int direction;   /* -1 */
    enum history_states states;
    unsigned policy;          /* POLICY_NONE: any */
    unsigned reason;          /* REASON_NONE: any */
    uint64_t before_sequence; /* newest first: rows below it; 0: from the newest */
    uint64_t after_sequence;  /* with oldest_first */
    bool oldest_first;
    size_t limit; /* 1 to HISTORY_FIND_MAX */
};
typedef bool history_visit(void *context, const struct history_row *row); /* false: stop */

struct history_reader;
MUST_USE int history_reader_open(const char *folder, struct history_reader **ret_reader);
/* For other processes than the daemon: closed files alone, which never change, opened read-only and
 * without any lock, so that nothing here can make the daemon wait. A file that is still written, or
 * that may not be read, is passed over. -EACCES by each call: the folder may not be read. */
MUST_USE int history_reader_open_closed(const char *folder, struct history_reader **ret_reader);
/* Visits at most `limit` rows. Looks at new files by itself. -EINVAL: limit out of range, or a
 * network that is none. A damaged file is skipped (history_reader_damaged()). The visitor must not
 * call the reader. */
MUST_USE int history_reader_find(struct history_reader *reader, const struct history_query *query,
                                 history_visit *visit, void *context);
MUST_USE int history_reader_get(struct history_reader *reader, uint64_t sequence,
                                history_visit *visit, void *context); /* -ENOENT */
/* Every row of a time range, oldest first, as fast as the files can be read: for replay. Of a row
 * only what a decision is made of; `record` is empty when it has none. */
struct history_scan_row {
    uint64_t sequence;
    int64_t time_ns;     /* wall clock */
    int64_t decision_ns; /* decision time */
    uint32_t count;      /* as in history_row */
    unsigned record_version;
    struct str record; /* lives until the visitor returns */
};
struct history_scan {
    int64_t since_ns;        /* wall clock */
    int64_t until_ns;        /* exclusive; 0: no bound */
    uint64_t after_sequence; /* exclusive; 0: from the oldest */
    size_t limit;            /* rows to visit at most: no file is held open for longer */
    /* Asked between rows, also those outside the times: true ends the scan. NULL: never. */
    bool (*stop)(void *context);
};
typedef bool history_scan_visit(void *context, const struct history_scan_row *row);
/* Visits the next rows; go on with after_sequence until a call visits none. A damaged file is
 * skipped from where it is damaged. */
MUST_USE int history_reader_scan(struct history_reader *reader, const struct history_scan *scan,
                                 history_scan_visit *visit, void *context);
/* Files that could not be read, since open. */
uint64_t history_reader_damaged(const struct history_reader *reader);
/* Counts per minute, from the statistics that stand beside the rows. A minute in which the file
 * changed comes once from each file: add up. Rows folded or dropped are counted too. */
struct history_minute {
    int64_t minute_s; /* Unix time, start of the minute (or hour) */
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
/* The same, but whole hours of the range may come as one count, of the hour's start: where files
 * have them, a sixtieth of the work. */
MUST_USE int history_reader_hours(struct history_reader *reader, int64_t since_s, int64_t until_s,
                                  history_minute_visit *visit, void *context);
void history_reader_close(struct history_reader *reader);
