/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/spf_macro.h"

#include <string.h>

/* --- syntax ----------------------------------------------------------------------------------- */

static bool is_one_of(char c, const char *set) {
    return str_find(str_from(set), c) != SIZE_MAX;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    const char lower = ascii_lower(c);
    return lower >= 'a' && lower <= 'z';
}

/* "%{l2r-}": *at stands behind the "{". */
static const char *read_braces(struct str text, enum spf_macro_place place, size_t *at,
                               struct spf_macro *macro) {
    enum { KEEP_MAX = 2 * SPF_VALUE_MAX + 2 }; /* more parts than %{s} has */
    const char *const letters = place == SPF_MACRO_IN_EXPLANATION ? "slodiphvcrt" : "slodiphv";
    const struct str inner = str_slice(text, *at, SIZE_MAX);
    const size_t end = str_find(inner, '}');
    size_t i = 1;
    if (end == SIZE_MAX) {
        return "has a macro without a closing }";
    }
    if (end == 0 || !is_one_of(ascii_lower(inner.data[0]), letters)) {
        return place == SPF_MACRO_IN_RECORD && end > 0 &&
                       is_one_of(ascii_lower(inner.data[0]), "crt")
                   ? "has a macro that only an explanation may have (%{c}, %{r}, %{t})"
                   : "has a macro with an unknown letter";
    }
    macro->letter = ascii_lower(inner.data[0]);
    macro->url = macro->letter != inner.data[0];
    for (; i < end && is_digit(inner.data[i]); i++) {
        const size_t keep = macro->keep * 10 + (size_t)(inner.data[i] - '0');
        macro->keep = keep < KEEP_MAX ? keep : KEEP_MAX;
    }
    if (i > 1 && macro->keep == 0) {
        return "has a macro that keeps 0 parts; the least is 1";
    }
    if (i < end && ascii_lower(inner.data[i]) == 'r') {
        macro->reverse = true;
        i++;
    }
    macro->delimiters = str_slice(inner, i, end);
    for (; i < end; i++) {
        if (!is_one_of(inner.data[i], ".-+,/_=")) {
            return "has a macro with an unknown delimiter";
        }
    }
    *at += end + 1;
    return NULL;
}

static const char *read_percent(struct str text, enum spf_macro_place place, size_t *at,
                                struct spf_macro *macro) {
    const char next = *at + 1 < text.length ? text.data[*at + 1] : '\0';
    *at += 2;
    switch (next) {
    case '{':
        return read_braces(text, place, at, macro);
    case '%':
        macro->literal = STR("%");
        return NULL;
    case '_':
        macro->literal = STR(" ");
        return NULL;
    case '-':
        macro->literal = STR("%20");
        return NULL;
    default:
        return "has a % that starts no macro; a % itself is written %%";
    }
}

static bool is_literal(char c, enum spf_macro_place place) {
    return (c > ' ' && c < 0x7f && c != '%') || (c == ' ' && place == SPF_MACRO_IN_EXPLANATION);
}

const char *spf_macro_next(struct str text, enum spf_macro_place place, size_t *at,
                           struct spf_macro *ret_macro) {
    size_t end = *at;
    *ret_macro = (struct spf_macro){.letter = '\0'};
    if (text.data[*at] == '%') {
        return read_percent(text, place, at, ret_macro);
    }
    while (end < text.length && is_literal(text.data[end], place)) {
        end++;
    }
    if (end == *at) {
        return "has a byte that is not printable ASCII";
    }
    ret_macro->literal = str_slice(text, *at, end);
    *at = end;
    return NULL;
}

const char *spf_macro_problem(struct str text, enum spf_macro_place place) {
    const char *problem = NULL;
    for (size_t at = 0; at < text.length && problem == NULL;) {
        struct spf_macro macro;
        problem = spf_macro_next(text, place, &at, &macro);
    }
    return problem;
}

