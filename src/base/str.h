/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes somebody else owns: a pointer and a length, never relying on a trailing zero. Passed by
 * value. The empty string may have a NULL pointer. Bytes from outside stay a struct str until a
 * parser has made a value of them. All functions are pure and total. */
struct str {
    const char *data;
    size_t length;
};

/* A literal as a struct str. */
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
/* For printf's "%.*s". */
#define STR_ARGS(s) (int)(s).length, (s).data

/* `text` must end in a zero byte; NULL gives the empty string. */
struct str str_from(const char *text);
bool str_equal(struct str a, struct str b);
/* ASCII letters compare without regard to case; other bytes compare as they are. */
bool str_equal_nocase(struct str a, struct str b);
bool str_starts(struct str text, struct str prefix);
bool str_ends(struct str text, struct str suffix);
/* Index of the first (last) `byte`, or SIZE_MAX when there is none. */
size_t str_find(struct str text, char byte);
size_t str_find_last(struct str text, char byte);
/* `from` and `until` are clamped to the text; until < from gives the empty string. */
struct str str_slice(struct str text, size_t from, size_t until);
/* Without ASCII blanks (space, tab, CR, LF) at both ends. */
struct str str_trim(struct str text);
/* Decimal digits only, at least one, value <= max. False leaves *ret_value untouched. */
bool str_parse_u64(struct str text, uint64_t max, uint64_t *ret_value);
/* Orders bytewise as memcmp, a prefix first. Negative, 0 or positive. */
int str_compare(struct str a, struct str b);
char ascii_lower(char c);
/* How many bytes at the start are ASCII; printable ASCII (0x20 to 0x7e). */
size_t str_ascii_length(struct str text);
size_t str_printable_length(struct str text);

/* A place to write text: fixed memory owned by the caller. What does not fit is dropped and
 * `truncated` stays set; nothing is ever written past `size`, and once something was dropped
 * nothing more is added: the content is always the start of what was meant. No trailing zero is
 * kept. */
struct text {
    char *data;
    size_t size;
    size_t length;
    bool truncated;
};

#define TEXT_OVER(array) ((struct text){.data = (array), .size = sizeof(array)})
void text_add(struct text *text, struct str s);
void text_add_byte(struct text *text, char byte);
void text_add_u64(struct text *text, uint64_t value);
/* ASCII letters in lower case, all other bytes as they are. */
void text_add_lower(struct text *text, struct str s);
/* For people and log lines: bytes below 0x20, 0x7f, `"`, `\`, invalid UTF-8 and the C1 controls
 * (U+0080 to U+009F) as \xNN a byte. */
void text_add_escaped(struct text *text, struct str s);
struct str text_str(const struct text *text);
/* Writes a trailing zero (over the last byte when full) and returns the data. size >= 1. */
const char *text_zero(struct text *text);
