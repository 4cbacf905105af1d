/* SPDX-License-Identifier: Apache-2.0 */
#include "store/list_import.h"

#include <jansson.h>
#include <string.h>

#include "store/list_import_line.h"

enum { COLUMNS_MAX = 16 };

static const char *const format_names[LIST_IMPORT_FORMATS] = {"csv", "json", "postfix", "postgrey"};

bool list_import_format_parse(struct str name, enum list_import_format *ret_format) {
    for (unsigned i = 0; i < LIST_IMPORT_FORMATS; i++) {
        if (str_equal(name, str_from(format_names[i]))) {
            *ret_format = (enum list_import_format)i;
            return true;
        }
    }
    return false;
}

void import_problem(struct import_line *line, struct str found, const char *sentence) {
    char buffer[LIST_PROBLEM_MAX];
    struct text problem = TEXT_OVER(buffer);
    if (found.length > 0) {
        text_add_byte(&problem, '"');
        text_add_escaped(&problem, str_slice(found, 0, 64));
        text_add(&problem, STR("\" "));
    }
    text_add(&problem, str_from(sentence));
    line->import->problem(line->import->context, line->number, line->text, text_str(&problem));
}

void import_fields(struct import_line *line, const struct list_entry_fields *fields) {
    const struct list_import *import = line->import;
    char buffer[LIST_PROBLEM_MAX];
    struct text problem = TEXT_OVER(buffer);
    struct config_list_entry entry;
    const char *field;
    if (!list_entry_make(import->list, fields, import->now_s, &entry, &field, &problem)) {
        import->problem(import->context, line->number, line->text, text_str(&problem));
    } else if (!import->entry(import->context, &entry)) {
        line->stopped = true;
    }
}

struct str import_word(struct str *rest) {
    size_t length = 0;
    while (length < rest->length && rest->data[length] != ' ' && rest->data[length] != '\t') {
        length++;
    }
    const struct str word = str_slice(*rest, 0, length);
    *rest = str_trim(str_slice(*rest, length, rest->length));
    return word;
}

bool import_partial_ipv4(struct str text, struct text *out) {
    unsigned parts = 0;
    struct str rest = text;
    for (;;) {
        const size_t dot = str_find(rest, '.');
        uint64_t number;
        if (parts == 4 || !str_parse_u64(str_slice(rest, 0, dot), 255, &number)) {
            return false;
        }
        text_add(out, parts > 0 ? STR(".") : STR(""));
        text_add_u64(out, number);
        parts++;
        if (dot == SIZE_MAX) {
            break;
        }
        rest = str_slice(rest, dot + 1, rest.length);
    }
    for (unsigned i = parts; i < 4; i++) {
        text_add(out, STR(".0"));
    }
    text_add_byte(out, '/');
    text_add_u64(out, (uint64_t)parts * 8);
    return true;
}

/* --- CSV --- */

/* Splits a line (RFC 4180, but no newlines in fields). Quoted fields are unescaped into `storage`,
 * which has room for the line. Returns the number of fields, 0 for bad quotes or too many. */
static size_t split_csv(struct str line, char *storage, struct str fields[COLUMNS_MAX]) {
    size_t count = 0;
    size_t used = 0;
    size_t i = 0;
    for (;;) {
        if (count == COLUMNS_MAX) {
            return 0;
        }
        const size_t start = used;
        if (i < line.length && line.data[i] == '"') {
            for (i++;; i++) {
                if (i == line.length) {
                    return 0;
                }
                if (line.data[i] == '"') {
                    if (i + 1 == line.length || line.data[i + 1] != '"') {
                        break;
                    }
                    i++;
                }
                storage[used++] = line.data[i];
            }
            i++;
            if (i < line.length && line.data[i] != ',') {
                return 0;
            }
        } else {
            while (i < line.length && line.data[i] != ',') {
                storage[used++] = line.data[i++];
            }
        }
        fields[count++] = str_trim((struct str){storage + start, used - start});
        if (i == line.length) {
            return count;
        }
        i++;
    }
}

/* Which field each column is; -1: ignored. */
struct csv_columns {
    int field[COLUMNS_MAX];
};

static const char *const field_names[] = {"pattern", "type",    "direction",
                                          "require", "comment", "expires"};
enum { FIELDS = 6 };

static struct str *field_at(struct list_entry_fields *fields, int index) {
    struct str *const places[FIELDS] = {&fields->pattern, &fields->type,    &fields->direction,
                                        &fields->require, &fields->comment, &fields->expires};
    return places[index];
}