bool spf_macro_needs_name(struct str text, enum spf_macro_place place) {
    struct spf_macro macro;
    for (size_t at = 0; at < text.length;) {
        if (spf_macro_next(text, place, &at, &macro) != NULL) {
            return false;
        }
        if (macro.letter == 'p') {
            return true;
        }
    }
    return false;
}

/* RFC 7208 7.1: letters, digits and inner hyphens, and not digits alone. */
static bool is_top_label(struct str label) {
    bool only_digits = true;
    for (size_t i = 0; i < label.length; i++) {
        const char c = label.data[i];
        if (!is_letter(c) && !is_digit(c) && c != '-') {
            return false;
        }
        only_digits = only_digits && is_digit(c);
    }
    return label.length > 0 && label.data[0] != '-' && label.data[label.length - 1] != '-' &&
           !only_digits;
}

const char *spf_domain_spec_problem(struct str text) {
    struct spf_macro macro = {.letter = '\0'};
    size_t tail = 0; /* behind the last macro */
    if (text.length == 0) {
        return "lacks a domain";
    }
    for (size_t at = 0; at < text.length;) {
        const bool is_macro = text.data[at] == '%';
        const char *problem = spf_macro_next(text, SPF_MACRO_IN_RECORD, &at, &macro);
        if (problem != NULL) {
            return problem;
        }
        tail = is_macro ? at : tail;
    }
    if (tail == text.length) {
        return NULL;
    }
    struct str rest = str_slice(text, tail, SIZE_MAX);
    if (str_ends(rest, STR("."))) {
        rest.length--;
    }
    const size_t dot = str_find_last(rest, '.');
    if (dot == SIZE_MAX) {
        return "has a domain of one label; write it in full";
    }
    return is_top_label(str_slice(rest, dot + 1, SIZE_MAX))
               ? NULL
               : "has a domain with a wrong last label";
}

/* --- values ----------------------------------------------------------------------------------- */

enum {
    /* The longest value is %{s}. */
    VALUE_ROOM = 2 * SPF_VALUE_MAX + 1,
    PIECE_ROOM = 3 * VALUE_ROOM, /* each byte as %XX */
};

static void add_bounded(struct text *out, struct str value) {
    text_add(out, str_slice(value, 0, SPF_VALUE_MAX));
}

static void add_or_unknown(struct text *out, struct str value) {
    add_bounded(out, value.length > 0 ? value : STR("unknown"));
}

/* Four decimal numbers, or 32 hexadecimal digits, parted by dots. */
static void add_dotted(struct text *out, struct ip_address address) {
    static const char digits[] = "0123456789ABCDEF";
    if (ip_address_is_v4(address)) {
        ip_address_format(address, out);
        return;
    }
    for (size_t i = 0; i < sizeof address.bytes; i++) {
        if (i > 0) {
            text_add_byte(out, '.');
        }
        text_add_byte(out, digits[address.bytes[i] >> 4]);
        text_add_byte(out, '.');
        text_add_byte(out, digits[address.bytes[i] & 15]);
    }
}

static void add_value(struct text *out, char letter, const struct spf_macro_values *values) {
    if (values->personal != NULL && is_one_of(letter, "slrt")) {
        *values->personal = true;
    }
    switch (letter) {
    case 's':
        add_bounded(out, values->local);
        text_add_byte(out, '@');
        add_bounded(out, values->origin);
        return;
    case 'l':
        add_bounded(out, values->local);
        return;
    case 'o':
        add_bounded(out, values->origin);
        return;
    case 'd':
        add_bounded(out, values->domain);
        return;
    case 'h':
        add_bounded(out, values->helo);
        return;
    case 'i':
        add_dotted(out, values->client_address);
        return;
    case 'c':
        ip_address_format(values->client_address, out);
        return;
    case 'v':
        text_add(out, ip_address_is_v4(values->client_address) ? STR("in-"
                                                                     "addr")
                                                               : STR("ip6"));
        return;
    case 'p':
        add_or_unknown(out, values->name);
        return;
    case 'r':
        add_or_unknown(out, values->receiver);
        return;
    default: /* 't' */
        text_add_u64(out, values->wall_s > 0 ? (uint64_t)values->wall_s : 0);
        return;
    }
}

