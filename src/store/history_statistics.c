/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/clock.h"
#include "store/history_reader.h"
#include "store/history_summary.h"

enum { SECONDS_PER_HOUR = 3600 };
static const int64_t limit_s = INT64_MAX / NS_PER_S;

/* Calls `each` for every file that may hold times of the range. */
struct each_file {
    int (*each)(void *context, const struct history_file *file, sqlite3 *db);
    void *context;
    int64_t since_s;
    int64_t until_s;
};

static int visit_files(struct history_reader *reader, const struct each_file *visit) {
    int result = history_reader_look(reader);
    for (size_t i = 0; i < reader->file_count && result == 0; i++) {
        sqlite3 *db = NULL;
        /* From the start of the first minute asked for, because its rows may begin later. */
        result = history_reader_open_file(reader, i, visit->since_s * NS_PER_S,
                                          visit->until_s * NS_PER_S, &db);
        if (result == 0 && db != NULL) {
            result = visit->each(visit->context, &reader->files[i], db);
            (void)sqlite3_close(db);
        }
        if (result < 0) {
            result = history_reader_pass_over(reader, &reader->files[i], result);
        }
    }
    return result;
}

static bool range_valid(int64_t since_s, int64_t *until_s) {
    *until_s = *until_s > limit_s ? limit_s : *until_s;
    return since_s >= 0 && *until_s >= since_s;
}

/* --- counts --- */

struct counts {
    int64_t since_s;
    int64_t until_s;
    bool by_hour;
    history_minute_visit *visit;
    void *context;
};

static int visit_counts(sqlite3 *db, const char *sql, int64_t since_s, int64_t until_s,
                        const struct counts *counts) {
    sqlite3_stmt *statement = NULL;
    if (since_s >= until_s) {
        return 0;
    }
    const int result = history_file_prepare(db, sql, &statement);
    if (result < 0) {
        return result;
    }
    (void)sqlite3_bind_int64(statement, 1, since_s);
    (void)sqlite3_bind_int64(statement, 2, until_s);
    int step;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct history_minute minute = {
            .minute_s = sqlite3_column_int64(statement, 0),
            .direction = (enum direction)sqlite3_column_int(statement, 1),
            .verdict = (enum verdict)sqlite3_column_int(statement, 2),
            .policy = (enum policy_id)sqlite3_column_int(statement, 3),
            .reason = (enum reason)sqlite3_column_int(statement, 4),
            .shadow = sqlite3_column_int(statement, 5) != 0,
            .count = (uint64_t)sqlite3_column_int64(statement, 6),
        };
        counts->visit(counts->context, &minute);
    }
    (void)sqlite3_finalize(statement);
    return history_file_error(step);
}

static int minutes_of(sqlite3 *db, int64_t since_s, int64_t until_s, const struct counts *counts) {
    return visit_counts(db,
                        "SELECT minute, direction, verdict, policy, reason, shadow, count"
                        " FROM minute WHERE minute >= ? AND minute < ? ORDER BY minute",
                        since_s, until_s, counts);
}

/* The hours that lie wholly within the range, and minutes before and after them. */
static int counts_of(void *context, const struct history_file *file, sqlite3 *db) {
    (void)file;
    const struct counts *counts = context;
    const int64_t first_s =
        (counts->since_s + SECONDS_PER_HOUR - 1) / SECONDS_PER_HOUR * SECONDS_PER_HOUR;
    const int64_t last_s = counts->until_s / SECONDS_PER_HOUR * SECONDS_PER_HOUR;
    if (!counts->by_hour || first_s >= last_s || !history_file_has_summary(db)) {
        return minutes_of(db, counts->since_s, counts->until_s, counts);
    }
    int result = minutes_of(db, counts->since_s, first_s, counts);
    if (result == 0) {
        result = visit_counts(db,
                              "SELECT hour, direction, verdict, policy, reason, shadow, count"
                              " FROM hour WHERE hour >= ? AND hour < ? ORDER BY hour",
                              first_s, last_s, counts);
    }
    return result == 0 ? minutes_of(db, last_s, counts->until_s, counts) : result;
}

static int read_counts(struct history_reader *reader, struct counts *counts) {
    if (!range_valid(counts->since_s, &counts->until_s)) {
        return -EINVAL;
    }
    const struct each_file files = {counts_of, counts, counts->since_s, counts->until_s};
    return visit_files(reader, &files);
}

int history_reader_minutes(struct history_reader *reader, int64_t since_s, int64_t until_s,
                           history_minute_visit *visit, void *context) {
    struct counts counts = {since_s, until_s, false, visit, context};
    return read_counts(reader, &counts);
}

int history_reader_hours(struct history_reader *reader, int64_t since_s, int64_t until_s,
                         history_minute_visit *visit, void *context) {
    struct counts counts = {since_s, until_s, true, visit, context};
    return read_counts(reader, &counts);
}

/* --- summaries --- */

struct summaries {
    int64_t since_ns;
    int64_t until_ns;
    struct history_live *live;
    struct history_part *part;
    bool forgot;
};

/* A file that a release before closed has none until the closer has been there. */
static int scan_file(const struct summaries *summaries, sqlite3 *db) {
    uint64_t after = 0;
    uint64_t before = 0;
    const int any =
        history_reader_narrow(db, summaries->since_ns, summaries->until_ns, &after, &before);
    return any <= 0
               ? any
               : history_summary_scan(db, after, before == 0 ? INT64_MAX : before,
                                      summaries->since_ns, summaries->until_ns, summaries->part);
}

static int summary_of(void *context, const struct history_file *file, sqlite3 *db) {
    struct summaries *summaries = context;
    struct history_meta meta;
    if (history_file_has_summary(db)) {
        return history_summary_merge(db, summaries->since_ns, summaries->until_ns, summaries->part);
    }
    const int result = history_file_meta(db, &meta);
    if (result < 0 || summaries->live == NULL || meta.closed) {
        return result < 0 ? result : scan_file(summaries, db);
    }
    if (!summaries->forgot) {
        summaries->forgot = true; /* Files come in order: those before are finished. */
        history_live_forget(summaries->live, file->first_sequence);
    }
    return history_live_merge(summaries->live, db, file->first_sequence, summaries->since_ns,
                              summaries->until_ns, summaries->part);
}

int history_reader_summarize(struct history_reader *reader, struct history_live *live,
                             int64_t since_s, int64_t until_s, struct history_part *part) {
    if (!range_valid(since_s, &until_s)) {
        return -EINVAL;
    }
    struct summaries summaries = {since_s * NS_PER_S, until_s * NS_PER_S, live, part, false};
    const struct each_file files = {summary_of, &summaries, since_s, until_s};
    return visit_files(reader, &files);
}
