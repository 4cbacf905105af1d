/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_words.h"

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

bool history_words_phrase_in(struct str phrase, struct str text) {
    struct str first;
    struct str found;
    if (!history_words_next(&phrase, &first)) {
        return true;
    }
    while (history_words_next(&text, &found)) {
        if (found.length == first.length && str_equal_nocase(found, first) &&
            phrase_follows(phrase, text)) {
            return true;
        }
    }
    return false;
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

static void has_words(sqlite3_context *context, int count, sqlite3_value **values) {
    struct str rest = {(const char *)sqlite3_value_text(values[0]),
                       (size_t)sqlite3_value_bytes(values[0])};
    struct str phrase;
    bool all = true;
    while (all && history_words_next_phrase(&rest, &phrase)) {
        all = false;
        for (int i = 1; i < count && !all; i++) {
            const struct str column = {(const char *)sqlite3_value_text(values[i]),
                                       (size_t)sqlite3_value_bytes(values[i])};
            all = history_words_phrase_in(phrase, column);
        }
    }
    sqlite3_result_int(context, all ? 1 : 0);
}

int history_words_register(sqlite3 *db) {
    return history_file_error(sqlite3_create_function_v2(db, "has_words", -1,
                                                         SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                                         has_words, NULL, NULL, NULL));
}
