/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "hook/restriction_list.h"

/* Ours ---------------------------------------------------------------------------------------- */

/* The parameter without its braces: "inet:127.0.0.1:10035, timeout=10s". */
static struct str inside_braces(struct str parameter) {
    if (parameter.length >= 2 && parameter.data[0] == '{' &&
        parameter.data[parameter.length - 1] == '}') {
        return str_trim(str_slice(parameter, 1, parameter.length - 1));
    }
    return parameter;
}

static bool is_between(char c) {
    return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next word of the options; empty at the end. */
static struct str take_word(struct str *rest) {
    size_t start = 0;
    while (start < rest->length && is_between(rest->data[start])) {
        start++;
    }
    size_t end = start;
    size_t depth = 0;
    while (end < rest->length && (depth > 0 || !is_between(rest->data[end]))) {
        depth += rest->data[end] == '{' ? 1 : 0;
        depth -= rest->data[end] == '}' && depth > 0 ? 1 : 0;
        end++;
    }
    const struct str word = str_slice(*rest, start, end);
    *rest = str_slice(*rest, end, rest->length);
    return word;
}

struct str restriction_endpoint(const struct restriction *element) {
    if (element->kind != RESTRICTION_POLICY_SERVICE) {
        return (struct str){0};
    }
    struct str rest = inside_braces(element->parameter);
    return take_word(&rest);
}

struct str restriction_option(const struct restriction *element, struct str name) {
    struct str rest = inside_braces(element->parameter);
    struct str word = take_word(&rest); /* the endpoint */
    for (word = take_word(&rest); word.length > 0; word = take_word(&rest)) {
        /* `{ default_action = DUNNO }` is the long way to write an option. */
        const struct str option = inside_braces(word);
        const size_t equals = str_find(option, '=');
        if (equals != SIZE_MAX && str_equal(str_trim(str_slice(option, 0, equals)), name)) {
            return str_trim(str_slice(option, equals + 1, option.length));
        }
    }
    return (struct str){0};
}

static bool is_this_host(struct str host) {
    static const struct str spellings[] = {
        {"127.0.0.1", 9}, {"localhost", 9},   {"[127.0.0.1]", 11}, {"[localhost]", 11}, {"::1", 3},
        {"[::1]", 5},     {"0.0.0.0", 7},     {"::", 2},           {"[::]", 4},         {"", 0},
        {"*", 1},         {"[ipv6:::1]", 10},
    };
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        if (str_equal_nocase(host, spellings[i])) {
            return true;
        }
    }
    return false;
}

/* "inet:host:port" and "inet:port"; false when it is no such endpoint. */
static bool split_inet(struct str endpoint, struct str *ret_host, struct str *ret_port) {
    if (!str_equal_nocase(str_slice(endpoint, 0, 5), STR("inet:"))) {
        return false;
    }
    const struct str rest = str_slice(endpoint, 5, endpoint.length);
    const size_t colon = str_find_last(rest, ':');
    *ret_host = colon == SIZE_MAX ? (struct str){0} : str_slice(rest, 0, colon);
    *ret_port = colon == SIZE_MAX ? rest : str_slice(rest, colon + 1, rest.length);
    return true;
}

bool restriction_endpoint_equal(struct str a, struct str b) {
    struct str a_host;
    struct str a_port;
    struct str b_host;
    struct str b_port;
    if (!split_inet(a, &a_host, &a_port) || !split_inet(b, &b_host, &b_port)) {
        return a.length > 0 && str_equal(a, b);
    }
    return str_equal(a_port, b_port) &&
           (str_equal_nocase(a_host, b_host) || (is_this_host(a_host) && is_this_host(b_host)));
}

bool restriction_is_one_of(const struct restriction *element, const struct str *endpoints,
                           size_t endpoint_count) {
    const struct str endpoint = restriction_endpoint(element);
    for (size_t i = 0; i < endpoint_count; i++) {
        if (restriction_endpoint_equal(endpoint, endpoints[i])) {
            return true;
        }
    }
    return false;
}

size_t restriction_list_find(const struct restriction_list *list, size_t from,
                             const struct str *endpoints, size_t endpoint_count) {
    for (size_t i = from; i < list->count; i++) {
        if (restriction_is_one_of(&list->elements[i], endpoints, endpoint_count)) {
            return i;
        }
    }
    return SIZE_MAX;
}

