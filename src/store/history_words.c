/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_words.h"

#include <stdlib.h>
#include <string.h>

#include "base/byte_block.h"

#include "store/history_file.h"

bool history_word_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

bool history_words_next(struct str *rest, struct str *ret_word) {
    size_t from = 0;
    while (from < rest->length && !history_word_byte(rest->data[from])) {
        from++;
    }
    size_t until = from;
    while (until < rest->length && history_word_byte(rest->data[until])) {
        until++;
    }
    *ret_word = str_slice(*rest, from, until);
    *rest = str_slice(*rest, until, rest->length);
    return ret_word->length > 0;
}

static bool phrase_follows(struct str phrase, struct str text) {
    struct str wanted;
    struct str found;
    while (history_words_next(&phrase, &wanted)) {
        if (!history_words_next(&text, &found) || !str_equal_nocase(wanted, found)) {
            return false;
        }
    }
    return true;
}

/* A phrase whose first word has been found already, since it is looked for in every row. */
struct phrase {
    struct str first;
    struct str rest;
};

static struct phrase phrase_of(struct str text) {
    struct phrase phrase;
    (void)history_words_next(&text, &phrase.first);
    phrase.rest = text;
    return phrase;
}

static bool is_at(const struct phrase *phrase, struct str text, size_t at) {
    struct str rest = str_slice(text, at, text.length);
    struct str found;
    return (at == 0 || !history_word_byte(text.data[at - 1])) &&
           history_words_next(&rest, &found) && found.length == phrase->first.length &&
           str_equal_nocase(found, phrase->first) && phrase_follows(phrase->rest, rest);
}

/* Looks at nothing but where the first and the last byte of the word may stand: setting the bit of
 * the case takes a few other bytes for the same, and is_at() sorts those out. */
static bool is_in(const struct phrase *phrase, struct str text) {
    enum { CASE = 0x20 };
    const size_t last = phrase->first.length - 1;
    const signed char head = (signed char)(phrase->first.data[0] | CASE);
    const signed char tail = (signed char)(phrase->first.data[last] | CASE);
    size_t at = 0;
    for (; at + last + BYTE_BLOCK <= text.length; at += BYTE_BLOCK) {
        const byte_block heads = byte_block_load(text.data + at) | CASE;
        const byte_block tails = byte_block_load(text.data + at + last) | CASE;
        for (unsigned hits = byte_block_mask((heads == head) & (tails == tail)); hits != 0;
             hits &= hits - 1) {
            if (is_at(phrase, text, at + (size_t)__builtin_ctz(hits))) {
                return true;
            }
        }
    }
    for (; at + last < text.length; at++) {
        if ((signed char)(text.data[at] | CASE) == head && is_at(phrase, text, at)) {
            return true;
        }
    }
    return false;
}

bool history_words_phrase_in(struct str phrase, struct str text) {
    const struct phrase wanted = phrase_of(phrase);
    return wanted.first.length == 0 || is_in(&wanted, text);
}

bool history_words_next_phrase(struct str *rest, struct str *ret_phrase) {
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
        if (history_words_next(&copy, &word)) {
            return true;
        }
    }
}

/* A search taken apart, once for all rows. */
struct search {
    size_t count;
    struct phrase phrases[];
};

/* NULL: out of memory. */
static struct search *search_new(struct str text) {
    /* A phrase has a byte, and a blank before the next; then the text itself. */
    const size_t most = text.length / 2 + 1;
    struct search *search =
        malloc(sizeof *search + most * sizeof search->phrases[0] + text.length + 1);
    if (search == NULL) {
        return NULL;
    }
    char *const copy = (char *)(search->phrases + most);
    memcpy(copy, text.length > 0 ? text.data : "", text.length);
    struct str rest = {copy, text.length};
    struct str phrase;
    search->count = 0;
    while (history_words_next_phrase(&rest, &phrase)) {
        search->phrases[search->count++] = phrase_of(phrase);
    }
    return search;
}

static bool has_all(const struct search *search, const struct str *columns, size_t count) {
    for (size_t i = 0; i < search->count; i++) {
        size_t in = 0;
        while (in < count && !is_in(&search->phrases[i], columns[in])) {
            in++;
        }
        if (in == count) {
            return false;
        }
    }
    return true;
}

enum { COLUMNS = 8 };

static void has_words(sqlite3_context *context, int count, sqlite3_value **values) {
    struct str columns[COLUMNS];
    CHECK(count == 1 + COLUMNS);
    const struct search *search = sqlite3_get_auxdata(context, 0);
    if (search == NULL) {
        struct search *made = search_new((struct str){(const char *)sqlite3_value_text(values[0]),
                                                      (size_t)sqlite3_value_bytes(values[0])});
        if (made == NULL) {
            sqlite3_result_error_nomem(context);
            return;
        }
        /* It may be freed at once, when there is no room to keep it. */
        sqlite3_set_auxdata(context, 0, made, free);
        search = sqlite3_get_auxdata(context, 0);
        if (search == NULL) {
            sqlite3_result_error_nomem(context);
            return;
        }
    }
    for (size_t i = 1; i <= COLUMNS; i++) {
        columns[i - 1] = (struct str){(const char *)sqlite3_value_text(values[i]),
                                      (size_t)sqlite3_value_bytes(values[i])};
    }
    sqlite3_result_int(context, has_all(search, columns, COLUMNS) ? 1 : 0);
}

int history_words_register(sqlite3 *db) {
    return history_file_error(sqlite3_create_function_v2(db, "has_words", 1 + COLUMNS,
                                                         SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                                         has_words, NULL, NULL, NULL));
}
