/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_filter.h"

#include <errno.h>
#include <stdlib.h>

#include "base/ip_address.h"
#include "store/history_file.h"
#include "store/history_words.h"

enum { CHUNK_ROWS = 512, CHUNK_WORDS = 1024, CHUNK_BITS = CHUNK_WORDS * 64, PROBES = 4 };
enum { WANTED_MAX = 64 }; /* of a query; more would not filter better */

struct chunk {
    uint64_t first;
    uint64_t last;
    size_t rows;
    uint64_t bits[CHUNK_WORDS];
};

struct history_filter {
    struct chunk *chunks;
    size_t count;
    size_t size;
    uint64_t position;
};

/* What a bit stands for: a word anywhere, or a whole value of a column. */
enum mark {
    MARK_WORD = 0,
    MARK_CLIENT,
    MARK_CLIENT_NAME,
    MARK_HELO,
    MARK_SENDER,
    MARK_RECIPIENT,
    MARK_IDENTITY,
    MARK_QUEUE_ID,
    MARK_INSTANCE,
    MARK_RULE,
    MARK_COUNTRY,
    MARK_ASN
};

struct history_filter *history_filter_new(void) {
    return calloc(1, sizeof(struct history_filter));
}

void history_filter_free(struct history_filter *filter) {
    if (filter != NULL) {
        free(filter->chunks);
        free(filter);
    }
}

uint64_t history_filter_position(const struct history_filter *filter) {
    return filter->position;
}