/* --- transformers ----------------------------------------------------------------------------- */

static bool is_delimiter(struct str delimiters, char c) {
    for (size_t i = 0; i < delimiters.length; i++) {
        if (delimiters.data[i] == c) {
            return true;
        }
    }
    return false;
}

/* Where the last `keep` parts of `value` start. */
static size_t start_of_last(struct str value, struct str delimiters, size_t keep) {
    size_t at = value.length;
    for (; at > 0; at--) {
        if (is_delimiter(delimiters, value.data[at - 1]) && --keep == 0) {
            break;
        }
    }
    return at;
}

/* Where the first `keep` parts of `value` end. */
static size_t end_of_first(struct str value, struct str delimiters, size_t keep) {
    size_t at = 0;
    for (; at < value.length; at++) {
        if (is_delimiter(delimiters, value.data[at]) && --keep == 0) {
            break;
        }
    }
    return at;
}

static void add_url(struct text *out, struct str value) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < value.length; i++) {
        const char c = value.data[i];
        if (is_letter(c) || is_digit(c) || is_one_of(c, "-._~")) {
            text_add_byte(out, c);
        } else {
            text_add_byte(out, '%');
            text_add_byte(out, digits[(unsigned char)c >> 4]);
            text_add_byte(out, digits[(unsigned char)c & 15]);
        }
    }
}

static void add_part(struct text *out, struct str part, bool url) {
    if (url) {
        add_url(out, part);
    } else {
        text_add(out, part);
    }
}

/* Parted at the delimiters, put together with dots. */
static void add_forwards(struct text *out, struct str value, struct str delimiters, bool url) {
    for (size_t from = 0;;) {
        const size_t end = from + end_of_first(str_slice(value, from, SIZE_MAX), delimiters, 1);
        add_part(out, str_slice(value, from, end), url);
        if (end >= value.length) {
            return;
        }
        text_add_byte(out, '.');
        from = end + 1;
    }
}

static void add_backwards(struct text *out, struct str value, struct str delimiters, bool url) {
    for (size_t end = value.length;;) {
        const size_t from = start_of_last(str_slice(value, 0, end), delimiters, 1);
        add_part(out, str_slice(value, from, end), url);
        if (from == 0) {
            return;
        }
        text_add_byte(out, '.');
        end = from - 1;
    }
}

/* Of a macro with a letter. `out` is empty and has PIECE_ROOM bytes. */
static void expand_piece(const struct spf_macro *macro, const struct spf_macro_values *values,
                         struct text *out) {
    char room[VALUE_ROOM];
    struct text raw = TEXT_OVER(room);
    add_value(&raw, macro->letter, values);
    const struct str value = text_str(&raw);
    const struct str delimiters = macro->delimiters.length > 0 ? macro->delimiters : STR(".");
    const size_t keep = macro->keep > 0 ? macro->keep : SIZE_MAX;
    if (macro->reverse) {
        /* The rightmost parts of the reversed value are the first ones. */
        add_backwards(out, str_slice(value, 0, end_of_first(value, delimiters, keep)), delimiters,
                      macro->url);
    } else {
        add_forwards(out, str_slice(value, start_of_last(value, delimiters, keep), SIZE_MAX),
                     delimiters, macro->url);
    }
}

/* --- whole strings ---------------------------------------------------------------------------- */

