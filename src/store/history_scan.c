/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_scan.h"

/* Two statements step through table and records side by side, both in the order in which the rows
 * stand in the file: a join would look up each record by its key. */

static int prepare(sqlite3 *db, const char *sql, uint64_t after, uint64_t before,
                   sqlite3_stmt **ret_statement) {
    sqlite3_stmt *statement = NULL;
    const int result = history_file_prepare(db, sql, &statement);
    if (result < 0) {
        return result;
    }
    (void)sqlite3_bind_int64(statement, 1, (int64_t)after);
    (void)sqlite3_bind_int64(statement, 2, before > INT64_MAX ? INT64_MAX : (int64_t)before);
    *ret_statement = statement;
    return 0;
}

static bool time_fits(const struct history_scan *scan, int64_t time_ns) {
    return time_ns >= scan->since_ns && (scan->until_ns == 0 || time_ns < scan->until_ns);
}

/* The visitor has had enough, or whoever waits for the end. */
static bool stopped(struct history_scan_left *left) {
    left->stopped = left->stopped || (left->scan->stop != NULL && left->scan->stop(left->context));
    return left->stopped;
}

/* Steps until the record of `sequence` or a later one. SQLITE_ROW, SQLITE_DONE or an error. */
static int step_to(sqlite3_stmt *records, int step, uint64_t sequence,
                   struct history_scan_left *left) {
    while (step == SQLITE_ROW && !stopped(left) &&
           (uint64_t)sqlite3_column_int64(records, 0) < sequence) {
        step = sqlite3_step(records);
    }
    return step;
}

static struct history_scan_row row_of(sqlite3_stmt *sessions, sqlite3_stmt *records,
                                      uint64_t sequence, int64_t time_ns) {
    struct history_scan_row row = {
        .sequence = sequence,
        .time_ns = time_ns,
        .decision_ns = sqlite3_column_int64(sessions, 2),
        .count = (uint32_t)sqlite3_column_int64(sessions, 3),
    };
    if (records != NULL) {
        const char *bytes = (const char *)sqlite3_column_blob(records, 2);
        row.record_version = (unsigned)sqlite3_column_int(records, 1);
        row.record = (struct str){bytes, (size_t)sqlite3_column_bytes(records, 2)};
    }
    return row;
}

static int step_both(sqlite3_stmt *sessions, sqlite3_stmt *records,
                     struct history_scan_left *left) {
    int step = SQLITE_DONE;
    int record = sqlite3_step(records);
    while (!stopped(left) && left->rows > 0 && (step = sqlite3_step(sessions)) == SQLITE_ROW) {
        const uint64_t sequence = (uint64_t)sqlite3_column_int64(sessions, 0);
        const int64_t time_ns = sqlite3_column_int64(sessions, 1);
        if (!time_fits(left->scan, time_ns)) {
            continue;
        }
        record = step_to(records, record, sequence, left);
        if (record != SQLITE_ROW && record != SQLITE_DONE) {
            return history_file_error(record);
        }
        if (left->stopped) {
            break;
        }
        const bool found =
            record == SQLITE_ROW && (uint64_t)sqlite3_column_int64(records, 0) == sequence;
        const struct history_scan_row row =
            row_of(sessions, found ? records : NULL, sequence, time_ns);
        left->rows--;
        left->stopped = !left->visit(left->context, &row);
    }
    return history_file_error(step);
}

int history_scan_file(sqlite3 *db, uint64_t after, uint64_t before,
                      struct history_scan_left *left) {
    sqlite3_stmt *sessions = NULL;
    sqlite3_stmt *records = NULL;
    int result = prepare(db,
                         "SELECT sequence, time, decision_time, count FROM session"
                         " WHERE sequence > ? AND sequence < ? ORDER BY sequence",
                         after, before, &sessions);
    if (result == 0) {
        result = prepare(db,
                         "SELECT sequence, version, body FROM record"
                         " WHERE sequence > ? AND sequence < ? ORDER BY sequence",
                         after, before, &records);
    }
    if (result == 0) {
        result = step_both(sessions, records, left);
    }
    (void)sqlite3_finalize(sessions);
    (void)sqlite3_finalize(records);
    return result;
}
