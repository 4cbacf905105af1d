/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/history_file.h"
#include "store/history_words.h"

enum {
    SQL_MAX = 4096,
    WHERE_MAX = 2048,
    MATCH_MAX = 96 * 1024,
    BINDS_MAX = 48,
    PATTERN_MAX = 4096,
    TEXT_FIELDS = 10,
    PREFIX_WORTH_AN_INDEX = 3 /* characters */
};

/* The statement while it is put together: values are noted in the order of their question marks. */
struct bind {
    enum { BIND_INTEGER = 0, BIND_TEXT, BIND_OWNED_TEXT, BIND_ADDRESS } kind;
    int64_t integer;
    struct str text;
    struct ip_address address;
};

/* How SQLite is led through a file. It keeps no statistics, so it would guess. */
enum path {
    PATH_SEQUENCE =
        0,      /* newest first through the rows, or those of one verdict, policy or reason */
    PATH_EXACT, /* by the index of a field that is given whole: few rows, in order */
    PATH_RANGE, /* by the index of a network or a prefix: some rows, to be sorted */
    PATH_ASN,   /* by the index of the autonomous system, in order */
    PATH_WORDS  /* by the full-text table, in order */
};

struct text_field {
    const char *column;
    struct str value;
    bool in_words;
    bool open_start; /* begins with `*` */
    bool open_end;
    struct str part; /* without them */
};

struct builder {
    const struct history_query *query;
    bool indexed;
    bool has_state;
    bool has_place;
    bool is_network;
    struct ip_prefix network;
    struct text_field fields[TEXT_FIELDS];
    struct text sql;
    struct text where;
    struct text match; /* the full-text query: phrases joined by AND */
    size_t count;
    struct bind binds[BINDS_MAX];
    char *owned[BINDS_MAX]; /* patterns made here */
    size_t owned_count;
    int error;
    char sql_bytes[SQL_MAX];
    char where_bytes[WHERE_MAX];
    char match_bytes[MATCH_MAX];
};

static const char columns[] =
    "s.sequence, s.time, s.decision_time, s.direction, s.verdict, s.policy, s.reason,"
    " s.client_address, s.client_name, s.helo, s.sender, s.recipient, s.identity, s.instance,"
    " s.queue_id, s.rule, s.reply, s.shadow, s.size, s.generation, s.duration_us, s.count,"
    " r.version, r.body";
/* Of files of releases before, which lack some. */
static const char place_columns[] = ", s.state, s.recipients, s.country, s.asn";
static const char state_columns[] = ", s.state, s.recipients, '', 0";
static const char no_state_columns[] = ", 4, 0, '', 0";

static void add(struct builder *builder, const char *sql) {
    text_add(&builder->where, str_from(sql));
}

static void add_bind(struct builder *builder, const struct bind *bind) {
    CHECK(builder->count < BINDS_MAX);
    builder->binds[builder->count++] = *bind;
}

static void add_integer(struct builder *builder, const char *condition, int64_t value) {
    add(builder, condition);
    add_bind(builder, &(struct bind){.kind = BIND_INTEGER, .integer = value});
}

/* --- text fields: whole, or open at an end --- */

/* Takes over `bytes`. */
static void add_owned(struct builder *builder, char *bytes, size_t length) {
    CHECK(builder->owned_count < BINDS_MAX);
    builder->owned[builder->owned_count++] = bytes;
    add_bind(builder, &(struct bind){.kind = BIND_OWNED_TEXT, .text = {bytes, length}});
}

/* `sender >= 'abc' AND sender < 'abc\xff...'`: an index can serve it. */
static void add_prefix(struct builder *builder, const char *column, struct str prefix) {
    char *upper = malloc(prefix.length + 4);
    if (upper == NULL) {
        builder->error = -ENOMEM;
        return;
    }
    memcpy(upper, prefix.data, prefix.length);
    memset(upper + prefix.length, 0xff, 4);
    add(builder, " AND s.");
    add(builder, column);
    add(builder, " >= ? AND s.");
    add_bind(builder, &(struct bind){.kind = BIND_TEXT, .text = prefix});
    add(builder, column);
    add(builder, " < ?");
    add_owned(builder, upper, prefix.length + 4);
}

