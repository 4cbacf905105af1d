/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/address_pattern.h"
#include "policy/reply.h"
#include "policy/rules_rows.h"

enum { QUOTED_LENGTH_MAX = 72 };

const char *rule_say(struct text *problem, struct str found, const char *rest) {
    const size_t start = problem->length;
    char bytes[QUOTED_LENGTH_MAX];
    struct text quoted = TEXT_OVER(bytes);
    text_add_escaped(&quoted, found);
    text_add_byte(problem, '"');
    text_add(problem, text_str(&quoted));
    text_add(problem, quoted.truncated ? STR("...\" ") : STR("\" "));
    text_add(problem, str_from(rest));
    return text_zero(problem) + start;
}

bool rule_next_line(struct str *rest, struct str *ret_line, unsigned *number) {
    while (rest->length > 0) {
        const size_t end = str_find(*rest, '\n');
        const struct str line = str_trim(str_slice(*rest, 0, end));
        *rest = end == SIZE_MAX ? (struct str){NULL, 0} : str_slice(*rest, end + 1, rest->length);
        (*number)++;
        if (line.length > 0) {
            *ret_line = line;
            return true;
        }
    }
    return false;
}

static bool is_one_word(struct str text) {
    return str_find(text, '.') == SIZE_MAX && str_find(text, '*') == SIZE_MAX &&
           str_find(text, ' ') == SIZE_MAX;
}

/* An address, or a pattern of domains with or without "*@". NULL, or a sentence. What says the same
 * is written the same: example.com as *@example.com. */
static const char *parse_sender(struct str text, enum pattern_type with_at,
                                struct address_pattern *ret_pattern, struct text *problem) {
    enum pattern_type type = address_pattern_guess(text);
    if (type == PATTERN_IP) {
        return rule_say(problem, text,
                        "is an address of a machine; write user@example.com, *@example.com or "
                        "*@*.example.com");
    }
    if (type == PATTERN_DOMAIN && text.length > 0 && is_one_word(text)) {
        return rule_say(problem, text,
                        "has neither @ nor dot; write user@example.com, or *@example.com for all "
                        "of a domain");
    }
    type = type == PATTERN_EMAIL ? with_at : type;
    const char *sentence = address_pattern_parse(type, text, ret_pattern, problem);
    if (sentence == NULL) {
        ret_pattern->type = PATTERN_EMAIL;
    }
    return sentence;
}

static const char *check_restricted(struct str subject, struct text *ret_subject,
                                    struct text *problem) {
    struct address_pattern pattern;
    const char *sentence = parse_sender(subject, PATTERN_EMAIL, &pattern, problem);
    if (sentence == NULL) {
        address_pattern_format(&pattern, ret_subject);
    }
    return sentence;
}

bool rule_check_user(struct str name, struct text *out) {
    struct address_pattern pattern;
    char sentence[256];
    char room[RULE_SUBJECT_MAX + 16];
    struct text aside = TEXT_OVER(sentence);
    struct text whole = TEXT_OVER(room);
    /* A name without a domain is looked at as the local part that it is. */
    text_add(&whole, name);
    text_add(&whole, str_find(name, '@') != SIZE_MAX ? STR("") : STR("@example.com"));
    if (whole.truncated || !str_equal(str_trim(name), name) ||
        address_pattern_parse(PATTERN_EMAIL, text_str(&whole), &pattern, &aside) != NULL ||
        pattern.kind != PATTERN_KIND_ADDRESS || pattern.text_length == 0) {
        return false;
    }
    mail_address_normalise(name, out);
    return true;
}

static const char *check_user(struct str subject, struct text *ret_subject, struct text *problem) {
    if (!rule_check_user(subject, ret_subject)) {
        return rule_say(problem, subject,
                        "is no user; write the name that the user logs in with, such as "
                        "user@example.com or user");
    }
    return NULL;
}

static const char *check_line(enum rule_kind kind, struct str line, struct text *ret_value,
                              struct text *problem) {
    struct address_pattern pattern;
    const char *sentence = parse_sender(
        line, kind == RULE_RESTRICTION ? PATTERN_RECIPIENT : PATTERN_EMAIL, &pattern, problem);
    if (sentence != NULL) {
        return sentence;
    }
    if (pattern.kind == PATTERN_KIND_LOCAL_PART) {
        return rule_say(problem, line, "names no domain; write user@example.com or *@example.com");
    }
    if (kind == RULE_IDENTITY && pattern.kind == PATTERN_KIND_SUBDOMAINS) {
        return rule_say(problem, line,
                        "names domains that are not yet known; write each as *@example.com");
    }
    if (pattern.kind == PATTERN_KIND_ADDRESS && pattern.text_length == 0) {
        return rule_say(problem, line,
                        "need not be listed: every user may send with a null "
                        "sender");
    }
    address_pattern_format(&pattern, ret_value);
    return NULL;
}

