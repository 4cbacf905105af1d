/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "mail/address_pattern.h"
#include "policy/rules_rows.h"

static const char *const scope_names[QUOTA_SCOPES] = {
    [QUOTA_USER] = "user",
    [QUOTA_DOMAIN] = "domain",
    [QUOTA_IP] = "ip",
    [QUOTA_GLOBAL] = "global",
};

static const char *const unit_names[QUOTA_UNITS] = {
    [QUOTA_RECIPIENTS] = "recipients",
    [QUOTA_MESSAGES] = "messages",
    [QUOTA_BYTES] = "bytes",
};

static const char *const window_names[QUOTA_WINDOWS] = {
    [QUOTA_MINUTE] = "minute", [QUOTA_HOUR] = "hour",   [QUOTA_DAY] = "day",
    [QUOTA_WEEK] = "week",     [QUOTA_MONTH] = "month",
};
_Static_assert((int)QUOTA_WINDOWS == (int)QUOTA_WINDOWS_MAX, "a digest holds all windows");
_Static_assert(sizeof(struct quota_limits) == STATE_ENTRY_MAX, "kept in records");

const char *quota_scope_name(enum quota_scope scope) {
    CHECK(scope < QUOTA_SCOPES);
    return scope_names[scope];
}

const char *quota_unit_name(enum quota_unit unit) {
    CHECK(unit < QUOTA_UNITS);
    return unit_names[unit];
}

const char *quota_window_name(enum quota_window window) {
    CHECK(window < QUOTA_WINDOWS);
    return window_names[window];
}

static bool is_letter(char c) {
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Takes a run of letters or digits, or one other byte, off the start of `rest`; blanks before it
 * are passed over. Empty at the end. */
static struct str next_token(struct str *rest) {
    *rest = str_trim(*rest);
    size_t length = rest->length > 0 ? 1 : 0;
    bool (*const same)(char) = length == 0                ? NULL
                               : is_letter(rest->data[0]) ? is_letter
                               : is_digit(rest->data[0])  ? is_digit
                                                          : NULL;
    while (same != NULL && length < rest->length && same(rest->data[length])) {
        length++;
    }
    const struct str token = str_slice(*rest, 0, length);
    *rest = str_slice(*rest, length, rest->length);
    return token;
}

/* The number of the name that `word` is, with or without its "s" at the end; or `count`. */
static unsigned find_word(struct str word, const char *const names[], unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        struct str name = str_from(names[i]);
        name.length -= name.data[name.length - 1] == 's';
        const struct str without_s = str_slice(word, 0, name.length);
        if (str_equal_nocase(without_s, name) &&
            (word.length == name.length ||
             (word.length == name.length + 1 && ascii_lower(word.data[name.length]) == 's'))) {
            return i;
        }
    }
    return count;
}

/* --- values -------------------------------------------------------------------------------------
 */

enum { SIZES = 5 };
static const char *const size_names[SIZES] = {"KiB", "MiB", "GiB", "TiB", "PiB"};

/* What is read so far of a value. */
struct value {
    uint64_t limit;
    unsigned size; /* KiB 1, MiB 2 ...; 0: none */
    unsigned unit; /* QUOTA_UNITS: not named */
    unsigned window;
};

#define VALUE_EXAMPLES "write 500 recipients/day, 20 messages/minute or 2GiB bytes/month"

/* NULL, or what is wrong, for rule_say(). */
static const char *take_amount(struct str *rest, struct value *value) {
    const struct str digits = next_token(rest);
    if (digits.length == 0 || !is_digit(digits.data[0])) {
        return "does not begin with an amount; " VALUE_EXAMPLES;
    }
    if (!str_parse_u64(digits, QUOTA_LIMIT_MAX, &value->limit)) {
        return "is more than can be counted; write at most 1125899906842624 (1PiB)";
    }
    struct str after = *rest;
    const struct str word = next_token(&after);
    for (unsigned i = 0; i < SIZES; i++) {
        if (str_equal_nocase(word, str_from(size_names[i]))) {
            value->size = i + 1;
            *rest = after;
        }
    }
    if (value->limit > QUOTA_LIMIT_MAX >> 10 * value->size) {
        return "is more than can be counted; write at most 1125899906842624 (1PiB)";
    }
    value->limit <<= 10 * value->size;
    return NULL;
}

