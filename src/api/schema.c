/* SPDX-License-Identifier: Apache-2.0 */
#include "api/schema.h"

#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_MAX = 64 }; /* bytes of a value in a sentence */

struct checking {
    struct text *field;
    struct text *problem;
};

static bool check(const struct checking *at, const struct api_schema *schema, const json_t *value);

/* --- sentences --- */

static void add(const struct checking *at, const char *text) {
    text_add(at->problem, str_from(text));
}

static void add_subject(const struct checking *at) {
    if (at->field->length == 0) {
        add(at, "The body");
    } else {
        text_add(at->problem, text_str(at->field));
    }
}

static void add_number(const struct checking *at, double number) {
    char digits[32];
    (void)snprintf(digits, sizeof digits, "%.17g", number);
    add(at, digits);
}

static void add_shown(const struct checking *at, const json_t *string) {
    const struct str text = {json_string_value(string), json_string_length(string)};
    text_add_byte(at->problem, '"');
    text_add_escaped(at->problem, str_slice(text, 0, SHOWN_MAX));
    add(at, text.length > SHOWN_MAX ? "..." : "");
    text_add_byte(at->problem, '"');
}

/* "a", "a or b", "a, b or c" */
static void add_word(const struct checking *at, size_t i, size_t count, const char *word) {
    add(at, i == 0 ? "" : i + 1 == count ? " or " : ", ");
    add(at, word);
}

static const struct {
    unsigned bit;
    const char *name;
} types[] = {
    {API_TYPE_BOOLEAN, "true or false"},
    {API_TYPE_INTEGER, "a whole number"},
    {API_TYPE_NUMBER, "a number"},
    {API_TYPE_STRING, "a string"},
    {API_TYPE_ARRAY, "an array"},
    {API_TYPE_OBJECT, "an object"},
    {API_TYPE_NULL, "null"},
};
enum { TYPES = sizeof types / sizeof types[0] };

static void add_types(const struct checking *at, unsigned bits) {
    size_t count = 0;
    size_t said = 0;
    for (size_t i = 0; i < TYPES; i++) {
        count += (bits & types[i].bit) != 0;
    }
    for (size_t i = 0; i < TYPES; i++) {
        if ((bits & types[i].bit) != 0) {
            add_word(at, said++, count, types[i].name);
        }
    }
}

static void add_names(const struct checking *at, const struct api_member *members, bool needed) {
    const char *between = "";
    for (const struct api_member *member = members; member->name != NULL; member++) {
        if (!needed || member->required) {
            add(at, between);
            add(at, member->name);
            between = ", ";
        }
    }
}

/* "4 characters; there may be 1 to 3." of `what` */
static bool refuse_length(const struct checking *at, const struct api_schema *schema, size_t length,
                          const char *what) {
    add_subject(at);
    add(at, " has ");
    text_add_u64(at->problem, length);
    text_add_byte(at->problem, ' ');
    add(at, what);
    add(at, schema->length_max == 0 ? "; it must have at least " : "; it may have ");
    text_add_u64(at->problem, schema->length_min);
    if (schema->length_max != 0) {
        add(at, " to ");
        text_add_u64(at->problem, schema->length_max);
    }
    text_add_byte(at->problem, '.');
    return false;
}

static bool length_fits(const struct api_schema *schema, size_t length) {
    return length >= schema->length_min &&
           (schema->length_max == 0 || length <= schema->length_max);
}

/* --- one value --- */

static unsigned type_of(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_NULL:
        return API_TYPE_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return API_TYPE_BOOLEAN;
    case JSON_INTEGER:
        return API_TYPE_INTEGER;
    case JSON_REAL:
        return API_TYPE_NUMBER;
    case JSON_STRING:
        return API_TYPE_STRING;
    case JSON_ARRAY:
        return API_TYPE_ARRAY;
    case JSON_OBJECT:
        break;
    }
    return API_TYPE_OBJECT;
}

static bool type_fits(const struct api_schema *schema, const json_t *value) {
    const unsigned type = type_of(value);
    if ((schema->types & type) != 0) {
        return true;
    }
    if (type == API_TYPE_INTEGER) {
        return (schema->types & API_TYPE_NUMBER) != 0;
    }
    if (type != API_TYPE_NUMBER || (schema->types & API_TYPE_INTEGER) == 0) {
        return false;
    }
    const double number = json_real_value(value);
    return floor(number) == number;
}

static bool check_type(const struct checking *at, const struct api_schema *schema,
                       const json_t *value) {
    if (type_fits(schema, value)) {
        return true;
    }
    add_subject(at);
    add(at, " is ");
    add_types(at, type_of(value));
    add(at, "; it must be ");
    add_types(at, schema->types);
    text_add_byte(at->problem, '.');
    return false;
}

static bool check_number(const struct checking *at, const struct api_schema *schema,
                         const json_t *value) {
    const double number = json_number_value(value);
    const bool low = schema->has_min && number < schema->min;
    const bool high = schema->has_max && number > schema->max;
    if (!low && !high) {
        return true;
    }
    add_subject(at);
    add(at, " is ");
    add_number(at, number);
    add(at, "; it must be ");
    if (schema->has_min) {
        add_number(at, schema->min);
        add(at, schema->has_max ? " to " : " or more");
    }
    if (schema->has_max) {
        add_number(at, schema->max);
        add(at, schema->has_min ? "" : " or less");
    }
    text_add_byte(at->problem, '.');
    return false;
}

