/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/history_file.h"

enum { SQL_MAX = 4096, BINDS_MAX = 48, PATTERN_MAX = 4096 };

/* The statement while it is put together: values are noted in the order of their question marks. */
struct bind {
    enum { BIND_INTEGER = 0, BIND_TEXT, BIND_OWNED_TEXT, BIND_ADDRESS } kind;
    int64_t integer;
    struct str text;
    struct ip_address address;
};

struct builder {
    struct text sql;
    size_t count;
    struct bind binds[BINDS_MAX];
    char *owned[BINDS_MAX]; /* texts made here: patterns, the full-text query */
    size_t owned_count;
    int error;
    char sql_bytes[SQL_MAX];
};

static const char columns[] =
    "s.sequence, s.time, s.decision_time, s.direction, s.verdict, s.policy, s.reason,"
    " s.client_address, s.client_name, s.helo, s.sender, s.recipient, s.identity, s.instance,"
    " s.queue_id, s.rule, s.reply, s.shadow, s.size, s.generation, s.duration_us, s.count,"
    " r.version, r.body";

static void add(struct builder *builder, const char *sql) {
    text_add(&builder->sql, str_from(sql));
}

static void add_bind(struct builder *builder, const struct bind *bind) {
    CHECK(builder->count < BINDS_MAX);
    builder->binds[builder->count++] = *bind;
}

static void add_integer(struct builder *builder, const char *condition, int64_t value) {
    add(builder, condition);
    add_bind(builder, &(struct bind){.kind = BIND_INTEGER, .integer = value});
}

/* --- text fields: whole, or with `*` at an end
 * ---------------------------------------------------- */

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

static void add_text(struct builder *builder, const char *column, struct str value) {
    if (value.length == 0) {
        return;
    }
    if (value.length > PATTERN_MAX) {
        builder->error = -EINVAL;
        return;
    }
    const bool open_start = value.data[0] == '*';
    const bool open_end = value.length > 1 && value.data[value.length - 1] == '*';
    const struct str part = str_slice(value, open_start ? 1 : 0, value.length - (open_end ? 1 : 0));
    /* Says what the partial indexes say, so that they can be used. */
    add(builder, " AND s.");
    add(builder, column);
    add(builder, " <> ''");
    if (part.length == 0) {
        return;
    }
    if (open_start) {
        add_like(builder, column, part, open_end);
    } else if (open_end) {
        add_prefix(builder, column, part);
    } else {
        add(builder, " AND s.");
        add(builder, column);
        add(builder, " = ?");
        add_bind(builder, &(struct bind){.kind = BIND_TEXT, .text = part});
    }
}

static void add_client(struct builder *builder, struct str client) {
    struct ip_prefix prefix;
    if (client.length == 0) {
        return;
    }
    if (!ip_prefix_parse(client, &prefix, NULL)) {
        if (str_find(client, '/') != SIZE_MAX) {
            builder->error = -EINVAL;
        }
        add_text(builder, "client_address", client);
        return;
    }
    struct ip_address last = prefix.address;
    for (size_t bit = prefix.bits; bit < 128; bit++) {
        last.bytes[bit / 8] = (uint8_t)(last.bytes[bit / 8] | 0x80 >> bit % 8);
    }
    add(builder, " AND s.client >= ? AND s.client <= ?");
    add_bind(builder, &(struct bind){.kind = BIND_ADDRESS, .address = prefix.address});
    add_bind(builder, &(struct bind){.kind = BIND_ADDRESS, .address = last});
}

/* --- words
 * ---------------------------------------------------------------------------------------- */

static bool word_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

/* Takes the next word off `rest`. */
static bool next_word(struct str *rest, struct str *ret_word) {
    size_t from = 0;
    while (from < rest->length && !word_byte(rest->data[from])) {
        from++;
    }
    size_t until = from;
    while (until < rest->length && word_byte(rest->data[until])) {
        until++;
    }
    *ret_word = str_slice(*rest, from, until);
    *rest = str_slice(*rest, until, rest->length);
    return ret_word->length > 0;
}

static bool phrase_follows(struct str phrase, struct str text) {
    struct str wanted;
    struct str found;
    while (next_word(&phrase, &wanted)) {
        if (!next_word(&text, &found) || !str_equal_nocase(wanted, found)) {
            return false;
        }
    }
    return true;
}

bool history_words_phrase_in(struct str phrase, struct str text) {
    struct str skipped;
    do {
        if (phrase_follows(phrase, text)) {
            return true;
        }
    } while (next_word(&text, &skipped));
    return false;
}

/* Takes what stands before the next blank off `rest`; phrases without any word are skipped. */
static bool next_phrase(struct str *rest, struct str *ret_phrase) {
    for (;;) {
        *rest = str_trim(*rest);
        if (rest->length == 0) {
            return false;
        }
        size_t end = 0;
        while (end < rest->length && rest->data[end] != ' ' && rest->data[end] != '\t' &&
               rest->data[end] != '\r' && rest->data[end] != '\n') {
            end++;
        }
        *ret_phrase = str_slice(*rest, 0, end);
        *rest = str_slice(*rest, end, rest->length);
        struct str copy = *ret_phrase;
        struct str word;
        if (next_word(&copy, &word)) {
            return true;
        }
    }
}