void spf_macro_expand(struct str text, enum spf_macro_place place,
                      const struct spf_macro_values *values, struct text *out) {
    struct spf_macro macro;
    for (size_t at = 0; at < text.length && !out->truncated;) {
        if (spf_macro_next(text, place, &at, &macro) != NULL) {
            return;
        }
        if (macro.letter == '\0') {
            text_add(out, macro.literal);
            continue;
        }
        char room[PIECE_ROOM];
        struct text piece = TEXT_OVER(room);
        expand_piece(&macro, values, &piece);
        text_add(out, text_str(&piece));
    }
}

enum {
    /* The end of a name that counts: with the byte before it, and a last dot. */
    TAIL_BYTES = DNS_NAME_MAX + 2,
    TEXT_MAX = 4096, /* of a whole record */
};

/* The last TAIL_BYTES of a name, filled from the right: what stands before them costs nothing, so
 * that a record of a thousand macros is no work. */
struct tail {
    size_t free;
    char bytes[TAIL_BYTES];
};

static void add_before(struct tail *tail, struct str piece) {
    const size_t length = piece.length < tail->free ? piece.length : tail->free;
    if (length > 0) {
        tail->free -= length;
        memcpy(tail->bytes + tail->free, piece.data + piece.length - length, length);
    }
}

/* Where each piece starts; false: the text is not valid. */
static bool find_pieces(struct str text, uint16_t starts[static TEXT_MAX], size_t *ret_count) {
    struct spf_macro macro;
    *ret_count = 0;
    for (size_t at = 0; at < text.length;) {
        starts[(*ret_count)++] = (uint16_t)at;
        if (spf_macro_next(text, SPF_MACRO_IN_RECORD, &at, &macro) != NULL) {
            return false;
        }
    }
    return true;
}

static void add_piece_before(struct tail *tail, struct str text, size_t at,
                             const struct spf_macro_values *values) {
    char room[PIECE_ROOM];
    struct text piece = TEXT_OVER(room);
    struct spf_macro macro;
    (void)spf_macro_next(text, SPF_MACRO_IN_RECORD, &at, &macro);
    if (macro.letter == '\0') {
        add_before(tail, macro.literal);
        return;
    }
    expand_piece(&macro, values, &piece);
    add_before(tail, text_str(&piece));
}

/* Without the last dot, and without labels at the left that are too many. */
static struct str name_in_tail(const struct tail *tail) {
    struct str name = {tail->bytes + tail->free, TAIL_BYTES - tail->free};
    if (str_ends(name, STR("."))) {
        name.length--;
    }
    if (name.length <= DNS_NAME_MAX) {
        return name;
    }
    const struct str from = str_slice(name, name.length - DNS_NAME_MAX - 1, SIZE_MAX);
    const size_t dot = str_find(from, '.');
    return dot == SIZE_MAX ? (struct str){NULL, 0} : str_slice(from, dot + 1, SIZE_MAX);
}

bool spf_macro_expand_name(struct str text, const struct spf_macro_values *values,
                           struct text *out) {
    uint16_t starts[TEXT_MAX];
    struct tail tail = {.free = TAIL_BYTES};
    size_t count = 0;
    if (text.length > TEXT_MAX || !find_pieces(text, starts, &count)) {
        return false;
    }
    while (count > 0 && tail.free > 0) {
        add_piece_before(&tail, text, starts[--count], values);
    }
    const struct str name = name_in_tail(&tail);
    text_add(out, name);
    /* A "\" would be read as an escape by who asks. */
    return spf_name_is_askable(name) && str_find(name, '\\') == SIZE_MAX;
}

bool spf_name_is_askable(struct str name) {
    if (name.length == 0 || name.length > DNS_NAME_MAX ||
        str_printable_length(name) < name.length) {
        return false;
    }
    for (size_t from = 0; from <= name.length;) {
        const size_t label = end_of_first(str_slice(name, from, SIZE_MAX), STR("."), 1);
        if (label == 0 || label > DNS_LABEL_MAX) {
            return false;
        }
        from += label + 1;
    }
    return true;
}