static void add_like(struct builder *builder, const char *column, struct str part, bool open_end) {
    char *pattern = malloc(part.length * 2 + 2);
    size_t length = 0;
    if (pattern == NULL) {
        builder->error = -ENOMEM;
        return;
    }
    pattern[length++] = '%';
    for (size_t i = 0; i < part.length; i++) {
        if (part.data[i] == '%' || part.data[i] == '_' || part.data[i] == '\\') {
            pattern[length++] = '\\';
        }
        pattern[length++] = part.data[i];
    }
    if (open_end) {
        pattern[length++] = '%';
    }
    add(builder, " AND s.");
    add(builder, column);
    add(builder, " LIKE ? ESCAPE '\\'");
    add_owned(builder, pattern, length);
}

static void add_field(struct builder *builder, const struct text_field *field) {
    if (field->value.length == 0) {
        return;
    }
    if (!builder->has_place && strcmp(field->column, "country") == 0) {
        add(builder, " AND 0");
        return;
    }
    /* Says what the partial indexes say, so that they can be used. */
    add(builder, " AND s.");
    add(builder, field->column);
    add(builder, " <> ''");
    if (field->part.length == 0) {
        return;
    }
    if (field->open_start) {
        add_like(builder, field->column, field->part, field->open_end);
    } else if (field->open_end) {
        add_prefix(builder, field->column, field->part);
    } else {
        add(builder, " AND s.");
        add(builder, field->column);
        add(builder, " = ?");
        add_bind(builder, &(struct bind){.kind = BIND_TEXT, .text = field->part});
    }
}

static void add_network(struct builder *builder) {
    struct ip_address last = builder->network.address;
    if (builder->network.bits == 128) {
        add(builder, " AND s.client = ?");
        add_bind(builder, &(struct bind){.kind = BIND_ADDRESS, .address = last});
        return;
    }
    for (size_t bit = builder->network.bits; bit < 128; bit++) {
        last.bytes[bit / 8] = (uint8_t)(last.bytes[bit / 8] | 0x80 >> bit % 8);
    }
    add(builder, " AND s.client >= ? AND s.client <= ?");
    add_bind(builder, &(struct bind){.kind = BIND_ADDRESS, .address = builder->network.address});
    add_bind(builder, &(struct bind){.kind = BIND_ADDRESS, .address = last});
}

/* --- full text --- */

/* `"a.b"`: in quotes nothing is an operator. */
static void add_phrase(struct builder *builder, const char *column, struct str phrase) {
    struct text *match = &builder->match;
    if (match->length > 0) {
        text_add(match, STR(" AND "));
    }
    if (column != NULL) {
        text_add(match, str_from(column));
        text_add(match, STR(" : "));
    }
    text_add_byte(match, '"');
    for (size_t i = 0; i < phrase.length; i++) {
        if (phrase.data[i] == '"') {
            text_add_byte(match, '"');
        }
        text_add_byte(match, phrase.data[i]);
    }
    text_add_byte(match, '"');
}

/* `*@example.com` holds the whole words "example com": they lead to the few rows that LIKE then
 * looks at. Words that may go on beyond an open end are left out. */
static void add_whole_words(struct builder *builder, const struct text_field *field) {
    struct str part = field->part;
    struct str word;
    if (!field->in_words || (!field->open_start && !field->open_end)) {
        return;
    }
    while (field->open_start && part.length > 0 && history_word_byte(part.data[0])) {
        part = str_slice(part, 1, part.length);
    }
    while (field->open_end && part.length > 0 && history_word_byte(part.data[part.length - 1])) {
        part = str_slice(part, 0, part.length - 1);
    }
    struct str copy = part;
    if (history_words_next(&copy, &word)) {
        add_phrase(builder, field->column, part);
    }
}

static void gather_match(struct builder *builder) {
    struct str rest = builder->query->text;
    struct str phrase;
    while (history_words_next_phrase(&rest, &phrase)) {
        add_phrase(builder, NULL, phrase);
    }
    for (size_t i = 0; i < TEXT_FIELDS; i++) {
        add_whole_words(builder, &builder->fields[i]);
    }
}

/* --- the whole --- */

