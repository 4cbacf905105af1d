/* SPDX-License-Identifier: Apache-2.0 */
#include "store/list_import_line.h"

/* access(5). Postfix matches a domain and, unless parent_domain_matches_subdomains says otherwise,
 * everything below it: so one such line gives two entries. */

enum action_kind { ACTION_ALLOWS = 0, ACTION_REFUSES, ACTION_UNDECIDED, ACTION_OTHER };

static bool all_digits(struct str word) {
    uint64_t number;
    return str_parse_u64(word, UINT64_MAX, &number);
}

static enum action_kind action_kind(struct str action) {
    static const char *const refusing[] = {"REJECT", "DEFER", "DEFER_IF_REJECT", "DEFER_IF_PERMIT"};
    if (str_equal_nocase(action, STR("OK"))) {
        return ACTION_ALLOWS;
    }
    if (str_equal_nocase(action, STR("DUNNO"))) {
        return ACTION_UNDECIDED;
    }
    for (size_t i = 0; i < sizeof refusing / sizeof refusing[0]; i++) {
        if (str_equal_nocase(action, str_from(refusing[i]))) {
            return ACTION_REFUSES;
        }
    }
    if (action.length == 3 && all_digits(action) &&
        (action.data[0] == '4' || action.data[0] == '5')) {
        return ACTION_REFUSES;
    }
    /* "OK: any result of digits alone counts as OK" */
    return all_digits(action) ? ACTION_ALLOWS : ACTION_OTHER;
}

static bool action_fits(struct import_line *line, struct str action) {
    if (action.length == 0) {
        import_problem(line, STR(""), "The line has no action; access(5) has OK, REJECT, ...");
        return false;
    }
    const enum action_kind kind = action_kind(action);
    const enum action_kind wanted =
        line->import->list == LIST_BLOCK ? ACTION_REFUSES : ACTION_ALLOWS;
    if (kind == wanted) {
        return true;
    }
    import_problem(line, action,
                   kind == ACTION_OTHER
                       ? "is an action that lists do not have; they allow or block."
                   : kind == ACTION_UNDECIDED
                       ? "decides nothing: the next restriction does. Leave the line out, or write "
                         "OK if this is to pass every check."
                   : kind == ACTION_ALLOWS ? "allows: import it into the allow list."
                                           : "refuses: import it into the block list.");
    return false;
}

/* "2001:db8" and "2001:db8:1" are networks by whole groups. */
static bool partial_ipv6(struct str text, struct text *out) {
    unsigned groups = 1;
    for (size_t i = 0; i < text.length; i++) {
        const char c = ascii_lower(text.data[i]);
        if (c == ':') {
            groups++;
        } else if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
            return false;
        }
        if (c == ':' && (i == 0 || i + 1 == text.length || text.data[i + 1] == ':')) {
            return false;
        }
    }
    if (groups < 2 || groups > 7) {
        return false;
    }
    text_add(out, text);
    text_add(out, STR("::/"));
    text_add_u64(out, (uint64_t)groups * 16);
    return true;
}

static void import_domain(struct import_line *line, struct list_entry_fields *fields,
                          struct str domain) {
    char buffer[LIST_LINE_MAX];
    struct text below = TEXT_OVER(buffer);
    text_add(&below, STR("*."));
    text_add(&below, domain);
    fields->type = STR("domain");
    fields->pattern = text_str(&below);
    import_fields(line, fields);
}

void import_postfix_line(struct import_line *line) {
    if (line->text.data[0] == ' ' || line->text.data[0] == '\t') {
        import_problem(line, STR(""),
                       "A line that begins with a blank continues the one before; "
                       "only the text of an action may, and it is left out.");
        return;
    }
    struct str rest = str_trim(line->text);
    const struct str key = import_word(&rest);
    const struct str action = import_word(&rest);
    if (!action_fits(line, action)) {
        return;
    }
    char buffer[LIST_LINE_MAX];
    struct text network = TEXT_OVER(buffer);
    struct list_entry_fields fields = {.pattern = key, .comment = rest};
    if (import_partial_ipv4(key, &network)) {
        fields.pattern = text_str(&network);
        fields.type = STR("ip");
        import_fields(line, &fields);
        return;
    }
    network.length = 0;
    if (partial_ipv6(key, &network)) {
        fields.pattern = text_str(&network);
        fields.type = STR("ip");
    } else if (str_ends(key, STR("@"))) {
        network.length = 0;
        text_add(&network, key);
        text_add_byte(&network, '*');
        fields.pattern = text_str(&network);
        fields.type = STR("email");
    } else if (str_starts(key, STR("."))) {
        import_domain(line, &fields, str_slice(key, 1, key.length));
        return;
    } else if (address_pattern_guess(key) == PATTERN_DOMAIN && !str_starts(key, STR("*"))) {
        import_domain(line, &fields, key);
        if (line->stopped) {
            return;
        }
        fields.pattern = key;
    }
    import_fields(line, &fields);
}
