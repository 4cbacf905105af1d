/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_part.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "policy/record_bytes.h"
#include "store/history_file.h"

struct history_wanted history_wanted_all(void) {
    return (struct history_wanted){.dimensions = (1u << HISTORY_DIMENSIONS) - 1,
                                   .lists = (1u << HISTORY_TOP_LISTS) - 1,
                                   .sketches = true,
                                   .durations = true};
}

struct history_part *history_part_new(const struct history_wanted *wanted, size_t keys_max) {
    struct history_part *part = calloc(1, sizeof *part);
    if (part == NULL) {
        return NULL;
    }
    part->wanted = *wanted;
    part->time_min_ns = INT64_MAX;
    for (unsigned d = 0; d < HISTORY_DIMENSIONS; d++) {
        if ((wanted->dimensions >> d & 1) == 0) {
            continue;
        }
        part->tops[d] = history_top_new(keys_max);
        if (part->tops[d] == NULL) {
            history_part_free(part);
            return NULL;
        }
    }
    return part;
}

void history_part_free(struct history_part *part) {
    if (part == NULL) {
        return;
    }
    for (unsigned d = 0; d < HISTORY_DIMENSIONS; d++) {
        history_top_free(part->tops[d]);
    }
    free(part);
}

void history_part_clear(struct history_part *part) {
    for (unsigned d = 0; d < HISTORY_DIMENSIONS; d++) {
        if (part->tops[d] != NULL) {
            history_top_clear(part->tops[d]);
        }
    }
    memset(part->sketches, 0, sizeof part->sketches);
    memset(&part->durations, 0, sizeof part->durations);
    part->first = 0;
    part->last = 0;
    part->time_min_ns = INT64_MAX;
    part->time_max_ns = 0;
    part->rows = 0;
}

/* --- rows --- */

static enum history_outcome outcome_of(unsigned verdict) {
    return verdict == VERDICT_REJECT  ? HISTORY_REJECTED
           : verdict == VERDICT_DEFER ? HISTORY_DEFERRED
                                      : HISTORY_ACCEPTED;
}

/* One value of a row, in its dimension and sketch (HISTORY_SKETCHES: none). An empty value counts
 * where it says something: the null sender, a recipient. */
struct value {
    struct str text;
    struct str label;
    enum history_dimension dimension;
    enum history_sketch sketch;
    bool empty_counts;
};

static int add_value(struct history_part *part, const struct value *value, unsigned list,
                     uint32_t count) {
    struct history_top *top = part->tops[value->dimension];
    const bool sketched = part->wanted.sketches && value->sketch < HISTORY_SKETCHES;
    const bool counted = top != NULL && (part->wanted.lists >> list & 1) != 0;
    struct history_key key;
    if ((!sketched && !counted) || (value->text.length == 0 && !value->empty_counts)) {
        return 0;
    }
    history_key_make(&key, value->text);
    if (sketched) {
        hyperloglog_add(&part->sketches[value->sketch], key.hash);
    }
    return counted ? history_top_add(top, &key, value->label, list, count) : 0;
}

static void note(struct history_part *part, const struct history_part_row *row) {
    if (part->rows == 0) {
        part->first = row->sequence;
    }
    part->last = row->sequence;
    part->rows++;
    part->time_min_ns = row->time_ns < part->time_min_ns ? row->time_ns : part->time_min_ns;
    part->time_max_ns = row->time_ns > part->time_max_ns ? row->time_ns : part->time_max_ns;
}