static const char *take_unit(struct str *rest, struct value *value) {
    struct str after = *rest;
    const struct str word = next_token(&after);
    value->unit = find_word(word, unit_names, QUOTA_UNITS);
    if (value->unit != QUOTA_UNITS) {
        *rest = after;
    } else if (word.length > 0 && is_letter(word.data[0]) && !str_equal_nocase(word, STR("per"))) {
        return "has an unknown unit; write recipients, messages or bytes (of bytes also KiB, MiB, "
               "GiB or TiB), such as 2GiB bytes/month";
    } else {
        value->unit = value->size > 0 ? QUOTA_BYTES : QUOTA_RECIPIENTS;
    }
    if (value->size > 0 && value->unit != QUOTA_BYTES) {
        return "counts recipients or messages in KiB, MiB, GiB or TiB, which are for bytes; write "
               "the number itself, such as 500 recipients/day";
    }
    return NULL;
}

static const char *take_window(struct str *rest, struct value *value) {
    const struct str per = next_token(rest);
    if (per.length == 0) {
        return "lacks a window; write /minute, /hour, /day, /week or /month after it";
    }
    if (!str_equal(per, STR("/")) && !str_equal_nocase(per, STR("per"))) {
        return "is no limit; " VALUE_EXAMPLES;
    }
    value->window = find_word(next_token(rest), window_names, QUOTA_WINDOWS);
    if (value->window == QUOTA_WINDOWS) {
        return "has an unknown window; write /minute, /hour, /day, /week or /month";
    }
    return next_token(rest).length > 0 ? "goes on after its window; write one limit a rule" : NULL;
}

static const char *parse_value(struct str text, struct value *ret_value) {
    struct str rest = text;
    *ret_value = (struct value){.limit = 0};
    const char *wrong = take_amount(&rest, ret_value);
    wrong = wrong == NULL ? take_unit(&rest, ret_value) : wrong;
    return wrong == NULL ? take_window(&rest, ret_value) : wrong;
}

const char *rule_check_quota_value(struct str text, struct text *ret_value, struct text *problem) {
    struct value value;
    const char *wrong = parse_value(text, &value);
    if (wrong != NULL) {
        return rule_say(problem, text, wrong);
    }
    /* Bytes in the largest size that divides them. */
    unsigned size = value.unit == QUOTA_BYTES && value.limit > 0 ? SIZES : 0;
    while (value.limit % (UINT64_C(1) << 10 * size) != 0) {
        size--;
    }
    text_add_u64(ret_value, value.limit >> 10 * size);
    text_add(ret_value, size > 0 ? str_from(size_names[size - 1]) : STR(""));
    text_add_byte(ret_value, ' ');
    text_add(ret_value, str_from(unit_names[value.unit]));
    text_add_byte(ret_value, '/');
    text_add(ret_value, str_from(window_names[value.window]));
    return NULL;
}

/* --- subjects -----------------------------------------------------------------------------------
 */

#define SUBJECT_EXAMPLES                                                                           \
    "write user ADDRESS, user *@DOMAIN, user *, domain DOMAIN, ip ADDRESS, ip * or global"

static bool split_subject(struct str subject, enum quota_scope *ret_scope, struct str *ret_name) {
    size_t length = 0;
    while (length < subject.length && is_letter(subject.data[length])) {
        length++;
    }
    const struct str word = str_slice(subject, 0, length);
    for (unsigned i = 0; i < QUOTA_SCOPES; i++) {
        if (str_equal_nocase(word, str_from(scope_names[i]))) {
            *ret_scope = (enum quota_scope)i;
            *ret_name = str_trim(str_slice(subject, length, subject.length));
            /* A name stands apart: "users", "user@example.com" and "domain.example" are none. */
            return (i == QUOTA_GLOBAL) == (ret_name->length == 0) &&
                   (ret_name->length == 0 || ret_name->data != subject.data + length);
        }
    }
    return false;
}