/* The lines of a canonical value so far, so that none is written twice. */
enum { LINE_SLOTS = 4096 };
struct line_set {
    uint16_t at[LINE_SLOTS]; /* where it starts, + 1; 0: empty */
    unsigned count;
};
_Static_assert(LINE_SLOTS >= 2 * RULE_VALUE_LINES_MAX, "at most half full");
_Static_assert(RULE_VALUE_MAX - 1 <= UINT16_MAX, "fits line_set.at");

/* False: it was there. */
static bool note_line(struct line_set *set, const struct text *value, size_t start) {
    const struct str line = str_slice(text_str(value), start, SIZE_MAX);
    size_t slot = rule_hash(0, line) % LINE_SLOTS;
    for (; set->at[slot] != 0; slot = (slot + 1) % LINE_SLOTS) {
        const struct str rest = str_slice(text_str(value), set->at[slot] - 1U, SIZE_MAX);
        if (str_equal(str_slice(rest, 0, str_find(rest, '\n')), line)) {
            return false;
        }
    }
    set->at[slot] = (uint16_t)(start + 1);
    set->count++;
    return true;
}

static const char *say_too_long(struct text *problem, struct str value) {
    return rule_say(problem, str_slice(value, 0, str_find(value, '\n')),
                    "begins a list that is too long; write at most 2000 lines and 65536 bytes, or "
                    "name whole domains as *@example.com");
}

static const char *check_lines(enum rule_kind kind, struct str value, struct text *ret_value,
                               struct text *problem) {
    struct line_set set = {.count = 0};
    struct str rest = value;
    struct str line;
    unsigned number = 0;
    while (rule_next_line(&rest, &line, &number)) {
        const size_t end = ret_value->length;
        const size_t problem_start = problem->length;
        text_add(ret_value, end > 0 ? STR("\n") : STR(""));
        const size_t start = ret_value->length;
        if (value.length > line.length) {
            text_add(problem, STR("line "));
            text_add_u64(problem, number);
            text_add(problem, STR(": "));
        }
        if (check_line(kind, line, ret_value, problem) != NULL) {
            return problem->data + problem_start;
        }
        problem->length = problem_start;
        if (ret_value->truncated || ret_value->length > RULE_VALUE_MAX) {
            return say_too_long(problem, value);
        }
        if (!note_line(&set, ret_value, start)) {
            ret_value->length = end;
        } else if (set.count > RULE_VALUE_LINES_MAX) {
            return say_too_long(problem, value);
        }
    }
    if (kind == RULE_IDENTITY && set.count == 0) {
        return rule_say(problem, value,
                        "lists no sender; write those that the user may send as, a line each");
    }
    return NULL;
}

static const char *check_text(const struct rule_row *row, struct text *problem) {
    if (row->text.length == 0) {
        return NULL;
    }
    if (row->kind != RULE_RESTRICTION) {
        return rule_say(problem, row->text,
                        "is a text of its own, which only a restriction has; leave it out");
    }
    if (row->text.length > RULE_TEXT_MAX) {
        return rule_say(problem, row->text, "is too long a text; write at most 240 bytes");
    }
    return reply_text_problem(row->text, problem);
}

static const char *check_subject(const struct rule_row *row, struct text *ret_subject,
                                 struct text *problem) {
    const struct str subject = str_trim(row->subject);
    switch (row->kind) {
    case RULE_QUOTA:
        return rule_check_quota_subject(subject, ret_subject, problem);
    case RULE_RESTRICTION:
        return check_restricted(subject, ret_subject, problem);
    case RULE_IDENTITY:
        return check_user(subject, ret_subject, problem);
    case RULE_NONE:
    case RULE_KINDS:
        break;
    }
    return rule_say(problem, subject,
                    "is the subject of a rule of no kind; write quota, restriction or identity");
}

const char *rule_check(const struct rule_row *row, struct text *ret_subject, struct text *ret_value,
                       struct text *problem) {
    const char *sentence = check_subject(row, ret_subject, problem);
    if (sentence == NULL && ret_subject->truncated) {
        sentence = rule_say(problem, row->subject, "is too long; write at most 340 bytes");
    }
    if (sentence == NULL && (row->id == 0 || row->id > UINT32_MAX)) {
        sentence = rule_say(problem, row->subject,
                            "has a number that no rule can have; write "
                            "none, it is given");
    }
    if (sentence == NULL) {
        sentence = check_text(row, problem);
    }
    if (sentence != NULL) {
        return sentence;
    }
    return row->kind == RULE_QUOTA
               ? rule_check_quota_value(str_trim(row->value), ret_value, problem)
               : check_lines(row->kind, row->value, ret_value, problem);
}
