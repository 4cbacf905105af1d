/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_summary.h"

#include <errno.h>
#include <stdlib.h>

#include "store/history_file.h"

/* `keys_max` bounds the memory while a file is gathered: about 12 MB a dimension at worst. What is
 * kept bounds the file: a part's lists are some hundred kilobytes at most. */
enum { KEYS_MAX = 131072, KEEP_OF_PART = 256, KEEP_OF_FILE = 2048, WHOLE_FILE = 0 };

static const char tables[] =
    "CREATE TABLE hour (hour INTEGER NOT NULL, direction INTEGER NOT NULL,"
    " verdict INTEGER NOT NULL, policy INTEGER NOT NULL, reason INTEGER NOT NULL,"
    " shadow INTEGER NOT NULL, count INTEGER NOT NULL,"
    " PRIMARY KEY (hour, direction, verdict, policy, reason, shadow)) WITHOUT ROWID;"
    "INSERT INTO hour SELECT minute - minute % 3600, direction, verdict, policy, reason, shadow,"
    " sum(count) FROM minute GROUP BY 1, 2, 3, 4, 5, 6;"
    "CREATE TABLE part (id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,"
    " time_min INTEGER NOT NULL, time_max INTEGER NOT NULL, rows INTEGER NOT NULL,"
    " clients BLOB NOT NULL, senders BLOB NOT NULL, recipients BLOB NOT NULL,"
    " durations BLOB NOT NULL);"
    "CREATE TABLE top (dimension INTEGER NOT NULL, part INTEGER NOT NULL, list INTEGER NOT NULL,"
    " entries BLOB NOT NULL, PRIMARY KEY (dimension, part, list));";

/* --- writing --- */

struct summary_writer {
    struct history_part *whole;
    struct history_part *part;
    sqlite3_stmt *insert_part;
    sqlite3_stmt *insert_top;
    int next_id;
};

static int run(sqlite3_stmt *statement) {
    const int step = sqlite3_step(statement);
    const int reset = sqlite3_reset(statement);
    return history_file_error(step == SQLITE_DONE ? reset : step);
}

static void bind_bytes(sqlite3_stmt *statement, int index, const struct history_bytes *bytes) {
    (void)sqlite3_bind_blob(statement, index, bytes->data, (int)bytes->length, SQLITE_STATIC);
}

static int insert_top(sqlite3_stmt *statement, int id, unsigned dimension, unsigned list,
                      const struct history_bytes *bytes) {
    if (bytes->length == 0) {
        return 0;
    }
    (void)sqlite3_bind_int(statement, 1, (int)dimension);
    (void)sqlite3_bind_int(statement, 2, id);
    (void)sqlite3_bind_int(statement, 3, (int)list);
    bind_bytes(statement, 4, bytes);
    return run(statement);
}

static int insert_bytes(struct summary_writer *writer, int id,
                        const struct history_part_bytes *bytes) {
    sqlite3_stmt *statement = writer->insert_part;
    (void)sqlite3_bind_int(statement, 1, id);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)bytes->first);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)bytes->last);
    (void)sqlite3_bind_int64(statement, 4, bytes->time_min_ns);
    (void)sqlite3_bind_int64(statement, 5, bytes->time_max_ns);
    (void)sqlite3_bind_int64(statement, 6, (int64_t)bytes->rows);
    for (int s = 0; s < HISTORY_SKETCHES; s++) {
        bind_bytes(statement, 7 + s, &bytes->sketches[s]);
    }
    bind_bytes(statement, 7 + HISTORY_SKETCHES, &bytes->durations);
    int result = run(statement);
    for (unsigned d = 0; d < HISTORY_DIMENSIONS; d++) {
        for (unsigned list = 0; list < HISTORY_TOP_LISTS && result == 0; list++) {
            result = insert_top(writer->insert_top, id, d, list, &bytes->tops[d][list]);
        }
    }
    return result;
}

static int write_part(struct summary_writer *writer, int id, const struct history_part *part,
                      size_t keep) {
    struct history_part_bytes bytes;
    int result = part->rows > 0 ? history_part_encode(part, keep, &bytes) : 0;
    if (part->rows == 0) {
        return 0;
    }
    if (result == 0) {
        result = insert_bytes(writer, id, &bytes);
    }
    history_part_bytes_free(&bytes);
    return result;
}

static int end_part(struct summary_writer *writer) {
    const int result = write_part(writer, writer->next_id++, writer->part, KEEP_OF_PART);
    history_part_clear(writer->part);
    return result;
}

static int take_row(void *context, const struct history_part_row *row) {
    struct summary_writer *writer = context;
    int result = 0;
    if (history_part_ends_before(writer->part, row->time_ns)) {
        result = end_part(writer);
    }
    if (result == 0) {
        result = history_part_add(writer->part, row);
    }
    return result == 0 ? history_part_add(writer->whole, row) : result;
}

static int write_all(sqlite3 *db, struct summary_writer *writer) {
    int result = history_file_prepare(db, "INSERT INTO part VALUES (?,?,?,?,?,?,?,?,?,?)",
                                      &writer->insert_part);
    if (result == 0) {
        result = history_file_prepare(db, "INSERT INTO top VALUES (?,?,?,?)", &writer->insert_top);
    }
    if (result == 0) {
        result = history_part_rows(db, &writer->whole->wanted, 0, INT64_MAX, take_row, writer);
    }
    if (result == 0) {
        result = end_part(writer);
    }
    return result == 0 ? write_part(writer, WHOLE_FILE, writer->whole, KEEP_OF_FILE) : result;
}

