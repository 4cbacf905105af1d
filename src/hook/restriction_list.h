/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* The text of a Postfix restriction list (smtpd_recipient_restrictions and its kind), read as smtpd
 * reads it: elements stand apart by commas and blanks, `{ ... }` holds together what is inside,
 * some elements take the next word as their parameter. The text may come from `postconf` (one line)
 * or straight from a file (continuation lines, comment lines between them): places are offsets into
 * it, so that an edit leaves every other byte as it was. Pure; owns no memory. */

enum {
    RESTRICTIONS_MAX = 128,        /* elements of one list */
    RESTRICTION_TEXT_MAX = 65536,  /* bytes of one list */
    RESTRICTION_ELEMENT_MAX = 512, /* bytes of the element we write */
};

/* What an element can do to a recipient. */
enum restriction_kind {
    RESTRICTION_OTHER = 0,           /* refuses, defers or abstains; never permits */
    RESTRICTION_RELAY_CONTROL,       /* reject_unauth_destination, defer_unauth_destination */
    RESTRICTION_CLOSES,              /* reject, defer, defer_if_permit: for everybody */
    RESTRICTION_PERMITS_TRUSTED,     /* permit_mynetworks, permit_sasl_authenticated, ... */
    RESTRICTION_PERMITS_DESTINATION, /* permit_auth_destination, permit_mx_backup */
    RESTRICTION_PERMITS_ALL,         /* permit */
    RESTRICTION_MAY_PERMIT,          /* a table, a DNS allow list, a restriction class, a name
                                        this version does not know */
    RESTRICTION_POLICY_SERVICE,      /* check_policy_service, ours or another's */
    RESTRICTION_REFERENCE,           /* $name: what it is stands elsewhere */
};

struct restriction {
    enum restriction_kind kind;
    bool warn_only;       /* behind warn_if_reject: refuses nobody */
    size_t start, end;    /* in the list's text, with warn_if_reject and the parameter */
    struct str name;      /* "check_policy_service", "$name" */
    struct str parameter; /* as it stands, with its braces; empty without one */
};

struct restriction_list {
    struct str text;
    size_t count;
    struct restriction elements[RESTRICTIONS_MAX];
};

/* NULL, or a sentence that says why the text cannot be read. `text` must outlive the list. */
const char *restriction_list_parse(struct str text, struct restriction_list *ret_list);

/* Ours ---------------------------------------------------------------------------------------- */

/* An endpoint as Postfix writes it: inet:host:port, unix:path. All spellings of this host
 * (127.0.0.1, localhost, [127.0.0.1], [::1], ::1, none) are the same. */
bool restriction_endpoint_equal(struct str a, struct str b);
/* The endpoint of a check_policy_service, without braces and options; empty for other elements. */
struct str restriction_endpoint(const struct restriction *element);
/* The value of an option within the braces ("timeout", "default_action"); empty without it. */
struct str restriction_option(const struct restriction *element, struct str name);
/* True for a check_policy_service of one of `endpoints`. */
bool restriction_is_one_of(const struct restriction *element, const struct str *endpoints,
                           size_t endpoint_count);
/* Index of the first such element at or after `from`, or SIZE_MAX. */
size_t restriction_list_find(const struct restriction_list *list, size_t from,
                             const struct str *endpoints, size_t endpoint_count);

/* How a list is written. A value of master.cf outside of braces may hold no blank. */
enum restriction_spacing { RESTRICTION_SPACED = 0, RESTRICTION_COMPACT };

/* `check_policy_service { ENDPOINT, timeout=10s, default_action=DUNNO }`: what
 * policy_server.hook_timeout is out of the box. */
void restriction_format(struct str endpoint, enum restriction_spacing spacing, struct text *out);
void restriction_format_timeout(struct str endpoint, uint64_t timeout_s,
                                enum restriction_spacing spacing, struct text *out);

/* Editing ------------------------------------------------------------------------------------- */

/* The list with `element` inserted before the element at `index` (count: after the last), every
 * other byte as it was; on a line of its own where the list is written so. */
void restriction_list_insert(const struct restriction_list *list, size_t index, struct str element,
                             enum restriction_spacing spacing, struct text *out);
/* The list without the element at `index` and the comma that belonged to it; comments stay. Undoes
 * restriction_list_insert(). */
void restriction_list_remove(const struct restriction_list *list, size_t index, struct text *out);

/* Judging ------------------------------------------------------------------------------------- */

/* Where the hook belongs in the recipient list. Lists are best given with references resolved; a
 * reference left in counts as something that may permit. */
struct restriction_place {
    bool possible;
    bool after_control;   /* of the recipient list, which is all there is */
    size_t index;         /* insert before this element */
    bool outbound_unseen; /* mail of our own networks and users passes before it */
    const char *reason;   /* a sentence: why here, or why nowhere */
};
struct restriction_place restriction_place_find(const struct restriction_list *relay,
                                                const struct restriction_list *recipient);

/* Before the first element that may permit or that decides for everybody: where the hook sees all
 * mail that is not refused anyway. */
size_t restriction_first_end(const struct restriction_list *list);
/* Whether the list by itself refuses a stranger's mail to a foreign domain, or may (a table before
 * relay control): relay control that `permit` stands before is none. */
bool restriction_list_closes(const struct restriction_list *list);
/* Relay control in force in this list: an index, or SIZE_MAX. */
size_t restriction_relay_control(const struct restriction_list *list);

/* True when the hook at `index` would see what permit_mynetworks and permit_sasl_authenticated let
 * pass: no element before it permits. */
bool restriction_sees_outbound(const struct restriction_list *list, size_t index);

/* Whether a stranger's mail to a foreign domain is refused by one of the two lists. */
enum relay_answer {
    RELAY_CLOSED = 0,
    RELAY_DEPENDS, /* on *ret_element: it may permit before relay control is reached */
    RELAY_OPEN,
};
/* Endpoints of ours never permit; other policy services may. ret_element may point at nothing
 * (NULL) unless the answer is RELAY_DEPENDS. */
enum relay_answer restriction_relay_answer(const struct restriction_list *relay,
                                           const struct restriction_list *recipient,
                                           const struct str *endpoints, size_t endpoint_count,
                                           struct str *ret_element);
