/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/address_pattern.h"

#include "base/check.h"
#include "base/utf8.h"
#include "mail/mail_address.h"

enum { DOMAIN_LENGTH_MAX = 253, LABEL_LENGTH_MAX = 63, QUOTED_LENGTH_MAX = 72 };

/* `"what was found" ` and the rest of the sentence. */
static const char *say(struct text *problem, struct str found, const char *rest) {
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

static bool is_digits(struct str s) {
    for (size_t i = 0; i < s.length; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }
    }
    return true;
}

static bool is_label(struct str label) {
    for (size_t i = 0; i < label.length; i++) {
        const char c = label.data[i];
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_') {
            return false;
        }
    }
    return true;
}

/* NULL, or what is wrong with a normalised domain, for say(). */
static const char *domain_problem(struct str domain) {
    struct str label;
    if (domain.length == 0) {
        return "lacks a domain; write one such as example.com";
    }
    if (domain.length > DOMAIN_LENGTH_MAX) {
        return "has a domain of more than 253 bytes; no domain is so long";
    }
    for (size_t from = 0; from <= domain.length; from += label.length + 1) {
        const struct str rest = str_slice(domain, from, SIZE_MAX);
        label = str_slice(rest, 0, str_find(rest, '.'));
        if (label.length == 0) {
            return "has a dot too many in its domain; write example.com, or *.example.com for "
                   "everything below it";
        }
        if (str_find(label, '*') != SIZE_MAX) {
            return "has a * in a wrong place; it stands for a whole local part, as user@* for a "
                   "whole domain, or before a dot for everything below a domain: *.example.com";
        }
        if (!is_label(label)) {
            return "has a character that no domain has; allowed are letters of any script in valid "
                   "UTF-8, digits, - and _";
        }
        if (label.length > LABEL_LENGTH_MAX) {
            return "has more than 63 bytes between two dots; no domain has";
        }
    }
    if (is_digits(label)) {
        return "ends in a number as an address does; write networks as 192.0.2.0/24, type ip";
    }
    return NULL;
}

/* "[192.0.2.1]" or "[ipv6:2001:db8::1]", normalised. */
static bool is_address_literal(struct str domain) {
    struct ip_address address;
    if (!str_starts(domain, STR("[")) || !str_ends(domain, STR("]"))) {
        return false;
    }
    struct str inner = str_slice(domain, 1, domain.length - 1);
    if (str_starts(inner, STR("ipv6:"))) {
        inner = str_slice(inner, 5, SIZE_MAX);
    }
    return ip_address_parse(inner, &address);
}

/* NULL, or what is wrong with a local part, for say(). */
static const char *local_part_problem(struct str local) {
    const bool quoted = str_starts(local, STR("\"")) && str_ends(local, STR("\""));
    uint32_t point = 0;
    size_t length = 0;
    if (local.length == 0) {
        return "lacks a local part before the @; for any sender of a domain write *@example.com";
    }
    if (local.length > MAIL_LOCAL_PART_MAX) {
        return "has a local part of more than 255 bytes; write at most so many";
    }
    for (size_t at = 0; at < local.length; at += length) {
        length = utf8_decode(str_slice(local, at, SIZE_MAX), &point);
        if (length == 0) {
            return "is not valid UTF-8; write it in UTF-8 or plain ASCII";
        }
        if (point < 0x20 || (point >= 0x7f && point < 0xa0)) {
            return "holds a control character; write the address alone";
        }
        if (point == '*') {
            return "has a * within its local part; it stands for a whole local part: *@example.com";
        }
        if (!quoted && (point == '<' || point == '>')) {
            return "stands in < and >; write the address without them (<> alone is the null "
                   "sender)";
        }
        if (!quoted && (point == ' ' || point == ',' || point == ';')) {
            return "holds a blank, comma or semicolon; write one address, a list entry each";
        }
    }
    /* Last, because "a@example.com, b@example.com" is better told the other thing. */
    if (!quoted && str_find(local, '@') != SIZE_MAX) {
        return "has more than one @; write user@example.com";
    }
    return NULL;
}

