/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/history_query.h"
#include "store/history_reader.h"
#include "store/history_scan.h"
#include "store/history_summary.h"

static int open_reader(const char *folder, enum history_access access,
                       struct history_reader **ret_reader) {
    struct history_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return -ENOMEM;
    }
    reader->access = access;
    reader->folder = strdup(folder);
    if (reader->folder == NULL) {
        free(reader);
        return -ENOMEM;
    }
    *ret_reader = reader;
    return 0;
}

int history_reader_open(const char *folder, struct history_reader **ret_reader) {
    return open_reader(folder, HISTORY_READ, ret_reader);
}

int history_reader_open_closed(const char *folder, struct history_reader **ret_reader) {
    return open_reader(folder, HISTORY_READ_CLOSED, ret_reader);
}

void history_reader_close(struct history_reader *reader) {
    if (reader == NULL) {
        return;
    }
    free(reader->files);
    free(reader->known);
    free(reader->folder);
    free(reader);
}

void history_reader_use(struct history_reader *reader, struct history_live *live) {
    reader->live = live;
}

uint64_t history_reader_damaged(const struct history_reader *reader) {
    return counter_read(&reader->damaged);
}

/* --- which files --- */

static const struct history_bounds *find_known(const struct history_reader *reader,
                                               uint64_t sequence) {
    size_t from = 0;
    size_t until = reader->known_count;
    while (from < until) {
        const size_t middle = from + (until - from) / 2;
        if (reader->known[middle].first_sequence < sequence) {
            from = middle + 1;
        } else {
            until = middle;
        }
    }
    return from < reader->known_count && reader->known[from].first_sequence == sequence
               ? &reader->known[from]
               : NULL;
}

static void remember(struct history_reader *reader, const struct history_file *file,
                     const struct history_meta *meta) {
    if (!meta->closed || find_known(reader, file->first_sequence) != NULL) {
        return;
    }
    struct history_bounds *known =
        realloc(reader->known, (reader->known_count + 1) * sizeof *known);
    if (known == NULL) {
        return; /* It is asked again. */
    }
    reader->known = known;
    size_t at = reader->known_count;
    while (at > 0 && known[at - 1].first_sequence > file->first_sequence) {
        known[at] = known[at - 1];
        at--;
    }
    known[at] = (struct history_bounds){file->first_sequence, meta->time_min_ns, meta->time_max_ns};
    reader->known_count++;
}

/* Bounds of files that retention removed are of no use any more. */
static void forget_removed(struct history_reader *reader) {
    const uint64_t oldest = reader->file_count > 0 ? reader->files[0].first_sequence : UINT64_MAX;
    size_t gone = 0;
    while (gone < reader->known_count && reader->known[gone].first_sequence < oldest) {
        gone++;
    }
    reader->known_count -= gone;
    if (gone > 0 && reader->known_count > 0) {
        memmove(reader->known, reader->known + gone, reader->known_count * sizeof *reader->known);
    }
}

int history_reader_look(struct history_reader *reader) {
    free(reader->files);
    reader->files = NULL;
    reader->file_count = 0;
    const int result = history_file_list(reader->folder, &reader->files, &reader->file_count);
    if (result == -ENOENT) {
        return 0; /* Nothing recorded yet. */
    }
    if (result == 0) {
        forget_removed(reader);
    }
    return result;
}

static bool times_overlap(int64_t min_ns, int64_t max_ns, int64_t since_ns, int64_t until_ns) {
    return max_ns >= since_ns && (until_ns == 0 || min_ns < until_ns);
}

int history_reader_open_file(struct history_reader *reader, size_t index, int64_t since_ns,
                             int64_t until_ns, sqlite3 **ret_db) {
    const struct history_file *file = &reader->files[index];
    const struct history_bounds *known = find_known(reader, file->first_sequence);
    struct history_meta meta;
    *ret_db = NULL;
    if (known != NULL &&
        !times_overlap(known->time_min_ns, known->time_max_ns, since_ns, until_ns)) {
        return 0;
    }
    sqlite3 *db = NULL;
    int result = history_file_open(reader->folder, file, reader->access, &db);
    if (result == 0) {
        result = history_file_meta(db, &meta);
    }
    if (result < 0) {
        (void)sqlite3_close(db);
        return result;
    }
    remember(reader, file, &meta);
    if (!times_overlap(meta.time_min_ns, meta.time_max_ns, since_ns, until_ns)) {
        (void)sqlite3_close(db);
        return 0;
    }
    *ret_db = db;
    return 0;
}

