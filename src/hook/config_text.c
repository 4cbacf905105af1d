/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/config_text.h"

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static size_t skip_blanks(struct str text, size_t at) {
    while (at < text.length && is_blank(text.data[at])) {
        at++;
    }
    return at;
}

static size_t line_end(struct str text, size_t at) {
    while (at < text.length && text.data[at] != '\n') {
        at++;
    }
    return at;
}

/* A line that is neither blank nor a comment. */
static bool has_text(struct str file, size_t line) {
    const size_t at = skip_blanks(file, line);
    return at < file.length && file.data[at] != '\n' && file.data[at] != '#';
}

struct logical_line {
    size_t start;
    size_t end;  /* of the text of the last line */
    size_t next; /* behind its newline */
};

/* The logical line that starts at *at or after it. */
static bool next_logical_line(struct str file, size_t *at, struct logical_line *ret_line) {
    size_t line = *at;
    while (line < file.length && !has_text(file, line)) {
        line = line_end(file, line) + 1;
    }
    if (line >= file.length) {
        *at = file.length;
        return false;
    }
    ret_line->start = line;
    do {
        if (has_text(file, line)) {
            ret_line->end = line_end(file, line);
            ret_line->next = ret_line->end < file.length ? ret_line->end + 1 : file.length;
        }
        line = line_end(file, line) + 1;
    } while (line < file.length && (is_blank(file.data[line]) || !has_text(file, line)));
    *at = ret_line->next;
    return true;
}

/* main.cf ------------------------------------------------------------------------------------- */

bool main_cf_next(struct str file, size_t *at, struct str *ret_name,
                  struct main_cf_value *ret_value) {
    struct logical_line line;
    while (next_logical_line(file, at, &line)) {
        const struct str text = str_slice(file, line.start, line.end);
        const size_t equals = str_find(text, '=');
        if (equals == SIZE_MAX) {
            continue;
        }
        *ret_name = str_trim(str_slice(text, 0, equals));
        *ret_value = (struct main_cf_value){
            .line_start = line.start,
            .start = line.start + equals + 1,
            .end = line.end,
            .line_end = line.next,
        };
        return true;
    }
    return false;
}

bool main_cf_find(struct str file, struct str name, struct main_cf_value *ret_value) {
    size_t at = 0;
    bool found = false;
    struct str candidate;
    struct main_cf_value value;
    while (main_cf_next(file, &at, &candidate, &value)) {
        if (str_equal(candidate, name)) {
            *ret_value = value;
            found = true;
        }
    }
    return found;
}

/* master.cf ----------------------------------------------------------------------------------- */

/* The next word before `end`: blanks and comment lines stand between words, braces hold them
 * together. False at the end. */
static bool next_word(struct str file, size_t *at, size_t end, struct str *ret_word) {
    size_t start = *at;
    while (start < end) {
        const bool first = start > 0 && file.data[start - 1] == '\n';
        if (first && !has_text(file, start)) {
            start = line_end(file, start) + 1;
        } else if (is_blank(file.data[start]) || file.data[start] == '\n') {
            start++;
        } else {
            break;
        }
    }
    if (start >= end) {
        *at = end;
        return false;
    }
    size_t depth = 0;
    size_t stop = start;
    while (stop < end) {
        const char c = file.data[stop];
        if (depth == 0 && (is_blank(c) || c == '\n')) {
            break;
        }
        depth += c == '{' ? 1U : 0U;
        depth -= c == '}' && depth > 0 ? 1U : 0U;
        stop++;
    }
    *ret_word = str_slice(file, start, stop);
    *at = stop;
    return true;
}

static bool read_service(struct str file, const struct logical_line *line,
                         struct master_service *ret_service) {
    enum { FIELDS = 8, NAME = 0, TYPE = 1, COMMAND = 7 };
    struct str fields[FIELDS];
    size_t at = line->start;
    for (size_t i = 0; i < FIELDS; i++) {
        if (!next_word(file, &at, line->end, &fields[i])) {
            return false;
        }
    }
    *ret_service = (struct master_service){
        .name = fields[NAME],
        .type = fields[TYPE],
        .command = fields[COMMAND],
        .options = at,
        .end = line->end,
    };
    return true;
}

bool master_cf_next(struct str file, size_t *at, struct master_service *ret_service) {
    struct logical_line line;
    while (next_logical_line(file, at, &line)) {
        if (read_service(file, &line, ret_service)) {
            return true;
        }
    }
    return false;
}

bool master_cf_find(struct str file, struct str name, struct str type,
                    struct master_service *ret_service) {
    size_t at = 0;
    struct master_service service;
    while (master_cf_next(file, &at, &service)) {
        if (str_equal(service.name, name) && str_equal(service.type, type)) {
            *ret_service = service;
            return true;
        }
    }
    return false;
}

/* `setting` is what follows -o, a part of `file`. */
static bool read_option(struct str file, struct str setting, struct master_option *ret_option) {
    const bool braces =
        setting.length >= 2 && setting.data[0] == '{' && setting.data[setting.length - 1] == '}';
    const struct str inside =
        braces ? str_trim(str_slice(setting, 1, setting.length - 1)) : setting;
    const size_t equals = str_find(inside, '=');
    if (equals == SIZE_MAX) {
        return false;
    }
    ret_option->name = str_trim(str_slice(inside, 0, equals));
    ret_option->in_braces = braces;
    ret_option->start = (size_t)(inside.data - file.data) + equals + 1;
    ret_option->end = (size_t)(inside.data - file.data) + inside.length;
    ret_option->whole_end = (size_t)(setting.data - file.data) + setting.length;
    return true;
}

bool master_option_next(struct str file, const struct master_service *service, size_t *at,
                        struct master_option *ret_option) {
    struct str word;
    while (next_word(file, at, service->end, &word)) {
        if (!str_starts(word, STR("-o"))) {
            continue;
        }
        ret_option->whole_start = (size_t)(word.data - file.data);
        if (word.length > 2) {
            word = str_slice(word, 2, word.length);
        } else if (!next_word(file, at, service->end, &word)) {
            return false;
        }
        if (read_option(file, word, ret_option)) {
            return true;
        }
    }
    return false;
}

bool master_option_find(struct str file, const struct master_service *service, struct str name,
                        struct master_option *ret_option) {
    size_t at = service->options;
    bool found = false;
    struct master_option option;
    while (master_option_next(file, service, &at, &option)) {
        if (str_equal(option.name, name)) {
            *ret_option = option;
            found = true;
        }
    }
    return found;
}