static int field_named(struct str name) {
    for (int i = 0; i < FIELDS; i++) {
        if (str_equal_nocase(name, str_from(field_names[i]))) {
            return i;
        }
    }
    return -1;
}

/* True when the line is a header: one of its columns is called "pattern". */
static bool read_header(const struct str *cells, size_t count, struct csv_columns *columns) {
    bool header = false;
    for (size_t i = 0; i < count; i++) {
        header = header || field_named(cells[i]) == 0;
    }
    for (size_t i = 0; header && i < COLUMNS_MAX; i++) {
        columns->field[i] = i < count ? field_named(cells[i]) : -1;
    }
    return header;
}

static void csv_line(struct import_line *line, struct csv_columns *columns, bool *first) {
    char storage[LIST_LINE_MAX];
    struct str cells[COLUMNS_MAX];
    const size_t count = split_csv(line->text, storage, cells);
    if (count == 0) {
        import_problem(line, STR(""),
                       "The quotes of this line do not match, or it has too many fields.");
        return;
    }
    const bool may_be_header = *first;
    *first = false;
    if (may_be_header && read_header(cells, count, columns)) {
        return;
    }
    struct list_entry_fields fields = {0};
    for (size_t i = 0; i < count; i++) {
        if (columns->field[i] >= 0) {
            *field_at(&fields, columns->field[i]) = cells[i];
        } else if (i >= FIELDS && cells[i].length > 0) {
            import_problem(line, cells[i], "is one field too many; quote fields with commas.");
            return;
        }
    }
    import_fields(line, &fields);
}

/* --- JSON --- */

static void json_line(struct import_line *line) {
    json_error_t error;
    json_t *object = json_loadb(line->text.data, line->text.length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(object)) {
        import_problem(line, STR(""),
                       object == NULL ? error.text : "Each line must be one JSON object.");
        json_decref(object);
        return;
    }
    struct list_entry_fields fields = {0};
    const char *name;
    json_t *value;
    bool good = true;
    json_object_foreach(object, name, value) {
        const int field = field_named(str_from(name));
        if (!good) {
            continue;
        }
        if (field < 0) {
            import_problem(line, str_from(name),
                           "is no member of an entry; there are pattern, type, direction, "
                           "require, comment and expires.");
            good = false;
        } else if (json_is_string(value)) {
            *field_at(&fields, field) =
                (struct str){json_string_value(value), json_string_length(value)};
        } else if (!json_is_null(value)) {
            import_problem(line, str_from(name), "must be a string.");
            good = false;
        }
    }
    if (good) {
        import_fields(line, &fields);
    }
    json_decref(object);
}

/* --- lines --- */

struct import_state {
    struct csv_columns columns;
    bool first; /* no content yet: the next line may be a header */
};

static void one_line(struct import_line *line, struct import_state *state) {
    if (line->text.length > LIST_LINE_MAX) {
        import_problem(line, STR(""), "The line is longer than 4096 bytes.");
        return;
    }
    if (memchr(line->text.data, '\0', line->text.length) != NULL) {
        import_problem(line, STR(""), "The line holds a NUL byte; is this a text file?");
        return;
    }
    switch (line->import->format) {
    case LIST_IMPORT_CSV:
        csv_line(line, &state->columns, &state->first);
        break;
    case LIST_IMPORT_JSON:
        json_line(line);
        break;
    case LIST_IMPORT_POSTFIX:
        import_postfix_line(line);
        break;
    case LIST_IMPORT_POSTGREY:
        import_postgrey_line(line);
        break;
    case LIST_IMPORT_FORMATS:
        break;
    }
}

uint64_t list_import(const struct list_import *import, struct str input) {
    struct import_line line = {.import = import};
    struct import_state state = {.first = true};
    for (int i = 0; i < COLUMNS_MAX; i++) {
        state.columns.field[i] = i < FIELDS ? i : -1;
    }
    if (str_starts(input, STR("\xef\xbb\xbf"))) {
        input = str_slice(input, 3, input.length); /* a byte order mark */
    }
    while (input.length > 0 && !line.stopped) {
        const size_t newline = str_find(input, '\n');
        struct str text = str_slice(input, 0, newline);
        input = newline == SIZE_MAX ? STR("") : str_slice(input, newline + 1, input.length);
        if (str_ends(text, STR("\r"))) {
            text = str_slice(text, 0, text.length - 1);
        }
        line.number++;
        line.text = text;
        const struct str content = str_trim(text);
        if (content.length > 0 && content.data[0] != '#') {
            one_line(&line, &state);
        }
    }
    return line.number;
}
