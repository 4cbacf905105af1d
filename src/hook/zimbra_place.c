/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_place.h"

#include "base/check.h"
#include "hook/zimbra_lines.h"

static const struct {
    const char *path;
    const char *gives;
} places[] = {
    [ZIMBRA_RECIPIENT] = {"conf/zmconfigd/smtpd_recipient_restrictions.cf",
                          "each recipient on port 25 and from webmail"},
    [ZIMBRA_MASTER] = {"common/conf/master.cf.in", "each recipient on the ports of users"},
    [ZIMBRA_CONFIGD] = {"conf/zmconfigd.cf", "the end of each message"},
    [ZIMBRA_END_OF_DATA] = {"conf/zmconfigd/smtpd_end_of_data_restrictions.cf",
                            "the end of each message while cbpolicyd is on"},
};

const char *zimbra_place_path(enum zimbra_place place) {
    CHECK(place < ZIMBRA_PLACES);
    return places[place].path;
}

const char *zimbra_place_gives(enum zimbra_place place) {
    CHECK(place < ZIMBRA_PLACES);
    return places[place].gives;
}

const char *zimbra_endpoint_problem(struct str endpoint) {
    const bool inet = str_starts(endpoint, STR("inet:"));
    if (!inet && !str_starts(endpoint, STR("unix:"))) {
        return "it must start with inet: or unix:, as inet:127.0.0.1:10035";
    }
    if (endpoint.length > 200) {
        return "it must have at most 200 bytes";
    }
    for (size_t i = 0; i < endpoint.length; i++) {
        const char c = endpoint.data[i];
        const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                           (c >= 'A' && c <= 'Z') || c == ':' || c == '.' || c == '/' || c == '_' ||
                           c == '-' || c == '[' || c == ']';
        if (!plain) {
            return "Zimbra's templates carry only letters, digits and : . / _ - [ ] through";
        }
    }
    return NULL;
}

/* Templates ------------------------------------------------------------------------------------ */

static struct zimbra_look look_at_template(enum zimbra_place place, struct str text,
                                           struct str endpoint) {
    bool permits = false;
    bool seen = false;
    bool bare = false;
    bool late = false;
    size_t offset = 0;
    for (struct str line; zimbra_line_next(text, &offset, &line);) {
        if (zimbra_line_has(line, endpoint)) {
            seen = true;
            bare = bare || !zimbra_line_has_dunno(line, endpoint);
            late = late || permits || zimbra_line_permits_before(line, endpoint);
        }
        permits = permits || zimbra_line_permits(line);
    }
    if (place == ZIMBRA_RECIPIENT && !permits) {
        return (struct zimbra_look){
            ZIMBRA_UNKNOWN, "it has neither permit_mynetworks nor permit_sasl_authenticated "
                            "and so is not the template of Zimbra 8.8 to 10"};
    }
    if (!seen) {
        return (struct zimbra_look){ZIMBRA_ABSENT, NULL};
    }
    if (late && place == ZIMBRA_RECIPIENT) {
        return (struct zimbra_look){ZIMBRA_MISPLACED,
                                    "it stands behind what permits our own users"};
    }
    return bare ? (struct zimbra_look){ZIMBRA_MISPLACED, "it lacks default_action=DUNNO"}
                : (struct zimbra_look){ZIMBRA_PRESENT, NULL};
}

/* Where the line of the hook goes: behind cbpolicyd's, which Zimbra keeps before all that permits;
 * else before the first line that permits. Lines of ours do not count. */
static size_t template_slot(struct str text, struct str endpoint) {
    size_t slot = 0;
    size_t offset = 0;
    for (struct str line; zimbra_line_next(text, &offset, &line);) {
        if (zimbra_line_permits(line) || zimbra_line_permits_before(line, endpoint)) {
            return slot != 0 ? slot : offset - line.length;
        }
        if (zimbra_line_is_cbpolicyd(line)) {
            slot = offset;
        }
    }
    return slot;
}

static void add_to_template(enum zimbra_place place, struct str text, struct str endpoint,
                            struct text *out) {
    const size_t slot = place == ZIMBRA_RECIPIENT ? template_slot(text, endpoint) : 0;
    size_t offset = 0;
    bool written = false;
    for (struct str line; zimbra_line_next(text, &offset, &line);) {
        if (!written && offset - line.length >= slot) {
            restriction_format(endpoint, RESTRICTION_SPACED, out);
            text_add_byte(out, '\n');
            written = true;
        }
        zimbra_line_without(line, endpoint, out);
    }
    if (!written) {
        restriction_format(endpoint, RESTRICTION_SPACED, out);
        text_add_byte(out, '\n');
    }
}

static void remove_from_template(struct str text, struct str endpoint, struct text *out) {
    size_t offset = 0;
    for (struct str line; zimbra_line_next(text, &offset, &line);) {
        zimbra_line_without(line, endpoint, out);
    }
}

/* All places ----------------------------------------------------------------------------------- */

struct zimbra_look zimbra_place_look(enum zimbra_place place, struct str text,
                                     struct str endpoint) {
    CHECK(place < ZIMBRA_PLACES);
    return place == ZIMBRA_CONFIGD  ? zimbra_configd_look(text, endpoint)
           : place == ZIMBRA_MASTER ? zimbra_master_look(text, endpoint)
                                    : look_at_template(place, text, endpoint);
}

void zimbra_place_add(enum zimbra_place place, struct str text, struct str endpoint,
                      struct text *out) {
    const enum zimbra_presence presence = zimbra_place_look(place, text, endpoint).presence;
    if (presence != ZIMBRA_ABSENT && presence != ZIMBRA_MISPLACED) {
        text_add(out, text);
    } else if (place == ZIMBRA_CONFIGD) {
        zimbra_configd_write(text, endpoint, true, out);
    } else if (place == ZIMBRA_MASTER) {
        zimbra_master_write(text, endpoint, true, out);
    } else {
        add_to_template(place, text, endpoint, out);
    }
}

void zimbra_place_remove(enum zimbra_place place, struct str text, struct str endpoint,
                         struct text *out) {
    CHECK(place < ZIMBRA_PLACES);
    if (place == ZIMBRA_CONFIGD) {
        zimbra_configd_write(text, endpoint, false, out);
    } else if (place == ZIMBRA_MASTER) {
        zimbra_master_write(text, endpoint, false, out);
    } else {
        remove_from_template(text, endpoint, out);
    }
}
