/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_route.h"

#include <string.h>

static const char *const method_names[HTTP_METHODS] = {"GET", "POST", "PUT", "DELETE"};

const char *http_method_name(enum http_method method) {
    return method_names[method];
}

bool http_method_parse(struct str name, enum http_method *ret_method) {
    if (str_equal(name, STR("HEAD"))) {
        *ret_method = HTTP_GET; /* The library leaves the body out. */
        return true;
    }
    for (unsigned i = 0; i < HTTP_METHODS; i++) {
        if (str_equal(name, str_from(method_names[i]))) {
            *ret_method = (enum http_method)i;
            return true;
        }
    }
    return false;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = ascii_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Decodes in place; the result is never longer. False for a bad code or NUL. */
static bool percent_decode(char *bytes, size_t length, bool plus_is_blank, struct str *ret_str) {
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        if (c == '%') {
            const int high = i + 2 < length ? hex_value(bytes[i + 1]) : -1;
            const int low = i + 2 < length ? hex_value(bytes[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        bytes[used++] = c;
    }
    *ret_str = (struct str){bytes, used};
    return true;
}

static bool parse_path(char *path, size_t length, struct http_target *ret, struct text *problem) {
    ret->part_count = 0;
    for (size_t from = 1; from <= length;) {
        const char *slash = memchr(path + from, '/', length - from);
        const size_t until = slash == NULL ? length : (size_t)(slash - path);
        if (ret->part_count == HTTP_PATH_PARTS_MAX) {
            text_add(problem, STR("The path has too many parts."));
            return false;
        }
        if (!percent_decode(path + from, until - from, false, &ret->parts[ret->part_count])) {
            text_add(problem, STR("The path has a bad percent code; write %2F for a slash, %25 "
                                  "for a percent sign."));
            return false;
        }
        ret->part_count++;
        from = until + 1;
    }
    return true;
}

static bool add_parameter(char *bytes, size_t length, struct http_target *ret,
                          struct text *problem) {
    char *equals = memchr(bytes, '=', length);
    if (equals == NULL) {
        text_add(problem, STR("Query parameters are written name=value, joined by \"&\"."));
        return false;
    }
    if (ret->parameter_count == HTTP_PARAMETERS_MAX) {
        text_add(problem, STR("There are too many query parameters."));
        return false;
    }
    struct http_parameter parameter;
    const size_t name_length = (size_t)(equals - bytes);
    if (!percent_decode(bytes, name_length, true, &parameter.name) ||
        !percent_decode(equals + 1, length - name_length - 1, true, &parameter.value)) {
        text_add(problem, STR("A query parameter has a bad percent code; write %25 for a percent "
                              "sign, %2B for a plus sign."));
        return false;
    }
    for (size_t i = 0; i < ret->parameter_count; i++) {
        if (str_equal(ret->parameters[i].name, parameter.name)) {
            text_add(problem, STR("The query parameter \""));
            text_add_escaped(problem, parameter.name);
            text_add(problem, STR("\" is given twice."));
            return false;
        }
    }
    ret->parameters[ret->parameter_count++] = parameter;
    return true;
}

static bool parse_query(char *query, size_t length, struct http_target *ret, struct text *problem) {
    for (size_t from = 0; from < length;) {
        const char *end = memchr(query + from, '&', length - from);
        const size_t until = end == NULL ? length : (size_t)(end - query);
        if (!add_parameter(query + from, until - from, ret, problem)) {
            return false;
        }
        from = until + 1;
    }
    return true;
}

bool http_target_parse(char *target, struct http_target *ret_target, struct text *problem) {
    const size_t length = strlen(target);
    if (target[0] != '/') {
        text_add(problem, STR("The request target must be a path that begins with \"/\"."));
        return false;
    }
    char *question = memchr(target, '?', length);
    const size_t path_length = question == NULL ? length : (size_t)(question - target);
    ret_target->path = (struct str){target, path_length};
    ret_target->parameter_count = 0;
    if (!parse_path(target, path_length, ret_target, problem)) {
        return false;
    }
    return question == NULL ||
           parse_query(question + 1, length - path_length - 1, ret_target, problem);
}

/* Whether `pattern` fits; *ret_plain counts parts that are no placeholders. */
static bool pattern_fits(const char *pattern, const struct http_target *target,
                         struct str ret_parts[HTTP_PLACEHOLDERS_MAX], size_t *ret_plain) {
    struct str rest = str_slice(str_from(pattern), 1, SIZE_MAX);
    size_t placeholders = 0;
    *ret_plain = 0;
    for (size_t i = 0; i < target->part_count; i++) {
        const size_t slash = str_find(rest, '/');
        const struct str part = str_slice(rest, 0, slash);
        const bool last = slash == SIZE_MAX;
        if (last != (i + 1 == target->part_count)) {
            return false;
        }
        if (str_starts(part, STR("{"))) {
            CHECK(placeholders < HTTP_PLACEHOLDERS_MAX);
            if (target->parts[i].length == 0) {
                return false;
            }
            ret_parts[placeholders++] = target->parts[i];
        } else if (str_equal(part, target->parts[i])) {
            (*ret_plain)++;
        } else {
            return false;
        }
        rest = last ? STR("") : str_slice(rest, slash + 1, SIZE_MAX);
    }
    return target->part_count > 0;
}

const struct http_route *http_route_find(const struct http_route *routes, size_t route_count,
                                         enum http_method method, const struct http_target *target,
                                         struct str ret_parts[HTTP_PLACEHOLDERS_MAX],
                                         unsigned *ret_methods) {
    struct str parts[HTTP_PLACEHOLDERS_MAX] = {{0}};
    const struct http_route *found = NULL;
    size_t most_plain = 0;
    *ret_methods = 0;
    for (size_t i = 0; i < route_count; i++) {
        size_t plain;
        if (!pattern_fits(routes[i].pattern, target, parts, &plain)) {
            continue;
        }
        *ret_methods |= 1U << routes[i].method;
        if (routes[i].method == method && (found == NULL || plain > most_plain)) {
            found = &routes[i];
            most_plain = plain;
            memcpy(ret_parts, parts, sizeof parts);
        }
    }
    return found;
}

bool http_route_knows(const struct http_route *route, struct str name) {
    struct str rest = str_from(route->parameters);
    while (rest.length > 0) {
        const size_t blank = str_find(rest, ' ');
        if (str_equal(str_slice(rest, 0, blank), name)) {
            return true;
        }
        rest = blank == SIZE_MAX ? STR("") : str_slice(rest, blank + 1, SIZE_MAX);
    }
    return false;
}