/* `domain` normalised into the pattern's text. NULL, or what is wrong with it. */
static const char *take_domain(struct address_pattern *pattern, enum pattern_kind kind,
                               struct str domain, bool literal_allowed) {
    struct text text = TEXT_OVER(pattern->text);
    mail_domain_normalise(domain, &text);
    pattern->kind = kind;
    pattern->text_length = (uint16_t)text.length;
    if (literal_allowed && is_address_literal(text_str(&text))) {
        return NULL;
    }
    return domain_problem(text_str(&text));
}

static const char *take_address(struct address_pattern *pattern, struct str address) {
    struct str local;
    struct str domain;
    struct text text = TEXT_OVER(pattern->text);
    mail_address_split(address, &local, &domain);
    const char *problem = take_domain(pattern, PATTERN_KIND_ADDRESS, domain, true);
    if (problem == NULL) {
        mail_address_normalise(address, &text);
        pattern->text_length = (uint16_t)text.length;
        if (text.truncated) {
            problem = "is longer than 320 bytes; write at most so many";
        }
    }
    return problem;
}

static const char *take_local_part(struct address_pattern *pattern, struct str local) {
    for (size_t i = 0; i < local.length; i++) {
        pattern->text[i] = ascii_lower(local.data[i]);
    }
    pattern->kind = PATTERN_KIND_LOCAL_PART;
    pattern->text_length = (uint16_t)local.length;
    return NULL;
}

/* Types email and recipient. NULL, or what is wrong, for say(). */
static const char *parse_email(struct str text, struct address_pattern *pattern) {
    struct str local;
    struct str domain;
    if (str_equal(text, STR("<>"))) {
        pattern->kind = PATTERN_KIND_ADDRESS;
        return pattern->type == PATTERN_EMAIL
                   ? NULL
                   : "is the null sender, which is no recipient; write user@example.com";
    }
    if (str_find(text, '@') == SIZE_MAX) {
        return "has no @; write user@example.com, *@example.com or user@*, or use type domain";
    }
    mail_address_split(text, &local, &domain);
    if (!str_equal(local, STR("*"))) {
        const char *problem = local_part_problem(local);
        if (problem != NULL) {
            return problem;
        }
        if (str_starts(domain, STR("*."))) {
            return "has both a local part and *. in its domain; write user@* or *@*.example.com";
        }
        return str_equal(domain, STR("*")) ? take_local_part(pattern, local)
                                           : take_address(pattern, text);
    }
    if (str_equal(domain, STR("*"))) {
        return "would be everybody; write user@*, *@example.com or *@*.example.com";
    }
    if (str_starts(domain, STR("*."))) {
        return take_domain(pattern, PATTERN_KIND_SUBDOMAINS, str_slice(domain, 2, SIZE_MAX), false);
    }
    return take_domain(pattern, PATTERN_KIND_EXACT_DOMAIN, domain, true);
}

/* Types domain and client. */
static const char *parse_domain(struct str text, struct address_pattern *pattern) {
    struct ip_prefix prefix;
    bool host_bits = false;
    if (str_find(text, '@') != SIZE_MAX || str_equal(text, STR("<>"))) {
        return "is an address; use type email, or write example.com";
    }
    if (ip_prefix_parse(text, &prefix, &host_bits) || host_bits) {
        return "is an IP address or network; use type ip";
    }
    if (str_equal(text, STR("*"))) {
        return "would be every domain; write example.com or *.example.com";
    }
    if (str_starts(text, STR("*."))) {
        return take_domain(pattern, PATTERN_KIND_SUBDOMAINS, str_slice(text, 2, SIZE_MAX), false);
    }
    return take_domain(pattern, PATTERN_KIND_EXACT_DOMAIN, text, false);
}

static const char *say_host_bits(struct str text, struct text *problem) {
    const size_t start = problem->length;
    const size_t slash = str_find(text, '/');
    const struct str length = str_slice(text, slash + 1, SIZE_MAX);
    struct ip_prefix network = {.bits = 0};
    uint64_t bits = 0;
    (void)ip_address_parse(str_slice(text, 0, slash), &network.address);
    (void)str_parse_u64(length, 128, &bits);
    network.bits = (uint8_t)(bits + (str_find(text, ':') == SIZE_MAX ? 96 : 0));
    network.address = ip_address_mask(network.address, network.bits);
    (void)say(problem, text, "has bits set after /");
    text_add(problem, length);
    text_add(problem, STR("; write "));
    ip_prefix_format(network, problem);
    return text_zero(problem) + start;
}

