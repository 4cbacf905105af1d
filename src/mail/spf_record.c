/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/spf_record.h"

#include "mail/spf_macro.h"

static const struct str version = {"v=spf1", 6};

/* What may stand behind the name of a mechanism. */
enum argument { NO_ARGUMENT = 0, A_DOMAIN, MAYBE_DOMAIN, MAYBE_DOMAIN_AND_BITS, A_NETWORK };

static const struct mechanism {
    struct str name;
    enum spf_term_kind kind;
    enum argument argument;
} mechanisms[] = {
    {{"all", 3}, SPF_TERM_ALL, NO_ARGUMENT},       {{"include", 7}, SPF_TERM_INCLUDE, A_DOMAIN},
    {{"a", 1}, SPF_TERM_A, MAYBE_DOMAIN_AND_BITS}, {{"mx", 2}, SPF_TERM_MX, MAYBE_DOMAIN_AND_BITS},
    {{"ptr", 3}, SPF_TERM_PTR, MAYBE_DOMAIN},      {{"ip4", 3}, SPF_TERM_IP4, A_NETWORK},
    {{"ip6", 3}, SPF_TERM_IP6, A_NETWORK},         {{"exists", 6}, SPF_TERM_EXISTS, A_DOMAIN},
};
enum { MECHANISMS = sizeof mechanisms / sizeof mechanisms[0], V4_OFFSET = 96 };

bool spf_is_record(struct str txt) {
    return str_equal_nocase(str_slice(txt, 0, version.length), version) &&
           (txt.length == version.length || txt.data[version.length] == ' ');
}

/* --- parts of a term: each gives NULL, or what is wrong with the term ------------------------- */

/* Of one to three bytes; no str_find(), whose call for each byte was a third of an evaluation. */
static bool holds(struct str set, char byte) {
    for (size_t i = 0; i < set.length; i++) {
        if (set.data[i] == byte) {
            return true;
        }
    }
    return false;
}

/* Index of the first byte of `set` in the text, or its length. */
static size_t find_any(struct str text, struct str set) {
    size_t at = 0;
    while (at < text.length && !holds(set, text.data[at])) {
        at++;
    }
    return at;
}

/* "/24" at the end of *text goes into *ret_bits; leading zeros are as wrong as in an address. */
static const char *take_bits(struct str *text, struct str slash, uint64_t max, uint8_t *ret_bits) {
    size_t digits = text->length;
    uint64_t bits = 0;
    while (digits > 0 && text->data[digits - 1] >= '0' && text->data[digits - 1] <= '9') {
        digits--;
    }
    if (digits == text->length || !str_ends(str_slice(*text, 0, digits), slash)) {
        return NULL;
    }
    const struct str number = str_slice(*text, digits, SIZE_MAX);
    if (!str_parse_u64(number, max, &bits) || (number.length > 1 && number.data[0] == '0')) {
        return "has a wrong length of a network";
    }
    *ret_bits = (uint8_t)bits;
    text->length = digits - slash.length;
    return NULL;
}

/* ":domain-spec" or nothing. */
static const char *read_domain(struct str rest, bool needed, struct spf_term *term) {
    if (rest.length == 0) {
        return needed ? "lacks a domain" : NULL;
    }
    if (rest.data[0] != ':') {
        return "has something behind the name that does not belong there";
    }
    term->domain = str_slice(rest, 1, SIZE_MAX);
    return spf_domain_spec_problem(term->domain);
}

/* "example.com/24//64"; a domain-spec may hold slashes too, so this is read from the end. */
static const char *read_domain_and_bits(struct str rest, struct spf_term *term) {
    const char *problem = take_bits(&rest, STR("//"), 128, &term->bits_v6);
    if (problem == NULL) {
        problem = take_bits(&rest, STR("/"), 32, &term->bits_v4);
    }
    return problem != NULL ? problem : read_domain(rest, false, term);
}

static const char *read_network(struct str rest, struct spf_term *term) {
    const bool is_v4 = term->kind == SPF_TERM_IP4;
    uint8_t bits = is_v4 ? 32 : 128;
    if (rest.length == 0 || rest.data[0] != ':') {
        return "lacks an address";
    }
    rest = str_slice(rest, 1, SIZE_MAX);
    const char *problem = take_bits(&rest, STR("/"), bits, &bits);
    if (problem != NULL) {
        return problem;
    }
    if ((str_find(rest, ':') == SIZE_MAX) != is_v4 ||
        !ip_address_parse(rest, &term->network.address)) {
        return is_v4 ? "has no IPv4 address" : "has no IPv6 address";
    }
    term->network.bits = (uint8_t)(is_v4 ? V4_OFFSET + bits : bits);
    term->network.address = ip_address_mask(term->network.address, term->network.bits);
    return NULL;
}