int history_reader_pass_over(struct history_reader *reader, const struct history_file *file,
                             int result) {
    static struct log_throttle throttle;
    uint64_t suppressed = 0;
    if (result == -ENOENT) {
        return 0;
    }
    if (result != -EUCLEAN && result != -EIO && result != -EPROTONOSUPPORT) {
        return result;
    }
    counter_add(&reader->damaged, 1);
    if (log_throttle_pass(&throttle, &suppressed)) {
        log_write(LOG_WARN, "History", "%s cannot be read (%s): searched without it", file->name,
                  strerror(-result));
    }
    return 0;
}

/* --- find --- */

struct search {
    const struct history_query *query;
    history_visit *visit;
    void *context;
    size_t left;
    bool stopped;
};

int history_reader_narrow(sqlite3 *db, int64_t since_ns, int64_t until_ns, uint64_t *after,
                          uint64_t *before) {
    sqlite3_stmt *statement = NULL;
    if (since_ns == 0 && until_ns == 0) {
        return 1;
    }
    const int result = history_file_prepare(
        db, "SELECT min(first), max(last) FROM span WHERE minute > ? AND minute <= ?", &statement);
    if (result < 0) {
        return result;
    }
    const int64_t since_s = since_ns / NS_PER_S - 60;
    const int64_t until_s = until_ns == 0 ? INT64_MAX : (until_ns - 1) / NS_PER_S;
    (void)sqlite3_bind_int64(statement, 1, since_s);
    (void)sqlite3_bind_int64(statement, 2, until_s);
    const int step = sqlite3_step(statement);
    bool any = false;
    if (step == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL) {
        const uint64_t first = (uint64_t)sqlite3_column_int64(statement, 0);
        const uint64_t last = (uint64_t)sqlite3_column_int64(statement, 1);
        any = true;
        *after = *after >= first ? *after : first - 1;
        *before = *before != 0 && *before <= last ? *before : last + 1;
    }
    (void)sqlite3_finalize(statement);
    return step == SQLITE_ROW ? any : history_file_error(step);
}

