/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "store/list_import_line.h"

/* Postgrey matches a host name anywhere at the end of the client's name after a dot or the start,
 * an address by its leading parts, and a /regular expression/ as Perl does, without regard to case.
 * Of expressions we take those that say the same as a few names:
 *
 *   /^mail[12]\.example\.com$/        mail1.example.com and mail2.example.com
 *   /\.example\.com$/                 *.example.com       (also with ^.* or ^.+ in front)
 *   /(^|\.)example\.com$/             example.com and *.example.com */

enum { NAMES_MAX = 64, NAME_MAX_BYTES = 255 };

static void import_client(struct import_line *line, struct str prefix, struct str name) {
    char buffer[NAME_MAX_BYTES + 3];
    struct text pattern = TEXT_OVER(buffer);
    text_add(&pattern, prefix);
    text_add(&pattern, name);
    const struct list_entry_fields fields = {
        .pattern = text_str(&pattern), .type = STR("client"), .comment = STR("from postgrey")};
    if (!line->stopped) {
        import_fields(line, &fields);
    }
}

/* --- regular expressions --- */

/* One place of a name: the characters that may stand there. */
struct choice {
    size_t count;
    char characters[NAMES_MAX];
};

static bool add_range(struct choice *choice, char from, char until) {
    for (int c = from; c <= until; c++) {
        const bool name_byte = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
        if (!name_byte || choice->count == NAMES_MAX) {
            return false;
        }
        choice->characters[choice->count++] = (char)c;
    }
    return from <= until;
}

/* "[12]" or "[a-d]" at the start of *rest. */
static bool take_class(struct str *rest, struct choice *ret_choice) {
    const size_t end = str_find(*rest, ']');
    if (end == SIZE_MAX || end < 2) {
        return false;
    }
    for (size_t i = 1; i < end; i++) {
        const char from = ascii_lower(rest->data[i]);
        char until = from;
        if (i + 2 < end && rest->data[i + 1] == '-') {
            until = ascii_lower(rest->data[i + 2]);
            i += 2;
        }
        if (!add_range(ret_choice, from, until)) {
            return false;
        }
    }
    *rest = str_slice(*rest, end + 1, rest->length);
    return true;
}

/* Takes what stands for one character. False for anything that is more than a choice. */
static bool take_character(struct str *rest, struct choice *ret_choice) {
    ret_choice->count = 0;
    const char c = ascii_lower(rest->data[0]);
    if (c == '[') {
        return take_class(rest, ret_choice);
    }
    size_t length = 1;
    if (c == '\\' && rest->length >= 2) {
        length = 2;
        const char escaped = rest->data[1];
        if (escaped == 'd') {
            (void)add_range(ret_choice, '0', '9');
        } else if (escaped == '.') {
            ret_choice->characters[ret_choice->count++] = '.';
        } else if (escaped != '-' || !add_range(ret_choice, '-', '-')) {
            return false;
        }
    } else if (!add_range(ret_choice, c, c)) {
        return false;
    }
    *rest = str_slice(*rest, length, rest->length);
    return true;
}

/* All names that an expression without anchors says; 0 when it says more than names can. */
static size_t expand(struct str expression, char names[NAMES_MAX][NAME_MAX_BYTES + 1],
                     size_t *ret_length) {
    size_t count = 1;
    size_t length = 0;
    while (expression.length > 0) {
        struct choice choice;
        if (!take_character(&expression, &choice) || length == NAME_MAX_BYTES ||
            count * choice.count > NAMES_MAX) {
            return 0;
        }
        for (size_t c = choice.count; c-- > 0;) {
            for (size_t n = 0; n < count; n++) {
                if (c > 0) {
                    memcpy(names[c * count + n], names[n], length);
                }
                names[c * count + n][length] = choice.characters[c];
            }
        }
        count *= choice.count;
        length++;
    }
    *ret_length = length;
    return length == 0 ? 0 : count;
}

/* Takes `start` off the front of *expression. */
static bool take_start(struct str *expression, struct str start) {
    if (!str_starts(*expression, start)) {
        return false;
    }
    *expression = str_slice(*expression, start.length, expression->length);
    return true;
}

static void import_expression(struct import_line *line, struct str expression) {
    static const char advice[] =
        "A regular expression that entries cannot say exactly; write the names, or *.example.com "
        "for all below a domain (a dot of a name is written \\. in an expression).";
    bool itself = false;
    bool below = false;
    if (take_start(&expression, STR("(^|\\.)")) || take_start(&expression, STR("(?:^|\\.)"))) {
        itself = below = true;
    } else if (take_start(&expression, STR("^.*\\.")) || take_start(&expression, STR("^.+\\.")) ||
               take_start(&expression, STR("\\."))) {
        below = true;
    } else if (take_start(&expression, STR("^"))) {
        itself = true;
    }
    char names[NAMES_MAX][NAME_MAX_BYTES + 1];
    size_t length = 0;
    size_t count = 0;
    if ((itself || below) && str_ends(expression, STR("$"))) {
        count = expand(str_slice(expression, 0, expression.length - 1), names, &length);
    }
    if (count == 0) {
        import_problem(line, STR(""), advice);
    }
    for (size_t i = 0; i < count; i++) {
        if (itself) {
            import_client(line, STR(""), (struct str){names[i], length});
        }
        if (below) {
            import_client(line, STR("*."), (struct str){names[i], length});
        }
    }
}

/* --- lines --- */

static void import_recipient(struct import_line *line, struct str word) {
    char buffer[PATTERN_TEXT_MAX + 2];
    struct text pattern = TEXT_OVER(buffer);
    text_add(&pattern, word);
    text_add(&pattern, str_ends(word, STR("@")) ? STR("*") : STR(""));
    const struct list_entry_fields fields = {
        .pattern = text_str(&pattern), .type = STR("recipient"), .comment = STR("from postgrey")};
    import_fields(line, &fields);
}

void import_postgrey_line(struct import_line *line) {
    /* A "#" begins a comment wherever it stands, as in postgrey itself. */
    const struct str word = str_trim(str_slice(line->text, 0, str_find(line->text, '#')));
    if (line->import->list != LIST_GREYLIST_EXEMPT) {
        import_problem(line, STR(""), "Postgrey's lists go into greylist_exempt.");
        return;
    }
    if (word.length >= 3 && word.data[0] == '/' && str_ends(word, STR("/"))) {
        import_expression(line, str_slice(word, 1, word.length - 1));
        return;
    }
    if (str_find(word, ' ') != SIZE_MAX || str_find(word, '\t') != SIZE_MAX) {
        import_problem(line, word, "holds a blank; each line is one name, address or expression.");
        return;
    }
    char buffer[64];
    struct text network = TEXT_OVER(buffer);
    struct list_entry_fields fields = {.type = STR("ip"), .comment = STR("from postgrey")};
    if (import_partial_ipv4(word, &network)) {
        fields.pattern = text_str(&network);
        import_fields(line, &fields);
    } else if (address_pattern_guess(word) == PATTERN_IP) {
        fields.pattern = word;
        import_fields(line, &fields);
    } else if (str_find(word, '@') != SIZE_MAX) {
        import_recipient(line, word);
    } else {
        import_client(line, STR(""), word);
        import_client(line, STR("*."), word);
    }
}