static void take_fields(struct builder *builder) {
    const struct history_query *query = builder->query;
    const struct text_field fields[TEXT_FIELDS] = {
        {.column = "client_address", .in_words = true},
        {.column = "client_name", .value = query->client_name, .in_words = true},
        {.column = "helo", .value = query->helo, .in_words = true},
        {.column = "sender", .value = query->sender, .in_words = true},
        {.column = "recipient", .value = query->recipient, .in_words = true},
        {.column = "identity", .value = query->identity, .in_words = true},
        {.column = "queue_id", .value = query->queue_id},
        {.column = "instance", .value = query->instance},
        {.column = "rule", .value = query->rule, .in_words = true},
        {.column = "country", .value = query->country},
    };
    memcpy(builder->fields, fields, sizeof fields);
    builder->is_network =
        query->client.length > 0 && ip_prefix_parse(query->client, &builder->network, NULL);
    if (!builder->is_network) {
        builder->fields[0].value = query->client;
        if (str_find(query->client, '/') != SIZE_MAX) {
            builder->error = -EINVAL;
        }
    }
    for (size_t i = 0; i < TEXT_FIELDS; i++) {
        struct text_field *field = &builder->fields[i];
        const struct str value = field->value;
        field->open_start = value.length > 0 && value.data[0] == '*';
        field->open_end = value.length > 1 && value.data[value.length - 1] == '*';
        field->part =
            str_slice(value, field->open_start ? 1 : 0, value.length - (field->open_end ? 1 : 0));
        if (value.length > PATTERN_MAX) {
            builder->error = -EINVAL;
        }
    }
    if (query->text.length > PATTERN_MAX) {
        builder->error = -EINVAL;
    }
}

/* A wide network may have most of the rows; beside another condition, which each of them would have
 * to be fetched for, the rows are better read in order. */
static bool network_by_index(const struct builder *builder) {
    const struct ip_prefix *network = &builder->network;
    const unsigned narrow = ip_address_is_v4(network->address) ? 96 + 16 : 32;
    bool alone = true;
    for (size_t i = 0; i < TEXT_FIELDS; i++) {
        alone = alone && builder->fields[i].value.length == 0;
    }
    return builder->is_network && (alone || network->bits >= narrow);
}

static enum path choose_path(const struct builder *builder) {
    bool range = network_by_index(builder);
    if (builder->is_network && builder->network.bits == 128) {
        return PATH_EXACT;
    }
    /* The first field, the address as text, has no index. */
    for (size_t i = 1; i < TEXT_FIELDS; i++) {
        const struct text_field *field = &builder->fields[i];
        if (field->value.length > 0 && !field->open_start && !field->open_end) {
            return PATH_EXACT;
        }
        range = range || (!field->open_start && field->open_end &&
                          field->part.length >= PREFIX_WORTH_AN_INDEX);
    }
    if (builder->indexed && builder->match.length > 0) {
        return PATH_WORDS;
    }
    if (builder->query->asn != 0) {
        return PATH_ASN;
    }
    return builder->indexed && range ? PATH_RANGE : PATH_SEQUENCE;
}

/* A verdict, policy or reason has many rows: its index serves only where no better one does, and
 * of several given the narrowest. A `+` keeps SQLite from using one. */
static void add_weak(struct builder *builder, enum path path) {
    const struct history_query *query = builder->query;
    bool taken = path != PATH_SEQUENCE;
    if (query->reason != REASON_NONE) {
        add_integer(builder, taken ? " AND +s.reason = ?" : " AND s.reason = ?", query->reason);
        taken = true;
    }
    if (query->policy != POLICY_NONE) {
        add_integer(builder, taken ? " AND +s.policy = ?" : " AND s.policy = ?", query->policy);
        taken = true;
    }
    if (query->verdict == VERDICT_ACCEPT) {
        /* Two numbers, and most rows: no index would help. */
        add_integer(builder, " AND +s.verdict <= ?", VERDICT_ACCEPT);
    } else if (query->verdict >= 0) {
        add_integer(builder, taken ? " AND +s.verdict = ?" : " AND s.verdict = ?", query->verdict);
    }
    if (query->states != HISTORY_ALL && builder->has_state) {
        add_integer(builder,
                    query->states == HISTORY_ENDS ? " AND +s.state = ?" : " AND +s.state <> ?",
                    PROTOCOL_STATE_END_OF_MESSAGE);
    } else if (query->states == HISTORY_ENDS) {
        add(builder, " AND 0");
    }
    if (query->direction >= 0) {
        add_integer(builder, " AND s.direction = ?", query->direction);
    }
    if (query->since_ns != 0) {
        add_integer(builder, " AND s.time >= ?", query->since_ns);
    }
    if (query->until_ns != 0) {
        add_integer(builder, " AND s.time < ?", query->until_ns);
    }
}

