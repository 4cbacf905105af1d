/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "base/str.h"

/* JSON out of bytes and bytes out of JSON. Mail addresses and names are any bytes; JSON is UTF-8.
 */

enum { JSON_DEPTH_MAX = 32 };

/* A JSON string; each byte that is not part of valid UTF-8 becomes U+FFFD. NULL: out of memory. */
json_t *json_text(struct str bytes);
/* `text` ends in a zero byte; NULL gives JSON null. */
json_t *json_text_from(const char *text);
/* Times as RFC 3339; sequence numbers as decimal strings, because 64 bits do not fit a double. */
json_t *json_time(int64_t unix_ns);
json_t *json_sequence(uint64_t sequence);
/* As a JSON number; above INT64_MAX clamped. */
json_t *json_count(uint64_t count);
/* A member; takes over `value`. Nothing when memory is out. */
void json_put(json_t *object, const char *name, json_t *value);
/* The string value as bytes; empty for anything else. */
struct str json_str(const json_t *value);

/* Parses one JSON object: no duplicate members, no NUL in strings, nested at most JSON_DEPTH_MAX.
 * NULL fills `problem` with a sentence that names line and column. The caller decrefs. */
json_t *json_object_parse(struct str input, struct text *problem);