void restriction_format(struct str endpoint, enum restriction_spacing spacing, struct text *out) {
    restriction_format_timeout(endpoint, 10, spacing, out);
}

void restriction_format_timeout(struct str endpoint, uint64_t timeout_s,
                                enum restriction_spacing spacing, struct text *out) {
    const bool spaced = spacing == RESTRICTION_SPACED;
    const struct str comma = spaced ? STR(", ") : STR(",");
    text_add(out, spaced ? STR("check_policy_service { ") : STR("check_policy_service,{"));
    text_add(out, endpoint);
    text_add(out, comma);
    text_add(out, STR("timeout="));
    text_add_u64(out, timeout_s);
    text_add_byte(out, 's');
    text_add(out, comma);
    text_add(out, spaced ? STR("default_action=DUNNO }") : STR("default_action=DUNNO}"));
}

/* Editing ------------------------------------------------------------------------------------- */

/* The blanks before `at` when nothing else stands on its line; false when something does, or when
 * the line begins before the text (there stands the parameter's name). */
static bool own_line(struct str text, size_t at, struct str *ret_indent) {
    size_t start = at;
    while (start > 0 && (text.data[start - 1] == ' ' || text.data[start - 1] == '\t')) {
        start--;
    }
    *ret_indent = str_slice(text, start, at);
    return start > 0 && text.data[start - 1] == '\n';
}

static void add_separator(bool on_own_line, struct str indent, enum restriction_spacing spacing,
                          struct text *out) {
    text_add_byte(out, ',');
    if (on_own_line) {
        text_add_byte(out, '\n');
        text_add(out, indent);
    } else if (spacing == RESTRICTION_SPACED) {
        text_add_byte(out, ' ');
    }
}

void restriction_list_insert(const struct restriction_list *list, size_t index, struct str element,
                             enum restriction_spacing spacing, struct text *out) {
    CHECK(index <= list->count);
    const struct str text = list->text;
    struct str indent = {0};
    if (list->count == 0) {
        /* A list without elements may still hold blanks and comments: they stay behind. */
        text_add(out, spacing == RESTRICTION_SPACED ? STR(" ") : STR(""));
        text_add(out, element);
        text_add(out, text);
    } else if (index < list->count) {
        const size_t at = list->elements[index].start;
        const bool line = own_line(text, at, &indent);
        text_add(out, str_slice(text, 0, at));
        text_add(out, element);
        add_separator(line, indent, spacing, out);
        text_add(out, str_slice(text, at, text.length));
    } else {
        const struct restriction *last = &list->elements[list->count - 1];
        const bool line = own_line(text, last->start, &indent);
        text_add(out, str_slice(text, 0, last->end));
        add_separator(line, indent, spacing, out);
        text_add(out, element);
        text_add(out, str_slice(text, last->end, text.length));
    }
}

/* The end of what goes with an element: one comma after it and the blanks, up to the end of the
 * line. */
static size_t separator_end(struct str text, size_t at) {
    bool comma = false;
    while (at < text.length &&
           (text.data[at] == ' ' || text.data[at] == '\t' || (text.data[at] == ',' && !comma))) {
        comma = comma || text.data[at] == ',';
        at++;
    }
    return at;
}

/* From where to where an element goes that stands first, in the middle or alone. */
static void find_extent(struct str text, size_t *start, size_t *end) {
    struct str indent = {0};
    const bool line = own_line(text, *start, &indent);
    const size_t behind = separator_end(text, *end);
    *end = behind;
    if (line && behind == text.length) {
        *start -= indent.length + 1;
    } else if (line && text.data[behind] == '\n') {
        *start -= indent.length;
        *end = behind + 1;
    }
}

void restriction_list_remove(const struct restriction_list *list, size_t index, struct text *out) {
    CHECK(index < list->count);
    const struct str text = list->text;
    size_t start = list->elements[index].start;
    size_t end = list->elements[index].end;
    const size_t before = index > 0 ? list->elements[index - 1].end : start;
    const bool last = index > 0 && index + 1 == list->count;
    if (last && str_find(str_slice(text, before, start), '#') == SIZE_MAX) {
        start = before; /* The comma before it goes, unless a comment stands between. */
    } else {
        find_extent(text, &start, &end);
    }
    if (list->count == 1 && start > 0 && text.data[start - 1] == ' ') {
        start--;
    }
    text_add(out, str_slice(text, 0, start));
    text_add(out, str_slice(text, end, text.length));
}
