/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sqlite3.h>
#include <sys/types.h>

#include "base/check.h"
#include "base/str.h"

/* What history's writer, closer and reader share: names, schema and life of the files. Internal to
 * store/.
 *
 *   (temporary) ──rename──► open ──next file exists──► indexed ──no reader──► closed
 *                           WAL, no index              WAL, closed = 1        journal_mode=DELETE
 *
 * Every arrow is one transaction or one rename, so a crash leaves the state before or after it. */

enum { HISTORY_FORMAT = 2, HISTORY_NAME_MAX = 64, HISTORY_DATE_LENGTH = 10 };

/* A file of the folder: "0000010000000001-2026-11-21.db". It holds the sequences from
 * first_sequence up to the next file's. */
struct history_file {
    uint64_t first_sequence;
    char date[HISTORY_DATE_LENGTH + 1];
    char name[HISTORY_NAME_MAX];
};

/* The row of table meta. */
struct history_meta {
    uint64_t position;
    bool closed;
    int64_t time_min_ns; /* wall clock of the rows; INT64_MAX and 0 when there are none */
    int64_t time_max_ns;
    uint64_t rows;
};

/* Ascending by first_sequence. The array is the caller's, by free(). 0 or a negative errno. */
MUST_USE int history_file_list(const char *folder, struct history_file **ret_files,
                               size_t *ret_count);
/* Removes what an interrupted creation left. Call before anything else uses the folder. */
void history_file_remove_temporary(const char *folder);
/* Makes an empty file with `position` in it: complete under its name or not there at all. */
MUST_USE int history_file_create(const char *folder, uint64_t first_sequence, const char *date,
                                 uint64_t position, struct history_file *ret_file);

/* HISTORY_READ_CLOSED: a closed file, without a lock; -ENOENT for one that is still written, or
 * that may not be read. */
enum history_access { HISTORY_READ = 0, HISTORY_WRITE, HISTORY_READ_CLOSED };
/* -ENOENT when it is gone (retention), -EUCLEAN when it is damaged, -EPROTONOSUPPORT for a newer
 * format. */
MUST_USE int history_file_open(const char *folder, const struct history_file *file,
                               enum history_access access, sqlite3 **ret_db);
/* The same by path, for history_file.c. */
MUST_USE int history_schema_create(const char *path, uint64_t position);
MUST_USE int history_schema_open(const char *path, enum history_access access, sqlite3 **ret_db);
MUST_USE int history_file_meta(sqlite3 *db, struct history_meta *ret_meta);
MUST_USE int history_file_exec(sqlite3 *db, const char *sql);
/* Ends a transaction that failed, if SQLite has not done so itself. */
void history_file_roll_back(sqlite3 *db);
MUST_USE int history_file_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement);
/* False for a file of a release that recorded recipients alone: no columns state and recipients. */
bool history_file_has_state(sqlite3 *db);
/* False for a file of a release before that had no columns country and asn. */
bool history_file_has_place(sqlite3 *db);
/* True when the file has its summaries (history_summary.h). */
bool history_file_has_summary(sqlite3 *db);
/* True when the file has the full-text table. */
bool history_file_has_words(sqlite3 *db);
/* Indexes, full text, summaries, `closed`, journal_mode=DELETE; goes on where an earlier try
 * stopped, and gives a file that a release before closed its summaries. -EINTR
 * when the connection's progress handler said stop, -EBUSY when readers were in the way: try again.
 * -EUCLEAN: damaged. */
MUST_USE int history_file_finish(sqlite3 *db);
/* Lets the group `readers` read a closed file, or the folder (`file` NULL); 0: nobody but
 * ourselves. Where that cannot be done nobody may, and the log says so. */
void history_file_share(const char *folder, const struct history_file *file, gid_t readers);
/* Renames a damaged file to NAME.damaged, with its WAL, and logs that. Negative errno: it stays. */
int history_file_set_aside(const char *folder, const struct history_file *file);
/* Removes the files set aside whose day ended before `end_ns`. */
void history_file_remove_damaged(const char *folder, int64_t end_ns);
/* The file and what belongs to it. */
void history_file_remove(const char *folder, const struct history_file *file);

/* A result of SQLite as a negative errno; 0 for SQLITE_OK, SQLITE_ROW and SQLITE_DONE. */
int history_file_error(int result);

/* The day of TZ that holds `time_ns`: its date, and when the next one begins. */
struct history_day {
    char date[HISTORY_DATE_LENGTH + 1];
    int64_t until_ns;
};
struct history_day history_day_of(int64_t time_ns);
/* The end of the day `date` ("2026-11-21"), Unix time in ns; INT64_MAX when it is no date. */
int64_t history_day_end(const char *date);
