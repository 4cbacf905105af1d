/* SPDX-License-Identifier: Apache-2.0 */
#include "net/json_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/rfc3339.h"
#include "base/utf8.h"

static bool utf8_valid(struct str bytes) {
    uint32_t point;
    for (size_t i = 0; i < bytes.length;) {
        const size_t length = utf8_decode(str_slice(bytes, i, bytes.length), &point);
        if (length == 0) {
            return false;
        }
        i += length;
    }
    return true;
}

static json_t *repaired_text(struct str bytes) {
    char *out = malloc(bytes.length * 3); /* U+FFFD takes three bytes */
    if (out == NULL) {
        return NULL;
    }
    uint32_t point;
    size_t used = 0;
    for (size_t i = 0; i < bytes.length;) {
        const size_t length = utf8_decode(str_slice(bytes, i, bytes.length), &point);
        if (length == 0) {
            memcpy(out + used, "\xef\xbf\xbd", 3);
            used += 3;
            i++;
        } else {
            memcpy(out + used, bytes.data + i, length);
            used += length;
            i += length;
        }
    }
    json_t *text = json_stringn(out, used);
    free(out);
    return text;
}

json_t *json_text(struct str bytes) {
    if (bytes.length == 0) {
        return json_string("");
    }
    return utf8_valid(bytes) ? json_stringn_nocheck(bytes.data, bytes.length)
                             : repaired_text(bytes);
}

json_t *json_text_from(const char *text) {
    return text == NULL ? json_null() : json_text(str_from(text));
}

json_t *json_time(int64_t unix_ns) {
    char buffer[RFC3339_TEXT_MAX];
    struct text out = TEXT_OVER(buffer);
    rfc3339_format(unix_ns, &out);
    return json_text(text_str(&out));
}

json_t *json_sequence(uint64_t sequence) {
    char buffer[20];
    struct text out = TEXT_OVER(buffer);
    text_add_u64(&out, sequence);
    return json_text(text_str(&out));
}

json_t *json_count(uint64_t count) {
    return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

void json_put(json_t *object, const char *name, json_t *value) {
    (void)json_object_set_new(object, name, value);
}

struct str json_str(const json_t *value) {
    return json_is_string(value) ? (struct str){json_string_value(value), json_string_length(value)}
                                 : STR("");
}

/* jansson recurses up to 2048 levels; nothing of ours nests more than a few. */
static bool nested_too_deep(struct str input) {
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < input.length; i++) {
        const char c = input.data[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX) {
                return true;
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

json_t *json_object_parse(struct str input, struct text *problem) {
    if (nested_too_deep(input)) {
        text_add(problem, STR("The JSON is nested more than "));
        text_add_u64(problem, JSON_DEPTH_MAX);
        text_add(problem, STR(" levels deep."));
        return NULL;
    }
    if (str_trim(input).length == 0) {
        text_add(problem, STR("The body is empty; a JSON object such as {} is needed."));
        return NULL;
    }
    json_error_t error;
    json_t *value =
        json_loadb(input.data, input.length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value == NULL) {
        text_add(problem, STR("Not valid JSON at line "));
        text_add_u64(problem, error.line > 0 ? (uint64_t)error.line : 1);
        text_add(problem, STR(", column "));
        text_add_u64(problem, error.column > 0 ? (uint64_t)error.column : 1);
        text_add(problem, STR(": "));
        text_add(problem, str_from(error.text));
        text_add(problem, STR("."));
        return NULL;
    }
    if (!json_is_object(value)) {
        json_decref(value);
        text_add(problem, STR("The JSON is not an object; it must begin with \"{\"."));
        return NULL;
    }
    return value;
}