static void add_asn(struct builder *builder, enum path path) {
    if (builder->query->asn != 0 && !builder->has_place) {
        add(builder, " AND 0");
    } else if (builder->query->asn != 0) {
        /* Says what the partial index says, so that it can be used. */
        add_integer(builder, path == PATH_ASN ? " AND s.asn <> 0 AND s.asn = ?" : " AND +s.asn = ?",
                    builder->query->asn);
    }
}

static void add_words(struct builder *builder, enum path path) {
    struct str rest = builder->query->text;
    struct str phrase;
    if (path == PATH_WORDS) {
        add(builder, " AND words MATCH ?");
        add_bind(builder,
                 &(struct bind){.kind = BIND_OWNED_TEXT, .text = text_str(&builder->match)});
    } else if (history_words_next_phrase(&rest, &phrase)) {
        add(builder, " AND has_words(?, s.client_address, s.client_name, s.helo, s.sender,"
                     " s.recipient, s.identity, s.rule, s.reply)");
        add_bind(builder, &(struct bind){.kind = BIND_TEXT, .text = builder->query->text});
    }
}

/* In the order that the question marks get their values. */
static void add_all(struct builder *builder, enum path path, uint64_t after, uint64_t before,
                    size_t limit) {
    const char *sequence = path == PATH_WORDS   ? "words.rowid"
                           : path == PATH_RANGE ? "+s.sequence"
                                                : "s.sequence";
    for (size_t i = 0; i < TEXT_FIELDS; i++) {
        add_field(builder, &builder->fields[i]);
    }
    if (builder->is_network) {
        add_network(builder);
    }
    add_asn(builder, path);
    add_weak(builder, path);
    add_words(builder, path);
    add(builder, " AND ");
    add(builder, sequence);
    add_integer(builder, " > ? AND ", (int64_t)after);
    add(builder, sequence);
    add_integer(builder, " < ? ORDER BY ",
                before == 0 || before > INT64_MAX ? INT64_MAX : (int64_t)before);
    add(builder, sequence);
    add_integer(builder, builder->query->oldest_first ? " ASC LIMIT ?" : " DESC LIMIT ?",
                (int64_t)limit);
}

/* The inner query finds sequences (by index where there is one), the outer one fetches the rows. */
static void build(struct builder *builder, uint64_t after, uint64_t before, size_t limit) {
    take_fields(builder);
    if (builder->error < 0) {
        return;
    }
    gather_match(builder);
    const enum path path = choose_path(builder);
    add_all(builder, path, after, before, limit);
    const struct str parts[] = {
        STR("SELECT "),
        STR(columns),
        builder->has_place   ? STR(place_columns)
        : builder->has_state ? STR(state_columns)
                             : STR(no_state_columns),
        STR(" FROM (SELECT s.sequence AS found FROM "),
        path == PATH_WORDS ? STR("words CROSS JOIN session s ON s.sequence = words.rowid")
                           : STR("session s"),
        STR(" WHERE 1"),
        text_str(&builder->where),
        STR(") CROSS JOIN session s ON s.sequence = found"
            " CROSS JOIN record r ON r.sequence = found ORDER BY found"),
        builder->query->oldest_first ? STR(" ASC") : STR(" DESC"),
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        text_add(&builder->sql, parts[i]);
    }
}

