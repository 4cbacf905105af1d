/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_lines.h"

/* common/conf/master.cf.in, of which zmconfigd makes master.cf line by line. The services 465 and
 * submission have `-o smtpd_recipient_restrictions=` with nothing behind it: without the hook
 * there, the mail of users who log in would pass unseen. */

#define PARAMETER STR("smtpd_recipient_restrictions")
#define RELAY     STR("smtpd_relay_restrictions")

/* A line without the directive before it: "%%uncomment SERVICE:opendkim%%\t-o content_filter=...".
 */
static struct str without_directive(struct str line) {
    if (!str_starts(line, STR("%%"))) {
        return line;
    }
    for (size_t at = 2; at + 2 <= line.length; at++) {
        if (line.data[at] == '%' && line.data[at + 1] == '%') {
            return str_slice(line, at + 2, line.length);
        }
    }
    return line;
}

static bool is_comment(struct str line) {
    const struct str inside = str_trim(line);
    return inside.length == 0 || inside.data[0] == '#';
}

static bool is_continuation(struct str line) {
    return line.length > 0 && (line.data[0] == ' ' || line.data[0] == '\t');
}

/* `-o name=value` and `-o { name = value }`, one a line as Zimbra has them. */
static bool read_option(struct str line, struct str name, struct str *ret_value,
                        bool *ret_in_braces) {
    struct str rest = str_trim(without_directive(line));
    if (!str_starts(rest, STR("-o"))) {
        return false;
    }
    rest = str_trim(str_slice(rest, 2, rest.length));
    *ret_in_braces = rest.length >= 2 && rest.data[0] == '{' && rest.data[rest.length - 1] == '}';
    if (*ret_in_braces) {
        rest = str_trim(str_slice(rest, 1, rest.length - 1));
    }
    const size_t equals = str_find(rest, '=');
    if (equals == SIZE_MAX || !str_equal(str_trim(str_slice(rest, 0, equals)), name)) {
        return false;
    }
    /* A slice of the text also when it is empty: the hook is written there. */
    *ret_value = str_trim(str_slice(rest, equals + 1, rest.length));
    if (ret_value->length == 0) {
        *ret_value = (struct str){rest.data + equals + 1, 0};
    }
    return true;
}

static bool is_smtpd(struct str line) {
    struct str rest = without_directive(line);
    const size_t fields_before_command = 7;
    for (size_t field = 0; field < fields_before_command; field++) {
        const struct str word = zimbra_word(&rest);
        if (field == 1 && !str_equal(word, STR("inet")) && !str_equal(word, STR("pass"))) {
            return false;
        }
    }
    return str_equal(zimbra_word(&rest), STR("smtpd"));
}

static bool is_local(struct str name) {
    return str_starts(name, STR("127.")) || str_starts(name, STR("[127.")) ||
           str_starts(name, STR("localhost:")) || str_starts(name, STR("[::1]")) ||
           str_starts(name, STR("[%%zimbraLocalBindAddress%%]"));
}

static void read_service_line(struct str line, size_t offset, struct zimbra_service *service) {
    struct str value;
    bool in_braces;
    if (read_option(line, PARAMETER, &value, &in_braces)) {
        service->overrides = true;
        service->value = value;
        service->in_braces = in_braces;
        service->line = offset - line.length;
        service->end = offset;
    } else if (!read_option(line, RELAY, &value, &in_braces)) {
        return;
    }
    if (zimbra_str_has(value, STR("permit_sasl_authenticated"))) {
        service->submission = true;
    }
}

bool zimbra_service_next(struct str text, size_t *offset, struct zimbra_service *ret_service) {
    struct zimbra_service service = {0};
    bool inside = false;
    size_t before = *offset;
    for (struct str line; zimbra_line_next(text, offset, &line); before = *offset) {
        if (is_comment(line)) {
            continue;
        }
        if (is_continuation(without_directive(line))) {
            if (inside) {
                read_service_line(line, *offset, &service);
            }
            continue;
        }
        if (inside) {
            *offset = before; /* The next service begins here. */
            break;
        }
        if (is_smtpd(line)) {
            struct str rest = without_directive(line);
            inside = true;
            service.name = zimbra_word(&rest);
            service.local = is_local(service.name);
        }
    }
    *ret_service = service;
    return inside;
}

/* The hook goes where users log in and the list of main.cf does not count. */
static bool wants_hook(const struct zimbra_service *service) {
    return service->overrides && service->submission && !service->local;
}

struct zimbra_look zimbra_master_look(struct str text, struct str endpoint) {
    struct zimbra_look look = {ZIMBRA_NOT_NEEDED,
                               "no port of users has restrictions of its own, so those of port 25 "
                               "count there"};
    struct zimbra_service service;
    bool any = false;
    for (size_t offset = 0; zimbra_service_next(text, &offset, &service);) {
        any = true;
        if (!wants_hook(&service)) {
            continue;
        }
        if (!zimbra_line_has(service.value, endpoint)) {
            return (struct zimbra_look){ZIMBRA_ABSENT, NULL};
        }
        if (!zimbra_line_has_dunno(service.value, endpoint)) {
            look = (struct zimbra_look){ZIMBRA_MISPLACED, "it lacks default_action=DUNNO"};
        } else if (zimbra_line_permits_before(service.value, endpoint)) {
            look =
                (struct zimbra_look){ZIMBRA_MISPLACED, "it stands behind what permits our users"};
        } else if (look.presence == ZIMBRA_NOT_NEEDED) {
            look = (struct zimbra_look){ZIMBRA_PRESENT, NULL};
        }
    }
    return any ? look
               : (struct zimbra_look){ZIMBRA_UNKNOWN, "it has no smtpd service that can be read"};
}

static void write_value(const struct zimbra_service *service, struct str endpoint, bool add,
                        struct text *out) {
    char room[4096];
    struct text less = TEXT_OVER(room);
    if (!zimbra_list_without(service->value, endpoint, &less)) {
        text_add(out, service->value);
        return;
    }
    const struct str others = str_trim(text_str(&less));
    if (add) {
        const bool spaced = service->in_braces;
        restriction_format(endpoint, spaced ? RESTRICTION_SPACED : RESTRICTION_COMPACT, out);
        text_add(out, others.length == 0 ? STR("") : spaced ? STR(", ") : STR(","));
    }
    text_add(out, others);
}

void zimbra_master_write(struct str text, struct str endpoint, bool add, struct text *out) {
    size_t done = 0;
    struct zimbra_service service;
    for (size_t offset = 0; zimbra_service_next(text, &offset, &service);) {
        const bool change = add ? wants_hook(&service)
                                : service.overrides && zimbra_line_has(service.value, endpoint);
        if (change) {
            const size_t at = (size_t)(service.value.data - text.data);
            text_add(out, str_slice(text, done, at));
            write_value(&service, endpoint, add, out);
            done = at + service.value.length;
        }
    }
    text_add(out, str_slice(text, done, text.length));
}