static const char *read_argument(enum argument argument, struct str rest, struct spf_term *term) {
    switch (argument) {
    case A_DOMAIN:
        return read_domain(rest, true, term);
    case MAYBE_DOMAIN:
        return read_domain(rest, false, term);
    case MAYBE_DOMAIN_AND_BITS:
        return read_domain_and_bits(rest, term);
    case A_NETWORK:
        return read_network(rest, term);
    case NO_ARGUMENT:
        break;
    }
    return rest.length == 0 ? NULL : "has something behind the name that does not belong there";
}

static const char *read_mechanism(struct str text, struct spf_term *term) {
    static const struct {
        char sign;
        enum spf_result result;
    } qualifiers[] = {{'+', SPF_PASS}, {'-', SPF_FAIL}, {'~', SPF_SOFTFAIL}, {'?', SPF_NEUTRAL}};
    term->result = SPF_PASS;
    for (size_t i = 0; i < sizeof qualifiers / sizeof qualifiers[0]; i++) {
        if (text.length > 0 && text.data[0] == qualifiers[i].sign) {
            term->result = qualifiers[i].result;
            text = str_slice(text, 1, SIZE_MAX);
            break;
        }
    }
    const size_t name_end = find_any(text, STR(":/"));
    const struct str name = str_slice(text, 0, name_end);
    for (size_t i = 0; i < MECHANISMS; i++) {
        if (str_equal_nocase(name, mechanisms[i].name)) {
            term->kind = mechanisms[i].kind;
            return read_argument(mechanisms[i].argument, str_slice(text, name_end, SIZE_MAX), term);
        }
    }
    return "is no mechanism that SPF knows";
}

static bool is_modifier_name(struct str name) {
    for (size_t i = 0; i < name.length; i++) {
        const char c = ascii_lower(name.data[i]);
        const bool letter = c >= 'a' && c <= 'z';
        if (!letter && (i == 0 || ((c < '0' || c > '9') && c != '-' && c != '_' && c != '.'))) {
            return false;
        }
    }
    return name.length > 0;
}

static const char *read_modifier(struct str name, struct str value, struct spf_term *term) {
    if (!is_modifier_name(name)) {
        return "is no modifier: its name has a character that is not allowed";
    }
    term->domain = value;
    if (str_equal_nocase(name, STR("redirect"))) {
        term->kind = SPF_TERM_REDIRECT;
        return spf_domain_spec_problem(value);
    }
    if (str_equal_nocase(name, STR("exp"))) {
        term->kind = SPF_TERM_EXP;
        return spf_domain_spec_problem(value);
    }
    term->kind = SPF_TERM_UNKNOWN;
    return spf_macro_problem(value, SPF_MACRO_IN_RECORD);
}

static const char *read_term(struct str text, struct spf_term *term) {
    const size_t end = find_any(text, STR("=:/"));
    *term = (struct spf_term){.text = text, .bits_v4 = 32, .bits_v6 = 128};
    if (end < text.length && text.data[end] == '=') {
        return read_modifier(str_slice(text, 0, end), str_slice(text, end + 1, SIZE_MAX), term);
    }
    return read_mechanism(text, term);
}

/* --- records ---------------------------------------------------------------------------------- */

/* Terms are parted by blanks alone: any other byte below 0x21 is part of a term, and wrong there.
 */
static bool next_text(struct str record, size_t *at, struct str *ret_text) {
    size_t from = *at < version.length ? version.length : *at;
    while (from < record.length && record.data[from] == ' ') {
        from++;
    }
    const size_t end = from + find_any(str_slice(record, from, SIZE_MAX), STR(" "));
    *at = end;
    *ret_text = str_slice(record, from, end);
    return end > from;
}

static void say(struct text *problem, struct str term, const char *what) {
    enum { TERM_SHOWN_MAX = 60 };
    char room[TERM_SHOWN_MAX];
    struct text shown = TEXT_OVER(room);
    text_add_escaped(&shown, term);
    text_add_byte(problem, '"');
    text_add(problem, text_str(&shown));
    text_add(problem, shown.truncated ? STR("...\" ") : STR("\" "));
    text_add(problem, str_from(what));
}

bool spf_record_valid(struct str record, struct text *problem) {
    bool seen[SPF_TERM_UNKNOWN + 1] = {false};
    struct str text;
    for (size_t at = 0; next_text(record, &at, &text);) {
        struct spf_term term;
        const char *wrong = read_term(text, &term);
        const bool once = term.kind == SPF_TERM_REDIRECT || term.kind == SPF_TERM_EXP;
        if (wrong == NULL && once && seen[term.kind]) {
            wrong = "is the second of its kind; one is allowed";
        }
        if (wrong != NULL) {
            say(problem, text, wrong);
            return false;
        }
        seen[term.kind] = true;
    }
    return true;
}

bool spf_record_next(struct str record, size_t *at, struct spf_term *ret_term) {
    struct str text;
    return next_text(record, at, &text) && read_term(text, ret_term) == NULL;
}

bool spf_record_find(struct str record, enum spf_term_kind modifier, struct spf_term *ret_term) {
    for (size_t at = 0; spf_record_next(record, &at, ret_term);) {
        if (ret_term->kind == modifier) {
            return true;
        }
    }
    return false;
}