int history_part_add(struct history_part *part, const struct history_part_row *row) {
    static const struct str none = {"", 0};
    char asn_bytes[16];
    struct text asn = TEXT_OVER(asn_bytes);
    if (row->asn != 0) {
        text_add(&asn, STR("AS"));
        text_add_u64(&asn, row->asn);
    }
    const struct value values[] = {
        {row->client_address, row->client_name, HISTORY_BY_CLIENT, SKETCH_CLIENTS, false},
        {row->sender, none, HISTORY_BY_SENDER, SKETCH_SENDERS, true},
        {row->recipient, none, HISTORY_BY_RECIPIENT, SKETCH_RECIPIENTS, true},
        {row->helo, none, HISTORY_BY_HELO, HISTORY_SKETCHES, false},
        {row->identity, none, HISTORY_BY_IDENTITY, HISTORY_SKETCHES, false},
        {row->rule, none, HISTORY_BY_RULE, HISTORY_SKETCHES, false},
        {row->country, none, HISTORY_BY_COUNTRY, HISTORY_SKETCHES, false},
        {text_str(&asn), none, HISTORY_BY_ASN, HISTORY_SKETCHES, false},
    };
    const unsigned list = history_top_list(row->direction, outcome_of(row->verdict));
    note(part, row);
    if (part->wanted.durations) {
        quantiles_add(&part->durations, row->duration_us, row->count);
    }
    int result = 0;
    for (size_t i = 0; i < sizeof values / sizeof values[0] && result == 0; i++) {
        result = add_value(part, &values[i], list, row->count);
    }
    return result;
}

bool history_part_ends_before(const struct history_part *part, int64_t time_ns) {
    const int64_t hour_ns = INT64_C(3600) * NS_PER_S;
    return part->rows >= HISTORY_PART_ROWS ||
           (part->rows > 0 && time_ns / hour_ns > part->time_max_ns / hour_ns);
}

int history_part_merge(struct history_part *part, const struct history_part *other) {
    int result = 0;
    for (unsigned d = 0; d < HISTORY_DIMENSIONS && result == 0; d++) {
        if (part->tops[d] != NULL && other->tops[d] != NULL) {
            result = history_top_merge(part->tops[d], other->tops[d]);
        }
    }
    for (unsigned s = 0; s < HISTORY_SKETCHES && part->wanted.sketches; s++) {
        hyperloglog_merge(&part->sketches[s], &other->sketches[s]);
    }
    if (part->wanted.durations) {
        quantiles_merge(&part->durations, &other->durations);
    }
    part->rows += other->rows;
    return result;
}

static struct str column(sqlite3_stmt *statement, int index) {
    const char *data = (const char *)sqlite3_column_blob(statement, index);
    return (struct str){data, (size_t)sqlite3_column_bytes(statement, index)};
}

/* Where the columns of a row stand in the statement; -1: not asked. */
struct columns {
    int duration;
    int client_name;
    int of[HISTORY_DIMENSIONS];
};

enum { COLUMN_SEQUENCE = 0, COLUMN_TIME, COLUMN_DIRECTION, COLUMN_VERDICT, COLUMN_COUNT, COLUMNS };

static struct str text_of(sqlite3_stmt *statement, int index) {
    return index < 0 ? STR("") : column(statement, index);
}

static struct history_part_row row_of(sqlite3_stmt *statement, const struct columns *columns) {
    const int *of = columns->of;
    return (struct history_part_row){
        .sequence = (uint64_t)sqlite3_column_int64(statement, COLUMN_SEQUENCE),
        .time_ns = sqlite3_column_int64(statement, COLUMN_TIME),
        .direction = (unsigned)sqlite3_column_int(statement, COLUMN_DIRECTION),
        .verdict = (unsigned)sqlite3_column_int(statement, COLUMN_VERDICT),
        .count = (uint32_t)sqlite3_column_int64(statement, COLUMN_COUNT),
        .duration_us = columns->duration < 0
                           ? 0
                           : (uint32_t)sqlite3_column_int64(statement, columns->duration),
        .client_address = text_of(statement, of[HISTORY_BY_CLIENT]),
        .client_name = text_of(statement, columns->client_name),
        .helo = text_of(statement, of[HISTORY_BY_HELO]),
        .sender = text_of(statement, of[HISTORY_BY_SENDER]),
        .recipient = text_of(statement, of[HISTORY_BY_RECIPIENT]),
        .identity = text_of(statement, of[HISTORY_BY_IDENTITY]),
        .rule = text_of(statement, of[HISTORY_BY_RULE]),
        .country = text_of(statement, of[HISTORY_BY_COUNTRY]),
        .asn = of[HISTORY_BY_ASN] < 0
                   ? 0
                   : (uint32_t)sqlite3_column_int64(statement, of[HISTORY_BY_ASN]),
    };
}

