/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hook/restriction_list.h"

/* The places in Zimbra's own files where the hook stands. zmconfigd makes main.cf and master.cf of
 * them, so that what is written here stays; an upgrade of Zimbra replaces them.
 *
 * What zmconfigd does with a template of conf/zmconfigd/: it expands each line by itself (`%%...%%`
 * and `@@...@@`), drops the empty ones and joins the rest with ", ". It knows no comments, so the
 * hook is recognised by its endpoint, not by a mark. In conf/zmconfigd.cf the words of a POSTCONF
 * line after the parameter's name are the value. It passes values to `postconf -e` in single
 * quotes. Pure; owns no memory. */

enum zimbra_place {
    ZIMBRA_RECIPIENT = 0, /* RCPT on port 25 and from mailboxd */
    ZIMBRA_MASTER,        /* RCPT on the ports of users (465, 587), which empty the list above */
    ZIMBRA_CONFIGD,       /* END-OF-MESSAGE, without Zimbra's cbpolicyd */
    ZIMBRA_END_OF_DATA,   /* END-OF-MESSAGE, with Zimbra's cbpolicyd */
    ZIMBRA_PLACES,
};

enum { ZIMBRA_FILE_MAX = 262144, ZIMBRA_FILE_ROOM = ZIMBRA_FILE_MAX + 8192 };

/* Relative to Zimbra's folder: "conf/zmconfigd/smtpd_recipient_restrictions.cf". */
const char *zimbra_place_path(enum zimbra_place place);
/* What is seen through it, in words. */
const char *zimbra_place_gives(enum zimbra_place place);

enum zimbra_presence {
    ZIMBRA_ABSENT = 0,
    ZIMBRA_PRESENT,
    ZIMBRA_MISPLACED,  /* there, but behind what permits, or without default_action=DUNNO */
    ZIMBRA_NOT_NEEDED, /* nothing of it goes this way */
    ZIMBRA_UNKNOWN,    /* not as Zimbra has it: not touched */
};

struct zimbra_look {
    enum zimbra_presence presence;
    const char *reason; /* a clause, when MISPLACED, NOT_NEEDED or UNKNOWN; else NULL */
};

struct zimbra_look zimbra_place_look(enum zimbra_place place, struct str text, struct str endpoint);
/* `text` with the hook where it belongs, every other byte as it was; unchanged when it is PRESENT,
 * NOT_NEEDED or UNKNOWN. `out` has room for text.length + 8192. */
void zimbra_place_add(enum zimbra_place place, struct str text, struct str endpoint,
                      struct text *out);
/* `text` without the hook, wherever it stands. Undoes zimbra_place_add(). */
void zimbra_place_remove(enum zimbra_place place, struct str text, struct str endpoint,
                         struct text *out);

/* NULL, or why zmconfigd would not carry the endpoint through to main.cf as it is. */
const char *zimbra_endpoint_problem(struct str endpoint);

/* Services of master.cf or master.cf.in -------------------------------------------------------- */

struct zimbra_service {
    struct str name;  /* "465", "submission", "[127.0.0.1]:10025" */
    bool overrides;   /* has its own smtpd_recipient_restrictions */
    struct str value; /* of it, a part of the text */
    size_t line, end; /* of the line it stands in, with its newline */
    bool in_braces;   /* -o { name = value } */
    bool submission;  /* users log in there: what permits in it is their login */
    bool local;       /* listens to this host only: mail comes back from a content filter */
};
/* The next smtpd service at or after *offset (0 at first); false after the last. */
bool zimbra_service_next(struct str text, size_t *offset, struct zimbra_service *ret_service);