/* SQL function has_words(text, column, ...): every phrase of text is in one of the columns. */
static void has_words_function(sqlite3_context *context, int count, sqlite3_value **values) {
    struct str rest = {(const char *)sqlite3_value_text(values[0]),
                       (size_t)sqlite3_value_bytes(values[0])};
    struct str phrase;
    bool all = true;
    while (all && next_phrase(&rest, &phrase)) {
        all = false;
        for (int i = 1; i < count && !all; i++) {
            const struct str column = {(const char *)sqlite3_value_text(values[i]),
                                       (size_t)sqlite3_value_bytes(values[i])};
            all = history_words_phrase_in(phrase, column);
        }
    }
    sqlite3_result_int(context, all ? 1 : 0);
}

/* "a b.c" becomes `"a" "b.c"`: in quotes nothing is an operator. */
static void add_match(struct builder *builder, struct str words) {
    char *match = malloc(words.length * 4 + 4);
    size_t length = 0;
    struct str phrase;
    if (match == NULL) {
        builder->error = -ENOMEM;
        return;
    }
    while (next_phrase(&words, &phrase)) {
        match[length++] = '"';
        for (size_t i = 0; i < phrase.length; i++) {
            if (phrase.data[i] == '"') {
                match[length++] = '"';
            }
            match[length++] = phrase.data[i];
        }
        match[length++] = '"';
        match[length++] = ' ';
    }
    add(builder, " AND words MATCH ?");
    add_owned(builder, match, length);
}

/* --- the whole
 * ------------------------------------------------------------------------------------ */

static void add_conditions(struct builder *builder, const struct history_query *query) {
    if (query->since_ns != 0) {
        add_integer(builder, " AND s.time >= ?", query->since_ns);
    }
    if (query->until_ns != 0) {
        add_integer(builder, " AND s.time < ?", query->until_ns);
    }
    add_client(builder, query->client);
    add_text(builder, "client_name", query->client_name);
    add_text(builder, "helo", query->helo);
    add_text(builder, "sender", query->sender);
    add_text(builder, "recipient", query->recipient);
    add_text(builder, "identity", query->identity);
    add_text(builder, "queue_id", query->queue_id);
    add_text(builder, "instance", query->instance);
    add_text(builder, "rule", query->rule);
    if (query->verdict >= 0) {
        add_integer(builder, " AND s.verdict = ?", query->verdict);
    }
    if (query->direction >= 0) {
        add_integer(builder, " AND s.direction = ?", query->direction);
    }
    if (query->policy != POLICY_NONE) {
        add_integer(builder, " AND s.policy = ?", query->policy);
    }
    if (query->reason != REASON_NONE) {
        add_integer(builder, " AND s.reason = ?", query->reason);
    }
}

/* The inner query finds sequences (by index where there is one), the outer one fetches the rows. */
static void build(struct builder *builder, const struct history_query *query, uint64_t after,
                  uint64_t before, bool has_words, size_t limit) {
    const char *order = query->oldest_first ? " ASC" : " DESC";
    struct str rest = query->text;
    struct str phrase;
    const bool by_words = next_phrase(&rest, &phrase);
    const bool by_table = by_words && has_words;
    const char *sequence = by_table ? "words.rowid" : "s.sequence";
    add(builder, "SELECT ");
    add(builder, columns);
    add(builder, " FROM (SELECT ");
    add(builder, sequence);
    add(builder, " AS found FROM ");
    add(builder, by_table ? "words CROSS JOIN session s ON s.sequence = words.rowid" : "session s");
    add(builder, " WHERE ");
    add(builder, sequence);
    add_integer(builder, " > ? AND ", (int64_t)after);
    add(builder, sequence);
    add_integer(builder, " < ?", before == 0 || before > INT64_MAX ? INT64_MAX : (int64_t)before);
    add_conditions(builder, query);
    if (by_table) {
        add_match(builder, query->text);
    } else if (by_words) {
        add(builder, " AND has_words(?, s.client_address, s.client_name, s.helo, s.sender,"
                     " s.recipient, s.identity, s.rule, s.reply)");
        add_bind(builder, &(struct bind){.kind = BIND_TEXT, .text = query->text});
    }
    add(builder, " ORDER BY ");
    add(builder, sequence);
    add(builder, order);
    add_integer(builder, " LIMIT ?", (int64_t)limit);
    add(builder, ") CROSS JOIN session s ON s.sequence = found"
                 " CROSS JOIN record r ON r.sequence = found ORDER BY found");
    add(builder, order);
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
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    int result = history_file_error(sqlite3_create_function_v2(
        db, "has_words", -1, flags, NULL, has_words_function, NULL, NULL, NULL));
    CHECK(!builder->sql.truncated);
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
                          uint64_t before, bool has_words, size_t limit,
                          sqlite3_stmt **ret_statement) {
    struct builder *builder = calloc(1, sizeof *builder);
    if (builder == NULL) {
        return -ENOMEM;
    }
    builder->sql = TEXT_OVER(builder->sql_bytes);
    if (query->text.length > PATTERN_MAX) {
        builder->error = -EINVAL;
    } else {
        build(builder, query, after, before, has_words, limit);
    }
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
    };
}