/* FNV-1a with a last mix. Who chooses colliding values makes searches slower, no more. */
static uint64_t hash_of(enum mark mark, struct str text) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)mark;
    for (size_t i = 0; i < text.length; i++) {
        hash = (hash ^ (unsigned char)ascii_lower(text.data[i])) * UINT64_C(0x100000001b3);
    }
    hash = (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static size_t probe(uint64_t hash, unsigned i) {
    return (size_t)((hash >> (i * 16)) & (CHUNK_BITS - 1));
}

static void set(struct chunk *chunk, uint64_t hash) {
    for (unsigned i = 0; i < PROBES; i++) {
        chunk->bits[probe(hash, i) / 64] |= UINT64_C(1) << probe(hash, i) % 64;
    }
}

static bool may_have(const struct chunk *chunk, uint64_t hash) {
    bool all = true;
    for (unsigned i = 0; i < PROBES; i++) {
        all = all && (chunk->bits[probe(hash, i) / 64] >> probe(hash, i) % 64 & 1) != 0;
    }
    return all;
}

/* --- rows --- */

static const struct {
    enum mark mark; /* MARK_WORD: the whole is not looked for */
    bool words;
} columns[] = {
    {MARK_CLIENT, false},   {MARK_WORD, true},      {MARK_CLIENT_NAME, true}, {MARK_HELO, true},
    {MARK_SENDER, true},    {MARK_RECIPIENT, true}, {MARK_IDENTITY, true},    {MARK_RULE, true},
    {MARK_QUEUE_ID, false}, {MARK_INSTANCE, false}, {MARK_WORD, true},        {MARK_COUNTRY, false},
    {MARK_ASN, false},
};
static const char rows_sql[] =
    "SELECT sequence, client, client_address, client_name, helo, sender, recipient, identity, rule,"
    " queue_id, instance, reply, country, asn FROM session WHERE sequence > ? ORDER BY sequence";

static struct chunk *chunk_for(struct history_filter *filter, uint64_t sequence) {
    if (filter->count > 0 && filter->chunks[filter->count - 1].rows < CHUNK_ROWS) {
        return &filter->chunks[filter->count - 1];
    }
    if (filter->count == filter->size) {
        const size_t size = filter->size == 0 ? 16 : filter->size * 2;
        struct chunk *chunks = realloc(filter->chunks, size * sizeof *chunks);
        if (chunks == NULL) {
            return NULL;
        }
        filter->chunks = chunks;
        filter->size = size;
    }
    struct chunk *chunk = &filter->chunks[filter->count++];
    *chunk = (struct chunk){.first = sequence};
    return chunk;
}

static void add_value(struct chunk *chunk, size_t column, struct str value) {
    struct str word;
    if (value.length > 0 && columns[column].mark != MARK_WORD) {
        set(chunk, hash_of(columns[column].mark, value));
    }
    while (columns[column].words && history_words_next(&value, &word)) {
        set(chunk, hash_of(MARK_WORD, word));
    }
}

static int add_row(struct history_filter *filter, sqlite3_stmt *statement) {
    const uint64_t sequence = (uint64_t)sqlite3_column_int64(statement, 0);
    struct chunk *chunk = chunk_for(filter, sequence);
    if (chunk == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        const char *data = (const char *)sqlite3_column_blob(statement, (int)i + 1);
        add_value(chunk, i,
                  (struct str){data, (size_t)sqlite3_column_bytes(statement, (int)i + 1)});
    }
    chunk->last = sequence;
    chunk->rows++;
    filter->position = sequence;
    return 0;
}

int history_filter_catch_up(struct history_filter *filter, sqlite3 *db) {
    sqlite3_stmt *statement = NULL;
    int result = history_file_prepare(db, rows_sql, &statement);
    if (result < 0) {
        return result;
    }
    (void)sqlite3_bind_int64(statement, 1, (int64_t)filter->position);
    int step = SQLITE_DONE;
    while (result == 0 && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        result = add_row(filter, statement);
    }
    (void)sqlite3_finalize(statement);
    return result < 0 ? result : history_file_error(step);
}

/* --- queries --- */

struct wanted {
    uint64_t hashes[WANTED_MAX];
    size_t count;
};

static void want(struct wanted *wanted, enum mark mark, struct str text) {
    if (wanted->count < WANTED_MAX) {
        wanted->hashes[wanted->count++] = hash_of(mark, text);
    }
}

static void want_words(struct wanted *wanted, struct str text) {
    struct str word;
    while (history_words_next(&text, &word)) {
        want(wanted, MARK_WORD, word);
    }
}

/* A value given whole, or its whole words when it is open at an end. */
static void want_value(struct wanted *wanted, enum mark mark, struct str value, bool has_words) {
    const bool open_start = value.length > 0 && value.data[0] == '*';
    const bool open_end = value.length > 1 && value.data[value.length - 1] == '*';
    if (value.length == 0) {
        return;
    }
    if (!open_start && !open_end) {
        want(wanted, mark, value);
        return;
    }
    struct str part = str_slice(value, open_start ? 1 : 0, value.length - (open_end ? 1 : 0));
    while (open_start && part.length > 0 && history_word_byte(part.data[0])) {
        part = str_slice(part, 1, part.length);
    }
    while (open_end && part.length > 0 && history_word_byte(part.data[part.length - 1])) {
        part = str_slice(part, 0, part.length - 1);
    }
    if (has_words) {
        want_words(wanted, part);
    }
}

/* Of networks nothing is marked. */
static void want_client(struct wanted *wanted, struct str client) {
    struct ip_prefix network;
    if (client.length == 0) {
        return;
    }
    if (!ip_prefix_parse(client, &network, NULL)) {
        const bool whole = client.data[0] != '*' && client.data[client.length - 1] != '*';
        if (whole) {
            want_words(wanted, client);
        } else {
            want_value(wanted, MARK_WORD, client, true);
        }
    } else if (network.bits == 128) {
        want(wanted, MARK_CLIENT,
             (struct str){(const char *)network.address.bytes, sizeof network.address.bytes});
    }
}

static void gather(struct wanted *wanted, const struct history_query *query) {
    want_client(wanted, query->client);
    want_value(wanted, MARK_CLIENT_NAME, query->client_name, true);
    want_value(wanted, MARK_HELO, query->helo, true);
    want_value(wanted, MARK_SENDER, query->sender, true);
    want_value(wanted, MARK_RECIPIENT, query->recipient, true);
    want_value(wanted, MARK_IDENTITY, query->identity, true);
    want_value(wanted, MARK_QUEUE_ID, query->queue_id, false);
    want_value(wanted, MARK_INSTANCE, query->instance, false);
    want_value(wanted, MARK_RULE, query->rule, true);
    want_value(wanted, MARK_COUNTRY, query->country, false);
    want_words(wanted, query->text);
    if (query->asn != 0) {
        char bytes[16];
        struct text asn = TEXT_OVER(bytes);
        text_add_u64(&asn, query->asn);
        want(wanted, MARK_ASN, text_str(&asn));
    }
}

bool history_filter_serves(const struct history_query *query) {
    struct wanted wanted = {.count = 0};
    gather(&wanted, query);
    return wanted.count > 0;
}

static bool chunk_fits(const struct chunk *chunk, const struct wanted *wanted) {
    bool fits = true;
    for (size_t i = 0; i < wanted->count && fits; i++) {
        fits = may_have(chunk, wanted->hashes[i]);
    }
    return fits;
}

int history_filter_find(const struct history_filter *filter, const struct history_query *query,
                        struct history_range **ret_ranges, size_t *ret_count) {
    struct wanted wanted = {.count = 0};
    struct history_range *ranges = malloc((filter->count + 1) * sizeof *ranges);
    size_t count = 0;
    bool joined = false; /* the last range ends with the chunk before */
    if (ranges == NULL) {
        return -ENOMEM;
    }
    gather(&wanted, query);
    for (size_t i = 0; i < filter->count; i++) {
        const struct chunk *chunk = &filter->chunks[i];
        const bool fits = chunk_fits(chunk, &wanted);
        if (fits && !joined) {
            ranges[count++] = (struct history_range){chunk->first, chunk->last};
        } else if (fits) {
            ranges[count - 1].last = chunk->last;
        }
        joined = fits;
    }
    if (joined) {
        ranges[count - 1].last = INT64_MAX - 1;
    } else {
        ranges[count++] = (struct history_range){filter->position + 1, INT64_MAX - 1};
    }
    *ret_ranges = ranges;
    *ret_count = count;
    return 0;
}
