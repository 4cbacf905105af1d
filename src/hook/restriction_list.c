/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/restriction_list.h"

#include "base/check.h"

static bool is_separator(char c) {
    return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The first byte from `at` on that belongs to an element. In a file a line whose first byte beside
 * blanks is `#` is a comment, also between continuation lines; postconf never shows one. */
static size_t skip_separators(struct str text, size_t at) {
    bool line_start = at > 0 && text.data[at - 1] == '\n';
    while (at < text.length) {
        const char c = text.data[at];
        if (c == '#' && line_start) {
            while (at < text.length && text.data[at] != '\n') {
                at++;
            }
        } else if (is_separator(c)) {
            line_start = c == '\n' || (line_start && c != ',');
            at++;
        } else {
            break;
        }
    }
    return at;
}

/* The end of the word that starts at `at`, as mystrtokq() of Postfix has it; SIZE_MAX when a brace
 * is not closed. */
static size_t word_end(struct str text, size_t at) {
    size_t depth = 0;
    for (; at < text.length; at++) {
        const char c = text.data[at];
        if (c == '{') {
            depth++;
        } else if (c == '}' && depth > 0) {
            depth--;
        } else if (depth == 0 && is_separator(c)) {
            break;
        }
    }
    return depth == 0 ? at : SIZE_MAX;
}

struct known_name {
    struct str name;
    enum restriction_kind kind;
    bool takes_parameter;
};

#define NAME(text, kind, takes)                                                                    \
    { {(text), sizeof(text) - 1}, (kind), (takes) }

static const struct known_name known_names[] = {
    NAME("reject_unauth_destination", RESTRICTION_RELAY_CONTROL, false),
    NAME("defer_unauth_destination", RESTRICTION_RELAY_CONTROL, false),
    NAME("reject", RESTRICTION_CLOSES, false),
    NAME("defer", RESTRICTION_CLOSES, false),
    NAME("defer_if_permit", RESTRICTION_CLOSES, false),
    NAME("defer_if_reject", RESTRICTION_OTHER, false),
    NAME("permit_mynetworks", RESTRICTION_PERMITS_TRUSTED, false),
    NAME("permit_sasl_authenticated", RESTRICTION_PERMITS_TRUSTED, false),
    NAME("permit_inet_interfaces", RESTRICTION_PERMITS_TRUSTED, false),
    NAME("permit_tls_clientcerts", RESTRICTION_PERMITS_TRUSTED, false),
    NAME("permit_auth_destination", RESTRICTION_PERMITS_DESTINATION, false),
    NAME("permit_mx_backup", RESTRICTION_PERMITS_DESTINATION, false),
    NAME("permit", RESTRICTION_PERMITS_ALL, false),
    NAME("check_policy_service", RESTRICTION_POLICY_SERVICE, true),
    NAME("permit_dnswl_client", RESTRICTION_MAY_PERMIT, true),
    NAME("permit_rhswl_client", RESTRICTION_MAY_PERMIT, true),
    NAME("reject_rbl_client", RESTRICTION_OTHER, true),
    NAME("reject_rbl", RESTRICTION_OTHER, true),
    NAME("reject_rhsbl_client", RESTRICTION_OTHER, true),
    NAME("reject_rhsbl_reverse_client", RESTRICTION_OTHER, true),
    NAME("reject_rhsbl_helo", RESTRICTION_OTHER, true),
    NAME("reject_rhsbl_sender", RESTRICTION_OTHER, true),
    NAME("reject_rhsbl_recipient", RESTRICTION_OTHER, true),
    NAME("sleep", RESTRICTION_OTHER, true),
};

static const struct known_name reference = NAME("", RESTRICTION_REFERENCE, false);
static const struct known_name refusal = NAME("", RESTRICTION_OTHER, false);
static const struct known_name table = NAME("", RESTRICTION_MAY_PERMIT, true);
static const struct known_name unknown = NAME("", RESTRICTION_MAY_PERMIT, false);

static bool starts_nocase(struct str text, struct str prefix) {
    return str_equal_nocase(str_slice(text, 0, prefix.length), prefix);
}

static bool ends_nocase(struct str text, struct str suffix) {
    return text.length >= suffix.length &&
           str_equal_nocase(str_slice(text, text.length - suffix.length, text.length), suffix);
}

static const struct known_name *classify(struct str name) {
    if (str_find(name, '$') != SIZE_MAX) {
        return &reference;
    }
    for (size_t i = 0; i < sizeof known_names / sizeof known_names[0]; i++) {
        if (str_equal_nocase(name, known_names[i].name)) {
            return &known_names[i];
        }
    }
    /* check_client_access, check_sender_mx_access, ...; `type:name` alone is a table too. */
    if (starts_nocase(name, STR("check_")) && ends_nocase(name, STR("_access"))) {
        return &table;
    }
    return starts_nocase(name, STR("reject_")) ? &refusal : &unknown;
}

/* Reads the word at *at and moves behind it. False at the end of the text. */
static const char *next_word(struct str text, size_t *at, struct str *ret_word) {
    const size_t start = skip_separators(text, *at);
    *ret_word = (struct str){0};
    if (start == text.length) {
        *at = start;
        return NULL;
    }
    const size_t end = word_end(text, start);
    if (end == SIZE_MAX) {
        return "a { in the list is never closed by a }";
    }
    *ret_word = str_slice(text, start, end);
    *at = end;
    return NULL;
}

static const char *next_element(struct str text, size_t *at, struct restriction *element) {
    struct str name;
    const char *problem = next_word(text, at, &name);
    if (problem != NULL || name.length == 0) {
        *element = (struct restriction){0};
        return problem;
    }
    *element = (struct restriction){.start = (size_t)(name.data - text.data)};
    while (problem == NULL && str_equal_nocase(name, STR("warn_if_reject"))) {
        element->warn_only = true;
        problem = next_word(text, at, &name);
        if (problem == NULL && name.length == 0) {
            return "warn_if_reject stands at the end of the list: it needs a restriction after it";
        }
    }
    const struct known_name *known = classify(name);
    element->name = name;
    element->kind = known->kind;
    element->end = *at;
    if (problem != NULL || !known->takes_parameter) {
        return problem;
    }
    problem = next_word(text, at, &element->parameter);
    if (problem == NULL && element->parameter.length == 0) {
        return "an element at the end of the list needs a word after it (a table, a domain or a "
               "service)";
    }
    element->end = *at;
    return problem;
}

const char *restriction_list_parse(struct str text, struct restriction_list *ret_list) {
    ret_list->text = text;
    ret_list->count = 0;
    if (text.length > RESTRICTION_TEXT_MAX) {
        return "the list is longer than the 65536 bytes this program reads";
    }
    size_t at = 0;
    for (;;) {
        struct restriction element;
        const char *problem = next_element(text, &at, &element);
        if (problem != NULL || element.name.length == 0) {
            return problem;
        }
        if (ret_list->count == RESTRICTIONS_MAX) {
            return "the list has more than the 128 elements this program reads";
        }
        ret_list->elements[ret_list->count++] = element;
    }
}

/* Where the hook belongs ---------------------------------------------------------------------- */

static bool may_permit(const struct restriction *element) {
    switch (element->kind) {
    case RESTRICTION_PERMITS_TRUSTED:
    case RESTRICTION_PERMITS_DESTINATION:
    case RESTRICTION_PERMITS_ALL:
    case RESTRICTION_MAY_PERMIT:
    case RESTRICTION_REFERENCE:
        return true;
    case RESTRICTION_OTHER:
    case RESTRICTION_RELAY_CONTROL:
    case RESTRICTION_CLOSES:
    case RESTRICTION_POLICY_SERVICE:
        break;
    }
    return false;
}

/* Nothing behind an element that decides for everybody is in force. */
size_t restriction_relay_control(const struct restriction_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        const struct restriction *element = &list->elements[i];
        if (element->kind == RESTRICTION_PERMITS_ALL ||
            (element->kind == RESTRICTION_CLOSES && !element->warn_only)) {
            return SIZE_MAX;
        }
        if (element->kind == RESTRICTION_RELAY_CONTROL && !element->warn_only) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* Cheap refusals before it come first, so that nothing is asked or counted for recipients that they
 * refuse. */
size_t restriction_first_end(const struct restriction_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        if (may_permit(&list->elements[i]) || list->elements[i].kind == RESTRICTION_CLOSES) {
            return i;
        }
    }
    return list->count;
}

bool restriction_sees_outbound(const struct restriction_list *list, size_t index) {
    for (size_t i = 0; i < index && i < list->count; i++) {
        if (may_permit(&list->elements[i])) {
            return false;
        }
    }
    return true;
}

/* What a stranger's mail to a foreign domain meets first. */
static enum relay_answer ask_list(const struct restriction_list *list, const struct str *endpoints,
                                  size_t endpoint_count, struct str *ret_element) {
    enum relay_answer answer = RELAY_OPEN;
    for (size_t i = 0; i < list->count; i++) {
        const struct restriction *element = &list->elements[i];
        const bool refuses =
            element->kind == RESTRICTION_RELAY_CONTROL || element->kind == RESTRICTION_CLOSES;
        if (refuses && !element->warn_only) {
            return answer == RELAY_DEPENDS ? RELAY_DEPENDS : RELAY_CLOSED;
        }
        if (element->kind == RESTRICTION_PERMITS_ALL) {
            return RELAY_OPEN;
        }
        const bool other_service = element->kind == RESTRICTION_POLICY_SERVICE &&
                                   !restriction_is_one_of(element, endpoints, endpoint_count);
        if (answer == RELAY_OPEN && (other_service || element->kind == RESTRICTION_MAY_PERMIT ||
                                     element->kind == RESTRICTION_REFERENCE)) {
            answer = RELAY_DEPENDS;
            *ret_element = str_slice(list->text, element->start, element->end);
        }
    }
    return RELAY_OPEN;
}

bool restriction_list_closes(const struct restriction_list *list) {
    struct str ignored;
    return ask_list(list, NULL, 0, &ignored) != RELAY_OPEN;
}

struct restriction_place restriction_place_find(const struct restriction_list *relay,
                                                const struct restriction_list *recipient) {
    if (restriction_list_closes(relay)) {
        return (struct restriction_place){
            .possible = true,
            .index = restriction_first_end(recipient),
            .reason = "relay control stands in smtpd_relay_restrictions, so the hook goes before "
                      "everything that permits: inbound and outbound mail are seen"};
    }
    const size_t control = restriction_relay_control(recipient);
    if (control != SIZE_MAX) {
        const bool unseen = !restriction_sees_outbound(recipient, control);
        return (struct restriction_place){
            .possible = true,
            .after_control = true,
            .index = control + 1,
            .outbound_unseen = unseen,
            .reason = unseen ? "relay control stands in this list, so the hook goes after it: mail "
                               "that is permitted before it (outbound mail) is not seen; move "
                               "relay control to smtpd_relay_restrictions and enable again"
                             : "relay control stands in this list, so the hook goes after it"};
    }
    if (restriction_list_closes(recipient)) {
        return (struct restriction_place){
            .possible = true,
            .index = restriction_first_end(recipient),
            .reason = "the list refuses whatever it does not permit, so the hook goes before "
                      "everything that permits"};
    }
    return (struct restriction_place){
        .reason = "there is no relay control: neither smtpd_relay_restrictions nor this list has "
                  "reject_unauth_destination where it is reached; set smtpd_relay_restrictions = "
                  "permit_mynetworks, "
                  "permit_sasl_authenticated, reject_unauth_destination first"};
}

enum relay_answer restriction_relay_answer(const struct restriction_list *relay,
                                           const struct restriction_list *recipient,
                                           const struct str *endpoints, size_t endpoint_count,
                                           struct str *ret_element) {
    struct str element = {0};
    const enum relay_answer first = ask_list(relay, endpoints, endpoint_count, &element);
    struct str other = {0};
    const enum relay_answer second = ask_list(recipient, endpoints, endpoint_count, &other);
    const enum relay_answer answer = first < second ? first : second;
    *ret_element = answer != RELAY_DEPENDS  ? (struct str){0}
                   : first == RELAY_DEPENDS ? element
                                            : other;
    return answer;
}
