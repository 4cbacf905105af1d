/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hook/hook_edit.h"
#include "hook/hook_report.h"
#include "hook/postfix_config.h"

/* The restriction lists in which the hook belongs: those of main.cf, and those that an smtpd
 * service of master.cf sets for itself. */

enum { HOOK_SITES_MAX = 256 };

enum hook_state {
    HOOK_ABSENT = 0,
    HOOK_GOOD,
    HOOK_PLAIN,          /* without default_action=DUNNO: mail stops when we do */
    HOOK_UNREACHED,      /* behind permit or reject, or behind warn_if_reject */
    HOOK_UNSEEN,         /* behind something that permits */
    HOOK_BEFORE_CONTROL, /* before the only relay control there is */
    HOOK_SEVERAL,
    HOOK_ELSEWHERE, /* asks at another address of ours than it shall */
};

struct hook_site {
    struct str service, type; /* empty: main.cf */
    bool end_of_data;         /* else the recipient list */
    bool overrides;           /* the service sets the list itself; always true of main.cf */
    bool from_filter;         /* the way back from a content filter: mail was seen before */
    enum hook_state state;
    enum relay_answer relay_answer; /* of the service; the element that it depends on */
    struct str depends_on;
    struct restriction_place place; /* in the list with references resolved */
    bool for_weaker;           /* main.cf: a service that uses this list has no other relay control,
                                  so that `place` is behind that */
    char name[HOOK_PLACE_MAX]; /* for people */
};

struct hook_sites {
    size_t count;
    struct hook_site sites[HOOK_SITES_MAX];
};

/* NULL, or a sentence: a list cannot be read, or there are more places than this program knows. */
const char *hook_sites_find(const struct postfix_config *config,
                            const struct hook_identity *identity, struct hook_sites *ret_sites,
                            char *room);
/* Before 3.0 there was no `{ ..., default_action=DUNNO }`. */
#define HOOK_TOO_OLD                                                                               \
    "this Postfix is older than 3.0: its hooks know no default_action, so that mail would stop "   \
    "when SecZim does"
bool hook_postfix_is_too_old(const struct postfix_config *config);
/* Says of every site what is wrong, and of the configuration what would make an open relay. */
void hook_sites_check(const struct postfix_config *config, const struct hook_sites *sites,
                      struct hook_report *report);