static int bind_all(const struct builder *builder, sqlite3_stmt *statement) {
    int result = SQLITE_OK;
    for (size_t i = 0; i < builder->count && result == SQLITE_OK; i++) {
        const struct bind *bind = &builder->binds[i];
        const int index = (int)i + 1;
        switch (bind->kind) {
        case BIND_INTEGER:
            result = sqlite3_bind_int64(statement, index, bind->integer);
            break;
        case BIND_TEXT:
            result = sqlite3_bind_text(statement, index, bind->text.data, (int)bind->text.length,
                                       SQLITE_STATIC);
            break;
        case BIND_OWNED_TEXT:
            result = sqlite3_bind_text(statement, index, bind->text.data, (int)bind->text.length,
                                       SQLITE_TRANSIENT);
            break;
        case BIND_ADDRESS:
            result = sqlite3_bind_blob(statement, index, bind->address.bytes,
                                       sizeof bind->address.bytes, SQLITE_TRANSIENT);
            break;
        }
    }
    return history_file_error(result);
}

static int prepare(sqlite3 *db, struct builder *builder, sqlite3_stmt **ret_statement) {
    sqlite3_stmt *statement = NULL;
    int result = history_words_register(db);
    CHECK(!builder->sql.truncated && !builder->where.truncated && !builder->match.truncated);
    if (result == 0) {
        result = history_file_error(
            sqlite3_prepare_v2(db, builder->sql.data, (int)builder->sql.length, &statement, NULL));
    }
    if (result == 0) {
        result = bind_all(builder, statement);
    }
    if (result < 0) {
        (void)sqlite3_finalize(statement);
        return result;
    }
    *ret_statement = statement;
    return 0;
}

int history_query_prepare(sqlite3 *db, const struct history_query *query, uint64_t after,
                          uint64_t before, bool indexed, size_t limit,
                          sqlite3_stmt **ret_statement) {
    struct builder *builder = calloc(1, sizeof *builder);
    if (builder == NULL) {
        return -ENOMEM;
    }
    builder->query = query;
    builder->indexed = indexed;
    builder->has_state = history_file_has_state(db);
    builder->has_place = history_file_has_place(db);
    builder->sql = TEXT_OVER(builder->sql_bytes);
    builder->where = TEXT_OVER(builder->where_bytes);
    builder->match = TEXT_OVER(builder->match_bytes);
    build(builder, after, before, limit);
    const int result = builder->error < 0 ? builder->error : prepare(db, builder, ret_statement);
    for (size_t i = 0; i < builder->owned_count; i++) {
        free(builder->owned[i]);
    }
    free(builder);
    return result;
}

static struct str column_text(sqlite3_stmt *statement, int column) {
    const char *data = (const char *)sqlite3_column_blob(statement, column);
    return (struct str){data, (size_t)sqlite3_column_bytes(statement, column)};
}

struct history_row history_query_row(sqlite3_stmt *statement) {
    return (struct history_row){
        .sequence = (uint64_t)sqlite3_column_int64(statement, 0),
        .time_ns = sqlite3_column_int64(statement, 1),
        .decision_ns = sqlite3_column_int64(statement, 2),
        .direction = (enum direction)sqlite3_column_int(statement, 3),
        .verdict = (enum verdict)sqlite3_column_int(statement, 4),
        .policy = (enum policy_id)sqlite3_column_int(statement, 5),
        .reason = (enum reason)sqlite3_column_int(statement, 6),
        .client_address = column_text(statement, 7),
        .client_name = column_text(statement, 8),
        .helo = column_text(statement, 9),
        .sender = column_text(statement, 10),
        .recipient = column_text(statement, 11),
        .identity = column_text(statement, 12),
        .instance = column_text(statement, 13),
        .queue_id = column_text(statement, 14),
        .rule = column_text(statement, 15),
        .reply = column_text(statement, 16),
        .shadow = column_text(statement, 17),
        .size = (uint64_t)sqlite3_column_int64(statement, 18),
        .generation = (uint64_t)sqlite3_column_int64(statement, 19),
        .duration_us = (uint32_t)sqlite3_column_int64(statement, 20),
        .count = (uint32_t)sqlite3_column_int64(statement, 21),
        .record_version = (unsigned)sqlite3_column_int(statement, 22),
        .record = column_text(statement, 23),
        .is_end = sqlite3_column_int(statement, 24) == PROTOCOL_STATE_END_OF_MESSAGE,
        .recipients = (uint32_t)sqlite3_column_int64(statement, 25),
        .country = column_text(statement, 26),
        .asn = (uint32_t)sqlite3_column_int64(statement, 27),
    };
}