/* Adds a column to the statement when it is wanted. */
static int want(struct text *sql, int *count, bool wanted, const char *name) {
    if (!wanted) {
        return -1;
    }
    text_add(sql, STR(", "));
    text_add(sql, str_from(name));
    return (*count)++;
}

/* A file of a release before has fewer columns: only recipients, or no places. */
static struct columns add_sql(struct text *sql, sqlite3 *db, const struct history_wanted *wanted) {
    static const char *const names[HISTORY_DIMENSIONS] = {
        [HISTORY_BY_SENDER] = "sender",
        [HISTORY_BY_RECIPIENT] = "recipient",
        [HISTORY_BY_CLIENT] = "client_address",
        [HISTORY_BY_COUNTRY] = "country",
        [HISTORY_BY_ASN] = "asn",
        [HISTORY_BY_HELO] = "helo",
        [HISTORY_BY_IDENTITY] = "identity",
        [HISTORY_BY_RULE] = "rule",
    };
    const bool has_place = history_file_has_place(db);
    struct columns columns;
    int count = COLUMNS;
    text_add(sql, STR("SELECT sequence, time, direction, verdict, count"));
    columns.duration = want(sql, &count, wanted->durations, "duration_us");
    columns.client_name =
        want(sql, &count, (wanted->dimensions >> HISTORY_BY_CLIENT & 1) != 0, "client_name");
    for (unsigned d = 0; d < HISTORY_DIMENSIONS; d++) {
        const bool sketched =
            wanted->sketches &&
            (d == HISTORY_BY_CLIENT || d == HISTORY_BY_SENDER || d == HISTORY_BY_RECIPIENT);
        const bool there = has_place || (d != HISTORY_BY_COUNTRY && d != HISTORY_BY_ASN);
        columns.of[d] =
            want(sql, &count, there && (sketched || (wanted->dimensions >> d & 1) != 0), names[d]);
    }
    text_add(sql, STR(" FROM session WHERE sequence > ? AND sequence < ?"));
    text_add(sql, history_file_has_state(db) ? STR(" AND state <> 6") : STR(""));
    text_add(sql, STR(" ORDER BY sequence"));
    return columns;
}

int history_part_rows(sqlite3 *db, const struct history_wanted *wanted, uint64_t after,
                      uint64_t before, history_part_visit *visit, void *context) {
    sqlite3_stmt *statement = NULL;
    char bytes[512];
    struct text sql = TEXT_OVER(bytes);
    const struct columns columns = add_sql(&sql, db, wanted);
    CHECK(!sql.truncated && sql.length < sizeof bytes);
    int result = history_file_prepare(db, text_zero(&sql), &statement);
    if (result < 0) {
        return result;
    }
    (void)sqlite3_bind_int64(statement, 1, (int64_t)after);
    (void)sqlite3_bind_int64(statement, 2, before > INT64_MAX ? INT64_MAX : (int64_t)before);
    int step = SQLITE_DONE;
    while (result == 0 && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct history_part_row row = row_of(statement, &columns);
        result = visit(context, &row);
    }
    (void)sqlite3_finalize(statement);
    return result < 0 ? result : history_file_error(step);
}

/* --- as bytes --- */

static int encode_sketch(const struct hyperloglog *sketch, struct history_bytes *ret) {
    ret->data = malloc(HYPERLOGLOG_ENCODED_MAX);
    if (ret->data == NULL) {
        return -ENOMEM;
    }
    ret->length = hyperloglog_encode(sketch, ret->data);
    unsigned char *shorter = realloc(ret->data, ret->length);
    ret->data = shorter != NULL ? shorter : ret->data;
    return 0;
}

