/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_lines.h"

bool zimbra_line_next(struct str text, size_t *offset, struct str *ret_line) {
    if (*offset >= text.length) {
        return false;
    }
    const struct str rest = str_slice(text, *offset, text.length);
    const size_t newline = str_find(rest, '\n');
    *ret_line = str_slice(rest, 0, newline == SIZE_MAX ? rest.length : newline + 1);
    *offset += ret_line->length;
    return true;
}

struct str zimbra_word(struct str *rest) {
    *rest = str_trim(*rest);
    size_t end = 0;
    while (end < rest->length && rest->data[end] != ' ' && rest->data[end] != '\t') {
        end++;
    }
    const struct str word = str_slice(*rest, 0, end);
    *rest = str_trim(str_slice(*rest, end, rest->length));
    return word;
}

bool zimbra_str_has(struct str text, struct str part) {
    for (size_t at = 0; at + part.length <= text.length; at++) {
        if (str_equal(str_slice(text, at, at + part.length), part)) {
            return true;
        }
    }
    return false;
}

static bool is_directive(struct str line) {
    return str_starts(str_trim(line), STR("%%"));
}

/* The line as a list; false for a directive and for what cannot be read. */
static bool read_line(struct str line, struct restriction_list *ret_list) {
    return !is_directive(line) && restriction_list_parse(str_trim(line), ret_list) == NULL;
}

static bool is_permit(const struct restriction *element) {
    return element->kind == RESTRICTION_PERMITS_TRUSTED ||
           element->kind == RESTRICTION_PERMITS_DESTINATION ||
           element->kind == RESTRICTION_PERMITS_ALL;
}

bool zimbra_line_is_cbpolicyd(struct str line) {
    return is_directive(line) && zimbra_str_has(line, STR("VAR:zimbraServiceEnabled cbpolicyd"));
}

bool zimbra_line_permits(struct str line) {
    struct restriction_list list;
    if (is_directive(line)) {
        return zimbra_str_has(line, STR("permit_mynetworks")) ||
               zimbra_str_has(line, STR("permit_sasl_authenticated"));
    }
    if (!read_line(line, &list)) {
        return false;
    }
    for (size_t i = 0; i < list.count; i++) {
        if (is_permit(&list.elements[i])) {
            return true;
        }
    }
    return false;
}

bool zimbra_line_has(struct str line, struct str endpoint) {
    struct restriction_list list;
    return read_line(line, &list) && restriction_list_find(&list, 0, &endpoint, 1) != SIZE_MAX;
}

bool zimbra_line_has_dunno(struct str line, struct str endpoint) {
    struct restriction_list list;
    const size_t at =
        read_line(line, &list) ? restriction_list_find(&list, 0, &endpoint, 1) : SIZE_MAX;
    return at != SIZE_MAX &&
           str_equal_nocase(restriction_option(&list.elements[at], STR("default_action")),
                            STR("DUNNO"));
}

bool zimbra_line_permits_before(struct str line, struct str endpoint) {
    struct restriction_list list;
    const size_t at =
        read_line(line, &list) ? restriction_list_find(&list, 0, &endpoint, 1) : SIZE_MAX;
    for (size_t i = 0; at != SIZE_MAX && i < at; i++) {
        if (is_permit(&list.elements[i])) {
            return true;
        }
    }
    return false;
}

bool zimbra_list_without(struct str value, struct str endpoint, struct text *out) {
    enum { ROUNDS_MAX = 8, ROOM = 4096 };
    char rooms[2][ROOM];
    struct str now = value;
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        struct restriction_list list;
        if (restriction_list_parse(now, &list) != NULL) {
            return false;
        }
        const size_t at = restriction_list_find(&list, 0, &endpoint, 1);
        if (at == SIZE_MAX) {
            text_add(out, now);
            return true;
        }
        struct text less = {.data = rooms[round % 2], .size = ROOM};
        restriction_list_remove(&list, at, &less);
        if (less.truncated) {
            return false;
        }
        now = text_str(&less);
    }
    return false;
}

void zimbra_line_without(struct str line, struct str endpoint, struct text *out) {
    const struct str inside = str_trim(line);
    if (!zimbra_line_has(line, endpoint)) {
        text_add(out, line);
        return;
    }
    char room[4096];
    struct text less = TEXT_OVER(room);
    if (!zimbra_list_without(inside, endpoint, &less)) {
        text_add(out, line);
        return;
    }
    if (str_trim(text_str(&less)).length > 0) {
        const size_t before = (size_t)(inside.data - line.data);
        text_add(out, str_slice(line, 0, before));
        text_add(out, text_str(&less));
        text_add(out, str_slice(line, before + inside.length, line.length));
    }
}