int history_summary_write(sqlite3 *db) {
    const struct history_wanted all = history_wanted_all();
    struct summary_writer writer = {
        .whole = history_part_new(&all, KEYS_MAX),
        .part = history_part_new(&all, KEYS_MAX),
        .next_id = WHOLE_FILE + 1,
    };
    int result = writer.whole == NULL || writer.part == NULL ? -ENOMEM : 0;
    if (result == 0) {
        result = history_file_exec(db, tables);
    }
    if (result == 0) {
        result = write_all(db, &writer);
    }
    (void)sqlite3_finalize(writer.insert_part);
    (void)sqlite3_finalize(writer.insert_top);
    history_part_free(writer.whole);
    history_part_free(writer.part);
    return result;
}

/* --- reading --- */

struct scan {
    struct history_part *part;
    int64_t since_ns;
    int64_t until_ns;
};

static int take_if_in_time(void *context, const struct history_part_row *row) {
    struct scan *scan = context;
    return row->time_ns >= scan->since_ns && row->time_ns < scan->until_ns
               ? history_part_add(scan->part, row)
               : 0;
}

int history_summary_scan(sqlite3 *db, uint64_t after, uint64_t before, int64_t since_ns,
                         int64_t until_ns, struct history_part *part) {
    struct scan scan = {part, since_ns, until_ns};
    return history_part_rows(db, &part->wanted, after, before, take_if_in_time, &scan);
}

static int blob_error(sqlite3_stmt *statement, int step) {
    (void)sqlite3_finalize(statement);
    return history_file_error(step);
}

static int merge_sketches(sqlite3 *db, int id, struct history_part *part) {
    sqlite3_stmt *statement = NULL;
    if (!part->wanted.sketches && !part->wanted.durations) {
        return 0;
    }
    int result = history_file_prepare(
        db, "SELECT clients, senders, recipients, durations FROM part WHERE id = ?", &statement);
    if (result < 0) {
        return result;
    }
    (void)sqlite3_bind_int(statement, 1, id);
    const int step = sqlite3_step(statement);
    for (int s = 0; s < HISTORY_SKETCHES && step == SQLITE_ROW && result == 0; s++) {
        const void *data = sqlite3_column_blob(statement, s);
        result = history_part_merge_sketch(part, (enum history_sketch)s, data,
                                           (size_t)sqlite3_column_bytes(statement, s));
    }
    if (step == SQLITE_ROW && result == 0) {
        const void *data = sqlite3_column_blob(statement, HISTORY_SKETCHES);
        result = history_part_merge_durations(
            part, data, (size_t)sqlite3_column_bytes(statement, HISTORY_SKETCHES));
    }
    const int error = blob_error(statement, step);
    return result < 0 ? result : error;
}

static int merge_lists(sqlite3 *db, int id, unsigned dimension, struct history_part *part) {
    sqlite3_stmt *statement = NULL;
    int result = history_file_prepare(
        db, "SELECT list, entries FROM top WHERE dimension = ? AND part = ?", &statement);
    if (result < 0) {
        return result;
    }
    (void)sqlite3_bind_int(statement, 1, (int)dimension);
    (void)sqlite3_bind_int(statement, 2, id);
    int step = SQLITE_DONE;
    while (result == 0 && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        const void *data = sqlite3_column_blob(statement, 1);
        result = history_part_merge_top(part, dimension, (unsigned)sqlite3_column_int(statement, 0),
                                        data, (size_t)sqlite3_column_bytes(statement, 1));
    }
    const int error = blob_error(statement, step);
    return result < 0 ? result : error;
}

static int merge_part(sqlite3 *db, int id, struct history_part *part) {
    int result = merge_sketches(db, id, part);
    for (unsigned d = 0; d < HISTORY_DIMENSIONS && result == 0; d++) {
        if (part->tops[d] != NULL) {
            result = merge_lists(db, id, d, part);
        }
    }
    return result;
}

/* The parts that the range touches: `id` 0, the file as a whole, alone when the range holds it. */
static int visit_part(sqlite3 *db, sqlite3_stmt *parts, int64_t since_ns, int64_t until_ns,
                      struct history_part *part, bool *ret_whole) {
    const int id = sqlite3_column_int(parts, 0);
    const int64_t time_min_ns = sqlite3_column_int64(parts, 3);
    const int64_t time_max_ns = sqlite3_column_int64(parts, 4);
    const bool inside = time_min_ns >= since_ns && time_max_ns < until_ns;
    if (inside) {
        part->rows += (uint64_t)sqlite3_column_int64(parts, 5);
        *ret_whole = id == WHOLE_FILE;
        return merge_part(db, id, part);
    }
    if (id == WHOLE_FILE || time_max_ns < since_ns || time_min_ns >= until_ns) {
        return 0;
    }
    return history_summary_scan(db, (uint64_t)sqlite3_column_int64(parts, 1) - 1,
                                (uint64_t)sqlite3_column_int64(parts, 2) + 1, since_ns, until_ns,
                                part);
}

int history_summary_merge(sqlite3 *db, int64_t since_ns, int64_t until_ns,
                          struct history_part *part) {
    sqlite3_stmt *parts = NULL;
    bool whole = false;
    int result = history_file_prepare(
        db, "SELECT id, first, last, time_min, time_max, rows FROM part ORDER BY id", &parts);
    int step = SQLITE_DONE;
    while (result == 0 && !whole && (step = sqlite3_step(parts)) == SQLITE_ROW) {
        result = visit_part(db, parts, since_ns, until_ns, part, &whole);
    }
    (void)sqlite3_finalize(parts);
    return result < 0 ? result : history_file_error(step);
}