/* Says itself what is wrong, since that depends on the text. */
static const char *parse_ip(struct str text, struct address_pattern *pattern,
                            struct text *problem) {
    struct ip_address address;
    bool host_bits = false;
    pattern->kind = PATTERN_KIND_PREFIX;
    if (ip_prefix_parse(text, &pattern->prefix, &host_bits)) {
        return NULL;
    }
    if (host_bits) {
        return say_host_bits(text, problem);
    }
    if (ip_address_parse(str_slice(text, 0, str_find(text, '/')), &address)) {
        return say(problem, text,
                   str_find(text, ':') == SIZE_MAX
                       ? "has a wrong length after the /; write a number from 0 to 32"
                       : "has a wrong length after the /; write a number from 0 to 128");
    }
    if (str_starts(text, STR("["))) {
        return say(problem, text, "stands in brackets; write the address without them");
    }
    return say(problem, text,
               "is no IP address or network; write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32");
}

const char *address_pattern_parse(enum pattern_type type, struct str text,
                                  struct address_pattern *ret_pattern, struct text *problem) {
    struct address_pattern pattern = {.type = type};
    const char *found = NULL;
    text = str_trim(text);
    if (text.length == 0) {
        return say(problem, text, "is empty; write an address, a domain or a network");
    }
    switch (type) {
    case PATTERN_EMAIL:
    case PATTERN_RECIPIENT:
        found = parse_email(text, &pattern);
        break;
    case PATTERN_DOMAIN:
    case PATTERN_CLIENT:
        found = parse_domain(text, &pattern);
        break;
    case PATTERN_IP: {
        const char *sentence = parse_ip(text, &pattern, problem);
        if (sentence != NULL) {
            return sentence;
        }
        break;
    }
    case PATTERN_TYPES:
        CHECK(type != PATTERN_TYPES);
    }
    if (found != NULL) {
        return say(problem, text, found);
    }
    *ret_pattern = pattern;
    return NULL;
}

enum pattern_type address_pattern_guess(struct str text) {
    struct ip_address address;
    text = str_trim(text);
    if (str_find(text, '@') != SIZE_MAX || str_equal(text, STR("<>"))) {
        return PATTERN_EMAIL;
    }
    /* No domain has "/" or ":", so a mistake in a network is explained as one. */
    if (str_find(text, '/') != SIZE_MAX || str_find(text, ':') != SIZE_MAX ||
        ip_address_parse(text, &address)) {
        return PATTERN_IP;
    }
    return PATTERN_DOMAIN;
}

void address_pattern_format(const struct address_pattern *pattern, struct text *out) {
    const bool is_email = pattern->type == PATTERN_EMAIL || pattern->type == PATTERN_RECIPIENT;
    const struct str text = {pattern->text, pattern->text_length};
    switch (pattern->kind) {
    case PATTERN_KIND_ADDRESS:
        text_add(out, text.length == 0 ? STR("<>") : text);
        return;
    case PATTERN_KIND_LOCAL_PART:
        text_add(out, text);
        text_add(out, STR("@*"));
        return;
    case PATTERN_KIND_EXACT_DOMAIN:
        text_add(out, is_email ? STR("*@") : STR(""));
        text_add(out, text);
        return;
    case PATTERN_KIND_SUBDOMAINS:
        text_add(out, is_email ? STR("*@*.") : STR("*."));
        text_add(out, text);
        return;
    case PATTERN_KIND_PREFIX:
        ip_prefix_format(pattern->prefix, out);
    }
}

static const char *const type_names[PATTERN_TYPES] = {
    [PATTERN_EMAIL] = "email",         [PATTERN_DOMAIN] = "domain", [PATTERN_IP] = "ip",
    [PATTERN_RECIPIENT] = "recipient", [PATTERN_CLIENT] = "client",
};

const char *pattern_type_name(enum pattern_type type) {
    CHECK(type < PATTERN_TYPES);
    return type_names[type];
}

bool pattern_type_parse(struct str name, enum pattern_type *ret_type) {
    for (unsigned i = 0; i < PATTERN_TYPES; i++) {
        if (str_equal_nocase(name, str_from(type_names[i]))) {
            *ret_type = (enum pattern_type)i;
            return true;
        }
    }
    return false;
}