/* The rows with a sequence between `after` and `before` (both exclusive; 0: no bound). */
static int search_between(sqlite3 *db, struct search *search, uint64_t after, uint64_t before,
                          bool indexed) {
    sqlite3_stmt *statement = NULL;
    const int result =
        history_query_prepare(db, search->query, after, before, indexed, search->left, &statement);
    int step = SQLITE_DONE;
    while (result == 0 && !search->stopped && search->left > 0 &&
           (step = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct history_row row = history_query_row(statement);
        search->left--;
        search->stopped = !search->visit(search->context, &row);
    }
    (void)sqlite3_finalize(statement);
    return result < 0 ? result : history_file_error(step);
}

/* A file without indexes: only where the filter says that rows may stand. */
static int search_ranges(sqlite3 *db, struct search *search, const struct history_range *ranges,
                         size_t count, uint64_t after, uint64_t before) {
    const uint64_t end = before == 0 || before > INT64_MAX ? INT64_MAX : before;
    int result = 0;
    for (size_t i = 0; i < count && result == 0 && !search->stopped && search->left > 0; i++) {
        const struct history_range *range =
            &ranges[search->query->oldest_first ? i : count - 1 - i];
        const uint64_t first = range->first > after + 1 ? range->first : after + 1;
        const uint64_t last = range->last < end - 1 ? range->last : end - 1;
        if (first <= last) {
            result = search_between(db, search, first - 1, last + 1, false);
        }
    }
    return result;
}

static int search_live(struct history_reader *reader, const struct history_file *file, sqlite3 *db,
                       struct search *search, uint64_t after, uint64_t before) {
    struct history_range *ranges = NULL;
    size_t count = 0;
    int result =
        history_live_find(reader->live, db, file->first_sequence, search->query, &ranges, &count);
    if (result == 0) {
        result = search_ranges(db, search, ranges, count, after, before);
    }
    free(ranges);
    return result;
}

static int search_file(struct history_reader *reader, const struct history_file *file, sqlite3 *db,
                       struct search *search) {
    const struct history_query *query = search->query;
    uint64_t after = query->after_sequence;
    uint64_t before = query->before_sequence;
    const int any = history_reader_narrow(db, query->since_ns, query->until_ns, &after, &before);
    if (any <= 0) {
        return any;
    }
    const bool indexed = history_file_has_words(db);
    return indexed || reader->live == NULL || !history_filter_serves(query) ||
                   !history_file_has_place(db)
               ? search_between(db, search, after, before, indexed)
               : search_live(reader, file, db, search, after, before);
}

/* By sequence alone: does file `index` have any of (after, before)? */
static bool may_hold(const struct history_reader *reader, size_t index, uint64_t after,
                     uint64_t before) {
    const bool last = index + 1 == reader->file_count;
    return (before == 0 || reader->files[index].first_sequence < before) &&
           (last || reader->files[index + 1].first_sequence > after + 1);
}

static bool query_valid(const struct history_query *query) {
    struct ip_prefix prefix;
    return query->limit >= 1 && query->limit <= HISTORY_FIND_MAX && query->since_ns >= 0 &&
           query->until_ns >= 0 && query->after_sequence < INT64_MAX &&
           (str_find(query->client, '/') == SIZE_MAX ||
            ip_prefix_parse(query->client, &prefix, NULL));
}

int history_reader_find(struct history_reader *reader, const struct history_query *query,
                        history_visit *visit, void *context) {
    struct search search = {query, visit, context, query->limit, false};
    if (!query_valid(query)) {
        return -EINVAL;
    }
    int result = history_reader_look(reader);
    for (size_t i = 0; i < reader->file_count && result == 0; i++) {
        const size_t index = query->oldest_first ? i : reader->file_count - 1 - i;
        if (search.stopped || search.left == 0) {
            break;
        }
        if (!may_hold(reader, index, query->after_sequence, query->before_sequence)) {
            continue;
        }
        sqlite3 *db = NULL;
        result = history_reader_open_file(reader, index, query->since_ns, query->until_ns, &db);
        if (result == 0 && db != NULL) {
            result = search_file(reader, &reader->files[index], db, &search);
            (void)sqlite3_close(db);
        }
        if (result < 0) {
            result = history_reader_pass_over(reader, &reader->files[index], result);
        }
    }
    return result;
}

struct one {
    history_visit *visit;
    void *context;
    bool found;
};

static bool visit_one(void *context, const struct history_row *row) {
    struct one *one = context;
    one->found = true;
    (void)one->visit(one->context, row);
    return false;
}

int history_reader_get(struct history_reader *reader, uint64_t sequence, history_visit *visit,
                       void *context) {
    struct one one = {visit, context, false};
    if (sequence == 0 || sequence >= INT64_MAX) {
        return -ENOENT;
    }
    const struct history_query query = {
        .verdict = -1,
        .direction = -1,
        .states = HISTORY_ALL,
        .after_sequence = sequence - 1,
        .before_sequence = sequence + 1,
        .limit = 1,
    };
    const int result = history_reader_find(reader, &query, visit_one, &one);
    return result < 0 ? result : one.found ? 0 : -ENOENT;
}

/* --- scan --- */

static int scan_file(sqlite3 *db, struct history_scan_left *left) {
    uint64_t after = left->scan->after_sequence;
    uint64_t before = 0;
    const int any =
        history_reader_narrow(db, left->scan->since_ns, left->scan->until_ns, &after, &before);
    return any <= 0 ? any : history_scan_file(db, after, before == 0 ? INT64_MAX : before, left);
}

int history_reader_scan(struct history_reader *reader, const struct history_scan *scan,
                        history_scan_visit *visit, void *context) {
    struct history_scan_left left = {scan, visit, context, scan->limit, false};
    if (scan->since_ns < 0 || scan->until_ns < 0 || scan->after_sequence >= INT64_MAX) {
        return -EINVAL;
    }
    int result = history_reader_look(reader);
    for (size_t i = 0; i < reader->file_count && result == 0; i++) {
        if (left.stopped || left.rows == 0) {
            break;
        }
        if (!may_hold(reader, i, scan->after_sequence, 0)) {
            continue;
        }
        sqlite3 *db = NULL;
        result = history_reader_open_file(reader, i, scan->since_ns, scan->until_ns, &db);
        if (result == 0 && db != NULL) {
            result = scan_file(db, &left);
            (void)sqlite3_close(db);
        }
        if (result < 0) {
            result = history_reader_pass_over(reader, &reader->files[i], result);
        }
    }
    return result;
}
