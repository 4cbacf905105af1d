/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sqlite3.h>

#include "base/check.h"
#include "base/str.h"

/* Full text without its table, by the rules of FTS5's tokenizer `ascii`: a word is a run of ASCII
 * letters, digits and bytes above 127, everything else separates, case of ASCII letters is ignored.
 * What stands between blanks in a search is one phrase: its words must follow each other. Pure. */

bool history_word_byte(char c);
/* Takes the next word off `rest`. False when there is none. */
bool history_words_next(struct str *rest, struct str *ret_word);
/* Takes the next phrase off `rest`; what has no word in it is skipped. */
bool history_words_next_phrase(struct str *rest, struct str *ret_phrase);
bool history_words_phrase_in(struct str phrase, struct str text);
/* The SQL function has_words(search, eight columns): each phrase of the search is in a column. */
MUST_USE int history_words_register(sqlite3 *db);