static size_t characters(struct str text) {
    size_t count = 0;
    for (size_t i = 0; i < text.length; i++) {
        count += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    }
    return count;
}

static bool is_choice(const struct api_schema *schema, const char *text) {
    for (size_t i = 0; schema->choices[i] != NULL; i++) {
        if (strcmp(schema->choices[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static bool refuse_choice(const struct checking *at, const struct api_schema *schema,
                          const json_t *value) {
    size_t count = 0;
    while (schema->choices[count] != NULL) {
        count++;
    }
    add_subject(at);
    add(at, " is ");
    add_shown(at, value);
    add(at, "; it must be ");
    for (size_t i = 0; i < count; i++) {
        const char *choice = schema->choices[i];
        add_word(at, i, count, choice[0] == '\0' ? "empty" : choice);
    }
    text_add_byte(at->problem, '.');
    return false;
}

static bool matches(const char *pattern, const char *text) {
    regex_t compiled;
    if (regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        return false;
    }
    const bool found = regexec(&compiled, text, 0, NULL, 0) == 0;
    regfree(&compiled);
    return found;
}

static bool check_string(const struct checking *at, const struct api_schema *schema,
                         const json_t *value) {
    const struct str text = {json_string_value(value), json_string_length(value)};
    const size_t length = characters(text);
    if (!length_fits(schema, length)) {
        return refuse_length(at, schema, length, "characters");
    }
    if (schema->choices != NULL && !is_choice(schema, text.data)) {
        return refuse_choice(at, schema, value);
    }
    if (schema->pattern != NULL && !matches(schema->pattern, text.data)) {
        add_subject(at);
        add(at, " is ");
        add_shown(at, value);
        add(at, "; it must match ");
        add(at, schema->pattern);
        text_add_byte(at->problem, '.');
        return false;
    }
    return true;
}

static bool check_array(const struct checking *at, const struct api_schema *schema,
                        const json_t *array) {
    const size_t length = at->field->length;
    size_t i = 0;
    const json_t *item = NULL;
    if (!length_fits(schema, json_array_size(array))) {
        return refuse_length(at, schema, json_array_size(array), "items");
    }
    json_array_foreach(array, i, item) {
        text_add_byte(at->field, '[');
        text_add_u64(at->field, i);
        text_add_byte(at->field, ']');
        if (schema->items != NULL && !check(at, schema->items, item)) {
            return false;
        }
        at->field->length = length;
    }
    return true;
}

/* --- members --- */

static const struct api_schema *member_schema(const struct api_schema *schema, const char *name) {
    for (const struct api_member *m = schema->members; m != NULL && m->name != NULL; m++) {
        if (strcmp(m->name, name) == 0) {
            return m->schema;
        }
    }
    return schema->additional;
}

static bool refuse_unknown(const struct checking *at, const struct api_schema *schema,
                           struct str name) {
    add(at, "There is no member \"");
    text_add_escaped(at->problem, str_slice(name, 0, SHOWN_MAX));
    add(at, "\" here; there may be: ");
    if (schema->members != NULL) {
        add_names(at, schema->members, false);
    }
    text_add_byte(at->problem, '.');
    return false;
}

/* Appends ".name"; the caller puts the length back. */
static void enter(const struct checking *at, struct str name) {
    if (at->field->length > 0) {
        text_add_byte(at->field, '.');
    }
    text_add_escaped(at->field, str_slice(name, 0, SHOWN_MAX));
}

static bool check_needed(const struct checking *at, const struct api_schema *schema,
                         const json_t *object) {
    for (const struct api_member *m = schema->members; m != NULL && m->name != NULL; m++) {
        if (m->required && json_object_get(object, m->name) == NULL) {
            enter(at, str_from(m->name));
            add(at, m->name);
            add(at, " is missing; there must be: ");
            add_names(at, schema->members, true);
            text_add_byte(at->problem, '.');
            return false;
        }
    }
    return true;
}

static bool check_object(const struct checking *at, const struct api_schema *schema,
                         const json_t *object) {
    const size_t length = at->field->length;
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)object, name, value) {
        const struct api_schema *of_member = member_schema(schema, name);
        enter(at, str_from(name));
        if (of_member == NULL) {
            return refuse_unknown(at, schema, str_from(name));
        }
        if (!check(at, of_member, value)) {
            return false;
        }
        at->field->length = length;
    }
    if (!check_needed(at, schema, object)) {
        return false;
    }
    return length_fits(schema, json_object_size(object))
               ? true
               : refuse_length(at, schema, json_object_size(object), "members");
}

static bool check(const struct checking *at, const struct api_schema *schema, const json_t *value) {
    if (!check_type(at, schema, value)) {
        return false;
    }
    if (json_is_number(value)) {
        return check_number(at, schema, value);
    }
    if (json_is_string(value)) {
        return check_string(at, schema, value);
    }
    if (json_is_array(value)) {
        return check_array(at, schema, value);
    }
    return json_is_object(value) ? check_object(at, schema, value) : true;
}

bool api_schema_check(const struct api_schema *schema, const json_t *value, struct text *field,
                      struct text *problem) {
    const struct checking at = {field, problem};
    return check(&at, schema, value);
}