bool rule_parse_network(struct str name, struct ip_address *ret_address) {
    struct ip_prefix prefix;
    if (!ip_prefix_parse(name, &prefix, NULL)) {
        return false;
    }
    /* "::" alone is no client; ::/64 is where ::1 is. */
    const bool one = prefix.bits == 128 && !ip_address_is_none(prefix.address);
    if (!one && (prefix.bits != 64 || ip_address_is_v4(prefix.address))) {
        return false;
    }
    *ret_address = ip_address_mask(prefix.address, ip_address_is_v4(prefix.address) ? 128 : 64);
    return true;
}

static const char *check_network(struct str name, struct text *out) {
    struct ip_prefix prefix = {.bits = 128};
    if (!rule_parse_network(name, &prefix.address)) {
        return "is not the address of one client; write 192.0.2.1 or 2001:db8::1 (its /64 counts), "
               "or * for a limit that each client has";
    }
    prefix.bits = ip_address_is_v4(prefix.address) ? 128 : 64;
    ip_prefix_format(prefix, out);
    return NULL;
}

/* An address or a SASL name without a domain, in the form in which it is charged. */
static const char *check_user_name(struct str name, struct text *out) {
    char room[MAIL_ADDRESS_MAX];
    struct text charged = TEXT_OVER(room);
    const size_t start = out->length;
    if (!rule_check_user(name, out)) {
        return "is no user; write user@example.com, a name as the user logs in with, *@example.com "
               "for each user of a domain, or * for each user";
    }
    mail_recipient_normalise_for_greylisting(name, &charged);
    if (!str_equal(str_slice(text_str(out), start, SIZE_MAX), text_str(&charged))) {
        return "is charged to another name, because what follows a + does not count; write the "
               "address without it";
    }
    return NULL;
}

static const char *check_domain(struct str name, bool of_users, struct text *out) {
    struct address_pattern pattern;
    char sentence[256];
    struct text aside = TEXT_OVER(sentence);
    if (address_pattern_parse(PATTERN_DOMAIN, name, &pattern, &aside) != NULL ||
        pattern.kind != PATTERN_KIND_EXACT_DOMAIN) {
        return of_users ? "is no pattern of users; write *@example.com for each user of a domain"
                        : "is no domain; write example.com, each domain in a rule of its own";
    }
    text_add(out, (struct str){pattern.text, pattern.text_length});
    return NULL;
}

static const char *check_name(enum quota_scope scope, struct str name, struct text *out) {
    const bool all = str_equal(name, STR("*"));
    switch (scope) {
    case QUOTA_USER:
        if (str_starts(name, STR("*@"))) {
            text_add(out, STR("*@"));
            return check_domain(str_slice(name, 2, name.length), true, out);
        }
        break;
    case QUOTA_DOMAIN:
        return check_domain(name, false, out);
    case QUOTA_IP:
        break;
    case QUOTA_GLOBAL:
    case QUOTA_SCOPES:
        return NULL;
    }
    if (all) {
        text_add_byte(out, '*');
        return NULL;
    }
    return scope == QUOTA_USER ? check_user_name(name, out) : check_network(name, out);
}

const char *rule_check_quota_subject(struct str subject, struct text *ret_subject,
                                     struct text *problem) {
    enum quota_scope scope;
    struct str name;
    if (!split_subject(subject, &scope, &name)) {
        return rule_say(problem, subject, "is not whom a limit is for; " SUBJECT_EXAMPLES);
    }
    text_add(ret_subject, str_from(scope_names[scope]));
    text_add(ret_subject, scope != QUOTA_GLOBAL ? STR(" ") : STR(""));
    const char *wrong = check_name(scope, name, ret_subject);
    return wrong != NULL ? rule_say(problem, name, wrong) : NULL;
}

bool quota_rule_parse(struct str subject, struct str value, struct quota_rule *ret_rule) {
    struct quota_rule rule;
    struct value parsed;
    if (!split_subject(subject, &rule.scope, &rule.name) || parse_value(value, &parsed) != NULL) {
        return false;
    }
    rule.limit = parsed.limit;
    rule.unit = (enum quota_unit)parsed.unit;
    rule.window = (enum quota_window)parsed.window;
    *ret_rule = rule;
    return true;
}