/* A varint for each bucket. */
static int encode_durations(const struct quantiles *durations, struct history_bytes *ret) {
    ret->data = malloc((size_t)QUANTILE_BUCKETS * VARINT_MAX);
    if (ret->data == NULL) {
        return -ENOMEM;
    }
    struct record_writer out = {ret->data};
    for (size_t i = 0; i < QUANTILE_BUCKETS; i++) {
        put_varint(&out, durations->counts[i]);
    }
    ret->length = (size_t)(out.at - ret->data);
    return 0;
}

int history_part_encode(const struct history_part *part, size_t keep,
                        struct history_part_bytes *ret_bytes) {
    int result = 0;
    *ret_bytes = (struct history_part_bytes){
        .first = part->first,
        .last = part->last,
        .time_min_ns = part->time_min_ns,
        .time_max_ns = part->time_max_ns,
        .rows = part->rows,
    };
    for (unsigned s = 0; s < HISTORY_SKETCHES && result == 0; s++) {
        result = encode_sketch(&part->sketches[s], &ret_bytes->sketches[s]);
    }
    if (result == 0) {
        result = encode_durations(&part->durations, &ret_bytes->durations);
    }
    for (unsigned d = 0; d < HISTORY_DIMENSIONS; d++) {
        for (unsigned list = 0; list < HISTORY_TOP_LISTS && result == 0; list++) {
            struct history_bytes *bytes = &ret_bytes->tops[d][list];
            result = part->tops[d] == NULL ? 0
                                           : history_top_encode(part->tops[d], list, keep,
                                                                &bytes->data, &bytes->length);
        }
    }
    return result;
}

void history_part_bytes_free(struct history_part_bytes *bytes) {
    for (unsigned s = 0; s < HISTORY_SKETCHES; s++) {
        free(bytes->sketches[s].data);
    }
    free(bytes->durations.data);
    for (unsigned d = 0; d < HISTORY_DIMENSIONS; d++) {
        for (unsigned list = 0; list < HISTORY_TOP_LISTS; list++) {
            free(bytes->tops[d][list].data);
        }
    }
    *bytes = (struct history_part_bytes){0};
}

int history_part_merge_sketch(struct history_part *part, enum history_sketch sketch,
                              const void *data, size_t length) {
    return !part->wanted.sketches ||
                   hyperloglog_merge_encoded(&part->sketches[sketch], data, length)
               ? 0
               : -EUCLEAN;
}

int history_part_merge_durations(struct history_part *part, const void *data, size_t length) {
    struct record_reader in = {.at = data, .end = (const unsigned char *)data + length};
    if (!part->wanted.durations) {
        return 0;
    }
    for (size_t i = 0; i < QUANTILE_BUCKETS; i++) {
        part->durations.counts[i] += get_varint(&in, INT64_MAX);
    }
    return in.failed ? -EUCLEAN : 0;
}

int history_part_merge_top(struct history_part *part, unsigned dimension, unsigned list,
                           const void *data, size_t length) {
    if (dimension >= HISTORY_DIMENSIONS || list >= HISTORY_TOP_LISTS) {
        return -EUCLEAN;
    }
    if (part->tops[dimension] == NULL || (part->wanted.lists >> list & 1) == 0) {
        return 0;
    }
    return history_top_merge_encoded(part->tops[dimension], list, data, length);
}

int history_part_merge_bytes(struct history_part *part, const struct history_part_bytes *bytes) {
    int result = history_part_merge_durations(part, bytes->durations.data, bytes->durations.length);
    for (unsigned s = 0; s < HISTORY_SKETCHES && result == 0; s++) {
        result = history_part_merge_sketch(part, (enum history_sketch)s, bytes->sketches[s].data,
                                           bytes->sketches[s].length);
    }
    for (unsigned d = 0; d < HISTORY_DIMENSIONS; d++) {
        for (unsigned list = 0; list < HISTORY_TOP_LISTS && result == 0; list++) {
            const struct history_bytes *top = &bytes->tops[d][list];
            result = history_part_merge_top(part, d, list, top->data, top->length);
        }
    }
    part->rows += bytes->rows;
    return result;
}
